/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the Table rows that built-in types show. Each appends one cell. */
#ifndef RESOURCES_ROW_H
#define RESOURCES_ROW_H

#include <stdint.h>
#include <yyjson.h>

#include "base/str.h"

void row_name(yyjson_mut_doc *d, const yyjson_mut_val *obj, yyjson_mut_val *cells);
/* How long ago the object was created, as kubectl shows it. */
void row_age(yyjson_mut_doc *d, const yyjson_mut_val *obj, yyjson_mut_val *cells);
/* How long ago an RFC 3339 text was; "<unknown>" where it is not one. */
void row_since(yyjson_mut_doc *d, struct str time, yyjson_mut_val *cells);
void row_str(yyjson_mut_doc *d, struct str s,
             yyjson_mut_val *cells); /* copies; STR_NULL shows as "" */
void row_int(yyjson_mut_doc *d, int64_t v, yyjson_mut_val *cells);

#endif
