/* SPDX-License-Identifier: Apache-2.0 */
/* Queries and the data sources they go to, in both models. v1: {datasource: {type, uid}, ...}; v2:
 * {kind: DataQuery, group: type, version, datasource: {name: uid}, spec}. */
#ifndef DASHBOARDS_QUERIES_PRIV_H
#define DASHBOARDS_QUERIES_PRIV_H

#include "base/json.h"

/* A reference to a data source; both empty: none. */
struct source {
    struct str type, uid;
};

/* v1's form, or a name alone. */
struct source source_of_v1(const yyjson_mut_val *ref);
/* Of anything in v2 that has group and datasource. */
struct source source_of_v2(const yyjson_mut_val *query);
bool source_none(struct source s);
/* Whether they may be the same one: a variable in either spelling; a type where both name it. */
bool source_equal(struct source a, struct source b);
bool source_mixed(struct source s);
/* {type, uid}; NULL for none. */
yyjson_mut_val *source_to_v1(yyjson_mut_doc *d, struct source s);
/* Adds group and datasource. */
void source_put_v2(yyjson_mut_doc *d, yyjson_mut_val *query, struct source s);

/* {kind: DataQuery, group, version, datasource, spec}. spec NULL: an empty one. */
yyjson_mut_val *query_make(yyjson_mut_doc *d, struct source s, yyjson_mut_val *spec);

/* A panel's targets and transformations, its options for queries: the QueryGroup. rest: what there
 * is no place for. */
yyjson_mut_val *queries_to_v2(yyjson_mut_doc *d, const yyjson_mut_val *panel,
                              yyjson_mut_val **rest);
/* Adds datasource, targets, transformations and options to the panel. kept: as members_to_v1. */
void queries_to_v1(yyjson_mut_doc *d, const yyjson_mut_val *group, yyjson_mut_val *panel,
                   const yyjson_mut_val *kept);

#endif
