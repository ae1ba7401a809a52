/* SPDX-License-Identifier: Apache-2.0 */
/* Life of compiled schemas, what they tell about themselves, and walking them. */
#include "base/limits.h"
#include "tests/unit/schemas/support.h"

static const struct schema_node *at(const struct schema_node *n, const char *name)
{
    return schema_property(n, str_from(name));
}

static void test_nothing(void **state)
{
    (void)state;
    struct schema *s = NULL;
    assert_int_equal(schema_create(NULL, NULL, &s, NULL), 0);
    assert_false(schema_prunes(s));
    assert_false(schema_has_defaults(s));
    assert_false(schema_has_rules(s));
    yyjson_mut_doc *d = parse_doc("{'apiVersion':'v1','a':{'b':[null,1]},'c':null}");
    struct schema_unknown u = {.arena = &arena};
    struct causes c;
    causes_init(&c, &arena);
    schema_prune(s, d->root, &u);
    schema_default(s, d, d->root);
    schema_validate(s, d->root, NULL, &c);
    assert_json(d->root, "{'apiVersion':'v1','a':{'b':[null,1]},'c':null}");
    assert_int_equal(u.n, 0);
    assert_int_equal(c.n, 0);
    schema_unref(s);
    schema_unref(NULL);
}

static void test_references(void **state)
{
    (void)state;
    struct schema *s = create_props("'a':{'type':'string'}");
    struct schema *again = schema_ref(s);
    assert_ptr_equal(s, again);
    schema_unref(s);
    assert_true(str_is(schema_type(at(schema_root(again), "a")), "string"));
    schema_unref(again);
}

/* Equal sub-schemas share a node, descriptions apart. */
static void test_sharing(void **state)
{
    (void)state;
    struct schema *s = create_props(
        "'a':{'type':'object','description':'one','properties':{'x':{'type':'string','maxLength':3}"
        "}},"
        "'b':{'description':'two','properties':{'x':{'maxLength':3,'type':'string'}},'type':'"
        "object'},"
        "'c':{'type':'object','properties':{'x':{'type':'string','maxLength':4}}},"
        "'d':{'type':'object','properties':{'x':{'type':'string','maxLength':3,'default':'q'}}}");
    const struct schema_node *r = schema_root(s);
    assert_ptr_equal(at(r, "a"), at(r, "b"));
    assert_ptr_not_equal(at(r, "a"), at(r, "c"));
    assert_ptr_not_equal(at(r, "a"), at(r, "d"));
    schema_unref(s);
}

/* The definitions of the load test: 30 objects of 10 strings. */
static void test_small(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    for (int i = 0; i < 30; i++) {
        buf_printf(
            &b, "%s'field%d':{'type':'object','description':'Something long enough','properties':{",
            i ? "," : "", i);
        for (int j = 0; j < 10; j++) {
            buf_printf(&b, "%s'sub%d':{'type':'string','maxLength':200}", j ? "," : "", j);
        }
        buf_addz(&b, "}}");
    }
    buf_addc(&b, 0);
    struct schema *s = create_props(b.ptr);
    assert_in_range(schema_bytes(s), 1, 6000);
    schema_unref(s);
}

static uint64_t shape(const char *props)
{
    struct schema *s = create_props(props);
    uint64_t h = schema_shape(s);
    schema_unref(s);
    return h;
}

/* The shape is what pruning and defaulting do, and nothing else. */
static void test_shape(void **state)
{
    (void)state;
    uint64_t base = shape("'a':{'type':'string'},'b':{'type':'integer'}");
    assert_int_equal(base, shape("'b':{'type':'integer'},'a':{'type':'string'}"));
    assert_int_equal(base, shape("'a':{'type':'string','maxLength':3,'description':'d','enum':['x']"
                                 "},'b':{'type':'integer'}"));
    assert_int_not_equal(base, shape("'a':{'type':'string'}"));
    assert_int_not_equal(base, shape("'a':{'type':'string'},'c':{'type':'integer'}"));
    assert_int_not_equal(base, shape("'a':{'type':'string','default':'x'},'b':{'type':'integer'}"));
    assert_int_not_equal(shape("'a':{'type':'string','default':'x'}"),
                         shape("'a':{'type':'string','default':'y'}"));
    assert_int_not_equal(base,
                         shape("'a':{'type':'string','nullable':true},'b':{'type':'integer'}"));
    assert_int_not_equal(
        base, shape("'a':{'x-kubernetes-preserve-unknown-fields':true},'b':{'type':'integer'}"));
    assert_int_not_equal(shape("'a':{'type':'object','additionalProperties':{'type':'string'}}"),
                         shape("'a':{'type':'object','additionalProperties':true}"));
    assert_int_not_equal(
        shape(
            "'a':{'type':'array','items':{'type':'object','properties':{'x':{'type':'string'}}}}"),
        shape(
            "'a':{'type':'array','items':{'type':'object','properties':{'y':{'type':'string'}}}}"));
}

static void test_facts(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        bool prunes, defaults, rules;
    } cases[] = {
        {"{'type':'object'}", true, false, false},
        {"{'type':'object','x-kubernetes-preserve-unknown-fields':true}", false, false, false},
        {"{'type':'object','x-kubernetes-preserve-unknown-fields':true,'properties':{'a':{'type':'"
         "object'}}}",
         true, false, false},
        {"{'type':'object','x-kubernetes-preserve-unknown-fields':true,'properties':{'a':{"
         "'x-kubernetes-preserve-unknown-fields':true}}}",
         false, false, false},
        {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'integer','default':1}"
         "}}}",
         true, true, false},
        {"{'type':'object','properties':{'a':{'type':'integer','default':null}}}", true, false,
         false},
        {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'object','x-"
         "kubernetes-validations':[{'rule':"
         "'true'}]}}}}",
         true, false, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct schema *s = create_as(cases[i].schema, false);
        assert_int_equal(schema_prunes(s), cases[i].prunes);
        assert_int_equal(schema_has_defaults(s), cases[i].defaults);
        assert_int_equal(schema_has_rules(s), cases[i].rules);
        schema_unref(s);
    }
}

