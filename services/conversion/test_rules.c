/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: what each step does forward and back, what is refused, and what the check finds to be
 * lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/yaml.h"
#include "services/conversion/rules_priv.h"

static yyjson_mut_doc *read_yaml(struct arena *a, const char *text)
{
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    if (yaml_read(a, str_from(text), &d, NULL, &err)) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    return d;
}

static void assert_json(const yyjson_mut_val *v, const char *want)
{
    struct arena a;
    arena_init(&a, 0);
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    buf_addc(&b, 0);
    if (!json_equal(v, read_yaml(&a, want)->root)) {
        fail_msg("%s, wanted %s", b.ptr, want);
    }
    arena_finish(&a);
}

/* Takes `before` from v1 to v2, where it is `after`, and back. */
static void there_and_back(const char *steps, const char *before, const char *after)
{
    struct arena a;
    arena_init(&a, 0);
    struct rules r;
    struct err err = {0};
    const char *text = arena_printf(&a, "{rules: [{from: v1, to: v2, steps: %s}]}", steps);
    if (rules_read(str_from(text), &r, &err)) {
        fail_msg("%s: %s", text, err_message(&err));
    }
    yyjson_mut_doc *d = read_yaml(&a, before);
    assert_true(rules_convert(&r, STR("v1"), STR("v2"), d, d->root));
    assert_json(d->root, after);
    assert_true(rules_convert(&r, STR("v2"), STR("v1"), d, d->root));
    assert_json(d->root, before);
    rules_finish(&r);
    arena_finish(&a);
}

static void test_steps(void **state)
{
    (void)state;
    there_and_back("[{move: {from: .spec.a, to: .spec.b}}]", "{spec: {a: 1, c: 2}}",
                   "{spec: {b: 1, c: 2}}");
    there_and_back("[{move: {from: .spec.a, to: .spec.x.w.z}}]", "{spec: {a: 1}}",
                   "{spec: {x: {w: {z: 1}}}}");
    there_and_back("[{move: {from: .spec.x.w, to: .spec.a}}]", "{spec: {x: {w: 1}}}",
                   "{spec: {a: 1}}");
    there_and_back("[{move: {from: .spec.x, to: .spec.x.w}}]", "{spec: {x: 1}}",
                   "{spec: {x: {w: 1}}}");
    there_and_back("[{move: {from: .spec.a, to: .spec.b}}, {move: {from: .spec.b, to: .spec.a}}]",
                   "{spec: {a: 1, b: 2}}", "{spec: {a: 2, b: 1}}");
    there_and_back(
        "[{move: {from: \".spec['a.b']\", to: \".metadata.annotations['example.com/x']\"}}]",
        "{metadata: {annotations: {k: v}}, spec: {a.b: t}}",
        "{metadata: {annotations: {k: v, example.com/x: t}}, spec: {}}");
    there_and_back("[{move: {from: '.spec.l[].a', to: '.spec.l[].b.c'}}]",
                   "{spec: {l: [{a: 1}, {d: 2}, {a: 3}]}}",
                   "{spec: {l: [{b: {c: 1}}, {d: 2}, {b: {c: 3}}]}}");
    there_and_back("[{move: {from: '.spec.m[].l[].a', to: '.spec.m[].l[].b'}}]",
                   "{spec: {m: [{l: [{a: 1}]}, {l: []}, {}]}}",
                   "{spec: {m: [{l: [{b: 1}]}, {l: []}, {}]}}");
    there_and_back("[{set: {path: .spec.mode, value: {a: [1]}}}]", "{spec: {}}",
                   "{spec: {mode: {a: [1]}}}");
    there_and_back("[{values: {path: .spec.c, values: {red: RED, green: red}}}]",
                   "{spec: {c: green}}", "{spec: {c: red}}");
    there_and_back("[{values: {path: .spec.c, values: {red: RED}}}]", "{spec: {c: blue}}",
                   "{spec: {c: blue}}");
    there_and_back("[{values: {path: '.spec.l[]', values: {a: A}}}]", "{spec: {l: [a, b, a]}}",
                   "{spec: {l: [A, b, A]}}");
    there_and_back("[{wrap: {from: .spec.port, to: .spec.ports}}]", "{spec: {port: 1}}",
                   "{spec: {ports: [1]}}");
    there_and_back("[{wrap: {from: .spec.port, to: .spec.ports, key: number}}]",
                   "{spec: {port: 1}}", "{spec: {ports: [{number: 1}]}}");
    there_and_back("[{move: {from: .spec.a, to: .spec.b}}]", "{spec: [1]}", "{spec: [1]}");
    there_and_back("[{move: {from: .spec.a.b, to: .spec.c}}]", "{other: 1}", "{other: 1}");
    there_and_back("[{move: {from: '.spec.l[].a', to: '.spec.l[].b'}}]", "{spec: {l: {a: 1}}}",
                   "{spec: {l: {a: 1}}}");
}

