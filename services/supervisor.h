/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the background services, each on a thread of its own, from the start of the server to its
 * end. */
#ifndef SERVICES_SUPERVISOR_H
#define SERVICES_SUPERVISOR_H

#include "base/config.h"
#include "services/service.h"

struct background {
    const char *name;
    int (*run)(void *self, struct service_stop *stop, struct err *err);
    void *self;
};

struct supervisor;

/* Starts them in order, leaving out those the configuration disables. The table is copied; one that
 * returns an error before the stop is run again with back-off (1 s doubling to 60 s), each time
 * with a log line. */
struct supervisor *supervisor_start(const struct config *c, const struct background *table,
                                    size_t n);
/* Stops them in reverse order, one after the other, and releases everything. NULL allowed. */
void supervisor_stop(struct supervisor *s);

#endif
