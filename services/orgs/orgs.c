/* SPDX-License-Identifier: Apache-2.0 */
/* The names of organizations, and the admission plugin that keeps the app platform's objects in
 * their namespaces. */
#include "services/orgs/orgs.h"

#include "base/alloc.h"
#include "resources/engine.h"
#include "resources/metadata.h"
#include "resources/platform.h"
#include "resources/status.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { BEFORE_LIFECYCLE = -10 };

struct orgs {
    struct engine *engine;
};

/* A positive number in decimal without a sign or leading zeros. */
static bool number(struct str s, int64_t *ret)
{
    int64_t v = 0;
    if (!s.len || s.ptr[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || v > (INT64_MAX - (s.ptr[i] - '0')) / 10) {
            return false;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = v;
    return true;
}

/* NULL: it is one. */
static const char *parse(struct str ns, struct org *o)
{
    const struct str org = STR("org-"), stacks = STR("stacks-");
    *o = (struct org){.id = 1};
    if (str_is(ns, "default")) {
        return NULL;
    }
    if (str_starts(ns, org)) {
        return !number(str_skip(ns, org.len), &o->id) ? "invalid org id"
               : o->id == 1                           ? "use default rather than org-1"
                                                      : NULL;
    }
    if (str_starts(ns, stacks)) {
        return number(str_skip(ns, stacks.len), &o->stack) ? NULL : "invalid stack id";
    }
    return "organizations are the namespaces default, org-N and stacks-N";
}

bool orgs_parse(struct str ns, struct org *ret, const char **ret_why)
{
    struct org o;
    const char *why = parse(ns, &o);
    if (why) {
        if (ret_why) {
            *ret_why = why;
        }
        return false;
    }
    *ret = o;
    return true;
}

/* 403, as Grafana's authorizer answers for a namespace that is none of an organization's. */
static int admit(void *self, struct admission_request *r, struct err *err)
{
    const struct op *op = r->op;
    const struct str ns = op->scope.ns;
    const char *why = NULL;
    struct org org;
    (void)self;
    if (!str_is(r->operation, "CREATE") || !platform_type(op->type) || !op->type->namespaced ||
        op->type->virtual_ || orgs_parse(ns, &org, &why)) {
        return 0;
    }
    status_forbidden(err, op->type, metadata_name(r->obj),
                     "namespace \"%.*s\" is not that of an organization: %s", STR_FMT(ns), why);
    err_cause(err, "InvalidNamespace", STR("metadata.namespace"), str_from(why));
    return ERR_FORBIDDEN;
}

int orgs_provide(const struct orgs_deps *d, struct orgs **ret, struct err *err)
{
    static const struct admission_plugin plugin = {
        .name = "Organizations", .order = BEFORE_LIFECYCLE, .mutate = admit};
    (void)err;
    engine_add_admission(d->engine, &plugin);
    *ret = ALLOC(struct orgs);
    (*ret)->engine = d->engine;
    return 0;
}

void orgs_release(struct orgs *self)
{
    free(self);
}
