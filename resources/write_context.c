/* SPDX-License-Identifier: Apache-2.0 */
/* The recording context of an attempt: reads that become compares, and the changes that its
 * transaction makes. */
#include <assert.h>
#include <stdarg.h>

#include "base/limits.h"
#include "resources/engine_priv.h"
#include "resources/index.h"

/* Room for one more of n elements of the given size. */
static void *room(struct write *w, void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return items;
    }
    size_t more = *cap ? *cap * 2 : 4;
    void *p = arena_alloc(&w->arena, more * size);
    if (n) {
        memcpy(p, items, n * size);
    }
    *cap = more;
    return p;
}

void write_compare(struct write *w, enum store_cmp_kind kind, struct str key, int64_t rev)
{
    w->cmps = room(w, w->cmps, w->n_cmps, &w->cap_cmps, sizeof(*w->cmps));
    w->cmps[w->n_cmps++] = (struct store_cmp){.kind = kind, .key = key, .rev = rev};
}

static void hold(struct write *w, struct blob *b)
{
    w->blobs = room(w, w->blobs, w->n_blobs, &w->cap_blobs, sizeof(*w->blobs));
    w->blobs[w->n_blobs++] = b;
}

static void add_op(struct write *w, struct store_op op)
{
    w->ops = room(w, w->ops, w->n_ops, &w->cap_ops, sizeof(*w->ops));
    w->ops[w->n_ops++] = op;
}

const struct registry_snapshot *write_types(struct write *w)
{
    if (!w->types) {
        w->types = registry_ref(w->e->registry);
    }
    return w->types;
}

void write_warn(struct write *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(&w->arena, fmt, ap);
    va_end(ap);
    warnings_add(&w->op->warnings, "%s", text);
}

/* The stamp of a value that is made of obj now. */
static uint64_t stamp_of(const struct type *t, const yyjson_mut_val *obj)
{
    const struct type_version *v =
        t->as_written ? type_version_of(t, json_get_str(obj, "apiVersion")) : NULL;
    return v ? v->stamp : t->stamp;
}

/* ---- the object itself ---- */

int write_load(struct write *w, struct err *err)
{
    const struct type *t = w->op->type;
    w->key = type_key(t, w->op->scope, w->op->name, &w->arena);
    struct store_entry entry;
    int rc = store_get(w->e->store, w->key, 0, &w->current, &entry, NULL, err);
    if (rc) {
        return rc == ERR_NOT_FOUND ? status_not_found(err, t, w->op->name) : rc;
    }
    w->rev = entry.rev;
    w->stamp = entry.stamp;
    write_compare(w, STORE_CMP_REV, w->key, w->rev);
    return 0;
}

bool write_converts(const struct write *w, const struct type_version *v)
{
    const struct type *t = w->op->type;
    return t->as_written ? w->stamp != v->stamp : v != type_storage(t);
}

int write_current(struct write *w, const struct type_version *v, yyjson_mut_doc **ret_doc,
                  struct err *err)
{
    const struct type *t = w->op->type;
    const struct stored s = {blob_str(w->current), w->rev, w->stamp};
    int rc = represent_decode(t, v, &s, &w->arena, ret_doc, err);
    if (!rc && t->as_written && t->strategy->decoded && write_converts(w, v)) {
        t->strategy->decoded(t->self, *ret_doc, yyjson_mut_doc_get_root(*ret_doc));
    }
    return rc;
}

int write_encode(struct write *w, const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj,
                 struct blob **ret, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    if (!str_eq(t->stored_api_version, type_storage(t)->api_version) && t->strategy->convert) {
        obj = json_copy(d, obj);
        int rc = t->strategy->convert(t->self, d, obj, t->stored_api_version, err);
        if (rc) {
            return rc;
        }
    }
    represent_encode(&b, t, obj);
    if (b.len > LIMIT_OBJECT_BYTES) {
        return err_set(err, ERR_TOO_LARGE, "Request entity too large: limit is %u",
                       LIMIT_OBJECT_BYTES);
    }
    *ret = blob_create(buf_str(&b));
    hold(w, *ret);
    return 0;
}

int write_encode_object(struct write *w, struct err *err)
{
    int rc = write_to_storage(w, &w->stored, err);
    rc = rc ? rc : write_encode(w, w->op->type, w->doc, w->stored, &w->value, err);
    if (rc != ERR_TOO_LARGE || w->op->patch == PATCH_APPLY || !managed_detach(w->stored)) {
        return rc;
    }
    err_finish(err);
    return write_encode(w, w->op->type, w->doc, w->stored, &w->value, err);
}

void write_put_object(struct write *w)
{
    const struct type *t = w->op->type;
    const yyjson_mut_val *obj = w->stored ? w->stored : w->obj;
    struct store_term *terms = NULL;
    size_t n_terms = index_terms(t, obj, &w->arena, &terms);
    w->effect = WRITE_PUT;
    w->put_stamp = stamp_of(t, obj);
    add_op(w, (struct store_op){.kind = STORE_OP_PUT,
                                .key = w->key,
                                .value = w->value,
                                .stamp = w->put_stamp,
                                .terms = terms,
                                .n_terms = n_terms,
                                .prev = w->current,
                                .prev_stamp = w->stamp});
}

