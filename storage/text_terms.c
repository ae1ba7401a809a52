/* SPDX-License-Identifier: Apache-2.0 */
/* Terms: the values that documents are filtered and counted by, and how many have each. A write of
 * many documents meets the same terms again and again: it looks each up once, and writes the sums
 * at its end. */
#include "storage/text_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"

enum { BUCKETS = 1024 };

/* A term that was looked up. */
struct known {
    struct known *next;
    struct str name, value;
    bool any;
    int64_t id;
};

struct sum {
    struct sum *next;
    int64_t scope, term, n;
};

struct text_pending {
    struct arena arena;
    struct known *known[BUCKETS];
    struct sum *sums[BUCKETS];
};

static struct text_pending *pending_of(struct text *t)
{
    if (!t->pending) {
        t->pending = ALLOC(struct text_pending);
        arena_init(&t->pending->arena, 0);
    }
    return t->pending;
}

void text_pending_forget(struct text *t)
{
    if (t->pending) {
        arena_finish(&t->pending->arena);
        free(t->pending);
        t->pending = NULL;
    }
}

/* ---- sums ---- */

void text_tally(struct text *t, int64_t scope, int64_t term, int64_t n)
{
    struct text_pending *p = pending_of(t);
    struct sum **at = &p->sums[((uint64_t)scope * 31 + (uint64_t)term) % BUCKETS];
    while (*at && ((*at)->scope != scope || (*at)->term != term)) {
        at = &(*at)->next;
    }
    if (!*at) {
        *at = ARENA_NEW(&p->arena, struct sum);
        **at = (struct sum){.scope = scope, .term = term};
    }
    (*at)->n += n;
}

static int write_scope(struct text_conn *c, const struct sum *s, struct err *err)
{
    if (s->term == TEXT_BYTES) {
        return TEXT_RUN(c, TX_SCOPE_BYTES, NULL, err, s->scope, s->n);
    }
    int r = TEXT_RUN(c, TX_SCOPE_COUNT, NULL, err, s->scope, s->n);
    return r < 0 ? r : TEXT_RUN(c, TX_SCOPE_DELETE, NULL, err, s->scope);
}

/* A term that no document has any more is forgotten. */
static int write_sum(struct text_conn *c, const struct sum *s, struct err *err)
{
    int64_t left = 0;
    if (s->term <= TEXT_DOCUMENTS) {
        return write_scope(c, s, err);
    }
    int r = s->n ? TEXT_RUN(c, TX_TALLY, &left, err, s->scope, s->term, s->n) : 0;
    if (r < 0 || left > 0) {
        return r;
    }
    r = TEXT_RUN(c, TX_TALLY_EMPTY, NULL, err, s->scope, s->term);
    return r < 0 ? r : TEXT_RUN(c, TX_TERM_DELETE, NULL, err, s->term);
}

int text_pending_write(struct text *t, struct err *err)
{
    const struct text_pending *p = t->pending;
    int r = 0;
    for (size_t i = 0; p && i < BUCKETS; i++) {
        for (const struct sum *s = p->sums[i]; r == 0 && s; s = s->next) {
            r = write_sum(t->writer, s, err);
        }
    }
    return r;
}

/* ---- numbers ---- */

static size_t bucket_of(struct str name, const struct str *value)
{
    uint64_t h = json_key_hash(name.ptr, name.len);
    return (size_t)((value ? h ^ json_key_hash(value->ptr, value->len) : h) % BUCKETS);
}

