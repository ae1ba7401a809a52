/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the background services, each on a thread of its own. */
#include "services/supervisor.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/utf8.h"
#include "controllers/manager.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MOST_MS 60000
#define BACKOFF_RESET_MS 60000 /* a run that lasted this long was a good one */

struct service_stop {
    pthread_mutex_t lock;
    int fd; /* an eventfd: readable once stopping */
    bool stopping;
    void (*fn)(void *arg);
    void *arg;
};

struct runner {
    struct background b;
    struct service_stop stop;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of status */
    struct background_status status;
    struct metrics *metrics; /* NULL: none, and none of what follows */
    struct metric *up, *states[BACKGROUND_STATES], *restarts, *error_time, *error;
    char *check; /* the health check's name */
};

struct supervisor {
    struct runner **runners;
    size_t n;
};

bool service_stopping(const struct service_stop *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

bool service_wait(struct service_stop *s, int ms)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

int service_stop_fd(const struct service_stop *s)
{
    return s->fd;
}

void service_on_stop(struct service_stop *s, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&s->lock);
    s->fn = fn;
    s->arg = arg;
    if (fn && s->stopping) {
        fn(arg);
    }
    pthread_mutex_unlock(&s->lock);
}

void service_run_controller(struct client *c, struct metrics *m, const struct controller *def,
                            struct service_stop *stop)
{
    struct manager *manager = manager_create(c, m);
    manager_add(manager, def);
    manager_start(manager);
    service_wait(stop, -1);
    manager_destroy(manager);
}

