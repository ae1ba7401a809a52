/* SPDX-License-Identifier: Apache-2.0 */
/* Building of indexes. A key that is written while an index is being built gets its terms by that
 * write, so only what was there before has to be brought up to date: each object is read, and its
 * terms are put beside it if it is still the same then. */
#include "resources/index_build.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "resources/index.h"
#include "resources/owners.h"

enum { PIECE_KEYS = 256, PIECE_BYTES = 1024 * 1024, TXN_OPS = 64 };

/* As store_index_define was given it. */
struct target {
    struct str name;
    uint64_t generation;
};

struct item {
    struct item *next;
    struct str key;
    struct blob *value;
    int64_t rev;
    uint64_t stamp;
    struct store_term *terms;
    size_t n_terms;
};

struct index_build {
    struct engine *engine;
    struct arena arena; /* of the targets */
    struct str prefix;
    struct target *targets;
    size_t n_targets, cap_targets;
    struct buf from; /* the key to go on at */
    /* the present piece */
    struct arena piece;
    struct item *first, **last;
    size_t n, bytes;
    bool more;
};

/* ---- what is to be built ---- */

static void add_target(struct index_build *b, struct str name, uint64_t generation)
{
    if (store_index_ready(engine_store(b->engine), name)) {
        return;
    }
    if (b->n_targets == b->cap_targets) {
        b->cap_targets = b->cap_targets ? 2 * b->cap_targets : 8;
        b->targets = alloc_resize(b->targets, b->cap_targets * sizeof(*b->targets));
    }
    b->targets[b->n_targets++] = (struct target){arena_str(&b->arena, name), generation};
}

/* What of the type is to be built, if it is within the keys that are gone over. */
static void add_type(struct index_build *b, const struct type *t)
{
    size_t before = b->n_targets;
    if (b->prefix.ptr && !str_starts(t->prefix, b->prefix)) {
        return;
    }
    for (size_t i = 0; i < t->n_indexes; i++) {
        add_target(b, t->indexes[i].store_name, t->indexes[i].generation);
    }
    if (b->n_targets > before && !b->prefix.ptr) {
        b->prefix = arena_str(&b->arena, t->prefix);
    }
}

struct index_build *index_build_begin(struct engine *e)
{
    struct index_build *b = ALLOC(struct index_build);
    b->engine = e;
    arena_init(&b->arena, 0);
    arena_init(&b->piece, 0);
    add_target(b, OWNERS_INDEX, OWNERS_GENERATION);
    b->prefix = b->n_targets ? OWNERS_PREFIX : STR_NULL;
    struct registry_snapshot *types = registry_ref(engine_registry(e));
    for (size_t g = 0; g < types->n_groups; g++) {
        for (size_t i = 0; i < types->groups[g].n_types; i++) {
            add_type(b, types->groups[g].types[i]);
        }
    }
    registry_snapshot_unref(types);
    if (!b->n_targets) {
        index_build_end(b);
        return NULL;
    }
    return b;
}

static void forget_piece(struct index_build *b)
{
    for (struct item *i = b->first; i; i = i->next) {
        blob_unref(i->value);
    }
    arena_finish(&b->piece);
    b->first = NULL;
    b->last = &b->first;
    b->n = b->bytes = 0;
}

void index_build_end(struct index_build *b)
{
    if (!b) {
        return;
    }
    forget_piece(b);
    buf_finish(&b->from);
    free(b->targets);
    arena_finish(&b->arena);
    free(b);
}

size_t index_build_count(const struct index_build *b)
{
    return b->n_targets;
}

/* ---- a piece ---- */

static int take_entry(void *arg, const struct store_entry *e)
{
    struct index_build *b = arg;
    struct item *i = ARENA_NEW(&b->piece, struct item);
    *i = (struct item){.key = arena_str(&b->piece, e->key),
                       .value = blob_create(e->value),
                       .rev = e->rev,
                       .stamp = e->stamp};
    *b->last = i;
    b->last = &i->next;
    b->bytes += e->value.len;
    return ++b->n == PIECE_KEYS || b->bytes >= PIECE_BYTES ? STORE_STOP : 0;
}

