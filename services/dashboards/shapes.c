/* SPDX-License-Identifier: Apache-2.0 */
/* Steps between v2alpha1, v2beta1 and v2. They rename and move members in place; what they do not
 * know stays where it is. */
#include "services/dashboards/members_priv.h"
#include "services/dashboards/model_priv.h"

typedef void edit_fn(yyjson_mut_doc *d, yyjson_mut_val *v);

static void each(yyjson_mut_doc *d, const yyjson_mut_val *list, edit_fn *edit)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            edit(d, it.val);
        }
    }
}

/* Specs of panels. */
static void each_panel(yyjson_mut_doc *d, yyjson_mut_val *spec, edit_fn *edit)
{
    struct json_iter it = json_iter(json_get(spec, "elements"));
    while (json_next(&it)) {
        yyjson_mut_val *panel = json_get(it.val, "spec");
        if (str_is(json_get_str(it.val, "kind"), "Panel") && json_is_obj(panel)) {
            edit(d, panel);
        }
    }
}

static yyjson_mut_val *cut(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key)
{
    yyjson_mut_val *v = members_lift(d, json_get(obj, key));
    if (v) {
        json_remove(obj, key);
    }
    return v;
}

static void put(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v)
{
    if (v) {
        json_setz(d, obj, key, v);
    }
}

/* ---- v2 and v2beta1: transformations ---- */

static void transformation_to_beta(yyjson_mut_doc *d, yyjson_mut_val *t)
{
    yyjson_mut_val *id = cut(d, t, "group");
    put(d, t, "kind", members_lift(d, id));
    put(d, json_ensure_obj(d, t, "spec"), "id", id);
}

static void transformation_to_v2(yyjson_mut_doc *d, yyjson_mut_val *t)
{
    yyjson_mut_val *kind = cut(d, t, "kind"), *id = cut(d, json_get(t, "spec"), "id");
    json_setz(d, t, "kind", yyjson_mut_str(d, "Transformation"));
    put(d, t, "group", id ? id : kind);
}

static yyjson_mut_val *group_of(yyjson_mut_val *panel)
{
    return json_path(panel, "data", "spec", NULL);
}

static void panel_v2_to_beta(yyjson_mut_doc *d, yyjson_mut_val *panel)
{
    each(d, json_get(group_of(panel), "transformations"), transformation_to_beta);
}

static void panel_beta_to_v2(yyjson_mut_doc *d, yyjson_mut_val *panel)
{
    each(d, json_get(group_of(panel), "transformations"), transformation_to_v2);
}

void shape_v2_to_v2beta1(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    each_panel(d, spec, panel_v2_to_beta);
}

void shape_v2beta1_to_v2(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    each_panel(d, spec, panel_beta_to_v2);
}

/* ---- v2beta1 and v2alpha1: queries, visualisations, variables of data sources ---- */

/* {group, datasource: {name}} of `of` becomes {type, uid} in `to`; without a name there is no
 * reference. */
static void source_to_alpha(yyjson_mut_doc *d, yyjson_mut_val *of, yyjson_mut_val *to,
                            const yyjson_mut_val *type)
{
    yyjson_mut_val *ref = cut(d, of, "datasource"), *name = cut(d, ref, "name");
    if (name) {
        json_remove(ref, "type");
        put(d, ref, "type", members_lift(d, type));
        put(d, ref, "uid", name);
        put(d, to, "datasource", ref);
    }
}

/* Returns the type; NULL: there is no reference, or it has none. */
static yyjson_mut_val *source_to_beta(yyjson_mut_doc *d, yyjson_mut_val *of, yyjson_mut_val *to)
{
    yyjson_mut_val *ref = cut(d, of, "datasource"), *type = cut(d, ref, "type"),
                   *uid = cut(d, ref, "uid");
    if (uid) {
        put(d, ref, "name", uid);
        put(d, to, "datasource", ref);
    }
    return json_str(type).len ? type : NULL;
}

/* owner: the spec that has the query. */
static void query_to_alpha(yyjson_mut_doc *d, yyjson_mut_val *owner)
{
    yyjson_mut_val *query = json_get(owner, "query");
    if (json_is_obj(query)) {
        yyjson_mut_val *type = cut(d, query, "group");
        source_to_alpha(d, query, owner, type);
        json_setz(d, query, "kind", type ? type : yyjson_mut_str(d, ""));
        if (str_is(json_get_str(query, "version"), "v0")) {
            json_remove(query, "version");
        }
    }
}

