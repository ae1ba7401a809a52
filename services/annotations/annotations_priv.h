/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. */
#ifndef SERVICES_ANNOTATIONS_ANNOTATIONS_PRIV_H
#define SERVICES_ANNOTATIONS_ANNOTATIONS_PRIV_H

#include "resources/engine.h"
#include "services/annotations/annotations.h"

struct annotations {
    struct engine *engine;
    struct registry *registry;
};

/* GET .../search and .../tags (struct type_query). */
int annotations_search(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                       struct err *err);
int annotations_tags(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                     struct err *err);

/* The type Annotation as it is served: a reference. */
struct type *annotations_type(const struct annotations *self);
/* A whole number of the query; *ret stays where it is not given or empty. ERR_BAD_REQUEST where it
 * is none, or not from `least` up. */
int annotations_number(const struct op *op, const char *key, int64_t least, int64_t *ret,
                       struct err *err);
/* ERR_BAD_REQUEST where the request names no namespace. */
int annotations_namespace(const struct op *op, struct err *err);

#endif
