/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks and whether they may: the user, the attributes of a request, and the interfaces that services implement
 * (authenticators, authorizers). Nothing here decides. */
#ifndef RESOURCES_ACCESS_H
#define RESOURCES_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Immutable, reference-counted. All strings live in the same allocation. */
struct user {
    _Atomic unsigned refs;
    struct str name, uid;
    struct str *groups;
    size_t n_groups;
    struct user_extra {
        struct str key;
        struct str *values;
        size_t n_values;
    } *extra;
    size_t n_extra;
};

/* Copies everything. */
struct user *user_create(struct str name, struct str uid, const struct str *groups, size_t n_groups);
struct user *user_ref(struct user *u);
void user_unref(struct user *u);
bool user_in_group(const struct user *u, const char *group);

/* What a connection and a request present. */
struct credentials {
    struct str bearer;        /* without "Bearer "; STR_NULL: none */
    bool bearer_given;        /* an Authorization header was there, whatever it held */
    struct str cert_user;     /* CN of a verified client certificate; STR_NULL: none */
    const struct str *cert_groups; /* its Os */
    size_t n_cert_groups;
};

/* An authenticator. Any thread; must not wait. 0: *ret_user is a new reference; ERR_NOT_FOUND: these credentials are not mine,
 * ask the next; ERR_UNAUTHORIZED: they are, and they are wrong. */
struct authenticator {
    const char *name;
    int (*authenticate)(void *self, const struct credentials *c, struct user **ret_user, struct err *err);
    void *self;
};

struct attributes {
    const struct user *user;
    struct str verb; /* "get", "list", ...; for a path: "get", "post", ... */
    bool resource_request;
    struct str group, version, resource, subresource, ns, name; /* resource requests */
    struct str path;                                             /* the others */
};

enum decision { DECISION_NO_OPINION, DECISION_ALLOW, DECISION_DENY };

/* An authorizer. Any thread; must not wait. reason: for the Status, in memory that outlives the call; may stay unset. */
struct authorizer {
    const char *name;
    enum decision (*authorize)(void *self, const struct attributes *a, const char **ret_reason);
    void *self;
    int order; /* smaller first; of one order: as they were added */
};

/* The lists that services add to at construction and that stand unchanged while the server runs. */
struct access;
struct access *access_create(void);
void access_destroy(struct access *a);
void access_add_authenticator(struct access *a, const struct authenticator *x);
void access_add_authorizer(struct access *a, const struct authorizer *x);
/* Asks the authenticators in order. 0 with a user; ERR_UNAUTHORIZED. Nothing presented: the user system:anonymous in the group
 * system:unauthenticated. A user found gets the group system:authenticated. */
int access_authenticate(struct access *a, const struct credentials *c, struct user **ret_user, struct err *err);
/* Asks the authorizers by their order; the first opinion counts; none: DENY. */
enum decision access_authorize(struct access *a, const struct attributes *at, const char **ret_reason);

#endif
