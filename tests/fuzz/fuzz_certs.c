/* SPDX-License-Identifier: Apache-2.0 */
/* PEM text: certificates are found or refused with words, the same each time. */
#include "base/crypto.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    int code = crypto_check_certs(f.text, "file", &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
    }
    FUZZ_CHECK(crypto_check_certs(f.text, "file", NULL) == code);
    return fuzz_end(&f, data, size);
}
