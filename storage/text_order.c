/* SPDX-License-Identifier: Apache-2.0 */
/* The order of what was found, as far as an answer shows it. Titles are compared as text, and there
 * are many of them: of few the title is read, of many the place in the table of titles is. */
#include "storage/text_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum {
    MERGED = 4, /* scopes whose titles are read side by side */
    FEW = 16,   /* so many times fewer matches than documents, and each title is read */
    FIRST_READ = 64,
    SPARSE = 64
};

typedef int compare_fn(const struct text_asking *k, const struct text_match *x,
                       const struct text_match *y);

/* ---- comparing ---- */

static int compare_by_score(const struct text_asking *k, const struct text_match *x,
                            const struct text_match *y)
{
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return str_cmp(k->scopes[y->scope].type, k->scopes[x->scope].type);
}

static int by_score(const struct text_asking *k, const struct text_match *x,
                    const struct text_match *y)
{
    int c = compare_by_score(k, x, y);
    return c ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_rank(const struct text_asking *k, const struct text_match *x,
                   const struct text_match *y)
{
    int c = (x->rank > y->rank) - (x->rank < y->rank);
    return k->q->descending ? -c : c;
}

static int by_name(const struct text_asking *k, const struct text_match *x,
                   const struct text_match *y)
{
    int c = str_cmp(x->name, y->name);
    c = c ? c : str_cmp(k->scopes[x->scope].type, k->scopes[y->scope].type);
    c = c ? c : (x->id > y->id) - (x->id < y->id);
    return k->q->descending ? -c : c;
}

static int by_time(const struct text_asking *k, const struct text_match *x,
                   const struct text_match *y)
{
    int c = (x->time > y->time) - (x->time < y->time);
    c = k->q->descending ? -c : c;
    return c ? c : by_name(k, x, y);
}

/* ---- sorting no more than is asked for ---- */

static void swap(struct text_match *m, size_t i, size_t j)
{
    struct text_match t = m[i];
    m[i] = m[j];
    m[j] = t;
}

/* The middle one of three comes to `low`. */
static void take_middle(const struct text_asking *k, struct text_match *m, size_t low, size_t high,
                        compare_fn *cmp)
{
    /* None that whoever wrote the documents could know. */
    size_t mid = low + (low * 40503 + high * 2654435761u) % (high - low), last = high - 1;
    if (cmp(k, &m[mid], &m[low]) < 0) {
        swap(m, mid, low);
    }
    if (cmp(k, &m[last], &m[low]) < 0) {
        swap(m, last, low);
    }
    if (cmp(k, &m[last], &m[mid]) < 0) {
        swap(m, last, mid);
    }
    swap(m, low, mid);
}

/* Those equal to the one at low come to [*ret_from, *ret_to), lesser ones before, greater after. */
static void part(const struct text_asking *k, struct text_match *m, size_t low, size_t high,
                 compare_fn *cmp, size_t *ret_from, size_t *ret_to)
{
    size_t less = low, at = low + 1, more = high;
    while (at < more) {
        int c = cmp(k, &m[at], &m[less]);
        if (c < 0) {
            swap(m, less++, at++);
        } else if (c > 0) {
            swap(m, at, --more);
        } else {
            at++;
        }
    }
    *ret_from = less;
    *ret_to = more;
}

/* Puts those that stand in [from, to) in the whole order there. */
static void sort_part(const struct text_asking *k, struct text_match *m, size_t low, size_t high,
                      size_t from, size_t to, compare_fn *cmp)
{
    while (high - low > 1 && low < to && high > from) {
        size_t equal, more;
        take_middle(k, m, low, high, cmp);
        part(k, m, low, high, cmp, &equal, &more);
        /* The smaller side by a call, so that calls never stand deep. */
        if (equal - low < high - more) {
            sort_part(k, m, low, equal, from, to, cmp);
            low = more;
        } else {
            sort_part(k, m, more, high, from, to, cmp);
            high = equal;
        }
    }
}

/* ---- titles ---- */

/* "SELECT doc" over the titles of the scopes, in order; ?1 on: the scopes' ids. */
static void titles_sql(struct buf *b, size_t n, bool descending)
{
    const char *order = descending ? " DESC" : "";
    buf_addz(b, "SELECT doc FROM (");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%sSELECT doc, sorted, name FROM title WHERE scope = ?%zu",
                   i ? " UNION ALL " : "", i + 1);
    }
    buf_printf(b, " ORDER BY sorted%s, name%s, doc%s)", order, order, order);
}

