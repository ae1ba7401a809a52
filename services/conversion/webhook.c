/* SPDX-License-Identifier: Apache-2.0 */
/* The converter that asks a webhook: one review for a batch of objects, waited for on a thread that
 * may. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/latch.h"
#include "base/limits.h"
#include "resources/status.h"
#include "services/conversion/conversion_priv.h"

struct webhook {
    struct converter base;
    struct conversion *owner; /* a reference */
    char *url;                /* as called, the timeout included */
    char *host;               /* host:port of it, for messages */
    char *definition;         /* its name, for metrics */
    struct buf ca;            /* PEM; empty: the system's authorities */
    struct httpc_tls tls;
    bool v1beta1;
};

/* What a call came to. */
struct outcome {
    struct latch latch;
    int code, status;
    struct buf body, media;
    char *text;
};

/* ---- one call ---- */

static void answered(void *arg, const struct httpc_answer *a)
{
    struct outcome *o = arg;
    o->code = a->code;
    o->status = a->status;
    buf_add(&o->body, a->body);
    buf_add(&o->media, a->headers[0]);
    o->text = a->text ? alloc_strdup(a->text) : NULL;
    latch_open(&o->latch);
}

static void outcome_finish(struct outcome *o)
{
    buf_finish(&o->body);
    buf_finish(&o->media);
    free(o->text);
}

/* Under the lock. The client is made for the first call. */
static int want_client(struct conversion *c, struct err *err)
{
    if (c->closed) {
        return err_set(err, ERR_UNAVAILABLE, "the server is shutting down");
    }
    return c->http ? 0 : httpc_create(&(struct httpc_options){0}, &c->http, err);
}

/* Begins the call where the service may call (still), and keeps it in the list of calls. */
static int begin(struct webhook *w, struct str body, struct outcome *o, struct conversion_call *k,
                 struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json, */*", "User-Agent: coracle"};
    const struct httpc_request r = {
        .method = "POST",
        .url = w->url,
        .headers = headers,
        .n_headers = sizeof(headers) / sizeof(*headers),
        .body = body,
        .connect_ms = LIMIT_CONVERSION_MS,
        .timeout_ms = LIMIT_CONVERSION_MS,
        .max_body = LIMIT_CONVERSION_ANSWER_BYTES,
        .tls = &w->tls,
        .wanted = {"Content-Type"},
        .done = answered,
        .arg = o,
    };
    struct conversion *c = w->owner;
    pthread_mutex_lock(&c->lock);
    int rc = want_client(c, err);
    if (!rc) {
        k->id = httpc_start(c->http, &r);
        k->prev = NULL;
        k->next = c->calls;
        if (k->next) {
            k->next->prev = k;
        }
        c->calls = k;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

static void end(struct conversion *c, struct conversion_call *k)
{
    pthread_mutex_lock(&c->lock);
    *(k->prev ? &k->prev->next : &c->calls) = k->next;
    if (k->next) {
        k->next->prev = k->prev;
    }
    if (!c->calls) {
        pthread_cond_signal(&c->idle);
    }
    pthread_mutex_unlock(&c->lock);
}

/* Waits for the answer. ERR_UNAVAILABLE: no call was made. */
static int call(struct webhook *w, struct str body, struct outcome *o, struct err *err)
{
    struct conversion_call k = {0};
    latch_init(&o->latch);
    int rc = begin(w, body, o, &k, err);
    if (rc) {
        latch_open(&o->latch);
    }
    latch_wait(&o->latch);
    if (!rc) {
        end(w->owner, &k);
    }
    return rc;
}

/* ---- what went wrong, in Go's words ---- */

static bool has(const char *text, const char *part)
{
    return text && strstr(text, part);
}

/* libcurl's words about a call that came to nothing, as Go's client would have said it. */
static int transport_error(const struct webhook *w, const struct outcome *o, struct err *err)
{
    const char *t = o->text;
    struct str rest, name = str_cut(str_from(w->host), ':', &rest);
    AUTO_FREE char *why = NULL;
    if (o->code == ERR_TIMEOUT) {
        why = alloc_strdup("context deadline exceeded (Client.Timeout exceeded while awaiting "
                           "headers)");
    } else if (o->code == ERR_TOO_LARGE) {
        why = alloc_printf("the answer is larger than %u bytes", LIMIT_CONVERSION_ANSWER_BYTES);
    } else if (has(t, "Could not resolve")) {
        why = alloc_printf("dial tcp: lookup %.*s: no such host", STR_FMT(name));
    } else if (has(t, "Couldn't connect") || has(t, "Could not connect") ||
               has(t, "Failed to connect") || has(t, "Connection refused")) {
        why = alloc_printf("dial tcp %s: connect: connection refused", w->host);
    } else if (has(t, "SSL certificate problem") || has(t, "unable to get local issuer")) {
        why = alloc_strdup("tls: failed to verify certificate: x509: certificate signed by unknown "
                           "authority");
    } else if (has(t, "Empty reply") || has(t, "unexpected eof") || has(t, "Recv failure") ||
               has(t, "transfer closed")) {
        why = alloc_strdup(has(t, "transfer closed") ? "unexpected EOF" : "EOF");
    }
    return err_set(err, ERR_UNKNOWN_500, "Post \"%s\": %s", w->url,
                   why ? why
                   : t ? t
                       : "unknown error");
}

/* An answer that is no 2xx. */
static int status_error(const struct outcome *o, struct err *err)
{
    enum { SHOWN = 2048 };
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    struct str body = buf_str(&o->body), media = buf_str(&o->media);
    body.len = body.len < SHOWN ? body.len : SHOWN;
    while (body.len && strchr(" \r\n\t", body.ptr[body.len - 1])) {
        body.len--;
    }
    bool text = !media.len || str_starts(media, STR("text/"));
    if (!json_read(&a, buf_str(&o->body), &d, NULL, NULL) &&
        str_is(json_get_str(d->root, "kind"), "Status") && json_get_str(d->root, "message").len) {
        err_set(err, ERR_UNKNOWN_500, "%.*s", STR_FMT(json_get_str(d->root, "message")));
    } else if (o->status == 404) {
        err_set(err, ERR_UNKNOWN_500, "the server could not find the requested resource");
    } else if (o->status == 503) {
        err_set(err, ERR_UNKNOWN_500, "the server is currently unable to handle the request");
    } else if (o->status >= 500) {
        err_set(err, ERR_UNKNOWN_500,
                "an error on the server (\"%.*s\") has prevented the request from succeeding",
                STR_FMT(text ? body : STR("unknown")));
    } else {
        err_set(err, ERR_UNKNOWN_500,
                "the server responded with the status code %d but did not return more information",
                o->status);
    }
    arena_finish(&a);
    return ERR_UNKNOWN_500;
}

/* ---- metrics ---- */

static void observe(struct webhook *w, const char *failure, double seconds)
{
    static const double buckets[] = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,
                                     2,     5,    10,   20,   30,  45,  60};
    const struct metric_label labels[] = {
        {"result", failure ? STR("failure") : STR("success")},
        {"failure_type", str_from(failure ? failure : "")},
    };
    struct metrics *m = w->owner->metrics;
    metric_add(metrics_series(m, METRIC_COUNTER, "apiserver_conversion_webhook_request_total",
                              "Calls of conversion webhooks, by how they ended.", labels, 2, NULL,
                              0),
               1);
    metric_observe(metrics_series(m, METRIC_HISTOGRAM,
                                  "apiserver_conversion_webhook_duration_seconds",
                                  "How long calls of conversion webhooks took.", labels, 2, buckets,
                                  sizeof(buckets) / sizeof(*buckets)),
                   seconds);
}

