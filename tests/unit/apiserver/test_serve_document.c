/* SPDX-License-Identifier: Apache-2.0 */
/* Documents made on the pool, cached, streamed, compressed. */
#include "apiserver/document_cache.h"

#include "tests/unit/apiserver/probe.h"

/* ---- the pool ---- */

static _Atomic int builds;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int slow_build(const struct document_source *s, struct document **ret, struct err *err)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    atomic_fetch_add(&builds, 1);
    if (str_is(s->group, "fails")) {
        return err_set(err, ERR_NOT_FOUND, "gone");
    }
    struct str body = str_is(s->group, "big") ? STR_NULL : s->group;
    AUTO(buf_finish) struct buf b = {0};
    buf_add(&b, body);
    for (int i = 0; !body.ptr && i < 200000; i++) {
        buf_printf(&b, "line %d\n", i * 7919 % 100003);
    }
    *ret = document_of(buf_str(&b), 5);
    return 0;
}

static struct document_query slow_query(const char *group)
{
    return (struct document_query){.key = str_from(group),
                                   .edition = 5,
                                   .build = slow_build,
                                   .group = str_from(group),
                                   .on_pool = true,
                                   .content_type = STR("application/json"),
                                   .etag = true};
}

static void test_many_wait_for_one(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(1 << 20);
    struct probe *p[20];
    atomic_store(&builds, 0);
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < 20; i++) {
        struct document_query q = slow_query("body");
        p[i] = probe_create("GET", ROUTE_APIS, "/");
        document_serve(&p[i]->call, k, &q);
        assert_false(p[i]->finished);
    }
    pthread_mutex_unlock(&gate);
    run_posts(20);
    assert_int_equal(atomic_load(&builds), 1);
    for (size_t i = 0; i < 20; i++) {
        assert_text(buf_str(&p[i]->body), "body");
        probe_destroy(p[i]);
    }
    struct document_query q = slow_query("body"); /* from the cache, at once */
    struct probe *later = probe_create("GET", ROUTE_APIS, "/");
    document_serve(&later->call, k, &q);
    assert_text(buf_str(&later->body), "body");
    probe_destroy(later);
    assert_int_equal(atomic_load(&builds), 1);
    document_cache_destroy(k);
}

static void test_failure_is_told_to_all(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(1 << 20);
    struct document_query q = slow_query("fails");
    struct probe *a = probe_create("GET", ROUTE_APIS, "/"),
                 *b = probe_create("GET", ROUTE_APIS, "/");
    pthread_mutex_lock(&gate);
    document_serve(&a->call, k, &q);
    document_serve(&b->call, k, &q);
    pthread_mutex_unlock(&gate);
    run_posts(2);
    assert_int_equal(a->err.code, ERR_NOT_FOUND);
    assert_int_equal(b->err.code, ERR_NOT_FOUND);
    assert_int_equal(document_cache_bytes(k), 0);
    probe_destroy(a);
    probe_destroy(b);
    document_cache_destroy(k);
}

/* ---- streams ---- */

static struct probe *stream(struct document_cache *k, const char *encoding)
{
    struct document_query q = slow_query("big");
    struct probe *p = probe_create("GET", ROUTE_APIS, "/");
    q.on_pool = false;
    if (encoding) {
        ask_with(p, "accept-encoding", encoding);
    }
    document_serve(&p->call, k, &q);
    assert_true(p->streaming);
    assert_false(p->finished);
    return p;
}

static void test_large_is_streamed(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(8 << 20);
    struct probe *p = stream(k, NULL);
    while (!p->ended) {
        p->ready(p->ready_arg, &p->http);
    }
    struct document *d = document_cache_find(k, STR("big"), 5);
    assert_int_equal(p->body.len, d->plain_len);
    assert_int_equal(p->call.bytes, d->plain_len);
    assert_true(p->sends > 10);
    assert_null(header_of(p, "content-encoding").ptr);
    assert_text(header_of(p, "vary"), "Accept-Encoding");
    assert_null(p->on_gone);
    probe_destroy(p);
    p = stream(k, "gzip");
    while (!p->ended) {
        p->ready(p->ready_arg, &p->http);
    }
    struct blob *gz = document_gzip(d);
    assert_true(str_eq(blob_str(gz), buf_str(&p->body)));
    assert_text(header_of(p, "content-encoding"), "gzip");
    blob_unref(gz);
    document_unref(d);
    probe_destroy(p);
    document_cache_destroy(k);
}

static void test_peer_leaves_a_stream(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(8 << 20);
    static const char *const encodings[] = {NULL, "gzip"};
    for (size_t i = 0; i < 2; i++) {
        struct probe *p = stream(k, encodings[i]);
        p->ready(p->ready_arg, &p->http);
        p->on_gone(p->gone_arg, &p->http);
        assert_true(p->finished);
        probe_destroy(p);
    }
    document_cache_destroy(k);
}

static void test_nobody_wants_the_body(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(8 << 20);
    for (int i = 0; i < 2; i++) {
        struct document_query q = slow_query("big");
        struct probe *p = probe_create(i ? "GET" : "HEAD", ROUTE_APIS, "/");
        p->gone = i;
        q.on_pool = false;
        document_serve(&p->call, k, &q);
        assert_int_equal(p->status, 200);
        assert_true(p->finished);
        assert_int_equal(p->sends, 0);
        assert_true(header_of(p, "etag").len);
        probe_destroy(p);
    }
    document_cache_destroy(k);
}

/* ---- the table ---- */

static void test_oldest_go_first(void **state)
{
    (void)state;
    struct document_cache *k = document_cache_create(3 * 6000);
    char body[5000];
    memset(body, 'x', sizeof(body));
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        struct document *d = document_of(str_make(body, sizeof(body)), i);
        document_cache_put(k, str_from(keys[i]), d);
        document_unref(d);
        struct document *a = document_cache_find(k, STR("a"), 0); /* keeps it young */
        assert_non_null(a);
        document_unref(a);
    }
    assert_null(document_cache_find(k, STR("b"), 1));
    assert_null(document_cache_find(k, STR("c"), 1)); /* there, but another edition */
    struct document *c = document_cache_find(k, STR("c"), 2),
                    *d = document_cache_find(k, STR("d"), 3);
    assert_true(c && d);
    assert_true(document_cache_bytes(k) <= 3 * 6000);
    document_unref(c);
    document_unref(d);
    struct document *again = document_of(STR("small"), 9); /* replaces */
    document_cache_put(k, STR("d"), again);
    assert_true(document_cache_bytes(k) < 2 * 6000);
    document_unref(again);
    document_cache_destroy(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBED(test_many_wait_for_one),     PROBED(test_failure_is_told_to_all),
        PROBED(test_large_is_streamed),     PROBED(test_peer_leaves_a_stream),
        PROBED(test_nobody_wants_the_body), PROBED(test_oldest_go_first),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
