/* SPDX-License-Identifier: Apache-2.0 */
/* From a body, or a patched object, to an object in the storage version: what the reference's
 * decoders do, in its words. */
#include <stdlib.h>

#include "base/crypto.h"
#include "base/quote.h"
#include "resources/engine_priv.h"

enum { SUMMARY_BYTES = 30 };

/* What is being decoded. */
struct decoding {
    struct write *w;
    const struct type *t;
    enum decode_as as;
    yyjson_mut_val *obj;
    struct str api_version, kind; /* as claimed, or the URL's where a built-in claims nothing */
    const struct type_version *version; /* of the claim; NULL: none of the type's */
    struct schema_unknown unknown;
};

/* ---- errors ---- */

/* Of "group/v1" or "v1". */
static struct str version_part(struct str api_version)
{
    struct str rest, first = str_cut(api_version, '/', &rest);
    return rest.ptr ? rest : first;
}

static void add_hex(struct buf *b, struct str s)
{
    crypto_hex(b, (const unsigned char *)s.ptr, s.len);
}

/* The beginning of a body as the reference shows it in an error. */
static void add_summary(struct buf *b, struct str body)
{
    struct str head = str_make(body.ptr, body.len < SUMMARY_BYTES ? body.len : SUMMARY_BYTES);
    if (!body.len) {
        buf_addz(b, "<empty>");
    } else if (body.ptr[0] == '{') {
        buf_add(b, head);
    } else {
        add_hex(b, head);
    }
    if (head.len < body.len) {
        buf_addz(b, " ...");
    }
}

/* 422 about the field `patch`, whose value is the whole patched object as text. */
static int patched_error(struct write *w, const yyjson_mut_val *obj, const char *detail,
                         struct err *err)
{
    struct causes c;
    causes_init(&c, &w->arena);
    AUTO(buf_finish) struct buf text = {0}, quoted = {0};
    quote_go_json(&text, obj);
    quote_go(&quoted, buf_str(&text));
    causes_add_text(&c, CAUSE_INVALID, PATH_FIELD(NULL, STR("patch")), buf_str(&quoted), "%s",
                    detail);
    return causes_to_err(&c, STR(""), STR(""), STR(""), err);
}

int write_decode_error(struct write *w, enum decode_as as, struct str api_version, struct str kind,
                       const yyjson_mut_val *obj, const char *detail, struct err *err)
{
    if (as == DECODE_PATCHED) {
        return patched_error(w, obj, detail, err);
    }
    if (as == DECODE_APPLIED) {
        const yyjson_mut_val *applied = yyjson_mut_doc_get_root(w->op->body);
        struct str gvk = managed_gvk(&w->arena, applied);
        return err_set(err, ERR_UNKNOWN_500,
                       "failed to convert new object (%.*s/%.*s; %.*s) to proper version: unable "
                       "to convert unstructured object to %.*s: %s",
                       STR_FMT(metadata_namespace(applied)), STR_FMT(metadata_name(applied)),
                       STR_FMT(gvk), STR_FMT(gvk), detail);
    }
    return err_set(err, ERR_BAD_REQUEST, "%.*s in version \"%.*s\" cannot be handled as a %.*s: %s",
                   STR_FMT(kind), STR_FMT(version_part(api_version)), STR_FMT(w->op->type->kind),
                   detail);
}

/* A body that does not even say what it is. */
static int unrecognized(struct decoding *d, const char *detail, struct err *err)
{
    if (d->as == DECODE_PATCHED) {
        return patched_error(d->w, d->obj, detail, err);
    }
    AUTO(buf_finish) struct buf text = {0}, summary = {0};
    json_write(&text, d->obj);
    add_summary(&summary, buf_str(&text));
    return err_set(err, ERR_BAD_REQUEST,
                   "the object provided is unrecognized (must be of type %.*s): %s (%.*s)",
                   STR_FMT(d->t->kind), detail, STR_FMT(buf_str(&summary)));
}

static int decode_error(struct decoding *d, const char *detail, struct err *err)
{
    return write_decode_error(d->w, d->as, d->api_version, d->kind, d->obj, detail, err);
}

/* ---- type meta ---- */

static const char *go_kind(const yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type((yyjson_mut_val *)(uintptr_t)v)) {
    case YYJSON_TYPE_ARR:
        return "array";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_NUM:
        return "number";
    case YYJSON_TYPE_BOOL:
        return "bool";
    default:
        return "object";
    }
}

