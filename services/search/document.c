/* SPDX-License-Identifier: Apache-2.0 */
/* From an object's stored bytes to the document that the index holds of it. Paths are those of the
 * storage version: what is stored in another, from before that was chosen, is converted, unless a
 * webhook would have to be called for it. Of a type whose objects are stored in the version they
 * were written in (dashboards), they are those of each of these versions. */
#include "base/crypto.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "services/search/search_priv.h"

#define FOLDER "grafana.app/folder"
#define UPDATED "grafana.app/updatedTimestamp"

struct gathering {
    struct text_document *d;
    struct text_value *values;
    struct buf texts[TEXT_COLUMNS];
    size_t column;
    bool title, tags; /* the field is */
};

static size_t column_of(int weight)
{
    size_t c = 0;
    while (c + 1 < TEXT_COLUMNS && weight < text_column_weights[c]) {
        c++;
    }
    return c;
}

static void take_text(void *arg, struct str text)
{
    struct gathering *g = arg;
    struct buf *b = &g->texts[g->column];
    if (g->title && !g->d->title.len) {
        g->d->title = text;
    }
    if (b->len < LIMIT_TEXT_BYTES) {
        buf_addc(b, '\n');
        buf_add(b, str_make(text.ptr, text.len < LIMIT_TEXT_BYTES ? text.len : LIMIT_TEXT_BYTES));
    }
    if (g->tags && g->d->n_values < LIMIT_TEXT_VALUES) {
        g->values[g->d->n_values++] = (struct text_value){STR("tags"), text};
    }
}

static int64_t time_of(const yyjson_mut_val *v)
{
    int64_t us = 0;
    return clock_parse(json_str(v), &us) ? us : 0;
}

/* When somebody last wrote it: what the annotation says, or the newest time in managedFields. */
static int64_t updated_of(const yyjson_mut_val *meta)
{
    int64_t us = time_of(json_path(meta, "annotations", UPDATED, NULL));
    if (us) {
        return us;
    }
    us = time_of(json_get(meta, "creationTimestamp"));
    struct json_iter it = json_iter(json_get(meta, "managedFields"));
    while (it.container && json_next(&it)) {
        int64_t each = time_of(json_get(it.val, "time"));
        us = each > us ? each : us;
    }
    return us;
}

uint64_t search_generation(const struct type *t)
{
    return t->as_written ? t->text->generation
                         : crypto_hash64_more(t->text->generation, type_storage(t)->name);
}

static bool is_elsewhere(const struct type *t, const yyjson_mut_val *obj)
{
    return t->converter && !t->as_written &&
           !str_eq(json_get_str(obj, "apiVersion"), type_storage(t)->api_version);
}

/* The object that is searched; what cannot be converted is taken as it is. */
static bool read_object(const struct type *t, const struct stored *s, struct arena *a,
                        const yyjson_mut_val **ret)
{
    yyjson_mut_doc *d = NULL, *converted = NULL;
    if (json_read_own(a, s->value, &d, NULL) < 0) {
        return false;
    }
    *ret = yyjson_mut_doc_get_root(d);
    if (is_elsewhere(t, *ret) && !convert_waits(t, type_storage(t), s) &&
        represent_decode(t, type_storage(t), s, a, &converted, NULL) == 0) {
        *ret = yyjson_mut_doc_get_root(converted);
    }
    return true;
}

bool search_document(const struct type *t, struct str key, const struct stored *s, struct arena *a,
                     struct text_document *ret)
{
    struct gathering g = {.d = ret};
    const yyjson_mut_val *obj = NULL;
    *ret = (struct text_document){.key = key, .type = t->group_resource};
    if (!type_key_parse(t, key, &ret->ns, &ret->name) || !read_object(t, s, a, &obj)) {
        return false;
    }
    const yyjson_mut_val *meta = json_get(obj, "metadata");
    g.values = arena_alloc(a, LIMIT_TEXT_VALUES * sizeof(*g.values));
    for (size_t i = 0; i < t->text->n; i++) {
        const struct text_field *f = &t->text->items[i];
        g.column = column_of(f->weight);
        g.title = i == 0;
        g.tags = f->tags;
        text_visit(f, obj, take_text, &g);
    }
    for (size_t i = 0; i < TEXT_COLUMNS; i++) {
        ret->texts[i] = g.texts[i].len ? arena_str(a, buf_str(&g.texts[i])) : STR("");
        buf_finish(&g.texts[i]);
    }
    ret->values = g.values;
    ret->folder = json_str(json_path(meta, "annotations", FOLDER, NULL));
    ret->created_us = time_of(json_get(meta, "creationTimestamp"));
    ret->updated_us = updated_of(meta);
    return true;
}