void write_delete_object(struct write *w)
{
    w->effect = WRITE_DELETE;
    add_op(w,
           (struct store_op){
               .kind = STORE_OP_DELETE, .key = w->key, .prev = w->current, .prev_stamp = w->stamp});
}

void write_answer_object(struct write *w, int64_t rev)
{
    struct answer *a = &w->op->answer;
    a->http_status = str_is(w->operation, "create") ? 201 : 200;
    if (!rev) { /* a dry run of a create has no resourceVersion to show */
        a->doc = w->doc;
        a->value = w->stored;
        if (w->op->version != type_storage(w->op->type)) {
            represent_convert(w->op->type, w->op->version, a->doc, a->value, NULL);
        }
        return;
    }
    a->stored = true;
    a->blob = blob_ref(w->value);
    a->rev = rev;
    a->stamp = w->value == w->current ? w->stamp : w->put_stamp;
}

void write_answer_kept(struct write *w, int64_t rev)
{
    struct op *op = w->op;
    const struct stored s = {blob_str(w->current), rev, w->stamp};
    write_answer_object(w, rev);
    if (represent_decode(op->type, op->version, &s, &op->arena, &op->answer.doc, NULL) == 0) {
        op->answer.stored = false;
        op->answer.value = yyjson_mut_doc_get_root(op->answer.doc);
    }
}

void write_answer_deleted(struct write *w, int64_t rev)
{
    (void)rev;
    w->op->answer.http_status = 200;
    w->op->answer.deleted_status = true;
    w->op->answer.uid = arena_str(&w->op->arena, metadata_uid(w->old));
}

void write_answer_gone(struct write *w, int64_t rev)
{
    struct answer *a = &w->op->answer;
    a->http_status = 200;
    a->stored = true;
    a->blob = blob_ref(w->current);
    a->rev = w->txn_rev ? w->txn_rev : rev;
    a->stamp = w->stamp;
}

/* ---- other objects ---- */

static struct write_record *recorded(struct write *w, struct str key)
{
    for (struct write_record *r = w->records; r; r = r->next) {
        if (str_eq(r->key, key)) {
            return r;
        }
    }
    return NULL;
}

/* Reads the object at key as a tree in the storage version; *ret_rev 0 and *ret_obj NULL: absent.
 */
static int fetch(struct write *w, const struct type *t, struct str key, yyjson_mut_val **ret_obj,
                 int64_t *ret_rev, struct err *err)
{
    struct blob *blob = NULL;
    struct store_entry entry;
    struct err why = {0};
    int rc = store_get(w->e->store, key, 0, &blob, &entry, NULL, &why);
    if (rc == ERR_NOT_FOUND) {
        err_finish(&why);
        *ret_obj = NULL;
        *ret_rev = 0;
        return 0;
    }
    if (rc) {
        return err_move(err, &why);
    }
    hold(w, blob);
    yyjson_mut_doc *d = NULL;
    const struct stored s = {blob_str(blob), entry.rev, entry.stamp};
    rc = represent_decode(t, type_storage(t), &s, &w->arena, &d, err);
    if (!rc) {
        *ret_obj = yyjson_mut_doc_get_root(d);
        *ret_rev = entry.rev;
    }
    return rc;
}

int write_read(struct write *w, const struct type *t, struct scope s, struct str name,
               yyjson_mut_val **ret_obj, struct err *err)
{
    struct str key = type_key(t, s, name, &w->arena);
    struct write_record *r = recorded(w, key);
    if (r) {
        *ret_obj = r->obj;
        return 0;
    }
    struct write_record fresh = {.next = w->records, .key = key};
    int rc = fetch(w, t, key, &fresh.obj, &fresh.rev, err);
    if (rc) {
        return rc;
    }
    r = arena_alloc(&w->arena, sizeof(*r));
    *r = fresh;
    w->records = r;
    write_compare(w, STORE_CMP_REV, key, r->rev);
    *ret_obj = r->obj;
    return 0;
}

int write_peek(struct write *w, const struct type *t, struct scope s, struct str name,
               yyjson_mut_val **ret_obj, struct err *err)
{
    int64_t rev;
    return fetch(w, t, type_key(t, s, name, &w->arena), ret_obj, &rev, err);
}

static int seen_one(void *arg, const struct store_entry *e)
{
    (void)e;
    *(bool *)arg = true;
    return STORE_STOP;
}

int write_range_empty(struct write *w, const struct type *t, struct scope s, bool *ret_empty,
                      struct err *err)
{
    bool any = false;
    struct store_range r = {
        .prefix = type_scope_prefix(t, s, &w->arena), .limit = 1, .keys_only = true};
    int64_t at;
    int rc = store_range(w->e->store, &r, seen_one, &any, &at, NULL, err);
    if (rc) {
        return rc;
    }
    if (!any) {
        write_compare(w, STORE_CMP_EMPTY, r.prefix, 0);
    }
    *ret_empty = !any;
    return 0;
}

