/* SPDX-License-Identifier: Apache-2.0 */
/* Guards that are not about what is said: how many connections, how long they may take, how much
 * they may hold, and what is counted of those that overdo it. */
#include "apiserver/http_priv.h"

#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

enum { PEER_SLOTS = 4096, ATTEND_STEP = 5000, LINGERS_MAX = 256, IDLE_GRACE_MS = 5000 };

/* ---- what is counted ---- */

static const char *const reasons[HTTP_REASONS] = {
    [HTTP_REASON_BAD_REQUEST] = "bad-request",
    [HTTP_REASON_FRAMING] = "ambiguous-framing",
    [HTTP_REASON_HOST] = "bad-host",
    [HTTP_REASON_URI] = "uri-too-long",
    [HTTP_REASON_HEADERS] = "headers-too-large",
    [HTTP_REASON_BODY] = "body-too-large",
    [HTTP_REASON_BODIES] = "bodies-budget",
    [HTTP_REASON_EXPECT] = "expectation",
    [HTTP_REASON_HEAD_TIME] = "head-timeout",
    [HTTP_REASON_BODY_TIME] = "body-timeout",
    [HTTP_REASON_STALLED] = "stalled-reader",
    [HTTP_REASON_RESETS] = "reset-flood",
    [HTTP_REASON_CONTROL] = "control-flood",
    [HTTP_REASON_HEADER_FLOOD] = "header-flood",
    [HTTP_REASON_CONNECTIONS] = "too-many-connections",
    [HTTP_REASON_PEER] = "too-many-of-peer",
    [HTTP_REASON_HANDSHAKES] = "too-many-handshakes",
    [HTTP_REASON_HANDSHAKE_TIME] = "handshake-timeout",
    [HTTP_REASON_PLAIN] = "plain-http",
};

void http_reject(struct http_server *s, enum http_reason why)
{
    if (s->rejected[why]) {
        metric_add(s->rejected[why], 1);
    }
}

void http_conn_reject(struct http_conn *c, enum http_reason why)
{
    if (!c->cut) {
        http_reject(c->loop->server, why);
        log_debug("connection ended", LOG_Z("reason", reasons[why]), LOG_Z("peer", c->peer));
    }
    http_conn_cut(c);
}

static void create_metrics(struct http_server *s)
{
    if (!s->o.metrics) {
        return;
    }
    for (size_t i = 0; i < HTTP_REASONS; i++) {
        struct metric_label label = {"reason", str_from(reasons[i])};
        s->rejected[i] = metrics_series(
            s->o.metrics, METRIC_COUNTER, "apiserver_rejected_requests_total",
            "Requests and connections that the transport refused or ended, by reason.", &label, 1,
            NULL, 0);
    }
    s->handshake_errors =
        metrics_series(s->o.metrics, METRIC_COUNTER, "apiserver_tls_handshake_errors_total",
                       "Connections whose TLS handshake failed.", NULL, 0, NULL, 0);
}

/* ---- bodies ---- */

bool http_charge(struct http_conn *c, size_t n)
{
    _Atomic size_t *bodies = &c->loop->server->bodies;
    size_t before = c->charged;
    c->charged = n;
    if (n <= before) {
        if (n < before) {
            atomic_fetch_sub_explicit(bodies, before - n, memory_order_relaxed);
        }
        return true;
    }
    return atomic_fetch_add_explicit(bodies, n - before, memory_order_relaxed) + (n - before) <=
           LIMIT_BODIES_BYTES;
}

/* ---- peers ---- */

struct http_peer {
    struct http_peer *next;
    unsigned char address[16];
    size_t count;
};

struct http_peers {
    pthread_mutex_t lock;
    struct http_peer *slots[PEER_SLOTS];
};

/* IPv4 as it is; of IPv6 the network of 64 bits that a site has. False: not an address. */
static bool peer_address(int fd, unsigned char out[16])
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    memset(out, 0, 16);
    if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0) {
        return false;
    }
    if (ss.ss_family == AF_INET) {
        out[0] = 4;
        memcpy(out + 1, &((struct sockaddr_in *)&ss)->sin_addr, 4);
        return true;
    }
    if (ss.ss_family == AF_INET6) {
        memcpy(out, &((struct sockaddr_in6 *)&ss)->sin6_addr, 8);
        return true;
    }
    return false;
}

