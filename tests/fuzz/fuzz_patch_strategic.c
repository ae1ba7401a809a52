/* SPDX-License-Identifier: Apache-2.0 */
/* Object NUL strategic merge patch, against a schema with each kind of list: the same twice, the
 * patch untouched, no directive left behind, and a patch of plain members does what a merge patch
 * does. */
#include "base/limits.h"
#include "resources/patch.h"
#include "tests/fuzz/fuzz.h"

#define SCHEMA                                                                                     \
    "{'type':'object','properties':{"                                                              \
    "'items':{'type':'array','x-kubernetes-patch-strategy':'merge','x-kubernetes-patch-merge-key'" \
    ":'name',"                                                                                     \
    "'items':{'type':'object','properties':{'name':{'type':'string'},'value':{'type':'string'},"   \
    "'ports':{'type':'array','x-kubernetes-patch-strategy':'merge','x-kubernetes-patch-merge-key'" \
    ":'port',"                                                                                     \
    "'items':{'type':'object','properties':{'port':{'type':'integer'},'p':{'type':'string'}}}}}}}" \
    ","                                                                                            \
    "'words':{'type':'array','x-kubernetes-patch-strategy':'merge','items':{'type':'string'}},"    \
    "'atoms':{'type':'array','items':{'type':'string'}},"                                          \
    "'keep':{'type':'object','x-kubernetes-patch-strategy':'retainKeys','properties':{'a':{'type'" \
    ":'string'}}},"                                                                                \
    "'map':{'type':'object','additionalProperties':{'type':'string'}}}}"

static const struct schema *schema(void)
{
    static struct schema *s;
    if (!s) {
        struct arena a;
        const struct schema_options o = {.builtin = true};
        arena_init(&a, 0);
        FUZZ_CHECK(schema_create(fuzz_own_json(&a, SCHEMA)->root, &o, &s, NULL) == 0);
        arena_finish(&a);
    }
    return s;
}

/* Members that are no lists and no directives, at any depth. */
static bool is_plain(const yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    if (json_is_arr(v)) {
        return false;
    }
    while (json_next(&it)) {
        if (str_starts(json_str(it.key), STR("$")) || str_is(json_str(it.key), "keep") ||
            !is_plain(it.val)) {
            return false;
        }
    }
    return true;
}

static void check_plain(struct fuzz *f, struct str object, const yyjson_mut_val *patch,
                        const yyjson_mut_val *result)
{
    yyjson_mut_doc *d = fuzz_json(f, object);
    yyjson_mut_val *merged = NULL;
    if (is_plain(patch) && is_plain(d->root) &&
        patch_merge(d, d->root, patch, &merged, NULL) == 0 && !json_equal(merged, result)) {
        fuzz_fail(__FILE__, __LINE__, "as a merge patch", fuzz_text(f, merged),
                  fuzz_text(f, result));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    const struct schema *s = schema();
    fuzz_begin(&f, data, size);
    struct str text = f.text, object = fuzz_part(&text);
    yyjson_mut_doc *d = fuzz_json(&f, object), *other = fuzz_json(&f, object),
                   *patch = fuzz_json(&f, text);
    if (d && patch && json_is_obj(d->root) && json_is_obj(patch->root)) {
        AUTO(err_finish) struct err err = {0};
        yyjson_mut_val *once = NULL, *twice = NULL;
        struct str before = fuzz_text(&f, patch->root);
        int code = patch_strategic(d, d->root, patch->root, s, &once, &err);
        FUZZ_SAME(fuzz_text(&f, patch->root), before);
        FUZZ_CHECK(patch_strategic(other, other->root, patch->root, s, &twice, NULL) == code);
        if (code == 0) {
            FUZZ_SAME(fuzz_text(&f, once), fuzz_text(&f, twice));
            check_plain(&f, object, patch->root, once);
        } else {
            FUZZ_REFUSED(code, err);
        }
    }
    return fuzz_end(&f, data, size);
}
