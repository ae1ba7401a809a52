/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR into the value type, in one pass. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cbor.h"
#include "base/cbor_priv.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/json_priv.h"
#include "base/limits.h"
#include "base/quote.h"
#include "base/utf8.h"

enum { FEW_KEYS = 8 }; /* compared each with each */

/* Tags that mean something here; the last three name the text that byte strings stand for. */
enum tag {
    TAG_NONE = -1,
    TAG_TIME = 0,
    TAG_EPOCH = 1,
    TAG_BIG = 2,
    TAG_BIG_NEGATIVE = 3,
    TAG_BASE64URL = 21,
    TAG_BASE64 = 22,
    TAG_HEX = 23,
};

struct reader {
    struct str rest;
    size_t total;
    unsigned depth;
    enum tag later; /* of the byte strings that come */
    yyjson_mut_doc *doc;
    struct err *err;
};

struct head {
    enum cbor_major major;
    unsigned info;
    uint64_t n;
};

static const char *const major_names[] = {"positive integer",
                                          "negative integer",
                                          "byte string",
                                          "UTF-8 text string",
                                          "array",
                                          "map",
                                          "tag",
                                          "primitives"};

static int read_item(struct reader *r, yyjson_mut_val **ret);

/* ---- heads ---- */

static int truncated(struct reader *r)
{
    return err_set(r->err, ERR_BAD_REQUEST, "%s", r->total ? "unexpected EOF" : "EOF");
}

static int bad_info(struct reader *r, const struct head *h)
{
    if (h->major == CBOR_SIMPLE && h->info == CBOR_INDEFINITE) {
        return err_set(r->err, ERR_BAD_REQUEST, "cbor: unexpected \"break\" code");
    }
    return err_set(r->err, ERR_BAD_REQUEST, "cbor: invalid additional information %u for type %s",
                   h->info, major_names[h->major]);
}

static bool may_be_indefinite(const struct head *h)
{
    return h->info == CBOR_INDEFINITE && h->major >= CBOR_BYTES && h->major <= CBOR_MAP;
}

static int read_head(struct reader *r, struct head *ret)
{
    if (!r->rest.len) {
        return truncated(r);
    }
    unsigned first = (unsigned char)r->rest.ptr[0], size = 0;
    *ret = (struct head){(enum cbor_major)(first >> 5), first & 0x1f, first & 0x1f};
    r->rest = str_skip(r->rest, 1);
    if (ret->info >= CBOR_ONE_BYTE && ret->info <= CBOR_EIGHT_BYTES) {
        size = 1u << (ret->info - CBOR_ONE_BYTE);
        ret->n = 0;
    } else if (ret->info > CBOR_EIGHT_BYTES && !may_be_indefinite(ret)) {
        return bad_info(r, ret);
    }
    if (r->rest.len < size) {
        return truncated(r);
    }
    for (unsigned i = 0; i < size; i++) {
        ret->n = ret->n << 8 | (unsigned char)r->rest.ptr[i];
    }
    r->rest = str_skip(r->rest, size);
    return 0;
}

static bool take_break(struct reader *r)
{
    bool is = r->rest.len && (unsigned char)r->rest.ptr[0] == CBOR_BREAK;
    r->rest = str_skip(r->rest, is);
    return is;
}

/* ---- numbers ---- */

static double half_value(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 0x1f), fraction = (int)(bits & 0x3ff);
    double d = exponent == 0    ? ldexp(fraction, -24)
               : exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                : ldexp(fraction + 1024, exponent - 25);
    return bits & 0x8000 ? -d : d;
}

static double real_value(const struct head *h)
{
    float f;
    double d;
    uint32_t bits = (uint32_t)h->n;
    if (h->info == CBOR_TWO_BYTES) {
        return half_value(h->n);
    }
    if (h->info == CBOR_FOUR_BYTES) {
        memcpy(&f, &bits, sizeof(f));
        return (double)f;
    }
    memcpy(&d, &h->n, sizeof(d));
    return d;
}

