/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election: several candidates over one lease, each with clocks of its own that differ, run
 * unevenly and jump, whose requests fail, take long or reach the store without an answer, and who
 * stop for a while or for ever. */
#include "controllers/leader.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/metadata.h"

enum { CANDIDATES = 4, HOUR_MS = 3600 * 1000 };

/* ---- a store of one lease ---- */

struct shelf {
    struct client client;
    pthread_mutex_t lock;
    char *json; /* NULL: there is none */
    int64_t rev;
    int fail;       /* what every call answers while not 0 */
    int fail_after; /* what every write answers that was done all the same, while not 0 */
    void (*before_write)(void *arg), (*after_write)(void *arg);
    void *arg;
};

static struct shelf *shelf_of(struct client *c)
{
    return (struct shelf *)(void *)c;
}

static int answer(struct shelf *s, struct arena *a, yyjson_mut_doc **ret, struct err *err)
{
    char rev[24];
    int rc = json_read_own(a, str_from(arena_strdup(a, s->json)), ret, err);
    assert_int_equal(rc, 0);
    snprintf(rev, sizeof(rev), "%lld", (long long)s->rev);
    json_set_str(*ret, json_get((*ret)->root, "metadata"), "resourceVersion", str_from(rev));
    return 0;
}

static int shelf_get(struct client *c, const struct client_ref *r, struct arena *a,
                     yyjson_mut_doc **ret, struct err *err)
{
    struct shelf *s = shelf_of(c);
    assert_true(str_is(r->resource, "leases") && str_is(r->name, "job") && str_is(r->ns, "ns"));
    pthread_mutex_lock(&s->lock);
    int rc = s->fail   ? err_set(err, s->fail, "the store is away")
             : s->json ? answer(s, a, ret, err)
                       : err_set(err, ERR_NOT_FOUND, "there is no lease");
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int put(struct shelf *s, enum verb verb, yyjson_mut_val *obj, struct arena *a,
               yyjson_mut_doc **ret, struct err *err)
{
    struct str rv = json_get_str(metadata_of(obj), "resourceVersion");
    if (s->fail) {
        return err_set(err, s->fail, "the store is away");
    }
    if (verb == VERB_CREATE && s->json) {
        return err_set(err, ERR_EXISTS, "the lease exists");
    }
    if (verb == VERB_UPDATE && (!s->json || strtoll(rv.ptr, NULL, 10) != s->rev)) {
        return err_set(err, ERR_CONFLICT, "the lease has been modified");
    }
    AUTO(buf_finish) struct buf text = {0};
    json_write(&text, obj);
    free(s->json);
    s->json = alloc_str(buf_str(&text));
    s->rev++;
    return s->fail_after ? err_set(err, s->fail_after, "no answer came") : answer(s, a, ret, err);
}

static int shelf_write(struct client *c, enum verb verb, const struct client_ref *r,
                       enum patch_type patch, yyjson_mut_val *obj, const struct client_options *o,
                       struct arena *a, yyjson_mut_doc **ret, struct err *err)
{
    struct shelf *s = shelf_of(c);
    (void)r;
    (void)patch;
    (void)o;
    if (s->before_write) {
        s->before_write(s->arg);
    }
    pthread_mutex_lock(&s->lock);
    int rc = put(s, verb, obj, a, ret, err);
    pthread_mutex_unlock(&s->lock);
    if (s->after_write) {
        s->after_write(s->arg);
    }
    return rc;
}

static const struct client_ops shelf_ops = {.get = shelf_get, .write = shelf_write};

static void shelf_init(struct shelf *s)
{
    *s = (struct shelf){.client = {&shelf_ops}};
    pthread_mutex_init(&s->lock, NULL);
}

static void shelf_finish(struct shelf *s)
{
    pthread_mutex_destroy(&s->lock);
    free(s->json);
}

static struct str holder_of(struct shelf *s, struct arena *a, int64_t *ret_moves)
{
    yyjson_mut_doc *d = NULL;
    assert_non_null(s->json);
    assert_int_equal(answer(s, a, &d, NULL), 0);
    const yyjson_mut_val *spec = json_get(d->root, "spec");
    *ret_moves = json_get_int(spec, "leaseTransitions", -1);
    return json_get_str(spec, "holderIdentity");
}

/* ---- candidates in a world of made-up time ---- */

struct world;

struct candidate {
    struct world *w;
    struct leader *leader;
    int64_t offset_ms; /* of its clock */
    int64_t permille;  /* its clock's speed */
    int64_t wall_us;   /* how wrong its time of day is */
    int64_t due_ms;    /* true time of its next step; while it is paused, of when that ends */
    bool stepping;
};

struct world {
    struct shelf shelf;
    int64_t now_ms; /* true time */
    unsigned seed;
    int64_t slow_ms; /* how long a write may take */
    unsigned faults; /* of a hundred writes, how many fail */
    struct candidate all[CANDIDATES];
    int born;
    int64_t led_ms, since_ms; /* how long somebody led; when that was last reckoned */
};

static unsigned random_below(struct world *w, unsigned n)
{
    w->seed = w->seed * 1103515245u + 12345u;
    return (w->seed >> 8) % n;
}

static int64_t own_ms(void *arg)
{
    const struct candidate *c = arg;
    return c->offset_ms + c->w->now_ms * c->permille / 1000;
}

static int64_t own_wall_us(void *arg)
{
    const struct candidate *c = arg;
    return INT64_C(1700000000000000) + c->w->now_ms * 1000 + c->wall_us;
}

static void check(struct world *w)
{
    int leading = 0;
    for (int i = 0; i < CANDIDATES; i++) {
        leading += w->all[i].leader && leader_term(w->all[i].leader) != 0;
    }
    assert_true(leading <= 1);
    w->led_ms += leading ? w->now_ms - w->since_ms : 0;
    w->since_ms = w->now_ms;
}

static void step_one(struct candidate *c)
{
    struct world *w = c->w;
    c->stepping = true;
    int64_t ms = leader_step(c->leader);
    c->stepping = false;
    c->due_ms = w->now_ms + ms * 1000 / c->permille;
    check(w);
}

/* Lets time pass; whoever is due takes his turn, whoever is in the middle of a step does not. */
static void pass(struct world *w, int64_t ms)
{
    int64_t end = w->now_ms + ms;
    while (w->now_ms < end) {
        struct candidate *next = NULL;
        for (int i = 0; i < CANDIDATES; i++) {
            struct candidate *c = &w->all[i];
            if (c->leader && !c->stepping && c->due_ms <= end &&
                (!next || c->due_ms < next->due_ms)) {
                next = c;
            }
        }
        int64_t at = next ? next->due_ms : end;
        w->now_ms = at > w->now_ms ? at : w->now_ms;
        check(w);
        if (!next) {
            return;
        }
        step_one(next);
    }
}

/* A write takes its time, before it is done and until its answer comes. */
static void delay(void *arg)
{
    struct world *w = arg;
    int stepping = 0;
    for (int i = 0; i < CANDIDATES; i++) {
        stepping += w->all[i].stepping;
    }
    if (stepping < CANDIDATES - 1 && w->slow_ms && random_below(w, 4) == 0) {
        pass(w, 1 + random_below(w, (unsigned)w->slow_ms));
    }
    bool fault = random_below(w, 100) < w->faults;
    w->shelf.fail = fault && random_below(w, 2) ? ERR_UNAVAILABLE : 0;
    w->shelf.fail_after = fault && !w->shelf.fail ? ERR_TIMEOUT : 0;
}

static void be_well(void *arg)
{
    struct world *w = arg;
    w->shelf.fail = w->shelf.fail_after = 0;
    if (w->slow_ms && random_below(w, 8) == 0) {
        delay(w);
    }
    w->shelf.fail = w->shelf.fail_after = 0;
}

static void be_born(struct world *w, struct candidate *c)
{
    const struct leader_clock clock = {own_ms, own_wall_us, c};
    char identity[32];
    snprintf(identity, sizeof(identity), "candidate-%d", w->born++);
    c->w = w;
    c->offset_ms = (int64_t)random_below(w, 1000000) * 1000;
    c->permille = 900 + random_below(w, 201); /* a tenth too slow to a tenth too fast */
    c->due_ms = w->now_ms + random_below(w, 2000);
    c->stepping = false;
    c->leader = leader_create(&(struct leader_options){.client = &w->shelf.client,
                                                       .ns = STR("ns"),
                                                       .name = STR("job"),
                                                       .identity = str_from(identity),
                                                       .clock = &clock});
}

static void world_init(struct world *w, unsigned seed)
{
    *w = (struct world){.seed = seed};
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    shelf_init(&w->shelf);
    w->shelf.before_write = delay;
    w->shelf.after_write = be_well;
    w->shelf.arg = w;
    for (int i = 0; i < CANDIDATES; i++) {
        be_born(w, &w->all[i]);
    }
}

static void world_finish(struct world *w)
{
    for (int i = 0; i < CANDIDATES; i++) {
        leader_destroy(w->all[i].leader);
    }
    shelf_finish(&w->shelf);
}

static struct candidate *leading(struct world *w)
{
    for (int i = 0; i < CANDIDATES; i++) {
        if (w->all[i].leader && leader_term(w->all[i].leader)) {
            return &w->all[i];
        }
    }
    return NULL;
}

/* ---- tests ---- */

static void test_one_leads(void **state)
{
    struct world w;
    struct arena a;
    int64_t moves = -1;
    (void)state;
    arena_init(&a, 0);
    world_init(&w, 1);
    pass(&w, 60 * 1000);
    struct candidate *c = leading(&w);
    assert_non_null(c);
    assert_true(str_starts(holder_of(&w.shelf, &a, &moves), STR("candidate-")));
    assert_int_equal(moves, 0);
    assert_int_equal(leader_term(c->leader), 1);
    pass(&w, HOUR_MS);
    assert_ptr_equal(leading(&w), c);
    assert_int_equal(leader_term(c->leader), 1);
    holder_of(&w.shelf, &a, &moves);
    assert_int_equal(moves, 0);
    world_finish(&w);
    arena_finish(&a);
}

/* Killed, the next one waits for the end of the lease; asked to go, it leaves the lease open. */
static void test_succession(void **state)
{
    struct world w;
    struct arena a;
    int64_t moves = 0;
    (void)state;
    arena_init(&a, 0);
    world_init(&w, 2);
    pass(&w, 5000);
    struct candidate *first = leading(&w);
    assert_non_null(first);
    leader_abandon(take(&first->leader));
    pass(&w, 12000); /* at least 15 s of a clock a tenth too fast, since its last renewal */
    assert_null(leading(&w));
    pass(&w, 8000);
    struct candidate *second = leading(&w);
    assert_non_null(second);
    leader_destroy(take(&second->leader));
    assert_int_equal(holder_of(&w.shelf, &a, &moves).len, 0);
    assert_int_equal(moves, 1);
    pass(&w, 2500); /* a try of the others */
    assert_non_null(leading(&w));
    holder_of(&w.shelf, &a, &moves);
    assert_int_equal(moves, 2);
    world_finish(&w);
    arena_finish(&a);
}

/* Who cannot renew stops before anybody else may begin, and begins anew after. */
static void test_store_away(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, 3);
    w.shelf.before_write = w.shelf.after_write = NULL;
    pass(&w, 5000);
    struct candidate *c = leading(&w);
    assert_non_null(c);
    w.shelf.fail = ERR_UNAVAILABLE;
    pass(&w, 6000);
    assert_ptr_equal(leading(&w), c);
    pass(&w, 6000);
    assert_null(leading(&w));
    w.shelf.fail = 0;
    pass(&w, 30000);
    c = leading(&w);
    assert_non_null(c);
    assert_true(leader_term(c->leader) > 0);
    /* one that slept is not to believe that it leads still, nor that it is the same term */
    uint64_t term = leader_term(c->leader);
    c->due_ms = w.now_ms + 12000;
    int64_t others = w.now_ms + 20000;
    for (int i = 0; i < CANDIDATES; i++) {
        w.all[i].due_ms = &w.all[i] == c ? c->due_ms : others;
    }
    pass(&w, 11500);
    assert_int_equal(leader_term(c->leader), 0);
    pass(&w, 1000);
    assert_int_equal(leader_term(c->leader), term + 1);
    world_finish(&w);
}

