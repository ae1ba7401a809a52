/* SPDX-License-Identifier: Apache-2.0 */
/* engine_reads_wait: only what waited for the disk counts, and for a while only. */
#include "resources/engine_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"
#include "tests/unit/best_of.h"

#define SECOND_NS UINT64_C(1000000000)

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static long blocks_read(void)
{
    struct rusage u;
    assert_return_code(getrusage(RUSAGE_THREAD, &u), 0);
    return u.ru_inblock;
}

/* Reads from a file that is in no cache; false where the file system has no disk beneath it. */
static bool read_from_disk(void)
{
    char path[] = "test_waits.XXXXXX";
    static char bytes[1 << 20];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    assert_return_code(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    long before = blocks_read();
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
    close(fd);
    unlink(path);
    return blocks_read() != before;
}

/* Under load a thread is held up, and pages are read, whenever the machine likes. */
enum { ATTEMPTS = 10 };

static bool long_but_not_waiting(void)
{
    struct engine e = {0};
    engine_wait_end(&e, clock_mono_ns() - SECOND_NS); /* whatever was read before the tests */
    e.waits_until = 0;
    assert_false(engine_reads_wait(&e));
    engine_wait_end(&e, clock_mono_ns() - SECOND_NS);
    return !engine_reads_wait(&e);
}

static void test_long_but_not_waiting(void **state)
{
    (void)state;
    assert_true(best_of(ATTEMPTS, long_but_not_waiting));
}

static bool waiting(void)
{
    struct engine e = {0};
    if (!read_from_disk()) {
        skip();
    }
    engine_wait_end(&e, clock_mono_ns()); /* quick: nobody was held up */
    bool quick = !engine_reads_wait(&e);
    engine_wait_end(&e, clock_mono_ns() - SECOND_NS);
    bool held_up = engine_reads_wait(&e);
    engine_wait_end(&e, clock_mono_ns() - SECOND_NS); /* long again, without the disk */
    held_up = held_up && engine_reads_wait(&e);
    pause_ms(700);
    assert_false(engine_reads_wait(&e));
    return quick && held_up;
}

static void test_waiting(void **state)
{
    (void)state;
    assert_true(best_of(ATTEMPTS, waiting));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_but_not_waiting),
        cmocka_unit_test(test_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
