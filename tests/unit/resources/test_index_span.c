/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of spans and of texts: the same answers whether the index is there or everything is
 * looked at, over many pages, from any place on. */
#include "tests/unit/resources/engine_world.h"

#include "base/limits.h"
#include "resources/index.h"
#include "resources/index_span.h"

#define TRIP_CRD                                                                                   \
    "{'metadata':{'name':'trips.example.com'},'spec':{'group':'example.com','scope':'Namespaced'," \
    "'names':{'plural':'trips','kind':'Trip'},'coracle':{'indexes':["                              \
    "{'name':'all','jsonPath':'.spec.from','endPath':'.spec.to'},"                                 \
    "{'name':'bus','jsonPath':'.spec.from','endPath':'.spec.to','byPath':'.spec.bus'},"            \
    "{'name':'stops','jsonPath':'.spec.stops[*]','each':true}]},'versions':[{"                     \
    "'name':'v1','served':true,'storage':true,"                                                    \
    "'fields':[{'label':'ends','jsonPath':'.spec.to','elsePath':'.spec.from',"                     \
    "'compare':'atLeast'},{'label':'begins','jsonPath':'.spec.from','compare':'atMost'}],"         \
    "'schema':{'openAPIV3Schema':{'type':'object','x-kubernetes-preserve-unknown-fields':true}}}]" \
    "}}"

static struct type *trips;
static const struct scope in_ns = {{"", 0}, {"ns", 2}};

static void define(void)
{
    struct err err = {0};
    if (index_define(f.engine, trips, &err)) {
        fail_msg("%s", err_message(&err));
    }
}

static int trips_setup(void **state)
{
    setup(state);
    trips = fixture_add_type(&f, TRIP_CRD, NULL);
    index_begin(f.store, f.registry);
    return 0;
}

static void trip_in(const char *ns, const char *name, const char *spec)
{
    char more[256];
    snprintf(more, sizeof(more), "},'spec':%s", spec);
    make(trips, ns, name, more);
}

static void trip(const char *name, const char *spec)
{
    trip_in("ns", name, spec);
}

struct seen {
    struct buf text;
    size_t n, most;
    int64_t begin;
    char name[64];
};

static int see(void *arg, int64_t begin, struct str name)
{
    struct seen *s = arg;
    assert_true(!s->n || begin < s->begin ||
                (begin == s->begin && str_cmp(name, str_from(s->name)) > 0));
    buf_printf(&s->text, "%.*s ", STR_FMT(name));
    s->n++;
    s->begin = begin;
    snprintf(s->name, sizeof(s->name), "%.*s", STR_FMT(name));
    return s->most && s->n == s->most ? 7 : 0;
}

static void expect_range(const char *index, struct index_range r, const char *want)
{
    struct seen s = {.n = 0};
    assert_int_equal(index_ranges(f.engine, trips, in_ns, str_from(index), &r, see, &s, NULL), 0);
    buf_addc(&s.text, '\0');
    assert_string_equal(s.text.ptr, want);
    buf_finish(&s.text);
}

static int see_text(void *arg, struct str text, int64_t count)
{
    struct buf *b = arg;
    buf_printf(b, "%.*s=%lld ", STR_FMT(text), (long long)count);
    return str_is(text, "stop") ? -77 : 0;
}

static void expect_texts(const char *prefix, const char *want)
{
    struct buf b = {0};
    assert_int_equal(
        index_texts(f.engine, trips, in_ns, STR("stops"), str_from(prefix), see_text, &b, NULL), 0);
    buf_addc(&b, '\0');
    assert_string_equal(b.ptr, want);
    buf_finish(&b);
}

static void make_trips(void)
{
    trip("a", "{'from':100,'to':200,'bus':'x','stops':['p','q','p']}");
    trip("b", "{'from':150,'bus':'x/1','stops':['q']}");
    trip("c", "{'from':150,'to':5,'bus':'','stops':[7,'pq']}");
    trip("d", "{'from':0,'to':9000000000000000000,'bus':'x'}");
    trip("none", "{'from':'soon','stops':'p'}");
    trip("minus", "{'from':-5,'to':5}");
    trip("half", "{'from':1.5}");
    trip_in("other", "e", "{'from':150,'bus':'x','stops':['q']}");
}

static void expect_trips(void)
{
    expect_range("all", (struct index_range){.to = INT64_MAX}, "b c a d ");
    expect_range("all", (struct index_range){.from = 4194405, .to = INT64_MAX}, "d ");
    expect_range("all", (struct index_range){.from = 0, .to = 99}, "d ");
    expect_range("all", (struct index_range){.to = 900, .at = 150, .after = STR("b")}, "c a d ");
    expect_range("all", (struct index_range){.to = 900, .at = 150, .after = STR("z")}, "a d ");
    expect_range("all", (struct index_range){.to = 900, .at = 120, .after = STR("b")}, "a d ");
    expect_range("all", (struct index_range){.to = 100, .at = 500, .after = STR("b")}, "a d ");
    expect_range("bus", (struct index_range){.by = STR("x"), .to = 900}, "a d ");
    expect_range("bus", (struct index_range){.by = STR("x/1"), .to = 900}, "b ");
    expect_range("bus", (struct index_range){.by = STR("/"), .to = 900}, "");
    expect_texts("", "q=2 pq=1 p=1 ");
    expect_texts("p", "pq=1 p=1 ");
    expect_texts("pqr", "");
}

