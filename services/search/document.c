/* SPDX-License-Identifier: Apache-2.0 */
/* From an object's stored bytes to the document that the index holds of it. Paths are those of the
 * version it is stored in. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
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

bool search_document(const struct type *t, struct str key, struct str value, struct arena *a,
                     struct text_document *ret)
{
    struct gathering g = {.d = ret};
    yyjson_mut_doc *doc = NULL;
    *ret = (struct text_document){.key = key, .type = t->group_resource};
    if (!type_key_parse(t, key, &ret->ns, &ret->name) || json_read_own(a, value, &doc, NULL) < 0) {
        return false;
    }
    const yyjson_mut_val *obj = yyjson_mut_doc_get_root(doc), *meta = json_get(obj, "metadata");
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
