/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of an answer's Warning headers. */
#include "resources/metadata.h"

#include "base/limits.h"

#include <stdarg.h>
#include <string.h>

static bool holds(const struct warnings *w, const char *text)
{
    for (size_t i = 0; i < w->n; i++) {
        if (str_is(w->items[i], text)) {
            return true;
        }
    }
    return false;
}

void warnings_add(struct warnings *w, const char *fmt, ...)
{
    if (!w || w->n == LIMIT_WARNINGS) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(w->arena, fmt, ap);
    va_end(ap);
    if (holds(w, text)) {
        return;
    }
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 4;
        struct str *items = arena_alloc(w->arena, cap * sizeof(*items));
        if (w->n) {
            memcpy(items, w->items, w->n * sizeof(*items));
        }
        w->items = items;
        w->cap = cap;
    }
    w->items[w->n++] = str_from(text);
}