static int find_term(struct text_conn *c, struct str name, const struct str *value, int64_t *ret,
                     struct err *err)
{
    sqlite3_stmt *st = text_statement(c, value ? TX_TERM_FIND : TX_TERM_FIND_ANY);
    text_bind(st, 1, name);
    if (value) {
        text_bind(st, 2, *value);
    }
    int r = text_step(c, st, err);
    if (r > 0) {
        *ret = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return r;
}

static int make_term(struct text_conn *c, struct str name, const struct str *value, int64_t *ret,
                     struct err *err)
{
    sqlite3_stmt *st = text_statement(c, TX_TERM_INSERT);
    text_bind(st, 1, name);
    if (value) {
        text_bind(st, 2, *value);
    } else if (st) {
        sqlite3_bind_null(st, 2);
    }
    int r = text_run(c, st, err);
    *ret = sqlite3_last_insert_rowid(c->db);
    return r;
}

/* The number of a term, which is made where there is none. value NULL: of any value. */
static int term_id(struct text *t, struct str name, const struct str *value, int64_t *ret,
                   struct err *err)
{
    struct text_pending *p = pending_of(t);
    struct known **at = &p->known[bucket_of(name, value)], *k = *at;
    while (k &&
           (k->any != !value || !str_eq(k->name, name) || (value && !str_eq(k->value, *value)))) {
        k = k->next;
    }
    if (!k) {
        int64_t id = 0;
        int r = find_term(t->writer, name, value, &id, err);
        r = r ? r : make_term(t->writer, name, value, &id, err);
        if (r < 0) {
            return r;
        }
        k = ARENA_NEW(&p->arena, struct known);
        *k = (struct known){*at, arena_str(&p->arena, name),
                            value ? arena_str(&p->arena, *value) : STR_NULL, !value, id};
        *at = k;
    }
    *ret = k->id;
    return 0;
}

/* ---- of a document ---- */

static bool has_term(const struct text_terms *t, int64_t id)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->items[i].id == id) {
            return true;
        }
    }
    return false;
}

static void add_term(struct text_terms *t, int64_t id, bool any)
{
    if (!has_term(t, id)) {
        t->items[t->n].id = id;
        t->items[t->n++].any = any;
    }
}

static int take_term(struct text *t, struct str name, struct str value, struct text_terms *to,
                     struct err *err)
{
    int64_t id = 0, any = 0;
    value = text_cut(value);
    int r = term_id(t, name, &value, &id, err);
    r = r < 0 ? r : term_id(t, name, NULL, &any, err);
    if (r == 0) {
        add_term(to, id, false);
        add_term(to, any, true);
    }
    return r;
}

int text_terms_take(struct text *t, const struct text_document *d, struct text_terms *ret,
                    int64_t *ret_folder, struct err *err)
{
    int r = 0;
    ret->n = 0;
    *ret_folder = 0;
    if (d->folder.len) {
        r = take_term(t, STR("folder"), d->folder, ret, err);
        *ret_folder = ret->n ? ret->items[0].id : 0;
    }
    for (size_t i = 0; r == 0 && i < d->n_values && i < LIMIT_TEXT_VALUES; i++) {
        r = take_term(t, d->values[i].name, d->values[i].value, ret, err);
    }
    return r;
}

int text_terms_read(struct text_conn *c, int64_t doc, struct text_terms *ret, struct err *err)
{
    const size_t max = sizeof(ret->items) / sizeof(*ret->items);
    sqlite3_stmt *st = text_statement(c, TX_TERMS_OF);
    int r;
    ret->n = 0;
    text_bind_int(st, 1, doc);
    while ((r = text_step(c, st, err)) > 0) {
        if (ret->n < max) {
            ret->items[ret->n].id = sqlite3_column_int64(st, 0);
            ret->items[ret->n++].any = sqlite3_column_int(st, 1) != 0;
        }
    }
    return r;
}

int text_terms_change(struct text *t, int64_t scope, int64_t doc, const struct text_terms *from,
                      const struct text_terms *to, struct err *err)
{
    struct text_conn *c = t->writer;
    int r = 0;
    for (size_t i = 0; r == 0 && i < to->n; i++) {
        int64_t term = to->items[i].id;
        if (!has_term(from, term)) {
            r = to->items[i].any ? 0 : TEXT_RUN(c, TX_VALUE_INSERT, NULL, err, term, doc);
            text_tally(t, scope, term, 1);
        }
    }
    for (size_t i = 0; r == 0 && i < from->n; i++) {
        int64_t term = from->items[i].id;
        if (!has_term(to, term)) {
            r = from->items[i].any ? 0 : TEXT_RUN(c, TX_VALUE_DELETE, NULL, err, term, doc);
            text_tally(t, scope, term, -1);
        }
    }
    return r;
}
