/* SPDX-License-Identifier: Apache-2.0 */
/* A small pool of threads over one queue. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct pool_task *first, **last;
    size_t queued;
    size_t idle;               /* threads that wait */
    bool stopping;             /* no more tasks but those of running tasks with `must` */
    bool closed;               /* none at all */
    size_t busy;               /* threads inside a task */
    struct metric *wait, *run; /* NULL: not measured */
    size_t n;
    pthread_t threads[];
};

static struct pool_task *take_task(struct pool *p)
{
    struct pool_task *t = p->first;
    p->first = t->next;
    if (!p->first) {
        p->last = &p->first;
    }
    p->queued--;
    return t;
}

static void run_measured(struct pool *p, struct pool_task *t)
{
    uint64_t begun = clock_mono_ns(), queued = t->queued_ns;
    t->run(t); /* t is gone */
    metric_observe(p->wait, (double)(begun - queued) / 1e9);
    metric_observe(p->run, (double)(clock_mono_ns() - begun) / 1e9);
}

static void *work(void *arg)
{
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->closed) {
            if (p->stopping && !p->busy) {
                p->closed = true; /* nothing queued, nobody left who could queue */
                pthread_cond_broadcast(&p->wake);
                break;
            }
            p->idle++;
            pthread_cond_wait(&p->wake, &p->lock);
            p->idle--;
        }
        if (!p->first) {
            break;
        }
        struct pool_task *t = take_task(p);
        p->busy++;
        pthread_mutex_unlock(&p->lock);
        if (p->wait) {
            run_measured(p, t);
        } else {
            t->run(t);
        }
        pthread_mutex_lock(&p->lock);
        p->busy--;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are main's business: the threads start with all of them blocked. */
static void start_threads(struct pool *p, const char *name)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < p->n; i++) {
        char thread_name[40];
        if (pthread_create(&p->threads[i], NULL, work, p) != 0) {
            fprintf(stderr, "cannot start a thread\n");
            abort();
        }
        snprintf(thread_name, sizeof(thread_name), "%.10s-%zu", name, i);
        thread_name[15] = 0; /* as much as Linux takes */
        pthread_setname_np(p->threads[i], thread_name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pool *pool_create(size_t threads, const char *name)
{
    threads = threads ? threads : 1;
    struct pool *p = alloc_zero(sizeof(*p) + threads * sizeof(p->threads[0]));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->last = &p->first;
    p->n = threads;
    start_threads(p, name);
    return p;
}

void pool_destroy(struct pool *p)
{
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void pool_measure(struct pool *p, struct metric *wait, struct metric *run)
{
    p->wait = wait;
    p->run = run;
}

bool pool_submit(struct pool *p, struct pool_task *t, bool must)
{
    t->queued_ns = p->wait ? clock_mono_ns() : 0;
    pthread_mutex_lock(&p->lock);
    bool ok = must ? !p->closed : !p->stopping && p->queued < LIMIT_POOL_QUEUE;
    if (ok) {
        t->next = NULL;
        *p->last = t;
        p->last = &t->next;
        p->queued++;
        if (p->idle) {
            pthread_cond_signal(&p->wake); /* under the lock: the task may lead to pool_destroy */
        }
    }
    pthread_mutex_unlock(&p->lock);
    return ok;
}

size_t pool_queued(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->queued;
    pthread_mutex_unlock(&p->lock);
    return n;
}