static int read_claim(struct decoding *d, struct err *err)
{
    static const char *const keys[] = {"apiVersion", "kind"};
    struct str *const claims[] = {&d->api_version, &d->kind};
    if (!yyjson_mut_is_obj(d->obj)) {
        return unrecognized(
            d,
            arena_printf(
                &d->w->arena,
                "couldn't get version/kind; json parse error: json: cannot unmarshal %s into Go "
                "value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; "
                "Kind string \"json:\\\"kind,omitempty\\\"\" }",
                go_kind(d->obj)),
            err);
    }
    for (size_t i = 0; i < 2; i++) {
        yyjson_mut_val *v = json_get(d->obj, keys[i]);
        if (v && !yyjson_mut_is_str(v) && !yyjson_mut_is_null(v)) {
            return unrecognized(
                d,
                arena_printf(
                    &d->w->arena,
                    "couldn't get version/kind; json parse error: json: cannot unmarshal %s into "
                    "Go struct field .%s of type string",
                    go_kind(v), keys[i]),
                err);
        }
        *claims[i] = json_str(v);
    }
    return 0;
}

/* `no kind "X" is registered`, or the refusal of a kind that exists but is another one. */
static int foreign_kind(struct decoding *d, struct err *err)
{
    struct str rest, group = str_cut(d->api_version, '/', &rest);
    group = rest.ptr ? group : STR("");
    const struct type *other = registry_find_kind(write_types(d->w), group, d->kind);
    struct str version = version_part(d->api_version);
    const char *detail;
    if (other && type_served(other, version)) {
        detail =
            arena_printf(&d->w->arena, "converting (%.*s.%.*s) to (core.%.*s): unknown conversion",
                         STR_FMT(version), STR_FMT(d->kind), STR_FMT(d->t->kind));
    } else {
        detail = arena_printf(&d->w->arena,
                              "no kind \"%.*s\" is registered for version \"%.*s\" in scheme "
                              "\"pkg/api/legacyscheme/scheme.go:30\"",
                              STR_FMT(d->kind), STR_FMT(d->api_version));
    }
    return decode_error(d, detail, err);
}

static int version_refused(struct decoding *d, struct err *err)
{
    return err_set(
        err, ERR_BAD_REQUEST,
        "the API version in the data (%.*s) does not match the expected API version (%.*s)",
        STR_FMT(d->api_version), STR_FMT(d->w->op->version->api_version));
}

static int check_builtin(struct decoding *d, struct err *err)
{
    const struct type_version *v = d->w->op->version;
    d->kind = d->kind.len ? d->kind : d->t->kind;
    d->api_version = d->api_version.len ? d->api_version : v->api_version;
    d->version = v;
    bool same = str_eq(d->api_version, v->api_version);
    if (str_eq(d->kind, d->t->kind) && same) {
        return 0;
    }
    const struct type_version *other = type_served(d->t, version_part(d->api_version));
    if (str_eq(d->kind, d->t->kind) && other && str_eq(other->api_version, d->api_version)) {
        return version_refused(d, err);
    }
    return foreign_kind(d, err);
}

static int check_custom(struct decoding *d, struct err *err)
{
    if (!d->kind.len) {
        AUTO(buf_finish) struct buf text = {0};
        (d->as == DECODE_PATCHED ? quote_go_json : json_write)(&text, d->obj);
        return unrecognized(d,
                            arena_printf(&d->w->arena, "Object 'Kind' is missing in '%.*s'",
                                         STR_FMT(buf_str(&text))),
                            err);
    }
    const struct type_version *want = d->w->op->version;
    if (str_eq(d->api_version, want->api_version)) {
        d->version = want;
        return 0;
    }
    for (size_t i = 0; i < d->t->n_versions && !d->version; i++) {
        d->version =
            str_eq(d->t->versions[i].api_version, d->api_version) ? &d->t->versions[i] : NULL;
    }
    return d->as == DECODE_BODY ? version_refused(d, err) : 0;
}

