/* SPDX-License-Identifier: Apache-2.0 */
/* Reading all of etcd's range: at start, and when history that the watch needed was compacted away.
 * At start it is read at a revision somewhat before the present, and the watch replays the rest, so
 * that clients that come back after a restart find what they missed. */
#include "storage/etcd_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/latch.h"
#include "base/log.h"

enum {
    REPLAY = 1000, /* revisions of history taken over at start */
    PAGE_LEAST = 1,
    PAGE_FIRST = 500,
    PAGE_MOST = 8000,
    PAGE_BYTES = 4 << 20,     /* a page is made larger while it is smaller than this */
    PAGE_BYTES_MAX = 1 << 30, /* one object's, at the very least */
    ATTEMPTS = 4,
    RELIST_WAIT_MS = 500,
};

/* ---- pages ---- */

struct entries {
    struct arena arena;
    struct store_entry *list;
    size_t n, cap;
};

static void entries_clear(struct entries *e)
{
    arena_finish(&e->arena);
    e->n = 0;
}

static void entries_finish(struct entries *e)
{
    arena_finish(&e->arena);
    free(e->list);
}

/* A walk over the range at one revision. */
struct pages {
    struct etcd_store *s;
    int64_t rev; /* 0: the present, which the first page sets */
    size_t limit;
    struct buf next; /* etcd's key, as bytes */
    bool more;
};

static void pages_begin(struct pages *p, struct etcd_store *s, int64_t rev)
{
    *p = (struct pages){.s = s, .rev = rev, .limit = PAGE_FIRST, .more = true};
    buf_add(&p->next, s->prefix);
}

static int take_kv(struct pages *p, yyjson_val *kv, struct entries *e, struct err *err)
{
    AUTO(buf_finish) struct buf key = {0};
    AUTO(buf_finish) struct buf value = {0};
    struct str key64 = etcd_str(kv, "key");
    bool barrier;
    p->next.len = 0;
    if (!crypto_unbase64(&p->next, key64) || !crypto_unbase64(&value, etcd_str(kv, "value"))) {
        return err_set(err, ERR_IO, "etcd's answer is no base64");
    }
    buf_addc(&p->next, 0);
    if (!etcd_unkey(p->s, key64, &key, &barrier)) {
        return 0;
    }
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 512;
        e->list = alloc_resize(e->list, e->cap * sizeof(*e->list));
    }
    buf_reserve(&key, 1);
    buf_reserve(&value, 1);
    e->list[e->n++] = (struct store_entry){
        .key = arena_str(&e->arena, buf_str(&key)),
        .value = arena_str(&e->arena, buf_str(&value)),
        .rev = etcd_int(kv, "mod_revision"),
        .create_rev = etcd_int(kv, "create_revision"),
    };
    return 0;
}

static int take_page(struct pages *p, yyjson_val *root, struct entries *e, struct err *err)
{
    yyjson_val *kv;
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(root, "kvs"));
    int code = 0;
    p->rev = p->rev ? p->rev : etcd_int(yyjson_obj_get(root, "header"), "revision");
    p->more = yyjson_get_bool(yyjson_obj_get(root, "more"));
    while (!code && (kv = yyjson_arr_iter_next(&it))) {
        code = take_kv(p, kv, e, err);
    }
    if (!code && e->arena.total < PAGE_BYTES && p->limit < PAGE_MOST) {
        p->limit *= 2;
    }
    return code;
}

/* ERR_EXPIRED: the revision was compacted. */
static int pages_next(struct pages *p, struct entries *e, struct err *err)
{
    AUTO(buf_finish) struct buf body = {0};
    yyjson_doc *d = NULL;
    buf_addz(&body, "{\"key\":\"");
    crypto_base64(&body, buf_str(&p->next));
    buf_printf(&body, "\",\"range_end\":\"%.*s\",\"revision\":\"%" PRId64 "\",\"limit\":\"%zu\"}",
               STR_FMT(buf_str(&p->s->all_end)), p->rev, p->limit);
    int code = etcd_ask(p->s, "/v3/kv/range", buf_str(&body), PAGE_BYTES_MAX, &d, err);
    if (code == ERR_TIMEOUT && p->limit > PAGE_LEAST) {
        p->limit = p->limit / 4 + 1;
        return pages_next(p, e, err);
    }
    code = code ? code : take_page(p, yyjson_doc_get_root(d), e, err);
    yyjson_doc_free(d);
    return code;
}

/* ---- what was compacted ---- */

struct floor_look {
    struct latch latch;
    int64_t rev;
};

static bool look_line(void *arg, struct str line)
{
    struct floor_look *f = arg;
    yyjson_doc *d = yyjson_read(line.ptr, line.len, 0);
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(d), "result");
    int64_t rev = etcd_int(result, "compact_revision");
    f->rev = rev ? rev : f->rev;
    bool more = !rev && yyjson_get_bool(yyjson_obj_get(result, "created"));
    yyjson_doc_free(d);
    return more;
}

