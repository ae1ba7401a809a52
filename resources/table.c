/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and PartialObjectMetadata: what kubectl and metadata clients ask for by Accept. The cells
 * of custom types come from their columns' paths, by the rules of the reference's table convertor.
 */
#include "resources/represent.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/quote.h"
#include "resources/jsonpath.h"
#include "resources/metadata.h"
#include "resources/tree_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_DESCRIPTION                                                                           \
    "Name must be unique within a namespace. Is required when creating resources, although some "  \
    "resources may allow a client to request the generation of an appropriate name "               \
    "automatically. Name is primarily intended for creation idempotence and configuration "        \
    "definition. Cannot be updated. More info: "                                                   \
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"

/* ---- cells ---- */

/* A double as fmt's %v prints it: the shortest digits, with an exponent below 1e-4 and from 1e21
 * on. */
static void add_real(struct buf *b, double d)
{
    if (d == 0 || !isfinite(d) || (fabs(d) >= 1e-4 && fabs(d) < 1e6)) {
        json_write_double(b, d);
        return;
    }
    char text[32];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, d);
        if (strtod(text, NULL) == d) { /* exact: the shortest that reads back */
            break;
        }
    }
    buf_addz(b, text);
}

/* What kubectl's PrintResults writes of one value. */
static void add_text(struct buf *b, yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type(v)) {
    case YYJSON_TYPE_STR:
        buf_add(b, json_str(v));
        break;
    case YYJSON_TYPE_OBJ:
    case YYJSON_TYPE_ARR:
        quote_go_json(b, v);
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_mut_is_real(v)) {
            add_real(b, unsafe_yyjson_get_real(v));
            break;
        }
        json_write(b, v);
        break;
    case YYJSON_TYPE_NULL:
        buf_addz(b, "<no value>");
        break;
    default:
        json_write(b, v);
    }
}

static void add_string_cell(struct buf *b, yyjson_mut_val *v)
{
    if (yyjson_mut_is_str(v)) {
        buf_add_json(b, json_str(v));
        return;
    }
    AUTO(buf_finish) struct buf text = {0};
    add_text(&text, v);
    buf_add_json(b, text.ptr ? buf_str(&text) : STR(""));
}

static void add_date_cell(struct buf *b, struct str s)
{
    int64_t us;
    if (!s.len || str_is(s, "null")) {
        buf_addz(b, "\"<unknown>\"");
    } else if (!clock_parse(s, &us)) {
        buf_addz(b, "\"<invalid>\"");
    } else {
        char age[CLOCK_TEXT];
        size_t n = clock_age(clock_wall_us() - us, age);
        buf_add_json(b, str_make(age, n));
    }
}

static void add_integer_cell(struct buf *b, yyjson_mut_val *v)
{
    double d = yyjson_mut_is_real(v) ? unsafe_yyjson_get_real(v) : 0;
    if (!yyjson_mut_is_num(v)) {
        buf_addz(b, "null");
    } else if (!yyjson_mut_is_real(v)) {
        json_write(b, v);
    } else if (d >= -0x1p63 && d < 0x1p63) {
        buf_addi(b, (int64_t)d);
    } else {
        buf_addi(b, INT64_MIN); /* as Go on this kind of machine */
    }
}

/* One cell by its column's type. v NULL: nothing was found. */
static void add_cell(struct buf *b, const struct type_column *c, yyjson_mut_val *v)
{
    if (!v) {
        buf_addz(b, "null");
    } else if (str_is(c->type, "string")) {
        add_string_cell(b, v);
    } else if (str_is(c->type, "integer")) {
        add_integer_cell(b, v);
    } else if (str_is(c->type, "date") && yyjson_mut_is_str(v)) {
        add_date_cell(b, json_str(v));
    } else if ((str_is(c->type, "number") && yyjson_mut_is_num(v)) ||
               (str_is(c->type, "boolean") && yyjson_mut_is_bool(v))) {
        json_write(b, v);
    } else {
        buf_addz(b, "null");
    }
}

