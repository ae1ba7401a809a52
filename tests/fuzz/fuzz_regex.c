/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns NUL text: compiling and searching take bounded time and memory and always say the same.
 */
#include "base/limits.h"
#include "base/regex.h"
#include "tests/fuzz/fuzz.h"

enum { PATTERN_BYTES = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str text = f.text, pattern = fuzz_part(&text);
    /* at the worst a search costs the pattern times the text, which counts as quadratic here */
    pattern.len = pattern.len < PATTERN_BYTES ? pattern.len : PATTERN_BYTES;
    AUTO(err_finish) struct err err = {0};
    struct regex *r = NULL, *again = NULL;
    int code = regex_create(pattern, &r, &err);
    if (code == 0) {
        bool found = regex_search(r, text);
        FUZZ_CHECK(regex_create(pattern, &again, NULL) == 0 && again == r);
        FUZZ_CHECK(regex_search(again, text) == found);
        regex_unref(again);
        regex_unref(r);
    } else {
        FUZZ_REFUSED(code, err);
        FUZZ_CHECK(regex_create(pattern, &again, NULL) == code);
    }
    return fuzz_end(&f, data, size);
}
