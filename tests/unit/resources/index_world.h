/* SPDX-License-Identifier: Apache-2.0 */
/* A type with every kind of index on an engine over the memory store or sqlite's, and the same type
 * without them: what an index answers can be held against a look at every object. */
#ifndef TESTS_INDEX_WORLD_H
#define TESTS_INDEX_WORLD_H

#include <ftw.h>
#include <unistd.h>

#include "tests/unit/resources/engine_fixture.h"

#include "resources/index.h"
#include "resources/owners.h"

#define RIDE_HEAD                                                                                  \
    "{'metadata':{'name':'rides.example.com'},'spec':{'group':'example.com','scope':'Namespaced'," \
    "'names':{'plural':'rides','kind':'Ride'},"
#define RIDE_INDEXES                                                                               \
    "'coracle':{'indexes':["                                                                       \
    "{'name':'time','jsonPath':'.spec.from','endPath':'.spec.to'},"                                \
    "{'name':'bus','jsonPath':'.spec.from','endPath':'.spec.to','byPath':'.spec.bus'},"            \
    "{'name':'line','jsonPath':'.spec.line'},"                                                     \
    "{'name':'folder','jsonPath':'.metadata.annotations[\\\"x.io/folder\\\"]'},"                   \
    "{'name':'stops','jsonPath':'.spec.stops[*]','each':true}]},"
#define RIDE_VERSIONS                                                                              \
    "'versions':[" RIDE_VERSION("v1", "true") "," RIDE_VERSION("v2", "false") "]}}"
#define RIDE_VERSION(name_, storage_)                                                              \
    "{'name':'" name_ "','served':true,'storage':" storage_ ",'fields':["                          \
    "{'label':'ends','jsonPath':'.spec.to','elsePath':'.spec.from','compare':'atLeast'},"          \
    "{'label':'begins','jsonPath':'.spec.from','compare':'atMost'},"                               \
    "{'label':'bus','jsonPath':'.spec.bus'},{'label':'line','jsonPath':'.spec.line'},"             \
    "{'label':'folder','jsonPath':'.metadata.annotations.x\\\\.io/folder'},"                       \
    "{'label':'note','jsonPath':'.spec.note'}],"                                                   \
    "'additionalPrinterColumns':[{'name':'Line','type':'string','jsonPath':'.spec.line'}],"        \
    "'schema':{'openAPIV3Schema':{'type':'object','x-kubernetes-preserve-unknown-fields':true}}}"

struct index_world {
    struct fixture f;
    struct type *rides; /* in the registry */
    struct type *plain; /* the same without indexes: a reference */
    struct arena a;
    char dir[64]; /* "": the memory store */
    uint64_t random;
};

