/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes: what is in them, what is none, and types without tables. */
#include "resources/protobuf_body.h"

#include "base/limits.h"
#include "tests/unit/cpu.h"
#include "tests/unit/resources/engine_fixture.h"

#define PAGE_CRD                                                                                   \
    "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{"       \
    "'name':'pages.'},'spec':{'group':'','scope':'Namespaced','names':{'plural':'pages',"          \
    "'singular':'page','kind':'Page','listKind':'PageList'},'coracle':{'builtin':true,"            \
    "'protobuf':{'Page':{'metadata':'1 ObjectMeta','lines':'2 map string','raw':'3 Raw',"          \
    "'next':'4 Page?','kind':'5 string'}}},'versions':[{'name':'v1','served':true,'storage':true,"  \
    "'schema':{'openAPIV3Schema':{'type':'object'}}}]}}"

struct world {
    struct type *page, *widget;
    struct arena arena;
};

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.page = fixture_make_type(PAGE_CRD, NULL),
                       .widget = fixture_make_type(WIDGET_CRD, NULL)};
    arena_init(&w.arena, 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    type_unref(w->page);
    type_unref(w->widget);
    arena_finish(&w->arena);
    return 0;
}

static void add_varint(struct buf *b, size_t v)
{
    for (; v > 0x7f; v >>= 7) {
        buf_addc(b, (char)(v | 0x80));
    }
    buf_addc(b, (char)v);
}

static void add_field(struct buf *b, unsigned number, struct str s)
{
    add_varint(b, number << 3 | 2);
    add_varint(b, s.len);
    buf_add(b, s);
}

static struct str envelope(struct arena *a, struct str api_version, struct str kind, struct str raw)
{
    AUTO(buf_finish) struct buf meta = {0}, b = {0};
    add_field(&meta, 1, api_version);
    add_field(&meta, 2, kind);
    buf_add(&b, STR("k8s\0"));
    add_field(&b, 1, buf_str(&meta));
    add_field(&b, 2, raw);
    add_field(&b, 3, STR(""));
    add_field(&b, 4, STR(""));
    return arena_str(a, buf_str(&b));
}

static void gives(struct world *w, const struct type *t, struct str body, const char *want)
{
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf text = {0};
    AUTO_FREE char *expected = quoted(want);
    yyjson_mut_doc *d = NULL;
    if (protobuf_read(t, &w->arena, body, &d, &err) < 0) {
        fail_msg("%s: %s", want, err_message(&err));
    }
    json_write(&text, d->root);
    buf_addc(&text, 0);
    assert_string_equal(text.ptr, expected);
}

static void refused(struct world *w, const struct type *t, struct str body, const char *want)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    assert_int_equal(protobuf_read(t, &w->arena, body, &d, &err), ERR_BAD_REQUEST);
    assert_null(d);
    if (!strstr(err_message(&err), want)) {
        fail_msg("\"%s\" is not \"%s\"", err_message(&err), want);
    }
}

static void test_object(void **state)
{
    struct world *w = *state;
    struct str raw = STR("\x0a\x03\x0a\x01"
                         "a\x12\x06\x0a\x01k\x12\x01v");
    gives(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), raw),
          "{'apiVersion':'v1','kind':'Page','metadata':{'name':'a'},'lines':{'k':'v'}}");
    gives(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), STR("")),
          "{'apiVersion':'v1','kind':'Page'}");
    gives(w, w->page, envelope(&w->arena, STR(""), STR("Page"), STR("")), "{'kind':'Page'}");
    /* the last of two keys, as in JSON; the kind is the envelope's */
    raw = STR("\x12\x06\x0a\x01k\x12\x01v\x12\x06\x0a\x01k\x12\x01w\x2a\x01x");
    gives(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), raw),
          "{'apiVersion':'v1','kind':'Page','lines':{'k':'w'}}");
    raw = STR("\x1a\x0d\x0a\x0b{\"a\":[1.0]}");
    gives(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), raw),
          "{'apiVersion':'v1','kind':'Page','raw':{'a':[1]}}");
}