static int read_simple(struct reader *r, const struct head *h, yyjson_mut_val **ret)
{
    if (h->info >= CBOR_TWO_BYTES) {
        double d = real_value(h);
        if (!isfinite(d)) {
            return err_set(r->err, ERR_BAD_REQUEST,
                           "cbor: data item of cbor type primitives is not accepted by protocol: "
                           "floating-point %s",
                           isnan(d) ? "NaN" : "infinity");
        }
        *ret = yyjson_mut_real(r->doc, d);
        json_normalise_number(*ret);
        return 0;
    }
    if (h->info == CBOR_ONE_BYTE && h->n < 32) {
        return err_set(r->err, ERR_BAD_REQUEST,
                       "cbor: invalid simple value %" PRIu64 " for type primitives", h->n);
    }
    if (h->n != CBOR_FALSE && h->n != CBOR_TRUE && h->n != CBOR_NULL) {
        return err_set(r->err, ERR_INVALID,
                       "cbor: data item of cbor type primitives is not accepted by protocol: "
                       "simple value %" PRIu64 " is not recognized",
                       h->n);
    }
    *ret = h->n == CBOR_NULL ? yyjson_mut_null(r->doc) : yyjson_mut_bool(r->doc, h->n == CBOR_TRUE);
    return 0;
}

static int read_int(struct reader *r, const struct head *h, yyjson_mut_val **ret)
{
    bool negative = h->major == CBOR_NEGATIVE;
    if (h->n > INT64_MAX) {
        return err_set(r->err, ERR_INVALID,
                       "cbor: cannot unmarshal %s into Go value of type int64 (%s%" PRIu64
                       " overflows Go's int64)",
                       major_names[h->major], negative ? "-" : "", h->n + (negative && h->n + 1));
    }
    *ret = negative ? yyjson_mut_sint(r->doc, -1 - (int64_t)h->n) : yyjson_mut_uint(r->doc, h->n);
    return 0;
}

/* ---- strings ---- */

static int take_string(struct reader *r, const struct head *h, struct str *ret)
{
    if (h->n > r->rest.len) {
        return truncated(r);
    }
    *ret = str_make(r->rest.ptr, (size_t)h->n);
    r->rest = str_skip(r->rest, (size_t)h->n);
    return 0;
}

/* The chunks of a string of indefinite length. */
static int gather_chunks(struct reader *r, const struct head *h, struct buf *b)
{
    while (!take_break(r)) {
        struct head chunk;
        struct str s;
        int code = read_head(r, &chunk);
        if (code == 0 && chunk.major != h->major) {
            return err_set(r->err, ERR_BAD_REQUEST,
                           "cbor: wrong element type %s for indefinite-length %s",
                           major_names[chunk.major], major_names[h->major]);
        }
        if (code == 0 && chunk.info == CBOR_INDEFINITE) {
            return err_set(r->err, ERR_BAD_REQUEST,
                           "cbor: indefinite-length %s chunk is not definite-length",
                           major_names[h->major]);
        }
        code = code < 0 ? code : take_string(r, &chunk, &s);
        if (code < 0) {
            return code;
        }
        if (h->major == CBOR_TEXT && !utf8_valid(s)) {
            return err_set(r->err, ERR_INVALID, "cbor: invalid UTF-8 string");
        }
        buf_add(b, s);
    }
    return 0;
}

static int text_value(struct reader *r, struct str s, yyjson_mut_val **ret)
{
    if (!utf8_valid(s)) {
        return err_set(r->err, ERR_INVALID, "cbor: invalid UTF-8 string");
    }
    *ret = yyjson_mut_strncpy(r->doc, s.len ? s.ptr : "", s.len);
    return 0;
}

/* later: what the bytes stand for. */
static int string_value(struct reader *r, struct str s, enum tag later, yyjson_mut_val **ret)
{
    AUTO(buf_finish) struct buf text = {0};
    if (later == TAG_BASE64) {
        crypto_base64(&text, s);
    } else if (later == TAG_BASE64URL) {
        crypto_base64url(&text, s);
    } else if (later == TAG_HEX) {
        crypto_hex(&text, (const unsigned char *)s.ptr, s.len);
    } else {
        return text_value(r, s, ret);
    }
    return text_value(r, buf_str(&text), ret);
}