static inline int index_world_remove(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void index_world_begin(struct index_world *w, bool on_disk)
{
    struct store *store = NULL;
    struct err err = {0};
    int rc;
    if (on_disk) {
        if (!w->dir[0]) {
            snprintf(w->dir, sizeof(w->dir), "/tmp/coracle-index-XXXXXX");
            assert_non_null(mkdtemp(w->dir));
        }
        rc = store_open_sqlite(&(struct store_options){.dir = w->dir, .unsettled = true}, &store,
                               &err);
    } else {
        rc = store_open_memory(&(struct store_options){0}, &store, &err);
    }
    if (rc) {
        fail_msg("%s", err_message(&err));
    }
    fixture_open_on(&w->f, store);
    arena_init(&w->a, 0);
    w->rides = fixture_add_type(&w->f, RIDE_HEAD RIDE_INDEXES RIDE_VERSIONS, NULL);
    w->plain = fixture_make_type(RIDE_HEAD RIDE_VERSIONS, NULL);
    index_begin(store, w->f.registry);
}

static inline void index_world_end(struct index_world *w)
{
    type_unref(w->plain);
    arena_finish(&w->a);
    fixture_close(&w->f);
}

static inline void index_world_open(struct index_world *w, bool on_disk)
{
    *w = (struct index_world){.random = 88172645463325252u};
    index_world_begin(w, on_disk);
}

static inline void index_world_close(struct index_world *w)
{
    index_world_end(w);
    if (w->dir[0]) {
        nftw(w->dir, index_world_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static inline void index_world_define(struct index_world *w)
{
    struct err err = {0};
    if (index_define(w->f.engine, w->rides, &err)) {
        fail_msg("%s", err_message(&err));
    }
}

/* xorshift64: the same on every run. */
static inline unsigned pick(struct index_world *w, unsigned n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)(w->random % n);
}

/* A spec and annotations of any shape, most of them usual: what follows a name in metadata. */
static inline const char *random_ride(struct index_world *w, char *room, size_t size)
{
    static const char *const lines[] = {"'a'",  "'b'",    "'c'",  "'7'", "7",
                                        "true", "'true'", "null", "''",  "'-x'"};
    static const char *const buses[] = {"'x'", "'y'", "'5'", "5", "''", "'1:x/0'"};
    static const char *const odd[] = {"-5",   "1.5", "'soon'", "18446744073709551615",
                                      "null", "true"};
    char from[32], to[32];
    snprintf(from, sizeof(from), "%u", pick(w, 1000));
    snprintf(to, sizeof(to), "%llu",
             (unsigned long long)pick(w, 1200) << (pick(w, 4) ? 0 : pick(w, 45)));
    bool no_to = pick(w, 3) == 0;
    snprintf(room, size,
             "'annotations':{'x.io/folder':'%c'}},'spec':{'from':%s%s%s,'bus':%s,'line':%s,"
             "'note':'%c','stops':['p','%c']}",
             'f' + (char)pick(w, 4), pick(w, 12) ? from : odd[pick(w, 6)], no_to ? "" : ",'to':",
             no_to         ? ""
             : pick(w, 12) ? to
                           : odd[pick(w, 6)],
             buses[pick(w, 6)], lines[pick(w, 10)], 'n' + (char)pick(w, 2), 'p' + (char)pick(w, 3));
    return room;
}

/* A create or, where it is there, a replacement of the object; `more` as random_ride gives it. */
static inline void put_ride(struct index_world *w, struct arena *a, const char *ns,
                            const char *name, const char *more)
{
    char body[512];
    int rc = ERR_NOT_FOUND;
    snprintf(body, sizeof(body),
             "{'apiVersion':'example.com/v1','kind':'Ride','metadata':{'name':'%s',%s}", name,
             more);
    while (rc == ERR_NOT_FOUND) { /* another thread removed it in between */
        fixture_do(&w->f, a, VERB_CREATE, w->rides, ns, NULL, body, &rc);
        if (rc == ERR_EXISTS) {
            fixture_do(&w->f, a, VERB_PATCH, w->rides, ns, name, body, &rc);
        }
    }
    assert_int_equal(rc, 0);
}

static inline void remove_ride(struct index_world *w, struct arena *a, const char *ns,
                               const char *name)
{
    int rc;
    fixture_do(&w->f, a, VERB_DELETE, w->rides, ns, name, NULL, &rc);
    assert_true(rc == 0 || rc == ERR_NOT_FOUND);
}

/* One change of the n rides r000... in the namespace. */
static inline void change_rides(struct index_world *w, const char *ns, unsigned n)
{
    char name[16], more[512];
    struct arena a;
    arena_init(&a, 0);
    snprintf(name, sizeof(name), "r%03u", pick(w, n));
    if (pick(w, 4)) {
        put_ride(w, &a, ns, name, random_ride(w, more, sizeof(more)));
    } else {
        remove_ride(w, &a, ns, name);
    }
    arena_finish(&a);
}

/* A selector that an index may answer, or a mixture. */
static inline const char *random_selector(struct index_world *w, char *room, size_t size)
{
    static const char *const lines[] = {"a", "b", "7", "true", "", "-x", "zz"};
    static const char *const buses[] = {"x", "y", "5", "", "1:x/0"};
    int from = (int)pick(w, 1100) - 50, to = from + (int)pick(w, 200) - 20;
    switch (pick(w, 9)) {
    case 0:
        snprintf(room, size, "begins=%d", to);
        break;
    case 1:
        snprintf(room, size, "ends=%d", from);
        break;
    case 2:
        snprintf(room, size, "line=%s", lines[pick(w, 7)]);
        break;
    case 3:
        snprintf(room, size, "bus=%s", buses[pick(w, 5)]);
        break;
    case 4:
        snprintf(room, size, "bus=%s,ends=%d,begins=%d", buses[pick(w, 5)], from, to);
        break;
    case 5:
        snprintf(room, size, "folder=%c", 'e' + (char)pick(w, 6));
        break;
    case 6:
        snprintf(room, size, "ends=%d,begins=%d,note!=n", from, to);
        break;
    case 7:
        snprintf(room, size, "line!=%s,ends=%d", lines[pick(w, 7)], from);
        break;
    default:
        snprintf(room, size, "ends=%d,begins=%d", from, to);
        break;
    }
    return room;
}

#endif
