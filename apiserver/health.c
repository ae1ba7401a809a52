/* SPDX-License-Identifier: Apache-2.0 */
/* /healthz, /livez and /readyz with ?verbose and ?exclude=, and single checks below them, as the
 * reference's healthz package words them. */
#include "resources/health.h"

#include "apiserver/call.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/quote.h"

/* One root's checks being asked. */
struct root {
    struct call *call;
    const char *name; /* "readyz" */
    unsigned parts;   /* what belongs to it; 0: everything */
    struct str only;  /* a single check's name; STR_NULL: all */
    bool found;       /* the single check exists */
    bool *excluded;   /* a flag for each parameter of the call: it named a check */
    struct buf text;  /* a line a check */
    struct buf failed;
    char *reason; /* of the single check that failed */
};

static bool is_excluded(struct root *r, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < r->call->n_params; i++) {
        const struct op_param *p = &r->call->params[i];
        if (str_is(p->key, "exclude") && str_is(p->value, name)) {
            r->excluded[i] = found = true;
        }
    }
    return found;
}

static void log_failure(const struct root *r, const char *name, const struct err *err)
{
    log_warn("health check failed", LOG_Z("check", name), LOG_Z("of", r->name), LOG_ERR(err));
}

static void single_check(struct root *r, const struct health_check *c)
{
    AUTO(err_finish) struct err err = {0};
    r->found = true;
    if (c->check && c->check(c->self, &err)) {
        log_failure(r, c->name, &err);
        r->reason = arena_strdup(&r->call->arena, err_message(&err));
    }
}

/* Whether the root lists the check, and whether it fails with it. */
static bool is_listed(const struct root *r, const struct health_check *c, bool *ret_counts)
{
    *ret_counts = !r->parts || (c->parts & r->parts);
    return *ret_counts || (r->parts == HEALTH_READY && (c->parts & HEALTH_SHOWN));
}

static void check(void *arg, const struct health_check *c)
{
    struct root *r = arg;
    AUTO(err_finish) struct err err = {0};
    bool counts;
    if (!is_listed(r, c, &counts)) {
        return;
    }
    if (r->only.ptr) {
        if (str_is(r->only, c->name)) {
            single_check(r, c);
        }
    } else if (is_excluded(r, c->name)) {
        buf_printf(&r->text, "[+]%s excluded: ok\n", c->name);
    } else if (!c->check || c->check(c->self, &err) == 0) {
        buf_printf(&r->text, "[+]%s ok\n", c->name);
    } else if (!counts) {
        buf_printf(&r->text, "[-]%s failed: reason withheld (does not count)\n", c->name);
    } else {
        log_failure(r, c->name, &err);
        buf_printf(&r->text, "[-]%s failed: reason withheld\n", c->name);
        buf_printf(&r->failed, "%s%s", r->failed.len ? "," : "", c->name);
    }
}

static int check_stopping(void *self, struct err *err)
{
    const struct server *s = self;
    return server_stopping(s) ? err_set(err, ERR_CLOSED, "process is shutting down") : 0;
}

static void warn_of_unknown(struct root *r)
{
    const char *sep = "";
    for (size_t i = 0; i < r->call->n_params; i++) {
        if (str_is(r->call->params[i].key, "exclude") && !r->excluded[i]) {
            buf_addz(&r->text,
                     *sep ? sep : "warn: some health checks cannot be excluded: no matches for ");
            quote_go(&r->text, r->call->params[i].value);
            sep = ",";
        }
    }
    buf_addz(&r->text, *sep ? "\n" : "");
}

static void ask(struct root *r)
{
    struct call *c = r->call;
    r->excluded = arena_zero(&c->arena, c->n_params * sizeof(bool) + 1);
    health_each(server_health(c->server), check, r);
    if (r->parts == HEALTH_READY) {
        check(r, &(struct health_check){.name = "shutdown",
                                        .parts = HEALTH_READY,
                                        .check = check_stopping,
                                        .self = c->server});
    }
    warn_of_unknown(r);
}

static void answer_single(struct root *r)
{
    if (!r->found) {
        call_answer_no_page(r->call);
    } else if (r->reason) {
        call_answer_text(r->call, 500,
                         arena_printf(&r->call->arena, "internal server error: %s\n", r->reason));
    } else {
        call_answer_text(r->call, 200, "ok");
    }
}

static void answer_all(struct root *r)
{
    struct call *c = r->call;
    if (r->failed.len) {
        buf_printf(&r->text, "%s check failed\n", r->name);
        call_answer_text(c, 500, arena_str(&c->arena, buf_str(&r->text)).ptr);
    } else if (!call_has_param(c, "verbose")) {
        call_answer_text(c, 200, "ok");
    } else {
        buf_printf(&r->text, "%s check passed\n", r->name);
        call_answer_text(c, 200, arena_str(&c->arena, buf_str(&r->text)).ptr);
    }
}

void health_serve(struct call *c)
{
    struct root r = {.call = c};
    struct str rest, path = str_skip(c->route.path, 1), name = str_cut(path, '/', &rest);
    r.name = str_is(name, "livez") ? "livez" : str_is(name, "readyz") ? "readyz" : "healthz";
    r.parts = str_is(name, "livez") ? HEALTH_LIVE : str_is(name, "readyz") ? HEALTH_READY : 0;
    r.only = rest;
    ask(&r);
    if (r.only.ptr) {
        answer_single(&r);
    } else {
        answer_all(&r);
    }
    buf_finish(&r.text);
    buf_finish(&r.failed);
}
