/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON tree survives being written as YAML and read again. */
#include "base/limits.h"
#include "base/yaml.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    yyjson_mut_doc *d = fuzz_json(&f, f.text), *other = NULL;
    if (d) {
        AUTO(buf_finish) struct buf yaml = {0};
        AUTO(err_finish) struct err err = {0};
        struct json_duplicates twice = {0};
        yaml_write(&yaml, d->root);
        if (yaml_read(&f.arena, buf_str(&yaml), &other, &twice, &err) < 0) {
            fuzz_fail(__FILE__, __LINE__, "YAML written is read", str_from(err_message(&err)),
                      buf_str(&yaml));
        }
        FUZZ_CHECK(twice.n == 0);
        if (!json_equal(d->root, other->root)) {
            fuzz_fail(__FILE__, __LINE__, "YAML says what JSON said", fuzz_text(&f, d->root),
                      fuzz_text(&f, other->root));
        }
    }
    return fuzz_end(&f, data, size);
}
