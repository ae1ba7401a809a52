/* SPDX-License-Identifier: Apache-2.0 */
/* Two further kinds of index (resources/index.h) that a shipped definition declares in
 * spec.coracle.indexes:
 *
 *   {name: time, jsonPath: .spec.time, endPath: .spec.timeEnd, byPath: .spec.dashboardUID}
 *       of spans: from one integer to another, both not negative (the end is the begin where it is
 *       absent or less). With byPath only of objects that have a text there, for each text apart.
 *   {name: tags, jsonPath: ".spec.tags[*]", each: true}
 *       of each text that the path finds.
 *
 * Spans are kept by how long they are and when they begin: those that touch a range are found by
 * reading as many terms as there are, and few more. */
#ifndef RESOURCES_INDEX_SPAN_H
#define RESOURCES_INDEX_SPAN_H

#include "resources/engine.h"

/* The object's span; false where it has none. */
bool index_span(const struct type_index *x, const yyjson_mut_val *obj, int64_t *ret_begin,
                int64_t *ret_end);
/* The terms of these two kinds. In the arena. */
size_t index_span_terms(const struct type_index *x, const yyjson_mut_val *obj, struct str ns,
                        struct arena *a, struct store_term **ret);

struct index_range {
    struct str by;    /* of an index with byPath: this text */
    int64_t from, to; /* both inclusive, not negative */
    /* Goes on behind the span that begins then and the object that is called so; STR_NULL: from
     * the start. */
    int64_t at;
    struct str after;
};
/* Visits the objects of the scope (ns not "") whose span touches the range: the last to begin
 * first, by name where several begin at once. It may also give objects whose span ends before
 * `from`. A non-zero result ends the visit and is returned. The name lives until the visitor
 * returns; it may use the store. */
typedef int index_range_fn(void *arg, int64_t begin, struct str name);
int index_ranges(struct engine *e, const struct type *t, struct scope s, struct str index,
                 const struct index_range *r, index_range_fn *visit, void *arg, struct err *err);

/* Visits the keys of at least the objects of the namespace whose numbers touch the range as the
 * bounds of a field selector see them (type.h: the end at least r->from, the begin at most r->to),
 * in no order and perhaps twice. Of an index with byPath those with this text, which is not "".
 * r->at and r->after are not looked at; r->to may be negative. ERR_UNAVAILABLE as store_index_walk.
 */
int index_span_keys(struct engine *e, const struct type_index *x, struct str ns,
                    const struct index_range *r, store_walk_fn *visit, void *arg, struct err *err);

/* Visits each text that objects of the scope (ns not "") have in an index of each, and how many
 * have it, where it begins with the prefix: in descending order. The visitor must not use the
 * store. */
typedef int index_text_fn(void *arg, struct str text, int64_t count);
int index_texts(struct engine *e, const struct type *t, struct scope s, struct str index,
                struct str prefix, index_text_fn *visit, void *arg, struct err *err);

#endif
