/* SPDX-License-Identifier: Apache-2.0 */
/* What services publish beside their types and apiserver answers at fixed, well-known paths, before every other route: small
 * read-only documents, at exactly that path, and pages, whose path ends in a part that varies. GET and HEAD only. */
#ifndef RESOURCES_DOCUMENTS_H
#define RESOURCES_DOCUMENTS_H

#include <stdbool.h>

#include "base/arena.h"
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

/* A subresource of an object. */
struct fixed_target {
    struct str group, version, ns, resource, name, subresource;
};

/* Paths like /goto/UID, for browsers. GET of one is a get of an object's subresource, by whoever asks and with their rights to that
 * subresource, and is answered by a redirection: to where the subresource leads, with its status; to `otherwise` with 308 where
 * there is no such object, and with 307 where that cannot be told. Who is not known, may not or asks too often gets a Status. */
struct fixed_page {
    const char *prefix;    /* "/goto/": decoded; static */
    const char *param;     /* the one parameter of the query that counts; static */
    const char *otherwise; /* "/": static */
    /* What the rest of the path stands for, given the parameter's value (STR_NULL: not given). Strings are static, part, or in the
     * arena. Any thread. */
    void (*find)(void *self, struct arena *a, struct str part, struct str value, struct fixed_target *ret);
    void *self;
};

struct documents;
struct documents *documents_create(void);
void documents_destroy(struct documents *d);
/* At construction. Two at one path are a mistake of the program. */
void documents_add(struct documents *d, const struct fixed_document *doc);
/* The document at a request's path (as struct route has it); NULL: none. d may be NULL. */
const struct fixed_document *documents_find(const struct documents *d, struct str path);
/* At construction. Two with one prefix are a mistake of the program. */
void documents_add_page(struct documents *d, const struct fixed_page *page);
/* The page that a request's path names, and its last part, which is not empty and holds no slash; NULL: none. d may be NULL. */
const struct fixed_page *documents_find_page(const struct documents *d, struct str path, struct str *ret_part);

#endif
