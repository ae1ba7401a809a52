/* SPDX-License-Identifier: Apache-2.0 */
/* GET .../tags: which tags annotations have, and how many have each, the most common first.
 * Parameters: prefix or contains, limit. Read from the index alone. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/index_span.h"
#include "services/annotations/annotations_priv.h"

enum { LIMIT_DEFAULT = 100 };

struct tag {
    struct str text;
    int64_t count;
};

struct tags {
    struct arena arena;
    struct str contains;
    struct tag *items;
    size_t n, cap;
};

static int add(void *arg, struct str text, int64_t count)
{
    struct tags *t = arg;
    if (t->contains.len && !memmem(text.ptr, text.len, t->contains.ptr, t->contains.len)) {
        return 0;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->items = alloc_resize(t->items, t->cap * sizeof(*t->items));
    }
    t->items[t->n++] = (struct tag){arena_str(&t->arena, text), count};
    return 0;
}

static int by_count(const void *a, const void *b)
{
    const struct tag *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : str_cmp(x->text, y->text);
}

static yyjson_mut_val *answer(struct tags *t, size_t limit, yyjson_mut_doc *d)
{
    yyjson_mut_val *ret = yyjson_mut_obj(d), *list = yyjson_mut_arr(d);
    if (t->n) {
        qsort(t->items, t->n, sizeof(*t->items), by_count);
    }
    for (size_t i = 0; i < t->n && i < limit; i++) {
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(d, list);
        json_set_str(d, item, "tag", t->items[i].text);
        json_set_int(d, item, "count", t->items[i].count);
    }
    json_setz(d, ret, "tags", list);
    return ret;
}

int annotations_tags(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                     struct err *err)
{
    struct annotations *a = self;
    struct tags t = {.contains = op_param(op, "contains")};
    struct str prefix = op_param(op, "prefix");
    int64_t limit = LIMIT_DEFAULT;
    if (prefix.len && t.contains.len) {
        return err_set(err, ERR_BAD_REQUEST,
                       "invalid annotation input: prefix and contains are mutually exclusive");
    }
    int rc = annotations_namespace(op, err);
    rc = rc ? rc : annotations_number(op, "limit", 0, &limit, err);
    if (rc) {
        return rc;
    }
    struct type *type = annotations_type(a);
    limit = limit ? limit : LIMIT_DEFAULT;
    arena_init(&t.arena, 0);
    rc = index_texts(a->engine, type, op->scope, STR("tags"), prefix.len ? prefix : STR(""), add,
                     &t, err);
    if (!rc) {
        *ret_answer =
            answer(&t, limit < LIMIT_ANNOTATION_PAGE ? (size_t)limit : LIMIT_ANNOTATION_PAGE, d);
    }
    arena_finish(&t.arena);
    free(t.items);
    type_unref(type);
    return rc;
}
