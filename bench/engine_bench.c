/* SPDX-License-Identifier: Apache-2.0 */
/* Measures the engine below HTTP: creates, gets, replaces, patches, a list, deletes, and the
 * fan-out of watch events, with process CPU time beside wall time.
 *
 *   engine_bench memory | sqlite DIR   [objects] [watchers] */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "resources/engine.h"
#include "resources/watch.h"

enum { IN_FLIGHT = 64 };

static const char crd[] = "{\"apiVersion\":\"apiextensions.k8s.io/"
                          "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{"
                          "\"name\":\"widgets.bench.dev\"},\"spec\":{\"group\":\"bench.dev\","
                          "\"scope\":\"Namespaced\",\"names\":{"
                          "\"plural\":\"widgets\",\"singular\":\"widget\",\"kind\":\"Widget\","
                          "\"listKind\":\"WidgetList\"},\"versions\":[{"
                          "\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
                          "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{"
                          "\"spec\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
                          "\"integer\",\"minimum\":0},\"words\":{\"type\":\"array\","
                          "\"items\":{\"type\":\"string\",\"maxLength\":100}},\"parts\":{\"type\":"
                          "\"array\",\"items\":{\"type\":\"object\","
                          "\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\","
                          "\"pattern\":\"^[a-z0-9-]+$\"},\"count\":{"
                          "\"type\":\"integer\",\"default\":1},\"mode\":{\"type\":\"string\","
                          "\"enum\":[\"a\",\"b\"]}}}}}}}}}}]}}";

static struct engine *engine;
static struct type *type;
static struct user *user;

/* ---- clocks ---- */

struct clocks {
    double cpu;
    uint64_t wall;
};

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static struct clocks clocks_start(void)
{
    return (struct clocks){cpu_us(), clock_mono_ns()};
}

static void report(const char *what, struct clocks c, size_t n)
{
    double wall = (double)(clock_mono_ns() - c.wall) / 1e3;
    printf("%-28s %9zu  %10.1f/s  %8.3f us wall  %8.3f us CPU\n", what, n, (double)n * 1e6 / wall,
           wall / (double)n, (cpu_us() - c.cpu) / (double)n);
    fflush(stdout);
}

/* ---- operations, a number of them under way at once ---- */

struct run {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    size_t flying, failed;
    enum verb verb;
};

static struct op *make_op(enum verb verb, size_t i)
{
    struct op *op = op_create(engine);
    op->verb = verb;
    op_set_type(op, type, type_storage(type));
    op->scope.ns = STR("bench");
    op->name = verb == VERB_CREATE ? STR_NULL : str_from(arena_printf(&op->arena, "w%07zu", i));
    op->user = user_ref(user);
    return op;
}

/* About 1 KB. */
static void add_body(struct op *op, size_t i, size_t n, const char *rv)
{
    struct buf b = {0};
    if (op->verb == VERB_PATCH) {
        buf_printf(&b, "{\"spec\":{\"n\":%zu}}", n);
    } else {
        buf_printf(&b,
                   "{\"apiVersion\":\"bench.dev/"
                   "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w%07zu\",%s\"labels\":{"
                   "\"app\":\"bench\",\"tier\":\"t%zu\"},\"annotations\":{\"bench.dev/"
                   "note\":\"%0100d\"}},\"spec\":{\"n\":%zu,"
                   "\"words\":[",
                   i, rv, i % 10, 7, n);
        for (int k = 0; k < 8; k++) {
            buf_printf(&b, "%s\"some words to fill it, number %d\"", k ? "," : "", k);
        }
        buf_addz(&b, "],\"parts\":[");
        for (int k = 0; k < 6; k++) {
            buf_printf(&b, "%s{\"name\":\"part-%d\",\"count\":%d,\"mode\":\"a\"}", k ? "," : "", k,
                       k);
        }
        buf_addz(&b, "]}}");
    }
    if (json_read(&op->arena, arena_str(&op->arena, buf_str(&b)), &op->body, &op->duplicates,
                  NULL)) {
        abort();
    }
    buf_finish(&b);
}

static void landed(struct op *op, void *arg)
{
    struct run *r = arg;
    pthread_mutex_lock(&r->lock);
    r->flying--;
    if (op->code) {
        if (!r->failed++) {
            fprintf(stderr, "%s\n", err_message(&op->err));
        }
    }
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
    op_unref(op);
}

static void wait_below(struct run *r, size_t n)
{
    pthread_mutex_lock(&r->lock);
    while (r->flying > n) {
        pthread_cond_wait(&r->cond, &r->lock);
    }
    r->flying++;
    pthread_mutex_unlock(&r->lock);
}

static void fly(struct run *r, struct op *op)
{
    wait_below(r, IN_FLIGHT - 1);
    op->done = landed;
    op->done_arg = r;
    engine_start(engine, op);
}

static void end_run(struct run *r)
{
    wait_below(r, 0);
    r->flying = 0;
    if (r->failed) {
        fprintf(stderr, "%zu failed\n", r->failed);
        exit(1);
    }
}

static void run_writes(const char *what, enum verb verb, size_t objects)
{
    struct run r = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct clocks c = clocks_start();
    for (size_t i = 0; i < objects; i++) {
        struct op *op = make_op(verb, i);
        if (verb != VERB_DELETE) {
            add_body(op, i, i, "");
        }
        op->patch = PATCH_MERGE;
        fly(&r, op);
    }
    end_run(&r);
    report(what, c, objects);
}

