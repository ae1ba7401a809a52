/* SPDX-License-Identifier: Apache-2.0 */
/* The type ShortURL: paths that stay here, the goto subresource, and in the background when each
 * was used last. A visit is noted by the service's thread, so that whoever follows a short URL
 * waits for no write, and at most once a minute. */
#include "services/shorturls/shorturls.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "resources/documents.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/service.h"
#include "services/shorturls/expiry_priv.h"
#include "services/shorturls/visits_priv.h"
#include "services/wire.gen.h"

enum {
    TTL_S = 7 * 24 * 3600, /* of short URLs that nobody uses, as Grafana's */
    SWEEP_MS = 10 * 60 * 1000,
    SWEEP_MIN_MS = 500,
    NOTED_MS = 60 * 1000, /* a visit so soon after the last one noted is not */
    GATHER_MS = 200,      /* visits within it are noted together */
    ORG_DIGITS = 18,      /* of an organization's number */
};

struct shorturls {
    struct client *client;
    struct visits *visits;
    int ttl_s;
};

/* ---- the type ---- */

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)w;
    (void)err;
    if (!old) {
        json_set_int(d, json_ensure_obj(d, obj, "status"), "lastSeenAt", 0);
    }
    return 0;
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    yyjson_mut_val *path = json_path(obj, "spec", "path", NULL);
    const char *fault = json_is_str(path) ? shorturls_path_fault(json_str(path)) : NULL;
    (void)self;
    (void)w;
    (void)old;
    if (fault) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(PATH_FIELD(NULL, STR("spec")), STR("path")), path,
                   "%s", fault);
    }
}

static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    name_grafana(name, is_prefix, at, c);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    int64_t seen = json_get_int(json_get(obj, "status"), "lastSeenAt", 0);
    char age[CLOCK_TEXT];
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_str(d, json_get_str(json_get(obj, "spec"), "path"), cells);
    if (seen > 0 && seen <= clock_wall_us() / 1000) {
        row_str(d, str_make(age, clock_age(clock_wall_us() - seen * 1000, age)), cells);
    } else {
        row_str(d, STR("<never>"), cells);
    }
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .validate = validate,
    .name = check_name,
    .makes_names = true,
    .row = row,
};

/* ---- goto ---- */

static void note_visit(struct shorturls *s, const struct op *op, const yyjson_mut_val *obj)
{
    int64_t now = clock_wall_us() / 1000;
    int64_t seen = json_get_int(json_get(obj, "status"), "lastSeenAt", 0);
    if (seen <= 0 || seen > now || now - seen >= NOTED_MS) {
        visits_add(s->visits, op->scope.ns, op->name, now);
    }
}

/* Leads there; with ?redirect=false only says where. What was stored under older rules is checked
 * once more. */
static int get_goto(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                    yyjson_mut_val **ret_answer, struct err *err)
{
    struct str path = json_str(json_path(obj, "spec", "path", NULL));
    const char *fault = shorturls_path_fault(path);
    if (fault) {
        return err_set(err, ERR_BAD_REQUEST, "stored short URL has invalid path: %s", fault);
    }
    note_visit(self, op, obj);
    *ret_answer = yyjson_mut_obj(d);
    json_set_str(d, *ret_answer, "url", str_from(arena_printf(&op->arena, "/%.*s", STR_FMT(path))));
    if (!str_is(op_param(op, "redirect"), "false")) {
        AUTO(buf_finish) struct buf to = {0};
        buf_addc(&to, '/');
        shorturls_escape(&to, path);
        op->answer.location = arena_str(&op->arena, buf_str(&to));
        op->answer.http_status = 302;
    }
    return 0;
}

static const struct type_subresource subresources[] = {
    {.name = {"goto", 4}, .verbs = VERB_BIT(VERB_GET), .get = get_goto},
};

/* The organization's namespace: the first one's where no other is named in a way that makes sense,
 * as Grafana takes it. */
static struct str namespace_of(struct arena *a, struct str org)
{
    size_t i = 0;
    while (i < org.len && org.ptr[i] == '0') {
        i++;
    }
    struct str number = str_skip(org, i);
    bool digits = number.len && number.len <= ORG_DIGITS;
    for (i = 0; i < number.len; i++) {
        digits = digits && number.ptr[i] >= '0' && number.ptr[i] <= '9';
    }
    return !digits || str_is(number, "1") ? STR("default")
                                          : str_from(arena_printf(a, "org-%.*s", STR_FMT(number)));
}

