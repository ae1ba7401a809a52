/* SPDX-License-Identifier: Apache-2.0 */
/* What every service has in common: the shape that the generator (services/wiregen) wires.
 * `coracle new service NAME` writes one; docs/services.md walks through it.
 *
 * A service is a folder services/X with a manifest service.yaml:
 *
 *   name: folders                          # the folder's name
 *   theme: dashboards & content            # one of the catalogue's themes
 *   description: A tree of folders.        # one sentence, for `coracle services`
 *   provides:                              # what others may require; default: the service itself
 *     name: folders                        # default: the service's name
 *     type: struct folders                 # default: struct NAME
 *     header: services/folders/folders.h   # default
 *   requires: [config, engine, registry]   # what others provide; "config" is main's struct config
 *   resources: [schemas/folders.yaml]      # the definitions it ships (CustomResourceDefinition
 *                                          # documents), relative to the folder
 *   rights:                                # asked for its own identity, system:coracle:folders;
 *                                          # gives deps->client
 *     - {groups: ["folder.grafana.app"], resources: [folders], verbs: ["*"]}
 *   background: true                       # folders_run runs for the server's life, on a thread
 *                                          # of its own
 *
 * and implements, with struct folders_deps generated into services/wire.gen.h (one member a
 * requirement, named as it, then `const struct service_documents *documents` and, with rights,
 * `struct client *client`):
 *
 *   int folders_provide(const struct folders_deps *d, struct folders **ret, struct err *err);
 *   // in reverse order of construction; NULL allowed
 *   void folders_release(struct folders *f);
 *   // only with background
 *   int folders_run(struct folders *f, struct service_stop *stop, struct err *err);
 *
 * A service includes its own header, "services/service.h" and "services/wire.gen.h".
 *
 * Where other services' tests need it, folders_fake.c defines all of this and the interface once
 * more, and functions folders_fake_*, declared in folders.h, by which a test fills it. It is no
 * part of the server: a test that names one of these functions is linked with the fake, which then
 * stands in the service's place, in wire_create too. */
#ifndef SERVICES_SERVICE_H
#define SERVICES_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "resources/registry.h"
#include "resources/type.h"

struct client;
struct config;
struct controller;
struct engine;
struct metrics;

/* A definition a service ships, embedded in the binary as JSON. Static. */
struct service_document {
    const char *file;     /* "schemas/folders.yaml" */
    const char *resource; /* "folders.folder.grafana.app", "configmaps": metadata.name */
    struct str json;
};

struct service_documents {
    const struct service_document *items;
    size_t n;
};

/* The embedded document of that resource; asserts that it is there (the generator checked). */
const struct service_document *service_document(const struct service_documents *d,
                                                const char *resource);
/* Makes the type of an embedded document and puts it into the registry. extras may be NULL. */
int service_publish(struct registry *r, const struct service_document *d,
                    const struct type_extras *extras, struct err *err);
/* Every document of the service, without extras. */
int service_publish_all(struct registry *r, const struct service_documents *d, struct err *err);

/* A row of the generated table: what `coracle services` prints. Static. */
struct service_info {
    const char *name, *theme, *description, *provides;
    const char *const *
        requires;
    size_t n_requires;
    const struct service_documents *documents;
    const char *rights; /* JSON; NULL: none */
    bool background;
};

/* The client of a service's own identity: the user system:coracle:NAME in the group system:coracle.
 */
struct client *service_client(struct engine *e, const char *name);

/* The graph of services, one after another in order of construction, and as DOT. c says which
 * background services are disabled. */
void service_print(struct buf *b, const struct config *c, const struct service_info *table,
                   size_t n);
void service_print_dot(struct buf *b, const struct config *c, const struct service_info *table,
                       size_t n);

/* A background service's way to learn that the server stops. */
struct service_stop;
bool service_stopping(const struct service_stop *s);
/* Waits up to ms (-1: until the stop). True: the server stops. */
bool service_wait(struct service_stop *s, int ms);
/* Becomes readable when the server stops; for poll(2). */
int service_stop_fd(const struct service_stop *s);
/* Runs fn(arg) on the stopping thread when the server stops (at once if it does already); for
 * services that wait in something else. One at a time; NULL fn takes it back. */
void service_on_stop(struct service_stop *s, void (*fn)(void *arg), void *arg);
/* Runs one controller until the server stops: the whole of such a service's run function. m may be
 * NULL. */
void service_run_controller(struct client *c, struct metrics *m, const struct controller *def,
                            struct service_stop *stop);

#endif
