/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of services: a depth-first walk that remembers the path it came by. */
#include "services/wiregen/graph.h"

#include "base/buf.h"
#include "base/cleanup.h"

enum { MARK_NEW, MARK_OPEN, MARK_DONE };

struct walk {
    struct manifest **path, **order;
    size_t depth, n;
};

static struct manifest *provider(struct manifest *all, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(all[i].provides, name)) {
            return &all[i];
        }
    }
    return NULL;
}

static int check_doubles(const struct manifest *a, const struct manifest *b, struct err *err)
{
    if (str_eq(a->provides, b->provides)) {
        return err_set(err, ERR_INVALID, "%s and %s both provide %.*s", a->path, b->path,
                       STR_FMT(a->provides));
    }
    for (size_t i = 0; i < a->n_resources; i++) {
        for (size_t j = 0; j < b->n_resources; j++) {
            if (str_eq(a->resources[i].name, b->resources[j].name)) {
                return err_set(err, ERR_INVALID, "%s (%.*s) and %s (%.*s) both ship the type %.*s",
                               a->path, STR_FMT(a->resources[i].file), b->path,
                               STR_FMT(b->resources[j].file), STR_FMT(a->resources[i].name));
            }
        }
    }
    return 0;
}

static int resolve(struct arena *a, struct manifest *m, struct manifest *all, size_t n,
                   struct err *err)
{
    m->needs = arena_zero(a, (m->n_requires + 1) * sizeof(*m->needs));
    bool engine = false;
    for (size_t i = 0; i < m->n_requires; i++) {
        m->needs[i] = provider(all, n, m->requires[i]);
        engine = engine || str_is(m->requires[i], "engine");
        if (!m->needs[i] && !str_is(m->requires[i], "config")) {
            return err_set(err, ERR_INVALID, "%s: requires %.*s, which no service provides",
                           m->path, STR_FMT(m->requires[i]));
        }
    }
    if (m->rights.len && !engine) {
        return err_set(err, ERR_INVALID, "%s: rights are exercised through the engine: require it",
                       m->path);
    }
    return 0;
}

static int cycle(const struct walk *w, const struct manifest *back, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    size_t i = w->depth;
    while (i > 0 && w->path[i - 1] != back) {
        i--;
    }
    for (i = i ? i - 1 : 0; i < w->depth; i++) {
        buf_printf(&text, "%.*s -> ", STR_FMT(w->path[i]->name));
    }
    return err_set(err, ERR_INVALID, "%s: services need each other in a circle: %.*s%.*s",
                   back->path, STR_FMT(buf_str(&text)), STR_FMT(back->name));
}

static int visit(struct walk *w, struct manifest *m, struct err *err)
{
    if (m->mark == MARK_DONE) {
        return 0;
    }
    if (m->mark == MARK_OPEN) {
        return cycle(w, m, err);
    }
    m->mark = MARK_OPEN;
    w->path[w->depth++] = m;
    for (size_t i = 0; i < m->n_requires; i++) {
        int r = m->needs[i] ? visit(w, m->needs[i], err) : 0;
        if (r < 0) {
            return r;
        }
    }
    w->depth--;
    m->mark = MARK_DONE;
    w->order[w->n++] = m;
    return 0;
}

int graph_order(struct arena *a, struct manifest *all, size_t n, struct manifest ***ret_order,
                struct err *err)
{
    struct walk w = {.path = arena_zero(a, (n + 1) * sizeof(*w.path)),
                     .order = arena_zero(a, (n + 1) * sizeof(*w.order))};
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        for (size_t j = 0; j < i && r == 0; j++) {
            r = check_doubles(&all[j], &all[i], err);
        }
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        r = resolve(a, &all[i], all, n, err);
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        r = visit(&w, &all[i], err);
    }
    if (r == 0) {
        *ret_order = w.order;
    }
    return r;
}
