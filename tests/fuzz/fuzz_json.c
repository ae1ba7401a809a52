/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text: what is read agrees with yyjson's strict reader and comes back from what is written.
 */
#include <yyjson.h>

#include "base/limits.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

static unsigned depth_of(yyjson_val *v)
{
    unsigned most = 0;
    size_t i, n;
    yyjson_val *key, *val;
    if (yyjson_is_obj(v)) {
        yyjson_obj_foreach(v, i, n, key, val)
        {
            unsigned d = depth_of(val);
            most = d > most ? d : most;
        }
    } else if (yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, val)
        {
            unsigned d = depth_of(val);
            most = d > most ? d : most;
        }
    } else {
        return 0;
    }
    return most + 1;
}

/* Refused is exactly what the strict reader refuses, and what is too deep. */
static void check_refusal(struct str text, int code)
{
    yyjson_doc *strict = text.len > 100000 ? NULL : yyjson_read(text.ptr, text.len, 0);
    if (text.len <= 100000) {
        bool good = strict && depth_of(yyjson_doc_get_root(strict)) <= LIMIT_DEPTH;
        FUZZ_CHECK(good == (code == 0));
    }
    yyjson_doc_free(strict);
}

static void check_tree(struct fuzz *f, yyjson_mut_doc *d)
{
    AUTO(buf_finish) struct buf once = {0}, pretty = {0}, sorted = {0}, again = {0};
    yyjson_mut_doc *other = NULL;
    FUZZ_CHECK(fuzz_tree_ok(d->root, LIMIT_DEPTH));
    FUZZ_CHECK(json_depth_ok(d->root));
    /* once through text: -0.0 is written as Go writes it, and that is read as the integer 0 */
    FUZZ_CHECK(json_read(&f->arena, fuzz_text(f, d->root), &other, NULL, NULL) == 0);
    FUZZ_CHECK(json_equal(d->root, other->root));
    d = other;
    json_write(&once, d->root);
    FUZZ_CHECK(json_read(&f->arena, buf_str(&once), &other, NULL, NULL) == 0);
    json_write(&again, other->root);
    FUZZ_SAME(buf_str(&once), buf_str(&again));
    json_write_pretty(&pretty, d->root);
    FUZZ_CHECK(json_read(&f->arena, buf_str(&pretty), &other, NULL, NULL) == 0);
    FUZZ_SAME(fuzz_text(f, other->root), buf_str(&once));
    quote_go_json(&sorted, d->root);
    FUZZ_CHECK(json_read(&f->arena, buf_str(&sorted), &other, NULL, NULL) == 0);
    FUZZ_CHECK(json_equal(d->root, other->root));
    yyjson_mut_doc *copy = json_doc(&f->arena);
    FUZZ_SAME(fuzz_text(f, json_copy(copy, d->root)), buf_str(&once));
}

/* The reader for this program's own bytes gives the same where no key repeats; merged duplicates
 * come once. */
static void check_others(struct fuzz *f, yyjson_mut_doc *d, const struct json_duplicates *twice)
{
    yyjson_mut_doc *other = NULL;
    FUZZ_CHECK(twice->n <= 100);
    for (size_t i = 0; i < twice->n; i++) {
        FUZZ_CHECK(utf8_valid(twice->paths[i]));
    }
    if (!twice->n) {
        FUZZ_CHECK(json_read_own(&f->arena, f->text, &other, NULL) == 0);
        FUZZ_CHECK(json_equal(d->root, other->root));
    }
    struct json_duplicates merged = {.merge = true};
    FUZZ_CHECK(json_read(&f->arena, f->text, &other, &merged, NULL) == 0);
    FUZZ_CHECK(fuzz_tree_ok(other->root, LIMIT_DEPTH));
    FUZZ_CHECK(twice->n == merged.n || twice->n > merged.n);
    struct str text = fuzz_text(f, other->root);
    struct json_duplicates none = {0};
    FUZZ_CHECK(json_read(&f->arena, text, &other, &none, NULL) == 0 && none.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct json_duplicates twice = {0};
    yyjson_mut_doc *d = NULL;
    int code = json_read(&f.arena, f.text, &d, &twice, &err);
    check_refusal(f.text, code);
    if (code == 0) {
        check_tree(&f, d);
        check_others(&f, d, &twice);
    } else {
        FUZZ_REFUSED(code, err);
    }
    return fuzz_end(&f, data, size);
}
