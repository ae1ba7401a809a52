/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: UTF-8, quoting, base64 and hexadecimal. The first byte says which part of the
 * input is looked at as what. */
#include "base/crypto.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_utf8(struct str s)
{
    AUTO(buf_finish) struct buf once = {0}, again = {0};
    size_t n = 0;
    for (struct str rest = s; rest.len; n++) {
        size_t len = utf8_length(rest);
        FUZZ_CHECK(len <= 4 && len <= rest.len);
        rest = str_skip(rest, len ? len : 1);
    }
    FUZZ_CHECK(n == utf8_count(s));
    utf8_repair(&once, s);
    FUZZ_CHECK(utf8_valid(buf_str(&once)));
    FUZZ_CHECK(utf8_valid(s) == str_eq(s, buf_str(&once)));
    utf8_repair(&again, buf_str(&once));
    FUZZ_SAME(buf_str(&once), buf_str(&again));
}

static void check_quotes(struct fuzz *f, struct str s)
{
    AUTO(buf_finish) struct buf json = {0}, go = {0}, fixed = {0};
    buf_add_json(&json, s);
    yyjson_mut_doc *d = fuzz_json(f, buf_str(&json));
    FUZZ_CHECK(d && json_is_str(d->root));
    utf8_repair(&fixed, s);
    FUZZ_SAME(json_str(d->root), buf_str(&fixed));
    quote_go(&go, s);
    FUZZ_CHECK(go.len >= 2 && go.ptr[0] == '"' && go.ptr[go.len - 1] == '"');
    FUZZ_CHECK(utf8_valid(buf_str(&go)) && !memchr(go.ptr, '\n', go.len) &&
               !memchr(go.ptr, 0, go.len));
}

/* What is encoded is decoded; what is decoded comes back from its own encoding. */
static void check_base64(struct str s, void (*encode)(struct buf *, struct str),
                         bool (*decode)(struct buf *, struct str))
{
    AUTO(buf_finish) struct buf text = {0}, back = {0}, plain = {0}, again = {0}, once = {0};
    encode(&text, s);
    FUZZ_CHECK(decode(&back, buf_str(&text)));
    FUZZ_SAME(buf_str(&back), s);
    if (decode(&plain, s)) {
        encode(&once, buf_str(&plain));
        FUZZ_CHECK(decode(&again, buf_str(&once)));
        FUZZ_SAME(buf_str(&again), buf_str(&plain));
        FUZZ_CHECK(once.len <= s.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    check_utf8(f.text);
    check_quotes(&f, f.text);
    check_base64(f.text, crypto_base64, crypto_unbase64);
    check_base64(f.text, crypto_base64url, crypto_unbase64url);
    return fuzz_end(&f, data, size);
}