static void test_ways(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct rules r;
    struct err err = {0};
    assert_int_equal(rules_read(STR("rules:\n"
                                    "- {from: v1, to: v2, steps: [{move: {from: .a, to: .b}}]}\n"
                                    "- {from: v3, to: v2, steps: [{move: {from: .c, to: .b}}]}\n"
                                    "- {from: v4, to: v5, steps: []}\n"),
                                &r, &err),
                     0);
    yyjson_mut_doc *d = read_yaml(&a, "{a: 1}");
    assert_true(rules_convert(&r, STR("v1"), STR("v3"), d, d->root));
    assert_json(d->root, "{c: 1}");
    assert_true(rules_convert(&r, STR("v3"), STR("v1"), d, d->root));
    assert_json(d->root, "{a: 1}");
    assert_true(rules_convert(&r, STR("v4"), STR("v5"), d, d->root));
    assert_false(rules_convert(&r, STR("v1"), STR("v4"), d, d->root));
    rules_finish(&r);
    arena_finish(&a);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "rules: must be a list"},
        {"{", "yaml: "},
        {"rules: []", "rules: must be a list"},
        {"rules: [1]", "rules[0]: needs from and to"},
        {"rules: [{from: v1, to: v1, steps: []}]", "rules[0]: needs from and to"},
        {"rules: [{from: v1, to: v2}]", "rules[0]: needs steps"},
        {"rules: [{from: v1, to: v2, steps: [{}]}]", "rules[0].steps[0]: must have exactly one of"},
        {"rules: [{from: v1, to: v2, steps: [{drop: {path: .a}}]}]", "must have exactly one of"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: .a}}]}]", "needs to"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: a, to: .b}}]}]", "is no path"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: ..a, to: .b}}]}]", "is no path"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: \".a['x\", to: .b}}]}]", "is no path"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: .kind, to: .b}}]}]",
         "may not be converted: .kind"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: .metadata.name, to: .b}}]}]",
         "may not be converted"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: '.a[].b', to: .c}}]}]",
         "the same lists"},
        {"rules: [{from: v1, to: v2, steps: [{move: {from: '.a[]', to: '.a[]'}}]}]",
         "the same lists"},
        {"rules: [{from: v1, to: v2, steps: [{set: {path: .a}}]}]", "needs value"},
        {"rules: [{from: v1, to: v2, steps: [{values: {path: .a, values: {}}}]}]", "needs values"},
        {"rules: [{from: v1, to: v2, steps: [{values: {path: .a, values: {a: x, b: x}}}]}]",
         "two values become the same"},
        {"rules: [{from: v1, to: v2, steps: [{values: {path: .a, values: {a: 1}}}]}]",
         "values must be strings"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rules r;
        AUTO(err_finish) struct err err = {0};
        if (rules_read(str_from(cases[i].text), &r, &err) != ERR_INVALID ||
            !strstr(err_message(&err), cases[i].why)) {
            fail_msg("%s: %s, wanted %s", cases[i].text, err_message(&err), cases[i].why);
        }
    }
}

#define V1                                                                                         \
    "{type: object, properties: {spec: {type: object, properties: {port: {type: integer}, old: "   \
    "{type: string}, color: {type: string, enum: [red, green]}}}}}"
#define V2                                                                                         \
    "{type: object, properties: {spec: {type: object, properties: {ports: {type: array, "          \
    "maxItems: 1, items: {type: object, properties: {number: {type: integer}}}}, color: {type: "   \
    "string, enum: [RED, GREEN]}}}}}"

/* What conversion_check says of rules for V1 and V2: the causes in `c`, the warnings in `w`. */
static void check(struct arena *a, const char *rules, const char *strategy, struct causes *c,
                  struct warnings *w)
{
    yyjson_mut_doc *d =
        read_yaml(a, arena_printf(a,
                                  "{spec: {conversion: {strategy: %s}, versions: [{name: v1, "
                                  "schema: {openAPIV3Schema: " V1 "}}, "
                                  "{name: v2, schema: {openAPIV3Schema: " V2 "}}]}}",
                                  strategy));
    yyjson_mut_val *meta = json_ensure_obj(d, d->root, "metadata");
    json_set_str(d, json_ensure_obj(d, meta, "annotations"), CONVERSION_RULES, str_from(rules));
    causes_init(c, a);
    *w = (struct warnings){.arena = a};
    conversion_check(d->root, c, w);
}

static bool told(const struct causes *c, const char *part)
{
    for (size_t i = 0; i < c->n; i++) {
        if (memmem(c->items[i].message.ptr, c->items[i].message.len, part, strlen(part))) {
            return true;
        }
    }
    return false;
}

static void test_check(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    struct causes c;
    struct warnings w;
    check(&a, "rules: [{from: v1, to: v2, steps: []}]", "None", &c, &w);
    assert_true(told(&c, "v1 to v2 and back: .spec.port is lost"));
    assert_true(told(&c, "v1 to v2 and back: .spec.old is lost"));
    assert_true(told(&c, "v2 to v1 and back: .spec.ports is lost"));
    assert_false(told(&c, "color"));
    const char *right = "rules: [{from: v1, to: v2, steps: [{wrap: {from: .spec.port, to: "
                        ".spec.ports, key: number}}, "
                        "{values: {path: .spec.color, values: {red: RED, green: GREEN}}}]}]\n";
    check(&a, right, "None", &c, &w);
    assert_true(told(&c, ".spec.old is lost"));
    check(&a, arena_printf(&a, "%slossy: {v1: [.spec.old], v2: [.spec.ports]}", right), "None", &c,
          &w);
    if (c.n) {
        fail_msg("%.*s", STR_FMT(causes_text(&c)));
    }
    assert_true(w.n >= 1);
    check(&a, right, "Webhook", &c, &w);
    assert_true(told(&c, "may only be set when"));
    check(&a, "rules: [{from: v1, to: v9, steps: []}]", "None", &c, &w);
    assert_true(told(&c, "the definition has no such version"));
    check(&a, "rules: 1", "None", &c, &w);
    assert_true(told(&c, "must be a list"));
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