static struct str version_name(struct str api_version)
{
    struct str rest, first = str_cut(api_version, '/', &rest);
    return rest.ptr ? rest : first;
}

static void observe_definition(struct webhook *w, struct str from, struct str to, bool ok,
                               double seconds)
{
    static const double buckets[] = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                     0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
    const struct metric_label labels[] = {
        {"crd_name", str_from(w->definition)},
        {"from_version", version_name(from)},
        {"to_version", version_name(to)},
        {"succeeded", ok ? STR("true") : STR("false")},
    };
    metric_observe(metrics_series(w->owner->metrics, METRIC_HISTOGRAM,
                                  "apiserver_crd_conversion_webhook_duration_seconds",
                                  "How long conversions by webhook took, by definition.", labels, 4,
                                  buckets, sizeof(buckets) / sizeof(*buckets)),
                   seconds);
}

/* ---- the converter ---- */

static int review(struct webhook *w, const struct type *t, const struct type_version *to,
                  yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n, const char **ret_failure,
                  struct err *err)
{
    static const char *const faults[] = {
        [REVIEW_MALFORMED] = "conversion_webhook_malformed_response_failure",
        [REVIEW_PARTIAL] = "conversion_webhook_partial_response_failure",
        [REVIEW_INVALID_OBJECT] = "conversion_webhook_invalid_converted_object_failure",
    };
    AUTO(buf_finish) struct buf body = {0};
    AUTO(outcome_finish) struct outcome o = {0};
    char uid[37];
    crypto_uuid(uid);
    review_write(&body, w->v1beta1, str_from(uid), to->api_version, objs, n);
    *ret_failure = "conversion_webhook_call_failure";
    int rc = call(w, buf_str(&body), &o, err);
    if (rc || o.code == ERR_CLOSED) {
        return rc ? rc : err_set(err, ERR_UNAVAILABLE, "the server is shutting down");
    }
    if (o.code || o.status / 100 != 2) {
        struct err why = {0};
        rc = o.code ? transport_error(w, &o, &why) : status_error(&o, &why);
        err_set(err, rc, "conversion webhook for %.*s, Kind=%.*s failed: %s",
                STR_FMT(json_get_str(objs[0], "apiVersion")), STR_FMT(t->kind), err_message(&why));
        err_finish(&why);
        return rc;
    }
    enum review_fault fault;
    rc = review_read(buf_str(&o.body), w->v1beta1, str_from(uid), t, to->api_version, d, objs, n,
                     &fault, err);
    *ret_failure = rc ? faults[fault] : NULL;
    return rc;
}

