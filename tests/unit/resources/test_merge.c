/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/resources/typed_fixture.h"

#include <time.h>

#define SCHEMA                                                                                     \
    "{'type':'object','properties':{'spec':{'type':'object','properties':{"                        \
    "'a':{'type':'string'},'b':{'type':'string'},"                                                 \
    "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"             \
    "'map':{'type':'object','additionalProperties':{'type':'string'}}}},"                          \
    "'status':{'type':'object','properties':{'s':{'type':'string'}}}}}"

struct world {
    struct merge m;
    struct ownership o;
    yyjson_mut_val *live;
    const struct schema_node *schema;
    struct fieldset *reset;
};

static bool schema_in(void *arg, struct str version, const struct schema_node **ret)
{
    struct world *w = arg;
    *ret = w->schema;
    return !str_is(version, "gone");
}

static int convert(void *arg, const yyjson_mut_val *obj, struct str version, yyjson_mut_val **ret,
                   struct err *err)
{
    (void)err;
    struct world *w = arg;
    *ret = json_copy(w->m.doc, obj);
    json_set_str(w->m.doc, *ret, "apiVersion", version);
    return 0;
}

static const struct fieldset *reset(void *arg, struct str version)
{
    (void)version;
    return ((struct world *)arg)->reset;
}

static struct world world(const char *schema)
{
    struct world w = {.schema = schema_of(schema)};
    w.m = (struct merge){.arena = &arena,
                         .doc = doc,
                         .api_version = STR("v1"),
                         .schema = schema_in,
                         .convert = convert,
                         .reset = reset,
                         .strip = fieldset_of_names(&arena, "apiVersion", NULL)};
    return w;
}

static struct owner owner(const char *name, bool applied)
{
    return (struct owner){.manager = str_from(name), .api_version = STR("v1"), .applied = applied};
}

static void apply(struct world *w, const char *name, const char *obj, bool force)
{
    AUTO(err_finish) struct err err = {0};
    struct owner who = owner(name, true);
    yyjson_mut_val *v = NULL;
    w->m.arg = w;
    if (merge_apply(&w->m, w->live, parse(obj), &who, force, &w->o, &v, &err) != 0) {
        fail_msg("%s", err_message(&err));
    }
    w->live = v ? v : w->live;
}

static void update(struct world *w, const char *name, const char *obj)
{
    AUTO(err_finish) struct err err = {0};
    struct owner who = owner(name, false);
    w->m.arg = w;
    yyjson_mut_val *v = parse(obj);
    if (merge_update(&w->m, w->live, v, &who, &w->o, &err) != 0) {
        fail_msg("%s", err_message(&err));
    }
    w->live = v;
}

static void owns(struct world *w, const char *name, bool applied, const char *want)
{
    struct owner who = owner(name, applied), *o = ownership_find(&w->o, &who);
    if (!o && want) {
        fail_msg("%s owns nothing", name);
    } else if (o && !want) {
        fail_msg("%s owns %s", name, json_of(fieldset_write(o->fields, doc)));
    } else if (o) {
        assert_set(o->fields, want);
    }
}

static void updates_take(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    update(&w, "one", "{'spec':{'a':'1','set':['x']}}");
    owns(&w, "one", false, "{'f:spec':{'.':{},'f:a':{},'f:set':{'.':{},'v:\\'x\\'':{}}}}");
    update(&w, "two", "{'spec':{'a':'2','set':['x','y']}}");
    owns(&w, "one", false, "{'f:spec':{'.':{},'f:set':{'.':{},'v:\\'x\\'':{}}}}");
    owns(&w, "two", false, "{'f:spec':{'f:a':{},'f:set':{'v:\\'y\\'':{}}}}");
    assert_true(w.o.items[0].changed && w.o.items[1].changed);
    update(&w, "two", "{'spec':{'a':'3','set':['x','y']}}");
    owns(&w, "two", false, "{'f:spec':{'f:a':{},'f:set':{'v:\\'y\\'':{}}}}");
    assert_true(!w.o.items[0].changed && w.o.items[1].changed);
    struct fieldset *before = w.o.items[0].fields;
    update(&w, "two", "{'spec':{'a':'3','set':['x','y']}}");
    assert_true(!w.o.items[0].changed && !w.o.items[1].changed);
    assert_ptr_equal(w.o.items[0].fields, before);
    update(&w, "three", "{}");
    assert_int_equal(w.o.n, 0);
}

