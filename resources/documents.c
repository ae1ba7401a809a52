/* SPDX-License-Identifier: Apache-2.0 */
/* Documents and pages at fixed paths that services publish. */
#include "resources/documents.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

struct documents {
    struct fixed_document *items;
    size_t n;
    struct fixed_page *pages;
    size_t n_pages;
};

struct documents *documents_create(void)
{
    return ALLOC(struct documents);
}

void documents_destroy(struct documents *d)
{
    if (d) {
        free(d->items);
        free(d->pages);
        free(d);
    }
}

void documents_add(struct documents *d, const struct fixed_document *doc)
{
    struct str path = str_from(doc->path);
    assert(str_starts(path, STR("/")) && !str_ends(path, STR("/")) && !documents_find(d, path));
    d->items = alloc_resize(d->items, (d->n + 1) * sizeof(*d->items));
    d->items[d->n++] = *doc;
}

const struct fixed_document *documents_find(const struct documents *d, struct str path)
{
    for (size_t i = 0; d && i < d->n; i++) {
        if (str_is(path, d->items[i].path)) {
            return &d->items[i];
        }
    }
    return NULL;
}

void documents_add_page(struct documents *d, const struct fixed_page *page)
{
    struct str prefix = str_from(page->prefix);
    assert(str_starts(prefix, STR("/")) && str_ends(prefix, STR("/")) && prefix.len > 1);
    for (size_t i = 0; i < d->n_pages; i++) {
        assert(!str_is(prefix, d->pages[i].prefix));
    }
    d->pages = alloc_resize(d->pages, (d->n_pages + 1) * sizeof(*d->pages));
    d->pages[d->n_pages++] = *page;
}

const struct fixed_page *documents_find_page(const struct documents *d, struct str path,
                                             struct str *ret_part)
{
    for (size_t i = 0; d && i < d->n_pages; i++) {
        struct str prefix = str_from(d->pages[i].prefix);
        struct str part = str_starts(path, prefix) ? str_skip(path, prefix.len) : STR_NULL;
        if (part.len && !memchr(part.ptr, '/', part.len)) {
            *ret_part = part;
            return &d->pages[i];
        }
    }
    return NULL;
}
