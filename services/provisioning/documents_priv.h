/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that a file holds, made ready to be applied. */
#ifndef SERVICES_PROVISIONING_DOCUMENTS_PRIV_H
#define SERVICES_PROVISIONING_DOCUMENTS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "resources/client.h"

#define OWNER_KIND "classic-file-provisioning" /* Grafana's word for what comes from files */
#define ANNOTATION_MANAGER "grafana.app/managedBy"
#define ANNOTATION_MANAGER_ID "grafana.app/managerId"
#define ANNOTATION_PATH "grafana.app/sourcePath"
#define ANNOTATION_CHECKSUM "grafana.app/sourceChecksum"
#define ANNOTATION_FOLDER "grafana.app/folder"
#define ANNOTATION_ADOPT "provisioning.coracle.dev/adopt"

struct registry_snapshot;

/* The order in which objects come into being; they go in reverse. */
enum stage { STAGE_DEFINITION, STAGE_NAMESPACE, STAGE_FOLDER, STAGE_REST };
enum { STAGES = STAGE_REST + 1 };
enum stage stage_of(struct str group, struct str resource_or_kind);

struct document {
    yyjson_mut_doc *doc;
    yyjson_mut_val *obj;
    struct client_ref ref; /* resource "": the type is not served */
    struct str kind;
    enum stage stage;
    bool adopt;            /* an object that nobody owns may be taken over */
    uint64_t sum;          /* of all that is applied */
    char checksum[65];     /* of the document as it stands in the file */
};

struct documents {
    struct arena arena; /* everything is in it */
    struct document *items;
    size_t n, cap;
    bool folders; /* one is a dashboard without apiVersion and kind, whose folder the directory is */
};

/* Where a document comes from. */
struct document_source {
    const struct registry_snapshot *types;
    struct str source; /* its name */
    struct str path;   /* of the file below the source's directory; a directory's ends in a slash */
};

/* Reads the whole text: YAML documents or JSON, kinds of lists taken apart, dashboards without apiVersion and kind wrapped.
 * What only a server sets is taken out, the namespace filled in, the ownership written. ERR_BAD_REQUEST, ERR_TOO_LARGE with the
 * document's number. documents_finish in any case. */
int documents_read(struct documents *d, const struct document_source *from, struct str text, struct err *err);
/* The Folder that a directory (path "a/b/") becomes. */
void documents_folder(struct documents *d, const struct document_source *from);
void documents_finish(struct documents *d);

/* The name of that Folder: readable, and the same as long as source and path are. */
struct str folder_name(struct arena *a, struct str source, struct str dir);
/* "configmaps/default/a", "dashboards.dashboard.grafana.app/default/b": how objects are told of. */
struct str object_label(struct arena *a, const struct client_ref *ref, struct str kind);

#endif
