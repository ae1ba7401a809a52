/* SPDX-License-Identifier: Apache-2.0 */
/* Object NUL merge patch: the result is RFC 7386's (with the reference's one difference, about
 * nulls in lists), and applying the patch again changes nothing. */
#include "resources/patch.h"
#include "tests/fuzz/fuzz.h"

static bool has_list(const yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    if (json_is_arr(v)) {
        return true;
    }
    while (json_next(&it)) {
        if (has_list(it.val)) {
            return true;
        }
    }
    return false;
}

/* Nulls go from objects, those in lists included, where a value that is no object is replaced. */
static yyjson_mut_val *without_nulls(yyjson_mut_doc *d, const yyjson_mut_val *v)
{
    yyjson_mut_val *copy = json_copy(d, v);
    struct json_iter it = json_iter(copy);
    while (json_next(&it)) {
        if (it.key && json_is_null(it.val)) {
            json_iter_remove(&it);
        } else if (json_is_obj(it.val) || json_is_arr(it.val)) {
            json_assign(it.val, without_nulls(d, it.val));
        }
    }
    return copy;
}

/* The algorithm as the RFC writes it down. */
static yyjson_mut_val *rfc_merge(yyjson_mut_doc *d, yyjson_mut_val *target,
                                 const yyjson_mut_val *patch)
{
    if (!json_is_obj(patch)) {
        return json_is_obj(target) ? json_copy(d, patch) : without_nulls(d, patch);
    }
    target = json_is_obj(target) ? target : yyjson_mut_obj(d);
    struct json_iter it = json_iter(patch);
    while (json_next(&it)) {
        struct str key = json_str(it.key);
        if (json_is_null(it.val)) {
            json_removen(target, key);
        } else {
            json_set(d, target, key, rfc_merge(d, json_getn(target, key), it.val));
        }
    }
    return target;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str text = f.text, object = fuzz_part(&text);
    /* the comparison is quadratic where the patch is not */
    bool small = size <= 8192;
    yyjson_mut_doc *d = fuzz_json(&f, object), *other = fuzz_json(&f, object),
                   *patch = fuzz_json(&f, text);
    if (d && patch && json_is_obj(d->root)) {
        AUTO(err_finish) struct err err = {0};
        yyjson_mut_val *once = NULL, *twice = NULL;
        struct str before = fuzz_text(&f, patch->root);
        int code = patch_merge(d, d->root, patch->root, &once, &err);
        FUZZ_SAME(fuzz_text(&f, patch->root), before);
        if (code == 0) {
            struct str result = fuzz_text(&f, once);
            if (small) {
                FUZZ_CHECK(json_equal(once, rfc_merge(other, other->root, patch->root)));
            }
            FUZZ_CHECK(patch_merge(d, once, patch->root, &twice, NULL) == 0);
            if (!has_list(patch->root)) {
                FUZZ_SAME(fuzz_text(&f, twice), result);
            }
        } else {
            FUZZ_REFUSED(code, err);
        }
    }
    return fuzz_end(&f, data, size);
}
