/* SPDX-License-Identifier: Apache-2.0 */
/* The migrations in their order. */
#include "services/dashboards/migrate_priv.h"

#include <math.h>
#include <stdlib.h>

#include "services/dashboards/members_priv.h"

struct step {
    int version; /* what the model is of afterwards */
    migrate_fn *model;
    migrate_each_fn *panel, *variable;
};

static void migrate_14_tooltip(struct migrating *m)
{
    bool shared = migrate_truthy(json_get(m->spec, "sharedCrosshair"));
    json_set_int(m->d, m->spec, "graphTooltip", shared ? 1 : 0);
    json_remove(m->spec, "sharedCrosshair");
}

static void migrate_40_refresh(struct migrating *m)
{
    if (!json_is_str(json_get(m->spec, "refresh"))) {
        json_setz(m->d, m->spec, "refresh", yyjson_mut_str(m->d, ""));
    }
}

static void migrate_41_times(struct migrating *m)
{
    json_remove(migrate_object(m->spec, "timepicker"), "time_options");
}

/* Versions that are not here changed nothing. */
static const struct step steps[] = {
    {14, migrate_14_tooltip, NULL, NULL},
    {16, migrate_16_rows, NULL, NULL},
    {17, NULL, migrate_17_min_span, NULL},
    {18, NULL, migrate_18_gauge, NULL},
    {19, NULL, migrate_19_links, NULL},
    {20, NULL, migrate_20_names, NULL},
    {21, NULL, migrate_21_labels, NULL},
    {22, NULL, migrate_22_align, NULL},
    {23, NULL, NULL, migrate_23_multi},
    {24, NULL, migrate_24_table, NULL},
    {26, NULL, migrate_26_text, NULL},
    {27, migrate_27_repeated, NULL, migrate_27_constant},
    {28, NULL, NULL, migrate_28_tags},
    {29, NULL, NULL, migrate_29_refresh},
    {30, NULL, migrate_30_mappings, NULL},
    {31, NULL, migrate_31_merge, NULL},
    {33, NULL, migrate_33_sources, NULL},
    {34, migrate_34_annotations, migrate_34_statistics, NULL},
    {35, NULL, migrate_35_axis, NULL},
    {36, migrate_36_annotations, migrate_36_sources, NULL},
    {37, NULL, migrate_37_legend, NULL},
    {38, NULL, migrate_38_cells, NULL},
    {39, NULL, migrate_39_statistics, NULL},
    {40, migrate_40_refresh, NULL, NULL},
    {41, migrate_41_times, NULL, NULL},
    {42, NULL, migrate_42_hidden, NULL},
};

static void each_object(struct migrating *m, const yyjson_mut_val *list, migrate_each_fn *each)
{
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            each(m, it.val);
        }
    }
}

void migrate_panels(struct migrating *m, yyjson_mut_val *panels, migrate_each_fn *each)
{
    struct json_iter it = json_iter(json_is_arr(panels) ? panels : NULL);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            each(m, it.val);
            each_object(m, json_get(it.val, "panels"), each);
        }
    }
}

static void take(struct migrating *m, const struct step *s)
{
    if (s->model) {
        s->model(m);
    }
    if (s->panel) {
        migrate_panels(m, json_get(m->spec, "panels"), s->panel);
    }
    if (s->variable) {
        each_object(m, json_path(m->spec, "templating", "list", NULL), s->variable);
    }
}

/* ---- the version ---- */

static int64_t version_of(const yyjson_mut_val *spec)
{
    const yyjson_mut_val *v = json_get(spec, "schemaVersion");
    double n = 0;
    if (migrate_is_null(v)) {
        bool in_rows = json_size(json_get(spec, "rows")) && !json_get(spec, "panels");
        return in_rows ? 0 : SCHEMA_NEWEST;
    }
    if (!migrate_number(v, &n) || n < 0) {
        return 0;
    }
    return n < SCHEMA_NEWEST ? (int64_t)n : SCHEMA_NEWEST;
}

bool migrate_needed(const yyjson_mut_val *spec)
{
    return json_is_obj(spec) && version_of(spec) < SCHEMA_NEWEST;
}

static int check_age(int64_t version, struct err *err)
{
    return version >= SCHEMA_OLDEST
               ? 0
               : err_set(err, ERR_INVALID,
                         "dashboard schema version %lld cannot be migrated to latest version %d - "
                         "migration path only exists for versions greater than %d",
                         (long long)version, SCHEMA_NEWEST, SCHEMA_OLDEST);
}

int migrate_model(yyjson_mut_doc *d, yyjson_mut_val *spec, struct err *err)
{
    struct migrating m = {.d = d, .spec = spec};
    int64_t version = version_of(spec);
    int rc = version < SCHEMA_NEWEST ? check_age(version, err) : 0;
    if (rc || version >= SCHEMA_NEWEST) {
        return rc;
    }
    migrate_fill(&m);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i].version > version) {
            take(&m, &steps[i]);
        }
    }
    migrate_settle(&m);
    json_set_int(d, spec, "schemaVersion", SCHEMA_NEWEST);
    return 0;
}

/* ---- values ---- */

bool migrate_truthy(const yyjson_mut_val *v)
{
    double n = 0;
    if (json_is_str(v)) {
        return json_str(v).len > 0;
    }
    if (yyjson_mut_is_num(json_mut(v))) {
        return migrate_number(v, &n) && n != 0;
    }
    return yyjson_mut_is_true(json_mut(v)) || json_is_obj(v) || json_is_arr(v);
}

/* Decimal notation, whole: neither "inf" nor "0x10". */
static bool number_of_text(struct str s, double *ret)
{
    char text[64], *end = NULL;
    if (!s.len || s.len >= sizeof(text)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        text[i] = s.ptr[i];
        if (!strchr("0123456789+-.eE", text[i]) || !text[i]) {
            return false;
        }
    }
    text[s.len] = '\0';
    double n = strtod(text, &end);
    if (*end || end == text || !isfinite(n)) {
        return false;
    }
    *ret = n;
    return true;
}

bool migrate_number(const yyjson_mut_val *v, double *ret)
{
    if (json_is_str(v)) {
        return number_of_text(json_str(v), ret);
    }
    if (!yyjson_mut_is_num(json_mut(v))) {
        return false;
    }
    *ret = yyjson_mut_get_num(json_mut(v));
    return true;
}

yyjson_mut_val *migrate_number_make(yyjson_mut_doc *d, double n)
{
    return floor(n) == n && fabs(n) < 9e15 ? yyjson_mut_sint(d, (int64_t)n) : yyjson_mut_real(d, n);
}

yyjson_mut_val *migrate_list(const yyjson_mut_val *obj, const char *key)
{
    yyjson_mut_val *v = json_get(obj, key);
    return json_is_arr(v) ? v : NULL;
}

yyjson_mut_val *migrate_object(const yyjson_mut_val *obj, const char *key)
{
    yyjson_mut_val *v = json_get(obj, key);
    return json_is_obj(v) ? v : NULL;
}

yyjson_mut_val *migrate_object_of(yyjson_mut_doc *d, const char *key, const char *text)
{
    yyjson_mut_val *v = yyjson_mut_obj(d);
    members_put(d, v, key, yyjson_mut_str(d, text));
    return v;
}
