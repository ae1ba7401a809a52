/* SPDX-License-Identifier: Apache-2.0 */
/* Users, and the lists of authenticators and authorizers that are asked about each request. */
#include "resources/access.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct access {
    struct authenticator *authenticators;
    size_t n_authenticators;
    struct authorizer *authorizers;
    size_t n_authorizers;
    struct user *anonymous;
};

/* Copies s to *at, with a NUL behind, and moves *at on. */
static struct str place(char **at, struct str s)
{
    char *p = *at;
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    p[s.len] = '\0';
    *at = p + s.len + 1;
    return str_make(p, s.len);
}

/* A copy of a user's parts in one allocation, with one more group where `more` has text. */
static struct user *make(struct str name, struct str uid, const struct str *groups, size_t n,
                         struct str more, const struct user_extra *extra, size_t n_extra)
{
    size_t total = n + (more.len ? 1 : 0), values = 0, text = name.len + uid.len + more.len + 3;
    for (size_t i = 0; i < n; i++) {
        text += groups[i].len + 1;
    }
    for (size_t i = 0; i < n_extra; i++) {
        text += extra[i].key.len + 1;
        values += extra[i].n_values;
        for (size_t j = 0; j < extra[i].n_values; j++) {
            text += extra[i].values[j].len + 1;
        }
    }
    size_t lists = n_extra * sizeof(*extra) + (total + values) * sizeof(struct str);
    struct user *u = alloc_zero(sizeof(*u) + lists + text);
    u->refs = 1;
    u->extra = (struct user_extra *)(u + 1);
    u->n_extra = n_extra;
    u->groups = (struct str *)(u->extra + n_extra);
    u->n_groups = total;
    struct str *value = u->groups + total;
    char *at = (char *)(value + values);
    u->name = place(&at, name);
    u->uid = place(&at, uid);
    for (size_t i = 0; i < n; i++) {
        u->groups[i] = place(&at, groups[i]);
    }
    if (more.len) {
        u->groups[n] = place(&at, more);
    }
    for (size_t i = 0; i < n_extra; i++) {
        u->extra[i] = (struct user_extra){place(&at, extra[i].key), value, extra[i].n_values};
        for (size_t j = 0; j < extra[i].n_values; j++) {
            *value++ = place(&at, extra[i].values[j]);
        }
    }
    return u;
}

struct user *user_create(struct str name, struct str uid, const struct str *groups, size_t n_groups)
{
    return make(name, uid, groups, n_groups, STR_NULL, NULL, 0);
}

struct user *user_ref(struct user *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void user_unref(struct user *u)
{
    if (u && atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) == 1) {
        free(u);
    }
}

bool user_in_group(const struct user *u, const char *group)
{
    for (size_t i = 0; i < u->n_groups; i++) {
        if (str_is(u->groups[i], group)) {
            return true;
        }
    }
    return false;
}

struct access *access_create(void)
{
    static const struct str groups[] = {
        {"system:unauthenticated", sizeof("system:unauthenticated") - 1}};
    struct access *a = ALLOC(struct access);
    a->anonymous = user_create(STR("system:anonymous"), STR_NULL, groups, 1);
    return a;
}

void access_destroy(struct access *a)
{
    if (a) {
        user_unref(a->anonymous);
        free(a->authenticators);
        free(a->authorizers);
        free(a);
    }
}

void access_add_authenticator(struct access *a, const struct authenticator *x)
{
    a->authenticators =
        alloc_resize(a->authenticators, (a->n_authenticators + 1) * sizeof(*a->authenticators));
    a->authenticators[a->n_authenticators++] = *x;
}

void access_add_authorizer(struct access *a, const struct authorizer *x)
{
    a->authorizers = alloc_resize(a->authorizers, (a->n_authorizers + 1) * sizeof(*a->authorizers));
    size_t at = a->n_authorizers++;
    for (; at > 0 && a->authorizers[at - 1].order > x->order; at--) {
        a->authorizers[at] = a->authorizers[at - 1];
    }
    a->authorizers[at] = *x;
}

/* Takes the reference u; gives one to a user who is in system:authenticated. */
static struct user *authenticated(struct user *u)
{
    if (user_in_group(u, "system:authenticated") || user_in_group(u, "system:unauthenticated")) {
        return u;
    }
    struct user *more = make(u->name, u->uid, u->groups, u->n_groups, STR("system:authenticated"),
                             u->extra, u->n_extra);
    user_unref(u);
    return more;
}

int access_authenticate(struct access *a, const struct credentials *c, struct user **ret_user,
                        struct err *err)
{
    for (size_t i = 0; i < a->n_authenticators; i++) {
        const struct authenticator *x = &a->authenticators[i];
        struct user *u = NULL;
        struct err e = {0};
        int code = x->authenticate(x->self, c, &u, &e);
        err_finish(&e); /* why is not for whoever may be guessing */
        if (code == 0) {
            *ret_user = authenticated(u);
            return 0;
        }
        if (code != ERR_NOT_FOUND) {
            return err_set(err, ERR_UNAUTHORIZED, "Unauthorized");
        }
    }
    /* As the reference: a header from which no token can be taken presents nothing. */
    if (c->bearer.len || c->cert_user.len) {
        return err_set(err, ERR_UNAUTHORIZED, "Unauthorized");
    }
    *ret_user = user_ref(a->anonymous);
    return 0;
}

enum decision access_authorize(struct access *a, const struct attributes *at,
                               const char **ret_reason)
{
    const char *last = NULL;
    for (size_t i = 0; i < a->n_authorizers; i++) {
        const struct authorizer *x = &a->authorizers[i];
        const char *reason = NULL;
        enum decision d = x->authorize(x->self, at, &reason);
        last = reason ? reason : last;
        if (d != DECISION_NO_OPINION) {
            *ret_reason = reason;
            return d;
        }
    }
    *ret_reason = last;
    return DECISION_DENY;
}
