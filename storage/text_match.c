/* SPDX-License-Identifier: Apache-2.0 */
/* Which documents match. They come in the order of their numbers from what narrows them first (the
 * words, else names, tags or folders), and go through the other filters side by side with what
 * those walk through in the same order: nothing is looked up one by one but where few are left.
 * What words match is joined with the documents' rows, which lie in the same order too. */
#include "storage/text_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* So many times fewer matches than documents, and each is looked up instead of reading all. */
enum { FEW = 8 };

#define DOC "SELECT d.id, d.scope, d.folder, d.created, d.updated, d.name"

enum doc_column { DOC_ID, DOC_SCOPE, DOC_FOLDER, DOC_CREATED, DOC_UPDATED, DOC_NAME, DOC_SCORE };

/* The filters on what stands in the document's row. */
struct filter {
    struct text_asking *asking;
    int64_t *folders; /* in order */
    size_t n_folders;
    struct str *names; /* in order, as many as are asked for */
};

sqlite3_stmt *text_prepare(struct text_asking *k, const char *sql)
{
    sqlite3_stmt *st = NULL;
    sqlite3_prepare_v2(k->conn->db, sql, -1, &st, NULL);
    return st;
}

/* ---- candidates ---- */

static void add(struct text_asking *k, struct text_match m)
{
    if (k->n == k->cap) {
        k->cap = k->cap * 2 + 256;
        k->found = alloc_resize(k->found, k->cap * sizeof(*k->found));
    }
    k->found[k->n++] = m;
}

/* Takes ids. Releases the statement. */
static int add_all(struct text_asking *k, sqlite3_stmt *st)
{
    int r;
    while ((r = text_step(k->conn, st, k->err)) > 0) {
        add(k, (struct text_match){.id = sqlite3_column_int64(st, 0)});
    }
    sqlite3_finalize(st);
    return r;
}

static int add_with(struct text_asking *k, const char *sql, struct str value)
{
    sqlite3_stmt *st = text_prepare(k, sql);
    text_bind(st, 1, value);
    return add_all(k, st);
}

static int compare_ids(const void *x, const void *y)
{
    int64_t a = ((const struct text_match *)x)->id, b = ((const struct text_match *)y)->id;
    return (a > b) - (a < b);
}

/* Those of any of the values, each once, in order. */
static int add_any(struct text_asking *k, const char *sql, const struct str *values, size_t n)
{
    int r = 0;
    size_t kept = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = add_with(k, sql, values[i]);
    }
    if (k->n) {
        qsort(k->found, k->n, sizeof(*k->found), compare_ids);
    }
    for (size_t i = 0; i < k->n; i++) {
        if (!kept || k->found[kept - 1].id != k->found[i].id) {
            k->found[kept++] = k->found[i];
        }
    }
    k->n = kept;
    return r;
}

#define OF_TERM                                                                                    \
    "SELECT v.doc FROM term t CROSS JOIN value v ON v.term = t.id"                                 \
    " WHERE t.value = ?1 AND t.name = "

static bool has_root(const struct text_query *q)
{
    for (size_t i = 0; i < q->n_folders; i++) {
        if (!q->folders[i].len) {
            return true;
        }
    }
    return false;
}

/* Without words. *ret_some: false where nothing narrows them but scopes. */
static int add_candidates(struct text_asking *k, bool *ret_some)
{
    const struct text_query *q = k->q;
    *ret_some = true;
    if (q->n_names) {
        return add_any(k, "SELECT id FROM doc WHERE name = ?1", q->names, q->n_names);
    }
    if (q->n_tags) {
        return add_with(k, OF_TERM "'tags' ORDER BY v.doc", q->tags[0]);
    }
    *ret_some = q->n_folders && !has_root(q);
    return *ret_some ? add_any(k, OF_TERM "'folder'", q->folders, q->n_folders) : 0;
}

/* ---- the document's row ---- */

