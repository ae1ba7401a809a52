/* SPDX-License-Identifier: Apache-2.0 */
/* The token file. */
#include "services/authentication/tokens_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_MAX ((size_t)16 << 20)
#define FIELDS_MAX 64

struct token {
    unsigned char hash[32];
    size_t order; /* in the file */
    struct user *user;
};

struct tokens {
    struct token *items; /* by hash */
    size_t n, cap;
};

struct reader {
    struct arena *arena;
    const char *file;
    struct str rest;
    size_t record; /* number of the present one, from 1 */
};

/* Room for a quoted field: the text up to the quote that closes it. */
static size_t quoted_room(struct str s)
{
    size_t n = 0;
    while (n < s.len && (s.ptr[n] != '"' || (n + 1 < s.len && s.ptr[n + 1] == '"'))) {
        n += s.ptr[n] == '"' ? 2 : 1;
    }
    return n + 1;
}

/* Reads a quoted field; rest stands after the opening quote and then after the closing one. */
static int read_quoted(struct reader *r, struct str *ret, struct err *err)
{
    char *out = arena_alloc(r->arena, quoted_room(r->rest));
    size_t n = 0;
    while (r->rest.len) {
        char c = r->rest.ptr[0];
        r->rest = str_skip(r->rest, 1);
        if (c == '"' && !(r->rest.len && r->rest.ptr[0] == '"')) {
            *ret = str_make(out, n);
            return 0;
        }
        if (c == '"') {
            r->rest = str_skip(r->rest, 1);
        }
        out[n++] = c;
    }
    return err_set(err, ERR_BAD_REQUEST, "token file %s: record %zu: a quote is not closed",
                   r->file, r->record);
}

static void read_bare(struct reader *r, struct str *ret)
{
    size_t n = 0;
    while (n < r->rest.len && r->rest.ptr[n] != ',' && r->rest.ptr[n] != '\n') {
        n++;
    }
    *ret = str_make(r->rest.ptr, n);
    r->rest = str_skip(r->rest, n);
    if (ret->len && ret->ptr[ret->len - 1] == '\r') {
        ret->len--;
    }
}

/* Reads one record; *ret_n is 0 for an empty line. */
static int read_record(struct reader *r, struct str fields[FIELDS_MAX], size_t *ret_n,
                       struct err *err)
{
    *ret_n = 0;
    if (r->rest.ptr[0] == '\n') {
        r->rest = str_skip(r->rest, 1);
        return 0;
    }
    r->record++;
    for (;;) {
        struct str field;
        if (r->rest.len && r->rest.ptr[0] == '"') {
            r->rest = str_skip(r->rest, 1);
            int code = read_quoted(r, &field, err);
            if (code < 0) {
                return code;
            }
            if (r->rest.len && r->rest.ptr[0] == '\r') {
                r->rest = str_skip(r->rest, 1);
            }
        } else {
            read_bare(r, &field);
        }
        if (*ret_n < FIELDS_MAX) {
            fields[(*ret_n)++] = field;
        }
        if (!r->rest.len || r->rest.ptr[0] == '\n') {
            r->rest = str_skip(r->rest, 1);
            return 0;
        }
        if (r->rest.ptr[0] != ',') {
            return err_set(err, ERR_BAD_REQUEST,
                           "token file %s: record %zu: text after a closing quote", r->file,
                           r->record);
        }
        r->rest = str_skip(r->rest, 1);
    }
}

static struct user *make_user(struct arena *a, const struct str *fields, size_t n)
{
    struct str *groups = NULL, rest = n > 3 ? fields[3] : STR_NULL;
    size_t n_groups = 0;
    if (rest.len) {
        groups = arena_alloc(a, (rest.len + 1) * sizeof(*groups));
        while (rest.ptr) {
            groups[n_groups++] = str_cut(rest, ',', &rest);
        }
    }
    return user_create(fields[1], fields[2], groups, n_groups);
}

static void add(struct tokens *t, struct str token, struct user *u)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->items = alloc_resize(t->items, t->cap * sizeof(*t->items));
    }
    t->items[t->n].user = u;
    t->items[t->n].order = t->n;
    crypto_sha256(token, t->items[t->n++].hash);
}

static int take_record(struct tokens *t, struct reader *r, const struct str *fields, size_t n,
                       struct err *err)
{
    if (n < 3) {
        return err_set(err, ERR_BAD_REQUEST,
                       "token file %s: record %zu: at least 3 columns are wanted (token, user, "
                       "uid), found %zu",
                       r->file, r->record, n);
    }
    if (!fields[0].len) {
        log_warn("the token file holds an empty token, which is left out", LOG_Z("file", r->file),
                 LOG_I("record", r->record));
        return 0;
    }
    add(t, fields[0], make_user(r->arena, fields, n));
    return 0;
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct token *)a)->hash, ((const struct token *)b)->hash, 32);
}

static int by_hash_and_order(const void *a, const void *b)
{
    const struct token *x = a, *y = b;
    int r = by_hash(a, b);
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* Sorts, and of equal tokens keeps the last. */
static void sort_tokens(struct tokens *t)
{
    size_t n = 0;
    if (t->n) {
        qsort(t->items, t->n, sizeof(*t->items), by_hash_and_order);
    }
    for (size_t i = 0; i < t->n; i++) {
        if (i + 1 < t->n && by_hash(&t->items[i], &t->items[i + 1]) == 0) {
            user_unref(t->items[i].user);
        } else {
            t->items[n++] = t->items[i];
        }
    }
    t->n = n;
}

int tokens_parse(struct str csv, const char *file, struct tokens **ret, struct err *err)
{
    struct tokens *t = ALLOC(struct tokens);
    struct arena a;
    arena_init(&a, 0);
    struct reader r = {.arena = &a, .file = file, .rest = csv};
    struct str fields[FIELDS_MAX];
    int code = 0;
    while (r.rest.len && code == 0) {
        size_t n = 0;
        code = read_record(&r, fields, &n, err);
        if (code == 0 && n) {
            code = take_record(t, &r, fields, n, err);
        }
    }
    arena_finish(&a);
    if (code < 0) {
        tokens_destroy(t);
        return code;
    }
    sort_tokens(t);
    *ret = t;
    return 0;
}

int tokens_load(const char *path, struct tokens **ret, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    int r = file_read(path, FILE_MAX, &text, err);
    return r < 0 ? r : tokens_parse(buf_str(&text), path, ret, err);
}

void tokens_destroy(struct tokens *t)
{
    if (t) {
        for (size_t i = 0; i < t->n; i++) {
            user_unref(t->items[i].user);
        }
        free(t->items);
        free(t);
    }
}

struct user *tokens_find(const struct tokens *t, struct str token)
{
    struct token key = {.user = NULL};
    if (!t || !t->n) {
        return NULL;
    }
    crypto_sha256(token, key.hash);
    const struct token *found = bsearch(&key, t->items, t->n, sizeof(*t->items), by_hash);
    return found ? found->user : NULL;
}
