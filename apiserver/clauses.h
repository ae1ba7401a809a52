/* SPDX-License-Identifier: Apache-2.0 */
/* The clauses of an Accept header, for documents whose media types are not those of resources. */
#ifndef APISERVER_CLAUSES_H
#define APISERVER_CLAUSES_H

#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

struct clause {
    struct str type, subtype;               /* "application", "json"; "*" any */
    struct str as, group, version, profile; /* parameters of Kubernetes' own; STR_NULL: not given */
    double q;
};

/* The clauses in the order of preference: by q, then the more specific, then as they stand; q=0 is
 * left out. An empty header is one clause that takes anything. At most 100 are read. In the arena.
 */
size_t clauses_parse(struct arena *a, struct str accept, struct clause **ret);
/* Whether the clause takes application/SUBTYPE. */
bool clause_takes(const struct clause *c, const char *subtype);

#endif