static struct http_peer **peer_slot(struct http_peers *p, const unsigned char address[16])
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < 16; i++) {
        h = (h ^ address[i]) * 16777619u;
    }
    struct http_peer **at = &p->slots[(h ^ h >> 16) % PEER_SLOTS];
    while (*at && memcmp((*at)->address, address, 16) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static struct http_peer *peer_count(struct http_peers *peers, const unsigned char address[16],
                                    size_t max)
{
    pthread_mutex_lock(&peers->lock);
    struct http_peer **at = peer_slot(peers, address), *p = *at;
    if (!p) {
        p = *at = ALLOC(struct http_peer);
        memcpy(p->address, address, 16);
    }
    bool fits = p->count < max;
    p->count += fits;
    pthread_mutex_unlock(&peers->lock);
    return fits ? p : NULL;
}

bool http_peer_enter(struct http_server *s, int fd, struct http_peer **ret)
{
    unsigned char address[16];
    size_t total = s->o.max_connections ? s->o.max_connections : LIMIT_CONNECTIONS;
    size_t each =
        s->o.max_connections_per_peer ? s->o.max_connections_per_peer : LIMIT_CONNECTIONS_PEER;
    *ret = NULL;
    if (atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed) >= total) {
        http_reject(s, HTTP_REASON_CONNECTIONS);
    } else if (!peer_address(fd, address) || (*ret = peer_count(s->peers, address, each))) {
        return true;
    } else {
        http_reject(s, HTTP_REASON_PEER);
    }
    atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
    return false;
}

void http_peer_leave(struct http_server *s, struct http_peer *p)
{
    atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
    if (!p) {
        return;
    }
    pthread_mutex_lock(&s->peers->lock);
    if (!--p->count) {
        struct http_peer **at = peer_slot(s->peers, p->address);
        *at = p->next;
        free(p);
    }
    pthread_mutex_unlock(&s->peers->lock);
}

void http_guard_create(struct http_server *s)
{
    static const struct http_times usual = {.head = LIMIT_HEAD_MS,
                                            .body = LIMIT_BODY_MS,
                                            .idle = HTTP_IDLE_MS,
                                            .handshake = LIMIT_HANDSHAKE_MS,
                                            .stall = LIMIT_WATCH_STALL_MS,
                                            .tick = HTTP_TICK_MS};
    s->times = s->o.times ? *s->o.times : usual;
    s->peers = ALLOC(struct http_peers);
    pthread_mutex_init(&s->peers->lock, NULL);
    create_metrics(s);
}

void http_guard_destroy(struct http_server *s)
{
    if (s->peers) {
        pthread_mutex_destroy(&s->peers->lock);
    }
    free(s->peers);
}

/* ---- connections that wait for their peer ---- */

/* Those with nothing to answer, and those in the middle of receiving. */
static bool is_waiting(const struct http_conn *c)
{
    return (c->phase == HTTP_PHASE_1 && !c->live) ||
           (c->phase == HTTP_PHASE_2 &&
            (!c->live || c->gate2->n_uploads || c->gate2->block_id || c->gate2->partial_ms));
}

static void attend_unlink(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    *(c->attend_prev ? &c->attend_prev->attend_next : &l->attend_first) = c->attend_next;
    *(c->attend_next ? &c->attend_next->attend_prev : &l->attend_last) = c->attend_prev;
    c->attended = false;
}

static void attend_link(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    c->attend_next = NULL;
    c->attend_prev = l->attend_last;
    *(l->attend_last ? &l->attend_last->attend_next : &l->attend_first) = c;
    l->attend_last = c;
    c->attended = true;
}

void http_conn_attend(struct http_conn *c)
{
    bool waits = is_waiting(c);
    if (c->attended && !waits) {
        attend_unlink(c);
    } else if (!c->attended && waits) {
        attend_link(c);
    }
}

static void look_at(struct http_conn *c, uint64_t now)
{
    const struct http_times *t = &c->loop->server->times;
    uint64_t begun = c->gate1.begun_ms, idle = now - c->active_ms;
    if (c->phase == HTTP_PHASE_1 && c->gate1.passed) {
        if (idle > t->idle) {
            http_conn_reject(c, HTTP_REASON_STALLED); /* its last answer cannot be written, h2o is
                                                         through with it */
        }
    } else if (c->phase == HTTP_PHASE_1 && begun) {
        bool body = c->gate1.head > 0;
        if (now - begun > (body ? t->body : t->head)) {
            gate1_late(c, body);
        }
    } else if (c->phase == HTTP_PHASE_1 && idle > t->idle) {
        http_conn_cut(c);
    } else if (c->phase == HTTP_PHASE_2) {
        if (!c->live && idle > HTTP_IDLE2_MS + IDLE_GRACE_MS) {
            http_conn_cut(c); /* h2o has tried to say goodbye */
        } else {
            gate2_tick(c, now);
        }
    }
}

/* Some at a time, each to the end of the list. */
static void attend_tick(struct http_loop *l, uint64_t now)
{
    struct http_conn *last = l->attend_last;
    for (size_t i = 0; i < ATTEND_STEP && l->attend_first; i++) {
        struct http_conn *c = l->attend_first;
        attend_unlink(c);
        attend_link(c);
        bool end = c == last;
        if (!c->cut) {
            look_at(c, now);
        }
        if (end) {
            break;
        }
    }
}

