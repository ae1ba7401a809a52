/* SPDX-License-Identifier: Apache-2.0 */
/* How long a test's own thread has worked: what a bound on work is measured by, whatever else the
 * machine does. */
#ifndef TESTS_UNIT_CPU_H
#define TESTS_UNIT_CPU_H

#include <stdint.h>
#include <time.h>

static inline int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
