/* SPDX-License-Identifier: Apache-2.0 */
/* Pruning: what goes, what stays, and how unknown fields are named. */
#include "base/limits.h"
#include "tests/unit/schemas/support.h"

static const struct {
    const char *props, *object, *want, *unknown;
} cases[] = {
    {"'a':{'type':'string'}", "{'apiVersion':'v1','kind':'K','metadata':{'x':1},'a':'x'}",
     "{'apiVersion':'v1','kind':'K','metadata':{'x':1},'a':'x'}", ""},
    {"'a':{'type':'string'}", "{'zz':1,'a':'x','b':{'c':1}}", "{'a':'x'}", "b, zz"},
    {"'o':{'type':'object','properties':{'p':{'type':'string'}}},"
     "'l':{'type':'array','items':{'type':'object','properties':{'q':{'type':'string'}}}}",
     "{'o':{'p':'','z':{'deep':1}},'l':[{'q':''},{'z':1,'q':''}]}",
     "{'o':{'p':''},'l':[{'q':''},{'q':''}]}", "l[1].z, o.z"},
    /* a value of the wrong type is emptied, too */
    {"'a':{'type':'string'}", "{'a':{'b':1}}", "{'a':{}}", "a.b"},
    {"'a':{'type':'array','items':{'type':'string'}}", "{'a':[[{'b':1}],{'c':1}]}",
     "{'a':[[{}],{}]}", "a[0][0].b, a[1].c"},
    {"'m':{'type':'object','additionalProperties':{'type':'object','properties':{'n':{'type':'"
     "string'}}}}",
     "{'m':{'k':{'n':'v','z':1},'l':{}}}", "{'m':{'k':{'n':'v'},'l':{}}}", "m.k.z"},
    {"'m':{'type':'object','additionalProperties':true}", "{'m':{'k':1,'l':{'x':{'y':1}}}}",
     "{'m':{'k':1,'l':{}}}", "m.l.x"},
    {"'m':{'type':'object','additionalProperties':false}", "{'m':{'k':1}}", "{'m':{'k':1}}", ""},
    {"'f':{'type':'object','x-kubernetes-preserve-unknown-fields':true,'properties':{'known':{'"
     "type':'object',"
     "'properties':{'a':{'type':'string'}}}}}",
     "{'f':{'x':[1,{'y':null}],'known':{'a':'1','zz':2}}}",
     "{'f':{'x':[1,{'y':null}],'known':{'a':'1'}}}", "f.known.zz"},
    /* items are looked into as if they preserved, their properties not */
    {"'f':{'type':'array','x-kubernetes-preserve-unknown-fields':true,'items':{'type':'object','"
     "properties':{'a':{"
     "'type':'object'}}}}",
     "{'f':[{'x':1,'a':{'y':1}}]}", "{'f':[{'x':1,'a':{}}]}", "f[0].a.y"},
    {"'f':{'type':'object','x-kubernetes-preserve-unknown-fields':true,'additionalProperties':{'"
     "type':'object'}}",
     "{'f':{'k':{'z':1}}}", "{'f':{'k':{}}}", "f.k.z"},
    /* metadata is nothing special further inside */
    {"'o':{'type':'object'}", "{'o':{'metadata':{},'kind':'x'}}", "{'o':{}}", "o.kind, o.metadata"},
    {"'t':{'type':'object','x-kubernetes-embedded-resource':true,'properties':{'spec':{'type':'"
     "object'}}}",
     "{'t':{'apiVersion':'v1','kind':'K','metadata':{'name':'n','bogus':1},'spec':{'z':1},'other':"
     "2}}",
     "{'t':{'apiVersion':'v1','kind':'K','metadata':{'name':'n'},'spec':{}}}",
     "t.other, t.spec.z, t.metadata.bogus"},
    {"'t':{'type':'object','x-kubernetes-embedded-resource':true,'x-kubernetes-preserve-unknown-"
     "fields':true}",
     "{'t':{'apiVersion':'v1','kind':'K','metadata':{'name':'n','labels':{},'uid':'','annotations':"
     "{'a':'b'},"
     "'creationTimestamp':null,'ownerReferences':[{'name':'x','q':1}]},'any':{'thing':1}}}",
     "{'t':{'apiVersion':'v1','kind':'K','metadata':{'name':'n','annotations':{'a':'b'},'"
     "ownerReferences':[{'name':'x'}]},"
     "'any':{'thing':1}}}",
     "t.metadata.ownerReferences[0].q"},
    {"'l':{'type':'array','items':{'type':'object','x-kubernetes-embedded-resource':true,"
     "'x-kubernetes-preserve-unknown-fields':true}}",
     "{'l':[{'metadata':{'z':1},'y':1}]}", "{'l':[{'metadata':{},'y':1}]}", "l[0].metadata.z"},
};

