/* SPDX-License-Identifier: Apache-2.0 */
/* A client over a few objects in memory whose calls can be made to fail: what the controllers'
 * tests run against. Every function may be called by any thread; a watch sees what is put and
 * deleted after its revision. */
#ifndef TESTS_FAKE_CLIENT_H
#define TESTS_FAKE_CLIENT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/blob.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/client.h"

struct fake_object {
    char *ns, *name, *json;
    bool deleted;
    int64_t rev;
};

struct fake {
    struct client c;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_object
        log[4096]; /* every change, by revision; the objects are the last of each key */
    size_t n_log;
    int64_t rev;
    char *broken; /* text that watches of now hand over once instead of an object */
    int list_code, watch_code, next_code,
        delete_code; /* what the calls answer while not 0; next_code: each open watch once */
    unsigned epoch;  /* raised with next_code */
    int n_lists, n_watches, n_open, n_deletes;
};

struct fake_watch {
    struct client_watch w;
    struct fake *f;
    struct str ns;
    int64_t from;
    unsigned epoch;
    bool stopped;
};

static inline void fake_log(struct fake *f, const char *ns, const char *name, const char *json,
                            bool deleted)
{
    assert_true(f->n_log < sizeof(f->log) / sizeof(*f->log));
    f->log[f->n_log++] = (struct fake_object){alloc_strdup(ns), alloc_strdup(name),
                                              json ? alloc_strdup(json) : NULL, deleted, ++f->rev};
    pthread_cond_broadcast(&f->changed);
}

/* The present state of a key; NULL: none. The lock is held. */
static inline struct fake_object *fake_find(struct fake *f, struct str ns, struct str name)
{
    for (size_t i = f->n_log; i-- > 0;) {
        if (str_is(ns, f->log[i].ns) && str_is(name, f->log[i].name)) {
            return f->log[i].deleted ? NULL : &f->log[i];
        }
    }
    return NULL;
}

/* extra: further members of the object (",\"spec\":{}") or "". */
static inline void fake_put(struct fake *f, const char *ns, const char *name, const char *extra)
{
    AUTO_FREE char *json =
        alloc_printf("{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u-%s\"}%s}", ns,
                     name, name, extra);
    pthread_mutex_lock(&f->lock);
    fake_log(f, ns, name, json, false);
    pthread_mutex_unlock(&f->lock);
}

static inline void fake_remove(struct fake *f, const char *ns, const char *name)
{
    pthread_mutex_lock(&f->lock);
    const struct fake_object *o = fake_find(f, str_from(ns), str_from(name));
    assert_non_null(o);
    AUTO_FREE char *json = alloc_strdup(o->json);
    fake_log(f, ns, name, json, true);
    pthread_mutex_unlock(&f->lock);
}

