/* SPDX-License-Identifier: Apache-2.0 */
/* The continue token of a list: base64url of {"v":"meta.k8s.io/v1","rv":N,"start":KEY}, as the
 * reference's, which does not mind that there is also `"left":N`, the objects from START on: they
 * need not be counted again for each page. */
#include "base/crypto.h"
#include "resources/engine_priv.h"

#define TOKEN_VERSION "meta.k8s.io/v1"

void continue_encode(struct buf *b, struct str start, int64_t rev, int64_t left)
{
    AUTO(buf_finish) struct buf json = {0};
    buf_addz(&json, "{\"v\":\"" TOKEN_VERSION "\",\"rv\":");
    buf_addi(&json, rev);
    buf_addz(&json, ",\"start\":");
    AUTO(buf_finish) struct buf key = {0};
    buf_addc(&key, '/');
    buf_add(&key, start);
    buf_add_json(&json, buf_str(&key));
    if (left > 0) {
        buf_addz(&json, ",\"left\":");
        buf_addi(&json, left);
    }
    buf_addc(&json, '}');
    crypto_base64url(b, buf_str(&json));
}

static int invalid(struct err *err, const char *why)
{
    return err_set(err, ERR_BAD_REQUEST, "invalid continue token: continue key is not valid: %s",
                   why);
}

static bool base64url_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Whether the path is one that Go's path.Clean leaves as it is. */
static bool is_clean(struct str s)
{
    struct str rest = s.len && s.ptr[0] == '/' ? str_skip(s, 1) : s;
    do {
        struct str part = str_cut(rest, '/', &rest);
        if (!part.len || str_is(part, ".") || str_is(part, "..")) {
            return false;
        }
    } while (rest.ptr);
    return true;
}

static int read_token(struct arena *a, struct str json, struct str *ret_start, int64_t *ret_rev,
                      int64_t *ret_left, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    yyjson_mut_doc *d = NULL;
    if (json_read(a, json, &d, NULL, &why)) {
        return invalid(err, err_message(&why));
    }
    yyjson_mut_val *o = yyjson_mut_doc_get_root(d), *rv = json_get(o, "rv"),
                   *start = json_get(o, "start");
    if (!yyjson_mut_is_obj(o)) {
        return invalid(err, "json: cannot unmarshal into Go value of type storage.continueToken");
    }
    struct str version = json_get_str(o, "v");
    if (!str_is(version, TOKEN_VERSION)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "invalid continue token: continue key is not valid: server does not "
                       "recognize this encoded version %.*s",
                       STR_FMT(version));
    }
    int64_t rev = yyjson_mut_is_int(rv) ? yyjson_mut_get_sint(rv) : 0;
    if (!rev || rev < -1) {
        return invalid(err, "incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
    }
    struct str key = json_str(start);
    if (!key.len) {
        return invalid(err, "encoded start key empty (version meta.k8s.io/v1)");
    }
    if (!is_clean(key)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "invalid continue token: continue key is not valid: %.*s", STR_FMT(key));
    }
    *ret_start = key.ptr[0] == '/' ? str_skip(key, 1) : key;
    *ret_rev = rev;
    *ret_left = rev > 0 ? json_get_int(o, "left", 0) : 0;
    return 0;
}

int continue_decode(struct arena *a, struct str token, struct str *ret_start, int64_t *ret_rev,
                    int64_t *ret_left, struct err *err)
{
    AUTO(buf_finish) struct buf json = {0};
    for (size_t i = 0; i < token.len; i++) {
        if (!base64url_char(token.ptr[i])) {
            return invalid(err, arena_printf(a, "illegal base64 data at input byte %zu", i));
        }
    }
    if (!crypto_unbase64url(&json, token)) {
        return invalid(err, arena_printf(a, "illegal base64 data at input byte %zu", token.len));
    }
    return read_token(a, arena_str(a, buf_str(&json)), ret_start, ret_rev, ret_left, err);
}