/* As a controller does: get, change, put with the version it read. */
static void run_replaces(size_t objects)
{
    struct run r = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct clocks c = clocks_start();
    for (size_t i = 0; i < objects; i++) {
        struct op *op = make_op(VERB_UPDATE, i);
        struct blob *blob;
        struct stored s;
        if (engine_get(engine, type, op->scope, op->name, &blob, &s, NULL)) {
            abort();
        }
        blob_unref(blob);
        add_body(op, i, i + 1,
                 arena_printf(&op->arena, "\"resourceVersion\":\"%lld\",", (long long)s.rev));
        fly(&r, op);
    }
    end_run(&r);
    report("read and replace", c, objects);
}

static void run_gets(size_t objects, size_t n)
{
    struct buf b = {0};
    struct clocks c = clocks_start();
    for (size_t i = 0; i < n; i++) {
        struct op *op = make_op(VERB_GET, i % objects);
        engine_start(engine, op);
        if (op->code) {
            abort();
        }
        const struct stored s = {blob_str(op->answer.blob), op->answer.rev, op->answer.stamp};
        b.len = 0;
        represent_splice(&b, type, &s);
        op_unref(op);
    }
    report("get and splice", c, n);
    buf_finish(&b);
}

static void run_lists(size_t objects, size_t n)
{
    static const struct representation as_object = {0};
    struct clocks c = clocks_start();
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        struct op *op = make_op(VERB_LIST, 0);
        struct list *l = NULL;
        bool done = false;
        if (list_open(engine, op, &as_object, &l, NULL)) {
            abort();
        }
        while (!done) {
            struct buf b = {0};
            if (list_next(l, &b, 256 * 1024, &done, NULL)) {
                abort();
            }
            bytes += b.len;
            buf_finish(&b);
        }
        list_close(l);
        op_unref(op);
    }
    report("list, an object", c, n * objects);
    printf("%-28s %9zu bytes a list\n", "", bytes / n);
}

/* ---- watches ---- */

static void woken(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
}

static void give(void *arg, struct blob *line)
{
    ++*(size_t *)arg;
    blob_unref(line);
}

static void read_one(void *arg, struct watcher *w, void *watcher_arg)
{
    (void)watcher_arg;
    while (watch_read(w, 256 * 1024, give, arg) == WATCH_MORE) {
    }
}

static void run_watches(size_t objects, size_t n)
{
    static const struct representation as_object = {0};
    _Atomic bool wake = false;
    struct watch_group *g = watch_group_create(engine_watches(engine), woken, &wake);
    struct watcher **w = alloc_zero(n * sizeof(*w));
    size_t given = 0;
    size_t before = mallinfo2().uordblks;
    struct clocks c = clocks_start();
    for (size_t i = 0; i < n; i++) {
        struct op *op = make_op(VERB_WATCH, 0);
        op->name = STR_NULL;
        op->list.resource_version = str_from(
            arena_printf(&op->arena, "%lld", (long long)store_revision(engine_store(engine))));
        if (watch_open(g, op, &as_object, NULL, &w[i], NULL)) {
            abort();
        }
        op_unref(op);
        read_one(&given, w[i], NULL);
    }
    report("watch opened", c, n);
    printf("%-28s %9zu bytes a watch, idle\n", "", (mallinfo2().uordblks - before) / n);
    size_t events = objects < 1000 ? objects : 1000;
    c = clocks_start();
    for (size_t i = 0; i < events; i++) {
        struct op *op = make_op(VERB_PATCH, i);
        add_body(op, i, 1000000 + i, "");
        op->patch = PATCH_MERGE;
        if (engine_run(engine, op)) {
            abort();
        }
        op_unref(op);
        if (atomic_exchange(&wake, false)) {
            watch_group_ready(g, read_one, &given);
        }
    }
    watch_group_ready(g, read_one, &given);
    report("event to a watcher, one by one", c, given);
    if (given != events * n) {
        fprintf(stderr, "%zu of %zu events\n", given, events * n);
        exit(1);
    }
    for (size_t i = 0; i < n; i++) {
        watch_close(w[i]);
    }
    free(w);
    watch_group_destroy(g);
}

int main(int argc, char **argv)
{
    bool sqlite = argc > 2 && strcmp(argv[1], "sqlite") == 0;
    if (!sqlite && (argc < 2 || strcmp(argv[1], "memory") != 0)) {
        fprintf(stderr, "usage: engine_bench memory | sqlite DIR  [objects] [watchers]\n");
        return 2;
    }
    int at = sqlite ? 3 : 2;
    size_t objects = argc > at ? strtoul(argv[at], NULL, 10) : 10000;
    size_t watchers = argc > at + 1 ? strtoul(argv[at + 1], NULL, 10) : 1000;
    struct err err = {0};
    struct store *store = NULL;
    const struct store_options so = {.dir = sqlite ? argv[2] : NULL};
    if (sqlite ? store_open_sqlite(&so, &store, &err) : store_open_memory(&so, &store, &err)) {
        fprintf(stderr, "%s\n", err_message(&err));
        return 1;
    }
    struct registry *registry = registry_create();
    struct access *access = access_create();
    engine = engine_create(
        &(struct engine_options){.store = store, .registry = registry, .access = access});
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    if (json_read(&a, str_from(crd), &d, NULL, NULL) ||
        type_create(yyjson_mut_doc_get_root(d), NULL, &type, &err)) {
        fprintf(stderr, "%s\n", err_message(&err));
        return 1;
    }
    registry_put(registry, type);
    user = user_create(STR("bench"), STR(""), NULL, 0);
    run_writes("create", VERB_CREATE, objects);
    run_gets(objects, 10 * objects);
    run_replaces(objects);
    run_writes("merge patch", VERB_PATCH, objects);
    run_lists(objects, 10);
    run_watches(objects, watchers);
    run_writes("delete", VERB_DELETE, objects);
    engine_destroy(engine);
    store_close(store);
    type_unref(type);
    registry_destroy(registry);
    access_destroy(access);
    user_unref(user);
    arena_finish(&a);
    return 0;
}
