/* SPDX-License-Identifier: Apache-2.0 */
/* A dashboard from one version to another, by way of v2; and what stands for one that cannot be had
 * in a version. */
#include "base/cleanup.h"
#include "services/dashboards/dashboards_priv.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"
#include "services/dashboards/model_priv.h"

enum shape { SHAPE_CLASSIC, SHAPE_V2ALPHA1, SHAPE_V2BETA1, SHAPE_V2 };

static struct str version_of(struct str api_version)
{
    struct str rest = STR_NULL;
    str_cut(api_version, '/', &rest);
    return rest;
}

static enum shape shape_of(struct str api_version)
{
    struct str v = version_of(api_version);
    return str_is(v, "v2")         ? SHAPE_V2
           : str_is(v, "v2beta1")  ? SHAPE_V2BETA1
           : str_is(v, "v2alpha1") ? SHAPE_V2ALPHA1
                                   : SHAPE_CLASSIC;
}

bool version_is_classic(struct str api_version)
{
    return shape_of(api_version) == SHAPE_CLASSIC;
}

/* The one version that shows a model of any schemaVersion, whichever it was written in. */
static bool shows_any_model(struct str api_version)
{
    return str_is(version_of(api_version), "v0alpha1");
}

/* A classic model's way to v2 is by the newest schemaVersion. */
static int raise_classic(yyjson_mut_doc *d, yyjson_mut_val *spec, yyjson_mut_val **ret,
                         struct err *err)
{
    int rc = 0;
    if (migrate_needed(spec)) {
        spec = json_copy(d, spec);
        rc = migrate_model(d, spec, err);
    }
    return rc ? rc : model_to_v2(d, spec, ret, err);
}

/* To v2, from whatever it is. */
static int raise(yyjson_mut_doc *d, yyjson_mut_val *spec, enum shape from, yyjson_mut_val **ret,
                 struct err *err)
{
    if (from == SHAPE_CLASSIC) {
        return raise_classic(d, spec, ret, err);
    }
    if (from == SHAPE_V2ALPHA1) {
        shape_v2alpha1_to_v2beta1(d, spec);
    }
    if (from <= SHAPE_V2BETA1) {
        shape_v2beta1_to_v2(d, spec);
    }
    *ret = spec;
    return 0;
}

/* From v2. */
static int lower(yyjson_mut_doc *d, yyjson_mut_val *spec, enum shape to, yyjson_mut_val **ret,
                 struct err *err)
{
    if (to == SHAPE_CLASSIC) {
        return model_to_v1(d, spec, ret, err);
    }
    if (to <= SHAPE_V2BETA1) {
        shape_v2_to_v2beta1(d, spec);
    }
    if (to == SHAPE_V2ALPHA1) {
        shape_v2beta1_to_v2alpha1(d, spec);
    }
    *ret = spec;
    return 0;
}

/* What stands for the model where there is none: its title. */
static yyjson_mut_val *stand_in(yyjson_mut_doc *d, const yyjson_mut_val *spec, enum shape to)
{
    yyjson_mut_val *made = yyjson_mut_obj(d), *items = yyjson_mut_obj(d);
    members_put(d, made, "title", members_lift(d, json_get(spec, "title")));
    if (to != SHAPE_CLASSIC) {
        members_put(d, made, "elements", yyjson_mut_obj(d));
        members_put(d, items, "items", yyjson_mut_arr(d));
        members_put(d, made, "layout", members_kind(d, "GridLayout", items));
    }
    return made;
}

/* The stored object without its metadata, which stands above. */
static yyjson_mut_val *source_of(yyjson_mut_doc *d, const yyjson_mut_val *obj, yyjson_mut_val *spec)
{
    yyjson_mut_val *source = yyjson_mut_obj(d);
    members_put(d, source, "apiVersion", members_lift(d, json_get(obj, "apiVersion")));
    members_put(d, source, "kind", members_lift(d, json_get(obj, "kind")));
    members_put(d, source, "spec", spec);
    return source;
}

static yyjson_mut_val *report(yyjson_mut_doc *d, yyjson_mut_val *obj, bool failed)
{
    yyjson_mut_val *conversion = yyjson_mut_obj(d);
    members_put(d, conversion, "failed", yyjson_mut_bool(d, failed));
    members_put_text(d, conversion, "storedVersion", version_of(json_get_str(obj, "apiVersion")));
    json_setz(d, json_ensure_obj(d, obj, "status"), "conversion", conversion);
    return conversion;
}

static int convert_spec(yyjson_mut_doc *d, yyjson_mut_val *spec, enum shape from, enum shape to,
                        yyjson_mut_val **ret, struct err *err)
{
    yyjson_mut_val *v2 = NULL;
    /* Shapes of v2 are changed in place; what cannot come to be classic is shown as it was. */
    bool keeps = to != SHAPE_CLASSIC || from == SHAPE_CLASSIC || from == SHAPE_V2;
    int rc = raise(d, keeps ? spec : json_copy(d, spec), from, &v2, err);
    return rc ? rc : lower(d, v2, to, ret, err);
}

/* Versions of one shape: what was written in v0alpha1 is shown of the newest schemaVersion in the
 * others. What cannot be shows as it is stored. */
static void convert_within(yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val *spec,
                           struct str to_api_version)
{
    AUTO(err_finish) struct err why = {0};
    struct str from_api_version = json_get_str(obj, "apiVersion");
    bool raises = shows_any_model(from_api_version) && !shows_any_model(to_api_version);
    bool failed = raises && migrate_model(d, spec, &why) != 0;
    yyjson_mut_val *conversion = report(d, obj, failed);
    if (failed) {
        members_put(d, conversion, "error", yyjson_mut_strcpy(d, err_message(&why)));
    }
}

int dashboard_convert(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str to_api_version,
                      struct err *err)
{
    enum shape from = shape_of(json_get_str(obj, "apiVersion")), to = shape_of(to_api_version);
    yyjson_mut_val *spec = json_get(obj, "spec"), *made = NULL;
    AUTO(err_finish) struct err why = {0};
    (void)self;
    (void)err;
    if (!json_is_obj(spec)) {
        report(d, obj, false);
        return 0;
    }
    if (from == to) {
        convert_within(d, obj, spec, to_api_version);
        return 0;
    }
    if (convert_spec(d, spec, from, to, &made, &why)) {
        yyjson_mut_val *conversion = report(d, obj, true);
        const char *text = err_message(&why);
        members_put(d, conversion, "error", yyjson_mut_strcpy(d, text));
        members_put(d, conversion, "source", source_of(d, obj, members_lift(d, spec)));
        made = stand_in(d, spec, to);
    } else {
        report(d, obj, false);
    }
    json_setz(d, obj, "spec", made);
    return 0;
}