static int convert(struct converter *base, const struct type *t, const struct type_version *to,
                   yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n, struct err *err)
{
    struct webhook *w = (struct webhook *)base;
    const char *failure = NULL;
    uint64_t begun = clock_mono_ns();
    struct arena names;
    arena_init(&names, 0);
    struct str from = arena_str(&names, json_get_str(objs[0], "apiVersion"));
    int rc = review(w, t, to, d, objs, n, &failure, err);
    double seconds = (double)(clock_mono_ns() - begun) / 1e9;
    if (w->owner->metrics) {
        observe(w, failure, seconds);
        observe_definition(w, from, to->api_version, !rc, seconds);
    }
    arena_finish(&names);
    return rc;
}

static void destroy(struct converter *base)
{
    struct webhook *w = (struct webhook *)base;
    conversion_unref(w->owner);
    buf_finish(&w->ca);
    free(w->url);
    free(w->host);
    free(w->definition);
    free(w);
}

static const struct converter_ops webhook_ops = {
    .convert = convert,
    .destroy = destroy,
    .waits = true,
};

/* ---- made from a definition ---- */

/* The URL as the reference calls it; a service's name is left to the name service. */
static void set_url(struct webhook *w, const yyjson_mut_val *client)
{
    struct str url = json_get_str(client, "url");
    const yyjson_mut_val *service = json_get(client, "service");
    AUTO(buf_finish) struct buf b = {0};
    if (service) {
        struct str path = json_get_str(service, "path");
        buf_printf(&b, "https://%.*s.%.*s.svc:%lld", STR_FMT(json_get_str(service, "name")),
                   STR_FMT(json_get_str(service, "namespace")),
                   (long long)json_get_int(service, "port", 443));
        buf_addz(&b, path.len && path.ptr[0] != '/' ? "/" : "");
        buf_add(&b, path.len ? path : STR("/"));
    } else {
        buf_add(&b, url);
        struct str host = str_skip(url, str_starts(url, STR("https://")) ? 8 : 0), rest;
        str_cut(host, '/', &rest);
        buf_addz(&b, rest.ptr ? "" : "/");
    }
    struct str host = str_skip(buf_str(&b), 8), rest;
    host = str_cut(host, '/', &rest);
    bool port = memchr(host.ptr, ':', host.len) != NULL;
    w->host = alloc_printf("%.*s%s", STR_FMT(host), port ? "" : ":443");
    w->url = alloc_printf("%.*s?timeout=%us", STR_FMT(buf_str(&b)), LIMIT_CONVERSION_MS / 1000);
}

static bool blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr(" \t\r\n", s.ptr[i])) {
            return false;
        }
    }
    return true;
}

static void set_review_version(struct webhook *w, const yyjson_mut_val *versions)
{
    for (struct json_iter it = json_iter(versions); json_next(&it);) {
        w->v1beta1 = str_is(json_str(it.val), "v1beta1");
        if (w->v1beta1 || str_is(json_str(it.val), "v1")) {
            return;
        }
    }
}

int webhook_create(struct conversion *c, const yyjson_mut_val *definition, struct converter **ret,
                   struct err *err)
{
    const yyjson_mut_val *hook = json_path(definition, "spec", "conversion", "webhook", NULL);
    const yyjson_mut_val *client = json_get(hook, "clientConfig");
    (void)err;
    struct webhook *w = ALLOC(struct webhook);
    converter_init(&w->base, &webhook_ops);
    conversion_ref(c);
    w->owner = c;
    w->definition = alloc_printf("%.*s", STR_FMT(metadata_name(definition)));
    set_url(w, client);
    set_review_version(w, json_get(hook, "conversionReviewVersions"));
    if (!crypto_unbase64(&w->ca, json_get_str(client, "caBundle")) || blank(buf_str(&w->ca))) {
        w->ca.len = 0;
    }
    w->tls.ca_pem = buf_str(&w->ca);
    *ret = &w->base;
    return 0;
}
