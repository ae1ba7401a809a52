/* SPDX-License-Identifier: Apache-2.0 */
/* Queries, transformations and data sources. */
#include "services/dashboards/queries_priv.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "services/dashboards/members_priv.h"

/* A longer name is nobody's, and would be written once for each target. */
enum { INHERITED_BYTES = 256 };

/* ---- data sources ---- */

struct source source_of_v1(const yyjson_mut_val *ref)
{
    if (json_is_str(ref)) {
        return (struct source){STR_NULL, json_str(ref)};
    }
    return (struct source){json_get_str(ref, "type"), json_get_str(ref, "uid")};
}

struct source source_of_v2(const yyjson_mut_val *query)
{
    return (struct source){json_get_str(query, "group"),
                           json_get_str(json_get(query, "datasource"), "name")};
}

bool source_none(struct source s)
{
    return !s.type.len && !s.uid.len;
}

/* ${name} as $name. */
static struct str variable_of(struct str uid)
{
    bool braces = str_starts(uid, STR("${")) && str_ends(uid, STR("}"));
    return braces ? str_make(uid.ptr + 2, uid.len - 3)
                  : str_skip(uid, str_starts(uid, STR("$")) ? 1 : 0);
}

bool source_equal(struct source a, struct source b)
{
    bool variables = str_starts(a.uid, STR("$")) && str_starts(b.uid, STR("$"));
    bool uids = variables ? str_eq(variable_of(a.uid), variable_of(b.uid)) : str_eq(a.uid, b.uid);
    return uids && (str_eq(a.type, b.type) || !a.type.len || !b.type.len);
}

bool source_mixed(struct source s)
{
    return str_is(s.uid, "-- Mixed --");
}

yyjson_mut_val *source_to_v1(yyjson_mut_doc *d, struct source s)
{
    if (source_none(s)) {
        return NULL;
    }
    yyjson_mut_val *ref = yyjson_mut_obj(d);
    if (s.type.len) {
        members_put_text(d, ref, "type", s.type);
    }
    if (s.uid.len) {
        members_put_text(d, ref, "uid", s.uid);
    }
    return ref;
}

void source_put_v2(yyjson_mut_doc *d, yyjson_mut_val *query, struct source s)
{
    members_put_text(d, query, "group", s.type);
    if (s.uid.len) {
        yyjson_mut_val *ref = yyjson_mut_obj(d);
        members_put_text(d, ref, "name", s.uid);
        members_put(d, query, "datasource", ref);
    }
}

yyjson_mut_val *query_make(yyjson_mut_doc *d, struct source s, yyjson_mut_val *spec)
{
    yyjson_mut_val *q = yyjson_mut_obj(d);
    members_put_text(d, q, "kind", STR("DataQuery"));
    source_put_v2(d, q, s);
    members_put_text(d, q, "version", STR("v0"));
    members_put(d, q, "spec", spec ? spec : yyjson_mut_obj(d));
    return q;
}

/* ---- targets ---- */

static const struct member target_rows[] = {
    {"refId", "refId", MEMBER_TEXT, OR_NOTHING, false},
    {"hide", "hidden", MEMBER_BOOL, OR_FALSE, true},
    {"datasource", NULL, MEMBER_TAKEN, OR_NOTHING, false},
    {NULL, "query", MEMBER_TAKEN, OR_NOTHING, false},
};
static const struct members target_members = MEMBERS(target_rows, true);

static const struct member option_rows[] = {
    {"maxDataPoints", "maxDataPoints", MEMBER_NUMBER, OR_NOTHING, false},
    {"interval", "interval", MEMBER_TEXT, OR_NOTHING, false},
    {"timeFrom", "timeFrom", MEMBER_TEXT, OR_NOTHING, false},
    {"timeTo", "timeTo", MEMBER_TEXT, OR_NOTHING, false},
    {"timeShift", "timeShift", MEMBER_TEXT, OR_NOTHING, false},
    {"timeCompare", "timeCompare", MEMBER_TEXT, OR_NOTHING, false},
    {"cacheTimeout", "cacheTimeout", MEMBER_TEXT, OR_NOTHING, false},
    {"queryCachingTTL", "queryCachingTTL", MEMBER_NUMBER, OR_NOTHING, false},
    {"hideTimeOverride", "hideTimeOverride", MEMBER_BOOL, OR_NOTHING, false},
};
static const struct members option_members = MEMBERS(option_rows, false);

