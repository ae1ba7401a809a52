/* SPDX-License-Identifier: Apache-2.0 */
/* The two forms of an event and the way between them. */
#include "services/events/form_priv.h"

#include "base/json.h"

const struct event_form event_core = {
    .object = "involvedObject",
    .message = "message",
    .source = "source",
    .first = "firstTimestamp",
    .last = "lastTimestamp",
    .count = "count",
    .controller = "reportingComponent",
};

const struct event_form event_new = {
    .object = "regarding",
    .message = "note",
    .source = "deprecatedSource",
    .first = "deprecatedFirstTimestamp",
    .last = "deprecatedLastTimestamp",
    .count = "deprecatedCount",
    .controller = "reportingController",
};

static void ensure_null(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key)
{
    if (!json_get(obj, key)) {
        json_setz(d, obj, key, yyjson_mut_null(d));
    }
}

static void ensure_text(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key)
{
    if (!json_get(obj, key)) {
        json_set_str(d, obj, key, STR(""));
    }
}

static void drop_empty_text(yyjson_mut_val *obj, const char *key)
{
    if (json_get(obj, key) && !json_get_str(obj, key).len) {
        json_remove(obj, key);
    }
}

void event_fill(const struct event_form *f, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    json_ensure_obj(d, obj, f->object);
    json_ensure_obj(d, obj, f->source);
    ensure_null(d, obj, f->first);
    ensure_null(d, obj, f->last);
    ensure_null(d, obj, "eventTime");
    if (f == &event_core) {
        ensure_text(d, obj, f->controller);
        ensure_text(d, obj, "reportingInstance");
    } else {
        drop_empty_text(obj, f->controller);
        drop_empty_text(obj, "reportingInstance");
    }
}

static void rename_member(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *from, const char *to)
{
    yyjson_mut_val *v = json_get(obj, from);
    if (v) {
        yyjson_mut_val *kept = yyjson_mut_null(d);
        json_assign(kept, v);
        json_remove(obj, from);
        json_setz(d, obj, to, kept);
    }
}

void event_convert(const struct event_form *from, const struct event_form *to, yyjson_mut_doc *d,
                   yyjson_mut_val *obj)
{
    rename_member(d, obj, from->object, to->object);
    rename_member(d, obj, from->message, to->message);
    rename_member(d, obj, from->source, to->source);
    rename_member(d, obj, from->first, to->first);
    rename_member(d, obj, from->last, to->last);
    rename_member(d, obj, from->count, to->count);
    rename_member(d, obj, from->controller, to->controller);
    event_fill(to, d, obj);
}