static void test_prune(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct schema *s = create_props(cases[i].props);
        struct schema_unknown u = {.arena = &arena};
        yyjson_mut_val *v = parse(cases[i].object);
        schema_prune(s, v, &u);
        assert_json(v, cases[i].want);
        assert_string_equal(unknown_text(&u), cases[i].unknown);
        v = parse(cases[i].object); /* nobody asks */
        schema_prune(s, v, NULL);
        assert_json(v, cases[i].want);
        schema_unref(s);
    }
}

/* Paths come after those that are there already. */
static void test_order(void **state)
{
    (void)state;
    struct schema *s = create_props("'a':{'type':'string'}");
    struct schema_unknown u = {.arena = &arena};
    schema_prune(s, parse("{'z':1}"), &u);
    schema_prune(s, parse("{'y':1,'b':1}"), &u);
    assert_string_equal(unknown_text(&u), "z, b, y");
    schema_unref(s);
}

/* As deep as JSON may be. */
static void test_deep(void **state)
{
    (void)state;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{'a':");
    for (int i = 0; i < 190; i++) {
        buf_addz(&b, "[");
    }
    buf_addz(&b, "{'x':1}");
    for (int i = 0; i < 190; i++) {
        buf_addz(&b, "]");
    }
    buf_addz(&b, "}");
    buf_addc(&b, 0);
    struct schema *s = create_props("'a':{'type':'string'}");
    struct schema_unknown u = {.arena = &arena};
    schema_prune(s, parse(b.ptr), &u);
    assert_int_equal(u.n, 1);
    schema_unref(s);
}

/* Many unknown fields under a long name: only so much is told, and all of them go. */
static void test_told(void **state)
{
    enum { FIELDS = 3000, NAME = 4096 };
    struct schema *s = create_props("'m':{'type':'object','additionalProperties':{'type':'object'}}");
    yyjson_mut_doc *d = json_doc(&arena);
    yyjson_mut_val *root = yyjson_mut_obj(d);
    struct schema_unknown u = {.arena = &arena};
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        char *name = arena_zero(&arena, NAME + 1);
        memset(name, 'k', wide ? 1 : NAME);
        yyjson_mut_val *in = json_ensure_obj(d, json_ensure_obj(d, root, "m"), name);
        for (int i = 0; i < FIELDS; i++) {
            json_set_int(d, in, arena_printf(&arena, "f%d", i), i);
        }
        u.n = u.bytes = 0;
        size_t before = arena.total;
        schema_prune(s, root, &u);
        assert_int_equal(json_size(in), 0);
        assert_true(u.n > 0 && u.n <= LIMIT_UNKNOWN_FIELDS && u.bytes <= LIMIT_UNKNOWN_BYTES + 2 * NAME);
        assert_true(!wide || u.n == LIMIT_UNKNOWN_FIELDS);
        assert_true(arena.total - before < 4 * LIMIT_UNKNOWN_BYTES);
    }
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_prune), TEST(test_order), TEST(test_deep), TEST(test_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
