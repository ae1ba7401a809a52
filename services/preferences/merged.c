/* SPDX-License-Identifier: Apache-2.0 */
/* What all preferences together say to one user. */
#include "services/preferences/preferences_priv.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "resources/engine.h"
#include "services/personal/personal.h"

/* Grafana's, where its configuration says nothing. */
static void set_defaults(yyjson_mut_doc *d, yyjson_mut_val *spec)
{
    const yyjson_mut_val *none = NULL;
    static const struct {
        const char *field, *value;
    } defaults[] = {{"theme", "dark"},
                    {"timezone", "browser"},
                    {"weekStart", "browser"},
                    {"language", "en-US"}};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
        if (json_get(spec, defaults[i].field) == none) {
            json_set_str(d, spec, defaults[i].field, str_from(defaults[i].value));
        }
    }
}

static bool is_empty(const yyjson_mut_val *v)
{
    return json_is_null(v) || (json_is_str(v) && !json_str(v).len) ||
           (json_is_arr(v) && !json_size(v));
}

/* Takes from `from` what `to` has not. */
static void fill(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from)
{
    for (struct json_iter it = json_iter(from); json_next(&it);) {
        yyjson_mut_val *there = json_getn(to, json_str(it.key));
        if (json_is_obj(it.val) && json_is_obj(there)) {
            fill(d, there, it.val);
        } else if (json_is_obj(it.val) && !there) {
            yyjson_mut_val *made = yyjson_mut_obj(d);
            fill(d, made, it.val);
            if (json_size(made)) {
                json_set(d, to, json_str(it.key), made);
            }
        } else if (!is_empty(it.val) && !there) {
            json_set(d, to, json_str(it.key), json_copy(d, it.val));
        }
    }
}

/* The youngest of the objects gives the answer its time. */
static void take_time(yyjson_mut_doc *d, yyjson_mut_val *answer, const yyjson_mut_val *obj)
{
    yyjson_mut_val *meta = json_get(answer, "metadata");
    struct str time = json_get_str(metadata_of(obj), "creationTimestamp");
    if (str_cmp(time, json_get_str(meta, "creationTimestamp")) > 0) {
        json_set_str(d, meta, "creationTimestamp", time);
    }
}

/* An object that is not there says nothing. */
static int add(struct op *op, struct str name, yyjson_mut_doc *d, yyjson_mut_val *answer,
               struct err *err)
{
    AUTO(blob_unrefp) struct blob *blob = NULL;
    AUTO(err_finish) struct err why = {0};
    struct stored s;
    yyjson_mut_doc *obj = NULL;
    int rc = engine_get(op->engine, op->type, op->scope, name, &blob, &s, &why);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : err_move(err, &why);
    }
    rc = represent_decode(op->type, op->version, &s, &op->arena, &obj, err);
    if (rc == 0) {
        take_time(d, answer, yyjson_mut_doc_get_root(obj));
        fill(d, json_get(answer, "spec"), json_get(yyjson_mut_doc_get_root(obj), "spec"));
    }
    return rc;
}

int preferences_merged(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                       struct err *err)
{
    yyjson_mut_val *answer = yyjson_mut_obj(d);
    struct str *teams, own = personal_name(op->user, &op->arena);
    size_t n = personal_teams(op->user, &op->arena, &teams);
    (void)self;
    json_set_str(d, answer, "kind", op->type->kind);
    json_set_str(d, answer, "apiVersion", op->version->api_version);
    json_set_str(d, json_ensure_obj(d, answer, "metadata"), "namespace", op->scope.ns);
    yyjson_mut_val *spec = json_ensure_obj(d, answer, "spec");
    int rc = own.ptr ? add(op, own, d, answer, err) : 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = add(op, teams[i], d, answer, err);
    }
    rc = rc ? rc : add(op, STR("namespace"), d, answer, err);
    if (rc == 0) {
        set_defaults(d, spec);
        *ret_answer = answer;
    }
    return rc;
}
