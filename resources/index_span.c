/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of spans. A span's term is NS/[LEN:BY/]CLASS BEGIN: its class is by its length, so that
 * what touches a range is, in each class, what begins at most a class's length before it; BEGIN is
 * hexadecimal, so that terms are in order of time. What has numbers but no such span has NS/x. A
 * visit merges the walks over the classes, each read a page at a time. */
#include "resources/index_span.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/index.h"
#include "resources/jsonpath.h"

enum { CLASSES = 6, DIGITS = 16, PAGE_FIRST = 64, PAGE_MOST = 4096 };

/* As milliseconds: none, an hour, a day and a half, fifty days, four years, any. */
static const int64_t longest[CLASSES] = {
    0, INT64_C(1) << 22, INT64_C(1) << 27, INT64_C(1) << 32, INT64_C(1) << 37, INT64_MAX};

/* ---- terms ---- */

static bool whole(const yyjson_mut_val *v, int64_t *ret)
{
    yyjson_mut_val *n = json_mut(v);
    if (!yyjson_mut_is_int(n) || (yyjson_mut_is_sint(n) && yyjson_mut_get_sint(n) < 0) ||
        yyjson_mut_get_uint(n) > INT64_MAX) {
        return false;
    }
    *ret = (int64_t)yyjson_mut_get_uint(n);
    return true;
}

bool index_span(const struct type_index *x, const yyjson_mut_val *obj, int64_t *ret_begin,
                int64_t *ret_end)
{
    int64_t end = 0;
    if (!whole(jsonpath_first(x->path, obj), ret_begin)) {
        return false;
    }
    bool has = whole(jsonpath_first(x->end, obj), &end);
    *ret_end = has && end > *ret_begin ? end : *ret_begin;
    return true;
}

static bool is_int(const yyjson_mut_val *v)
{
    return v && yyjson_mut_is_int(json_mut(v));
}

/* Whether the span, or what there is instead of one, may hold bounds (selector_fields.c) that its
 * term does not tell of. */
static bool is_odd(const struct type_index *x, const yyjson_mut_val *obj, bool has_span)
{
    const yyjson_mut_val *end = jsonpath_first(x->end, obj);
    int64_t v;
    bool endless = is_int(end) && yyjson_mut_is_uint(json_mut(end)) && !whole(end, &v);
    return endless || (!has_span && (x->by || is_int(end) || is_int(jsonpath_first(x->path, obj))));
}

static struct str odd_term(struct arena *a, struct str ns)
{
    return str_from(arena_printf(a, "%.*s/x", STR_FMT(ns)));
}

static struct str span_term(struct arena *a, struct str ns, struct str by, int class, int64_t at)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_add(&b, ns);
    buf_addc(&b, '/');
    if (by.len) {
        buf_printf(&b, "%zu:", by.len);
        buf_add(&b, by);
        buf_addc(&b, '/');
    }
    buf_printf(&b, "%d%0*llx", class, DIGITS, (unsigned long long)at);
    return arena_str(a, buf_str(&b));
}

struct gathering {
    const struct type_index *x;
    struct str ns;
    struct arena *a;
    struct store_term *items;
    size_t n, cap;
};

static void gather(struct gathering *g, struct str term)
{
    for (size_t i = 0; i < g->n; i++) {
        if (str_eq(g->items[i].term, term)) {
            return;
        }
    }
    if (g->n == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 4;
        struct store_term *grown = arena_alloc(g->a, cap * sizeof(*grown));
        if (g->n) {
            memcpy(grown, g->items, g->n * sizeof(*grown));
        }
        g->items = grown;
        g->cap = cap;
    }
    g->items[g->n++] = (struct store_term){g->x->store_name, term};
}

static bool gather_text(void *arg, const yyjson_mut_val *v)
{
    struct gathering *g = arg;
    if (json_is_str(v)) {
        AUTO(buf_finish) struct buf b = {0};
        buf_add(&b, g->ns);
        buf_addc(&b, '/');
        buf_add(&b, json_str(v));
        gather(g, arena_str(g->a, buf_str(&b)));
    }
    return true;
}

