/* SPDX-License-Identifier: Apache-2.0 */
/* Object NUL JSON patch: the same twice, the patch untouched, and what a test of the result says.
 */
#include "base/limits.h"
#include "resources/patch.h"
#include "tests/fuzz/fuzz.h"

/* A test of the whole result holds, and its replacement by itself changes nothing. */
static void check_result(struct fuzz *f, yyjson_mut_val *result)
{
    yyjson_mut_doc *d = json_doc(&f->arena), *p = json_doc(&f->arena);
    yyjson_mut_val *again = NULL, *obj = json_copy(d, result), *ops = yyjson_mut_arr(p);
    struct str before = fuzz_text(f, result);
    struct json_iter it = json_iter(result);
    while (json_is_obj(result) && json_next(&it) && yyjson_mut_arr_size(ops) < 20) {
        AUTO(buf_finish) struct buf path = {0};
        buf_addc(&path, '/');
        struct str key = json_str(it.key);
        for (size_t i = 0; i < key.len; i++) {
            buf_addz(&path, key.ptr[i] == '~' ? "~0" : key.ptr[i] == '/' ? "~1" : "");
            if (key.ptr[i] != '~' && key.ptr[i] != '/') {
                buf_addc(&path, key.ptr[i]);
            }
        }
        yyjson_mut_val *op = yyjson_mut_arr_add_obj(p, ops);
        json_set_str(p, op, "op", yyjson_mut_arr_size(ops) % 2 ? STR("test") : STR("replace"));
        json_set_str(p, op, "path", buf_str(&path));
        json_setz(p, op, "value", json_copy(p, it.val));
    }
    AUTO(err_finish) struct err err = {0};
    if (patch_json(d, obj, ops, &again, &err) < 0) {
        fuzz_fail(__FILE__, __LINE__, "the result passes its own tests",
                  str_from(err_message(&err)), fuzz_text(f, ops));
    }
    FUZZ_SAME(fuzz_text(f, again), before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str text = f.text, object = fuzz_part(&text);
    yyjson_mut_doc *d = fuzz_json(&f, object), *other = fuzz_json(&f, object),
                   *patch = fuzz_json(&f, text);
    if (d && patch && json_is_obj(d->root)) {
        AUTO(err_finish) struct err err = {0};
        yyjson_mut_val *once = NULL, *twice = NULL;
        struct str before = fuzz_text(&f, patch->root);
        int code = patch_json(d, d->root, patch->root, &once, &err);
        FUZZ_SAME(fuzz_text(&f, patch->root), before);
        FUZZ_CHECK(patch_json(other, other->root, patch->root, &twice, NULL) == code);
        if (code == 0) {
            f.more = fuzz_text(&f, once).len;
            FUZZ_SAME(fuzz_text(&f, once), fuzz_text(&f, twice));
            if (json_depth_ok(once)) {
                check_result(&f, once);
            }
        } else {
            FUZZ_REFUSED(code, err);
        }
    }
    return fuzz_end(&f, data, size);
}
