/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over stored objects whose stamp is old. Where the bytes are what would be written today the
 * stamp alone is put right, in place; an object that would change (defaults to fill in, fields to
 * prune, another version) is left to those who may change objects. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/index.h"
#include "resources/represent.h"
#include "services/storage_migrations/storage_migrations_priv.h"

enum { SLICE_KEYS = 1000, SLICE_BYTES = 1024 * 1024, TXN_OPS = 100 };

void scan_init(struct scan *s, struct engine *e, const struct type *t)
{
    *s = (struct scan){.engine = e, .type = t};
    arena_init(&s->arena, 0);
}

static void forget_slice(struct scan *s)
{
    for (struct scan_item *i = s->items; i; i = i->next) {
        blob_unref(i->same);
    }
    arena_finish(&s->arena);
    s->items = NULL;
    s->last = &s->items;
    s->n = s->seen = s->bytes = 0;
}

void scan_finish(struct scan *s)
{
    forget_slice(s);
    buf_finish(&s->from);
}

static int visit(void *arg, const struct store_entry *e)
{
    struct scan *s = arg;
    s->seen++;
    if (!type_is_current(s->type, e->stamp)) {
        struct scan_item *i = ARENA_NEW(&s->arena, struct scan_item);
        i->key = arena_str(&s->arena, e->key);
        *s->last = i;
        s->last = &i->next;
        s->n++;
    }
    if (s->seen >= SLICE_KEYS) {
        s->from.len = 0;
        buf_add(&s->from, e->key);
        buf_addc(&s->from, 0);
        return STORE_STOP;
    }
    return 0;
}

/* Reads the value of *at, which may be another one by now, or gone: then *at is what follows. */
static int fetch(struct scan *s, struct scan_item **at, struct err *err)
{
    struct scan_item *i = *at;
    AUTO(blob_unrefp) struct blob *blob = NULL;
    AUTO(err_finish) struct err why = {0};
    struct store_entry e = {0};
    int rc = store_get(engine_store(s->engine), i->key, 0, &blob, &e, NULL, &why);
    if (rc && rc != ERR_NOT_FOUND) {
        return err_move(err, &why);
    }
    if (rc || type_is_current(s->type, e.stamp)) {
        *at = i->next;
        s->n--;
        return 0;
    }
    i->stored = (struct stored){arena_str(&s->arena, blob_str(blob)), e.rev, e.stamp};
    s->bytes += i->stored.value.len;
    return 0;
}

/* Reads the values of the slice; what is beyond its size is left to the next one. */
static int fetch_all(struct scan *s, struct err *err)
{
    struct scan_item **at = &s->items;
    while (*at && s->bytes < SLICE_BYTES) {
        struct scan_item *i = *at;
        int rc = fetch(s, at, err);
        if (rc) {
            return rc;
        }
        at = *at == i ? &i->next : at;
    }
    if (*at) {
        s->from.len = 0;
        buf_add(&s->from, (*at)->key);
    }
    for (struct scan_item *i = *at; i; i = i->next) {
        s->n--;
    }
    *at = NULL;
    return 0;
}

/* What the object's bytes would be now, if they are what they are. */
static void judge(struct scan *s, struct scan_item *i)
{
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    AUTO(buf_finish) struct buf b = {0};
    if (str_starts(i->stored.value, s->type->header) &&
        !represent_own(s->type, &i->stored, &a, &d, NULL)) {
        represent_encode(&b, s->type, yyjson_mut_doc_get_root(d));
        if (str_eq(buf_str(&b), i->stored.value)) {
            i->same = blob_create(i->stored.value);
        }
    }
    arena_finish(&a);
}

int scan_next(struct scan *s, struct err *err)
{
    forget_slice(s);
    struct buf from = s->from; /* the visitor writes the next one */
    s->from = (struct buf){0};
    /* Stamps stand beside the values: of a store that is up to date none is read. */
    const struct store_range r = {
        .prefix = s->type->prefix, .from = from.len ? buf_str(&from) : STR_NULL, .keys_only = true};
    int64_t at;
    int rc = store_range(engine_store(s->engine), &r, visit, s, &at, NULL, err);
    buf_finish(&from);
    rc = rc ? rc : fetch_all(s, err);
    s->done = !s->from.len;
    for (struct scan_item *i = s->items; i && !rc; i = i->next) {
        judge(s, i);
    }
    return rc;
}

/* ---- restamping ---- */

/* One transaction; ERR_CONFLICT: one of the objects was written meanwhile. */
static int submit(struct scan *s, struct scan_item **items, size_t n, struct err *err)
{
    struct store_cmp *cmps = arena_zero(&s->arena, n * sizeof(*cmps));
    struct store_op *ops = arena_zero(&s->arena, n * sizeof(*ops));
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_doc *d = NULL;
        struct store_term *terms = NULL;
        size_t n_terms = 0;
        if (!json_read_own(&s->arena, items[i]->stored.value, &d, NULL)) {
            n_terms = index_terms(s->type, yyjson_mut_doc_get_root(d), &s->arena, &terms);
        }
        cmps[i] = (struct store_cmp){
            .kind = STORE_CMP_REV, .key = items[i]->key, .rev = items[i]->stored.rev};
        ops[i] = (struct store_op){.kind = STORE_OP_RESTAMP,
                                   .key = items[i]->key,
                                   .value = items[i]->same,
                                   .stamp = s->type->stamp,
                                   .terms = terms,
                                   .n_terms = n_terms};
    }
    const struct store_txn t = {.cmps = cmps, .n_cmps = n, .ops = ops, .n_ops = n};
    struct store_outcome o = {0};
    return store_submit_wait(engine_store(s->engine), &t, &o, err);
}

static int submit_all(struct scan *s, struct scan_item **items, size_t n, size_t *ret_n,
                      struct err *err)
{
    struct err why = {0};
    int rc = submit(s, items, n, &why);
    if (rc == ERR_CONFLICT && n > 1) { /* one by one, without whoever was written meanwhile */
        rc = 0;
        for (size_t i = 0; i < n && !rc; i++) {
            rc = submit_all(s, items + i, 1, ret_n, err);
        }
        err_finish(&why);
        return rc;
    }
    if (rc == ERR_CONFLICT) {
        err_finish(&why);
        return 0;
    }
    *ret_n += rc ? 0 : n;
    return rc ? err_move(err, &why) : 0;
}

int scan_restamp(struct scan *s, size_t *ret_n, struct err *err)
{
    struct scan_item *batch[TXN_OPS], **at = &s->items;
    size_t n = 0;
    int rc = 0;
    while (*at && !rc) {
        struct scan_item *i = *at;
        if (!i->same) {
            at = &i->next;
            continue;
        }
        *at = i->next;
        s->n--;
        batch[n++] = i;
        if (n == TXN_OPS || !*at) {
            rc = submit_all(s, batch, n, ret_n, err);
            while (n) {
                blob_unref(batch[--n]->same);
            }
        }
    }
    if (n && !rc) {
        rc = submit_all(s, batch, n, ret_n, err);
    }
    while (n) {
        blob_unref(batch[--n]->same);
    }
    return rc;
}
