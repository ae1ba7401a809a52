/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that concern variables, and what their repetitions left behind. */
#include "services/dashboards/members_priv.h"
#include "services/dashboards/migrate_priv.h"

static yyjson_mut_val *list_of_one(yyjson_mut_doc *d, const yyjson_mut_val *v)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    yyjson_mut_arr_append(list, members_lift(d, v));
    return list;
}

static void make_single(yyjson_mut_doc *d, yyjson_mut_val *current, const char *key)
{
    const yyjson_mut_val *list = migrate_list(current, key);
    if (list) {
        const yyjson_mut_val *first = yyjson_mut_arr_get_first(json_mut(list));
        json_setz(d, current, key, first ? members_lift(d, first) : yyjson_mut_str(d, ""));
    }
}

/* What is chosen is a list where several can be, and only there. */
void migrate_23_multi(struct migrating *m, yyjson_mut_val *v)
{
    const yyjson_mut_val *multi = json_get(v, "multi");
    yyjson_mut_val *current = migrate_object(v, "current"), *value = json_get(current, "value"),
                   *text = json_get(current, "text");
    if (!yyjson_mut_is_bool(json_mut(multi)) || !json_size(current)) {
        return;
    }
    if (!yyjson_mut_is_true(json_mut(multi))) {
        make_single(m->d, current, "value");
        make_single(m->d, current, "text");
    } else if (value && !json_is_arr(value)) {
        json_setz(m->d, current, "value", list_of_one(m->d, value));
        if (text && !json_is_arr(text)) {
            json_setz(m->d, current, "text", list_of_one(m->d, text));
        }
    }
}

/* ---- 27 ---- */

static bool is_repeated(const yyjson_mut_val *panel)
{
    return migrate_truthy(json_get(panel, "repeatPanelId")) ||
           migrate_truthy(json_get(panel, "repeatByRow"));
}

static void drop_repeated(yyjson_mut_val *panels)
{
    struct json_iter it = json_iter(panels);
    while (json_next(&it)) {
        if (is_repeated(it.val)) {
            json_iter_remove(&it);
        } else if (str_is(json_get_str(it.val, "type"), "row")) {
            struct json_iter in = json_iter(migrate_list(it.val, "panels"));
            while (json_next(&in)) {
                if (migrate_truthy(json_get(in.val, "repeatPanelId"))) {
                    json_iter_remove(&in);
                }
            }
        }
    }
}

void migrate_27_repeated(struct migrating *m)
{
    drop_repeated(migrate_list(m->spec, "panels"));
}

static yyjson_mut_val *option_make(yyjson_mut_doc *d, struct str text)
{
    yyjson_mut_val *option = yyjson_mut_obj(d);
    members_put(d, option, "selected", yyjson_mut_bool(d, true));
    members_put_text(d, option, "text", text);
    members_put_text(d, option, "value", text);
    return option;
}

/* A constant that can be seen is a text that can be changed. */
void migrate_27_constant(struct migrating *m, yyjson_mut_val *v)
{
    double hide = 0;
    const yyjson_mut_val *hidden = json_get(v, "hide");
    struct str query = json_get_str(v, "query");
    if (!str_is(json_get_str(v, "type"), "constant")) {
        return;
    }
    if (!query.ptr) {
        json_setz(m->d, v, "query", yyjson_mut_str(m->d, ""));
    }
    json_setz(m->d, v, "current", option_make(m->d, query));
    json_setz(m->d, v, "options", list_of_one(m->d, option_make(m->d, query)));
    if (yyjson_mut_is_num(json_mut(hidden)) && migrate_number(hidden, &hide) &&
        (hide == 0 || hide == 1)) {
        json_setz(m->d, v, "type", yyjson_mut_str(m->d, "textbox"));
    }
}

/* ---- 28, 29 ---- */

void migrate_28_tags(struct migrating *m, yyjson_mut_val *v)
{
    static const char *const queries[] = {"tagsQuery", "tagValuesQuery"};
    (void)m;
    json_remove(v, "tags");
    for (size_t i = 0; i < 2; i++) {
        if (json_get_str(v, queries[i]).len) {
            json_remove(v, queries[i]);
        }
    }
    if (json_get_bool(v, "useTags")) {
        json_remove(v, "useTags");
    }
}

void migrate_29_refresh(struct migrating *m, yyjson_mut_val *v)
{
    double refresh = 0;
    if (!str_is(json_get_str(v, "type"), "query")) {
        return;
    }
    migrate_number(json_get(v, "refresh"), &refresh);
    if (refresh != 1 && refresh != 2) {
        json_set_int(m->d, v, "refresh", 1);
    }
    if (json_size(migrate_list(v, "options"))) {
        json_setz(m->d, v, "options", yyjson_mut_arr(m->d));
    }
}
