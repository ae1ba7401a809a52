/* SPDX-License-Identifier: Apache-2.0 */
/* The outgoing HTTP client. One thread runs libcurl's multi interface; others hand it calls and
 * timers through a locked queue and wake it. */
#include "base/httpc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/httpc_priv.h"
#include "base/latch.h"
#include "base/limits.h"

enum {
    IDLE_HANDLES = 32,
    POLL_MS = 10000,
    KEEP_ALIVE_IDLE_S = 15,
    KEEP_ALIVE_STEP_S = 5,
};

struct call {
    struct call *next, *prev;
    struct httpc *h;
    uint64_t id;
    struct httpc_request r; /* its texts are copied, but for what stays */
    char *method, *url;
    struct curl_slist *headers;
    CURL *easy;  /* NULL: not begun */
    size_t sent; /* bytes of the body */
    int status;
    struct buf body, wanted[HTTPC_WANTED];
    bool too_large, ended; /* by the client, by chunk */
    bool headed;           /* head was called */
    char text[CURL_ERROR_SIZE];
};

struct timer {
    struct timer *next;
    int64_t at_ms;
    httpc_later_fn *fn;
    void *arg;
};

/* What another thread wants of a request that is under way. */
struct order {
    uint64_t id;
    bool resume; /* or cancel */
};

struct httpc {
    struct httpc_curl curl;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    struct call *fresh, **fresh_tail;
    struct timer *timers; /* by time */
    struct order *orders;
    size_t n_orders, cap_orders;
    bool stop;
    _Atomic uint64_t last_id;
    /* The thread's own. */
    struct call *active;
    CURL *idle[IDLE_HANDLES];
    size_t n_idle;
};

/* ---- what libcurl calls ---- */

static size_t give_body(char *to, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    size_t room = size * n, left = c->r.body.len - c->sent;
    size_t take = left < room ? left : room;
    if (take) {
        memcpy(to, c->r.body.ptr + c->sent, take);
    }
    c->sent += take;
    return take;
}

static bool give_lines(struct call *c)
{
    size_t at = 0;
    char *end;
    while (at < c->body.len && (end = memchr(c->body.ptr + at, '\n', c->body.len - at))) {
        size_t len = (size_t)(end - (c->body.ptr + at));
        if (len && !c->r.chunk(c->r.arg, str_make(c->body.ptr + at, len))) {
            return false;
        }
        at += len + 1;
    }
    c->body.len -= at;
    if (at && c->body.len) {
        memmove(c->body.ptr, c->body.ptr + at, c->body.len);
    }
    return true;
}

static size_t take_piece(struct call *c, struct str piece)
{
    switch (c->headed ? c->r.piece(c->r.arg, piece) : HTTPC_END) {
    case HTTPC_GO_ON:
        return piece.len;
    case HTTPC_PAUSE:
        return CURL_WRITEFUNC_PAUSE;
    case HTTPC_END:
        break;
    }
    c->ended = true;
    return 0;
}

static size_t take_body(char *from, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    size_t len = size * n;
    long status = 0;
    if (c->r.piece) {
        return take_piece(c, str_make(from, len));
    }
    c->h->curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    bool stream = c->r.chunk && status / 100 == 2;
    if (stream && !c->r.lines) {
        c->ended = !c->r.chunk(c->r.arg, str_make(from, len));
        return c->ended ? 0 : len;
    }
    /* The lines of one piece may be many; what is bounded is the one that is not whole. */
    buf_add(&c->body, str_make(from, len));
    if (stream && memchr(from, '\n', len) && !give_lines(c)) {
        c->ended = true;
        return 0;
    }
    c->too_large = c->body.len > c->r.max_body;
    return c->too_large ? 0 : len;
}

static struct str trim(struct str s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t')) {
        s = str_skip(s, 1);
    }
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

static size_t take_header(char *from, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    struct str value, name = str_cut(str_make(from, size * n), ':', &value);
    for (size_t i = 0; value.ptr && i < HTTPC_WANTED && c->r.wanted[i]; i++) {
        if (str_is_word(name, c->r.wanted[i])) {
            c->wanted[i].len = 0;
            buf_reserve(&c->wanted[i], 1);
            buf_add(&c->wanted[i], trim(value));
        }
    }
    return size * n;
}