static sqlite3_stmt *open_titles(struct text_asking *k, const struct text_scope *scopes, size_t n,
                                 bool descending, const char *rest)
{
    AUTO(buf_finish) struct buf b = {0};
    titles_sql(&b, n, descending);
    buf_addz(&b, rest);
    buf_addc(&b, 0);
    sqlite3_stmt *st = text_prepare(k, b.ptr);
    for (size_t i = 0; i < n; i++) {
        text_bind_int(st, (int)i + 1, scopes[i].id);
    }
    return st;
}

static int compare_ids(const void *x, const void *y)
{
    int64_t a = ((const struct text_match *)x)->id, b = ((const struct text_match *)y)->id;
    return (a > b) - (a < b);
}

/* Says of each title of theirs at what place it stands: places are by id, from the first one on. */
static int read_places(struct text_asking *k, uint32_t *places, int64_t first, size_t n)
{
    sqlite3_stmt *st = open_titles(k, k->scopes, k->n_scopes, false, "");
    uint32_t place = 0;
    int r;
    while ((r = text_step(k->conn, st, k->err)) > 0) {
        int64_t id = sqlite3_column_int64(st, 0) - first;
        if (id >= 0 && id < (int64_t)n) {
            places[id] = place++;
        }
    }
    sqlite3_finalize(st);
    return r;
}

/* The first id and how far it is from there to the last. */
static size_t span(const struct text_match *m, size_t n, int64_t *ret_first)
{
    int64_t first = m[0].id, last = m[0].id;
    for (size_t i = 1; i < n; i++) {
        first = m[i].id < first ? m[i].id : first;
        last = m[i].id > last ? m[i].id : last;
    }
    *ret_first = first;
    return (size_t)(last - first) + 1;
}

static int rank_along(struct text_asking *k, struct text_match *m, size_t n)
{
    int64_t first;
    size_t reach = span(m, n, &first);
    AUTO_FREE uint32_t *places = alloc_zero(reach * sizeof(*places));
    int r = read_places(k, places, first, reach);
    for (size_t i = 0; r == 0 && i < n; i++) {
        m[i].rank = places[m[i].id - first];
    }
    return r;
}

struct titled {
    struct str sorted, name;
    struct text_match *match;
};

static int compare_titled(const void *x, const void *y)
{
    const struct titled *a = x, *b = y;
    int c = str_cmp(a->sorted, b->sorted);
    c = c ? c : str_cmp(a->name, b->name);
    return c ? c : compare_ids(a->match, b->match);
}

static int read_titled(struct text_asking *k, sqlite3_stmt *st, struct titled *t)
{
    AUTO(buf_finish) struct buf sorted = {0};
    text_bind_int(st, 1, t->match->id);
    int r = text_step(k->conn, st, k->err);
    t->sorted = t->name = STR("");
    if (r > 0) {
        text_sorted(k->conn, text_column(st, 0, k->arena), k->arena, &sorted);
        t->sorted = arena_str(k->arena, sorted.len ? buf_str(&sorted) : STR(""));
        t->name = text_column(st, 1, k->arena);
        sqlite3_reset(st);
    }
    return r < 0 ? r : 0;
}

static int rank_each(struct text_asking *k, struct text_match *m, size_t n)
{
    AUTO_FREE struct titled *titled = alloc_bytes(n * sizeof(*titled));
    sqlite3_stmt *st =
        text_prepare(k, "SELECT s.title, d.name FROM shown s JOIN doc d USING(id) WHERE id = ?1");
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        titled[i].match = &m[i];
        r = read_titled(k, st, &titled[i]);
    }
    sqlite3_finalize(st);
    if (r == 0) {
        qsort(titled, n, sizeof(*titled), compare_titled);
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        titled[i].match->rank = (uint32_t)i;
    }
    return r;
}

/* Says of each at what place its title stands among theirs. */
static int rank_titles(struct text_asking *k, struct text_match *m, size_t n)
{
    int64_t first;
    bool many = n >= FIRST_READ && n > (size_t)k->there / FEW && k->n_scopes <= MERGED;
    if (n < 2) {
        return 0;
    }
    /* Ids may lie far apart where most documents are gone. */
    many = many && span(m, n, &first) / SPARSE < n;
    return many ? rank_along(k, m, n) : rank_each(k, m, n);
}

/* ---- windows ---- */

