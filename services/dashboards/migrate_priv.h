/* SPDX-License-Identifier: Apache-2.0 */
/* Classic models of older schemaVersions made into one of the newest: what Grafana's server does
 * where a v0alpha1 dashboard is read in a later version, or one is written in v1. */
#ifndef DASHBOARDS_MIGRATE_PRIV_H
#define DASHBOARDS_MIGRATE_PRIV_H

#include "base/json.h"

enum { SCHEMA_OLDEST = 13, SCHEMA_NEWEST = 42 };

/* Whether there is anything to do for the model, or to refuse. A model without a schemaVersion is
 * taken for one of the newest, unless its panels stand in rows; so is a newer one. */
bool migrate_needed(const yyjson_mut_val *spec);
/* In place; one of the newest stays as it is. ERR_INVALID, with nothing changed: it is older than
 * the oldest that can be migrated. Bounded by the size of the model times its logarithm. */
int migrate_model(yyjson_mut_doc *d, yyjson_mut_val *spec, struct err *err);

/* ---- the steps, for migrate.c ---- */

struct migrating {
    yyjson_mut_doc *d;
    yyjson_mut_val *spec;
    size_t added; /* queries and annotations that were not there */
};

typedef void migrate_fn(struct migrating *m);
typedef void migrate_each_fn(struct migrating *m, yyjson_mut_val *v);

/* Calls it for each panel of the list, and for each within one of them, but not deeper. */
void migrate_panels(struct migrating *m, yyjson_mut_val *panels, migrate_each_fn *each);

/* migrate_fill.c: what a model and each of its panels have in any case, before the steps. */
migrate_fn migrate_fill;
migrate_each_fn migrate_fill_panel;
/* Every panel has an id of its own. */
migrate_fn migrate_ids;

/* migrate_settle.c: after them. */
migrate_fn migrate_settle;

/* migrate_rows.c */
migrate_fn migrate_16_rows;
migrate_each_fn migrate_17_min_span;

/* migrate_panels.c */
migrate_each_fn migrate_18_gauge, migrate_19_links, migrate_20_names, migrate_21_labels,
    migrate_22_align, migrate_24_table, migrate_26_text, migrate_31_merge, migrate_37_legend,
    migrate_39_statistics;

/* migrate_fields.c */
migrate_each_fn migrate_30_mappings, migrate_35_axis, migrate_38_cells, migrate_42_hidden;

/* migrate_sources.c */
migrate_fn migrate_34_annotations, migrate_36_annotations;
migrate_each_fn migrate_33_sources, migrate_34_statistics, migrate_36_sources;

/* migrate_variables.c */
migrate_fn migrate_27_repeated;
migrate_each_fn migrate_23_multi, migrate_27_constant, migrate_28_tags, migrate_29_refresh;

/* ---- values ---- */

static inline bool migrate_is_null(const yyjson_mut_val *v)
{
    return !v || json_is_null(v);
}
/* As a script has it: there, and not null, false, 0 or "". */
bool migrate_truthy(const yyjson_mut_val *v);
/* A number, or a text that is one whole. */
bool migrate_number(const yyjson_mut_val *v, double *ret);
/* A whole number where it is one. */
yyjson_mut_val *migrate_number_make(yyjson_mut_doc *d, double n);
/* The list at key; NULL: there is none. */
yyjson_mut_val *migrate_list(const yyjson_mut_val *obj, const char *key);
/* The object at key; NULL: there is none. */
yyjson_mut_val *migrate_object(const yyjson_mut_val *obj, const char *key);
/* {key: text}, more to come. */
yyjson_mut_val *migrate_object_of(yyjson_mut_doc *d, const char *key, const char *text);

#endif