static int compare_numbers(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static int compare_texts(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static int find_folders(struct text_asking *k, struct filter *f)
{
    const struct text_query *q = k->q;
    int r = 0;
    if (!q->n_folders) {
        return 0;
    }
    sqlite3_stmt *st = text_prepare(k, "SELECT id FROM term WHERE name = 'folder' AND value = ?1");
    f->folders = arena_alloc(k->arena, q->n_folders * sizeof(*f->folders));
    for (size_t i = 0; r >= 0 && i < q->n_folders; i++) {
        if (!q->folders[i].len) {
            f->folders[f->n_folders++] = 0;
            continue;
        }
        text_bind(st, 1, q->folders[i]);
        r = text_step(k->conn, st, k->err);
        if (r > 0) {
            f->folders[f->n_folders++] = sqlite3_column_int64(st, 0);
            sqlite3_reset(st);
        }
    }
    sqlite3_finalize(st);
    qsort(f->folders, f->n_folders, sizeof(*f->folders), compare_numbers);
    return r < 0 ? r : 0;
}

static void sort_names(const struct text_query *q, struct arena *a, struct filter *f)
{
    if (q->n_names) {
        f->names = arena_alloc(a, q->n_names * sizeof(*f->names));
        memcpy(f->names, q->names, q->n_names * sizeof(*f->names));
        qsort(f->names, q->n_names, sizeof(*f->names), compare_texts);
    }
}

/* Scopes are in order of their ids. */
static bool find_scope(const struct text_asking *k, int64_t id, uint32_t *ret)
{
    size_t low = 0, high = k->n_scopes;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (k->scopes[mid].id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *ret = (uint32_t)low;
    return low < k->n_scopes && k->scopes[low].id == id;
}

/* Whether the row that the statement is at passes; fills in what the match is to know of it. */
static bool admit(const struct filter *f, sqlite3_stmt *st, struct text_match *m)
{
    const struct text_asking *k = f->asking;
    const struct text_query *q = k->q;
    if (!find_scope(k, sqlite3_column_int64(st, DOC_SCOPE), &m->scope)) {
        return false;
    }
    if (q->n_folders) {
        int64_t folder = sqlite3_column_int64(st, DOC_FOLDER);
        if (!f->n_folders ||
            !bsearch(&folder, f->folders, f->n_folders, sizeof(folder), compare_numbers)) {
            return false;
        }
    }
    if (q->n_names) {
        struct str name = str_make((const char *)sqlite3_column_text(st, DOC_NAME),
                                   (size_t)sqlite3_column_bytes(st, DOC_NAME));
        if (!bsearch(&name, f->names, q->n_names, sizeof(name), compare_texts)) {
            return false;
        }
    }
    if (k->names) {
        m->name = text_column(st, DOC_NAME, k->arena);
    }
    m->time = sqlite3_column_int64(st, q->sort == TEXT_BY_CREATED ? DOC_CREATED : DOC_UPDATED);
    return true;
}

static int filter_each(struct text_asking *k, const struct filter *f)
{
    sqlite3_stmt *st = text_prepare(k, DOC " FROM doc d WHERE d.id = ?1");
    size_t kept = 0;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < k->n; i++) {
        text_bind_int(st, 1, k->found[i].id);
        r = text_step(k->conn, st, k->err);
        if (r > 0) {
            if (admit(f, st, &k->found[i])) {
                k->found[kept++] = k->found[i];
            }
            sqlite3_reset(st);
        }
    }
    sqlite3_finalize(st);
    k->n = kept;
    return r < 0 ? r : 0;
}

static int filter_along(struct text_asking *k, const struct filter *f)
{
    sqlite3_stmt *st = text_prepare(k, DOC " FROM doc d WHERE d.id >= ?1 ORDER BY d.id");
    size_t kept = 0, i = 0;
    int r = 1;
    text_bind_int(st, 1, k->n ? k->found[0].id : 0);
    while (i < k->n && (r = text_step(k->conn, st, k->err)) > 0) {
        int64_t id = sqlite3_column_int64(st, DOC_ID);
        while (i < k->n && k->found[i].id < id) {
            i++;
        }
        if (i < k->n && k->found[i].id == id) {
            if (admit(f, st, &k->found[i])) {
                k->found[kept++] = k->found[i];
            }
            i++;
        }
    }
    sqlite3_finalize(st);
    k->n = kept;
    return r < 0 ? r : 0;
}

/* Documents as the statement gives them. */
static int add_admitted(struct text_asking *k, const struct filter *f, sqlite3_stmt *st)
{
    int r;
    while ((r = text_step(k->conn, st, k->err)) > 0) {
        struct text_match m = {.id = sqlite3_column_int64(st, DOC_ID)};
        if (admit(f, st, &m)) {
            m.score = sqlite3_column_double(st, DOC_SCORE);
            add(k, m);
        }
    }
    sqlite3_finalize(st);
    return r;
}

/* Scopes are looked at before scores, which cost the most. */
static int add_worded(struct text_asking *k, const struct filter *f)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, DOC ", text_score(words, d.bytes) FROM words CROSS JOIN doc d ON d.id ="
                     " words.rowid WHERE words MATCH ?1 AND d.scope IN (");
    for (size_t i = 0; i < k->n_scopes; i++) {
        buf_printf(&b, "%s%lld", i ? "," : "", (long long)k->scopes[i].id);
    }
    buf_addz(&b, ")");
    buf_addc(&b, 0);
    sqlite3_stmt *st = text_prepare(k, b.ptr);
    text_bind(st, 1, k->expression);
    return add_admitted(k, f, st);
}

/* ---- tags ---- */

static int filter_tag(struct text_asking *k, struct str tag)
{
    sqlite3_stmt *st = text_prepare(k, OF_TERM "'tags' ORDER BY v.doc");
    size_t kept = 0, i = 0;
    int r = 1;
    text_bind(st, 1, tag);
    while (i < k->n && (r = text_step(k->conn, st, k->err)) > 0) {
        int64_t id = sqlite3_column_int64(st, 0);
        while (i < k->n && k->found[i].id < id) {
            i++;
        }
        if (i < k->n && k->found[i].id == id) {
            k->found[kept++] = k->found[i++];
        }
    }
    sqlite3_finalize(st);
    k->n = kept;
    return r < 0 ? r : 0;
}

int text_match(struct text_asking *k)
{
    struct filter f = {.asking = k};
    bool some = false, words = k->expression.len > 0;
    int r = find_folders(k, &f);
    sort_names(k->q, k->arena, &f);
    r = r < 0 ? r : words ? add_worded(k, &f) : add_candidates(k, &some);
    if (r == 0 && !some && !words) {
        r = add_admitted(k, &f, text_prepare(k, DOC ", 0 FROM doc d ORDER BY d.id"));
    } else if (r == 0 && some) {
        bool few = k->n < (size_t)k->there / FEW;
        r = few ? filter_each(k, &f) : filter_along(k, &f);
    }
    for (size_t i = 0; r == 0 && i < k->q->n_tags; i++) {
        r = filter_tag(k, k->q->tags[i]);
    }
    return r;
}