size_t index_span_terms(const struct type_index *x, const yyjson_mut_val *obj, struct str ns,
                        struct arena *a, struct store_term **ret)
{
    struct gathering g = {.x = x, .ns = ns, .a = a};
    struct str by = x->by ? json_str(jsonpath_first(x->by, obj)) : STR("");
    int64_t begin, end;
    int class = 0;
    if (x->each) {
        jsonpath_find(x->path, obj, gather_text, &g);
    } else if (!x->by || by.len) {
        bool has = index_span(x, obj, &begin, &end);
        while (has && end - begin > longest[class]) {
            class ++;
        }
        if (has) {
            gather(&g, span_term(a, ns, by, class, begin));
        }
        if (is_odd(x, obj, has)) {
            gather(&g, odd_term(a, ns));
        }
    }
    *ret = g.items;
    return g.n;
}

/* ---- one class ---- */

struct found {
    int64_t begin;
    struct str name;
};

struct stream {
    const struct type *type;
    struct arena arena; /* of the page */
    struct found *items;
    size_t i, n, cap;
    struct buf least, greatest, after;
    bool done;
};

static void stream_init(struct stream *c, const struct type *t)
{
    *c = (struct stream){.type = t, .cap = PAGE_FIRST};
    arena_init(&c->arena, 0);
}

static void stream_finish(struct stream *c)
{
    arena_finish(&c->arena);
    buf_finish(&c->least);
    buf_finish(&c->greatest);
    buf_finish(&c->after);
}

static void keep(struct buf *b, struct str s)
{
    b->len = 0;
    buf_add(b, s);
}

