/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the background services, each on a thread of its own, from the start of the server to its
 * end, and says how they are. */
#ifndef SERVICES_SUPERVISOR_H
#define SERVICES_SUPERVISOR_H

#include "base/config.h"
#include "resources/health.h"
#include "services/service.h"

struct background {
    const char *name;
    int (*run)(void *self, struct service_stop *stop, struct err *err);
    void *self;
};

enum background_state {
    BACKGROUND_STOPPED, /* not started yet, or ended with the server */
    BACKGROUND_RUNNING,
    BACKGROUND_WAITING,  /* failed; it is run again after its back-off */
    BACKGROUND_DISABLED, /* by the configuration; never run */
    BACKGROUND_STATES
};
/* "stopped", "running", "waiting", "disabled". */
const char *background_state_name(enum background_state s);

enum { BACKGROUND_ERROR_BYTES = 256 };

struct background_status {
    enum background_state state;
    int64_t restarts;                   /* runs after the first */
    int64_t error_us;                   /* wall clock of the last failure; 0: none */
    char error[BACKGROUND_ERROR_BYTES]; /* its words, perhaps cut; "": none */
};

struct supervisor_options {
    const struct config *config;
    struct metrics *metrics; /* NULL: none; else coracle_service_* of docs/metrics.md */
    struct health *health;   /* NULL: none; else a check service-NAME for each one that is enabled:
                              * it fails during a back-off. Of /healthz; /readyz only shows it */
};

struct supervisor;

/* Makes what runs the services of the table (which is copied), and its checks and metrics. Nothing
 * runs yet. All that options name outlives it. */
struct supervisor *supervisor_create(const struct supervisor_options *o,
                                     const struct background *table, size_t n);
/* Starts them in order, leaving out those the configuration disables. One that returns before the
 * stop is run again with back-off (1 s doubling to 60 s), each time with a log line. */
void supervisor_start(struct supervisor *s);
/* How a service of the table is; false: it has none of that name. Any thread. */
bool supervisor_status(struct supervisor *s, const char *name, struct background_status *ret);
/* Stops them in reverse order, one after the other; a back-off is not sat out. */
void supervisor_stop(struct supervisor *s);
/* Stops what still runs. By then nobody asks the checks. NULL allowed. */
void supervisor_destroy(struct supervisor *s);

#endif
