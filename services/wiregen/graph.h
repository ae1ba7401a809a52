/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of services: who needs whom, and in which order they are constructed. */
#ifndef SERVICES_WIREGEN_GRAPH_H
#define SERVICES_WIREGEN_GRAPH_H

#include "services/wiregen/manifest.h"

/* Resolves the requirements of all manifests and gives them in an order in which each comes after
 * what it needs (otherwise by name). *ret_order is in the arena. ERR_INVALID names the path: a
 * requirement that nobody provides, a cycle (A -> B -> A), two providers of one name, two services
 * that ship the same type, a right without an engine. */
int graph_order(struct arena *a, struct manifest *all, size_t n, struct manifest ***ret_order,
                struct err *err);

#endif