/* A line of the head, of a head before it (100 Continue), or of the trailer, which is not told. */
static size_t tell_header(char *from, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    struct str value, line = trim(str_make(from, size * n));
    if (c->headed) {
        return size * n;
    }
    if (str_starts(line, STR("HTTP/"))) {
        c->r.header(c->r.arg, STR(""), STR(""));
    } else if (line.len) {
        struct str name = str_cut(line, ':', &value);
        if (value.ptr && name.len) {
            c->r.header(c->r.arg, name, trim(value));
        }
    } else {
        long status = 0;
        c->h->curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        c->headed = status >= 200;
        c->ended = c->headed && !c->r.head(c->r.arg, (int)status);
    }
    return c->ended ? 0 : size * n;
}

/* ---- a call's life ---- */

static void call_free(struct call *c)
{
    c->h->curl.slist_free_all(c->headers);
    for (size_t i = 0; i < HTTPC_WANTED; i++) {
        buf_finish(&c->wanted[i]);
    }
    buf_finish(&c->body);
    free(c->method);
    free(c->url);
    free(c);
}

static void call_answer(struct call *c, int code, bool sent, const char *text)
{
    struct httpc_answer a = {
        .code = code, .sent = sent, .status = c->status, .body = buf_str(&c->body), .text = text};
    for (size_t i = 0; i < HTTPC_WANTED; i++) {
        a.headers[i] = buf_str(&c->wanted[i]);
    }
    c->r.done(c->r.arg, &a);
    call_free(c);
}

static void set_tls(struct httpc_curl *u, CURL *e, const struct httpc_tls *t)
{
    if (t->ca_pem.len || (t->ca_file && *t->ca_file)) { /* and no others */
        u->easy_setopt(e, CURLOPT_CAPATH, NULL);
    }
    if (t->ca_file && *t->ca_file) {
        u->easy_setopt(e, CURLOPT_CAINFO, t->ca_file);
    }
    if (t->ca_pem.len) {
        struct curl_blob b = {(void *)(uintptr_t)t->ca_pem.ptr, t->ca_pem.len, CURL_BLOB_NOCOPY};
        u->easy_setopt(e, CURLOPT_CAINFO_BLOB, &b);
    }
    if (t->insecure) {
        u->easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        u->easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (t->cert_file && *t->cert_file) {
        u->easy_setopt(e, CURLOPT_SSLCERT, t->cert_file);
    }
    if (t->key_file && *t->key_file) {
        u->easy_setopt(e, CURLOPT_SSLKEY, t->key_file);
    }
}

/* The body is given by a function that cannot go back: so libcurl never sends one twice by itself.
 */
static void set_body(struct httpc_curl *u, CURL *e, struct call *c)
{
    bool has = c->r.body.len || strcmp(c->method, "POST") == 0 || strcmp(c->method, "PUT") == 0 ||
               strcmp(c->method, "PATCH") == 0;
    if (strcmp(c->method, "HEAD") == 0) {
        u->easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (has) {
        u->easy_setopt(e, CURLOPT_POST, 1L);
        u->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->r.body.len);
        u->easy_setopt(e, CURLOPT_READFUNCTION, give_body);
        u->easy_setopt(e, CURLOPT_READDATA, c);
    }
    u->easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method);
}

static void set_up(struct httpc_curl *u, CURL *e, struct call *c)
{
    u->easy_setopt(e, CURLOPT_PRIVATE, c);
    u->easy_setopt(e, CURLOPT_URL, c->url);
    u->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    u->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    u->easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    u->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    u->easy_setopt(e, CURLOPT_NOPROXY, "*");
    u->easy_setopt(e, CURLOPT_ERRORBUFFER, c->text);
    u->easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
    u->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->r.connect_ms);
    u->easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->r.timeout_ms);
    u->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    u->easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEP_ALIVE_IDLE_S);
    u->easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEP_ALIVE_STEP_S);
    u->easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    u->easy_setopt(e, CURLOPT_WRITEDATA, c);
    if (c->r.piece) {
        u->easy_setopt(e, CURLOPT_HEADERFUNCTION, tell_header);
        u->easy_setopt(e, CURLOPT_HEADERDATA, c);
    } else if (c->r.wanted[0]) {
        u->easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
        u->easy_setopt(e, CURLOPT_HEADERDATA, c);
    }
    if (c->r.tls) {
        set_tls(u, e, c->r.tls);
    }
    set_body(u, e, c);
}

static void unlink_call(struct httpc *h, struct call *c)
{
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        h->active = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
}