/* Equal scores go by title: those that stand at the window's ends may reach far beyond it. */
static int sort_scored(struct text_asking *k, size_t from, size_t to)
{
    struct text_match *m = k->found;
    int r = 0;
    sort_part(k, m, 0, k->n, from, to, compare_by_score);
    for (size_t i = from; r == 0 && i < to;) {
        size_t low = i, high = i + 1;
        while (low > 0 && compare_by_score(k, &m[low - 1], &m[i]) == 0) {
            low--;
        }
        while (high < k->n && compare_by_score(k, &m[high], &m[i]) == 0) {
            high++;
        }
        r = rank_titles(k, &m[low], high - low);
        sort_part(k, m, low, high, from, to, by_score);
        i = high;
    }
    return r;
}

static int sort_found(struct text_asking *k, size_t from, size_t to)
{
    int r = 0;
    compare_fn *cmp = by_time;
    switch (k->q->sort) {
    case TEXT_BY_RELEVANCE:
        return sort_scored(k, from, to);
    case TEXT_BY_TITLE:
        r = rank_titles(k, k->found, k->n);
        cmp = by_rank;
        break;
    case TEXT_BY_NAME:
        cmp = by_name;
        break;
    case TEXT_BY_CREATED:
    case TEXT_BY_UPDATED:
        break;
    }
    sort_part(k, k->found, 0, k->n, from, to, cmp);
    return r;
}

int64_t text_everything(const struct text_asking *k)
{
    int64_t n = 0;
    for (size_t i = 0; i < k->n_scopes; i++) {
        n += k->scopes[i].n;
    }
    return n;
}

bool text_is_ordered(const struct text_asking *k)
{
    bool one = true; /* scope a type */
    for (size_t i = 0; i < k->n_scopes; i++) {
        for (size_t j = 0; j < i && j < MERGED; j++) {
            one = one && !str_eq(k->scopes[i].type, k->scopes[j].type);
        }
    }
    return !k->filtered && !k->expression.len && k->n_scopes <= MERGED &&
           (k->q->sort == TEXT_BY_TITLE || (k->q->sort == TEXT_BY_RELEVANCE && one));
}

/* The titles of scopes from one on, as far as there is room. */
static int read_titles(struct text_asking *k, const struct text_scope *scopes, size_t n,
                       int64_t skip, struct text_match *m, size_t room, size_t *ret_n)
{
    AUTO(buf_finish) struct buf rest = {0};
    bool descending = k->q->sort == TEXT_BY_TITLE && k->q->descending;
    int r;
    buf_printf(&rest, " LIMIT %zu OFFSET %lld", room, (long long)skip);
    sqlite3_stmt *st = open_titles(k, scopes, n, descending, rest.ptr);
    while ((r = text_step(k->conn, st, k->err)) > 0) {
        m[(*ret_n)++] = (struct text_match){.id = sqlite3_column_int64(st, 0)};
    }
    sqlite3_finalize(st);
    return r;
}

static int compare_types(const void *x, const void *y)
{
    return str_cmp(((const struct text_scope *)y)->type, ((const struct text_scope *)x)->type);
}

/* Of everything: by title, or by type, the last first, and then by title. */
static int read_ordered(struct text_asking *k, int64_t from, struct text_match *m, size_t room,
                        size_t *ret_n)
{
    struct text_scope scopes[MERGED];
    int r = 0;
    if (k->q->sort == TEXT_BY_TITLE) {
        return read_titles(k, k->scopes, k->n_scopes, from, m, room, ret_n);
    }
    memcpy(scopes, k->scopes, k->n_scopes * sizeof(*scopes));
    qsort(scopes, k->n_scopes, sizeof(*scopes), compare_types);
    for (size_t i = 0; r == 0 && i < k->n_scopes && *ret_n < room; i++) {
        if (from < scopes[i].n) {
            r = read_titles(k, &scopes[i], 1, from, m, room - *ret_n, ret_n);
            from = 0;
        } else {
            from -= scopes[i].n;
        }
    }
    return r;
}

int text_window(struct text_asking *k, struct text_match **ret, size_t *ret_n)
{
    bool ordered = text_is_ordered(k);
    int64_t all = ordered ? text_everything(k) : (int64_t)k->n, limit = k->q->limit,
            from = k->q->offset < all ? k->q->offset : all;
    size_t room = (size_t)(limit < all - from ? limit : all - from), n = 0;
    int r = 0;
    *ret = arena_alloc(k->arena, (room + 1) * sizeof(**ret));
    if (ordered && room) {
        r = read_ordered(k, from, *ret, room, &n);
    } else if (room) {
        r = sort_found(k, (size_t)from, (size_t)from + room);
        memcpy(*ret, k->found + from, room * sizeof(**ret));
        n = room;
    }
    *ret_n = n;
    return r;
}
