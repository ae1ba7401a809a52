/* SPDX-License-Identifier: Apache-2.0 */
/* A process that writes to the sqlite engine is killed at a random moment, again and again on the
 * same store; what it was told had been committed must be there, whole. CORACLE_CRASH_ROUNDS sets
 * how often. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "ledger.h"

static const struct engine sqlite_engine = {
    .name = "sqlite", .open = store_open_sqlite, .durable = true};

/* ---- the process that dies ---- */

static void tell(void *arg, const struct told *t, const struct store_outcome *o)
{
    if (o->code) {
        fprintf(stderr, "write: %d %s\n", o->code, o->text ? o->text : "");
        _exit(1);
    }
    if (write(*(int *)arg, t, sizeof(*t)) != sizeof(*t)) {
        _exit(1);
    }
}

static void victim(const struct store_options *o, int fd, uint64_t seed, uint32_t first_seq)
{
    struct store *s;
    struct err err = {0};
    if (store_open_sqlite(o, &s, &err) || store_index_define(s, STR("i"), STR("/k/"), 1, &err)) {
        fprintf(stderr, "open: %s\n", err_message(&err));
        _exit(1);
    }
    flights_start((struct flight){.s = s, .tell = tell, .arg = &fd}, seed, first_seq);
    for (;;) {
        usleep(3000);
        store_compact(s, store_revision(s) - 300, NULL);
    }
}

/* ---- the one that looks afterwards ---- */

/* Reads for so long, kills, and reads what is left. */
static void listen_and_kill(struct known *k, pid_t pid, int fd, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    bool alive = true;
    struct told t;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (alive && (clock_mono_ms() >= until || poll(&p, 1, 1) < 0)) {
            kill(pid, SIGKILL);
            alive = false;
        }
        if (alive && !(p.revents & (POLLIN | POLLHUP))) {
            continue;
        }
        if (read(fd, &t, sizeof(t)) != sizeof(t)) {
            break;
        }
        learn(k, &t);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void between_rounds(struct store *s)
{
    put(s, "/between", "x");
    del(s, "/between");
    struct store_op both[] = {op_delete("/x"), op_delete("/y")};
    submit(s, NULL, 0, both, 2, NULL);
    assert_int_equal(store_compact(s, store_revision(s), NULL), 0);
}

static void one_round(struct fixture *f, struct known *k, uint64_t *random)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        victim(&f->options, fds[1], *random, k->seq + 1);
    }
    close(fds[1]);
    listen_and_kill(k, pid, fds[0], 30 + (int64_t)(random_next(random) % 300));
    close(fds[0]);
    fixture_open(f);
    check_store(f->s, k);
    if (random_next(random) % 2) {
        between_rounds(f->s);
    }
    store_close(f->s);
    f->s = NULL;
}

static void killed_again_and_again(void **state)
{
    (void)state;
    struct fixture f;
    struct known k = {.seq = 0};
    const char *env = getenv("CORACLE_CRASH_ROUNDS");
    int rounds = env ? (int)strtol(env, NULL, 10) : 10;
    uint64_t random = (uint64_t)clock_wall_us() | 1;
    fixture_init(&f, &sqlite_engine);
    /* More of them where a process is killed before it has done anything. */
    for (int i = 0; i < rounds || (k.n <= (size_t)rounds && i < 100 * rounds); i++) {
        one_round(&f, &k, &random);
    }
    assert_true(k.n > (size_t)rounds);
    printf("rounds: %d, acknowledged: %zu, lost: 0\n", rounds, k.n);
    free(k.all);
    fixture_finish(&f);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_again_and_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
