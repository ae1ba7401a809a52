/* SPDX-License-Identifier: Apache-2.0 */
/* What a request says to another server. Nothing is copied that was not looked at: the path and the
 * query are written from their parts, so that both servers read the same; headers that the client
 * could speak of itself with, or that belong to its connection, are left out. */
#include "apiserver/proxy_priv.h"

#include <strings.h>

#include "apiserver/call_priv.h"
#include "base/buf.h"
#include "base/cleanup.h"

static bool is_plain(char c, const char *more)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr(more, c));
}

static void add_escaped(struct buf *b, struct str s, const char *plain)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_plain(s.ptr[i], plain)) {
            buf_addc(b, s.ptr[i]);
        } else {
            buf_printf(b, "%%%02X", (unsigned char)s.ptr[i]);
        }
    }
}

/* ---- the URL ---- */

/* Empty parts, "." and ".." mean something else to who cleans paths up. */
static bool is_clean(struct str path)
{
    struct str rest = str_skip(path, 1);
    while (rest.ptr) {
        struct str part = str_cut(rest, '/', &rest);
        if ((!part.len && rest.ptr) || str_is(part, ".") || str_is(part, "..")) {
            return false;
        }
    }
    return true;
}

int proxy_url(struct call *c, const struct apiservice *to, const char **ret, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    if (!c->route.path.len || c->route.path.ptr[0] != '/' || !is_clean(c->route.path)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "a path with empty parts, \".\" or \"..\" is not handed on");
    }
    buf_addz(&b, to->url);
    add_escaped(&b, c->route.path, "-_.~/:@$&+,;=");
    for (size_t i = 0; i < c->n_params; i++) {
        buf_addc(&b, i ? '&' : '?');
        add_escaped(&b, c->params[i].key, "-_.~");
        buf_addc(&b, '=');
        add_escaped(&b, c->params[i].value, "-_.~");
    }
    *ret = arena_str(&c->arena, buf_str(&b)).ptr;
    return 0;
}

/* ---- headers ---- */

static bool in_list(struct str name, const char *const *list)
{
    for (size_t i = 0; list[i]; i++) {
        if (str_is_word(name, list[i])) {
            return true;
        }
    }
    return false;
}

/* Of the connection, not of the message (RFC 9110 section 7.6.1). */
static bool is_hop(struct str name, struct str connection)
{
    static const char *const hops[] = {"connection",
                                       "keep-alive",
                                       "proxy-connection",
                                       "te",
                                       "trailer",
                                       "transfer-encoding",
                                       "upgrade",
                                       "expect",
                                       "content-length",
                                       "http2-settings",
                                       NULL};
    if (in_list(name, hops) || (name.len > 6 && strncasecmp(name.ptr, "proxy-", 6) == 0)) {
        return true;
    }
    while (connection.ptr) {
        struct str one = str_trim(str_cut(connection, ',', &connection));
        if (one.len == name.len && one.len && strncasecmp(one.ptr, name.ptr, one.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Some servers take '_' for '-'. */
static bool begins(struct str name, const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t i = 0; i < n; i++) {
        char c = i < name.len ? name.ptr[i] : 0;
        c = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c == '_' ? '-' : c);
        if (c != prefix[i]) {
            return false;
        }
    }
    return true;
}

static bool is_word(struct str name, const char *word)
{
    return name.len == strlen(word) && begins(name, word);
}

/* Who the client says it is, and what it says that this server says. */
static bool is_reserved(struct str name)
{
    return is_word(name, "authorization") || is_word(name, "host") || is_word(name, "audit-id") ||
           begins(name, "x-remote-") || begins(name, "impersonate-") ||
           begins(name, "x-forwarded-") || begins(name, "sec-websocket-");
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_plain(s.ptr[i], "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

bool proxy_passes(struct str name, struct str value, struct str connection)
{
    return is_token(name) && is_value(value) && !is_hop(name, connection) &&
           !is_word(name, "audit-id") && !is_word(name, "date");
}

struct head {
    struct call *call;
    const char **lines;
    size_t n, cap;
    bool bad;
};

static void add(struct head *h, struct str name, struct str value)
{
    if (!is_token(name) || !is_value(value)) {
        h->bad = true;
        return;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 32;
        const char **lines = arena_alloc(&h->call->arena, cap * sizeof(*lines));
        if (h->n) {
            memcpy(lines, h->lines, h->n * sizeof(*lines));
        }
        h->lines = lines;
        h->cap = cap;
    }
    /* libcurl wants "Name;" for one without a value. */
    h->lines[h->n++] =
        value.len ? arena_printf(&h->call->arena, "%.*s: %.*s", STR_FMT(name), STR_FMT(value))
                  : arena_printf(&h->call->arena, "%.*s;", STR_FMT(name));
}

static void add_user(struct head *h, const struct user *u)
{
    add(h, STR("X-Remote-User"), u->name);
    if (u->uid.len) {
        add(h, STR("X-Remote-Uid"), u->uid);
    }
    for (size_t i = 0; i < u->n_groups; i++) {
        add(h, STR("X-Remote-Group"), u->groups[i]);
    }
    for (size_t i = 0; i < u->n_extra; i++) {
        AUTO(buf_finish) struct buf name = {0};
        buf_addz(&name, "X-Remote-Extra-");
        add_escaped(&name, u->extra[i].key, "!#$&'*+-.^_`|~");
        for (size_t k = 0; k < u->extra[i].n_values; k++) {
            add(h, buf_str(&name), u->extra[i].values[k]);
        }
    }
}

static struct str without_port(struct str peer)
{
    size_t n = peer.len;
    while (n && peer.ptr[n - 1] != ':') {
        n--;
    }
    return n ? str_make(peer.ptr, n - 1) : peer;
}

int proxy_headers(struct call *c, const char *const **ret, size_t *ret_n, struct err *err)
{
    const struct http_request *r = c->http;
    struct head h = {.call = c};
    struct str connection = http_header(r, "connection");
    bool accepts = false;
    for (size_t i = 0; i < r->n_headers; i++) {
        struct str name = r->headers[i].name;
        if (name.len && name.ptr[0] != ':' && !is_hop(name, connection) && !is_reserved(name)) {
            add(&h, name, r->headers[i].value);
            accepts = accepts || is_word(name, "accept");
        }
    }
    if (!accepts) {
        add(&h, STR("Accept"), STR("*/*"));
    }
    add_user(&h, c->user);
    add(&h, STR("X-Forwarded-For"), without_port(r->peer));
    add(&h, STR("Audit-Id"), call_audit_id(c));
    if (h.bad) {
        return err_set(err, ERR_BAD_REQUEST, "a header holds what cannot be handed on");
    }
    *ret = h.lines;
    *ret_n = h.n;
    return 0;
}
