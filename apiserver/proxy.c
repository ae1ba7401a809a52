/* SPDX-License-Identifier: Apache-2.0 */
/* Hands requests on, as kube-aggregator does. Two threads meet at a struct proxy: the HTTP client's
 * puts pieces of the answer into its window and stops reading the other server while that is full;
 * the call's loop takes them out as fast as the client reads. Either may end first. */
#include "apiserver/proxy_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "apiserver/body.h"
#include "apiserver/call_priv.h"
#include "apiserver/loop.h"
#include "apiserver/route.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "resources/status.h"

enum {
    DISCOVERY_MS = 5 * 1000,
    WHOLE_BYTES = 64 * 1024, /* of an answer that is not begun before it is there as a whole */
    GONE = 499,              /* the client left before there was an answer */
};

struct piece {
    struct piece *next;
    struct blob *bytes;
};

struct proxy {
    _Atomic int refs; /* the loop's, the request's, and one for each message under way */
    struct aggregation *table;
    struct apiservice *to;
    struct http_request *http;
    struct httpc *client;
    uint64_t id;
    bool endless; /* a watch: it has no time of its own */

    /* The loop's. */
    struct loop_state *loop;
    struct call *call; /* NULL: it is finished */
    struct proxy *prev, *next;
    bool begun, stopping;
    size_t in_flight; /* bytes that the transport has */

    pthread_mutex_t lock; /* of what follows */
    bool headed, ended, paused, told;
    int status, code;
    char *text;
    struct buf head; /* name NUL value NUL ... */
    size_t n_headers;
    struct buf connection;
    bool bad_head;
    struct piece *pieces, **last_piece;
    size_t bytes; /* in the pieces and in flight */
};

static void turn(struct proxy *p);

/* ---- life ---- */