/* Every type takes DeleteOptions; a type without tables nothing else. */
static void test_delete_options(void **state)
{
    struct world *w = *state;
    struct str raw = STR("\x08\x00\x12\x05\x0a\x03uid\x22\x0a"
                         "Foreground\x2a\x03"
                         "All");
    struct str body = envelope(&w->arena, STR("v1"), STR("DeleteOptions"), raw);
    const char *want = "{'apiVersion':'v1','kind':'DeleteOptions','gracePeriodSeconds':0,"
                       "'preconditions':{'uid':'uid'},'propagationPolicy':'Foreground',"
                       "'dryRun':['All']}";
    gives(w, w->page, body, want);
    gives(w, w->widget, body, want);
    refused(w, w->widget, envelope(&w->arena, STR("example.com/v1"), STR("Widget"), STR("")),
            "no kind \"Widget\" is registered for version \"example.com/v1\"");
}

static void test_no_envelope(void **state)
{
    struct world *w = *state;
    const char *prefix = "does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    refused(w, w->page, STR(""), "empty data");
    refused(w, w->page, STR("{}"), prefix);
    refused(w, w->page, STR("k8s"), prefix);
    refused(w, w->page, STR("k8s\0"), "empty body");
    refused(w, w->page, STR("k8s\0\x0a"), "the envelope is broken");
    refused(w, w->page, STR("k8s\0\x08\x01"), "the envelope is broken");
    refused(w, w->page, STR("k8s\0\x0a\x02\x12\x05"), "the envelope is broken");
    refused(w, w->page, STR("k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "is broken");
    refused(w, w->page, envelope(&w->arena, STR("v1"), STR("P\xff"), STR("")), "invalid UTF-8");
    refused(w, w->page, envelope(&w->arena, STR("\xc0"), STR("Page"), STR("")), "invalid UTF-8");
    refused(w, w->page, envelope(&w->arena, STR("v1"), STR("Nope"), STR("")),
            "no kind \"Nope\" is registered for version \"v1\"");
    refused(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), STR("\x0a\x05")), "proto: ");
    refused(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), STR("\x1a\x03\x0a\x01{")), "");
}

/* A tree may be no deeper than JSON's limit, whichever way it became deep. */
static void test_deep(void **state)
{
    struct world *w = *state;
    AUTO(buf_finish) struct buf text = {0}, raw = {0}, page = {0};
    for (int i = 0; i < LIMIT_DEPTH - 1; i++) {
        buf_addc(&text, '[');
    }
    for (int i = 0; i < LIMIT_DEPTH - 1; i++) {
        buf_addc(&text, ']');
    }
    add_field(&raw, 1, buf_str(&text));
    add_field(&page, 3, buf_str(&raw));
    struct arena *a = &w->arena;
    struct str body = envelope(a, STR("v1"), STR("Page"), buf_str(&page));
    yyjson_mut_doc *d = NULL;
    assert_int_equal(protobuf_read(w->page, a, body, &d, NULL), 0);
    AUTO(buf_finish) struct buf outer = {0};
    add_field(&outer, 4, buf_str(&page));
    refused(w, w->page, envelope(a, STR("v1"), STR("Page"), buf_str(&outer)), "max depth");
}

static void test_large(void **state)
{
    struct world *w = *state;
    AUTO(buf_finish) struct buf page = {0};
    while (page.len < LIMIT_BODY_BYTES) {
        add_field(&page, 2, STR("")); /* one key, again and again */
    }
    int64_t begun = cpu_ms();
    gives(w, w->page, envelope(&w->arena, STR("v1"), STR("Page"), buf_str(&page)),
          "{'apiVersion':'v1','kind':'Page','lines':{'':''}}");
    assert_true(cpu_ms() - begun < 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),      cmocka_unit_test(test_delete_options),
        cmocka_unit_test(test_no_envelope), cmocka_unit_test(test_deep),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