static void add_own_cells(struct buf *b, const struct type *t, const struct type_version *v,
                          yyjson_mut_doc *d, const yyjson_mut_val *obj)
{
    yyjson_mut_val *cells = yyjson_mut_arr(d);
    t->strategy->row(t->self, v, d, obj, cells);
    json_write(b, cells);
}

static void add_cells(struct buf *b, const struct type_version *v, const yyjson_mut_val *obj)
{
    buf_addc(b, '[');
    buf_add_json(b, metadata_name(obj));
    for (size_t i = 0; i < v->n_columns; i++) {
        const struct type_column *c = &v->columns[i];
        buf_addc(b, ',');
        add_cell(b, c, c->path ? jsonpath_first(c->path, obj) : NULL);
    }
    buf_addc(b, ']');
}

/* ---- the forms ---- */

void represent_partial(struct buf *b, const yyjson_mut_val *obj, bool v1beta1)
{
    yyjson_mut_val *meta = metadata_of(obj);
    buf_addz(b, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1");
    buf_addz(b, v1beta1 ? "beta1\",\"metadata\":" : "\",\"metadata\":");
    if (meta) {
        json_write(b, meta);
    } else {
        buf_addz(b, "{}");
    }
    buf_addc(b, '}');
}

static void add_column(struct buf *b, struct str name, struct str type, struct str format,
                       struct str description, int64_t priority)
{
    const struct {
        const char *key;
        struct str value;
    } texts[] = {{"{\"name\":", name},
                 {",\"type\":", type},
                 {",\"format\":", format},
                 {",\"description\":", description}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        buf_addz(b, texts[i].key);
        buf_add_json(b, texts[i].value);
    }
    buf_addz(b, ",\"priority\":");
    buf_addi(b, priority);
    buf_addc(b, '}');
}

void represent_columns(struct buf *b, const struct type *t, const struct type_version *v)
{
    bool first = true;
    buf_addz(b, "\"columnDefinitions\":[");
    if (!t->strategy->row) {
        add_column(b, STR("Name"), STR("string"), STR("name"), STR(NAME_DESCRIPTION), 0);
        first = false;
    }
    for (size_t i = 0; i < v->n_columns; i++) {
        const struct type_column *c = &v->columns[i];
        buf_addz(b, first ? "" : ",");
        add_column(b, c->name, c->type, c->format, c->description, c->priority);
        first = false;
    }
    buf_addc(b, ']');
}

void represent_row(struct buf *b, const struct type *t, const struct type_version *v,
                   const struct representation *r, struct arena *a, yyjson_mut_val *obj)
{
    buf_addz(b, "{\"cells\":");
    if (t->strategy->row) {
        add_own_cells(b, t, v, json_doc(a), obj);
    } else {
        add_cells(b, v, obj);
    }
    buf_addz(b, ",\"object\":");
    switch (r->include) {
    case INCLUDE_METADATA:
        represent_partial(b, obj, r->v1beta1);
        break;
    case INCLUDE_OBJECT:
        json_write(b, obj);
        break;
    case INCLUDE_NONE:
        buf_addz(b, "null");
        break;
    }
    buf_addc(b, '}');
}

void represent_table(struct buf *b, const struct type *t, const struct type_version *v,
                     const struct representation *r, yyjson_mut_val *obj, bool columns,
                     struct str list_rv)
{
    struct str rv = list_rv.ptr ? list_rv : json_get_str(metadata_of(obj), "resourceVersion");
    buf_addz(b, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1");
    buf_addz(b, r->v1beta1 ? "beta1\",\"metadata\":{" : "\",\"metadata\":{");
    if (rv.len) {
        buf_addz(b, "\"resourceVersion\":");
        buf_add_json(b, rv);
    }
    buf_addz(b, "},");
    if (columns) {
        represent_columns(b, t, v);
    } else {
        buf_addz(b, "\"columnDefinitions\":null");
    }
    buf_addz(b, ",\"rows\":[");
    if (obj) {
        struct arena a;
        arena_init(&a, 0);
        represent_row(b, t, v, r, &a, obj);
        arena_finish(&a);
    }
    buf_addz(b, "]}");
}
