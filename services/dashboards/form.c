/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored of what was sent. */
#include <stdio.h>

#include "services/dashboards/dashboards_priv.h"
#include "services/dashboards/members_priv.h"

#define ID_LABEL "grafana.app/deprecatedInternalID"

/* The name and the version of a dashboard are its metadata's; the number that old interfaces know
 * it by is a label. */
static void settle_classic(yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val *spec)
{
    const yyjson_mut_val *id = json_get(spec, "id");
    json_remove(spec, "uid");
    json_remove(spec, "version");
    if (yyjson_mut_is_int(json_mut(id))) {
        int64_t n = yyjson_mut_get_sint(json_mut(id));
        json_remove(spec, "id");
        if (n > 0) {
            char text[24];
            int len = snprintf(text, sizeof(text), "%lld", (long long)n);
            json_set_str(d, json_ensure_obj(d, json_ensure_obj(d, obj, "metadata"), "labels"),
                         ID_LABEL, str_make(text, (size_t)len));
        }
    }
}

/* A layout is wanted by every reader. */
static void settle_second(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    if (!json_get(spec, "elements")) {
        members_put(d, spec, "elements", yyjson_mut_obj(d));
    }
    if (!json_get(spec, "layout")) {
        yyjson_mut_val *items = yyjson_mut_obj(d);
        members_put(d, items, "items", yyjson_mut_arr(d));
        members_put(d, spec, "layout", members_kind(d, "GridLayout", items));
    }
}

void form_decoded(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *status = json_get(obj, "status");
    (void)self;
    (void)d;
    if (json_get_bool(json_get(status, "conversion"), "failed")) {
        return; /* form_settle refuses it */
    }
    json_remove(status, "conversion");
    if (status && !json_size(status)) {
        json_remove(obj, "status");
    }
}

static int check_status(const yyjson_mut_val *obj, struct err *err)
{
    const yyjson_mut_val *conversion = json_path(obj, "status", "conversion", NULL);
    if (!json_get_bool(conversion, "failed")) {
        return 0;
    }
    struct str stored = json_get_str(conversion, "storedVersion");
    err_set(err, ERR_BAD_REQUEST,
            "this only stands for the dashboard, which could not be converted: change it in "
            "version %.*s, or send it without its status",
            STR_FMT(stored.len ? stored : STR("it was written in")));
    err_cause(err, "FieldValueInvalid", STR("status.conversion"),
              json_get_str(conversion, "error"));
    return ERR_BAD_REQUEST;
}

int form_settle(yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err)
{
    yyjson_mut_val *spec = json_get(obj, "spec");
    int rc = check_status(obj, err);
    if (rc || !json_is_obj(spec)) {
        return rc;
    }
    if (version_is_classic(json_get_str(obj, "apiVersion"))) {
        settle_classic(d, obj, spec);
    } else {
        settle_second(d, spec);
    }
    return 0;
}
