/* SPDX-License-Identifier: Apache-2.0 */
/* The decision of a create, and the stages that creates and updates share. */
#include "resources/engine_priv.h"

enum { GENERATED_NAME_ATTEMPTS = 8 };

typedef int admission_fn(struct engine *e, struct admission_request *r, struct err *err);

static int admit(struct write *w, admission_fn *pass, struct err *err)
{
    if (!w->e->n_plugins) {
        return 0;
    }
    static const struct {
        const char *lower;
        struct str upper;
    } operations[] = {
        {"create", {"CREATE", 6}}, {"update", {"UPDATE", 6}}, {"delete", {"DELETE", 6}}};
    struct admission_request r = {.write = w,
                                  .op = w->op,
                                  .subresource = w->op->subresource,
                                  .doc = w->doc,
                                  .obj = w->obj,
                                  .old = w->old};
    for (size_t i = 0; i < 3; i++) {
        if (str_is(w->operation, operations[i].lower)) {
            r.operation = operations[i].upper;
        }
    }
    return pass(w->e, &r, err);
}

int write_admit(struct write *w, bool mutate, struct err *err)
{
    if (mutate && w->op->verb != VERB_PATCH) {
        metadata_dedup_owners(w->doc, w->obj, false, &w->op->warnings);
    }
    int rc = admit(w, mutate ? admission_mutate : admission_validate, err);
    if (mutate && !rc) {
        metadata_dedup_owners(w->doc, w->obj, true, &w->op->warnings);
    }
    return rc;
}

int write_complete(struct write *w, struct err *err)
{
    return admit(w, admission_complete, err);
}

/* As the reference, an object that is stored as one of another group is invalid as that. */
static struct str stored_group(const struct type *t)
{
    struct str rest, group = str_cut(t->stored_api_version, '/', &rest);
    return rest.ptr ? group : STR("");
}

/* The reference validates a custom resource's status as a value of its own: `ready in body must be
 * ...` at the field status.ready. */
static void say_of_status(struct causes *c, size_t from)
{
    const struct str prefix = STR("status.");
    for (size_t i = from; i < c->n; i++) {
        struct cause_item *item = &c->items[i];
        const char *named = arena_printf(c->arena, ": %.*s in body ", STR_FMT(item->field));
        const char *text = arena_str(c->arena, item->message).ptr, *at = strstr(text, named);
        if (at && str_starts(item->field, prefix)) {
            size_t before = (size_t)(at - text) + 2;
            item->message = str_from(
                arena_printf(c->arena, "%.*s%s", (int)before, text, text + before + prefix.len));
        }
    }
}

int write_validate(struct write *w, struct err *err)
{
    const struct type *t = w->op->type;
    const struct type_version *v = w->op->version;
    struct causes c;
    causes_init(&c, &w->arena);
    metadata_validate(t, w->obj, w->old, &c, &w->op->warnings);
    size_t n = c.n;
    schema_validate(v->schema, w->obj, w->old, &c);
    if (t->custom && str_is(w->op->subresource, "status")) {
        say_of_status(&c, n);
    }
    if (v->has_scale) {
        scale_validate(v, w->obj, str_is(w->op->subresource, "status"), &c);
    }
    if (t->strategy->validate) {
        t->strategy->validate(t->self, w, w->obj, w->old, &c);
    }
    return causes_to_err(&c, stored_group(t), t->stored_kind, metadata_name(w->obj), err);
}

int write_also_hook(struct write *w, struct err *err)
{
    const struct type *t = w->op->type;
    return t->strategy->also
               ? t->strategy->also(t->self, w, w->effect == WRITE_DELETE ? NULL : w->obj, w->old,
                                   err)
               : 0;
}

bool write_unheld(const struct type *t, const yyjson_mut_val *obj)
{
    return !metadata_finalizers(obj) && !(t->strategy->held && t->strategy->held(t->self, obj));
}

/* A type whose definition goes or went takes no more objects; the definition is part of what the
 * create rests on. */
static int check_definition(struct write *w, struct err *err)
{
    const struct type *t = w->op->type;
    if (!t->definition_key.ptr) {
        return 0;
    }
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct store_entry entry;
    AUTO(err_finish) struct err why = {0};
    int rc = store_get(w->e->store, t->definition_key, 0, &blob, &entry, NULL, &why);
    if (rc && rc != ERR_NOT_FOUND) {
        return err_move(err, &why);
    }
    const struct type *now = registry_find(write_types(w), t->group, t->resource);
    if (rc || !now) {
        return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
    }
    if (now->terminating) {
        return status_forbidden(
            err, t, w->name, "create not allowed while custom resource definition is terminating");
    }
    write_compare(w, STORE_CMP_REV, t->definition_key, entry.rev);
    return 0;
}

/* Whoever patches or puts an object into being must be allowed to create it, too. */
static int check_may_create(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    struct attributes at = {
        .user = op->user,
        .verb = STR("create"),
        .resource_request = true,
        .group = op->type->group,
        .version = op->version->name,
        .resource = op->type->resource,
        .subresource = op->subresource,
        .ns = op->scope.ns,
        .name = op->name,
    };
    const char *reason = NULL;
    return !op->user || access_authorize(w->e->access, &at, &reason) == DECISION_ALLOW
               ? 0
               : status_access_denied(err, &at, reason);
}