static void query_to_beta(yyjson_mut_doc *d, yyjson_mut_val *owner)
{
    yyjson_mut_val *query = json_ensure_obj(d, owner, "query"), *kind = cut(d, query, "kind");
    json_setz(d, query, "kind", yyjson_mut_str(d, "DataQuery"));
    yyjson_mut_val *type = source_to_beta(d, owner, query);
    type = type ? type : kind;
    put(d, query, "group", type ? type : yyjson_mut_str(d, ""));
    if (!json_get(query, "version")) {
        put(d, query, "version", yyjson_mut_str(d, "v0"));
    }
    json_ensure_obj(d, query, "spec");
}

static void item_query_to_alpha(yyjson_mut_doc *d, yyjson_mut_val *item)
{
    query_to_alpha(d, json_get(item, "spec"));
}

static void item_query_to_beta(yyjson_mut_doc *d, yyjson_mut_val *item)
{
    if (json_is_obj(json_get(item, "spec"))) {
        query_to_beta(d, json_get(item, "spec"));
    }
}

static void panel_to_alpha(yyjson_mut_doc *d, yyjson_mut_val *panel)
{
    yyjson_mut_val *viz = json_get(panel, "vizConfig");
    each(d, json_get(group_of(panel), "queries"), item_query_to_alpha);
    if (json_is_obj(viz)) {
        yyjson_mut_val *type = cut(d, viz, "group"), *version = cut(d, viz, "version");
        json_setz(d, viz, "kind", type ? type : yyjson_mut_str(d, ""));
        put(d, json_ensure_obj(d, viz, "spec"), "pluginVersion", version);
    }
}

static void panel_to_beta(yyjson_mut_doc *d, yyjson_mut_val *panel)
{
    yyjson_mut_val *viz = json_get(panel, "vizConfig");
    each(d, json_get(group_of(panel), "queries"), item_query_to_beta);
    if (json_is_obj(viz)) {
        yyjson_mut_val *type = cut(d, viz, "kind"),
                       *version = cut(d, json_get(viz, "spec"), "pluginVersion");
        put(d, viz, "kind", yyjson_mut_str(d, "VizConfig"));
        put(d, viz, "group", type);
        put(d, viz, "version", version ? version : yyjson_mut_str(d, ""));
    }
}

static bool of_source(struct str kind)
{
    return str_is(kind, "GroupByVariable") || str_is(kind, "AdhocVariable");
}

static void variable_to_alpha(yyjson_mut_doc *d, yyjson_mut_val *v)
{
    struct str kind = json_get_str(v, "kind");
    if (str_is(kind, "QueryVariable")) {
        query_to_alpha(d, json_get(v, "spec"));
    } else if (of_source(kind)) {
        yyjson_mut_val *type = cut(d, v, "group"), *spec = json_ensure_obj(d, v, "spec");
        source_to_alpha(d, v, spec, type);
        if (!json_get(spec, "datasource") && json_str(type).len) {
            put(d, json_ensure_obj(d, spec, "datasource"), "type", type);
        }
    }
}

static void variable_to_beta(yyjson_mut_doc *d, yyjson_mut_val *v)
{
    struct str kind = json_get_str(v, "kind");
    if (str_is(kind, "QueryVariable")) {
        item_query_to_beta(d, v);
    } else if (of_source(kind)) {
        yyjson_mut_val *type = source_to_beta(d, json_get(v, "spec"), v);
        put(d, v, "group", type ? type : yyjson_mut_str(d, ""));
    }
}

void shape_v2beta1_to_v2alpha1(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    each_panel(d, spec, panel_to_alpha);
    each(d, json_get(spec, "variables"), variable_to_alpha);
    each(d, json_get(spec, "annotations"), item_query_to_alpha);
}

void shape_v2alpha1_to_v2beta1(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    each_panel(d, spec, panel_to_beta);
    each(d, json_get(spec, "variables"), variable_to_beta);
    each(d, json_get(spec, "annotations"), item_query_to_beta);
}