static int read_string(struct reader *r, const struct head *h, yyjson_mut_val **ret)
{
    AUTO(buf_finish) struct buf chunks = {0};
    struct str s = STR_NULL;
    int code;
    if (h->info == CBOR_INDEFINITE) {
        code = gather_chunks(r, h, &chunks);
        s = buf_str(&chunks);
    } else {
        code = take_string(r, h, &s);
    }
    return code < 0 ? code : string_value(r, s, h->major == CBOR_BYTES ? r->later : TAG_NONE, ret);
}

/* ---- maps and lists ---- */

static int twice(struct reader *r, struct str key, size_t index)
{
    AUTO(buf_finish) struct buf text = {0};
    quote_go(&text, key);
    return err_set(r->err, r->depth > 1 ? ERR_INVALID : ERR_BAD_REQUEST,
                   "cbor: found duplicate map key %.*s at map element index %zu",
                   STR_FMT(buf_str(&text)), index);
}

static int check_few(struct reader *r, const struct json_key *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct str key = str_make(keys[i].ptr, keys[i].len);
        for (size_t j = 0; j < i; j++) {
            if (str_eq(key, str_make(keys[j].ptr, keys[j].len))) {
                return twice(r, key, i);
            }
        }
    }
    return 0;
}

static int check_many(struct reader *r, const struct json_key *keys, size_t n)
{
    AUTO_FREE uint32_t *first = alloc_bytes(n * sizeof(*first));
    if (json_keys_first(keys, n, first)) {
        for (size_t i = 0; i < n; i++) {
            if (first[i] != i) {
                return twice(r, str_make(keys[i].ptr, keys[i].len), i);
            }
        }
    }
    return 0;
}

static int check_keys(struct reader *r, const yyjson_mut_val *map)
{
    size_t n = json_size(map), i = 0;
    struct json_key few[FEW_KEYS];
    AUTO_FREE struct json_key *many = n > FEW_KEYS ? alloc_bytes(n * sizeof(*many)) : NULL;
    struct json_key *keys = many ? many : few;
    struct json_iter it = json_iter(map);
    for (; json_next(&it); i++) {
        struct str key = json_str(it.key);
        keys[i] = (struct json_key){key.ptr, key.len};
    }
    return many ? check_many(r, many, n) : check_few(r, few, n);
}

static int read_key(struct reader *r, yyjson_mut_val **ret)
{
    enum tag later = r->later;
    r->later = TAG_NONE;
    int code = read_item(r, ret);
    r->later = later;
    if (code == 0 && !json_is_str(*ret)) {
        return err_set(r->err, ERR_INVALID,
                       "cbor: cannot unmarshal a map key that is no string into Go value of type "
                       "string");
    }
    return code;
}

static int read_members(struct reader *r, const struct head *h, yyjson_mut_val *into)
{
    bool open = h->info == CBOR_INDEFINITE;
    for (uint64_t i = 0; open ? !take_break(r) : i < h->n; i++) {
        yyjson_mut_val *key = NULL, *v = NULL;
        int code = h->major == CBOR_MAP ? read_key(r, &key) : 0;
        code = code < 0 ? code : read_item(r, &v);
        if (code < 0) {
            return code;
        }
        if (h->major == CBOR_MAP) {
            yyjson_mut_obj_add(into, key, v);
        } else {
            yyjson_mut_arr_append(into, v);
        }
    }
    return 0;
}

static int read_container(struct reader *r, const struct head *h, yyjson_mut_val **ret)
{
    if (r->depth == LIMIT_DEPTH) {
        return err_set(r->err, ERR_BAD_REQUEST, "cbor: exceeded max nested level %d", LIMIT_DEPTH);
    }
    r->depth++;
    *ret = h->major == CBOR_MAP ? yyjson_mut_obj(r->doc) : yyjson_mut_arr(r->doc);
    int code = read_members(r, h, *ret);
    if (code == 0 && h->major == CBOR_MAP) {
        code = check_keys(r, *ret);
    }
    r->depth--;
    return code;
}

