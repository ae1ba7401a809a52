/* SPDX-License-Identifier: Apache-2.0 */
/* JSONPath NUL object: finding always says the same, stays in bounds, and simple paths are walks
 * over members. */
#include "base/limits.h"
#include "resources/jsonpath.h"
#include "tests/fuzz/fuzz.h"

struct found {
    const yyjson_mut_val *first;
    size_t n, stop;
};

static bool on_value(void *arg, const yyjson_mut_val *v)
{
    struct found *f = arg;
    FUZZ_CHECK(v != NULL);
    f->first = f->n++ ? f->first : v;
    return f->n != f->stop;
}

static void check_path(struct fuzz *f, const struct jsonpath *p, struct str text)
{
    yyjson_mut_doc *d = text.len ? fuzz_json(f, text) : NULL;
    if (!d) {
        return;
    }
    struct str before = fuzz_text(f, d->root);
    struct found all = {0}, again = {0}, one = {.stop = 1};
    jsonpath_find(p, d->root, on_value, &all);
    jsonpath_find(p, d->root, on_value, &again);
    jsonpath_find(p, d->root, on_value, &one);
    FUZZ_CHECK(all.n == again.n && all.first == again.first && all.n <= LIMIT_JSONPATH_VALUES);
    FUZZ_CHECK(one.n == (all.n > 0) && one.first == all.first);
    FUZZ_CHECK(jsonpath_first(p, d->root) == all.first);
    FUZZ_CHECK(!jsonpath_is_simple(p) || all.n <= 1);
    FUZZ_SAME(fuzz_text(f, d->root), before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct str object = f.text, text = fuzz_part(&object);
    struct jsonpath *p = NULL;
    int code = jsonpath_parse(&f.arena, text, &p, &err);
    if (code == 0) {
        FUZZ_CHECK(text.len <= LIMIT_JSONPATH_BYTES);
        check_path(&f, p, object);
    } else {
        FUZZ_REFUSED(code, err);
    }
    return fuzz_end(&f, data, size);
}