/* Somebody takes the lease by hand; the holder lets go of it at its next look. */
static void test_taken_by_hand(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, 4);
    pass(&w, 5000);
    assert_non_null(leading(&w));
    pthread_mutex_lock(&w.shelf.lock);
    free(w.shelf.json);
    w.shelf.json = alloc_strdup("{\"metadata\":{},\"spec\":{\"holderIdentity\":\"somebody\","
                                "\"leaseDurationSeconds\":60}}");
    w.shelf.rev++;
    pthread_mutex_unlock(&w.shelf.lock);
    pass(&w, 3000);
    assert_null(leading(&w));
    pass(&w, 50000); /* a minute of a clock a tenth too fast */
    assert_null(leading(&w));
    pass(&w, 25000);
    assert_non_null(leading(&w));
    world_finish(&w);
}

static void upset(struct world *w)
{
    struct candidate *c = &w->all[random_below(w, CANDIDATES)];
    switch (random_below(w, 6)) {
    case 0: /* killed, and perhaps another comes at once */
        if (c->leader) {
            leader_abandon(take(&c->leader));
        }
        be_born(w, c);
        break;
    case 1:
        if (c->leader) {
            leader_destroy(take(&c->leader));
        }
        be_born(w, c);
        break;
    case 2: /* stands still */
        c->due_ms += random_below(w, 40000);
        break;
    case 3:
        c->wall_us = ((int64_t)random_below(w, 2000000) - 1000000) * 100000; /* a day or so */
        break;
    case 4:
        w->faults = random_below(w, 60);
        break;
    default:
        w->slow_ms = random_below(w, 30000);
        break;
    }
    check(w);
}