static void look_done(void *arg, const struct httpc_answer *a)
{
    struct floor_look *f = arg;
    (void)a;
    latch_open(&f->latch);
}

/* The revision up to which etcd has been compacted, which it tells who watches from a lower one. 0:
 * unknown. */
static int64_t compacted_at(struct etcd_store *s, int64_t from)
{
    AUTO(buf_finish) struct buf body = {0};
    AUTO_FREE char *url = alloc_printf("%s/v3/watch", s->urls[atomic_load(&s->url)]);
    struct floor_look f = {.rev = 0};
    buf_printf(&body, "{\"create_request\":{\"key\":\"%.*s\",\"start_revision\":\"%" PRId64 "\"}}",
               STR_FMT(buf_str(&s->barrier)), from);
    const struct httpc_request r = {
        .method = "POST",
        .url = url,
        .body = buf_str(&body),
        .timeout_ms = ETCD_ATTEMPT_MS,
        .tls = &s->tls,
        .chunk = look_line,
        .lines = true,
        .done = look_done,
        .arg = &f,
    };
    latch_init(&f.latch);
    httpc_start(s->http, &r);
    latch_wait(&f.latch);
    return f.rev;
}

/* ---- at start ---- */

/* ERR_EXPIRED before anything was loaded: the first page finds out. */
static int load_at(struct etcd_store *s, int64_t rev, struct err *err)
{
    struct pages p;
    struct entries e = {.n = 0};
    arena_init(&e.arena, 0);
    pages_begin(&p, s, rev);
    int code = 0;
    while (p.more && !code) {
        code = pages_next(&p, &e, err);
        code = code ? code : mirror_load(s->mirror, e.list, e.n, err);
        entries_clear(&e);
    }
    /* Before the first revision there was nothing, and all of that can be read. */
    code = code ? code : mirror_loaded(s->mirror, rev, rev > STORE_FIRST_REVISION ? rev : 0, err);
    s->fed = s->applied = rev;
    buf_finish(&p.next);
    entries_finish(&e);
    return code;
}

int etcd_load(struct etcd_store *s, int64_t *ret_present, struct err *err)
{
    int64_t rev = 0;
    int code = etcd_present(s, &rev, err);
    if (code) {
        return code;
    }
    *ret_present = rev;
    int64_t from = rev > REPLAY ? rev - REPLAY : STORE_FIRST_REVISION;
    for (int i = 0; i < ATTEMPTS; i++) {
        AUTO(err_finish) struct err why = {0};
        code = load_at(s, from, &why);
        if (code != ERR_EXPIRED || i + 1 == ATTEMPTS) {
            return code ? err_move(err, &why) : 0;
        }
        int64_t floor = compacted_at(s, from);
        from = floor > from ? floor : rev;
        code = i ? etcd_present(s, &from, err) : 0;
        if (code) {
            return code;
        }
    }
    return code;
}

/* ---- the difference ---- */

struct key_rev {
    struct str key;
    int64_t rev;
};

struct keys {
    struct arena arena;
    struct key_rev *list;
    size_t n, cap, at;
};

static int keep_key(void *arg, const struct store_entry *e)
{
    struct keys *k = arg;
    if (k->n == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 1024;
        k->list = alloc_resize(k->list, k->cap * sizeof(*k->list));
    }
    struct str key = arena_str(&k->arena, e->key);
    k->list[k->n++] = (struct key_rev){key, e->rev};
    return 0;
}

/* What is to be fed, by revision. */
struct difference {
    struct etcd_store *s;
    struct etcd_change **list;
    size_t n, cap;
    int64_t rev; /* of etcd when it was read */
};

static void add_change(struct difference *d, int64_t rev, struct str key, struct str value,
                       bool deleted)
{
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 64;
        d->list = alloc_resize(d->list, d->cap * sizeof(struct etcd_change *));
    }
    struct etcd_change *c = etcd_change_create(d->s, rev);
    struct store_op op = {
        .kind = deleted ? STORE_OP_DELETE : STORE_OP_PUT,
        .key = arena_str(&c->arena, key),
        .value = deleted ? NULL : blob_create(value),
    };
    etcd_change_terms(c, &op);
    etcd_change_add(c, op);
    d->list[d->n++] = c;
}

/* Keys of the mirror before `key` (STR_NULL: all that are left) are no longer there. */
static void gone_before(struct difference *d, struct keys *k, struct str key)
{
    while (k->at < k->n && (!key.ptr || str_cmp(k->list[k->at].key, key) < 0)) {
        add_change(d, d->rev, k->list[k->at++].key, STR_NULL, true);
    }
}

static void compare_entry(struct difference *d, struct keys *k, const struct store_entry *e)
{
    gone_before(d, k, e->key);
    bool known = k->at < k->n && str_eq(k->list[k->at].key, e->key);
    int64_t was = known ? k->list[k->at++].rev : 0;
    if (was == e->rev) {
        return;
    }
    if (known && e->create_rev > was) {
        /* It went and came again; when it went is no longer known. */
        add_change(d, e->create_rev - 1, e->key, STR_NULL, true);
    }
    add_change(d, e->rev, e->key, e->value, false);
}

