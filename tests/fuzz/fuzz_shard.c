/* SPDX-License-Identifier: Apache-2.0 */
/* Shard selectors: what is read, written out and read again is the same selector. */
#include "base/limits.h"
#include "resources/shard.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    struct shard_selector *s = NULL, *again = NULL;
    AUTO(err_finish) struct err err = {0};
    fuzz_begin(&f, data, size);
    int code = size > LIMIT_SELECTOR_BYTES ? 0 : shard_parse(&f.arena, f.text, &s, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
    } else if (s) {
        FUZZ_CHECK(shard_parse(&f.arena, shard_text(s), &again, NULL) == 0);
        FUZZ_SAME(shard_text(s), shard_text(again));
        FUZZ_CHECK(shard_by_namespace(s) == shard_by_namespace(again));
        FUZZ_CHECK(shard_match(s, f.text) == shard_match(again, f.text));
    }
    return fuzz_end(&f, data, size);
}
