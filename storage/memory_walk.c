/* SPDX-License-Identifier: Apache-2.0 */
/* Terms of an index in order, in the memory engine: what matches is gathered and sorted. */
#include <stdlib.h>

#include "base/alloc.h"
#include "storage/memory_priv.h"

struct pair {
    struct str term, key;
};

struct pairs {
    struct pair *items;
    size_t n, cap;
};

static int by_term_down(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int c = str_cmp(y->term, x->term);
    return c ? c : str_cmp(x->key, y->key);
}

static bool wanted(const struct store_walk *w, const struct memory_term *t, struct str key)
{
    struct str term = {t->term, t->term_len};
    int c = str_cmp(term, w->greatest);
    return str_eq((struct str){t->index, t->index_len}, w->index) && c <= 0 &&
           str_cmp(term, w->least) >= 0 && (c < 0 || str_cmp(key, w->after) > 0);
}

static void add(struct pairs *p, const struct memory_term *t, struct str key)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->items = alloc_resize(p->items, p->cap * sizeof(*p->items));
    }
    p->items[p->n++] = (struct pair){{t->term, t->term_len}, key};
}

static void gather(const struct memory_store *s, const struct store_walk *w, struct pairs *p)
{
    for (size_t i = 0; i < s->n_keys; i++) {
        const struct memory_key *k = s->keys[i];
        for (size_t t = 0; t < k->n_terms; t++) {
            if (wanted(w, &k->terms[t], memory_key_str(k))) {
                add(p, &k->terms[t], memory_key_str(k));
            }
        }
    }
    if (p->n) {
        qsort(p->items, p->n, sizeof(*p->items), by_term_down);
    }
}

/* A term that a key carries twice is visited once. */
static int visit_all(const struct pairs *p, store_walk_fn *visit, void *arg, struct err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        if (i && !by_term_down(&p->items[i - 1], &p->items[i])) {
            continue;
        }
        int v = visit(arg, p->items[i].term, p->items[i].key);
        if (v) {
            return v < 0 ? store_visit_failed(err, v) : 0;
        }
    }
    return 0;
}

int memory_index_walk(struct store *st, const struct store_walk *w, store_walk_fn *visit, void *arg,
                      struct err *err)
{
    struct memory_store *s = (struct memory_store *)st;
    struct pairs p = {.n = 0};
    int code = 0;
    pthread_rwlock_rdlock(&s->lock);
    if (memory_index_is_ready(s, w->index)) {
        gather(s, w, &p);
        code = visit_all(&p, visit, arg, err);
    } else {
        code = store_walk_unready(err, w->index);
    }
    pthread_rwlock_unlock(&s->lock);
    free(p.items);
    return code;
}

struct tally {
    store_tally_fn *visit;
    void *arg;
    struct str term; /* in the store */
    int64_t n;
    int rc;
};

static int tally_end(struct tally *t)
{
    t->rc = t->n ? t->visit(t->arg, t->term, t->n) : 0;
    t->n = 0;
    return t->rc;
}

static int tally_key(void *arg, struct str term, struct str key)
{
    struct tally *t = arg;
    (void)key;
    if (!str_eq(term, t->term) && tally_end(t)) {
        return STORE_STOP;
    }
    t->term = term;
    t->n++;
    return 0;
}

int memory_index_tally(struct store *st, const struct store_walk *w, store_tally_fn *visit,
                       void *arg, struct err *err)
{
    struct memory_store *s = (struct memory_store *)st;
    struct store_walk all = *w;
    struct tally t = {.visit = visit, .arg = arg};
    struct pairs p = {.n = 0};
    int code = 0;
    all.after = STR_NULL;
    pthread_rwlock_rdlock(&s->lock);
    if (memory_index_is_ready(s, w->index)) {
        gather(s, &all, &p);
        visit_all(&p, tally_key, &t, NULL);
        code = t.rc ? t.rc : tally_end(&t);
        code = code < 0 ? store_visit_failed(err, code) : 0;
    } else {
        code = store_walk_unready(err, w->index);
    }
    pthread_rwlock_unlock(&s->lock);
    free(p.items);
    return code;
}
