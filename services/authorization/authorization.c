/* SPDX-License-Identifier: Apache-2.0 */
/* The authorizer that stands until roles are there: every authenticated user may do everything,
 * everyone may ask for health and version. */
#include "services/authorization/authorization.h"

#include "base/alloc.h"
#include "base/log.h"
#include "services/authorization/reviews_priv.h"
#include "services/wire.gen.h"

struct authorization {
    struct access *access;
};

/* What system:public-info-viewer of the reference may read. The single checks beneath the health
 * paths are not among it: their answers carry words of errors. */
static bool is_public(const struct attributes *a)
{
    static const char *const paths[] = {"/healthz", "/livez", "/readyz", "/version", "/version/"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        if (!a->resource_request && str_is(a->verb, "get") && str_is(a->path, paths[i])) {
            return true;
        }
    }
    return false;
}

static enum decision authorize(void *self, const struct attributes *a, const char **ret_reason)
{
    (void)self;
    (void)ret_reason;
    bool anonymous = !a->user->name.len || str_is(a->user->name, "system:anonymous") ||
                     user_in_group(a->user, "system:unauthenticated");
    return !anonymous || is_public(a) ? DECISION_ALLOW : DECISION_NO_OPINION;
}

int authorization_provide(const struct authorization_deps *d, struct authorization **ret,
                          struct err *err)
{
    int r = reviews_publish_access(d->registry, d->documents, d->access, err);
    if (r < 0) {
        return r;
    }
    *ret = ALLOC(struct authorization);
    (*ret)->access = d->access;
    const struct authorizer x = {.name = "authenticated", .authorize = authorize, .self = *ret};
    access_add_authorizer(d->access, &x);
    log_warn("roles are not there yet: every authenticated user may do everything");
    return 0;
}

void authorization_release(struct authorization *self)
{
    free(self);
}
