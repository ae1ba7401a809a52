/* SPDX-License-Identifier: Apache-2.0 */
/* The two event types. Objects are stored in the core form, whichever they came in; each type sees
 * them in its own. */
#include "services/events/events.h"

#include <ctype.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/json.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/events/expiry_priv.h"
#include "services/events/form_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { TTL_S = 60 * 60 }; /* the reference's --event-ttl */

struct events {
    struct client *client;
    int ttl_s;
};

static const struct event_form *form_of(const yyjson_mut_val *obj)
{
    return str_is(json_get_str(obj, "apiVersion"), "v1") ? &event_core : &event_new;
}

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)w;
    (void)old;
    (void)err;
    event_fill(form_of(obj), d, obj);
    return 0;
}

static int convert(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str to_api_version,
                   struct err *err)
{
    const struct event_form *from = form_of(obj),
                            *to = str_is(to_api_version, "v1") ? &event_core : &event_new;
    (void)self;
    (void)err;
    if (from != to) {
        event_convert(from, to, d, obj);
    }
    return 0;
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    const struct event_form *f = form_of(obj);
    (void)self;
    (void)w;
    event_check(f, obj, c);
    if (f == &event_core) {
        return; /* for the sake of old clients */
    }
    if (old) {
        event_check_update(f, obj, old, c);
    } else {
        event_check_create(f, obj, c);
    }
}

/* ---- rows ---- */

static struct str first_of(struct str a, struct str b)
{
    return a.len ? a : b;
}

static void row_object(const yyjson_mut_val *object, yyjson_mut_doc *d, yyjson_mut_val *cells)
{
    struct str kind = json_get_str(object, "kind"), name = json_get_str(object, "name");
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < kind.len; i++) {
        buf_addc(&b, (char)tolower((unsigned char)kind.ptr[i]));
    }
    if (name.len) {
        buf_printf(&b, "/%.*s", STR_FMT(name));
    }
    row_str(d, buf_str(&b), cells);
}

static void row_source(const struct event_form *f, const yyjson_mut_val *obj, yyjson_mut_doc *d,
                       yyjson_mut_val *cells)
{
    const yyjson_mut_val *source = json_get(obj, f->source);
    struct str component =
        first_of(json_get_str(source, "component"), json_get_str(obj, f->controller));
    struct str host =
        first_of(json_get_str(source, "host"), json_get_str(obj, "reportingInstance"));
    AUTO(buf_finish) struct buf b = {0};
    buf_add(&b, component);
    if (host.len) {
        buf_printf(&b, ", %.*s", STR_FMT(host));
    }
    row_str(d, buf_str(&b), cells);
}

static struct str trimmed(struct str s)
{
    while (s.len && isspace((unsigned char)s.ptr[0])) {
        s = str_skip(s, 1);
    }
    while (s.len && isspace((unsigned char)s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    const struct event_form *f = form_of(obj);
    const yyjson_mut_val *series = json_get(obj, "series"), *object = json_get(obj, f->object);
    (void)self;
    (void)v;
    struct str first = first_of(json_get_str(obj, f->first), json_get_str(obj, "eventTime"));
    struct str last = first_of(json_get_str(obj, f->last), first);
    int64_t count = json_get_int(obj, f->count, 0);
    if (json_is_obj(series)) {
        last = json_get_str(series, "lastObservedTime");
        count = json_get_int(series, "count", 0);
    } else if (count == 0) {
        count = 1;
    }
    row_since(d, last, cells);
    row_str(d, json_get_str(obj, "type"), cells);
    row_str(d, json_get_str(obj, "reason"), cells);
    row_object(object, d, cells);
    row_str(d, json_get_str(object, "fieldPath"), cells);
    row_source(f, obj, d, cells);
    row_str(d, trimmed(json_get_str(obj, f->message)), cells);
    row_since(d, first, cells);
    row_int(d, count, cells);
    row_name(d, obj, cells);
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .validate = validate,
    .convert = convert,
    .row = row,
    .blank = "{\"source\":{},\"reportingComponent\":\"\",\"reportingInstance\":\"\"}",
    .create_on_update = true,
};

int events_provide(const struct events_deps *d, struct events **ret, struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy};
    int r = service_publish(d->registry, service_document(d->documents, "events"), &extras, err);
    if (r == 0) {
        r = service_publish(d->registry, service_document(d->documents, "events.events.k8s.io"),
                            &extras, err);
    }
    if (r < 0) {
        return r;
    }
    *ret = ALLOC(struct events);
    (*ret)->client = d->client;
    (*ret)->ttl_s = d->config->event_ttl_s ? d->config->event_ttl_s : TTL_S;
    return 0;
}

int events_run(struct events *self, struct service_stop *stop, struct err *err)
{
    return expiry_run(self->client, self->ttl_s, stop, err);
}

void events_release(struct events *self)
{
    free(self);
}
