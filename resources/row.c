/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the Table rows that built-in types show. */
#include "resources/row.h"

#include "base/clock.h"
#include "base/json.h"

void row_str(yyjson_mut_doc *d, struct str s, yyjson_mut_val *cells)
{
    yyjson_mut_arr_add_strncpy(d, cells, s.ptr ? s.ptr : "", s.len);
}

void row_int(yyjson_mut_doc *d, int64_t v, yyjson_mut_val *cells)
{
    yyjson_mut_arr_add_int(d, cells, v);
}

void row_name(yyjson_mut_doc *d, const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    row_str(d, json_get_str(json_get(obj, "metadata"), "name"), cells);
}

void row_since(yyjson_mut_doc *d, struct str time, yyjson_mut_val *cells)
{
    int64_t then;
    if (!clock_parse(time, &then)) {
        row_str(d, STR("<unknown>"), cells);
        return;
    }
    char text[CLOCK_TEXT];
    size_t n = clock_age(clock_wall_us() - then, text);
    row_str(d, str_make(text, n), cells);
}

void row_age(yyjson_mut_doc *d, const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    row_since(d, json_get_str(json_get(obj, "metadata"), "creationTimestamp"), cells);
}
