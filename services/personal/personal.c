/* SPDX-License-Identifier: Apache-2.0 */
/* Who may touch what belongs to one user, one team or a namespace: an authorizer that is asked
 * before those which give rights by type. */
#include "services/personal/personal.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "resources/selector.h"
#include "resources/status.h"
#include "services/service.h"
#include "services/wire.gen.h"

#include <assert.h>

enum { BEFORE_ROLES = -10, MAX_RULES = 8 };

struct personal {
    const struct personal_rule *rules[MAX_RULES];
    size_t n;
};

static bool is_admin(const struct user *u)
{
    return user_in_group(u, "system:masters") || user_in_group(u, "system:coracle");
}

static bool is_member(const struct user *u, struct str team)
{
    struct arena a;
    struct str *names;
    bool found = false;
    arena_init(&a, 0);
    size_t n = personal_teams(u, &a, &names);
    for (size_t i = 0; i < n && !found; i++) {
        found = str_eq(names[i], team);
    }
    arena_finish(&a);
    return found;
}

static bool is_own(const struct user *u, struct str name)
{
    struct arena a;
    arena_init(&a, 0);
    struct str own = personal_name(u, &a);
    bool same = own.ptr && str_eq(own, name);
    arena_finish(&a);
    return same;
}

const char *personal_refuses(const struct personal_rule *rule, const struct user *u,
                             struct str name, bool read)
{
    struct str id;
    enum personal_owner owner = personal_parse(name, &id);
    if (is_admin(u)) {
        return NULL;
    }
    if (!(owner & rule->owners)) {
        return rule->owners == PERSONAL_USER
                   ? "unsupported owner type: a name is user-ID, the ID of the user whose it is"
                   : "unsupported owner type: a name is user-ID, team-ID or namespace";
    }
    switch (owner) {
    case PERSONAL_USER:
        return is_own(u, name) ? NULL : "you are not the owner of the resource";
    case PERSONAL_TEAM:
        return !is_member(u, name) ? "you are not a member of the team"
               : read              ? NULL
                                   : "no edit permissions for the team";
    case PERSONAL_NAMESPACE:
        return read ? NULL : "must be an org admin to edit";
    case PERSONAL_NOBODY:
        break;
    }
    return "unsupported owner type";
}

static const struct personal_rule *find(const struct personal *p, const struct attributes *at)
{
    for (size_t i = 0; i < p->n; i++) {
        if (str_eq(at->group, p->rules[i]->group) && str_eq(at->resource, p->rules[i]->resource)) {
            return p->rules[i];
        }
    }
    return NULL;
}

/* Of a user who is somebody and no administrator: what is not refused is allowed, as nobody needs a
 * right to what is his own. */
static const char *refuses(const struct personal_rule *rule, const struct attributes *at)
{
    bool read = str_is(at->verb, "get") || str_is(at->verb, "list") || str_is(at->verb, "watch");
    if (!at->name.len) { /* lists show what may be seen; a create is checked once it has a name */
        return read || str_is(at->verb, "create") ? NULL : "mutating request without a name";
    }
    if (rule->computed.len && read && str_eq(at->name, rule->computed)) {
        return NULL;
    }
    return personal_refuses(rule, at->user, at->name, read);
}

static enum decision authorize(void *self, const struct attributes *at, const char **ret_reason)
{
    const struct personal *p = self;
    const struct personal_rule *rule = at->resource_request ? find(p, at) : NULL;
    if (!rule || is_admin(at->user) || !user_in_group(at->user, "system:authenticated")) {
        return DECISION_NO_OPINION;
    }
    const char *why = refuses(rule, at);
    if (why) {
        *ret_reason = why;
        return DECISION_DENY;
    }
    return DECISION_ALLOW;
}

void personal_narrow(const struct personal_rule *rule, struct op *op)
{
    struct str *names;
    if (is_admin(op->user)) {
        return;
    }
    size_t n = rule->owners & PERSONAL_TEAM ? personal_teams(op->user, &op->arena, &names) : 0;
    struct str *all = arena_alloc(&op->arena, (n + 2) * sizeof(*all)), own;
    for (size_t i = 0; i < n; i++) {
        all[i] = names[i];
    }
    own = personal_name(op->user, &op->arena);
    if (own.ptr) {
        all[n++] = own;
    }
    if (rule->owners & PERSONAL_NAMESPACE) {
        all[n++] = STR("namespace");
    }
    op->list.fields = selector_among(&op->arena, op->list.fields, all, n);
}

int personal_check_create(const struct personal_rule *rule, const struct op *op, struct str name,
                          struct err *err)
{
    const char *why = op->user ? personal_refuses(rule, op->user, name, false) : NULL;
    struct arena a;
    if (!why) {
        return 0;
    }
    arena_init(&a, 0);
    struct str own = personal_name(op->user, &a);
    int rc = own.ptr
                 ? status_forbidden(err, op->type, name, "%s; your own is %.*s", why, STR_FMT(own))
                 : status_forbidden(err, op->type, name, "%s", why);
    arena_finish(&a);
    return rc;
}

void personal_add(struct personal *p, const struct personal_rule *rule)
{
    assert(p->n < MAX_RULES);
    p->rules[p->n++] = rule;
}

int personal_provide(const struct personal_deps *d, struct personal **ret, struct err *err)
{
    struct personal *p = ALLOC(struct personal);
    const struct authorizer x = {
        .name = "personal", .authorize = authorize, .self = p, .order = BEFORE_ROLES};
    (void)err;
    access_add_authorizer(d->access, &x);
    *ret = p;
    return 0;
}

void personal_release(struct personal *self)
{
    free(self);
}