/* ---- tags ---- */

static int read_time(struct reader *r, const yyjson_mut_val *v)
{
    int64_t us;
    if (!json_is_str(v) || !clock_parse(json_str(v), &us)) {
        return err_set(r->err, ERR_INVALID,
                       "cbor: tag number 0 must be followed by a time as text");
    }
    return 0;
}

static int read_epoch(struct reader *r, yyjson_mut_val *v)
{
    const double most = 253402300799.0, least = -62135596800.0; /* years 1 to 9999 */
    double seconds = yyjson_mut_is_num(v) ? yyjson_mut_get_num(v) : INFINITY;
    char text[CLOCK_TEXT];
    if (!(seconds >= least && seconds <= most)) {
        return err_set(r->err, ERR_INVALID,
                       "cbor: tag number 1 must be followed by a time in seconds");
    }
    double whole = floor(seconds);
    int64_t us = (int64_t)whole * 1000000 + (int64_t)((seconds - whole) * 1e6);
    size_t n = us % 1000000 ? clock_format_micro(us, text) : clock_format(us, text);
    yyjson_mut_val *s = yyjson_mut_strncpy(r->doc, text, n);
    json_assign(v, s);
    return 0;
}

static int read_tag(struct reader *r, const struct head *h, yyjson_mut_val **ret)
{
    enum tag later = r->later;
    if (h->n == TAG_BIG || h->n == TAG_BIG_NEGATIVE) {
        return err_set(r->err, ERR_BAD_REQUEST,
                       "cbor: data item of cbor type tag is not accepted by protocol: bignum");
    }
    if (r->depth == LIMIT_DEPTH) {
        return err_set(r->err, ERR_BAD_REQUEST, "cbor: exceeded max nested level %d", LIMIT_DEPTH);
    }
    bool encodes = h->n >= TAG_BASE64URL && h->n <= TAG_HEX;
    r->later = encodes ? (enum tag)h->n : r->later;
    r->depth++;
    int code = read_item(r, ret);
    r->depth--;
    r->later = later;
    if (code == 0 && h->n == TAG_TIME) {
        return read_time(r, *ret);
    }
    return code == 0 && h->n == TAG_EPOCH ? read_epoch(r, *ret) : code;
}

/* ---- items ---- */

static int read_item(struct reader *r, yyjson_mut_val **ret)
{
    struct head h;
    int code = read_head(r, &h);
    if (code < 0) {
        return code;
    }
    switch (h.major) {
    case CBOR_UNSIGNED:
    case CBOR_NEGATIVE:
        return read_int(r, &h, ret);
    case CBOR_BYTES:
    case CBOR_TEXT:
        return read_string(r, &h, ret);
    case CBOR_ARRAY:
    case CBOR_MAP:
        return read_container(r, &h, ret);
    case CBOR_TAG:
        return read_tag(r, &h, ret);
    case CBOR_SIMPLE:
        break;
    }
    return read_simple(r, &h, ret);
}

int cbor_read(struct arena *a, struct str bytes, yyjson_mut_doc **ret, struct err *err)
{
    struct reader r = {
        .rest = bytes, .total = bytes.len, .later = TAG_NONE, .doc = json_doc(a), .err = err};
    if (str_starts(bytes, CBOR_SELF_DESCRIBED)) { /* counts for no depth */
        r.rest = str_skip(bytes, CBOR_SELF_DESCRIBED.len);
    }
    yyjson_mut_val *v = NULL;
    int code = read_item(&r, &v);
    if (code == 0 && r.rest.len) {
        return err_set(err, ERR_BAD_REQUEST,
                       "cbor: %zu bytes of extraneous data starting at index %zu", r.rest.len,
                       bytes.len - r.rest.len);
    }
    if (code == 0) {
        yyjson_mut_doc_set_root(r.doc, v);
        *ret = r.doc;
    }
    return code;
}
