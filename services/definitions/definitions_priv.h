/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. */
#ifndef SERVICES_DEFINITIONS_DEFINITIONS_PRIV_H
#define SERVICES_DEFINITIONS_DEFINITIONS_PRIV_H

#include <pthread.h>

#include "base/arena.h"
#include "base/causes.h"
#include "resources/engine.h"
#include "resources/registry.h"
#include "resources/write.h"
#include "services/conversion/conversion.h"
#include "services/definitions/definitions.h"
#include "services/definitions/taken_priv.h"

/* What is known of one definition. */
struct definition {
    struct arena arena; /* of everything below */
    struct str name, group;
    yyjson_mut_doc *doc;
    yyjson_mut_val *requested, *accepted; /* names: as in spec.names and status.acceptedNames */
    bool names_accepted, established;
    struct str reason, message; /* of the condition NamesAccepted */
    bool served;                /* its type is in the registry */
    bool renamed;               /* ... under names that have changed since */
    bool deleting;
    bool due;     /* its status is to be looked at */
    int64_t rev;  /* of the object that was last seen */
    int64_t born; /* revision at which the object came to be */
    int64_t generation;
    uint64_t rules; /* hash of its conversion rules and its text fields */
};

struct definitions {
    struct engine *engine;
    struct registry *registry;
    struct client *client;
    struct conversion *conversion;
    struct type *type;    /* CustomResourceDefinition; a reference */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct definition **items; /* by name */
    size_t n, cap;
    struct taken taken; /* by accepted names */
    bool any_due, stopping;
};

/* ---- names.c: who may be called what; under the lock ---- */
struct definition *definition_find(struct definitions *s, struct str name);
/* Makes or renews the record of the object; the names it was given stay. */
struct definition *definition_note(struct definitions *s, const yyjson_mut_val *obj);
void definition_forget(struct definitions *s, struct str name);
/* Gives it these names, which belong to its document, in place of those it has. */
void definition_accept(struct definitions *s, struct definition *f, yyjson_mut_val *names);
void definition_destroy(struct definition *f);
/* Settles which of the names it asks for it may have. Types that the server ships have theirs. */
void definition_settle(struct definitions *s, struct definition *f);
/* Looks again at the others of the group. */
void definition_recheck_group(struct definitions *s, struct str group, struct str but);

/* ---- conditions.c ---- */
yyjson_mut_val *definition_condition(const yyjson_mut_val *obj, const char *type);
bool definition_condition_is(const yyjson_mut_val *obj, const char *type, const char *status);
/* Sets a condition in status.conditions; lastTransitionTime moves when its status changes. */
void definition_set_condition(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *type,
                              const char *status, struct str reason, struct str message,
                              int64_t now_us);
/* Brings obj's status to what the record says. True: something changed. */
bool definition_put_status(const struct definition *f, yyjson_mut_doc *d, yyjson_mut_val *obj,
                           int64_t now_us);
/* Whether obj's status says what the record says. */
bool definition_status_right(const struct definition *f, const yyjson_mut_val *obj);

enum approval { APPROVAL_INVALID, APPROVAL_APPROVED, APPROVAL_BYPASSED, APPROVAL_MISSING };
#define APPROVAL_ANNOTATION "api-approved.kubernetes.io"
/* Groups of the Kubernetes community need its approval; *ret_reason lives in the arena. */
bool approval_needed(struct str group);
enum approval approval_of(const yyjson_mut_val *obj, struct arena *a, struct str *ret_reason);

/* ---- fill.c: defaults, normal form, status of a new definition ---- */
int definition_fill(struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                    const yyjson_mut_val *old, struct err *err);
/* The names and the conversion that follow from what is given: the reference's defaults. */
void definition_fill_defaults(yyjson_mut_doc *d, yyjson_mut_val *obj);
/* Brings the spec into the form in which it is stored; unknown may be NULL. */
void definition_fill_spec(yyjson_mut_doc *d, yyjson_mut_val *obj, struct schema_unknown *unknown);
void definition_fill_status(yyjson_mut_doc *d, yyjson_mut_val *obj);

/* ---- check.c, check_version.c, check_conversion.c: validation ---- */
struct check {
    struct causes *c;
    const yyjson_mut_val *spec, *versions;
    /* Where all versions say the same, the reference speaks of the spec's own field and not of the
     * versions'. */
    bool same_schema, same_subresources, same_columns, same_fields;
};
void definition_check(const yyjson_mut_val *obj, const yyjson_mut_val *old, struct causes *c);
void definition_check_status(const yyjson_mut_val *obj, struct causes *c);
/* One version's own parts; at: spec.versions[i]. */
void check_version(struct check *k, const yyjson_mut_val *version, const struct path *at);
/* The parts all versions share; at: spec. */
void check_shared(struct check *k, const struct path *at);
void check_conversion(const yyjson_mut_val *spec, const struct path *at, struct causes *c);
/* check_text.c */
void check_text_fields(const yyjson_mut_val *obj, struct causes *c);
/* Adds one Invalid cause with all faults joined by commas, `before` in front. */
void check_label_1035(struct str value, struct str shown, const char *before, const struct path *at,
                      struct causes *c);

/* ---- warn.c ---- */
void definition_warn(struct write *w, const yyjson_mut_val *obj, const yyjson_mut_val *old);

/* ---- serve.c: from a definition to a type ---- */
/* After a commit: obj NULL: removed. Takes the lock. */
void definition_committed(struct definitions *s, const yyjson_mut_val *obj,
                          const yyjson_mut_val *old, int64_t rev);
/* Registers the types of all stored definitions, before anything is served. */
int definition_load_all(struct definitions *s, struct err *err);
/* Puts the type of a definition whose names were accepted later into the registry. */
int definition_serve_late(struct definitions *s, struct str name, struct err *err);

/* ---- files.c ---- */
/* Creates or updates the definitions in the *.yaml, *.yml and *.json files of the directory. The
 * error names file and document. */
int definition_apply_dir(struct definitions *s, const char *dir, struct err *err);

extern const struct type_strategy definition_strategy;
extern const struct type_subresource definition_subresources[1];

#endif
