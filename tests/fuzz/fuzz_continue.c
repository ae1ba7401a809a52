/* SPDX-License-Identifier: Apache-2.0 */
/* Continue tokens and resourceVersions: a token that is read means what a new one of its parts
 * means, and any key and revision survive in a token. */
#include <inttypes.h>
#include <stdio.h>

#include "base/crypto.h"
#include "resources/engine_priv.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_token(struct fuzz *f, struct str token)
{
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf again = {0};
    struct str start, back;
    int64_t rev, rev_back, left, left_back;
    int code = continue_decode(&f->arena, token, &start, &rev, &left, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return;
    }
    FUZZ_CHECK(start.len && (rev == -1 || rev > 0));
    continue_encode(&again, start, rev, left);
    FUZZ_CHECK(continue_decode(&f->arena, buf_str(&again), &back, &rev_back, &left_back, NULL) ==
               0);
    FUZZ_SAME(start, back);
    FUZZ_CHECK(rev == rev_back && (left > 0 ? left : 0) == left_back);
}

/* The JSON of a token, which fuzzing would hardly find through base64. */
static void check_inner(struct fuzz *f, struct str json)
{
    AUTO(buf_finish) struct buf b = {0};
    crypto_base64url(&b, json);
    check_token(f, buf_str(&b));
}

/* Of a clean key nothing is lost. */
static void check_key(struct fuzz *f, struct str key)
{
    AUTO(buf_finish) struct buf b = {0}, slash = {0};
    struct str back;
    int64_t rev, left;
    buf_addz(&slash, "/");
    buf_add(&slash, key);
    buf_addz(&slash, "/");
    bool clean = key.len && utf8_valid(key) && !memmem(slash.ptr, slash.len, "//", 2) &&
                 !memmem(slash.ptr, slash.len, "/./", 3) &&
                 !memmem(slash.ptr, slash.len, "/../", 4);
    if (clean) {
        continue_encode(&b, key, 7, 9);
        FUZZ_CHECK(continue_decode(&f->arena, buf_str(&b), &back, &rev, &left, NULL) == 0 &&
                   rev == 7 && left == 9);
        FUZZ_SAME(back, key);
    }
}

static void check_rv(struct str s)
{
    int64_t rv = -1;
    const char *why = op_parse_rv(s, &rv);
    if (why) {
        return;
    }
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, rv);
    struct str bare = s;
    while (bare.len > 1 && bare.ptr[0] == '0') {
        bare = str_skip(bare, 1);
    }
    FUZZ_CHECK(rv >= 0);
    FUZZ_SAME(bare, str_from(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    check_token(&f, f.text);
    check_inner(&f, f.text);
    check_key(&f, f.text);
    check_rv(f.text);
    return fuzz_end(&f, data, size);
}
