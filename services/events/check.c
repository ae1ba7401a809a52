/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of events. Rules, words and order: legacyValidateEvent, ValidateEventCreate and
 * ValidateEventUpdate of the reference, which speak of the core form's fields whichever form was
 * sent. */
#include "base/json.h"
#include "resources/metadata.h"
#include "services/events/form_priv.h"

enum { TEXT_MAX = 128, NOTE_MAX = 1024 };

#define AT(name) PATH_FIELD(NULL, STR(name))
#define IMMUTABLE "field is immutable"

static bool is_set(const yyjson_mut_val *v)
{
    return v && !json_is_null(v);
}

static void invalid(struct causes *c, const struct path *at, struct str value, const char *detail)
{
    yyjson_mut_doc *d = json_doc(c->arena);
    causes_add(c, CAUSE_INVALID, at, yyjson_mut_strncpy(d, value.ptr ? value.ptr : "", value.len),
               "%s", detail);
}

static void required(struct causes *c, const char *name)
{
    causes_add(c, CAUSE_REQUIRED, PATH_FIELD(NULL, str_from(name)), NULL, NULL);
}

static void check_length(const yyjson_mut_val *obj, const char *key, const char *shown, size_t most,
                         struct causes *c)
{
    if (json_get_str(obj, key).len > most) {
        invalid(c, PATH_FIELD(NULL, str_from(shown)), STR(""),
                arena_printf(c->arena, "can have at most %zu characters", most));
    }
}

static void check_text(const yyjson_mut_val *obj, const char *key, struct causes *c)
{
    if (!json_get_str(obj, key).len) {
        required(c, key);
    }
    check_length(obj, key, key, TEXT_MAX, c);
}

static void bad_namespace(struct str ns, struct causes *c)
{
    invalid(c, PATH_FIELD(AT("involvedObject"), STR("namespace")), ns,
            "does not match event.namespace");
}

/* An event without eventTime is one of the old kind: it lies in its object's namespace. */
static void check_old(struct str own, struct str object, struct causes *c)
{
    bool good = object.len ? str_eq(own, object) : !own.len || str_is(own, "default");
    if (!good) {
        bad_namespace(object, c);
    }
}

static void check_new(const struct event_form *f, const yyjson_mut_val *obj, struct str own,
                      struct str object, struct causes *c)
{
    struct str controller = json_get_str(obj, f->controller);
    struct name_faults faults = {0};
    if (!object.len && !str_is(own, "default") && !str_is(own, "kube-system")) {
        bad_namespace(object, c);
    }
    if (!controller.len) {
        required(c, "reportingController");
    }
    name_faults_qualified(controller, &faults);
    name_faults_add(&faults, controller, AT("reportingController"), c);
    check_text(obj, "reportingInstance", c);
    check_text(obj, "action", c);
    check_text(obj, "reason", c);
    check_length(obj, f->message, "message", NOTE_MAX, c);
}

void event_check(const struct event_form *f, const yyjson_mut_val *obj, struct causes *c)
{
    struct str own = metadata_namespace(obj),
               object = json_get_str(json_get(obj, f->object), "namespace");
    struct name_faults faults = {0};
    if (is_set(json_get(obj, "eventTime"))) {
        check_new(f, obj, own, object, c);
    } else {
        check_old(own, object, c);
    }
    name_faults_subdomain(own, &faults);
    name_faults_add(&faults, own, AT("namespace"), c);
}

static void check_series(const yyjson_mut_val *obj, struct causes *c)
{
    const yyjson_mut_val *series = json_get(obj, "series");
    if (!is_set(series)) {
        return;
    }
    if (json_get_int(series, "count", 0) < 2) {
        invalid(c, AT("series.count"), STR(""), "should be at least 2");
    }
    if (!is_set(json_get(series, "lastObservedTime"))) {
        required(c, "series.lastObservedTime");
    }
}

static void want_unset(bool set, const char *name, struct causes *c)
{
    if (set) {
        invalid(c, PATH_FIELD(NULL, str_from(name)), STR(""), "needs to be unset");
    }
}

void event_check_create(const struct event_form *f, const yyjson_mut_val *obj, struct causes *c)
{
    struct str type = json_get_str(obj, "type");
    const yyjson_mut_val *source = json_get(obj, f->source);
    check_series(obj, c);
    if (!is_set(json_get(obj, "eventTime"))) {
        required(c, "eventTime");
    }
    if (!str_is(type, "Normal") && !str_is(type, "Warning")) {
        invalid(c, AT("type"), STR(""),
                arena_printf(c->arena, "has invalid value: %.*s", STR_FMT(type)));
    }
    want_unset(is_set(json_get(obj, f->first)), "firstTimestamp", c);
    want_unset(is_set(json_get(obj, f->last)), "lastTimestamp", c);
    want_unset(json_get_int(obj, f->count, 0) != 0, "count", c);
    want_unset(json_get_str(source, "component").len || json_get_str(source, "host").len, "source",
               c);
}

/* What is empty, null or zero is the same as what is absent. */
static bool is_empty(const yyjson_mut_val *v)
{
    return !is_set(v) || (json_is_str(v) && !json_str(v).len) ||
           (json_is_obj(v) && !json_size(v)) ||
           (yyjson_mut_is_int(json_mut(v)) && yyjson_mut_get_sint(json_mut(v)) == 0);
}

static void check_same(const yyjson_mut_val *obj, const yyjson_mut_val *old, const char *key,
                       const char *shown, struct causes *c)
{
    yyjson_mut_val *a = json_get(obj, key), *b = json_get(old, key);
    if ((is_empty(a) && is_empty(b)) || json_equal(a, b)) {
        return;
    }
    if (a) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(NULL, str_from(shown)), a, IMMUTABLE);
    } else {
        causes_add_text(c, CAUSE_INVALID, PATH_FIELD(NULL, str_from(shown)), STR("null"),
                        IMMUTABLE);
    }
}

void event_check_update(const struct event_form *f, const yyjson_mut_val *obj,
                        const yyjson_mut_val *old, struct causes *c)
{
    const yyjson_mut_val *series = json_get(obj, "series"), *was = json_get(old, "series");
    if (is_set(series) && (!is_set(was) || !json_equal(series, was))) {
        check_series(obj, c);
    }
    check_same(obj, old, f->object, "involvedObject", c);
    check_same(obj, old, "reason", "reason", c);
    check_same(obj, old, f->message, "message", c);
    check_same(obj, old, f->source, "source", c);
    check_same(obj, old, f->first, "firstTimestamp", c);
    check_same(obj, old, f->last, "lastTimestamp", c);
    check_same(obj, old, f->count, "count", c);
    check_same(obj, old, "reason", "reason", c); /* twice, as the reference has it */
    check_same(obj, old, "type", "type", c);
    check_same(obj, old, "eventTime", "eventTime", c);
    check_same(obj, old, "action", "action", c);
    check_same(obj, old, "related", "related", c);
    check_same(obj, old, f->controller, "reportingController", c);
    check_same(obj, old, "reportingInstance", "reportingInstance", c);
}
