/* SPDX-License-Identifier: Apache-2.0 */
/* Runs controllers: shared informers, one work queue and some workers a controller. */
#ifndef CONTROLLERS_MANAGER_H
#define CONTROLLERS_MANAGER_H

#include "base/metrics.h"
#include "controllers/controller.h"
#include "controllers/informer.h"

struct manager;

/* c and m are borrowed; m may be NULL. */
struct manager *manager_create(struct client *c, struct metrics *m);
/* Before the start. The definition's strings and lists must outlive the manager. */
void manager_add(struct manager *m, const struct controller *c);
/* The informer of a type, shared by everyone who asks; made on first use, before the start. */
struct informer *manager_informer(struct manager *m, const struct controller_watch *w);
/* Starts informers and, once they have listed, the workers. Returns at once. */
void manager_start(struct manager *m);
/* Queues a key of a controller by hand. Any thread, after the start. */
void manager_enqueue(struct manager *m, const char *controller, struct str ns, struct str name);
/* Stops taking keys, lets the calls that run end, stops the informers, releases everything. NULL
 * allowed. */
void manager_destroy(struct manager *m);

#endif