/* ---- the end of a turn ---- */

void http_conn_soon(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    if (c->hurried) {
        return;
    }
    c->hurried = true;
    c->soon_turn = l->turn;
    c->soon_next = NULL;
    c->soon_prev = l->soon_last;
    *(l->soon_last ? &l->soon_last->soon_next : &l->soon_first) = c;
    l->soon_last = c;
}

static void soon_unlink(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    *(c->soon_prev ? &c->soon_prev->soon_next : &l->soon_first) = c->soon_next;
    *(c->soon_next ? &c->soon_next->soon_prev : &l->soon_last) = c->soon_prev;
    c->hurried = false;
}

/* h2o takes no notice of a last write that fails: without this it would answer all that is in its
 * input to a peer that is gone. */
static bool is_hung_up(const struct http_conn *c)
{
    struct pollfd p = {.fd = h2o_socket_get_fd(c->sock)};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

/* h2o reads from the connection again, or somebody else does. */
static void turn_1(struct http_conn *c)
{
    h2o_socket_cb reads = c->sock->_cb.read;
    if (!reads || c->cut) {
        return; /* it is being closed */
    }
    c->loop->hasty |= c->gate1.rest != NULL;
    if (reads != c->h2o_read && c->gate1.preface) {
        gate2_open(c);
        return;
    }
    if (reads != c->h2o_read) {
        gate1_release(c);
        return;
    }
    bool pipelined = c->gate1.rest != NULL;
    gate1_open(c);
    if (pipelined && is_hung_up(c)) {
        c->h2o_read(c->sock, "hung up");
        return;
    }
    gate1_advance(c);
}

void http_guard_turn(struct http_loop *l)
{
    struct http_conn *c;
    l->turn++; /* what is added from here on waits for the next */
    while ((c = l->soon_first) && c->soon_turn != l->turn) {
        soon_unlink(c);
        if (c->phase == HTTP_PHASE_1) {
            turn_1(c);
        } else if (c->phase == HTTP_PHASE_2) {
            gate2_turn(c);
        }
    }
}

void http_conn_forget(struct http_conn *c)
{
    if (c->dead) {
        *c->dead = true;
    }
    if (c->attended) {
        attend_unlink(c);
    }
    if (c->hurried) {
        soon_unlink(c);
    }
    gate1_close(c);
    gate2_close(c);
    http_charge(c, 0);
    http_peer_leave(c->loop->server, c->from);
    if (c->linger_fd >= 0) {
        http_linger(c->loop, c->linger_fd);
    }
}

/* ---- lingering ---- */

struct lingerer {
    struct lingerer *prev, *next;
    struct http_loop *loop;
    h2o_socket_t *sock;
    uint64_t until;
};

static void linger_end(struct lingerer *g)
{
    struct http_loop *l = g->loop;
    *(g->prev ? &g->prev->next : &l->lingers) = g->next;
    if (g->next) {
        g->next->prev = g->prev;
    }
    l->n_lingers--;
    h2o_socket_read_stop(g->sock);
    h2o_socket_close(g->sock);
    free(g);
}

static void on_linger_read(h2o_socket_t *sock, const char *err)
{
    if (err) {
        linger_end(sock->data);
    } else {
        h2o_buffer_consume(&sock->input, sock->input->size);
    }
}

void http_linger_later(struct http_conn *c)
{
    if (c->linger_fd < 0 && c->loop->n_lingers < LINGERS_MAX) {
        c->linger_fd = dup(h2o_socket_get_fd(c->sock));
    }
}

void http_linger(struct http_loop *l, int fd)
{
    shutdown(fd, SHUT_WR);
    if (l->stopping || l->n_lingers >= LINGERS_MAX) {
        close(fd);
        return;
    }
    struct lingerer *g = ALLOC(struct lingerer);
    g->loop = l;
    g->until = h2o_now(l->ev) + LIMIT_LINGER_MS;
    g->sock = h2o_evloop_socket_create(l->ev, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    g->sock->data = g;
    g->next = l->lingers;
    if (l->lingers) {
        l->lingers->prev = g;
    }
    l->lingers = g;
    l->n_lingers++;
    h2o_socket_read_start(g->sock, on_linger_read);
}

static void linger_tick(struct http_loop *l, uint64_t now)
{
    for (struct lingerer *g = l->lingers, *next; g; g = next) {
        next = g->next;
        if (now >= g->until) {
            linger_end(g);
        }
    }
}

/* ---- time ---- */

void http_guard_tick(struct http_loop *l)
{
    uint64_t now = h2o_now(l->ev);
    attend_tick(l, now);
    linger_tick(l, now);
    http_shaking_tick(l);
}

void http_guard_finish(struct http_loop *l)
{
    linger_tick(l, UINT64_MAX);
}
