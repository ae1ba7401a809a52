/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as the handler holds them: copies of what h2o has, in one piece of memory, large bodies
 * in a second. */
#include "apiserver/http_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { BODY_INLINE = 4096 };

static char *place(char **at, struct str *s)
{
    char *p = *at;
    if (s->len) {
        memcpy(p, s->ptr, s->len);
    }
    p[s->len] = 0;
    s->ptr = p;
    *at = p + s->len + 1;
    return p;
}

static size_t head_bytes(const struct http_conn *c, const h2o_req_t *req)
{
    size_t n = req->input.method.len + req->input.path.len + strlen(c->peer) + 4;
    for (size_t i = 0; i < req->headers.size; i++) {
        n += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 2;
    }
    if (c->ident) {
        n += strlen(c->ident->user) + 1;
        for (size_t i = 0; i < c->ident->n_groups; i++) {
            n += strlen(c->ident->groups[i]) + 1;
        }
    }
    return n;
}

static void copy_headers(struct exchange *x, const h2o_req_t *req, char **at)
{
    struct http_request *r = &x->pub;
    r->n_headers = req->headers.size;
    for (size_t i = 0; i < r->n_headers; i++) {
        const h2o_header_t *h = &req->headers.entries[i];
        r->headers[i].name = str_make(h->name->base, h->name->len);
        r->headers[i].value = str_make(h->value.base, h->value.len);
        place(at, &r->headers[i].name);
        place(at, &r->headers[i].value);
    }
}

static void copy_identity(struct exchange *x, const struct http_identity *ident, char **at)
{
    struct http_request *r = &x->pub;
    if (!ident) {
        return;
    }
    r->cert_user = str_from(ident->user);
    place(at, &r->cert_user);
    r->n_cert_groups = ident->n_groups;
    r->cert_expires = ident->expires;
    for (size_t i = 0; i < ident->n_groups; i++) {
        r->cert_groups[i] = str_from(ident->groups[i]);
        place(at, &r->cert_groups[i]);
    }
}

static void copy_body(struct exchange *x, const h2o_req_t *req, char **at)
{
    struct http_request *r = &x->pub;
    struct http_server *s = x->conn->loop->server;
    size_t n = req->entity.base ? req->entity.len : 0;
    if (x->conn->gate2) {
        gate2_claim(x->conn, x);
    } else if (x->conn->gate1.body) {
        r->body_state = x->conn->gate1.body;
    }
    if (!n || r->body_state) {
        return;
    }
    if (n > LIMIT_BODY_BYTES) {
        r->body_state = HTTP_BODY_TOO_LARGE;
        return;
    }
    if (atomic_fetch_add(&s->bodies, n) + n > LIMIT_BODIES_BYTES) {
        atomic_fetch_sub(&s->bodies, n);
        http_reject(s, HTTP_REASON_BODIES);
        r->body_state = HTTP_BODY_NO_MEMORY;
        return;
    }
    x->body_charged = n;
    r->body = str_make(req->entity.base, n);
    if (n > BODY_INLINE) {
        char *p = x->body_alloc = alloc_bytes(n + 1);
        place(&p, &r->body);
    } else {
        place(at, &r->body);
    }
}

static int version_of(const h2o_req_t *req)
{
    return req->version >= 0x200 ? 20 : req->version >= 0x101 ? 11 : 10;
}

struct exchange *exchange_read(struct http_conn *c, h2o_req_t *req)
{
    size_t n_headers = req->headers.size, n_groups = c->ident ? c->ident->n_groups : 0;
    size_t body = req->entity.base && req->entity.len <= BODY_INLINE ? req->entity.len + 1 : 0;
    size_t tables = n_headers * sizeof(struct http_header) + n_groups * sizeof(struct str);
    size_t fixed = sizeof(struct exchange);
    struct exchange *x = alloc_bytes(fixed + tables + head_bytes(c, req) + body);
    memset(x, 0, fixed);
    struct http_request *r = &x->pub;
    r->headers = (struct http_header *)(void *)x->mem;
    r->cert_groups = (struct str *)(void *)(r->headers + n_headers);
    char *at = x->mem + tables;
    atomic_init(&x->refs, 1);
    x->req = req;
    x->conn = c;
    r->loop = c->loop;
    r->version = version_of(req);
    r->websocket = r->version == 11 &&
                   h2o_lcstris(req->upgrade.base, req->upgrade.len, H2O_STRLIT("websocket"));
    r->method = str_make(req->input.method.base, req->input.method.len);
    place(&at, &r->method);
    struct str path = str_make(req->input.path.base, req->input.path.len);
    place(&at, &path);
    r->path = str_cut(path, '?', &r->query);
    r->peer = str_from(c->peer);
    place(&at, &r->peer);
    copy_headers(x, req, &at);
    copy_identity(x, c->ident, &at);
    copy_body(x, req, &at);
    r->begun_ns = clock_mono_ns();
    return x;
}

struct str http_header(const struct http_request *r, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct http_header *h = &r->headers[i];
        if (h->name.len == n && memcmp(h->name.ptr, name, n) == 0) {
            return h->value;
        }
    }
    return STR_NULL;
}

void http_body_release(struct http_request *r)
{
    struct exchange *x = exchange_of(r);
    if (!x->body_charged) {
        return;
    }
    atomic_fetch_sub(&r->loop->server->bodies, x->body_charged);
    x->body_charged = 0;
    r->body = STR_NULL;
    free(x->body_alloc);
    x->body_alloc = NULL;
}
