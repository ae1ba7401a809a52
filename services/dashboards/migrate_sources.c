/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that concern queries: references to data sources, which were names, and CloudWatch's
 * statistics. There are no data sources here: a name stays as the uid, as Grafana keeps one that it
 * does not know, and what takes the default one names none. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"

/* A longer name is nobody's, and would be written once for each query. */
enum { INHERITED_BYTES = 256 };

/* ---- references ---- */

static bool is_reference(const yyjson_mut_val *v)
{
    return json_get_str(v, "uid").len || json_get_str(v, "type").len;
}

/* Grafana's own, whose type is known. */
static const char *own_type(struct str name)
{
    return str_is(name, "-- Grafana --")                                    ? "grafana"
           : str_is(name, "-- Mixed --") || str_is(name, "-- Dashboard --") ? "datasource"
           : str_is(name, "__expr__")                                       ? "__expr__"
                                                                            : NULL;
}

static yyjson_mut_val *reference_make(yyjson_mut_doc *d, struct str name)
{
    yyjson_mut_val *ref = yyjson_mut_obj(d);
    const char *type = name.len ? own_type(name) : NULL;
    if (type) {
        members_put(d, ref, "type", yyjson_mut_str(d, type));
    }
    if (name.len) {
        members_put_text(d, ref, "uid", name);
    }
    return ref;
}

/* A name becomes a reference; "default" and null nothing. */
static void name_source(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    const yyjson_mut_val *v = json_get(obj, "datasource");
    struct str name = json_str(v);
    if (json_is_null(v) || (json_is_str(v) && str_is(name, "default"))) {
        json_remove(obj, "datasource");
    } else if (json_is_str(v)) {
        json_setz(d, obj, "datasource", reference_make(d, name));
    }
}

void migrate_33_sources(struct migrating *m, yyjson_mut_val *panel)
{
    name_source(m->d, panel);
    struct json_iter it = json_iter(migrate_list(panel, "targets"));
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            name_source(m->d, it.val);
        }
    }
}

static bool is_mixed(const yyjson_mut_val *ref)
{
    return str_is(json_get_str(ref, "uid"), "-- Mixed --");
}

static void copy_text(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from,
                      const char *key)
{
    const yyjson_mut_val *v = json_get(from, key);
    if (json_is_str(v)) {
        members_put(d, to, key, members_lift(d, v));
    }
}

/* What a query without a reference of its own takes from its panel; NULL: nothing. */
static yyjson_mut_val *inherited(yyjson_mut_doc *d, const yyjson_mut_val *ref)
{
    size_t bytes = json_get_str(ref, "uid").len + json_get_str(ref, "type").len +
                   json_get_str(ref, "apiVersion").len;
    if (!is_reference(ref) || is_mixed(ref) || bytes > INHERITED_BYTES) {
        return NULL;
    }
    yyjson_mut_val *made = yyjson_mut_obj(d);
    copy_text(d, made, ref, "type");
    copy_text(d, made, ref, "uid");
    copy_text(d, made, ref, "apiVersion");
    return made;
}

/* A panel that has none takes that of its queries. */
static const yyjson_mut_val *of_queries(const yyjson_mut_val *targets)
{
    const yyjson_mut_val *last = NULL;
    struct json_iter it = json_iter(targets);
    while (json_next(&it)) {
        const yyjson_mut_val *ref = json_get(it.val, "datasource");
        struct str uid = json_get_str(ref, "uid");
        last = uid.len && !str_is(uid, "__expr__") ? ref : last;
    }
    return last;
}

void migrate_36_sources(struct migrating *m, yyjson_mut_val *panel)
{
    migrate_33_sources(m, panel);
    const yyjson_mut_val *targets = migrate_list(panel, "targets"),
                         *ref = json_get(panel, "datasource"), *taken = NULL;
    struct json_iter it = json_iter(targets);
    while (json_is_obj(ref) && json_next(&it)) {
        const yyjson_mut_val *own = json_get(it.val, "datasource");
        if (json_is_obj(it.val) && migrate_is_null(json_get(own, "uid"))) {
            yyjson_mut_val *made = inherited(m->d, ref);
            if (made) {
                json_setz(m->d, it.val, "datasource", made);
            }
        }
    }
    if (!ref && (taken = of_queries(targets))) {
        json_setz(m->d, panel, "datasource", json_copy(m->d, taken));
    }
}

void migrate_36_annotations(struct migrating *m)
{
    struct json_iter it = json_iter(migrate_list(json_get(m->spec, "annotations"), "list"));
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            name_source(m->d, it.val);
        }
    }
}

/* ---- 34: one query for each of CloudWatch's statistics ---- */

enum { LETTERS = 26, NAMES = LETTERS + LETTERS * LETTERS };

/* A to Z, AA to ZZ, in that order. */
static size_t name_index(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.len > 2 || s.ptr[i] < 'A' || s.ptr[i] > 'Z') {
            return NAMES;
        }
        n = n * LETTERS + (size_t)(s.ptr[i] - 'A');
    }
    return s.len == 2 ? LETTERS + n : s.len == 1 ? n : NAMES;
}

struct names {
    bool used[NAMES + 1];
    size_t next;
};