static void applies(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    apply(&w, "one", "{'spec':{'a':'1','set':['x','y']}}", false);
    owns(&w, "one", true, "{'f:spec':{'f:a':{},'f:set':{'v:\\'x\\'':{},'v:\\'y\\'':{}}}}");
    assert_json(w.live, "{'spec':{'a':'1','set':['x','y']}}");
    apply(&w, "two", "{'spec':{'b':'2','set':['y','z']}}", false);
    assert_json(w.live, "{'spec':{'a':'1','set':['x','y','z'],'b':'2'}}");
    apply(&w, "one", "{'spec':{'set':['z']}}", false);
    assert_json(w.live, "{'spec':{'set':['y','z'],'b':'2'}}");
    owns(&w, "one", true, "{'f:spec':{'f:set':{'v:\\'z\\'':{}}}}");
    owns(&w, "two", true, "{'f:spec':{'f:b':{},'f:set':{'v:\\'y\\'':{},'v:\\'z\\'':{}}}}");
    apply(&w, "one", "{}", false);
    owns(&w, "one", true, NULL);
    apply(&w, "two", "{}", false);
    assert_int_equal(w.o.n, 0);
}

static void a_noop_changes_nothing(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    apply(&w, "one", "{'spec':{'a':'1'}}", false);
    assert_true(w.o.items[0].changed);
    struct owner who = owner("one", true);
    yyjson_mut_val *v = parse("{}");
    assert_int_equal(
        merge_apply(&w.m, w.live, parse("{'spec':{'a':'1'}}"), &who, false, &w.o, &v, NULL), 0);
    assert_null(v);
    assert_false(w.o.items[0].changed);
    who.manager = STR("other");
    assert_int_equal(
        merge_apply(&w.m, w.live, parse("{'spec':{'a':'1'}}"), &who, false, &w.o, &v, NULL), 0);
    assert_null(v);
    assert_int_equal(w.o.n, 2);
}

static void refused(struct world *w, const char *name, const char *obj, const char *message,
                    size_t causes)
{
    AUTO(err_finish) struct err err = {0};
    struct owner who = owner(name, true);
    yyjson_mut_val *v = NULL;
    w->m.arg = w;
    struct ownership before = w->o;
    int code = merge_apply(&w->m, w->live, parse(obj), &who, false, &w->o, &v, &err);
    assert_int_equal(code, ERR_CONFLICT);
    assert_string_equal(err.message, quoted(message));
    assert_int_equal(err.n_causes, causes);
    assert_string_equal(err.causes[0].reason, "FieldManagerConflict");
    assert_memory_equal(&before, &w->o, sizeof(before));
}

static void conflicts(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    apply(&w, "one", "{'spec':{'a':'1'}}", false);
    refused(&w, "two", "{'spec':{'a':'2'}}",
            "Apply failed with 1 conflict: conflict with 'one': .spec.a", 1);
    update(&w, "zwei", "{'spec':{'a':'1','b':'3'}}");
    refused(&w, "two", "{'spec':{'a':'2','b':'2'}}",
            "Apply failed with 2 conflicts: conflicts with 'one':\n- .spec.a\n"
            "conflicts with 'zwei' using v1:\n- .spec.b",
            2);
    apply(&w, "two", "{'spec':{'a':'2'}}", true);
    owns(&w, "one", true, NULL);
    owns(&w, "two", true, "{'f:spec':{'f:a':{}}}");
    assert_json(w.live, "{'spec':{'a':'2','b':'3'}}");
}