/* /goto/UID?orgId=N, the link that Grafana gives out. */
static void find_goto(void *self, struct arena *a, struct str part, struct str value,
                      struct fixed_target *ret)
{
    (void)self;
    *ret = (struct fixed_target){.group = STR("shorturl.grafana.app"),
                                 .version = STR("v1beta1"),
                                 .ns = namespace_of(a, value),
                                 .resource = STR("shorturls"),
                                 .name = part,
                                 .subresource = STR("goto")};
}

/* ---- in the background ---- */

static int write_visit(struct shorturls *s, const struct visit *v, struct err *err)
{
    struct arena a;
    arena_init(&a, 512);
    yyjson_mut_doc *d = json_doc(&a), *answer = NULL;
    yyjson_mut_val *patch = yyjson_mut_obj(d);
    const struct client_ref ref = {.group = STR("shorturl.grafana.app"),
                                   .version = STR("v1beta1"),
                                   .resource = STR("shorturls"),
                                   .ns = v->ns,
                                   .name = v->name,
                                   .subresource = STR("status")};
    json_set_int(d, json_ensure_obj(d, patch, "status"), "lastSeenAt", v->at_ms);
    struct err why = {0};
    int rc = client_patch(s->client, &ref, PATCH_MERGE, patch, NULL, &a, &answer, &why);
    arena_finish(&a);
    if (rc == ERR_NOT_FOUND) {
        err_finish(&why);
        return 0;
    }
    return rc ? err_move(err, &why) : 0;
}

static void write_visits(struct shorturls *s, struct visit *first, struct service_stop *stop)
{
    while (first) {
        AUTO(err_finish) struct err err = {0};
        struct visit *v = first;
        first = v->next;
        if (!service_stopping(stop) && write_visit(s, v, &err)) {
            log_warn("a visit of a short URL was not noted", LOG_S("namespace", v->ns),
                     LOG_S("name", v->name), LOG_ERR(&err));
        }
        visit_free(v);
    }
}

static int sweep_every_ms(const struct shorturls *s)
{
    int64_t ms = s->ttl_s * INT64_C(1000) / 2;
    ms = ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : ms;
    return ms < SWEEP_MS ? (int)ms : SWEEP_MS;
}

static void wake(void *arg)
{
    struct shorturls *s = arg;
    visits_wake(s->visits);
}

/* The stop wakes the wait for visits. */
static int run(struct shorturls *s, struct service_stop *stop, struct err *err)
{
    int64_t every = sweep_every_ms(s), due = clock_mono_ms() + every;
    while (!service_stopping(stop)) {
        int64_t left = due - clock_mono_ms();
        struct visit *v = visits_take(s->visits, left > 0 ? (int)left : 0);
        write_visits(s, v, stop);
        if (v && service_wait(stop, GATHER_MS)) {
            return 0;
        }
        if (clock_mono_ms() >= due) {
            int rc = shorturls_expire(s->client, s->ttl_s, stop, err);
            if (rc) {
                return rc;
            }
            due = clock_mono_ms() + every;
        }
    }
    return 0;
}

int shorturls_run(struct shorturls *s, struct service_stop *stop, struct err *err)
{
    visits_open(s->visits, true);
    service_on_stop(stop, wake, s);
    int rc = run(s, stop, err);
    service_on_stop(stop, NULL, NULL);
    visits_open(s->visits, false);
    return rc;
}

/* ---- life ---- */

int shorturls_provide(const struct shorturls_deps *d, struct shorturls **ret, struct err *err)
{
    struct shorturls *s = ALLOC(struct shorturls);
    s->client = d->client;
    s->visits = visits_create();
    s->ttl_s = d->config->shorturl_ttl_s ? d->config->shorturl_ttl_s : TTL_S;
    const struct type_extras extras = {
        .strategy = &strategy, .self = s, .subresources = subresources, .n_subresources = 1};
    int rc = service_publish(d->registry,
                             service_document(d->documents, "shorturls.shorturl.grafana.app"),
                             &extras, err);
    if (rc < 0) {
        shorturls_release(s);
        return rc;
    }
    documents_add_page(d->fixed_documents, &(struct fixed_page){.prefix = "/goto/",
                                                                .param = "orgId",
                                                                .otherwise = "/",
                                                                .find = find_goto});
    *ret = s;
    return 0;
}

void shorturls_release(struct shorturls *s)
{
    if (s) {
        visits_destroy(s->visits);
        free(s);
    }
}