static struct proxy *proxy_ref(struct proxy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

static void proxy_unref(struct proxy *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    while (p->pieces) {
        struct piece *piece = p->pieces;
        p->pieces = piece->next;
        blob_unref(piece->bytes);
        free(piece);
    }
    buf_finish(&p->head);
    buf_finish(&p->connection);
    free(p->text);
    apiservice_unref(p->to);
    http_request_unref(p->http);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Takes the call away from the proxy, which then only waits for its request to end. */
static struct call *let_go(struct proxy *p)
{
    struct call *c = p->call;
    p->call = NULL;
    http_on_gone(c->http, NULL, NULL);
    *(p->prev ? &p->prev->next : &p->loop->proxies) = p->next;
    if (p->next) {
        p->next->prev = p->prev;
    }
    httpc_cancel(p->client, p->id);
    proxy_unref(p);
    return c;
}

/* ---- on the HTTP client's thread ---- */

static void on_message(void *arg)
{
    struct proxy *p = arg;
    pthread_mutex_lock(&p->lock);
    p->told = false;
    pthread_mutex_unlock(&p->lock);
    turn(p);
    proxy_unref(p);
}

/* Under the lock. */
static void tell(struct proxy *p)
{
    if (p->told) {
        return;
    }
    p->told = true;
    proxy_ref(p);
    if (!http_post(p->http->loop, on_message, p)) {
        proxy_unref(p); /* the request's own reference is still there */
    }
}

static void on_header(void *arg, struct str name, struct str value)
{
    struct proxy *p = arg;
    if (!name.len) {
        p->head.len = p->connection.len = p->n_headers = 0;
        return;
    }
    p->bad_head = p->bad_head || p->head.len + name.len + value.len > LIMIT_PROXY_HEAD_BYTES;
    if (p->bad_head) {
        return;
    }
    if (str_is_word(name, "connection")) {
        buf_addc(&p->connection, ',');
        buf_add(&p->connection, value);
    }
    if (memchr(name.ptr, 0, name.len) || (value.len && memchr(value.ptr, 0, value.len))) {
        return;
    }
    buf_add(&p->head, name);
    buf_addc(&p->head, 0);
    buf_add(&p->head, value);
    buf_addc(&p->head, 0);
    p->n_headers++;
}

static bool on_head(void *arg, int status)
{
    struct proxy *p = arg;
    pthread_mutex_lock(&p->lock);
    p->status = status;
    p->headed = !p->bad_head;
    if (p->endless) {
        tell(p);
    }
    pthread_mutex_unlock(&p->lock);
    return p->headed;
}

static enum httpc_flow on_piece(void *arg, struct str bytes)
{
    struct proxy *p = arg;
    pthread_mutex_lock(&p->lock);
    p->paused = p->bytes >= LIMIT_PROXY_WINDOW_BYTES;
    if (!p->paused) {
        struct piece *piece = ALLOC(struct piece);
        piece->bytes = blob_create(bytes);
        *p->last_piece = piece;
        p->last_piece = &piece->next;
        p->bytes += bytes.len;
    }
    tell(p);
    enum httpc_flow flow = p->paused ? HTTPC_PAUSE : HTTPC_GO_ON;
    pthread_mutex_unlock(&p->lock);
    return flow;
}

static void on_done(void *arg, const struct httpc_answer *a)
{
    struct proxy *p = arg;
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    p->code = a->code ? a->code : p->headed ? 0 : ERR_UNAVAILABLE;
    p->text = p->bad_head ? alloc_strdup("the head of its answer is too large")
              : a->text   ? alloc_strdup(a->text)
                          : alloc_strdup("it gave no answer");
    tell(p);
    pthread_mutex_unlock(&p->lock);
    aggregation_leave(p->table);
    proxy_unref(p);
}

/* ---- on the loop: answers ---- */

static void answer_text(struct proxy *p, int status, const char *text)
{
    call_answer_text(let_go(p), status, text);
}

static void answer_failure(struct proxy *p)
{
    struct err err = {0};
    if (p->stopping) {
        answer_text(p, 503, "the server is stopping\n");
    } else if (p->code == ERR_TIMEOUT && p->call->route.kind == ROUTE_RESOURCE) {
        err_set(&err, ERR_TIMEOUT, "Timeout: request did not complete within the allotted timeout");
        call_answer_err(let_go(p), &err);
    } else {
        struct call *c = p->call;
        const char *text = arena_printf(&c->arena, "error trying to reach service: %s\n", p->text);
        answer_text(p, 503, text);
    }
}

/* The answer's headers that the client may see, in the call's arena. */
static struct http_header *headers_of(struct proxy *p, size_t *ret_n)
{
    struct call *c = p->call;
    struct http_header *h = arena_alloc(&c->arena, (p->n_headers + 1) * sizeof(*h));
    struct str connection = buf_str(&p->connection);
    struct str left = buf_str(&p->head);
    size_t n = 0;
    for (size_t i = 0; i < p->n_headers; i++) {
        struct str name = str_cut(left, '\0', &left), value = str_cut(left, '\0', &left);
        if (!proxy_passes(name, value, connection)) {
            continue;
        }
        char *lower = arena_strdup(&c->arena, name.ptr);
        for (char *k = lower; *k; k++) {
            *k = (char)(*k >= 'A' && *k <= 'Z' ? *k + 32 : *k);
        }
        h[n++] = (struct http_header){str_from(lower), arena_str(&c->arena, value)};
    }
    *ret_n = n;
    return h;
}

static bool redirects(const struct proxy *p)
{
    struct str left = buf_str(&p->head);
    for (size_t i = 0; i < p->n_headers && p->status / 100 == 3; i++) {
        struct str name = str_cut(left, '\0', &left), value = str_cut(left, '\0', &left);
        if (str_is_word(name, "location") && value.len) {
            return true;
        }
    }
    return false;
}

/* Takes what has come out of the window. */
static struct piece *drain(struct proxy *p)
{
    pthread_mutex_lock(&p->lock);
    struct piece *list = p->pieces;
    p->pieces = NULL;
    p->last_piece = &p->pieces;
    pthread_mutex_unlock(&p->lock);
    return list;
}

static void answer_head(struct proxy *p, const struct http_header *h, size_t n)
{
    struct call *c = let_go(p);
    size_t n_all;
    struct http_header *all = call_headers(c, STR_NULL, h, n, &n_all);
    c->status = p->status;
    http_stream_begin(c->http, c->status, all, n_all, NULL, NULL);
    call_finish(c);
}

static void answer_whole(struct proxy *p)
{
    struct buf b = {0};
    size_t n;
    struct http_header *h = headers_of(p, &n);
    struct piece *list = drain(p);
    while (list) {
        struct piece *piece = list;
        list = piece->next;
        buf_add(&b, blob_str(piece->bytes));
        blob_unref(piece->bytes);
        free(piece);
    }
    proxy_ref(p);
    if (str_is(p->call->http->method, "HEAD")) {
        buf_finish(&b);
        answer_head(p, h, n);
    } else {
        int status = p->status;
        call_answer_headers(let_go(p), status, STR_NULL, h, n, &b);
    }
    proxy_unref(p);
}

/* ---- on the loop: streams ---- */

static void on_gone(void *arg, struct http_request *r)
{
    struct proxy *p = arg;
    (void)r;
    struct call *c = let_go(p);
    c->status = c->status ? c->status : GONE;
    call_finish(c);
}

/* What was sent has gone out: there is room again. */
static void make_room(struct proxy *p)
{
    pthread_mutex_lock(&p->lock);
    p->bytes -= p->in_flight;
    p->in_flight = 0;
    bool resume = p->paused && p->bytes < LIMIT_PROXY_WINDOW_BYTES / 2;
    p->paused = p->paused && !resume;
    pthread_mutex_unlock(&p->lock);
    if (resume) {
        httpc_resume(p->client, p->id);
    }
}

static void send_pieces(struct proxy *p, struct piece *list)
{
    struct blob **blobs = NULL;
    size_t n = 0, cap = 0;
    while (list) {
        struct piece *piece = list;
        list = piece->next;
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            blobs = alloc_resize(blobs, cap * sizeof(*blobs));
        }
        p->in_flight += piece->bytes->len;
        blobs[n++] = piece->bytes;
        free(piece);
    }
    p->call->bytes += p->in_flight;
    http_stream_push(p->call->http, blobs, n);
    free(blobs);
}

static void end_stream(struct proxy *p, int code)
{
    struct call *c = let_go(p);
    if (code && !p->stopping) {
        http_stream_abort(c->http); /* the client must see that this is not all */
    } else {
        http_stream_send(c->http, NULL, 0, true);
    }
    call_finish(c);
}

static void pump(struct proxy *p)
{
    while (p->call && http_stream_writable(p->call->http)) {
        make_room(p);
        pthread_mutex_lock(&p->lock);
        bool ended = p->ended;
        int code = p->code;
        pthread_mutex_unlock(&p->lock);
        struct piece *list = drain(p);
        if (list) {
            send_pieces(p, list);
        } else if (ended) {
            end_stream(p, code);
        } else {
            return;
        }
    }
}

static void on_ready(void *arg, struct http_request *r)
{
    struct proxy *p = arg;
    (void)r;
    proxy_ref(p);
    turn(p);
    proxy_unref(p);
}

static void begin_stream(struct proxy *p)
{
    struct call *c = p->call;
    size_t n, n_all;
    struct http_header *h = headers_of(p, &n);
    struct http_header *all = call_headers(c, STR_NULL, h, n, &n_all);
    c->status = p->status;
    p->begun = true;
    http_stream_begin(c->http, c->status, all, n_all, on_ready, p);
}

static bool without_body(const struct proxy *p)
{
    return p->status == 204 || p->status == 304 || str_is(p->call->http->method, "HEAD");
}

/* What may have changed since: the answer, or the room for it. The caller holds a reference. */
static void turn(struct proxy *p)
{
    if (!p->call) {
        return;
    }
    if (p->begun) {
        pump(p);
        return;
    }
    pthread_mutex_lock(&p->lock);
    bool ended = p->ended, headed = p->headed, large = p->bytes >= WHOLE_BYTES;
    int code = p->code;
    pthread_mutex_unlock(&p->lock);
    if (ended && code) {
        answer_failure(p);
    } else if (headed && redirects(p)) {
        answer_text(p, 502,
                    "the backend attempted to redirect this request, which is not permitted");
    } else if (ended) {
        answer_whole(p);
    } else if (headed && (p->endless || large) && !without_body(p)) {
        begin_stream(p);
    }
}

/* ---- the beginning ---- */

struct apiservice *proxy_target(const struct call *c)
{
    const struct route *r = &c->route;
    if ((r->kind != ROUTE_RESOURCE && r->kind != ROUTE_VERSION_RESOURCES) ||
        str_is(r->group, AGGREGATION_GROUP)) {
        return NULL;
    }
    return aggregation_find_remote(c->apis, r->group, r->version);
}

static bool known_method(struct str m)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (str_is(m, known[i])) {
            return true;
        }
    }
    return false;
}