static void begin(struct httpc *h, struct call *c)
{
    c->easy = h->n_idle ? h->idle[--h->n_idle] : h->curl.easy_init();
    if (!c->easy) {
        call_answer(c, ERR_IO, false, "libcurl gave no handle");
        return;
    }
    set_up(&h->curl, c->easy, c);
    c->prev = NULL;
    c->next = h->active;
    if (c->next) {
        c->next->prev = c;
    }
    h->active = c;
    h->curl.multi_add_handle(h->multi, c->easy);
}

/* Takes the call off libcurl; whether any of it may have been acted upon. */
static bool leave(struct httpc *h, struct call *c)
{
    curl_off_t sent = 0;
    long status = 0;
    h->curl.easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    h->curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    c->status = (int)status;
    h->curl.multi_remove_handle(h->multi, c->easy);
    if (h->n_idle < IDLE_HANDLES) {
        h->curl.easy_reset(c->easy);
        h->idle[h->n_idle++] = c->easy;
    } else {
        h->curl.easy_cleanup(c->easy);
    }
    unlink_call(h, c);
    return sent > 0 || c->sent > 0;
}

static int code_of(const struct call *c, CURLcode r)
{
    if (c->ended) {
        return ERR_CLOSED;
    }
    if (c->too_large) {
        return ERR_TOO_LARGE;
    }
    switch (r) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return ERR_UNAVAILABLE;
    default:
        return ERR_IO;
    }
}

static void finish(struct httpc *h, struct call *c, CURLcode r)
{
    bool sent = leave(h, c);
    int code = code_of(c, r);
    const char *text = c->too_large ? "the answer is too large"
                       : *c->text   ? c->text
                                    : h->curl.easy_strerror(r);
    call_answer(c, code, sent, code ? text : NULL);
}

static void obey(struct httpc *h, struct order o)
{
    for (struct call *c = h->active; c; c = c->next) {
        if (c->id != o.id) {
            continue;
        }
        if (o.resume) {
            h->curl.easy_pause(c->easy, CURLPAUSE_CONT);
        } else {
            bool sent = leave(h, c);
            call_answer(c, ERR_CLOSED, sent, "cancelled");
        }
        return;
    }
}

/* ---- the thread ---- */

static void take_fresh(struct httpc *h)
{
    pthread_mutex_lock(&h->lock);
    struct call *list = h->fresh;
    h->fresh = NULL;
    h->fresh_tail = &h->fresh;
    struct order *orders = h->orders;
    size_t n = h->n_orders;
    h->orders = NULL;
    h->n_orders = h->cap_orders = 0;
    pthread_mutex_unlock(&h->lock);
    while (list) {
        struct call *c = list;
        list = c->next;
        begin(h, c);
    }
    for (size_t i = 0; i < n; i++) {
        obey(h, orders[i]);
    }
    free(orders);
}

/* Runs what is due; returns how long the next may be waited for, and whether the client is to stop.
 */
static int run_timers(struct httpc *h, bool *ret_stop)
{
    for (;;) {
        pthread_mutex_lock(&h->lock);
        struct timer *t = h->timers;
        int64_t wait = t ? t->at_ms - clock_mono_ms() : POLL_MS;
        *ret_stop = h->stop;
        if (t && wait <= 0 && !h->stop) {
            h->timers = t->next;
        } else {
            t = NULL;
        }
        wait = h->fresh || h->n_orders ? 0 : wait;
        pthread_mutex_unlock(&h->lock);
        if (!t) {
            return (int)(wait < 0 ? 0 : wait < POLL_MS ? wait : POLL_MS);
        }
        t->fn(t->arg);
        free(t);
    }
}

static void take_answers(struct httpc *h)
{
    CURLMsg *m;
    int left;
    while ((m = h->curl.multi_info_read(h->multi, &left))) {
        char *c = NULL;
        if (m->msg == CURLMSG_DONE) {
            CURLcode r = m->data.result;
            h->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
            finish(h, (struct call *)(void *)c, r);
        }
    }
}

static void end_all(struct httpc *h)
{
    take_fresh(h);
    while (h->active) {
        struct call *c = h->active;
        bool sent = leave(h, c);
        call_answer(c, ERR_CLOSED, sent, "the client is closing");
    }
}

static void *httpc_main(void *arg)
{
    struct httpc *h = arg;
    for (;;) {
        bool stop;
        int running;
        take_fresh(h);
        h->curl.multi_perform(h->multi, &running);
        take_answers(h);
        int wait = run_timers(h, &stop);
        if (stop) {
            end_all(h);
            return NULL;
        }
        h->curl.multi_poll(h->multi, NULL, 0, wait, NULL);
    }
}

/* ---- the public part ---- */

