/* SPDX-License-Identifier: Apache-2.0 */
/* The world of fixture.h with some of its background services running, and what their tests ask it.
 */
#ifndef TESTS_SERVICES_LIVE_H
#define TESTS_SERVICES_LIVE_H

#include <time.h>

#include "base/clock.h"
#include "resources/client.h"
#include "services/supervisor.h"
#include "tests/unit/services/fixture.h"

struct live {
    struct world w; /* first: a world by its state */
    struct supervisor *supervisor;
    struct client *client; /* the administrator's */
};

static inline void live_open(struct live *l)
{
    world_open(&l->w);
    l->supervisor = NULL;
    l->client = client_local_create(l->w.wire->engine, l->w.user);
}

/* Runs those of the background services whose names are in `names`. */
static inline void live_run(struct live *l, const char *names)
{
    struct background all[WIRE_BACKGROUNDS + 1], some[WIRE_BACKGROUNDS + 1];
    size_t n = wire_backgrounds(l->w.wire, all), k = 0;
    for (size_t i = 0; i < n; i++) {
        if (strstr(names, all[i].name)) {
            some[k++] = all[i];
        }
    }
    assert_true(k > 0);
    const struct supervisor_options o = {.config = &l->w.config};
    l->supervisor = supervisor_create(&o, some, k);
    supervisor_start(l->supervisor);
}

static inline void live_halt(struct live *l)
{
    supervisor_destroy(l->supervisor);
    l->supervisor = NULL;
}

static inline void live_close(struct live *l)
{
    live_halt(l);
    client_close(l->client);
    world_close(&l->w);
}

/* For cmocka. */
static inline int live_setup(void **state)
{
    struct live *l = ALLOC(struct live);
    live_open(l);
    *state = l;
    return 0;
}

static inline int live_teardown(void **state)
{
    live_close(*state);
    free(*state);
    return 0;
}

static inline void live_sleep(int ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* Waits until the condition holds, at most for some seconds. */
#define EVENTUALLY_WITHIN(ms_, condition_)                                                         \
    do {                                                                                           \
        int64_t until__ = clock_mono_ms() + (ms_);                                                 \
        while (!(condition_)) {                                                                    \
            if (clock_mono_ms() > until__) {                                                       \
                fail_msg("never came true: %s", #condition_);                                      \
            }                                                                                      \
            live_sleep(5);                                                                         \
        }                                                                                          \
    } while (0)
#define EVENTUALLY(condition_) EVENTUALLY_WITHIN(60000, condition_)
/* Holds now and still after a while. */
#define STAYS(condition_)                                                                          \
    do {                                                                                           \
        for (int i__ = 0; i__ < 20; i__++) {                                                       \
            assert_true(condition_);                                                               \
            live_sleep(10);                                                                        \
        }                                                                                          \
    } while (0)

#endif
