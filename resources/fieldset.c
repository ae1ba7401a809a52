/* SPDX-License-Identifier: Apache-2.0 */
/* The algebra of field sets. Each operation is one walk over two sorted trees; what an operand has
 * already is shared, and an operand that is the result is returned as it is. */
#include "resources/fieldset.h"

#include <stdarg.h>
#include <stdlib.h>

#include "resources/fieldset_priv.h"

/* ---- building a level ---- */

static void builder_grow(struct fieldset_builder *b, struct arena *a)
{
    size_t cap = b->cap ? b->cap * 2 : 4;
    struct fieldset_item *items = arena_alloc(a, cap * sizeof(*items));
    if (b->n) {
        memcpy(items, b->items, b->n * sizeof(*items));
    }
    b->items = items;
    b->cap = cap;
}

void fieldset_add(struct fieldset_builder *b, struct arena *a, const struct element *e, bool member,
                  struct fieldset *children)
{
    if (!member && !children) {
        return;
    }
    if (b->n == b->cap) {
        builder_grow(b, a);
    }
    b->unsorted = b->unsorted || (b->n && element_compare(&b->items[b->n - 1].e, e) >= 0);
    b->items[b->n] = (struct fieldset_item){*e, children, member, (uint32_t)b->n};
    b->n++;
}

static int compare_items(const void *a, const void *b)
{
    const struct fieldset_item *x = a, *y = b;
    int r = element_compare(&x->e, &y->e);
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

static void builder_sort(struct fieldset_builder *b)
{
    qsort(b->items, b->n, sizeof(*b->items), compare_items);
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct fieldset_item *last = kept ? &b->items[kept - 1] : NULL;
        if (last && element_compare(&last->e, &b->items[i].e) == 0) {
            last->member = last->member || b->items[i].member;
            last->children = b->items[i].children ? b->items[i].children : last->children;
        } else {
            b->items[kept++] = b->items[i];
        }
    }
    b->n = kept;
    b->unsorted = false;
}

struct fieldset *fieldset_finish(struct fieldset_builder *b, struct arena *a)
{
    if (!b->n) {
        return NULL;
    }
    if (b->unsorted) {
        builder_sort(b);
    }
    struct fieldset *s = ARENA_NEW(a, struct fieldset);
    *s = (struct fieldset){b->n, b->items};
    return s;
}

/* ---- looking ---- */