/* A is 1, Z 26, AA 27, ...; 0: not such letters, or many of them. */
static size_t ref_number(struct str ref)
{
    size_t n = 0;
    for (size_t i = 0; i < ref.len; i++) {
        if (ref.ptr[i] < 'A' || ref.ptr[i] > 'Z' || ref.len > 6) {
            return 0;
        }
        n = 26 * n + (size_t)(ref.ptr[i] - 'A') + 1;
    }
    return n;
}

static yyjson_mut_val *ref_text(yyjson_mut_doc *d, size_t n)
{
    char text[16], *p = text + sizeof(text);
    for (; n; n = (n - 1) / 26) {
        *--p = (char)('A' + (n - 1) % 26);
    }
    return yyjson_mut_strncpy(d, p, (size_t)(text + sizeof(text) - p));
}

/* Queries without a refId get the next letters that no other query of the panel has. */
static void put_refs(yyjson_mut_doc *d, yyjson_mut_val *queries)
{
    size_t n = json_size(queries), at = 0;
    AUTO_FREE bool *taken = alloc_zero((n + 1) * sizeof(*taken));
    struct json_iter it = json_iter(queries);
    while (json_next(&it)) {
        size_t ref = ref_number(json_get_str(json_get(it.val, "spec"), "refId"));
        taken[ref <= n ? ref : 0] = true;
    }
    it = json_iter(queries);
    while (json_next(&it)) {
        yyjson_mut_val *spec = json_get(it.val, "spec");
        if (!json_get_str(spec, "refId").len) {
            do {
                at++;
            } while (taken[at]);
            json_remove(spec, "refId");
            members_put(d, spec, "refId", ref_text(d, at));
        }
    }
}

static void restore_query(yyjson_mut_doc *d, yyjson_mut_val *query, const yyjson_mut_val *kept)
{
    if (json_get_str(kept, "version").len) {
        json_setz(d, query, "version", members_lift(d, json_get(kept, "version")));
    }
    members_restore(d, query, kept);
}

static yyjson_mut_val *target_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *target,
                                    struct source of_panel)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d), *query = NULL;
    struct source s = source_of_v1(json_get(target, "datasource"));
    bool inherits = source_none(s) && !source_mixed(of_panel) &&
                    of_panel.type.len + of_panel.uid.len <= INHERITED_BYTES;
    s = inherits ? of_panel : s;
    members_to_v2(d, &target_members, target, spec, &query);
    members_put(d, spec, "query", query_make(d, s, query));
    restore_query(d, json_get(spec, "query"), json_get(target, MEMBERS_OF_V2));
    return members_kind(d, "PanelQuery", spec);
}

static yyjson_mut_val *targets_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel)
{
    yyjson_mut_val *queries = yyjson_mut_arr(d);
    const yyjson_mut_val *targets = json_get(panel, "targets");
    struct source s = source_of_v1(json_get(panel, "datasource"));
    struct json_iter it = json_iter(json_is_arr(targets) ? targets : NULL);
    while (json_next(&it)) {
        yyjson_mut_arr_append(queries, target_to_v2(d, it.val, s));
    }
    put_refs(d, queries);
    return queries;
}

/* Members of a query that v1 has no place for: another version than the usual one, labels. */
static void keep_query(yyjson_mut_doc *d, const yyjson_mut_val *query, yyjson_mut_val *target)
{
    yyjson_mut_val *rest = NULL;
    struct str version = json_get_str(query, "version");
    if (json_get(query, "labels")) {
        members_rest(d, &rest, STR("labels"), json_get(query, "labels"));
    }
    if (version.len && !str_is(version, "v0")) {
        members_rest(d, &rest, STR("version"), json_get(query, "version"));
    }
    members_put(d, target, MEMBERS_OF_V2, rest);
}

