/* SPDX-License-Identifier: Apache-2.0 */
/* The admission plugin NamespaceLifecycle: an object is created only in a namespace that exists and
 * is not being deleted. What it reads becomes a compare of the write, so a create and the deletion
 * of its namespace never pass each other. */
#include "services/namespaces/lifecycle_priv.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "resources/platform.h"
#include "resources/status.h"

static int refuse_terminating(struct op *op, struct str name, struct err *err)
{
    struct str ns = op->scope.ns;
    status_forbidden(
        err, op->type, name,
        "unable to create new content in namespace %.*s because it is being terminated",
        STR_FMT(ns));
    const char *text = arena_printf(&op->arena, "namespace %.*s is being terminated", STR_FMT(ns));
    err_cause(err, "NamespaceTerminating", STR("metadata.namespace"), str_from(text));
    return ERR_FORBIDDEN;
}

/* Who knows organizations by their numbers is told that each is a namespace. */
static int refuse_missing(const struct op *op, const struct type *namespaces, struct err *err)
{
    struct str ns = op->scope.ns;
    if (!platform_type(op->type)) {
        return status_not_found(err, namespaces, ns);
    }
    err_set(err, ERR_NOT_FOUND,
            "namespaces \"%.*s\" not found: an organization is a namespace, to be created before "
            "anything in it (kubectl create namespace %.*s)",
            STR_FMT(ns), STR_FMT(ns));
    err_about(err, namespaces->group, namespaces->resource, ns);
    return ERR_NOT_FOUND;
}

static int admit(void *self, struct admission_request *r, struct err *err)
{
    struct op *op = r->op;
    yyjson_mut_val *ns = NULL;
    (void)self;
    if (!str_is(r->operation, "CREATE") || !op->type->namespaced || op->type->virtual_) {
        return 0;
    }
    const struct type *t = registry_find(write_types(r->write), STR(""), STR("namespaces"));
    const struct scope cluster = {.workspace = op->scope.workspace, .ns = STR("")};
    int code = write_read(r->write, t, cluster, op->scope.ns, &ns, err);
    if (code < 0) {
        return code;
    }
    if (!ns) {
        return refuse_missing(op, t, err);
    }
    if (str_is(json_get_str(json_get(ns, "status"), "phase"), "Terminating")) {
        return refuse_terminating(op, metadata_name(r->obj), err);
    }
    return 0;
}

const struct admission_plugin lifecycle_plugin = {
    .name = "NamespaceLifecycle", .order = 0, .mutate = admit};