/* Watches, and what follows a log. */
static bool is_endless(const struct call *c)
{
    return call_is_long(c) || (str_is(c->http->method, "GET") && query_bool(c, "follow"));
}

static int check(struct call *c, struct err *err)
{
    if (!known_method(c->http->method)) {
        return status_generic(err, ERR_METHOD, NULL);
    }
    if (c->http->websocket || http_header(c->http, "upgrade").len) {
        return err_set(err, ERR_BAD_REQUEST,
                       "connections to the servers of APIServices cannot be upgraded");
    }
    return body_check(c, err);
}

static int64_t time_of(const struct call *c, bool endless)
{
    return endless ? 0 : c->route.kind == ROUTE_RESOURCE ? LIMIT_PROXY_MS : DISCOVERY_MS;
}

static void begin(struct call *c, struct apiservice *to, struct httpc *client,
                  const struct httpc_request *like, bool endless)
{
    struct proxy *p = ALLOC(struct proxy);
    atomic_init(&p->refs, 2);
    pthread_mutex_init(&p->lock, NULL);
    p->last_piece = &p->pieces;
    p->table = server_aggregation(c->server);
    p->to = apiservice_ref(to);
    p->http = http_request_ref(c->http);
    p->client = client;
    p->endless = endless;
    p->call = c;
    p->loop = c->loop;
    p->next = c->loop->proxies;
    if (p->next) {
        p->next->prev = p;
    }
    c->loop->proxies = p;
    http_on_gone(c->http, on_gone, p);
    struct httpc_request r = *like;
    r.tls = &p->to->tls;
    r.timeout_ms = time_of(c, endless);
    r.header = on_header;
    r.head = on_head;
    r.piece = on_piece;
    r.done = on_done;
    r.arg = p;
    p->id = httpc_start(client, &r);
}

