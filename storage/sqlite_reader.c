/* SPDX-License-Identifier: Apache-2.0 */
/* The read connections of the sqlite engine: idle ones stand in slots, from which a reader takes
 * one without a lock. */
#include "storage/sqlite_priv.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { IDLE_WAIT_NS = 500000000 };

/* Where this thread looks first, so that it mostly finds the connection it used last. */
static size_t first_slot(void)
{
    static _Thread_local char mark;
    return ((uintptr_t)&mark >> 12) * 2654435761u >> 8;
}

static struct sqlite_conn *take_idle(struct sqlite_store *s)
{
    size_t first = first_slot();
    for (size_t i = 0; i < SQ_READERS; i++) {
        _Atomic(struct sqlite_conn *) *slot = &s->readers[(first + i) % SQ_READERS];
        if (atomic_load_explicit(slot, memory_order_relaxed)) {
            struct sqlite_conn *c = atomic_exchange(slot, NULL);
            if (c) {
                return c;
            }
        }
    }
    return NULL;
}

static void await_end_of_pause(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->pause_lock);
    while (atomic_load(&s->paused)) {
        pthread_cond_wait(&s->pause_over, &s->pause_lock);
    }
    pthread_mutex_unlock(&s->pause_lock);
}

/* Another connection, whose files are open. Counted already. */
static int open_another(struct sqlite_store *s, struct sqlite_conn **ret, struct err *err)
{
    struct sqlite_conn *c;
    int64_t newest;
    int code = sqlite_conn_open(s->path, SQ_READER_KIB, &c, err);
    if (code) {
        return code;
    }
    sqlite_map_attach(s->map, c);
    c->mirror = s->mirror;
    code = sqlite_number(c, SQ_PIN, &newest, err);
    if (code) {
        sqlite_conn_close(c);
        return code;
    }
    c->used = true;
    *ret = c;
    return 0;
}

/* Where no more files can be opened, those in use will do. NULL: none came back for so long. */
static struct sqlite_conn *await_idle(struct sqlite_store *s)
{
    struct sqlite_conn *c = NULL;
    uint64_t start = clock_mono_ns();
    while (!c && atomic_load(&s->n_readers) > 0 && clock_mono_ns() - start < IDLE_WAIT_NS) {
        usleep(50);
        c = take_idle(s);
    }
    return c;
}

int sqlite_reader_take(struct sqlite_store *s, struct sqlite_conn **ret, struct err *err)
{
    for (;;) {
        struct sqlite_conn *c = atomic_load(&s->paused) ? NULL : take_idle(s);
        if (c) {
            c->used = true;
            *ret = c;
            return 0;
        }
        /* Counted before it is looked whether there is a pause: either this sees the pause or the
         * pause sees this. */
        atomic_fetch_add(&s->n_readers, 1);
        if (!atomic_load(&s->paused)) {
            break;
        }
        atomic_fetch_sub(&s->n_readers, 1);
        await_end_of_pause(s);
    }
    AUTO(err_finish) struct err e = {0};
    int code = open_another(s, ret, &e);
    if (!code) {
        return 0;
    }
    atomic_fetch_sub(&s->n_readers, 1);
    struct sqlite_conn *c = await_idle(s);
    if (!c) {
        return err_move(err, &e);
    }
    *ret = c;
    return 0;
}

static void reader_close(struct sqlite_store *s, struct sqlite_conn *c)
{
    if (c) {
        sqlite_conn_close(c);
        atomic_fetch_sub(&s->n_readers, 1);
    }
}

void sqlite_reader_give(struct sqlite_store *s, struct sqlite_conn *c)
{
    size_t first = first_slot();
    for (size_t i = 0; i < SQ_READERS; i++) {
        struct sqlite_conn *none = NULL;
        if (atomic_compare_exchange_strong(&s->readers[(first + i) % SQ_READERS], &none, c)) {
            return;
        }
    }
    reader_close(s, c);
}

void sqlite_reader_shrink(struct sqlite_store *s)
{
    struct sqlite_conn *idle[SQ_READERS];
    size_t n = 0;
    for (size_t i = 0; i < SQ_READERS; i++) {
        struct sqlite_conn *c = atomic_exchange(&s->readers[i], NULL);
        if (c) {
            idle[n++] = c;
        }
    }
    for (size_t i = 0; i < n; i++) {
        /* The last one stays: there may be no descriptors for another. */
        if (idle[i]->used || atomic_load(&s->n_readers) == 1) {
            idle[i]->used = false;
            sqlite3_db_release_memory(idle[i]->db);
            sqlite_reader_give(s, idle[i]);
        } else {
            reader_close(s, idle[i]);
        }
    }
}

bool sqlite_reader_drain(struct sqlite_store *s, uint64_t most_ns,
                         void (*alone)(struct sqlite_store *s))
{
    struct sqlite_conn *held[SQ_READERS];
    size_t n = 0;
    uint64_t start = clock_mono_ns();
    bool drained = false;
    atomic_store(&s->paused, true);
    while (!drained && clock_mono_ns() - start < most_ns) {
        for (size_t i = 0; i < SQ_READERS && n < SQ_READERS; i++) {
            struct sqlite_conn *c = atomic_exchange(&s->readers[i], NULL);
            if (c) {
                held[n++] = c;
            }
        }
        drained = n == atomic_load(&s->n_readers);
        if (!drained) {
            usleep(20);
        }
    }
    if (drained) {
        alone(s);
    }
    while (n) {
        sqlite_reader_give(s, held[--n]);
    }
    pthread_mutex_lock(&s->pause_lock);
    atomic_store(&s->paused, false);
    pthread_cond_broadcast(&s->pause_over);
    pthread_mutex_unlock(&s->pause_lock);
    return drained;
}
