/* SPDX-License-Identifier: Apache-2.0 */
/* Small read-only documents that services publish and apiserver answers at fixed, well-known paths:
 * GET and HEAD of exactly that path, before every other route. */
#ifndef RESOURCES_DOCUMENTS_H
#define RESOURCES_DOCUMENTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct fixed_document {
    const char *path;         /* "/api/health": decoded, without a slash at the end; static */
    const char *content_type; /* static */
    bool anonymous;           /* anyone may read it; otherwise it takes the right to GET the path */
    /* Appends the body and returns its HTTP status, or a negative code, answered as a Status. Any
     * thread; must not wait. */
    int (*write)(void *self, struct buf *body, struct err *err);
    void *self;
};

struct documents;
struct documents *documents_create(void);
void documents_destroy(struct documents *d);
/* At construction. Two at one path are a mistake of the program. */
void documents_add(struct documents *d, const struct fixed_document *doc);
/* The document at a request's path (as struct route has it); NULL: none. d may be NULL. */
const struct fixed_document *documents_find(const struct documents *d, struct str path);

#endif