static void release(struct httpc *h)
{
    for (size_t i = 0; i < h->n_idle; i++) {
        h->curl.easy_cleanup(h->idle[i]);
    }
    if (h->multi) {
        h->curl.multi_cleanup(h->multi);
    }
    while (h->timers) {
        struct timer *t = h->timers;
        h->timers = t->next;
        free(t);
    }
    free(h->orders);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

int httpc_create(const struct httpc_options *o, struct httpc **ret, struct err *err)
{
    struct httpc *h = ALLOC(struct httpc);
    pthread_mutex_init(&h->lock, NULL);
    h->fresh_tail = &h->fresh;
    int code = httpc_load(&h->curl, err);
    if (code) {
        release(h);
        return code;
    }
    size_t most = o->connections ? o->connections : LIMIT_HTTPC_CONNECTIONS;
    h->multi = h->curl.multi_init();
    h->curl.multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)most);
    h->curl.multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)most);
    h->curl.multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    if (!h->multi || pthread_create(&h->thread, NULL, httpc_main, h)) {
        release(h);
        return err_set(err, ERR_UNAVAILABLE, "cannot start the HTTP client's thread");
    }
    *ret = h;
    return 0;
}

void httpc_destroy(struct httpc *h)
{
    if (!h) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_mutex_unlock(&h->lock);
    h->curl.multi_wakeup(h->multi);
    pthread_join(h->thread, NULL);
    release(h);
}

uint64_t httpc_start(struct httpc *h, const struct httpc_request *r)
{
    struct call *c = ALLOC(struct call);
    c->h = h;
    c->r = *r;
    c->method = alloc_strdup(r->method);
    c->url = alloc_strdup(r->url);
    c->r.connect_ms = r->connect_ms ? r->connect_ms : LIMIT_HTTPC_CONNECT_MS;
    c->r.max_body = r->max_body ? r->max_body : LIMIT_HTTPC_BODY_BYTES;
    for (size_t i = 0; i < r->n_headers; i++) {
        c->headers = h->curl.slist_append(c->headers, r->headers[i]);
    }
    c->headers = h->curl.slist_append(c->headers, "Expect:");
    uint64_t id = c->id = atomic_fetch_add(&h->last_id, 1) + 1;
    pthread_mutex_lock(&h->lock);
    *h->fresh_tail = c;
    h->fresh_tail = &c->next;
    pthread_mutex_unlock(&h->lock);
    h->curl.multi_wakeup(h->multi);
    return id;
}

static void order(struct httpc *h, struct order o)
{
    pthread_mutex_lock(&h->lock);
    if (h->n_orders == h->cap_orders) {
        h->cap_orders = h->cap_orders ? 2 * h->cap_orders : 8;
        h->orders = alloc_resize(h->orders, h->cap_orders * sizeof(*h->orders));
    }
    h->orders[h->n_orders++] = o;
    pthread_mutex_unlock(&h->lock);
    h->curl.multi_wakeup(h->multi);
}

void httpc_cancel(struct httpc *h, uint64_t call)
{
    order(h, (struct order){.id = call});
}

void httpc_resume(struct httpc *h, uint64_t call)
{
    order(h, (struct order){.id = call, .resume = true});
}

void httpc_later(struct httpc *h, int64_t ms, httpc_later_fn *fn, void *arg)
{
    struct timer *t = ALLOC(struct timer);
    *t = (struct timer){.at_ms = clock_mono_ms() + ms, .fn = fn, .arg = arg};
    pthread_mutex_lock(&h->lock);
    struct timer **at = &h->timers;
    while (*at && (*at)->at_ms <= t->at_ms) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    pthread_mutex_unlock(&h->lock);
    h->curl.multi_wakeup(h->multi);
}

struct waiter {
    struct latch latch;
    int result;
    struct buf *body;
    struct err *err;
};

static void waiter_done(void *arg, const struct httpc_answer *a)
{
    struct waiter *w = arg;
    w->result = a->code ? err_set(w->err, a->code, "%s", a->text) : a->status;
    if (!a->code) {
        buf_add(w->body, a->body);
    }
    latch_open(&w->latch);
}

int httpc_wait(struct httpc *h, const struct httpc_request *r, struct buf *ret_body,
               struct err *err)
{
    struct waiter w = {.body = ret_body, .err = err};
    struct httpc_request copy = *r;
    latch_init(&w.latch);
    copy.chunk = NULL;
    copy.done = waiter_done;
    copy.arg = &w;
    httpc_start(h, &copy);
    latch_wait(&w.latch);
    return w.result;
}