static int start(struct call *c, struct apiservice *to, struct err *err)
{
    struct httpc_request r = {.body = c->http->body};
    struct httpc *client = NULL;
    int code = check(c, err);
    code = code < 0 ? code : proxy_url(c, to, &r.url, err);
    code = code < 0 ? code : proxy_headers(c, &r.headers, &r.n_headers, err);
    code = code < 0 ? code : aggregation_client(server_aggregation(c->server), &client, err);
    if (code < 0) {
        return code;
    }
    if (!aggregation_enter(server_aggregation(c->server))) {
        err_set(err, ERR_TOO_MANY, "Too many requests, please try again later.");
        err->retry_after = 1;
        return ERR_TOO_MANY;
    }
    r.method = arena_str(&c->arena, c->http->method).ptr;
    begin(c, to, client, &r, is_endless(c));
    return 0;
}

void proxy_serve(struct call *c, struct apiservice *to)
{
    struct err err = {0};
    if (!to->available) {
        call_answer_text(c, 503, "service unavailable\n");
    } else if (start(c, to, &err) < 0) {
        call_answer_err(c, &err);
    }
}

void proxy_stop(struct loop_state *l)
{
    for (struct proxy *p = l->proxies; p; p = p->next) {
        if (p->endless) {
            p->stopping = true;
            httpc_cancel(p->client, p->id);
        }
    }
}
