/* SPDX-License-Identifier: Apache-2.0 */
/* Organizations: each is a namespace, named as in Grafana (authlib's types/namespace.go),
 * `default`, `org-N` or `stacks-N`. Objects of the app platform (resources/platform.h) are created
 * in those alone; which of them exist is told by the Namespace objects. */
#ifndef SERVICES_ORGS_ORGS_H
#define SERVICES_ORGS_ORGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct orgs;

struct org {
    int64_t id;    /* 1 for default and for every stack */
    int64_t stack; /* 0: none */
};

/* What a namespace's name says. False: it is none of an organization's; *ret_why, if not NULL, is
 * the reason, static. A number is written in one way only: org-02 is no second name of org-2. */
bool orgs_parse(struct str ns, struct org *ret, const char **ret_why);

#endif
