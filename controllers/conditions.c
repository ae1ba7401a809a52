/* SPDX-License-Identifier: Apache-2.0 */
/* Status conditions. */
#include "controllers/conditions.h"

#include "base/clock.h"
#include "base/json.h"

yyjson_mut_val *condition_find(const yyjson_mut_val *obj, const char *type)
{
    struct json_iter it = json_iter(json_path(obj, "status", "conditions", NULL));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "type"), type)) {
            return it.val;
        }
    }
    return NULL;
}

static yyjson_mut_val *add(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *type)
{
    yyjson_mut_val *status = json_ensure_obj(d, obj, "status"),
                   *list = json_get(status, "conditions");
    yyjson_mut_val *c = yyjson_mut_obj(d);
    if (!json_is_arr(list)) {
        list = yyjson_mut_arr(d);
        json_setz(d, status, "conditions", list);
    }
    json_set_str(d, c, "type", str_from(type));
    yyjson_mut_arr_append(list, c);
    return c;
}

bool condition_set(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *type, bool status,
                   const char *reason, struct str message)
{
    const struct str value = status ? STR("True") : STR("False");
    yyjson_mut_val *c = condition_find(obj, type);
    if (c && str_eq(json_get_str(c, "status"), value) &&
        str_is(json_get_str(c, "reason"), reason) && str_eq(json_get_str(c, "message"), message)) {
        return false;
    }
    c = c ? c : add(d, obj, type);
    if (!str_eq(json_get_str(c, "status"), value)) {
        char now[CLOCK_TEXT];
        size_t n = clock_format(clock_wall_us(), now);
        json_set_str(d, c, "status", value);
        json_set_str(d, c, "lastTransitionTime", str_make(now, n));
    }
    json_set_str(d, c, "reason", str_from(reason));
    json_set_str(d, c, "message", message);
    return true;
}

bool condition_is_true(const yyjson_mut_val *obj, const char *type)
{
    return str_is(json_get_str(condition_find(obj, type), "status"), "True");
}