static void test_walk(void **state)
{
    (void)state;
    struct schema *s = create_props(
        "'spec':{'type':'object','properties':{"
        "'l':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k','p'],"
        "'items':{'type':'object',"
        "'properties':{'k':{'type':'string'}}}},"
        "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'integer'}},"
        "'m':{'type':'object','x-kubernetes-map-type':'atomic','additionalProperties':{'type':'"
        "boolean'}},"
        "'any':{'x-kubernetes-preserve-unknown-fields':true},'ios':{'x-kubernetes-int-or-string':"
        "true}}}");
    const struct schema_node *spec = at(schema_root(s), "spec"), *l = at(spec, "l");
    const struct str *keys;
    assert_int_equal(schema_list_type(l), SCHEMA_LIST_MAP);
    assert_int_equal(schema_list_keys(l, &keys), 2);
    assert_true(str_is(keys[0], "k") && str_is(keys[1], "p"));
    assert_true(str_is(schema_type(at(schema_items(l), "k")), "string"));
    assert_int_equal(schema_list_type(at(spec, "set")), SCHEMA_LIST_SET);
    assert_true(schema_map_atomic(at(spec, "m")));
    assert_false(schema_map_atomic(spec));
    assert_true(str_is(schema_type(at(at(spec, "m"), "whatever")), "boolean"));
    assert_true(schema_preserves(at(spec, "any")));
    assert_null(schema_type(at(spec, "any")).ptr);
    assert_null(schema_type(at(spec, "ios")).ptr);
    assert_null(at(spec, "nope"));
    assert_null(at(at(spec, "nope"), "deeper"));
    assert_null(schema_items(NULL));
    assert_int_equal(schema_list_keys(NULL, &keys), 0);
    assert_null(schema_patch_strategy(l).ptr);
    schema_unref(s);
}

static void test_meta(void **state)
{
    (void)state;
    const struct str *keys;
    struct schema *s = create_props(
        "'metadata':{'type':'object','properties':{'name':{'type':'string','maxLength':5}}},"
        "'e':{'type':'object','x-kubernetes-embedded-resource':true,"
        "'x-kubernetes-preserve-unknown-fields':true},'f':{'type':'object'}");
    const struct schema_node *r = schema_root(s), *meta = at(r, "metadata");
    assert_true(str_is(schema_type(at(r, "kind")), "string"));
    assert_int_equal(schema_list_type(at(meta, "finalizers")), SCHEMA_LIST_SET);
    assert_int_equal(schema_list_type(at(meta, "ownerReferences")), SCHEMA_LIST_MAP);
    assert_int_equal(schema_list_keys(at(meta, "ownerReferences"), &keys), 1);
    assert_true(str_is(keys[0], "uid"));
    assert_true(str_is(schema_patch_merge_key(at(meta, "ownerReferences")), "uid"));
    assert_true(str_is(schema_patch_strategy(at(meta, "finalizers")), "merge"));
    assert_ptr_equal(at(at(r, "e"), "metadata"), meta);
    assert_null(at(at(r, "f"), "metadata"));
    schema_unref(s);
}

static void test_patch_words(void **state)
{
    (void)state;
    const char *text =
        "{'type':'object','properties':{'a':{'type':'array','x-kubernetes-patch-strategy':'merge',"
        "'x-kubernetes-patch-merge-key':'name','items':{'type':'object'}}}}";
    struct schema *s = create_as(text, true);
    assert_true(str_is(schema_patch_strategy(at(schema_root(s), "a")), "merge"));
    assert_true(str_is(schema_patch_merge_key(at(schema_root(s), "a")), "name"));
    schema_unref(s);
    s = create_as(text, false); /* definitions have no say in it */
    assert_null(schema_patch_strategy(at(schema_root(s), "a")).ptr);
    schema_unref(s);
}

static char *nested(int depth)
{
    AUTO(buf_finish) struct buf b = {0};
    for (int i = 0; i < depth; i++) {
        buf_addz(&b, "{'type':'array','items':");
    }
    buf_addz(&b, "{'type':'string'}");
    for (int i = 0; i < depth; i++) {
        buf_addc(&b, '}');
    }
    buf_addc(&b, 0);
    return arena_strdup(&arena, b.ptr);
}

static void test_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "{'type':'string','pattern':'('}",   "{'properties':{'a':5}}",
        "{'items':{'properties':{'a':[]}}}", "{'anyOf':['x']}",
        "{'not':{'pattern':'['}}",           nested(LIMIT_SCHEMA_DEPTH + 1),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct schema *s = NULL;
        AUTO(err_finish) struct err err = {0};
        assert_int_equal(schema_create(parse(bad[i]), NULL, &s, &err), ERR_INVALID);
        assert_null(s);
        assert_non_null(err.message);
        assert_int_equal(schema_create(parse(bad[i]), NULL, &s, NULL), ERR_INVALID);
    }
    struct schema *s = create_as(nested(LIMIT_SCHEMA_DEPTH), false);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),     TEST(test_references), TEST(test_sharing), TEST(test_small),
        TEST(test_shape),       TEST(test_facts),      TEST(test_walk),    TEST(test_meta),
        TEST(test_patch_words), TEST(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