static void stop_now(struct service_stop *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    uint64_t one = 1;
    if (write(s->fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
    if (s->fn) {
        s->fn(s->arg);
    }
    pthread_mutex_unlock(&s->lock);
}

const char *background_state_name(enum background_state s)
{
    static const char *const names[] = {
        [BACKGROUND_STOPPED] = "stopped",
        [BACKGROUND_RUNNING] = "running",
        [BACKGROUND_WAITING] = "waiting",
        [BACKGROUND_DISABLED] = "disabled",
    };
    return names[s];
}

/* ---- what is told of a service ---- */

static struct metric *series(struct runner *r, enum metric_type type, const char *name,
                             const char *help, const char *label, const char *value)
{
    const struct metric_label labels[] = {{"service", str_from(r->b.name)},
                                          {label, str_from(value)}};
    return metrics_series(r->metrics, type, name, help, labels, label ? 2 : 1, NULL, 0);
}

/* The series that carries the words of the last error; the one before it goes. */
static void show_error(struct runner *r)
{
    metrics_forget(r->metrics, r->error);
    r->error = series(r, METRIC_GAUGE, "coracle_service_last_error",
                      "1, with the words of a background service's last failure; 0 before any.",
                      "error", r->status.error);
    metric_set(r->error, r->status.error[0] != 0);
}

static void show_state(struct runner *r)
{
    if (!r->metrics) {
        return;
    }
    for (size_t i = 0; i < BACKGROUND_STATES; i++) {
        metric_set(r->states[i], r->status.state == (enum background_state)i);
    }
    if (r->up) {
        metric_set(r->up, r->status.state == BACKGROUND_RUNNING);
    }
}

static void make_series(struct runner *r)
{
    for (size_t i = 0; i < BACKGROUND_STATES; i++) {
        r->states[i] = series(r, METRIC_GAUGE, "coracle_service_state",
                              "1 for the state that a background service is in.", "state",
                              background_state_name((enum background_state)i));
    }
    if (r->status.state != BACKGROUND_DISABLED) {
        r->up = series(r, METRIC_GAUGE, "coracle_service_up",
                       "1 while a background service runs, 0 while it waits to be run again.", NULL,
                       NULL);
    }
    r->restarts = series(r, METRIC_COUNTER, "coracle_service_restarts_total",
                         "Runs of a background service after its first.", NULL, NULL);
    r->error_time =
        series(r, METRIC_GAUGE, "coracle_service_last_error_timestamp_seconds",
               "When a background service failed last, in Unix time; 0: never.", NULL, NULL);
    show_error(r);
    show_state(r);
}

static void set_state(struct runner *r, enum background_state state)
{
    pthread_mutex_lock(&r->lock);
    r->status.state = state;
    show_state(r);
    pthread_mutex_unlock(&r->lock);
}

static void note_restart(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    r->status.restarts++;
    if (r->metrics) {
        metric_add(r->restarts, 1);
    }
    pthread_mutex_unlock(&r->lock);
}

/* words as valid UTF-8 (they may quote anything), cut where they are too long, not within a
 * character. */
static void set_error(struct background_status *s, const char *words)
{
    AUTO(buf_finish) struct buf b = {0};
    utf8_repair(&b, str_from(words));
    size_t n = b.len < BACKGROUND_ERROR_BYTES ? b.len : BACKGROUND_ERROR_BYTES - 1;
    while (n && n < b.len && ((unsigned char)b.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    memcpy(s->error, b.len ? b.ptr : "", n);
    s->error[n] = 0;
}

static void note_failure(struct runner *r, const char *words)
{
    pthread_mutex_lock(&r->lock);
    r->status.state = BACKGROUND_WAITING;
    r->status.error_us = clock_wall_us();
    set_error(&r->status, words);
    if (r->metrics) {
        metric_set(r->error_time, (double)r->status.error_us / 1e6);
        show_error(r);
    }
    show_state(r);
    pthread_mutex_unlock(&r->lock);
}

static struct background_status status_of(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    struct background_status s = r->status;
    pthread_mutex_unlock(&r->lock);
    return s;
}

static int check(void *self, struct err *err)
{
    const struct background_status s = status_of(self);
    char when[CLOCK_TEXT];
    if (s.state != BACKGROUND_WAITING) {
        return 0;
    }
    clock_format(s.error_us, when);
    return err_set(err, ERR_UNAVAILABLE, "waits to be run again (restarts: %lld); at %s: %s",
                   (long long)s.restarts, when, s.error);
}

/* ---- the threads ---- */

/* One run; false: the server stops. */
static bool run_once(struct runner *r, int64_t *wait)
{
    AUTO(err_finish) struct err err = {0};
    int64_t begun = clock_mono_ms();
    set_state(r, BACKGROUND_RUNNING);
    int code = r->b.run(r->b.self, &r->stop, &err);
    service_on_stop(&r->stop, NULL, NULL); /* what it left there may be gone */
    if (service_stopping(&r->stop)) {
        return false;
    }
    *wait = clock_mono_ms() - begun >= BACKOFF_RESET_MS ? BACKOFF_FIRST_MS : *wait;
    if (code < 0) {
        log_error("a background service failed and is run again", LOG_Z("service", r->b.name),
                  LOG_ERR(&err), LOG_I("after_ms", *wait));
    } else {
        log_error("a background service ended and is run again", LOG_Z("service", r->b.name),
                  LOG_I("after_ms", *wait));
    }
    note_failure(r, code < 0 ? err_message(&err) : "it ended unasked");
    return !service_wait(&r->stop, (int)*wait);
}

static void *runner_main(void *arg)
{
    struct runner *r = arg;
    int64_t wait = BACKOFF_FIRST_MS;
    while (run_once(r, &wait)) {
        wait = wait * 2 < BACKOFF_MOST_MS ? wait * 2 : BACKOFF_MOST_MS;
        note_restart(r);
    }
    set_state(r, BACKGROUND_STOPPED);
    return NULL;
}

static struct runner *runner_create(const struct supervisor_options *o, const struct background *b)
{
    struct runner *r = ALLOC(struct runner);
    r->b = *b;
    pthread_mutex_init(&r->stop.lock, NULL);
    pthread_mutex_init(&r->lock, NULL);
    r->stop.fd = eventfd(0, EFD_CLOEXEC);
    if (r->stop.fd < 0) {
        log_error("cannot make an eventfd", LOG_Z("service", b->name));
        abort();
    }
    bool enabled = config_enabled(o->config, b->name);
    r->status.state = enabled ? BACKGROUND_STOPPED : BACKGROUND_DISABLED;
    r->metrics = o->metrics;
    if (r->metrics) {
        make_series(r);
    }
    if (o->health && enabled) {
        r->check = alloc_printf("service-%s", b->name);
        health_add(o->health,
                   &(struct health_check){
                       .name = r->check, .parts = HEALTH_SHOWN, .check = check, .self = r});
    }
    return r;
}

static void runner_start(struct runner *r)
{
    if (r->status.state == BACKGROUND_DISABLED) {
        log_info("a background service is disabled", LOG_Z("service", r->b.name));
        return;
    }
    if (pthread_create(&r->thread, NULL, runner_main, r) != 0) {
        log_error("cannot start a thread", LOG_Z("service", r->b.name));
        abort();
    }
    r->started = true;
    char name[16] = {0};
    memcpy(name, r->b.name, strlen(r->b.name) < 15 ? strlen(r->b.name) : 15);
    pthread_setname_np(r->thread, name);
}

static void runner_stop(struct runner *r)
{
    if (r->started) {
        stop_now(&r->stop);
        pthread_join(r->thread, NULL);
        r->started = false;
    }
}

static void runner_destroy(struct runner *r)
{
    close(r->stop.fd);
    pthread_mutex_destroy(&r->stop.lock);
    pthread_mutex_destroy(&r->lock);
    free(r->check);
    free(r);
}

/* A misspelt name in the configuration would otherwise go unseen. */
static void warn_of_unknown(const struct config *c, const struct background *table, size_t n)
{
    for (size_t i = 0; i < c->disabled.n; i++) {
        size_t j = 0;
        while (j < n && strcmp(table[j].name, c->disabled.items[i]) != 0) {
            j++;
        }
        if (j == n) {
            log_warn("the configuration disables what is no background service",
                     LOG_Z("service", c->disabled.items[i]));
        }
    }
}

struct supervisor *supervisor_create(const struct supervisor_options *o,
                                     const struct background *table, size_t n)
{
    struct supervisor *s = ALLOC(struct supervisor);
    s->runners = alloc_zero((n + 1) * sizeof(*s->runners));
    warn_of_unknown(o->config, table, n);
    for (size_t i = 0; i < n; i++) {
        s->runners[s->n++] = runner_create(o, &table[i]);
    }
    return s;
}

void supervisor_start(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++) {
        runner_start(s->runners[i]);
    }
}

bool supervisor_status(struct supervisor *s, const char *name, struct background_status *ret)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->runners[i]->b.name, name) == 0) {
            *ret = status_of(s->runners[i]);
            return true;
        }
    }
    return false;
}

void supervisor_stop(struct supervisor *s)
{
    for (size_t i = s->n; i-- > 0;) {
        runner_stop(s->runners[i]);
    }
}

void supervisor_destroy(struct supervisor *s)
{
    if (!s) {
        return;
    }
    supervisor_stop(s);
    for (size_t i = 0; i < s->n; i++) {
        runner_destroy(s->runners[i]);
    }
    free(s->runners);
    free(s);
}
