/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of values over what was found: all facets in one walk through the values, beside the
 * matches. Over everything nothing is walked through, as the tally has the sums. */
#include "storage/text_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { FEW = 8 }; /* as in text_match.c */

/* What is known of a term; facet 0: it is counted for none. */
struct count {
    uint32_t n;
    uint8_t facet; /* the n-th, from 1 */
    bool any;      /* of the facet's name, whatever the value */
};

struct counting {
    struct text_asking *asking;
    struct text_facet *facets;
    size_t n;
    struct count *terms; /* by id */
    int64_t last;        /* term */
    int64_t *having;     /* matches that have any value, by facet */
};

/* ---- which terms ---- */

static int last_term(struct counting *c)
{
    sqlite3_stmt *st = text_prepare(c->asking, "SELECT max(id) FROM term");
    int r = text_step(c->asking->conn, st, c->asking->err);
    if (r > 0) {
        c->last = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

static int note_terms(struct counting *c, size_t facet)
{
    sqlite3_stmt *st =
        text_prepare(c->asking, "SELECT id, value IS NULL FROM term WHERE name = ?1");
    int r;
    text_bind(st, 1, c->facets[facet].name);
    while ((r = text_step(c->asking->conn, st, c->asking->err)) > 0) {
        struct count *t = &c->terms[sqlite3_column_int64(st, 0)];
        t->facet = (uint8_t)(facet + 1);
        t->any = sqlite3_column_int(st, 1) != 0;
    }
    sqlite3_finalize(st);
    return r;
}

/* ---- counting ---- */

static int count_everything(struct counting *c)
{
    struct text_asking *k = c->asking;
    sqlite3_stmt *st = text_prepare(k, "SELECT term, n FROM tally WHERE scope = ?1");
    int r = 0;
    for (size_t i = 0; r == 0 && i < k->n_scopes; i++) {
        text_bind_int(st, 1, k->scopes[i].id);
        while ((r = text_step(k->conn, st, k->err)) > 0) {
            struct count *t = &c->terms[sqlite3_column_int64(st, 0)];
            int64_t n = sqlite3_column_int64(st, 1);
            t->n += (uint32_t)n;
            if (t->facet && t->any) {
                c->having[t->facet - 1] += n;
            }
        }
    }
    sqlite3_finalize(st);
    return r;
}

static void count_term(struct counting *c, int64_t term, uint32_t *seen)
{
    struct count *t = &c->terms[term];
    t->n++;
    if (t->facet && !(*seen & UINT32_C(1) << t->facet)) {
        *seen |= UINT32_C(1) << t->facet;
        c->having[t->facet - 1]++;
    }
}

static int count_each(struct counting *c)
{
    struct text_asking *k = c->asking;
    sqlite3_stmt *st = text_prepare(k, "SELECT term FROM value WHERE doc = ?1");
    int r = 0;
    for (size_t i = 0; r == 0 && i < k->n; i++) {
        uint32_t seen = 0;
        text_bind_int(st, 1, k->found[i].id);
        while ((r = text_step(k->conn, st, k->err)) > 0) {
            count_term(c, sqlite3_column_int64(st, 0), &seen);
        }
    }
    sqlite3_finalize(st);
    return r;
}

/* Matches are in order of their ids. */
static int count_along(struct counting *c)
{
    struct text_asking *k = c->asking;
    sqlite3_stmt *st = text_prepare(k, "SELECT doc, term FROM value ORDER BY doc");
    uint32_t seen = 0;
    size_t i = 0;
    int r = 1;
    while (i < k->n && (r = text_step(k->conn, st, k->err)) > 0) {
        int64_t doc = sqlite3_column_int64(st, 0);
        while (i < k->n && k->found[i].id < doc) {
            i++;
            seen = 0;
        }
        if (i < k->n && k->found[i].id == doc) {
            count_term(c, sqlite3_column_int64(st, 1), &seen);
        }
    }
    sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

/* ---- what is shown ---- */

struct counted {
    struct text_term shown;
    int64_t id;
};

static int compare_counts(const void *x, const void *y)
{
    int64_t a = ((const struct counted *)x)->shown.count,
            b = ((const struct counted *)y)->shown.count;
    return (a < b) - (a > b);
}

static int compare_terms(const void *x, const void *y)
{
    int c = compare_counts(x, y);
    return c ? c
             : str_cmp(((const struct counted *)x)->shown.term,
                       ((const struct counted *)y)->shown.term);
}

static size_t gather(const struct counting *c, size_t facet, struct counted *ret, int64_t *ret_sum)
{
    size_t n = 0;
    for (int64_t id = 1; id <= c->last; id++) {
        const struct count *t = &c->terms[id];
        if (t->n && t->facet == facet + 1 && !t->any) {
            *ret_sum += t->n;
            ret[n++] = (struct counted){.shown.count = t->n, .id = id};
        }
    }
    return n;
}

static int read_values(struct text_asking *k, struct counted *terms, size_t n)
{
    sqlite3_stmt *st = text_prepare(k, "SELECT value FROM term WHERE id = ?1");
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        text_bind_int(st, 1, terms[i].id);
        while ((r = text_step(k->conn, st, k->err)) > 0) {
            terms[i].shown.term = text_column(st, 0, k->arena);
        }
    }
    sqlite3_finalize(st);
    return r;
}

/* Of equal counts at the end of what is shown the values decide. */
static int show(struct counting *c, size_t facet)
{
    struct text_asking *k = c->asking;
    struct text_facet *f = &c->facets[facet];
    AUTO_FREE struct counted *terms = alloc_bytes(((size_t)c->last + 1) * sizeof(*terms));
    size_t n = gather(c, facet, terms, &f->total),
           limit = k->q->facet_limit > 0 ? (size_t)k->q->facet_limit : 0, reach = limit;
    qsort(terms, n, sizeof(*terms), compare_counts);
    limit = limit < n ? limit : n;
    reach = limit;
    while (limit && reach < n && terms[reach].shown.count == terms[limit - 1].shown.count) {
        reach++;
    }
    int r = read_values(k, terms, reach);
    qsort(terms, r == 0 ? reach : 0, sizeof(*terms), compare_terms);
    f->terms = arena_alloc(k->arena, (limit + 1) * sizeof(*f->terms));
    for (f->n_terms = 0; f->n_terms < limit; f->n_terms++) {
        f->terms[f->n_terms] = terms[f->n_terms].shown;
    }
    return r;
}

static int count(struct counting *c)
{
    const struct text_asking *k = c->asking;
    bool every = !k->filtered && !k->expression.len, few = k->n < (size_t)k->there / FEW;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->n; i++) {
        r = note_terms(c, i);
    }
    if (r == 0) {
        r = every ? count_everything(c) : few ? count_each(c) : count_along(c);
    }
    int64_t found = every ? text_everything(k) : (int64_t)k->n;
    for (size_t i = 0; r == 0 && i < c->n; i++) {
        c->facets[i].missing = found - c->having[i];
        r = show(c, i);
    }
    return r;
}

int text_count_facets(struct text_asking *k, struct text_facet *facets, size_t n)
{
    struct counting c = {.asking = k, .facets = facets, .n = n};
    int r = n ? last_term(&c) : 0;
    if (r < 0 || !n) {
        return r;
    }
    c.terms = alloc_zero(((size_t)c.last + 1) * sizeof(*c.terms));
    c.having = arena_zero(k->arena, n * sizeof(*c.having));
    r = count(&c);
    free(c.terms);
    return r;
}
