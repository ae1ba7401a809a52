/* SPDX-License-Identifier: Apache-2.0 */
/* ObjectMeta: decoding in Go's words, what the server sets, validation on create and update,
 * warnings. */
#include "resources/metadata.h"

#include "base/limits.h"
#include "fixture.h"
#include "tests/unit/cpu.h"

static struct arena arena;
static struct type *widget, *configmap;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    widget = make_type(WIDGET, NULL);
    configmap = make_type(CONFIGMAP, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    type_unref(widget);
    type_unref(configmap);
    arena_finish(&arena);
    return 0;
}

/* ---- decoding ---- */

static const char *decoded(const struct type *t, const char *text, const char **ret_unknown)
{
    struct schema_unknown unknown = {.arena = &arena};
    struct err err = {0};
    struct buf b = {0};
    yyjson_mut_doc *d = tree(&arena, text);
    int rc = metadata_decode(t, d, d->root, &unknown, &err);
    for (size_t i = 0; i < unknown.n; i++) {
        buf_addz(&b, i ? " " : "");
        buf_add(&b, unknown.paths[i]);
    }
    if (ret_unknown) {
        *ret_unknown = arena_strdup(&arena, b.ptr ? arena_str(&arena, buf_str(&b)).ptr : "");
    }
    buf_finish(&b);
    if (rc) {
        assert_int_equal(rc, ERR_BAD_REQUEST);
        const char *message = arena_strdup(&arena, err_message(&err));
        err_finish(&err);
        return message;
    }
    return text_of(&arena, metadata_of(d->root));
}

static void test_decode_shape(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{\"metadata\":null}", "{}"},
        {"{\"metadata\":{}}", "{}"},
        {"{\"metadata\":{\"labels\":{},\"finalizers\":[],\"name\":\"\",\"generation\":0,"
         "\"annotations\":null,\"creationTimestamp\":null,\"uid\":null,\"ownerReferences\":[]}}",
         "{}"},
        {"{\"metadata\":{\"finalizers\":[\"b/a\"],\"labels\":{\"a\":null,\"b\":\"c\"},"
         "\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"x\",\"generation\":3}}",
         "{\"name\":\"x\",\"namespace\":\"n\",\"uid\":\"u\",\"generation\":3,\"labels\":{\"a\":"
         "\"\",\"b\":\"c\"},\"finalizers\":[\"b/a\"]}"},
        {"{\"metadata\":{\"creationTimestamp\":\"2001-01-01T02:00:00.5+02:00\"}}",
         "{\"creationTimestamp\":\"2001-01-01T00:00:00Z\"}"},
        {"{\"metadata\":{\"deletionGracePeriodSeconds\":0}}", "{\"deletionGracePeriodSeconds\":0}"},
        {"{\"metadata\":{\"ownerReferences\":[{\"uid\":\"u\",\"controller\":null,"
         "\"blockOwnerDeletion\":false},null]}}",
         "{\"ownerReferences\":[{\"apiVersion\":\"\",\"kind\":\"\",\"name\":\"\",\"uid\":\"u\","
         "\"blockOwnerDeletion\":false},{\"apiVersion\":\"\",\"kind\":\"\",\"name\":\"\",\"uid\":"
         "\"\"}]}"},
        {"{\"metadata\":{\"managedFields\":[{\"time\":\"2001-01-01T00:00:00Z\",\"fieldsV1\":{"
         "\"f:a\":{}},\"manager\":\"m\",\"subresource\":\"\"}]}}",
         "{\"managedFields\":[{\"manager\":\"m\",\"time\":\"2001-01-01T00:00:00Z\",\"fieldsV1\":{"
         "\"f:a\":{}}}]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(decoded(widget, cases[i][0], NULL), cases[i][1]);
        assert_string_equal(decoded(configmap, cases[i][0], NULL), cases[i][1]);
    }
}

static void test_decode_unknown(void **state)
{
    (void)state;
    const char *unknown;
    assert_string_equal(
        decoded(widget,
                "{\"metadata\":{\"bogus\":1,\"name\":\"a\",\"Name\":\"b\",\"ownerReferences\":[{"
                "\"uid\":\"u\",\"x\":[1]}],\"clusterName\":{}}}",
                &unknown),
        "{\"name\":\"a\",\"ownerReferences\":[{\"apiVersion\":\"\",\"kind\":\"\",\"name\":\"\","
        "\"uid\":\"u\"}]}");
    assert_string_equal(unknown, "metadata.bogus metadata.Name metadata.ownerReferences[0].x "
                                 "metadata.clusterName");
}

