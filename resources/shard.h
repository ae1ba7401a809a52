/* SPDX-License-Identifier: Apache-2.0 */
/* Shard selectors (upstream's alpha ShardedListAndWatch): a list or watch of the objects whose uid
 * or namespace hashes into given ranges, so that several clients can divide a collection. */
#ifndef RESOURCES_SHARD_H
#define RESOURCES_SHARD_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

struct shard_selector; /* in an arena */

/* Parses "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')", several of
 * them joined by ||, all over one field (uid or namespace); each range holds its start and not its
 * end. ERR_UNKNOWN_500 in the reference's words. */
int shard_parse(struct arena *a, struct str text, struct shard_selector **ret, struct err *err);
/* Whether it goes by namespace, which keys tell; else by uid. */
bool shard_by_namespace(const struct shard_selector *s);
/* value: the object's uid, or its namespace. A NULL selector matches. */
bool shard_match(const struct shard_selector *s, struct str value);
/* The selector as a list's metadata.shardInfo shows it; lives as long as the selector. */
struct str shard_text(const struct shard_selector *s);

#endif
