/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes that come late: where a definition declares an index over objects that are there already,
 * or declares it anew, their terms are written beside them, a piece at a time, while everybody else
 * reads and writes. Until it is done what asks the index looks at everything. */
#ifndef RESOURCES_INDEX_BUILD_H
#define RESOURCES_INDEX_BUILD_H

#include "resources/engine.h"

struct index_build;

/* Begins to build the indexes over a range of keys that are not ready. NULL: all are. What a server
 * that was killed had done of it is done again. */
struct index_build *index_build_begin(struct engine *e);
/* Goes on for some hundred objects. ret_looked: so many, *ret_done: the indexes are ready. Waits
 * for commits. On an error the next step tries the same objects again. */
int index_build_step(struct index_build *b, size_t *ret_looked, bool *ret_done, struct err *err);
void index_build_end(struct index_build *b); /* NULL allowed */
/* How many indexes it builds. */
size_t index_build_count(const struct index_build *b);

#endif
