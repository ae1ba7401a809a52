/* SPDX-License-Identifier: Apache-2.0 */
/* Whether reads wait for the disk. One that will cannot be told from one that will not before it
 * has; but where one just did, so will others. Then event loops hand their reads to the pool, until
 * none has waited for a while. */
#include "resources/engine_priv.h"

#include <sys/resource.h>

#include "base/clock.h"

#define LONG_NS UINT64_C(200000) /* what takes less did not wait, or not for long */
#define WHILE_NS UINT64_C(500000000)

/* How often this thread has waited: for a page of a mapped file or for one it read. The system only
 * counts whole threads, so what is new since the last look may be a little older than the read. */
static bool waited(void)
{
    static _Thread_local long before = -1;
    struct rusage u;
    if (getrusage(RUSAGE_THREAD, &u)) {
        return false;
    }
    long now = u.ru_majflt + u.ru_inblock, then = before;
    before = now;
    return then >= 0 && now != then;
}

uint64_t engine_wait_begin(void)
{
    return clock_mono_ns();
}

void engine_wait_end(struct engine *e, uint64_t begun)
{
    uint64_t now = clock_mono_ns();
    if (now - begun > LONG_NS && waited()) {
        atomic_store_explicit(&e->waits_until, now + WHILE_NS, memory_order_relaxed);
    }
}

bool engine_reads_wait(struct engine *e)
{
    uint64_t until = atomic_load_explicit(&e->waits_until, memory_order_relaxed);
    return until && clock_mono_ns() < until;
}
