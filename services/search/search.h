/* SPDX-License-Identifier: Apache-2.0 */
/* The full-text index over every type whose definition declares text fields (resources/text.h), in a file of its own beside the
 * store. It follows the store: a search waits for a moment until what was written before it is in the index. */
#ifndef SERVICES_SEARCH_SEARCH_H
#define SERVICES_SEARCH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/text.h"

struct search;

/* Waits, up to ms, until everything that was committed before is in the index and all types are. False: it is not. */
bool search_settle(struct search *s, int64_t ms);
/* As text_find, once what was written before is in the index or LIMIT_TEXT_WAIT_MS have passed. *ret_lacking: the answer may lack
 * something. ERR_BAD_REQUEST; ERR_UNAVAILABLE: the index is damaged, and is being made anew. */
int search_find(struct search *s, const struct text_query *q, struct arena *a, struct text_found *ret, bool *ret_lacking,
                struct err *err);

#endif