static yyjson_mut_val *target_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *q)
{
    yyjson_mut_val *target = yyjson_mut_obj(d);
    const yyjson_mut_val *spec = json_get(q, "spec"), *query = json_get(spec, "query");
    members_put(d, target, "datasource", source_to_v1(d, source_of_v2(query)));
    members_to_v1(d, &target_members, spec, target, json_get(query, "spec"), NULL);
    members_restore(d, target, json_get(query, "spec"));
    keep_query(d, query, target);
    return target;
}

/* ---- transformations: {id, options, ...} and {kind: Transformation, group: id, spec: {options,
 * ...}} ---- */

static yyjson_mut_val *transformations_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *list)
{
    yyjson_mut_val *made = yyjson_mut_arr(d);
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        yyjson_mut_val *spec = yyjson_mut_obj(d), *v = members_kind(d, "Transformation", NULL);
        members_put_text(d, v, "group", json_get_str(it.val, "id"));
        members_restore(d, spec, it.val);
        json_remove(spec, "id");
        members_put(d, v, "spec", spec);
        yyjson_mut_arr_append(made, v);
    }
    return made;
}

static yyjson_mut_val *transformations_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *list)
{
    yyjson_mut_val *made = yyjson_mut_arr(d);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        yyjson_mut_val *v = yyjson_mut_obj(d);
        members_put_text(d, v, "id", json_get_str(it.val, "group"));
        members_restore(d, v, json_get(it.val, "spec"));
        yyjson_mut_arr_append(made, v);
    }
    return made;
}

/* ---- the group ---- */

yyjson_mut_val *queries_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel, yyjson_mut_val **rest)
{
    yyjson_mut_val *spec = yyjson_mut_obj(d), *options = yyjson_mut_obj(d);
    members_put(d, spec, "queries", targets_to_v2(d, panel));
    members_put(d, spec, "transformations",
                transformations_to_v2(d, json_get(panel, "transformations")));
    members_to_v2(d, &option_members, panel, options, rest);
    members_put(d, spec, "queryOptions", options);
    if (json_get(panel, "datasource")) {
        members_rest(d, rest, STR("datasource"), json_get(panel, "datasource"));
    }
    return members_kind(d, "QueryGroup", spec);
}

/* The panel's data source: what it was where that still goes with its queries, else what they have
 * in common, else "mixed". */
static yyjson_mut_val *panel_source(yyjson_mut_doc *d, const yyjson_mut_val *queries,
                                    const yyjson_mut_val *kept)
{
    const yyjson_mut_val *was = json_get(kept, "datasource");
    struct source first = {STR_NULL, STR_NULL}, of_was = source_of_v1(was);
    bool same = true, any = false;
    struct json_iter it = json_iter(queries);
    while (json_next(&it)) {
        struct source s = source_of_v2(json_path(it.val, "spec", "query", NULL));
        same = same && (!any || source_equal(s, first));
        first = any ? first : s;
        any = true;
    }
    if (was && (!any || source_mixed(of_was) || (same && (source_equal(first, of_was))))) {
        return members_lift(d, was);
    }
    return source_to_v1(d, same ? first : (struct source){STR("datasource"), STR("-- Mixed --")});
}

void queries_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *group, yyjson_mut_val *panel,
                   const yyjson_mut_val *kept)
{
    const yyjson_mut_val *spec = json_get(group, "spec"), *queries = json_get(spec, "queries");
    members_put(d, panel, "datasource", panel_source(d, queries, kept));
    yyjson_mut_val *targets = yyjson_mut_arr(d);
    struct json_iter it = json_iter(queries);
    while (json_next(&it)) {
        yyjson_mut_arr_append(targets, target_to_v1(d, it.val));
    }
    members_put(d, panel, "targets", json_size(targets) ? targets : NULL);
    if (json_size(json_get(spec, "transformations"))) {
        members_put(d, panel, "transformations",
                    transformations_to_v1(d, json_get(spec, "transformations")));
    }
    members_to_v1(d, &option_members, json_get(spec, "queryOptions"), panel, kept, NULL);
}
