/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as CBOR, or as JSON: what is read is a tree of text, and it is the same after it was
 * written and read again. */
#include "base/cbor.h"
#include "base/limits.h"
#include "tests/fuzz/fuzz.h"

static void check_round(struct fuzz *f, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf bytes = {0}, again = {0};
    yyjson_mut_doc *d = NULL;
    cbor_write(&bytes, v);
    FUZZ_CHECK(cbor_read(&f->arena, buf_str(&bytes), &d, NULL) == 0);
    FUZZ_SAME(fuzz_text(f, yyjson_mut_doc_get_root(d)), fuzz_text(f, v));
    cbor_write(&again, yyjson_mut_doc_get_root(d));
    FUZZ_SAME(buf_str(&again), buf_str(&bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    int code = cbor_read(&f.arena, f.text, &d, &err);
    if (code == 0) {
        const yyjson_mut_val *v = yyjson_mut_doc_get_root(d);
        FUZZ_CHECK(fuzz_tree_ok(v, LIMIT_DEPTH));
        check_round(&f, v);
    } else {
        FUZZ_REFUSED(code, err);
        FUZZ_CHECK(d == NULL);
    }
    if ((d = fuzz_json(&f, f.text))) {
        check_round(&f, yyjson_mut_doc_get_root(d));
    }
    return fuzz_end(&f, data, size);
}
