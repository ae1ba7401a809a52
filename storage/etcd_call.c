/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to one of etcd's servers, and the ones that are waited for. */
#include "storage/etcd_priv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

static const char *const headers[] = {"Content-Type: application/json"};

void etcd_next_url(struct etcd_store *s)
{
    size_t u = atomic_load(&s->url);
    atomic_store(&s->url, (u + 1) % s->n_urls);
}

static struct httpc_request request(struct etcd_store *s, const char *url, struct str body)
{
    return (struct httpc_request){
        .method = "POST",
        .url = url,
        .headers = headers,
        .n_headers = 1,
        .body = body,
        .timeout_ms = ETCD_ATTEMPT_MS,
        .tls = &s->tls,
    };
}

uint64_t etcd_post(struct etcd_store *s, const char *path, struct str body, int64_t timeout_ms,
                   httpc_done_fn *done, void *arg)
{
    AUTO_FREE char *url = alloc_printf("%s%s", s->urls[atomic_load(&s->url)], path);
    struct httpc_request r = request(s, url, body);
    r.timeout_ms = timeout_ms;
    r.done = done;
    r.arg = arg;
    return httpc_start(s->http, &r);
}

static int ask_once(struct etcd_store *s, const char *path, struct str body, size_t max,
                    yyjson_doc **ret, struct err *err)
{
    AUTO_FREE char *url = alloc_printf("%s%s", s->urls[atomic_load(&s->url)], path);
    AUTO(buf_finish) struct buf answer = {0};
    struct httpc_request r = request(s, url, body);
    r.max_body = max;
    int status = httpc_wait(s->http, &r, &answer, err);
    if (status < 0) {
        return err_wrap(err, "etcd at %s", s->urls[atomic_load(&s->url)]);
    }
    if (status != 200) {
        bool unsure;
        struct httpc_answer a = {.status = status, .body = buf_str(&answer)};
        return etcd_error(&a, &unsure, err);
    }
    *ret = yyjson_read(answer.ptr, answer.len, 0);
    return *ret ? 0 : err_set(err, ERR_IO, "etcd's answer is no JSON");
}

int etcd_ask(struct etcd_store *s, const char *path, struct str body, size_t max, yyjson_doc **ret,
             struct err *err)
{
    AUTO(err_finish) struct err first = {0};
    int code = 0;
    for (size_t i = 0; i < s->n_urls; i++) {
        code = ask_once(s, path, body, max, ret, &first);
        if (code != ERR_UNAVAILABLE && code != ERR_TIMEOUT) {
            break;
        }
        etcd_next_url(s);
    }
    return code ? err_move(err, &first) : 0;
}

int etcd_present(struct etcd_store *s, int64_t *ret_rev, struct err *err)
{
    AUTO(buf_finish) struct buf body = {0};
    yyjson_doc *d = NULL;
    buf_printf(&body, "{\"key\":\"%.*s\",\"keys_only\":true}", STR_FMT(buf_str(&s->barrier)));
    int code = etcd_ask(s, "/v3/kv/range", buf_str(&body), 0, &d, err);
    if (!code) {
        *ret_rev = etcd_int(yyjson_obj_get(yyjson_doc_get_root(d), "header"), "revision");
        yyjson_doc_free(d);
    }
    return code;
}