static int taken(struct write *w, const struct store_entry *e, struct blob *blob, bool generated,
                 struct err *err)
{
    const struct type *t = w->op->type;
    yyjson_mut_doc *d = NULL;
    const struct stored s = {blob_str(blob), e->rev, e->stamp};
    int rc = status_exists(err, t, w->name);
    if (generated) {
        err_set(err, ERR_EXISTS,
                "%.*s \"%.*s\" already exists, the server was not able to generate a unique name "
                "for the object",
                STR_FMT(t->group_resource), STR_FMT(w->name));
        err_about(err, t->group, t->resource, w->name);
        if (err) {
            err->retry_after = 1;
        }
    } else if (!represent_decode(t, type_storage(t), &s, &w->arena, &d, NULL) &&
               metadata_deleting(yyjson_mut_doc_get_root(d))) {
        err_wrap(err, "object is being deleted");
    }
    return rc;
}

/* The key must be free. That is the transaction's compare; a look before it only where the first
 * try failed or nothing will be submitted. */
static int claim_key(struct write *w, bool generated, struct err *err)
{
    const struct type *t = w->op->type;
    w->key = type_key(t, w->op->scope, w->name, &w->arena);
    write_compare(w, STORE_CMP_REV, w->key, 0);
    bool looked = w->op->verb != VERB_CREATE;
    if (looked || (w->attempts == 1 && !w->op->dry_run)) {
        return 0;
    }
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct store_entry entry;
    AUTO(err_finish) struct err why = {0};
    int rc = store_get(w->e->store, w->key, 0, &blob, &entry, NULL, &why);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : err_move(err, &why);
    }
    return taken(w, &entry, blob, generated, err);
}

/* Answers a create that stores nothing: of a virtual type or by a subresource. */
static void answer_value(struct write *w, int64_t rev)
{
    (void)rev;
    w->op->answer.http_status = 201;
    w->op->answer.doc = w->doc;
}

static int create_value(struct write *w, struct err *err)
{
    struct op *op = w->op;
    const struct type *t = op->type;
    const struct type_subresource *sub =
        op->subresource.len ? type_subresource(t, op->subresource) : NULL;
    struct str rv;
    int rc = 0;
    if (!sub) {
        rc = write_decode(w, w->obj, DECODE_BODY, &rv, err);
        rc = rc ? rc : write_to_storage(w, &w->obj, err);
        rc = rc ? rc : write_admit(w, true, err);
        rc = rc ? rc : write_admit(w, false, err);
    }
    if (rc) {
        return rc;
    }
    w->answer = answer_value;
    int (*create)(void *, struct op *, yyjson_mut_doc *, yyjson_mut_val *, yyjson_mut_val **,
                  struct err *) = sub ? sub->create : t->strategy->create;
    if (!create) {
        return status_method(err, t, STR("create"));
    }
    return create(t->self, op, w->doc, w->obj, &op->answer.value, err);
}

/* Everything from the decoded object to one that is valid. */
static int prepare(struct write *w, struct err *err)
{
    const struct type *t = w->op->type;
    int rc = write_admit(w, true, err);
    if (rc) {
        return rc;
    }
    metadata_begin(t, w->doc, w->obj, w->op->scope.ns, w->now_us);
    w->name = metadata_name(w->obj);
    if (t->custom && w->op->version->status) {
        json_remove(w->obj, "status");
    }
    rc = t->strategy->prepare ? t->strategy->prepare(t->self, w, w->doc, w->obj, NULL, err) : 0;
    rc = rc ? rc : write_complete(w, err);
    rc = rc ? rc : write_validate(w, err);
    return rc ? rc : write_admit(w, false, err);
}

int write_create_rest(struct write *w, struct str rv, bool generated, struct err *err)
{
    const struct op *op = w->op;
    int64_t version = 0;
    w->operation = STR("create");
    w->name = metadata_name(w->obj);
    int rc = check_definition(w, err);
    rc = rc ? rc : prepare(w, err);
    rc = rc || op->verb == VERB_CREATE ? rc : check_may_create(w, err);
    if (rc) {
        return rc;
    }
    if (!op_parse_rv(rv, &version) && version) {
        return err_set(err, ERR_UNKNOWN_500,
                       "resourceVersion should not be set on objects to be created");
    }
    rc = claim_key(w, generated && w->attempts >= GENERATED_NAME_ATTEMPTS, err);
    if (rc == ERR_EXISTS && generated && w->attempts < GENERATED_NAME_ATTEMPTS) {
        rc = 0; /* the transaction fails on it and the next attempt makes another name */
    }
    rc = rc ? rc : write_encode_object(w, err);
    if (rc) {
        return rc;
    }
    w->answer = write_answer_object;
    write_put_object(w);
    return write_also_hook(w, err);
}

/* What a client may not set on a create is nobody's. */
static void wipe(struct write *w)
{
    yyjson_mut_val *meta = metadata_of(w->obj);
    json_remove(meta, "deletionTimestamp");
    json_remove(meta, "deletionGracePeriodSeconds");
}

static int create_decoded(struct write *w, struct str rv, bool generated, struct err *err)
{
    wipe(w);
    int rc = write_own(w, err);
    return rc ? rc : write_create_rest(w, rv, generated, err);
}

int write_create_put(struct write *w, struct err *err)
{
    w->operation = STR("create");
    return create_decoded(w, STR_NULL, false, err);
}

int write_create(struct write *w, struct err *err)
{
    const struct op *op = w->op;
    w->operation = STR("create");
    w->doc = json_doc(&w->arena);
    w->obj = json_copy(w->doc, yyjson_mut_doc_get_root(op->body));
    if (op->type->virtual_ || op->subresource.len) {
        return create_value(w, err);
    }
    struct str rv = STR_NULL;
    int rc = write_decode(w, w->obj, DECODE_BODY, &rv, err);
    return rc ? rc : create_decoded(w, rv, !metadata_name(w->obj).len, err);
}