static int64_t term_begin(struct str term)
{
    uint64_t v = 0;
    for (size_t i = term.len - DIGITS; i < term.len; i++) {
        char c = term.ptr[i];
        v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return (int64_t)v;
}

static int take_one(void *arg, struct str term, struct str key)
{
    struct stream *c = arg;
    struct str ns, name;
    if (!type_key_parse(c->type, key, &ns, &name)) {
        return 0;
    }
    c->items[c->n++] = (struct found){term_begin(term), arena_str(&c->arena, name)};
    if (c->n < c->cap) {
        return 0;
    }
    keep(&c->greatest, term);
    keep(&c->after, key);
    return STORE_STOP;
}

/* The next page, each larger than the one before: a long visit is a few walks. */
static int stream_fill(struct stream *c, struct store *s, const struct type_index *x,
                       struct err *err)
{
    if (c->i < c->n || c->done) {
        return 0;
    }
    c->cap = c->n && c->cap < PAGE_MOST ? 4 * c->cap : c->cap;
    arena_finish(&c->arena);
    c->items = arena_alloc(&c->arena, c->cap * sizeof(*c->items));
    c->i = c->n = 0;
    const struct store_walk w = {.index = x->store_name,
                                 .least = buf_str(&c->least),
                                 .greatest = buf_str(&c->greatest),
                                 .after = c->after.len ? buf_str(&c->after) : STR_NULL};
    int rc = store_index_walk(s, &w, take_one, c, err);
    c->done = c->n < c->cap;
    return rc;
}

/* ---- all of them ---- */

/* Whether a comes before b. */
static bool comes_first(const struct found *a, const struct found *b)
{
    return a->begin != b->begin ? a->begin > b->begin : str_cmp(a->name, b->name) < 0;
}

static int64_t newest_of(const struct index_range *r)
{
    return r->after.len && r->at < r->to ? r->at : r->to;
}

static void stream_begin(struct stream *c, int class, struct scope s, const struct index_range *r)
{
    struct arena a;
    int64_t newest = newest_of(r), oldest = r->from > longest[class] ? r->from - longest[class] : 0;
    arena_init(&a, 0);
    keep(&c->least, span_term(&a, s.ns, r->by, class, oldest));
    keep(&c->greatest, span_term(&a, s.ns, r->by, class, newest));
    if (r->after.len && newest == r->at) {
        keep(&c->after, type_key(c->type, s, r->after, &a));
    }
    c->done = oldest > newest;
    arena_finish(&a);
}

static int merge(struct stream *classes, struct store *s, const struct type_index *x,
                 index_range_fn *visit, void *arg, struct err *err)
{
    for (;;) {
        struct stream *first = NULL;
        for (int k = 0; k < CLASSES; k++) {
            struct stream *c = &classes[k];
            int rc = stream_fill(c, s, x, err);
            if (rc) {
                return rc;
            }
            if (c->i < c->n && (!first || comes_first(&c->items[c->i], &first->items[first->i]))) {
                first = c;
            }
        }
        if (!first) {
            return 0;
        }
        const struct found *f = &first->items[first->i++];
        int rc = visit(arg, f->begin, f->name);
        if (rc) {
            return rc;
        }
    }
}

/* ---- keys alone ---- */

struct keys_walk {
    store_walk_fn *visit;
    void *arg;
    bool stopped;
};

static int pass_key(void *arg, struct str term, struct str key)
{
    struct keys_walk *k = arg;
    int rc = k->visit(k->arg, term, key);
    k->stopped = rc != 0;
    return rc;
}

int index_span_keys(struct engine *e, const struct type_index *x, struct str ns,
                    const struct index_range *r, store_walk_fn *visit, void *arg, struct err *err)
{
    struct keys_walk k = {.visit = visit, .arg = arg};
    struct arena a;
    arena_init(&a, 0);
    const struct str odd = odd_term(&a, ns);
    struct store_walk w = {.index = x->store_name, .least = odd, .greatest = odd};
    int rc = store_index_walk(engine_store(e), &w, pass_key, &k, err);
    for (int class = 0; class < CLASSES && !rc && !k.stopped; class ++) {
        int64_t oldest = r->from > longest[class] ? r->from - longest[class] : 0;
        if (oldest > r->to) {
            continue;
        }
        w.least = span_term(&a, ns, r->by, class, oldest);
        w.greatest = span_term(&a, ns, r->by, class, r->to);
        rc = store_index_walk(engine_store(e), &w, pass_key, &k, err);
    }
    arena_finish(&a);
    return rc;
}

/* ---- while the index is being built ---- */

struct scanning {
    const struct type *type;
    const struct type_index *x;
    const struct index_range *r;
    struct arena arena;
    struct found *items;
    struct str *texts;
    size_t n, cap, n_texts, cap_texts;
};

static void scan_span(struct scanning *s, const yyjson_mut_val *obj)
{
    struct found f = {.name = metadata_name(obj)};
    const struct found last = {s->r->at, s->r->after};
    int64_t end;
    struct str by = s->x->by ? json_str(jsonpath_first(s->x->by, obj)) : STR("");
    if (!index_span(s->x, obj, &f.begin, &end) || f.begin > s->r->to || end < s->r->from ||
        !str_eq(by, s->r->by) || (s->r->after.len && !comes_first(&last, &f))) {
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->items = alloc_resize(s->items, s->cap * sizeof(*s->items));
    }
    f.name = arena_str(&s->arena, f.name);
    s->items[s->n++] = f;
}

static void scan_texts(struct scanning *s, const yyjson_mut_val *obj, struct arena *a)
{
    struct store_term *terms = NULL;
    size_t n = index_span_terms(s->x, obj, STR(""), a, &terms);
    for (size_t i = 0; i < n; i++) {
        if (s->n_texts == s->cap_texts) {
            s->cap_texts = s->cap_texts ? 2 * s->cap_texts : 64;
            s->texts = alloc_resize(s->texts, s->cap_texts * sizeof(*s->texts));
        }
        s->texts[s->n_texts++] = arena_str(&s->arena, str_skip(terms[i].term, 1));
    }
}

static int scan_one(void *arg, const struct store_entry *e)
{
    struct scanning *s = arg;
    struct arena a;
    yyjson_mut_doc *d = NULL;
    const struct stored stored = {e->value, e->rev, e->stamp};
    arena_init(&a, 0);
    if (represent_own(s->type, &stored, &a, &d, NULL) == 0) {
        if (s->x->each) {
            scan_texts(s, yyjson_mut_doc_get_root(d), &a);
        } else {
            scan_span(s, yyjson_mut_doc_get_root(d));
        }
    }
    arena_finish(&a);
    return 0;
}

static int scan(struct scanning *s, struct engine *e, struct scope at, struct err *err)
{
    arena_init(&s->arena, 0);
    const struct store_range all = {.prefix = type_scope_prefix(s->type, at, &s->arena)};
    return store_range(engine_store(e), &all, scan_one, s, NULL, NULL, err);
}

static void scan_finish(struct scanning *s)
{
    free(s->items);
    free(s->texts);
    arena_finish(&s->arena);
}

static int found_order(const void *a, const void *b)
{
    return comes_first(a, b) ? -1 : comes_first(b, a);
}

static int ranges_by_scan(struct engine *e, struct scope at, struct scanning *s,
                          index_range_fn *visit, void *arg, struct err *err)
{
    int rc = scan(s, e, at, err);
    if (s->n) {
        qsort(s->items, s->n, sizeof(*s->items), found_order);
    }
    for (size_t i = 0; i < s->n && !rc; i++) {
        rc = visit(arg, s->items[i].begin, s->items[i].name);
    }
    scan_finish(s);
    return rc;
}

int index_ranges(struct engine *e, const struct type *t, struct scope s, struct str index,
                 const struct index_range *r, index_range_fn *visit, void *arg, struct err *err)
{
    const struct type_index *x = type_index(t, index);
    assert(x && x->end && s.ns.len && !x->by == !r->by.len);
    if (!store_index_ready(engine_store(e), x->store_name)) {
        struct scanning all = {.type = t, .x = x, .r = r};
        return ranges_by_scan(e, s, &all, visit, arg, err);
    }
    struct stream classes[CLASSES];
    for (int k = 0; k < CLASSES; k++) {
        stream_init(&classes[k], t);
        stream_begin(&classes[k], k, s, r);
    }
    int rc = merge(classes, engine_store(e), x, visit, arg, err);
    for (int k = 0; k < CLASSES; k++) {
        stream_finish(&classes[k]);
    }
    return rc;
}

/* ---- texts ---- */

struct counting {
    index_text_fn *visit;
    void *arg;
    size_t skip; /* bytes before the text in a term */
    struct buf text;
    int64_t n;
    int rc;
};

static int count_end(struct counting *c)
{
    int rc = c->n ? c->visit(c->arg, buf_str(&c->text), c->n) : 0;
    c->n = 0;
    return rc;
}

static int count_text(struct counting *c, struct str text)
{
    if (!c->n || !str_eq(buf_str(&c->text), text)) {
        c->rc = count_end(c);
        keep(&c->text, text);
    }
    c->n++;
    return c->rc ? STORE_STOP : 0;
}

static int pass_term(void *arg, struct str term, int64_t keys)
{
    struct counting *c = arg;
    c->rc = c->visit(c->arg, str_skip(term, c->skip), keys);
    return c->rc ? STORE_STOP : 0;
}

static int text_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)b, *(const struct str *)a);
}