static void put_name(yyjson_mut_doc *d, struct names *names, yyjson_mut_val *target)
{
    char text[24];
    while (names->next < NAMES && names->used[names->next]) {
        names->next++;
    }
    size_t i = names->next++;
    int n = i < LETTERS ? snprintf(text, sizeof(text), "%c", (char)('A' + i))
            : i < NAMES ? snprintf(text, sizeof(text), "%c%c", (char)('A' + i / LETTERS - 1),
                                   (char)('A' + i % LETTERS))
                        : snprintf(text, sizeof(text), "X%zu", i - NAMES);
    json_set_str(d, target, "refId", str_make(text, (size_t)n));
}

static bool has_all(const yyjson_mut_val *v, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!json_get(v, keys[i])) {
            return false;
        }
    }
    return json_is_obj(v);
}

/* The statistics taken from v: those that are texts or null. NULL: there are none to be made
 * something of. */
static yyjson_mut_val *statistics_cut(struct migrating *m, yyjson_mut_val *v)
{
    const yyjson_mut_val *list = json_get(v, "statistics");
    yyjson_mut_val *made = yyjson_mut_arr(m->d);
    if (!list || (json_is_arr(list) && !json_size(list))) {
        return NULL;
    }
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (json_is_null(it.val) || json_is_str(it.val)) {
            yyjson_mut_arr_append(made, members_lift(m->d, it.val));
        }
    }
    if (json_size(made) > (size_t)LIMIT_DASHBOARD_STATISTICS ||
        m->added + json_size(made) > (size_t)LIMIT_DASHBOARD_PARTS) {
        return NULL;
    }
    json_remove(v, "statistics");
    return made;
}

static void put_statistic(yyjson_mut_doc *d, yyjson_mut_val *v, const yyjson_mut_val *statistic)
{
    if (json_is_str(statistic)) {
        json_setz(d, v, "statistic", members_lift(d, statistic));
    }
}

/* Told of each where there are several. */
typedef void made_fn(struct migrating *m, yyjson_mut_val *v, const yyjson_mut_val *statistic,
                     bool is_first, void *arg);

/* v is for the first of its statistics; `more` gets a copy of it for each of the others. */
static void split(struct migrating *m, yyjson_mut_val *v, yyjson_mut_val *more, made_fn *made,
                  void *arg)
{
    yyjson_mut_val *statistics = statistics_cut(m, v);
    size_t n = json_size(statistics);
    const yyjson_mut_val *first = yyjson_mut_arr_get_first(statistics);
    struct json_iter it = json_iter(statistics);
    while (n > 1 && json_next(&it)) {
        if (it.val != first) {
            yyjson_mut_val *other = json_copy(m->d, v);
            put_statistic(m->d, other, it.val);
            made(m, other, it.val, false, arg);
            yyjson_mut_arr_append(more, other);
            m->added++;
        }
    }
    put_statistic(m->d, v, first);
    if (n > 1) {
        made(m, v, first, true, arg);
    }
}

static void append_all(yyjson_mut_val *list, const yyjson_mut_val *more, yyjson_mut_doc *d)
{
    struct json_iter it = json_iter(more);
    while (json_next(&it)) {
        yyjson_mut_arr_append(list, members_lift(d, it.val));
    }
}

static void name_query(struct migrating *m, yyjson_mut_val *v, const yyjson_mut_val *statistic,
                       bool is_first, void *arg)
{
    (void)statistic;
    if (!is_first) {
        put_name(m->d, arg, v);
    }
}

void migrate_34_statistics(struct migrating *m, yyjson_mut_val *panel)
{
    static const char *const keys[] = {"dimensions", "namespace", "region", "metricName"};
    static const char *const modes[] = {"metricEditorMode", "metricQueryType"};
    yyjson_mut_val *targets = migrate_list(panel, "targets"), *more = yyjson_mut_arr(m->d);
    struct names names = {0};
    struct json_iter it = json_iter(targets);
    while (json_next(&it)) {
        names.used[name_index(json_get_str(it.val, "refId"))] = true;
    }
    it = json_iter(targets);
    while (json_next(&it)) {
        if (has_all(it.val, keys, 4)) {
            for (size_t i = 0; i < 2; i++) {
                if (!json_get(it.val, modes[i])) {
                    json_set_int(m->d, it.val, modes[i], 0);
                }
            }
            split(m, it.val, more, name_query, &names);
        }
    }
    append_all(targets, more, m->d);
}

/* "NAME - STATISTIC". */
static void name_annotation(struct migrating *m, yyjson_mut_val *v, const yyjson_mut_val *statistic,
                            bool is_first, void *arg)
{
    AUTO(buf_finish) struct buf b = {0};
    struct str name = json_get_str(v, "name");
    (void)is_first;
    (void)arg;
    if (name.len) {
        buf_add(&b, name);
        buf_addz(&b, " - ");
        buf_add(&b, json_is_null(statistic) ? STR("null") : json_str(statistic));
        json_set_str(m->d, v, "name", buf_str(&b));
    }
}

void migrate_34_annotations(struct migrating *m)
{
    static const char *const keys[] = {"dimensions", "namespace", "region", "prefixMatching",
                                       "statistics"};
    yyjson_mut_val *list = migrate_list(json_get(m->spec, "annotations"), "list"),
                   *more = yyjson_mut_arr(m->d);
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (has_all(it.val, keys, 5)) {
            split(m, it.val, more, name_annotation, NULL);
        }
    }
    append_all(list, more, m->d);
}
