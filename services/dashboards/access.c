/* SPDX-License-Identifier: Apache-2.0 */
/* What a user may do to a dashboard, asked of the authorizers, and where Grafana shows it. */
#include "resources/access.h"

#include "base/cleanup.h"
#include "resources/metadata.h"
#include "services/dashboards/dashboards.h"
#include "services/dashboards/dashboards_priv.h"
#include "services/dashboards/members_priv.h"

static bool may(const struct dashboards *self, const struct op *op, struct attributes at)
{
    const char *reason;
    at.user = op->user;
    at.resource_request = true;
    at.ns = op->scope.ns;
    return !op->user || access_authorize(self->access, &at, &reason) == DECISION_ALLOW;
}

static bool may_do(const struct dashboards *self, const struct op *op, const char *verb)
{
    return may(self, op,
               (struct attributes){.verb = str_from(verb),
                                   .group = op->type->group,
                                   .version = op->version->name,
                                   .resource = op->type->resource,
                                   .name = op->name});
}

static bool may_annotate(const struct dashboards *self, const struct op *op, const char *verb)
{
    return may(self, op,
               (struct attributes){.verb = str_from(verb),
                                   .group = STR("annotation.grafana.app"),
                                   .version = STR("v0alpha1"),
                                   .resource = STR("annotations")});
}

/* Stars are people's: not of service accounts, not of the server's parts, not of whoever did not
 * say who he is. */
static bool is_person(const struct user *u)
{
    return u && !str_starts(u->name, STR("system:"));
}

static void put_bool(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, bool v)
{
    members_put(d, obj, key, yyjson_mut_bool(d, v));
}

static yyjson_mut_val *annotations_make(const struct dashboards *self, const struct op *op,
                                        yyjson_mut_doc *d)
{
    static const char *const scopes[] = {"dashboard", "organization"};
    bool add = may_annotate(self, op, "create"), edit = may_annotate(self, op, "update"),
         remove = may_annotate(self, op, "delete");
    yyjson_mut_val *v = yyjson_mut_obj(d);
    for (size_t i = 0; i < 2; i++) {
        yyjson_mut_val *actions = yyjson_mut_obj(d);
        put_bool(d, actions, "canAdd", add);
        put_bool(d, actions, "canEdit", edit);
        put_bool(d, actions, "canDelete", remove);
        members_put(d, v, scopes[i], actions);
    }
    return v;
}

static void put_place(yyjson_mut_doc *d, yyjson_mut_val *v, const yyjson_mut_val *obj)
{
    AUTO(buf_finish) struct buf slug = {0}, url = {0};
    struct str uid = metadata_name(obj);
    dashboards_slug(&slug, json_get_str(json_get(obj, "spec"), "title"));
    buf_printf(&url, "/d/%.*s/%.*s", STR_FMT(uid), STR_FMT(buf_str(&slug)));
    json_set_str(d, v, "slug", buf_str(&slug));
    json_set_str(d, v, "url", buf_str(&url));
}

static void put_access(const struct dashboards *self, const struct op *op, yyjson_mut_doc *d,
                       const yyjson_mut_val *obj, yyjson_mut_val *v)
{
    bool update = may_do(self, op, "update");
    put_place(d, v, obj);
    put_bool(d, v, "canSave", update);
    put_bool(d, v, "canEdit", update);
    put_bool(d, v, "canAdmin", may_do(self, op, "*"));
    put_bool(d, v, "canStar", is_person(op->user));
    put_bool(d, v, "canDelete", may_do(self, op, "delete"));
    members_put(d, v, "annotationsPermissions", annotations_make(self, op, d));
}

static void put_kind(yyjson_mut_doc *d, yyjson_mut_val *v, const struct op *op, const char *kind)
{
    json_set_str(d, v, "apiVersion", op->version->api_version);
    json_set_str(d, v, "kind", str_from(kind));
}

int dto_get(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
            yyjson_mut_val **ret_answer, struct err *err)
{
    (void)err;
    if (!str_is(op_param(op, "includeAccess"), "false")) {
        yyjson_mut_val *access = yyjson_mut_obj(d);
        put_access(self, op, d, obj, access);
        put_kind(d, obj, op, "DashboardWithAccessInfo");
        json_setz(d, obj, "access", access);
    }
    *ret_answer = obj;
    return 0;
}

int access_get(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
               yyjson_mut_val **ret_answer, struct err *err)
{
    (void)err;
    *ret_answer = yyjson_mut_obj(d);
    put_kind(d, *ret_answer, op, "DashboardAccess");
    put_access(self, op, d, obj, *ret_answer);
    return 0;
}