static int find_difference(struct difference *d, struct keys *k, struct err *err)
{
    struct pages p;
    struct entries e = {.n = 0};
    int64_t at;
    const struct store_range all = {.keys_only = true};
    int code = store_range(d->s->local, &all, keep_key, k, &at, NULL, err);
    arena_init(&e.arena, 0);
    pages_begin(&p, d->s, 0);
    while (p.more && !code) {
        code = pages_next(&p, &e, err);
        d->rev = p.rev;
        for (size_t i = 0; i < e.n && !code; i++) {
            compare_entry(d, k, &e.list[i]);
        }
        entries_clear(&e);
    }
    if (!code) {
        gone_before(d, k, STR_NULL);
    }
    buf_finish(&p.next);
    entries_finish(&e);
    return code;
}

static int by_revision(const void *a, const void *b)
{
    const struct etcd_change *x = *(struct etcd_change *const *)a;
    const struct etcd_change *y = *(struct etcd_change *const *)b;
    return x->rev < y->rev ? -1 : x->rev > y->rev;
}

/* Changes of one revision become one. */
static void merge(struct etcd_change *into, struct etcd_change *c)
{
    for (size_t i = 0; i < c->txn.n_ops; i++) {
        struct store_op op = c->ops[i];
        op.key = arena_str(&into->arena, op.key);
        op.terms = NULL;
        op.n_terms = 0;
        blob_ref(op.value);
        etcd_change_terms(into, &op);
        etcd_change_add(into, op);
    }
    etcd_change_free(c);
}

void etcd_difference_free(struct etcd_store *s)
{
    struct difference *d = s->difference;
    for (size_t i = 0; d && d->list && i < d->n; i++) {
        etcd_change_free(d->list[i]);
    }
    if (d) {
        free(d->list);
    }
    free(d);
    s->difference = NULL;
}

static void feed_difference(void *arg)
{
    struct difference *d = arg;
    struct etcd_store *s = d->s;
    for (size_t i = 0; i < d->n;) {
        struct etcd_change *c = d->list[i++];
        while (i < d->n && d->list[i]->rev == c->rev) {
            merge(c, d->list[i++]);
        }
        etcd_feed(c);
    }
    /* What lies between was not seen as it was. */
    struct etcd_change *last = etcd_change_create(s, d->rev > s->fed ? d->rev : s->fed);
    last->floor = last->rev;
    etcd_feed(last);
    pthread_mutex_lock(&s->lock);
    s->relisting = false;
    pthread_mutex_unlock(&s->lock);
    free(d->list);
    d->list = NULL;
    etcd_difference_free(s);
    etcd_watch(s);
}

static bool is_closing(struct etcd_store *s)
{
    pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    pthread_mutex_unlock(&s->lock);
    return closing;
}

/* Once the mirror has all that it was given. */
static void await_mirror(struct etcd_store *s, int64_t rev)
{
    pthread_mutex_lock(&s->lock);
    while (s->applied < rev && !s->closing) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

static bool relist_once(struct difference *d)
{
    AUTO(err_finish) struct err err = {0};
    struct keys k = {.n = 0};
    arena_init(&k.arena, 0);
    int code = find_difference(d, &k, &err);
    arena_finish(&k.arena);
    free(k.list);
    if (code) {
        etcd_trouble(d->s, code, err_message(&err));
        for (size_t i = 0; i < d->n; i++) {
            etcd_change_free(d->list[i]);
        }
        d->n = 0;
        return false;
    }
    if (d->n) {
        qsort(d->list, d->n, sizeof(struct etcd_change *), by_revision);
    }
    log_warn("etcd's history was compacted before it was seen: the difference was read",
             LOG_I("revision", d->rev), LOG_I("changes", d->n));
    return true;
}

static void *relist_main(void *arg)
{
    struct etcd_store *s = arg;
    struct difference *d = ALLOC(struct difference);
    d->s = s;
    s->difference = d;
    await_mirror(s, s->fed);
    while (!is_closing(s)) {
        if (relist_once(d)) {
            httpc_later(s->http, 0, feed_difference, d);
            return NULL;
        }
        struct timespec wait = {.tv_nsec = RELIST_WAIT_MS * 1000000L};
        nanosleep(&wait, NULL);
    }
    return NULL;
}

void etcd_relist(struct etcd_store *s)
{
    pthread_mutex_lock(&s->lock);
    bool begin = !s->relisting && !s->closing;
    s->relisting = s->relisting || begin;
    pthread_mutex_unlock(&s->lock);
    if (!begin) {
        return;
    }
    if (s->relister_made) {
        pthread_join(s->relister, NULL);
    }
    s->relister_made = !pthread_create(&s->relister, NULL, relist_main, s);
    if (!s->relister_made) {
        pthread_mutex_lock(&s->lock);
        s->relisting = false; /* the next watch asks again */
        pthread_mutex_unlock(&s->lock);
    }
}