static void test_with_the_index(void **state)
{
    (void)state;
    define();
    make_trips();
    assert_true(store_index_ready(f.store, STR("trips.example.com:all")));
    expect_trips();
}

static void test_without_it(void **state)
{
    (void)state;
    make_trips();
    expect_trips();
    define();
    assert_false(store_index_ready(f.store, STR("trips.example.com:all")));
    expect_trips();
}

static void test_the_visitor_ends_it(void **state)
{
    (void)state;
    define();
    for (int with = 0; with < 2; with++) {
        const struct index_range all = {.to = INT64_MAX};
        struct seen s = {.most = 2};
        struct buf b = {0};
        trip(with ? "more" : "one", "{'from':1,'stops':['go','stop','sto']}");
        trip(with ? "still" : "two", "{'from':1}");
        assert_int_equal(index_ranges(f.engine, trips, in_ns, STR("all"), &all, see, &s, NULL), 7);
        assert_int_equal(s.n, 2);
        assert_int_equal(
            index_texts(f.engine, trips, in_ns, STR("stops"), STR(""), see_text, &b, NULL), -77);
        assert_true(str_starts(buf_str(&b), STR("stop=")));
        buf_finish(&s.text);
        buf_finish(&b);
        assert_int_equal(store_index_drop(f.store, STR("trips.example.com:all"), NULL), 0);
        assert_int_equal(store_index_drop(f.store, STR("trips.example.com:stops"), NULL), 0);
    }
}

/* More than a page of each class, many at once, read whole and in pieces. */
static void test_many(void **state)
{
    enum { N = 1500, PIECE = 97 };
    const struct index_range all = {.to = INT64_MAX};
    struct index_range piece = all;
    struct seen whole = {.n = 0};
    size_t n = 0;
    int rc = 7;
    char name[16], spec[96];
    (void)state;
    define();
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "t%04d", i * 7 % N);
        snprintf(spec, sizeof(spec), "{'from':%d,'to':%lld}", i / 400,
                 i % 3 == 0 ? 0LL : (long long)i << (i % 5) * 8);
        trip(name, spec);
    }
    assert_int_equal(index_ranges(f.engine, trips, in_ns, STR("all"), &all, see, &whole, NULL), 0);
    assert_int_equal(whole.n, N);
    while (rc == 7) {
        struct seen s = {.most = PIECE};
        rc = index_ranges(f.engine, trips, in_ns, STR("all"), &piece, see, &s, NULL);
        assert_true(str_starts(str_skip(buf_str(&whole.text), 6 * n), buf_str(&s.text)));
        n += s.n;
        piece.at = s.begin;
        piece.after = arena_str(&a, str_from(s.name));
        buf_finish(&s.text);
    }
    assert_int_equal(n, N);
    buf_finish(&whole.text);
}

static void expect_selected(const char *selector, int64_t from, int64_t to, bool want)
{
    char text[96];
    yyjson_mut_doc *d = NULL;
    struct field_selector *s = NULL;
    snprintf(text, sizeof(text),
             to < 0 ? "{\"spec\":{\"from\":%lld}}" : "{\"spec\":{\"from\":%lld,\"to\":%lld}}",
             (long long)from, (long long)to);
    assert_int_equal(json_read(&a, arena_str(&a, str_from(text)), &d, NULL, NULL), 0);
    assert_int_equal(
        selector_parse_fields(&a, str_from(selector), trips, &trips->versions[0], &s, NULL), 0);
    assert_int_equal(selector_match_fields(s, yyjson_mut_doc_get_root(d)), want);
}

static void test_selectors_of_bounds(void **state)
{
    static const char *const bad[] = {"ends!=5",    "ends=",    "ends=x",
                                      "ends=5x",    "ends=-",   "begins=9223372036854775808",
                                      "begins=1.5", "begins= 5"};
    struct field_selector *s = NULL;
    (void)state;
    expect_selected("ends=10", 5, 10, true);
    expect_selected("ends=11", 5, 10, false);
    expect_selected("ends=5", 5, -1, true);
    expect_selected("ends=6", 5, -1, false);
    expect_selected("ends=-6", 5, -1, true);
    expect_selected("begins=4", 5, 10, false);
    expect_selected("begins=5,ends==9", 5, 10, true);
    expect_selected("begins=9223372036854775807", INT64_MAX, -1, true);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(
            selector_parse_fields(&a, str_from(bad[i]), trips, &trips->versions[0], &s, NULL),
            ERR_BAD_REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_with_the_index, trips_setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_it, trips_setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_visitor_ends_it, trips_setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, trips_setup, teardown),
        cmocka_unit_test_setup_teardown(test_selectors_of_bounds, trips_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