static void resets(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    w.reset = fieldset_of_names(&arena, "status", NULL);
    apply(&w, "one", "{'spec':{'a':'1'},'status':{'s':'x'}}", false);
    owns(&w, "one", true, "{'f:spec':{'f:a':{}}}");
    update(&w, "two", "{'spec':{'a':'2'},'status':{'s':'y'}}");
    owns(&w, "two", false, "{'f:spec':{'f:a':{}}}");
}

static void versions(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    apply(&w, "one", "{'apiVersion':'v1','spec':{'a':'1','b':'1'}}", false);
    w.o.items[0].api_version = STR("v2");
    apply(&w, "one", "{'apiVersion':'v1','spec':{'a':'1'}}", false);
    assert_json(w.live, "{'apiVersion':'v1','spec':{'a':'1'}}");
    owns(&w, "one", true, "{'f:spec':{'f:a':{}}}");
    w.o.items[0].api_version = STR("gone");
    update(&w, "two", "{'apiVersion':'v1','spec':{'a':'1','b':'2'}}");
    assert_int_equal(w.o.n, 1);
    owns(&w, "two", false, "{'f:spec':{'f:b':{}}}");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct world w = world(SCHEMA);
    AUTO(err_finish) struct err err = {0};
    struct owner who = owner("one", true);
    yyjson_mut_val *v = NULL;
    w.m.arg = &w;
    assert_int_equal(
        merge_apply(&w.m, NULL, parse("{'spec':{'a':1}}"), &who, false, &w.o, &v, &err),
        ERR_INVALID);
    assert_int_equal(merge_update(&w.m, NULL, parse("{'spec':[]}"), &who, &w.o, &err), ERR_INVALID);
    assert_string_equal(err.message, ".spec: expected map, got &{[]}");
    assert_int_equal(
        merge_apply(&w.m, parse("{'spec':7}"), parse("{}"), &who, false, &w.o, &v, &err),
        ERR_INTERNAL);
}

/* ---- long maps and sets ---- */

/* n entries; the second form in another order and with one value changed or added. */
static yyjson_mut_val *long_object(bool set, int n, bool second)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, set ? "{'spec':{'set':[" : "{'spec':{'map':{");
    for (int i = 0; i < n; i++) {
        int at = second ? (int)((long)i * 7919 % n) : i;
        buf_printf(&b, set ? "%s'name-%d'" : "%s'name-%d':'%c'", i ? "," : "", at,
                   second && at == 5 ? 'b' : 'a');
    }
    buf_addz(&b, second && set ? ",'more'" : "");
    buf_addz(&b, set ? "]}}" : "}}}");
    buf_addc(&b, '\0');
    return parse(b.ptr);
}

/* Seconds of processor time of an update and an apply. */
static double cost(bool set, int n)
{
    struct world w = world(SCHEMA);
    yyjson_mut_val *one = long_object(set, n, false), *two = long_object(set, n, true), *v = NULL;
    struct owner who = owner("one", true), other = owner("two", false);
    w.m.arg = &w;
    assert_int_equal(merge_apply(&w.m, NULL, one, &who, false, &w.o, &v, NULL), 0);
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    assert_int_equal(merge_update(&w.m, one, two, &other, &w.o, NULL), 0);
    assert_int_equal(merge_apply(&w.m, two, one, &who, true, &w.o, &v, NULL), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    assert_int_equal(w.o.n, set ? 2 : 1);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void long_containers_cost_no_more_than_their_length(void **state)
{
    (void)state;
    for (int set = 0; set < 2; set++) {
        double best = 1e9;
        for (int attempt = 0; attempt < 5 && best > 40; attempt++) {
            double few = cost(set, 1000), many = cost(set, 16000);
            best = many / few < best ? many / few : best;
        }
        if (best > 40) { /* 16 times the entries; were it quadratic, 256 times */
            fail_msg("16 times the entries cost %.0f times as much", best);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(updates_take),
        TEST(applies),
        TEST(a_noop_changes_nothing),
        TEST(conflicts),
        TEST(resets),
        TEST(versions),
        TEST(what_does_not_fit_is_refused),
        TEST(long_containers_cost_no_more_than_their_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
