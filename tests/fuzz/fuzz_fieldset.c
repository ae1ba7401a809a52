/* SPDX-License-Identifier: Apache-2.0 */
/* FieldsV1 NUL FieldsV1 NUL live NUL applied: what is read is written so that it is read as the
 * same; unions, intersections and differences agree with one another; an apply and an update by
 * owners of these fields give an object whose owners own what is in it. */
#include "resources/merge.h"
#include "tests/fuzz/fuzz.h"

static const char schema_text[] =
    "{'type':'object','properties':{'spec':{'type':'object','properties':{'a':{'type':'string'},"
    "'n':{'type':'integer'},'any':{'x-kubernetes-preserve-unknown-fields':true},"
    "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
    "'map':{'type':'object','additionalProperties':{'type':'string'}},"
    "'am':{'type':'object','x-kubernetes-map-type':'atomic','additionalProperties':{'type':'string'"
    "}},"
    "'list':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k','p'],"
    "'items':{'type':'object','properties':{'k':{'type':'integer'},'v':{'type':'string'},"
    "'p':{'type':'string','default':'TCP'}}}}}}}}";

static struct str text_of(struct fuzz *f, const struct fieldset *s)
{
    return fuzz_text(f, fieldset_write(s, json_doc(&f->arena)));
}

/* NULL: it is refused. */
static bool read_set(struct fuzz *f, struct str text, struct fieldset **ret)
{
    yyjson_mut_doc *d = fuzz_json(f, text);
    AUTO(err_finish) struct err err = {0};
    if (!d) {
        *ret = NULL;
        return false;
    }
    int code = fieldset_read(&f->arena, d->root, ret, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        *ret = NULL;
        return false;
    }
    return true;
}

static void check_round(struct fuzz *f, struct fieldset *s)
{
    struct fieldset *again, *third;
    yyjson_mut_doc *d = json_doc(&f->arena);
    FUZZ_CHECK(fieldset_read(&f->arena, fieldset_write(s, d), &again, NULL) == 0);
    FUZZ_CHECK(fieldset_equal(s, again));
    FUZZ_CHECK(fieldset_read(&f->arena, fieldset_write(again, d), &third, NULL) == 0);
    FUZZ_SAME(text_of(f, again), text_of(f, third)); /* integers beyond a double's are so at once */
    FUZZ_CHECK(fieldset_size(s) == fieldset_size(again));
    FUZZ_CHECK(fieldset_empty(s) == (fieldset_size(s) == 0));
}

static void check_laws(struct fuzz *f, struct fieldset *x, struct fieldset *y)
{
    struct arena *a = &f->arena;
    struct fieldset *both = fieldset_intersection(a, x, y), *all = fieldset_union(a, x, y);
    struct fieldset *left = fieldset_difference(a, x, y), *right = fieldset_difference(a, y, x);
    FUZZ_CHECK(fieldset_equal(all, fieldset_union(a, y, x)));
    FUZZ_CHECK(fieldset_equal(both, fieldset_intersection(a, y, x)));
    FUZZ_CHECK(fieldset_equal(fieldset_union(a, left, both), x));
    FUZZ_CHECK(fieldset_equal(fieldset_union(a, fieldset_union(a, left, right), both), all));
    FUZZ_CHECK(fieldset_empty(fieldset_intersection(a, left, y)));
    FUZZ_CHECK(fieldset_size(all) ==
               fieldset_size(left) + fieldset_size(right) + fieldset_size(both));
    struct fieldset *deep = fieldset_difference_deep(a, x, y);
    FUZZ_CHECK(fieldset_equal(fieldset_intersection(a, deep, left), deep));
    FUZZ_CHECK(fieldset_empty(fieldset_difference(a, x, x)));
}

static bool schema_in(void *arg, struct str version, const struct schema_node **ret)
{
    *ret = arg;
    return str_is(version, "v1");
}

