/* SPDX-License-Identifier: Apache-2.0 */
/* A service's manifest, read and checked: what the generator works from. services/service.h says
 * what a manifest holds. */
#ifndef SERVICES_WIREGEN_MANIFEST_H
#define SERVICES_WIREGEN_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct manifest_resource {
    struct str file; /* as in the manifest: "schemas/folders.yaml" */
    struct str name; /* metadata.name of the document */
    struct str json; /* the document */
};

struct manifest {
    const char *path; /* of the manifest, for messages */
    struct str name, theme, description;
    struct str provides, type, header; /* what it provides: its name, C type and header */
    struct str *
        requires;
    size_t n_requires;
    struct manifest_resource *resources;
    size_t n_resources;
    struct str rights; /* as JSON; STR_NULL: none */
    bool background;
    /* The generator's own: */
    struct manifest **needs; /* the providers of requires; NULL for config */
    int mark;
};

/* Reads DIR/service.yaml and the documents it names. Everything lives in the arena. ERR_BAD_REQUEST
 * names the file and the key. */
int manifest_read(struct arena *a, const char *dir, struct manifest *ret, struct err *err);

#endif