/* Custom resources are told of a wrong kind or version as of any invalid field. */
static int validate_claim(struct decoding *d, struct err *err)
{
    struct causes c;
    causes_init(&c, &d->w->arena);
    const struct type_version *want = d->w->op->version;
    if (!str_eq(d->kind, d->t->kind)) {
        causes_add(&c, CAUSE_INVALID, PATH_FIELD(NULL, STR("kind")), json_get(d->obj, "kind"),
                   "must be %.*s", STR_FMT(d->t->kind));
    }
    if (!str_eq(d->api_version, want->api_version)) {
        causes_add_text(&c, CAUSE_INVALID, PATH_FIELD(NULL, STR("apiVersion")),
                        str_from(arena_printf(&d->w->arena, "\"%.*s\"", STR_FMT(d->api_version))),
                        "must be %.*s", STR_FMT(want->api_version));
    }
    return causes_to_err(&c, d->t->group, d->kind, metadata_name(d->obj), err);
}

/* ---- unknown and duplicate fields ---- */

static int compare_paths(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Removes what no schema knows; the paths below the metadata are given sorted for custom resources.
 */
static void prune(struct decoding *d)
{
    struct schema_unknown *u = d->w->op->validation == FIELD_VALIDATION_IGNORE ? NULL : &d->unknown;
    size_t before = d->unknown.n;
    if (d->version) {
        schema_prune(d->version->schema, d->obj, u);
    } else { /* a version that the type does not have: nothing is known of it */
        for (struct json_iter it = json_iter(d->obj); json_next(&it);) {
            struct str key = json_str(it.key);
            if (str_is(key, "apiVersion") || str_is(key, "kind") || str_is(key, "metadata")) {
                continue;
            }
            schema_unknown_add(u, PATH_FIELD(NULL, key));
            json_iter_remove(&it);
        }
    }
    if (d->t->custom && d->unknown.n > before + 1) {
        qsort(d->unknown.paths + before, d->unknown.n - before, sizeof(*d->unknown.paths),
              compare_paths);
    }
}

/* What is to be said of one duplicate key: a YAML reader's line or its path. */
static void add_duplicate(struct buf *b, const struct op *op, size_t i, bool strict)
{
    const struct json_duplicates *dup = &op->duplicates;
    if (dup->lines && dup->lines[i].ptr) {
        buf_printf(b, "%s%.*s", strict ? (i ? "\n  " : "yaml: unmarshal errors:\n  ") : "",
                   STR_FMT(dup->lines[i]));
    } else {
        buf_printf(b, "%s%sduplicate field \"%.*s\"", strict && i ? ", " : "",
                   write_patch_prefix(op), STR_FMT(dup->paths[i]));
    }
}

static void warn_all(struct decoding *d)
{
    struct op *op = d->w->op;
    for (size_t i = 0; i < op->duplicates.n; i++) {
        AUTO(buf_finish) struct buf b = {0};
        add_duplicate(&b, op, i, false);
        warnings_add(&op->warnings, "%.*s", STR_FMT(buf_str(&b)));
    }
    for (size_t i = 0; i < d->unknown.n; i++) {
        warnings_add(&op->warnings, "unknown field \"%.*s\"", STR_FMT(d->unknown.paths[i]));
    }
}

static int refuse_all(struct decoding *d, struct err *err)
{
    struct op *op = d->w->op;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "strict decoding error: ");
    for (size_t i = 0; i < op->duplicates.n; i++) {
        add_duplicate(&b, op, i, true);
    }
    for (size_t i = 0; i < d->unknown.n; i++) {
        buf_printf(&b, "%sunknown field \"%.*s\"", i || op->duplicates.n ? ", " : "",
                   STR_FMT(d->unknown.paths[i]));
    }
    buf_addc(&b, 0);
    return decode_error(d, b.ptr, err);
}

static int report(struct decoding *d, struct err *err)
{
    const struct op *op = d->w->op;
    if (d->as == DECODE_APPLIED || op->validation == FIELD_VALIDATION_IGNORE ||
        (!d->unknown.n && !op->duplicates.n)) {
        return 0;
    }
    if (op->validation == FIELD_VALIDATION_STRICT) {
        return refuse_all(d, err);
    }
    warn_all(d);
    return 0;
}

/* ---- the stages ---- */

/* The namespace of the object is the request's, given or not; cluster-scoped objects have none. */
static int settle_namespace(struct decoding *d, struct err *err)
{
    yyjson_mut_val *meta = metadata_of(d->obj);
    struct str given = json_get_str(meta, "namespace"), want = d->w->op->scope.ns;
    if (!d->t->namespaced) {
        json_remove(meta, "namespace");
        return 0;
    }
    if (given.len && !str_eq(given, want)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the namespace of the provided object does not match the namespace sent on "
                       "the request");
    }
    if (!given.len) {
        json_set_str(d->w->doc, meta, "namespace", want);
    }
    return 0;
}