/* Ends every open watch with the code. */
static inline void fake_break(struct fake *f, int code)
{
    pthread_mutex_lock(&f->lock);
    f->next_code = code;
    f->epoch++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline int fake_count(struct fake *f, const int *of)
{
    pthread_mutex_lock(&f->lock);
    int n = *of;
    pthread_mutex_unlock(&f->lock);
    return n;
}

static inline void fake_set(struct fake *f, int *at, int value)
{
    pthread_mutex_lock(&f->lock);
    *at = value;
    pthread_mutex_unlock(&f->lock);
}

/* Waits (up to 10 s) until the count is reached. */
#define FAKE_WAIT(f, member, least)                                                                \
    do {                                                                                           \
        int64_t end_ = clock_mono_ms() + 60000;                                                    \
        while (fake_count((f), &(f)->member) < (least)) {                                          \
            assert_true(clock_mono_ms() < end_);                                                   \
            usleep(1000);                                                                          \
        }                                                                                          \
    } while (0)

static inline struct fake *fake_of(struct client *c)
{
    return (struct fake *)(void *)c;
}

static inline int fake_get(struct client *c, const struct client_ref *r, struct arena *a,
                           yyjson_mut_doc **ret, struct err *err)
{
    struct fake *f = fake_of(c);
    pthread_mutex_lock(&f->lock);
    const struct fake_object *o = fake_find(f, r->ns, r->name);
    int code = o ? json_read_own(a, str_from(arena_strdup(a, o->json)), ret, err)
                 : err_set(err, ERR_NOT_FOUND, "not found");
    pthread_mutex_unlock(&f->lock);
    return code;
}

/* The list as JSON texts, so that visits run without the lock. */
static inline char **fake_present(struct fake *f, struct str ns, size_t *ret_n)
{
    char **texts = alloc_zero((f->n_log + 1) * sizeof(*texts));
    size_t n = 0;
    for (size_t i = 0; i < f->n_log; i++) {
        const struct fake_object *o = &f->log[i];
        if (fake_find(f, str_from(o->ns), str_from(o->name)) == o &&
            (!ns.len || str_is(ns, o->ns))) {
            texts[n++] = alloc_strdup(o->json);
        }
    }
    *ret_n = n;
    return texts;
}

static inline int fake_list(struct client *c, const struct client_ref *r,
                            const struct client_options *o, client_visit_fn *visit, void *arg,
                            int64_t *ret_rev, struct err *err)
{
    struct fake *f = fake_of(c);
    size_t n = 0;
    (void)o;
    pthread_mutex_lock(&f->lock);
    f->n_lists++;
    int code = f->list_code;
    int64_t rev = f->rev;
    char **texts = fake_present(f, r->ns, &n);
    pthread_mutex_unlock(&f->lock);
    if (code < 0) {
        err_set(err, code, "the list fails");
    }
    for (size_t i = 0; i < n; i++) {
        struct arena a;
        yyjson_mut_doc *d = NULL;
        arena_init(&a, 0);
        code = code ? code : json_read_own(&a, str_from(texts[i]), &d, err);
        code = code ? code : visit(arg, d, err);
        arena_finish(&a);
        free(texts[i]);
    }
    free(texts);
    if (code == 0) {
        *ret_rev = rev;
    }
    return code;
}

static inline int fake_write(struct client *c, enum verb verb, const struct client_ref *r,
                             enum patch_type type, yyjson_mut_val *obj,
                             const struct client_options *o, struct arena *a, yyjson_mut_doc **ret,
                             struct err *err)
{
    struct fake *f = fake_of(c);
    (void)type;
    (void)obj;
    (void)a;
    (void)ret;
    if (verb != VERB_DELETE) {
        return err_set(err, ERR_METHOD, "only deletes");
    }
    pthread_mutex_lock(&f->lock);
    f->n_deletes++;
    const struct fake_object *have = fake_find(f, r->ns, r->name);
    int code = f->delete_code;
    AUTO_FREE char *uid = alloc_printf("u-%.*s", STR_FMT(r->name));
    if (code < 0) {
        err_set(err, code, "the delete fails");
    } else if (!have) {
        code = err_set(err, ERR_NOT_FOUND, "not found");
    } else if (o && o->uid.len && !str_is(o->uid, uid)) {
        code = err_set(err, ERR_CONFLICT, "another uid");
    } else if (!strstr(have->json, "\"finalizers\"")) {
        AUTO_FREE char *json = alloc_strdup(have->json);
        AUTO_FREE char *ns = alloc_str(r->ns), *name = alloc_str(r->name);
        fake_log(f, ns, name, json, true);
    }
    pthread_mutex_unlock(&f->lock);
    return code;
}

static inline int fake_open(struct client *c, const struct client_ref *r,
                            const struct client_options *o, int64_t from, struct client_watch **ret,
                            struct err *err);
static inline int fake_next(struct client_watch *cw, int timeout_ms, client_event_fn *fn, void *arg,
                            struct err *err)
{
    struct fake_watch *w = (struct fake_watch *)(void *)cw;
    struct fake *f = w->f;
    assert_int_equal(timeout_ms, -1);
    pthread_mutex_lock(&f->lock);
    while (!w->stopped && w->epoch == f->epoch && w->from >= f->rev) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    int code = w->stopped ? ERR_CLOSED : w->epoch != f->epoch ? f->next_code : 0;
    w->epoch = f->epoch;
    size_t n = code ? 0 : f->n_log;
    for (size_t i = 0; i < n; i++) {
        const struct fake_object *o = &f->log[i];
        if (o->rev > w->from && (!w->ns.len || str_is(w->ns, o->ns))) {
            const char *text = f->broken && !o->deleted ? f->broken : o->json;
            AUTO(blob_unrefp) struct blob *b = blob_create(str_from(text));
            struct client_event e = {o->deleted ? CLIENT_DELETED : CLIENT_MODIFIED,
                                     str_from(o->ns),
                                     str_from(o->name),
                                     b,
                                     o->rev,
                                     false};
            w->from = o->rev;
            pthread_mutex_unlock(&f->lock);
            fn(arg, &e);
            fn(arg, &(struct client_event){.type = CLIENT_BOOKMARK, .rev = e.rev});
            pthread_mutex_lock(&f->lock);
        }
    }
    w->from = code ? w->from : w->from > f->rev ? w->from : n ? f->log[n - 1].rev : w->from;
    pthread_mutex_unlock(&f->lock);
    return code ? err_set(err, code, "the watch ends") : 0;
}

static inline void fake_stop(struct client_watch *cw)
{
    struct fake_watch *w = (struct fake_watch *)(void *)cw;
    pthread_mutex_lock(&w->f->lock);
    w->stopped = true;
    pthread_cond_broadcast(&w->f->changed);
    pthread_mutex_unlock(&w->f->lock);
}

static inline void fake_watch_close(struct client_watch *cw)
{
    struct fake_watch *w = (struct fake_watch *)(void *)cw;
    pthread_mutex_lock(&w->f->lock);
    w->f->n_open--;
    pthread_mutex_unlock(&w->f->lock);
    free(w);
}

static const struct client_ops fake_ops = {
    .get = fake_get,
    .list = fake_list,
    .write = fake_write,
    .watch = fake_open,
    .watch_next = fake_next,
    .watch_stop = fake_stop,
    .watch_close = fake_watch_close,
};

static inline int fake_open(struct client *c, const struct client_ref *r,
                            const struct client_options *o, int64_t from, struct client_watch **ret,
                            struct err *err)
{
    struct fake *f = fake_of(c);
    (void)o;
    pthread_mutex_lock(&f->lock);
    f->n_watches++;
    int code = f->watch_code;
    if (code == 0) {
        struct fake_watch *w = ALLOC(struct fake_watch);
        *w = (struct fake_watch){
            .w.ops = &fake_ops, .f = f, .ns = r->ns, .from = from, .epoch = f->epoch};
        f->n_open++;
        *ret = &w->w;
    }
    pthread_mutex_unlock(&f->lock);
    return code ? err_set(err, code, "the watch fails") : 0;
}

static inline struct fake *fake_create(void)
{
    struct fake *f = ALLOC(struct fake);
    f->c.ops = &fake_ops;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    return f;
}

/* Asserts that no watch was left open. */
static inline void fake_destroy(struct fake *f)
{
    assert_int_equal(f->n_open, 0);
    for (size_t i = 0; i < f->n_log; i++) {
        free(f->log[i].ns);
        free(f->log[i].name);
        free(f->log[i].json);
    }
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- lines of text that threads write and the test waits for ---- */

struct notes {
    pthread_mutex_t lock;
    char *lines[4096];
    size_t n;
};

static inline void notes_init(struct notes *n)
{
    *n = (struct notes){0};
    pthread_mutex_init(&n->lock, NULL);
}

static inline void notes_finish(struct notes *n)
{
    for (size_t i = 0; i < n->n; i++) {
        free(n->lines[i]);
    }
    pthread_mutex_destroy(&n->lock);
}

static inline void notes_add(struct notes *n, char *line)
{
    pthread_mutex_lock(&n->lock);
    if (n->n == sizeof(n->lines) / sizeof(*n->lines)) {
        abort();
    }
    n->lines[n->n++] = line;
    pthread_mutex_unlock(&n->lock);
}

static inline size_t notes_count(struct notes *n, const char *line)
{
    size_t found = 0;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->n; i++) {
        found += !line || strcmp(n->lines[i], line) == 0;
    }
    pthread_mutex_unlock(&n->lock);
    return found;
}

/* Waits until the line was noted `least` times (NULL: that many lines). */
static inline void notes_wait(struct notes *n, const char *line, size_t least)
{
    int64_t end = clock_mono_ms() + 60000;
    while (notes_count(n, line) < least) {
        if (clock_mono_ms() > end) {
            for (size_t i = 0; i < n->n; i++) {
                print_message("noted: %s\n", n->lines[i]);
            }
            fail_msg("waited in vain for %s", line ? line : "more lines");
        }
        usleep(1000);
    }
}

/* The lines from the given one on, joined by "; ". */
static inline char *notes_from(struct notes *n, size_t from)
{
    struct buf b = {0};
    pthread_mutex_lock(&n->lock);
    for (size_t i = from; i < n->n; i++) {
        buf_printf(&b, "%s%s", i > from ? "; " : "", n->lines[i]);
    }
    pthread_mutex_unlock(&n->lock);
    char *text = alloc_str(buf_str(&b));
    buf_finish(&b);
    return text;
}

#endif