const struct fieldset_item *fieldset_find(const struct fieldset *s, const struct element *e,
                                          size_t *hint)
{
    if (!s) {
        return NULL;
    }
    size_t low = 0, high = s->n;
    if (*hint < s->n) {
        int r = element_compare(&s->items[*hint].e, e);
        if (r == 0) {
            return &s->items[(*hint)++];
        }
        low = r < 0 ? *hint + 1 : 0;
        high = r < 0 ? s->n : *hint;
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = element_compare(&s->items[mid].e, e);
        if (r == 0) {
            *hint = mid + 1;
            return &s->items[mid];
        }
        if (r < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *hint = low;
    return NULL;
}

bool fieldset_empty(const struct fieldset *s)
{
    return !s;
}

size_t fieldset_size(const struct fieldset *s)
{
    size_t n = 0;
    for (size_t i = 0; s && i < s->n; i++) {
        n += s->items[i].member + fieldset_size(s->items[i].children);
    }
    return n;
}

bool fieldset_equal(const struct fieldset *a, const struct fieldset *b)
{
    if (a == b) {
        return true;
    }
    if (!a || !b || a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct fieldset_item *x = &a->items[i], *y = &b->items[i];
        if (x->member != y->member || element_compare(&x->e, &y->e) != 0 ||
            !fieldset_equal(x->children, y->children)) {
            return false;
        }
    }
    return true;
}

/* ---- two sets ---- */

/* A result that begins as what `base` has and is only made when something in it is different. */
struct draft {
    struct arena *arena;
    const struct fieldset *base;
    size_t more; /* items that may come beside those of base */
    struct fieldset_item *items;
    size_t n; /* of items, or of base's while there are no items */
};

/* The next item; same: it is base's own next one. */
static void draft_put(struct draft *d, const struct fieldset_item *item, bool same)
{
    if (!d->items && same) {
        d->n++;
        return;
    }
    if (!d->items) {
        d->items = arena_alloc(d->arena, (d->base->n + d->more) * sizeof(*d->items));
        memcpy(d->items, d->base->items, d->n * sizeof(*d->items));
    }
    if (item->member || item->children) {
        d->items[d->n++] = *item;
    }
}

/* Puts base's next item with another member mark or other children. */
static void draft_change(struct draft *d, const struct fieldset_item *was, bool member,
                         struct fieldset *children)
{
    struct fieldset_item item = {was->e, children, member, 0};
    draft_put(d, &item, member == was->member && children == was->children);
}

static struct fieldset *draft_finish(struct draft *d)
{
    if (!d->items) {
        return (struct fieldset *)(uintptr_t)d->base;
    }
    if (!d->n) {
        return NULL;
    }
    struct fieldset *s = ARENA_NEW(d->arena, struct fieldset);
    *s = (struct fieldset){d->n, d->items};
    return s;
}

static struct fieldset *own(const struct fieldset *s)
{
    return (struct fieldset *)(uintptr_t)s;
}

struct fieldset *fieldset_union(struct arena *a, const struct fieldset *x, const struct fieldset *y)
{
    if (!x || !y || x == y) {
        return own(x ? x : y);
    }
    struct draft d = {.arena = a, .base = x, .more = y->n};
    size_t i = 0, j = 0;
    while (i < x->n || j < y->n) {
        int r = i == x->n ? 1 : j == y->n ? -1 : element_compare(&x->items[i].e, &y->items[j].e);
        if (r < 0) {
            draft_put(&d, &x->items[i++], true);
        } else if (r > 0) {
            draft_put(&d, &y->items[j++], false);
        } else {
            const struct fieldset_item *p = &x->items[i++], *q = &y->items[j++];
            draft_change(&d, p, p->member || q->member,
                         fieldset_union(a, p->children, q->children));
        }
    }
    return draft_finish(&d);
}

struct fieldset *fieldset_intersection(struct arena *a, const struct fieldset *x,
                                       const struct fieldset *y)
{
    if (!x || !y || x == y) {
        return own(x == y ? x : NULL);
    }
    if (y->n > 16 && x->n < y->n / 16) { /* looked up instead of walked past */
        struct draft d = {.arena = a, .base = x};
        size_t hint = 0;
        for (size_t i = 0; i < x->n; i++) {
            const struct fieldset_item *p = &x->items[i], *q = fieldset_find(y, &p->e, &hint);
            draft_change(&d, p, q && q->member && p->member,
                         q ? fieldset_intersection(a, p->children, q->children) : NULL);
        }
        return draft_finish(&d);
    }
    struct fieldset_builder b = {0};
    size_t hint = 0;
    if (x->n > 16 && y->n < x->n / 16) {
        for (size_t j = 0; j < y->n; j++) {
            const struct fieldset_item *q = &y->items[j], *p = fieldset_find(x, &q->e, &hint);
            if (p) {
                fieldset_add(&b, a, &p->e, p->member && q->member,
                             fieldset_intersection(a, p->children, q->children));
            }
        }
        return fieldset_finish(&b, a);
    }
    for (size_t i = 0, j = 0; i < x->n && j < y->n;) {
        const struct fieldset_item *p = &x->items[i], *q = &y->items[j];
        int r = element_compare(&p->e, &q->e);
        if (r == 0) {
            fieldset_add(&b, a, &p->e, p->member && q->member,
                         fieldset_intersection(a, p->children, q->children));
        }
        i += r <= 0;
        j += r >= 0;
    }
    return fieldset_finish(&b, a);
}

static struct fieldset *difference(struct arena *a, const struct fieldset *x,
                                   const struct fieldset *y, bool deep)
{
    if (!x || !y) {
        return own(x);
    }
    if (x == y) {
        return NULL;
    }
    struct draft d = {.arena = a, .base = x};
    size_t j = 0;
    for (size_t i = 0; i < x->n; i++) {
        const struct fieldset_item *p = &x->items[i], *q = NULL;
        while (j < y->n && !q) {
            int r = element_compare(&y->items[j].e, &p->e);
            if (r > 0) {
                break;
            }
            q = r == 0 ? &y->items[j] : NULL;
            j++;
        }
        struct fieldset *children = p->children;
        if (q) {
            children = deep && q->member ? NULL : difference(a, children, q->children, deep);
        }
        draft_change(&d, p, p->member && !(q && q->member), children);
    }
    return draft_finish(&d);
}

struct fieldset *fieldset_difference(struct arena *a, const struct fieldset *x,
                                     const struct fieldset *y)
{
    return difference(a, x, y, false);
}

struct fieldset *fieldset_difference_deep(struct arena *a, const struct fieldset *x,
                                          const struct fieldset *y)
{
    return difference(a, x, y, true);
}

struct fieldset *fieldset_of_names(struct arena *a, const char *first, ...)
{
    struct fieldset *top = NULL, **at = &top;
    struct fieldset_item *item = NULL;
    va_list ap;
    va_start(ap, first);
    for (const char *name = first; name; name = va_arg(ap, const char *)) {
        item = ARENA_NEW(a, struct fieldset_item);
        item->e.name = arena_str(a, str_from(name));
        *at = ARENA_NEW(a, struct fieldset);
        **at = (struct fieldset){1, item};
        at = &item->children;
    }
    va_end(ap);
    if (item) {
        item->member = true;
    }
    return top;
}

/* ---- visiting ---- */

static void visit(const struct fieldset *s, struct buf *path, fieldset_visit_fn *fn, void *arg)
{
    size_t len = path->len;
    for (size_t i = 0; i < s->n; i++) {
        if (s->items[i].member) {
            element_text(path, &s->items[i].e);
            fn(arg, buf_str(path));
            path->len = len;
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->items[i].children) {
            element_text(path, &s->items[i].e);
            visit(s->items[i].children, path, fn, arg);
            path->len = len;
        }
    }
}

void fieldset_visit(const struct fieldset *s, fieldset_visit_fn *fn, void *arg)
{
    struct buf path = {0};
    if (s) {
        visit(s, &path, fn, arg);
    }
    buf_finish(&path);
}
