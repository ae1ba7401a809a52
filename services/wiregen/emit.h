/* SPDX-License-Identifier: Apache-2.0 */
/* The text of the two generated files. */
#ifndef SERVICES_WIREGEN_EMIT_H
#define SERVICES_WIREGEN_EMIT_H

#include "base/buf.h"
#include "services/wiregen/manifest.h"

/* services/wire.gen.h: a typed deps struct a service, struct wire, the prototypes. order: as
 * graph_order gives it. */
void emit_header(struct buf *b, struct manifest *const *order, size_t n);
/* services/wire.gen.c: the embedded documents, constructor calls in order, teardown in reverse,
 * background list, the table. */
void emit_source(struct buf *b, struct manifest *const *order, size_t n);

#endif