static void test_never_two(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 60; seed++) {
        struct world w;
        world_init(&w, seed);
        for (int i = 0; i < 150; i++) {
            pass(&w, 1 + random_below(&w, 20000));
            upset(&w);
        }
        assert_true(w.led_ms > w.now_ms / 10);
        w.faults = 0;
        w.slow_ms = 0;
        pass(&w, 60 * 1000);
        assert_non_null(leading(&w));
        world_finish(&w);
    }
}

/* ---- with the system's clock and threads ---- */

struct hearing {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int n;
};

static void hear(void *arg)
{
    struct hearing *h = arg;
    pthread_mutex_lock(&h->lock);
    h->n++;
    pthread_cond_broadcast(&h->cond);
    pthread_mutex_unlock(&h->lock);
}

static void wait_heard(struct hearing *h, int n)
{
    pthread_mutex_lock(&h->lock);
    while (h->n < n) {
        pthread_cond_wait(&h->cond, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
}

static void test_threads(void **state)
{
    const struct leader_times times = {.lease = 60000, .renew = 40000, .retry = 10};
    struct hearing h = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct leader *l[3];
    struct shelf s;
    struct arena a;
    (void)state;
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    arena_init(&a, 0);
    shelf_init(&s);
    for (int i = 0; i < 3; i++) {
        l[i] = leader_create(&(struct leader_options){.client = &s.client,
                                                      .ns = STR("ns"),
                                                      .name = STR("job"),
                                                      .identity = leader_identity(&a),
                                                      .times = &times,
                                                      .changed = hear,
                                                      .arg = &h});
        assert_int_equal(leader_term(l[i]), 0);
    }
    leader_start(l[0]);
    wait_heard(&h, 1);
    assert_int_equal(leader_term(l[0]), 1);
    leader_start(l[1]);
    leader_start(l[2]);
    leader_destroy(l[0]);
    wait_heard(&h, 2);
    assert_int_equal((leader_term(l[1]) != 0) + (leader_term(l[2]) != 0), 1);
    int heir = leader_term(l[1]) ? 1 : 2;
    leader_destroy(l[heir]);
    wait_heard(&h, 3);
    assert_int_equal(leader_term(l[3 - heir]), 1);
    leader_destroy(l[3 - heir]);
    leader_destroy(NULL);
    shelf_finish(&s);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_leads),  cmocka_unit_test(test_succession),
        cmocka_unit_test(test_store_away), cmocka_unit_test(test_taken_by_hand),
        cmocka_unit_test(test_never_two),  cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