struct range_item {
    struct range_item *next;
    struct stored stored;
};

struct range_copy {
    struct arena *arena;
    struct range_item *first, **last;
};

/* Only copies: a visitor of the store must not call it, and whoever is given the objects may. */
static int copy_entry(void *arg, const struct store_entry *e)
{
    struct range_copy *c = arg;
    struct range_item *i = ARENA_NEW(c->arena, struct range_item);
    i->stored = (struct stored){arena_str(c->arena, e->value), e->rev, e->stamp};
    *c->last = i;
    c->last = &i->next;
    return 0;
}

static int visit_range(struct write *w, const struct type *t, struct store_range r,
                       write_visit_fn *visit, void *arg, struct err *err)
{
    struct range_copy c = {.arena = &w->arena};
    c.last = &c.first;
    int64_t at;
    int rc = store_range(w->e->store, &r, copy_entry, &c, &at, NULL, err);
    if (rc) {
        return rc;
    }
    write_compare(w, STORE_CMP_UNCHANGED, r.prefix, at);
    if (!c.first && r.index.ptr) { /* what else changes is of no concern */
        struct store_cmp *cmp = &w->cmps[w->n_cmps - 1];
        cmp->kind = STORE_CMP_TERM_ABSENT;
        cmp->index = r.index;
        cmp->term = r.term;
    }
    for (struct range_item *i = c.first; i && !rc; i = i->next) {
        yyjson_mut_doc *d = NULL;
        rc = represent_decode(t, type_storage(t), &i->stored, &w->arena, &d, err);
        rc = rc ? rc : visit(arg, yyjson_mut_doc_get_root(d));
    }
    return rc;
}

int write_range(struct write *w, const struct type *t, struct scope s, write_visit_fn *visit,
                void *arg, struct err *err)
{
    struct store_range r = {.prefix = type_scope_prefix(t, s, &w->arena)};
    return visit_range(w, t, r, visit, arg, err);
}

struct indexed {
    const struct type_index *index;
    struct str value;
    write_visit_fn *visit;
    void *arg;
};

/* An index that is still being built gives more than was asked for. */
static int visit_indexed(void *arg, yyjson_mut_val *obj)
{
    const struct indexed *i = arg;
    return str_eq(index_value(i->index, obj), i->value) ? i->visit(i->arg, obj) : 0;
}

int write_indexed(struct write *w, const struct type *t, struct scope s, struct str index,
                  struct str value, write_visit_fn *visit, void *arg, struct err *err)
{
    struct indexed i = {type_index(t, index), value, visit, arg};
    assert(i.index);
    struct store_range r = {.prefix = type_scope_prefix(t, s, &w->arena),
                            .index = i.index->store_name,
                            .term = index_term(s.ns, value, &w->arena)};
    return visit_range(w, t, r, visit_indexed, &i, err);
}

static int is_one(void *arg, yyjson_mut_val *obj)
{
    (void)obj;
    *(bool *)arg = true;
    return 0;
}

int write_indexed_any(struct write *w, const struct type *t, struct scope s, struct str index,
                      struct str value, bool *ret_any, struct err *err)
{
    const struct type_index *i = type_index(t, index);
    assert(i);
    bool any = false;
    struct store_range r = {.prefix = type_scope_prefix(t, s, &w->arena),
                            .index = i->store_name,
                            .term = index_term(s.ns, value, &w->arena),
                            .limit = 1,
                            .keys_only = true};
    int64_t at;
    int rc = store_range(w->e->store, &r, seen_one, &any, &at, NULL, err);
    if (rc) {
        return rc;
    }
    if (any && !store_index_ready(w->e->store, i->store_name)) {
        any = false;
        rc = write_indexed(w, t, s, index, value, is_one, &any, err);
    } else if (!any) {
        write_compare(w, STORE_CMP_TERM_ABSENT, r.prefix, at);
        w->cmps[w->n_cmps - 1].index = r.index;
        w->cmps[w->n_cmps - 1].term = r.term;
    }
    *ret_any = any;
    return rc;
}

void write_also(struct write *w, const struct type *t, struct scope s, struct str name,
                yyjson_mut_val *obj)
{
    struct str key = type_key(t, s, name, &w->arena);
    if (!obj) {
        add_op(w, (struct store_op){.kind = STORE_OP_DELETE, .key = key});
        return;
    }
    AUTO(buf_finish) struct buf b = {0};
    represent_encode(&b, t, obj);
    struct blob *value = blob_create(buf_str(&b));
    hold(w, value);
    struct store_term *terms = NULL;
    size_t n_terms = index_terms(t, obj, &w->arena, &terms);
    add_op(w, (struct store_op){.kind = STORE_OP_PUT,
                                .key = key,
                                .value = value,
                                .stamp = stamp_of(t, obj),
                                .terms = terms,
                                .n_terms = n_terms});
}