/* Types and metadata as the reference's Go types take them. */
static int decode_types(struct decoding *d, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    struct schema_unknown *u = d->w->op->validation == FIELD_VALIDATION_IGNORE ? NULL : &d->unknown;
    int rc = metadata_decode(d->t, d->w->doc, d->obj, u, &why);
    if (!rc && !d->t->custom) {
        rc = schema_decode(d->version->schema, d->w->doc, d->obj, d->kind, &why);
    }
    return rc ? decode_error(d, err_message(&why), err) : 0;
}

int write_to_storage(struct write *w, yyjson_mut_val **ret, struct err *err)
{
    const struct type *t = w->op->type;
    const struct type_version *storage = type_stored_version(t, w->op->version);
    *ret = w->obj;
    if (w->op->version == storage) {
        return 0;
    }
    *ret = json_copy(w->doc, w->obj);
    int rc = represent_convert(t, storage, w->doc, *ret, err);
    if (!rc) {
        schema_prune(storage->schema, *ret, NULL);
        schema_default(storage->schema, w->doc, *ret);
    }
    return rc;
}

/* Takes the managedFields that a client sent out. An empty list is heard of built-ins only: custom
 * resources pass a decoder that drops it. */
static bool sent_empty_owners(const struct decoding *d)
{
    const yyjson_mut_val *list = json_get(metadata_of(d->obj), "managedFields");
    return !d->t->custom && json_is_arr(list) && !json_size(list);
}

static void take_owners(struct decoding *d, bool empty)
{
    struct managed_before *o = &d->w->owners;
    o->given = managed_detach(d->obj);
    o->reset = empty || managed_is_reset(o->given, false);
}

/* Defaults, and what the type does beside them. */
static void complete(struct decoding *d)
{
    const struct type_version *v = d->version;
    yyjson_mut_doc *doc = d->w->doc;
    if (v && d->as == DECODE_APPLIED && d->t->custom) {
        schema_default_only(v->schema, doc, d->obj); /* nulls that were applied are validated */
    } else if (v) {
        schema_default(v->schema, doc, d->obj);
    }
    if (!json_get(d->obj, "kind") ||
        !json_get(d->obj, "apiVersion")) { /* a built-in that left it to the URL */
        json_set_str(doc, d->obj, "kind", d->kind);
        json_set_str(doc, d->obj, "apiVersion", d->api_version);
    }
    if (d->t->strategy->decoded) {
        d->t->strategy->decoded(d->t->self, doc, d->obj);
    }
}

int write_decode(struct write *w, yyjson_mut_val *obj, enum decode_as as, struct str *ret_rv,
                 struct err *err)
{
    struct decoding d = {
        .w = w, .t = w->op->type, .as = as, .obj = obj, .unknown = {.arena = &w->arena}};
    bool empty = sent_empty_owners(&d);
    int rc = read_claim(&d, err);
    rc = rc ? rc : d.t->custom ? check_custom(&d, err) : check_builtin(&d, err);
    rc = rc ? rc : decode_types(&d, err);
    if (rc) {
        return rc;
    }
    prune(&d);
    rc = report(&d, err);
    rc = rc || !d.t->custom ? rc : validate_claim(&d, err);
    if (rc) {
        return rc;
    }
    complete(&d);
    yyjson_mut_val *meta = metadata_of(obj);
    *ret_rv = json_get_str(meta, "resourceVersion");
    json_remove(meta, "resourceVersion");
    take_owners(&d, empty);
    return settle_namespace(&d, err);
}

int write_check_name(const struct op *op, const yyjson_mut_val *obj, struct err *err)
{
    struct str name = metadata_name(obj);
    if (!name.len) {
        return err_set(
            err, ERR_BAD_REQUEST,
            "the name of the object (%.*s based on URL) was undeterminable: name must be provided",
            STR_FMT(op->name));
    }
    if (!str_eq(name, op->name)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the name of the object (%.*s) does not match the name on the URL (%.*s)",
                       STR_FMT(name), STR_FMT(op->name));
    }
    return 0;
}