/* Everything in s is in the object, but for fields that were never there. */
static void check_owned(struct fuzz *f, const struct schema_node *n, const yyjson_mut_val *applied,
                        const yyjson_mut_val *obj)
{
    struct fieldset *named, *there;
    struct arena *a = &f->arena;
    FUZZ_CHECK(typed_fields(n, applied, a, &named, NULL) == 0);
    FUZZ_CHECK(typed_fields(n, obj, a, &there, NULL) == 0);
    named = fieldset_with_named(a, named, n);
    there = fieldset_with_named(a, there, n);
    struct fieldset *lost = fieldset_difference(a, named, there);
    FUZZ_SAME(text_of(f, lost), STR("{}"));
    check_round(f, there);
}

static void check_merge(struct fuzz *f, const struct schema_node *n, struct fieldset *x,
                        struct fieldset *y, yyjson_mut_val *live, yyjson_mut_val *applied)
{
    struct merge m = {.arena = &f->arena,
                      .doc = json_doc(&f->arena),
                      .api_version = STR("v1"),
                      .schema = schema_in,
                      .arg = (void *)(uintptr_t)n};
    struct owner owners[2] = {
        {.manager = STR("x"), .api_version = STR("v1"), .applied = true, .fields = x},
        {.manager = STR("y"), .api_version = STR("v1"), .fields = y}};
    struct owner who = owners[0];
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_val *out = NULL;
    struct str before = live ? fuzz_text(f, live) : STR_NULL;
    struct ownership o = {owners, 2, 2};
    int code = merge_apply(&m, live, applied, &who, false, &o, &out, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        FUZZ_CHECK(code == ERR_CONFLICT || code == ERR_INVALID || code == ERR_INTERNAL);
        FUZZ_CHECK(o.items == owners && o.n == 2);
        err_finish(&err);
        code = merge_apply(&m, live, applied, &who, true, &o, &out, &err);
        FUZZ_CHECK(code != ERR_CONFLICT);
    }
    if (code == 0) {
        check_owned(f, n, applied, out ? out : live);
        FUZZ_CHECK(out || live);
        FUZZ_CHECK(!out || typed_check(n, out, true, &f->arena, NULL) == 0);
        yyjson_mut_val *now = out ? out : live, *again = NULL;
        /* a container that was emptied is null, and is made empty again; then nothing is left to do
         */
        FUZZ_CHECK(merge_apply(&m, now, applied, &who, true, &o, &again, &err) == 0);
        now = again ? again : now;
        FUZZ_CHECK(merge_apply(&m, now, applied, &who, false, &o, &again, &err) == 0);
        FUZZ_CHECK(!again);
    }
    if (live) {
        FUZZ_SAME(fuzz_text(f, live), before);
    }
    o = (struct ownership){owners, 2, 2};
    who = owners[1];
    err_finish(&err);
    code = merge_update(&m, live, applied, &who, &o, &err);
    FUZZ_CHECK(code == 0 || code == ERR_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena kept;
    static struct schema *schema;
    if (!schema) {
        arena_init(&kept, 0);
        FUZZ_CHECK(schema_create(fuzz_own_json(&kept, schema_text)->root, NULL, &schema, NULL) ==
                   0);
    }
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str rest = f.text, first = fuzz_part(&rest), second = fuzz_part(&rest);
    struct str live = fuzz_part(&rest);
    struct fieldset *x, *y;
    bool good = read_set(&f, first, &x) & read_set(&f, second, &y);
    check_round(&f, x);
    check_round(&f, y);
    if (good) {
        check_laws(&f, x, y);
    }
    yyjson_mut_doc *old = live.len ? fuzz_json(&f, live) : NULL;
    yyjson_mut_doc *fresh = rest.len ? fuzz_json(&f, rest) : NULL;
    if (fresh && json_is_obj(fresh->root) && (!old || json_is_obj(old->root))) {
        check_merge(&f, schema_root(schema), x, y, old ? old->root : NULL, fresh->root);
        check_merge(&f, NULL, x, y, old ? old->root : NULL, fresh->root);
    }
    return fuzz_end(&f, data, size);
}