static int texts_by_scan(struct engine *e, struct scope at, struct scanning *s, struct str prefix,
                         struct counting *c, struct err *err)
{
    int rc = scan(s, e, at, err);
    if (s->n_texts) {
        qsort(s->texts, s->n_texts, sizeof(*s->texts), text_order);
    }
    for (size_t i = 0; i < s->n_texts && !rc && !c->rc; i++) {
        if (str_starts(s->texts[i], prefix)) {
            count_text(c, s->texts[i]);
        }
    }
    rc = rc ? rc : c->rc ? c->rc : count_end(c);
    scan_finish(s);
    return rc;
}

int index_texts(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str prefix, index_text_fn *visit, void *arg, struct err *err)
{
    const struct type_index *x = type_index(t, index);
    assert(x && x->each && s.ns.len);
    AUTO(buf_finish) struct buf least = {0}, greatest = {0};
    struct counting c = {.visit = visit, .arg = arg, .skip = s.ns.len + 1};
    buf_add(&least, s.ns);
    buf_addc(&least, '/');
    buf_add(&least, prefix);
    buf_add(&greatest, buf_str(&least));
    buf_addc(&greatest, '\xff'); /* in no text */
    const struct store_walk w = {
        .index = x->store_name, .least = buf_str(&least), .greatest = buf_str(&greatest)};
    int rc;
    if (store_index_ready(engine_store(e), x->store_name)) {
        rc = store_index_tally(engine_store(e), &w, pass_term, &c, err);
        rc = rc ? rc : c.rc;
    } else {
        struct scanning all = {.type = t, .x = x};
        rc = texts_by_scan(e, s, &all, prefix, &c, err);
    }
    buf_finish(&c.text);
    return rc;
}