static bool has_target(const struct index_build *b, const struct item *i)
{
    for (size_t k = 0; k < i->n_terms; k++) {
        for (size_t t = 0; t < b->n_targets; t++) {
            if (str_eq(i->terms[k].index, b->targets[t].name)) {
                return true;
            }
        }
    }
    return false;
}

static int submit(struct index_build *b, struct item *const *items, size_t n, struct err *err)
{
    struct store_cmp cmps[TXN_OPS];
    struct store_op ops[TXN_OPS];
    for (size_t i = 0; i < n; i++) {
        const struct item *x = items[i];
        cmps[i] = (struct store_cmp){.kind = STORE_CMP_REV, .key = x->key, .rev = x->rev};
        ops[i] = (struct store_op){.kind = STORE_OP_RESTAMP,
                                   .key = x->key,
                                   .value = x->value,
                                   .stamp = x->stamp,
                                   .terms = x->terms,
                                   .n_terms = x->n_terms};
    }
    const struct store_txn t = {.cmps = cmps, .n_cmps = n, .ops = ops, .n_ops = n};
    struct store_outcome o = {0};
    return store_submit_wait(engine_store(b->engine), &t, &o, err);
}

/* One that was written meanwhile has its terms: it must not take the others with it. */
static int write_terms(struct index_build *b, struct item *const *items, size_t n, struct err *err)
{
    struct err why = {0};
    int rc = n ? submit(b, items, n, &why) : 0;
    if (rc != ERR_CONFLICT) {
        return rc ? err_move(err, &why) : 0;
    }
    err_finish(&why);
    rc = 0;
    for (size_t i = 0; i < n && n > 1 && !rc; i++) {
        rc = write_terms(b, items + i, 1, err);
    }
    return rc;
}

static int write_piece(struct index_build *b, struct err *err)
{
    struct registry *types = engine_registry(b->engine);
    struct item *batch[TXN_OPS];
    size_t n = 0;
    int rc = 0;
    for (struct item *i = b->first; i && !rc; i = i->next) {
        i->n_terms = index_stored_terms(types, i->key, blob_str(i->value), &b->piece, &i->terms);
        if (has_target(b, i)) {
            batch[n++] = i;
        }
        if (n == TXN_OPS) {
            rc = write_terms(b, batch, n, err);
            n = 0;
        }
    }
    return rc ? rc : write_terms(b, batch, n, err);
}

static int read_piece(struct index_build *b, struct err *err)
{
    const struct store_range r = {.prefix = b->prefix,
                                  .from = b->from.len ? buf_str(&b->from) : STR_NULL};
    forget_piece(b);
    return store_range(engine_store(b->engine), &r, take_entry, b, NULL, &b->more, err);
}

static void go_on(struct index_build *b)
{
    const struct item *last = NULL;
    for (const struct item *i = b->first; i; i = i->next) {
        last = i;
    }
    if (last) {
        b->from.len = 0;
        buf_add(&b->from, last->key);
        buf_addc(&b->from, 0);
    }
}

static int finish(struct index_build *b, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < b->n_targets && !rc; i++) {
        rc = store_index_built(engine_store(b->engine), b->targets[i].name,
                               b->targets[i].generation, err);
    }
    return rc;
}

int index_build_step(struct index_build *b, size_t *ret_looked, bool *ret_done, struct err *err)
{
    int rc = read_piece(b, err);
    rc = rc ? rc : write_piece(b, err);
    rc = rc || b->more ? rc : finish(b, err);
    if (!rc) {
        *ret_looked = b->n;
        *ret_done = !b->more;
        go_on(b);
    }
    return rc;
}