static void test_decode_refusals(void **state)
{
    (void)state;
#define CANNOT "json: cannot unmarshal "
    static const struct {
        const char *metadata, *builtin, *custom;
    } cases[] = {
        {"\"x\"", CANNOT "string into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
         CANNOT "string into Go value of type v1.ObjectMeta"},
        {"[]", CANNOT "array into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
         CANNOT "array into Go value of type v1.ObjectMeta"},
        {"{\"name\":1}",
         CANNOT "number into Go struct field ObjectMeta.metadata.name of type string",
         CANNOT "number into Go struct field ObjectMeta.name of type string"},
        {"{\"uid\":{}}",
         CANNOT "object into Go struct field ObjectMeta.metadata.uid of type types.UID",
         CANNOT "object into Go struct field ObjectMeta.uid of type types.UID"},
        {"{\"labels\":[]}",
         CANNOT "array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
         CANNOT "array into Go struct field ObjectMeta.labels of type map[string]string"},
        {"{\"labels\":{\"a\":true}}",
         CANNOT "bool into Go struct field ObjectMeta.metadata.labels of type string",
         CANNOT "bool into Go struct field ObjectMeta.labels of type string"},
        {"{\"finalizers\":{}}",
         CANNOT "object into Go struct field ObjectMeta.metadata.finalizers of type []string",
         CANNOT "object into Go struct field ObjectMeta.finalizers of type []string"},
        {"{\"generation\":\"1\"}",
         CANNOT "string into Go struct field ObjectMeta.metadata.generation of type int64",
         CANNOT "string into Go struct field ObjectMeta.generation of type int64"},
        {"{\"generation\":1.5}",
         CANNOT "number 1.5 into Go struct field ObjectMeta.metadata.generation of type int64",
         CANNOT "number 1.5 into Go struct field ObjectMeta.generation of type int64"},
        {"{\"ownerReferences\":[{\"uid\":1}]}",
         CANNOT "number into Go struct field OwnerReference.metadata.ownerReferences.uid of type "
                "types.UID",
         CANNOT "number into Go struct field OwnerReference.ownerReferences.uid of type types.UID"},
        {"{\"ownerReferences\":[1]}",
         CANNOT "number into Go struct field ObjectMeta.metadata.ownerReferences of type "
                "v1.OwnerReference",
         CANNOT "number into Go struct field ObjectMeta.ownerReferences of type v1.OwnerReference"},
        {"{\"managedFields\":[{\"operation\":[]}]}",
         CANNOT "array into Go struct field ManagedFieldsEntry.metadata.managedFields.operation of "
                "type v1.ManagedFieldsOperationType",
         CANNOT "array into Go struct field ManagedFieldsEntry.managedFields.operation of type "
                "v1.ManagedFieldsOperationType"},
        {"{\"creationTimestamp\":5}", CANNOT "number into Go value of type string",
         CANNOT "number into Go value of type string"},
#define TIME(v, rest, want)                                                                        \
    "parsing time \"" v "\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"" rest                \
    "\" as \"" want "\""
        {"{\"deletionTimestamp\":\"yesterday\"}", TIME("yesterday", "yesterday", "2006"),
         TIME("yesterday", "yesterday", "2006")},
        {"{\"deletionTimestamp\":\"\"}", TIME("", "", "2006"), TIME("", "", "2006")},
        {"{\"deletionTimestamp\":\"2001-01-01 00:00:00Z\"}",
         TIME("2001-01-01 00:00:00Z", " 00:00:00Z", "T"),
         TIME("2001-01-01 00:00:00Z", " 00:00:00Z", "T")},
        {"{\"deletionTimestamp\":\"2001-01-01T00:00:00\"}",
         TIME("2001-01-01T00:00:00", "", "Z07:00"), TIME("2001-01-01T00:00:00", "", "Z07:00")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *text = arena_printf(&arena, "{\"metadata\":%s}", cases[i].metadata);
        assert_string_equal(decoded(configmap, text, NULL), cases[i].builtin);
        assert_string_equal(decoded(widget, text, NULL), cases[i].custom);
    }
}

/* ---- what the server sets ---- */

static void test_begin(void **state)
{
    (void)state;
    yyjson_mut_doc *d = tree(&arena, "{\"metadata\":{\"name\":\"a\",\"generation\":7,\"uid\":\"x\","
                                     "\"selfLink\":\"/s\",\"deletionTimestamp\":\"2001-01-01T00:00:"
                                     "00Z\",\"deletionGracePeriodSeconds\":3,\"labels\":{\"a\":"
                                     "\"b\"}}}");
    metadata_begin(widget, d, d->root, STR("ns"), 978307200000000);
    assert_int_equal(metadata_uid(d->root).len, 36);
    json_set_str(d, metadata_of(d->root), "uid", STR("U"));
    assert_string_equal(text_of(&arena, metadata_of(d->root)),
                        "{\"name\":\"a\",\"namespace\":\"ns\",\"uid\":\"U\",\"generation\":1,"
                        "\"creationTimestamp\":\"2001-01-01T00:00:00Z\",\"labels\":{\"a\":\"b\"}}");
    d = tree(&arena, "{\"metadata\":{\"name\":\"a\"}}");
    metadata_begin(configmap, d, d->root, STR("ns"), 0);
    assert_null(json_path(d->root, "metadata", "generation", NULL));
}

static void test_generate_name(void **state)
{
    (void)state;
    yyjson_mut_doc *d = tree(&arena, "{\"metadata\":{\"generateName\":\"gw-\"}}");
    metadata_begin(widget, d, d->root, STR("ns"), 0);
    struct str name = metadata_name(d->root);
    assert_int_equal(name.len, 8);
    assert_true(str_starts(name, STR("gw-")));
    assert_true(name_is_dns1123_subdomain(name));
    char text[200], base[82];
    memset(base, 'a', sizeof(base));
    base[81] = '\0';
    snprintf(text, sizeof(text), "{\"metadata\":{\"generateName\":\"%s\"}}", base);
    d = tree(&arena, text);
    metadata_begin(widget, d, d->root, STR("ns"), 0);
    assert_int_equal(metadata_name(d->root).len, 63);
    assert_int_equal(json_get_str(metadata_of(d->root), "generateName").len, 81);
    d = tree(&arena, "{\"metadata\":{\"generateName\":\"gw-\",\"name\":\"own\"}}");
    metadata_begin(widget, d, d->root, STR("ns"), 0);
    assert_true(str_is(metadata_name(d->root), "own"));
}

static void test_carry(void **state)
{
    (void)state;
    yyjson_mut_doc *old = tree(
        &arena, "{\"metadata\":{\"name\":\"a\",\"uid\":\"U\",\"generation\":4,"
                "\"creationTimestamp\":\"2001-01-01T00:00:00Z\",\"deletionTimestamp\":\"2002-01-"
                "01T00:00:00Z\",\"deletionGracePeriodSeconds\":0}}");
    yyjson_mut_doc *d = tree(&arena, "{\"metadata\":{\"labels\":{\"l\":\"1\"},\"name\":\"a\","
                                     "\"generation\":99,\"creationTimestamp\":\"2020-01-01T00:00:"
                                     "00Z\",\"selfLink\":\"/x\"}}");
    metadata_carry(widget, d, d->root, old->root);
    assert_string_equal(text_of(&arena, metadata_of(d->root)),
                        "{\"name\":\"a\",\"uid\":\"U\",\"generation\":4,\"creationTimestamp\":"
                        "\"2001-01-01T00:00:00Z\",\"deletionTimestamp\":\"2002-01-01T00:00:00Z\","
                        "\"deletionGracePeriodSeconds\":0,\"labels\":{\"l\":\"1\"}}");
    old = tree(&arena, "{\"metadata\":{\"name\":\"a\",\"uid\":\"U\"}}");
    d = tree(&arena, "{\"metadata\":{\"name\":\"a\",\"uid\":\"other\",\"generation\":5}}");
    metadata_carry(widget, d, d->root, old->root);
    assert_string_equal(text_of(&arena, metadata_of(d->root)),
                        "{\"name\":\"a\",\"uid\":\"other\"}");
}

static void test_accessors(void **state)
{
    (void)state;
    yyjson_mut_doc *d = tree(&arena, "{\"metadata\":{\"finalizers\":[\"a/b\",\"c/d\"],"
                                     "\"deletionTimestamp\":\"2001-01-01T00:00:00Z\"}}");
    assert_true(metadata_deleting(d->root));
    assert_int_equal(metadata_finalizers(d->root), 2);
    assert_true(metadata_has_finalizer(d->root, STR("c/d")));
    assert_false(metadata_has_finalizer(d->root, STR("c")));
    static const char *const odd[] = {"{}", "{\"metadata\":1}",
                                      "{\"metadata\":{\"finalizers\":\"x\"}}"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        d = tree(&arena, odd[i]);
        assert_false(metadata_deleting(d->root));
        assert_int_equal(metadata_finalizers(d->root), 0);
        assert_false(metadata_has_finalizer(d->root, STR("x")));
        assert_int_equal(metadata_name(d->root).len, 0);
    }
}

/* ---- validation ---- */

static struct warnings warnings;

/* All causes as "FIELD: MESSAGE" lines. */
static const char *validated(const struct type *t, const char *metadata, const char *old)
{
    struct causes c;
    struct buf b = {0};
    causes_init(&c, &arena);
    warnings = (struct warnings){.arena = &arena};
    yyjson_mut_doc *d = tree(&arena, arena_printf(&arena, "{\"metadata\":%s}", metadata));
    yyjson_mut_doc *o = old ? tree(&arena, arena_printf(&arena, "{\"metadata\":%s}", old)) : NULL;
    metadata_validate(t, d->root, o ? o->root : NULL, &c, &warnings);
    for (size_t i = 0; i < c.n; i++) {
        struct str m = c.items[i].message;
        const char *paren = memmem(m.ptr, m.len, " (e.g.", 6);
        m.len = paren ? (size_t)(paren - m.ptr) : m.len;
        buf_printf(&b, "%s%.*s: %.*s", i ? "\n" : "", STR_FMT(c.items[i].field), STR_FMT(m));
    }
    return buf_text(&arena, &b);
}

#define NAMED "\"name\":\"a\",\"namespace\":\"n\""
#define KEY_FAULT                                                                                  \
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "  \
    "with an alphanumeric character"

static void test_validate_create(void **state)
{
    (void)state;
    static const struct {
        const char *metadata, *causes;
    } cases[] = {
        {"{" NAMED "}", ""},
        {"{\"namespace\":\"n\"}",
         "metadata.name: Required value: name or generateName is required"},
        {"{\"name\":\"a\"}", "metadata.namespace: Required value"},
        {"{\"name\":\"a\",\"namespace\":\"a.b\"}",
         "metadata.namespace: Invalid value: \"a.b\": must not contain dots"},
        {"{" NAMED ",\"labels\":{\"bad key\":\"v\"}}",
         "metadata.labels: Invalid value: \"bad key\": " KEY_FAULT},
        {"{" NAMED ",\"labels\":{\"ok\":\"bad value!\"}}",
         "metadata.labels: Invalid value: \"bad value!\": a valid label must be an empty string or "
         "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric character"},
        {"{" NAMED ",\"annotations\":{\"bad key\":\"any thing\",\"Good.IO/Key\":\"x y\"}}",
         "metadata.annotations: Invalid value: \"bad key\": " KEY_FAULT},
        {"{" NAMED ",\"generation\":-1}",
         "metadata.generation: Invalid value: -1: must be greater than or equal to 0"},
        {"{" NAMED ",\"ownerReferences\":[{\"apiVersion\":\"\",\"kind\":\"\",\"name\":\"\",\"uid\":"
         "\"\"}]}",
         "metadata.ownerReferences[0].apiVersion: Required value: must not be empty\n"
         "metadata.ownerReferences[0].kind: Required value: must not be empty\n"
         "metadata.ownerReferences[0].name: Required value: must not be empty\n"
         "metadata.ownerReferences[0].uid: Required value: must not be empty"},
        {"{" NAMED ",\"ownerReferences\":[{\"apiVersion\":\"a/b/c\",\"kind\":\"K\",\"name\":\"n\","
         "\"uid\":\"u\"}]}",
         "metadata.ownerReferences[0].apiVersion: Invalid value: \"a/b/c\": must be "
         "<group>/<version> or <version>"},
        {"{" NAMED ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"n\","
         "\"uid\":\"u\"}]}",
         "metadata.ownerReferences[0]: Invalid value: {\"apiVersion\":\"v1\",\"kind\":\"Event\","
         "\"name\":\"n\",\"uid\":\"u\"}: /v1, Kind=Event is disallowed from being an owner"},
        {"{" NAMED ",\"finalizers\":[\"bad finalizer\"]}",
         "metadata.finalizers: Invalid value: \"bad finalizer\": " KEY_FAULT},
        {"{" NAMED ",\"finalizers\":[\"orphan\",\"foregroundDeletion\"]}",
         "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer "
         "orphan "
         "and foregroundDeletion cannot be both set"},
        {"{" NAMED ",\"managedFields\":[{\"operation\":\"Patch\",\"fieldsType\":\"V2\"},{}]}",
         "metadata.managedFields[0].operation: Unsupported value: \"Patch\": supported values: "
         "\"Apply\", \"Update\"\n"
         "metadata.managedFields[0].fieldsType: Invalid value: \"V2\": must be `FieldsV1`\n"
         "metadata.managedFields[1].operation: Required value: must not be empty"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(validated(widget, cases[i].metadata, NULL), cases[i].causes);
    }
    const char *two =
        validated(widget,
                  "{" NAMED ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"A\",\"name\":"
                  "\"x\",\"uid\":\"1\",\"controller\":true},{\"apiVersion\":\"v1\",\"kind\":\"B\","
                  "\"name\":\"y\",\"uid\":\"2\",\"controller\":true}]}",
                  NULL);
    assert_non_null(strstr(two, "Found \"true\" in references for A/x and B/y"));
}

static void test_validate_names(void **state)
{
    (void)state;
    const char *bad = validated(widget,
                                "{\"name\":\"Web_x\",\"generateName\":\"Web_\","
                                "\"namespace\":\"n\"}",
                                NULL);
    assert_non_null(strstr(bad, "metadata.generateName: Invalid value: \"Web_\""));
    assert_non_null(strstr(bad, "metadata.name: Invalid value: \"Web_x\""));
    /* An update asks less of a name. */
    assert_string_equal(validated(widget, "{\"name\":\"Web_x\",\"namespace\":\"n\"}",
                                  "{\"name\":\"Web_x\",\"namespace\":\"n\"}"),
                        "");
}

static void check_own(void *self, struct str name, bool is_prefix, const struct path *at,
                      struct causes *c)
{
    (void)is_prefix;
    assert_ptr_equal(self, &arena);
    causes_add(c, CAUSE_FORBIDDEN, at, NULL, "not %.*s", STR_FMT(name));
}

static void test_own_name_check(void **state)
{
    (void)state;
    static const struct type_strategy strategy = {.name = check_own};
    const struct type_extras extras = {.strategy = &strategy, .self = &arena};
    struct type *t = make_type(WIDGET, &extras);
    assert_string_equal(validated(t, "{" NAMED "}", NULL), "metadata.name: Forbidden: not a");
    type_unref(t);
}

static void test_annotations_too_large(void **state)
{
    (void)state;
    char *value = arena_alloc(&arena, LIMIT_ANNOTATIONS_BYTES + 1);
    memset(value, 'x', LIMIT_ANNOTATIONS_BYTES);
    value[LIMIT_ANNOTATIONS_BYTES] = '\0';
    const char *text = arena_printf(&arena, "{" NAMED ",\"annotations\":{\"x\":\"%s\"}}", value);
    assert_string_equal(validated(configmap, text, NULL),
                        "metadata.annotations: Too long: may not be more than 262144 bytes");
    value[LIMIT_ANNOTATIONS_BYTES - 1] = '\0';
    text = arena_printf(&arena, "{" NAMED ",\"annotations\":{\"x\":\"%s\"}}", value);
    assert_string_equal(validated(configmap, text, NULL), "");
}

static void test_core_finalizers(void **state)
{
    (void)state;
    assert_string_equal(validated(configmap, "{" NAMED ",\"finalizers\":[\"nodomain\"]}", NULL),
                        "metadata.finalizers[0]: Invalid value: \"nodomain\": name is neither a "
                        "standard finalizer name nor is it fully qualified");
    assert_string_equal(
        validated(configmap, "{" NAMED ",\"finalizers\":[\"orphan\",\"x.io/f\"]}", NULL), "");
    assert_int_equal(warnings.n, 0);
    assert_non_null(strstr(validated(configmap, "{" NAMED ",\"finalizers\":[\"\"]}", NULL),
                           "\nmetadata.finalizers[0]: Invalid value: \"\": name is neither"));
    assert_null(strstr(validated(configmap, "{" NAMED ",\"finalizers\":[\"UP/x\"]}", NULL),
                       "metadata.finalizers[0]"));
}

static void test_warnings(void **state)
{
    (void)state;
    assert_string_equal(
        validated(widget,
                  "{" NAMED ",\"finalizers\":[\"z.io\",\"nodomain\",\"x.io/f\",\"orphan\"]}", NULL),
        "");
    assert_int_equal(warnings.n, 2);
    assert_string_equal(warnings.items[0].ptr,
                        "metadata.finalizers: \"nodomain\": prefer a domain-qualified finalizer "
                        "name to avoid accidental conflicts with other finalizer writers");
    assert_string_equal(warnings.items[1].ptr,
                        "metadata.finalizers: \"z.io\": prefer a domain-qualified finalizer name "
                        "including a path (/) to avoid accidental conflicts with other finalizer "
                        "writers");
    validated(widget, "{" NAMED ",\"finalizers\":[\"nodomain\"]}",
              "{" NAMED ",\"finalizers\":[\"nodomain\"]}");
    assert_int_equal(warnings.n, 0);
    struct warnings w = {.arena = &arena};
    for (int i = 0; i < 3 * LIMIT_WARNINGS; i++) {
        warnings_add(&w, "w%d", i / 2);
    }
    assert_int_equal(w.n, LIMIT_WARNINGS);
    warnings_add(NULL, "nobody listens");
}

static void test_validate_update(void **state)
{
    (void)state;
    static const struct {
        const char *metadata, *old, *causes;
    } cases[] = {
        {"{" NAMED ",\"uid\":\"1\"}", "{" NAMED ",\"uid\":\"1\"}", ""},
        {"{" NAMED ",\"uid\":\"2\"}", "{" NAMED ",\"uid\":\"1\"}",
         "metadata.uid: Invalid value: \"2\": field is immutable\n"
         "metadata.uid: Invalid value: \"2\": field is immutable"},
        {"{\"name\":\"b\",\"namespace\":\"n\"}", "{" NAMED "}",
         "metadata.name: Invalid value: \"b\": field is immutable\n"
         "metadata.name: Invalid value: \"b\": field is immutable"},
        {"{" NAMED ",\"deletionTimestamp\":\"2001-01-01T00:00:00Z\"}", "{" NAMED "}",
         "metadata.deletionTimestamp: Invalid value: \"2001-01-01T00:00:00Z\": field is immutable\n"
         "metadata.deletionTimestamp: Invalid value: \"2001-01-01T00:00:00Z\": field is immutable"},
        {"{" NAMED
         ",\"deletionTimestamp\":\"2001-01-01T00:00:00Z\",\"finalizers\":[\"x/b\",\"x/a\","
         "\"x/c\",\"x/b\"]}",
         "{" NAMED ",\"deletionTimestamp\":\"2001-01-01T00:00:00Z\",\"finalizers\":[\"x/a\"]}",
         "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
         "deleted, found new finalizers []string{\"x/b\", \"x/c\"}\n"
         "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
         "deleted, found new finalizers []string{\"x/b\", \"x/c\"}"},
        {"{" NAMED ",\"generation\":1}", "{" NAMED ",\"generation\":2}",
         "metadata.generation: Invalid value: 1: must not be decremented\n"
         "metadata.generation: Invalid value: 1: must not be decremented"},
        {"{" NAMED ",\"finalizers\":[\"x/b\"]}", "{" NAMED "}", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_string_equal(validated(widget, cases[i].metadata, cases[i].old), cases[i].causes);
    }
}

/* Of a custom resource a fault is found thrice, of a built-in one once. */
static void test_repeated_faults(void **state)
{
    (void)state;
    const char *bad = "{" NAMED ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"K\","
                      "\"name\":\"n\"}]}";
    const char *fault = "metadata.ownerReferences[0].uid: Required value: must not be empty";
    assert_string_equal(validated(configmap, bad, NULL), fault);
    assert_string_equal(validated(configmap, bad, "{" NAMED "}"), fault);
    assert_string_equal(validated(widget, bad, NULL), fault);
    assert_string_equal(validated(widget, bad, "{" NAMED "}"),
                        arena_printf(&arena, "%s\n%s\n%s", fault, fault, fault));
}

#define OWNER(uid, more)                                                                           \
    "{\"apiVersion\":\"v1\",\"kind\":\"K\",\"name\":\"n\",\"uid\":\"" uid "\"" more "}"

/* Only those that are the same in all are taken out; the order stays. */
static void test_dedup_owners(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *uids; /* uids: NULL: no warning */
    } cases[] = {
        {"[]", "[]", NULL},
        {"[" OWNER("1", "") "]", "[" OWNER("1", "") "]", NULL},
        {"[" OWNER("1", "") "," OWNER("1", ",\"controller\":true") "]",
         "[" OWNER("1", "") "," OWNER("1", ",\"controller\":true") "]", NULL},
        {"[" OWNER("2", "") "," OWNER("1", "") "," OWNER("2", "") "]",
         "[" OWNER("2", "") "," OWNER("1", "") "]", "2"},
        {"[" OWNER("b", "") "," OWNER("a", "") "," OWNER("a", "") "," OWNER("b", "") "," OWNER(
             "b", "") "]",
         "[" OWNER("b", "") "," OWNER("a", "") "]", "a, b, b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct warnings w = {.arena = &arena};
        struct buf b = {0};
        const char *text =
            arena_printf(&arena, "{\"metadata\":{\"ownerReferences\":%s}}", cases[i].before);
        yyjson_mut_doc *d = tree(&arena, text);
        metadata_dedup_owners(d, d->root, i % 2, &w);
        json_write(&b, json_get(metadata_of(d->root), "ownerReferences"));
        assert_string_equal(buf_text(&arena, &b), cases[i].after);
        assert_int_equal(w.n, cases[i].uids ? 1 : 0);
        if (cases[i].uids) {
            assert_true(str_ends(w.items[0], str_from(cases[i].uids)));
            const char *when = strstr(w.items[0].ptr, "after mutating admission");
            assert_true(!when == !(i % 2));
        }
    }
}

/* A fault that shows the whole list, once for each of many items. */
static void test_many_controllers(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_addz(&b, "{" NAMED ",\"ownerReferences\":[");
    for (int i = 0; i < 20000; i++) {
        buf_printf(&b,
                   "%s{\"apiVersion\":\"v1\",\"kind\":\"K\",\"name\":\"n%d\",\"uid\":\"u%d\","
                   "\"controller\":true}",
                   i ? "," : "", i, i);
    }
    buf_addz(&b, "]}");
    int64_t start = cpu_ms();
    const char *causes = validated(widget, buf_text(&arena, &b), NULL);
    assert_non_null(strstr(causes, "references for K/n0 and K/n1"));
    assert_true(cpu_ms() - start < 5000);
}

static void test_cluster_scope(void **state)
{
    (void)state;
    struct type *t = make_type("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"group\":\"g.io\","
                               "\"scope\":\"Cluster\",\"names\":{\"plural\":\"xs\",\"kind\":\"X\"},"
                               "\"versions\":[" WIDGET_VERSION "]}}",
                               NULL);
    assert_string_equal(validated(t, "{\"name\":\"a\"}", NULL), "");
    assert_string_equal(validated(t, "{" NAMED "}", NULL),
                        "metadata.namespace: Forbidden: not allowed on this type");
    yyjson_mut_doc *d = tree(&arena, "{\"metadata\":{" NAMED "}}");
    metadata_begin(t, d, d->root, STR(""), 0);
    assert_int_equal(metadata_namespace(d->root).len, 0);
    type_unref(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_decode_shape),   T(test_decode_unknown),        T(test_decode_refusals),
        T(test_begin),          T(test_generate_name),         T(test_carry),
        T(test_accessors),      T(test_validate_create),       T(test_validate_names),
        T(test_own_name_check), T(test_annotations_too_large), T(test_core_finalizers),
        T(test_warnings),       T(test_validate_update),       T(test_many_controllers),
        T(test_cluster_scope),  T(test_repeated_faults),       T(test_dedup_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
