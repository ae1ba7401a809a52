/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to and from the value type, with the resolution that sigs.k8s.io/yaml has (YAML 1.1 for plain scalars). */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <yyjson.h>

#include "base/json.h"

/* Reads the first document. An empty one gives null. ERR_BAD_REQUEST, as Go words it ("yaml: line 3: ..."): not YAML, invalid UTF-8, deeper
 * than LIMIT_DEPTH, excessive aliasing, undefined alias, a null or compound key. Duplicate keys: the last wins, and
 * *duplicates, if not NULL, is given their paths and lines. */
int yaml_read(struct arena *a, struct str text, yyjson_mut_doc **ret, struct json_duplicates *duplicates,
              struct err *err);

/* Calls fn for each document of a stream ("---"), empty ones left out. Stops at the first error, fn's included. */
typedef int yaml_document_fn(void *arg, yyjson_mut_doc *doc, struct err *err);
int yaml_read_all(struct arena *a, struct str text, yaml_document_fn *fn, void *arg, struct err *err);
/* The same; *duplicates, if not NULL, holds at each call what stood twice up to there. */
int yaml_read_each(struct arena *a, struct str text, struct json_duplicates *duplicates, yaml_document_fn *fn, void *arg,
                   struct err *err);

/* Appends the value as YAML, block style, keys sorted as Go's marshaller does; strings that would resolve to something
 * else are quoted. */
void yaml_write(struct buf *b, const yyjson_mut_val *v);

#endif
