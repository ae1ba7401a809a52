/* SPDX-License-Identifier: Apache-2.0 */
/* Types each of whose objects belongs to one user, one team or the namespace as a whole, which its
 * name tells as in Grafana: user-ID, team-ID, namespace. Who may touch which is decided by name, on
 * top of what other authorizers say.
 *
 * A user's ID is the uid, or the name of one who has none; a team's is a group's name. Characters
 * beyond letters, digits, - _ and . are written as : and two hexadecimal digits (jane@example.com
 * is jane:40example.com); what is too long for a name so is :: and its SHA-256. */
#ifndef SERVICES_PERSONAL_PERSONAL_H
#define SERVICES_PERSONAL_PERSONAL_H

#include "base/arena.h"
#include "base/causes.h"
#include "resources/op.h"

struct personal;

enum personal_owner {
    PERSONAL_NOBODY = 0, /* the name is none of these */
    PERSONAL_USER = 1,
    PERSONAL_TEAM = 2,
    PERSONAL_NAMESPACE = 4,
};

/* Of one type. */
struct personal_rule {
    struct str group, resource;
    unsigned owners;     /* whose objects there are: PERSONAL_ values */
    struct str computed; /* a name that is computed for everyone (a type_query); "" none */
};

/* Adds the type to those that the authorizer regards. At construction; the rule stays. */
void personal_add(struct personal *p, const struct personal_rule *rule);

enum personal_owner personal_parse(struct str name, struct str *ret_id);
struct str personal_encode(struct str id, struct arena *a);
/* The name of a user's own object: "user-ID"; STR_NULL for anonymous users. */
struct str personal_name(const struct user *u, struct arena *a);
/* The names of the user's teams in order, and how many (at most LIMIT_PERSONAL_TEAMS). */
size_t personal_teams(const struct user *u, struct arena *a, struct str **ret);

/* NULL: the user may; else why not, static. Members read what is their team's, everyone what is the
 * namespace's; administrators (system:masters) and the server's services do everything. */
const char *personal_refuses(const struct personal_rule *rule, const struct user *u,
                             struct str name, bool read);

/* ---- for a type's strategy ---- */

/* As its `narrow`: only objects that the user may read. */
void personal_narrow(const struct personal_rule *rule, struct op *op);
/* As its `name`. */
void personal_check_name(const struct personal_rule *rule, struct str name, bool is_prefix,
                         const struct path *at, struct causes *c);
/* In its `prepare` of a create, whose name the authorizer has not seen: ERR_FORBIDDEN. */
int personal_check_create(const struct personal_rule *rule, const struct op *op, struct str name,
                          struct err *err);

/* ---- in tests that are linked with the fake, on the thread that wired: names that are refused to
 * everyone; the only ones that lists show; which types were added ---- */
void personal_fake_refuse(struct personal *p, const char *name);
void personal_fake_show(struct personal *p, const char *name);
bool personal_fake_has(const struct personal *p, const char *group, const char *resource);

#endif
