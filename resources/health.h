/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks that services add and apiserver answers at /healthz, /livez and /readyz. */
#ifndef RESOURCES_HEALTH_H
#define RESOURCES_HEALTH_H

#include <stdbool.h>

#include "base/err.h"

/* Where a check counts; in /healthz every one does. SHOWN: /readyz lists it, failed too, without failing of it: for what is
 * amiss but keeps no request from its answer. */
enum { HEALTH_LIVE = 1, HEALTH_READY = 2, HEALTH_SHOWN = 4 };

struct health_check {
    const char *name; /* "ping", "store", "definitions" */
    unsigned parts;   /* HEALTH_LIVE | HEALTH_READY, or HEALTH_SHOWN */
    int (*check)(void *self, struct err *err); /* any thread; must not wait */
    void *self;
};

struct health;
struct health *health_create(void);
void health_destroy(struct health *h);
void health_add(struct health *h, const struct health_check *c); /* at construction */
/* Visits the checks in the order they were added. */
typedef void health_visit_fn(void *arg, const struct health_check *c);
void health_each(const struct health *h, health_visit_fn *visit, void *arg);

#endif
