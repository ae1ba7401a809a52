/* SPDX-License-Identifier: Apache-2.0 */
/* The subprotocols of a WebSocket handshake. */
#include "apiserver/websocket.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/utf8.h"

#define BEARER_PREFIX "base64url.bearer.authorization.k8s.io."

/* Protocols by kind, over all headers of the name. */
struct found {
    struct str token, other;
    size_t n_tokens, n_others;
};

static void look(struct found *f, struct str list)
{
    while (list.ptr) {
        struct str one = str_trim(str_cut(list, ',', &list));
        if (str_starts(one, STR(BEARER_PREFIX))) {
            f->token = str_skip(one, sizeof(BEARER_PREFIX) - 1);
            f->n_tokens++;
        } else if (one.len) {
            f->other = one;
            f->n_others++;
        }
    }
}

static struct found find(const struct http_request *r)
{
    struct found f = {0};
    for (size_t i = 0; i < r->n_headers; i++) {
        if (str_is(r->headers[i].name, "sec-websocket-protocol")) {
            look(&f, r->headers[i].value);
        }
    }
    return f;
}

int websocket_bearer(const struct http_request *r, struct arena *a, struct str *ret,
                     struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    struct found f = find(r);
    if (!f.n_tokens) {
        *ret = STR_NULL;
        return 0;
    }
    if (f.n_tokens > 1) {
        return err_set(err, ERR_UNAUTHORIZED, "multiple base64.bearer.authorization tokens");
    }
    if (!crypto_unbase64url(&b, f.token) || !utf8_valid(buf_str(&b))) {
        return err_set(err, ERR_UNAUTHORIZED, "invalid base64.bearer.authorization token");
    }
    if (b.len && !f.n_others) {
        return err_set(err, ERR_UNAUTHORIZED, "missing additional subprotocol");
    }
    *ret = b.len ? arena_str(a, buf_str(&b)) : STR_NULL;
    return 0;
}

int websocket_protocol(const struct http_request *r, struct str *ret, struct err *err)
{
    struct found f = find(r);
    if (f.n_others > 1) {
        return err_set(err, ERR_BAD_REQUEST, "bad protocol: one is answered, %zu were asked for",
                       f.n_others);
    }
    *ret = f.other;
    return 0;
}
