/* SPDX-License-Identifier: Apache-2.0 */
/* Documents at fixed paths that services publish. */
#include "resources/documents.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

struct documents {
    struct fixed_document *items;
    size_t n;
};

struct documents *documents_create(void)
{
    return ALLOC(struct documents);
}

void documents_destroy(struct documents *d)
{
    if (d) {
        free(d->items);
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
