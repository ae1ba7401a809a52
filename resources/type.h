/* SPDX-License-Identifier: Apache-2.0 */
/* A resource type as served: immutable, reference-counted, published by the registry and swapped whole. It is made from a
 * CustomResourceDefinition document, whether that was applied, found in a file or shipped by a service. */
#ifndef RESOURCES_TYPE_H
#define RESOURCES_TYPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/causes.h"
#include "base/str.h"
#include "schemas/schema.h"

struct jsonpath; /* resources/jsonpath.h */
struct protobuf; /* base/protobuf.h */
struct op;       /* resources/op.h */
struct write;    /* resources/write.h */
struct converter; /* resources/convert.h */
struct text_fields; /* resources/text.h */
struct type;

enum verb {
    VERB_GET, VERB_LIST, VERB_WATCH, VERB_CREATE, VERB_UPDATE, VERB_PATCH, VERB_DELETE, VERB_DELETECOLLECTION,
    VERB_COUNT
};
#define VERB_BIT(v) (1u << (v))
#define VERBS_ALL ((1u << VERB_COUNT) - 1)
/* "get", ..., "deletecollection". */
struct str verb_name(enum verb v);
bool verb_parse(struct str s, enum verb *ret);

/* A workspace and a namespace; only the default workspace ("") exists at first. ns is "" for cluster-scoped types and for all
 * namespaces. */
struct scope {
    struct str workspace, ns;
};

struct type_column {
    struct str name, type, format, description;
    int64_t priority;
    struct jsonpath *path; /* NULL: the strategy's row function fills this cell */
};

enum type_field_test { TYPE_FIELD_EQUAL, TYPE_FIELD_AT_LEAST, TYPE_FIELD_AT_MOST };

/* A field that field selectors may name besides metadata.name and metadata.namespace. */
struct type_field {
    struct str label;      /* "spec.color", "involvedObject.name" */
    struct jsonpath *path; /* where its value is; absent: "" */
    /* A bound: label=N selects objects whose whole number at the path (where there is none, at `other`, which may be NULL) is
     * at least or at most N. Only = is allowed then. */
    enum type_field_test test;
    struct jsonpath *other;
};

struct type_scale {
    struct str spec_path, status_path, selector_path; /* as .spec.replicas; selector STR_NULL: none */
};

struct type_version {
    struct str name; /* "v1" */
    bool served, storage, deprecated;
    struct str warning;    /* of a deprecated version, complete; STR_NULL: none */
    struct schema *schema; /* never NULL */
    struct type_column *columns; /* in order, "Name" not included for custom types (it is always first) */
    size_t n_columns;
    struct type_field *fields;
    size_t n_fields;
    bool status; /* has the status subresource */
    bool has_scale;
    struct type_scale scale;
    struct str openapi_name;  /* com.example.v1.Widget, io.k8s.api.core.v1.ConfigMap */
    struct str api_version;   /* "group/v1" or "v1" */
    struct str header;        /* values stored in this version begin so: {"apiVersion":"..","kind":"..","metadata":{ */
    uint64_t stamp;           /* of this version's shape; other than the storage version's only of use where the type is stored as written */
    uint64_t published;       /* hash of what OpenAPI says of this version (type_published) */
};

/* A subresource besides status and scale of custom types; the status of built-ins is one too. */
struct type_subresource {
    struct str name;
    struct str group, version, kind; /* of its body; "" group and version: the parent's */
    uint32_t verbs;
    /* update, patch: copies from `current` into `obj` what this subresource may not change (obj is the new object and becomes
     * what is stored). NULL where create is used. */
    int (*merge)(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val *current, struct err *err);
    /* create: answers a value without storing anything by itself. body is in d; *ret_answer becomes the body of a 201. On
     * the pool. */
    int (*create)(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *body, yyjson_mut_val **ret_answer, struct err *err);
    /* get: answers any JSON, with an apiVersion and kind of its own or without, from the object as it stands, in the request's
     * version; op->params is the query. NULL: the object itself is answered. On the pool. */
    int (*get)(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val **ret_answer, struct err *err);
    /* update, create, delete without regard to a body: edits obj, which is in the request's version, in place; what follows is an
     * ordinary update of the object (op->subpath says what was meant). Runs inside the write function. */
    int (*change)(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err);
    bool makes; /* where the object is absent, change is given one that has a name and nothing else, and it is created */
    bool absent; /* get is asked where the object is absent, too: with NULL for it */
    bool path;  /* what follows the subresource in the path is the hook's: op->subpath */
    /* Top-level fields that it takes from the stored object whatever it is sent, so that nobody comes to own them through it; ends with NULL. */
    const char *const *resets;
};

/* What is computed where an object would be read: GET of the collection of a virtual type (name ""), or of one name in a collection, which no
 * object may have then. Authorised as get of that name. */
struct type_query {
    struct str name;
    /* Answers any JSON. op->params is the query. On the pool. */
    int (*get)(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer, struct err *err);
};

/* An index in the store over the objects of a type: of each the value at a path, "" where there is none (resources/index.h). */
struct type_index {
    struct str name;       /* "folder" */
    struct str store_name; /* "dashboards.dashboard.grafana.app:folder" */
    struct jsonpath *path;
    struct jsonpath *end, *by; /* of an index of spans (resources/index_span.h): endPath, and byPath or NULL; else NULL */
    bool each;             /* of each text that the path finds */
    uint64_t generation;   /* of its definition */
};

/* What a service adds to its type. Every hook may be NULL; self is type->self. Hooks that take a struct write run inside the
 * write function, perhaps several times, on any thread: no side effects, reads only through resources/write.h. */
struct type_strategy {
    /* Sets and resets fields before validation: what the server owns, what follows from other fields. old NULL: a create. */
    int (*prepare)(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val *old, struct err *err);
    /* Adds causes (422). Runs after the schema's validation. */
    void (*validate)(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old, struct causes *c);
    bool create_on_update; /* a PUT of what does not exist creates it */
    /* Refuses a delete, or marks: called before the object is removed or gets its deletionTimestamp; may change obj (a
     * namespace's phase). */
    int (*before_delete)(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err);
    /* Whether something other than metadata.finalizers still holds a deleted object (a namespace's spec.finalizers). */
    bool (*held)(void *self, const yyjson_mut_val *obj);
    /* Other objects to write in the same transaction (a definition's nothing, a reservation, an index): called last. */
    int (*also)(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old, struct err *err);
    /* Called once after the write is durable, on any thread; must be quick. obj NULL: it was removed. rev: of the change. */
    void (*committed)(void *self, const yyjson_mut_val *obj, const yyjson_mut_val *old, int64_t rev);
    /* Appends the cells of one row in the order of the version's columns, Name included. NULL: from the columns' paths. */
    void (*row)(void *self, const struct type_version *v, yyjson_mut_doc *d, const yyjson_mut_val *obj, yyjson_mut_val *cells);
    /* Rewrites obj, which is in one of this type's shapes (its apiVersion says which), into version `to`; apiVersion and kind are set by
     * the caller afterwards. NULL: only apiVersion differs (the None conversion). */
    int (*convert)(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str to_api_version, struct err *err);
    /* A virtual type: answers a create, stores nothing. On the pool. */
    int (*create)(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj, yyjson_mut_val **ret_answer, struct err *err);
    /* An object that is created without a name or generateName gets a name of 14 letters and digits. */
    bool makes_names;
    /* Checks an object's name; NULL: DNS-1123 subdomain. Adds causes at metadata.name (or generateName: is_prefix). */
    void (*name)(void *self, struct str name, bool is_prefix, const struct path *at, struct causes *c);
    /* Narrows a list, watch or deletecollection to what its user may see, by adding to op->list (selector_among). Once, before it begins. */
    void (*narrow)(void *self, struct op *op);
    /* What decoding does beyond the schema: fields that are for writing only turned into those that are stored. Before anything else is made of obj.
     * Of a type stored as written also what a write starts from, where that lies in another version: whatever convert adds for readers goes. */
    void (*decoded)(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj);
    /* JSON of what is in any object before it is set: fields of a Go struct that the reference always writes. Nobody comes to own them by a create. NULL: nothing. */
    const char *blank;
    /* As a subresource's: what the object's own endpoint resets. Of built-ins; custom types have their rule. */
    const char *const *resets;
};

/* The usual `resets`: {"status"}, and what a status endpoint leaves alone, {"metadata", "spec"}. */
extern const char *const type_resets_status[];
extern const char *const type_resets_but_status[];

struct type {
    _Atomic unsigned refs;
    struct arena arena;        /* everything below lives here */
    struct str group, resource, kind, list_kind, singular;
    struct str group_resource; /* "widgets.example.com"; "configmaps" for the core group */
    const struct str *short_names, *categories;
    size_t n_short_names, n_categories;
    bool namespaced;
    bool custom;               /* the CustomResource dialect (NOTES.md); false: the built-ins' */
    bool virtual_;             /* nothing is stored: create only */
    bool unconditional_update; /* a PUT without resourceVersion is allowed (built-ins) */
    bool returns_deleted;      /* a delete answers the object as it was, not a Status */
    bool generation;           /* metadata.generation is kept */
    bool terminating;          /* its definition is being deleted: creates are refused */
    bool graceful_finalizers;  /* reserved: false */
    bool platform;             /* of the app platform (resources/platform.h) */
    bool hidden;               /* served, but named in no discovery document */
    bool as_written;           /* objects are stored in the version they were written in, and converted when they are read in another */
    uint32_t verbs;
    struct type_version *versions; /* in the document's order */
    size_t n_versions;
    size_t storage;            /* index of the storage version */
    size_t *ordered;           /* indexes of served versions, highest priority first (v2 > v1 > v1beta1 > x), or as the document has them */
    bool in_order;             /* as the document has them; the group's versions begin with them */
    size_t n_served;
    struct type_subresource *subresources;
    size_t n_subresources;
    struct type_query *queries;
    size_t n_queries;
    struct type_index *indexes;
    size_t n_indexes;
    struct text_fields *text;  /* fields that are searched as text; NULL: none */
    struct str prefix;         /* of its keys: "/registry/example.com/widgets/" */
    /* The group, version and kind its bytes are stored in: its own storage version, or another type's (events.k8s.io). */
    struct str stored_api_version, stored_kind;
    struct str header;         /* every value stored with the present stamp begins so: {"apiVersion":"..","kind":"..","metadata":{ */
    uint64_t stamp;            /* of the storage version's shape */
    int64_t born;              /* revision at which its definition came to be: the floor of its watches; 0: a built-in */
    struct str definition_key; /* store key of its CustomResourceDefinition; STR_NULL: document is below */
    struct str document;       /* of a type shipped with the server: the document as JSON, elsewhere in memory that stays */
    struct str uid;            /* of the definition object */
    const struct type_strategy *strategy; /* never NULL; may be all NULL */
    void *self;
    struct converter *converter; /* a reference; NULL: only apiVersion differs between its versions */
    struct protobuf *protobuf; /* its protobuf messages (resources/protobuf_body.h); NULL: it has none */
};

struct type *type_ref(struct type *t);
void type_unref(struct type *t);

/* What a service ships beside a document. */
struct type_extras {
    const struct type_strategy *strategy;
    void *self;
    const struct type_subresource *subresources;
    size_t n_subresources;
    const struct type_query *queries;
    size_t n_queries;
};

/* Makes a type from a definition document (checked and defaulted already: see services/definitions). Beside CRD fields a shipped
 * document may have, in spec.coracle: builtin, virtual, storagePrefix, storedAs {apiVersion, kind}, verbs, unconditionalUpdate,
 * returnsDeleted, generation, platform, hidden, storedAsWritten, versionsInOrder, indexes [{name, jsonPath, endPath, byPath, each}], and in each version's entry openapiName, fields
 * [{label, jsonPath, elsePath, compare: atLeast | atMost}]. The tree is not kept. ERR_INVALID. */
int type_create(const yyjson_mut_val *document, const struct type_extras *extras, struct type **ret, struct err *err);

/* A hash of everything in a definition that its version's OpenAPI is made of: names, scope, schema with its descriptions, subresources,
 * selectable fields. entry: one of spec.versions. Stable over runs. */
uint64_t type_published(const yyjson_mut_val *document, const yyjson_mut_val *entry);

/* NULL: no such version, or not served. */
const struct type_version *type_served(const struct type *t, struct str version);
/* The same for documents that name types: NULL also where it is hidden. */
static inline const struct type_version *type_shown(const struct type *t, struct str version)
{
    return t->hidden ? NULL : type_served(t, version);
}
static inline const struct type_version *type_storage(const struct type *t)
{
    return &t->versions[t->storage];
}
const struct type_subresource *type_subresource(const struct type *t, struct str name);
const struct type_query *type_query(const struct type *t, struct str name);    /* NULL: none */
const struct type_index *type_index(const struct type *t, struct str name);    /* NULL: none */
/* The version whose apiVersion that is, served or not; NULL: none. */
const struct type_version *type_version_of(const struct type *t, struct str api_version);
/* The version in which what is written in v is stored: v itself, or the storage version. */
static inline const struct type_version *type_stored_version(const struct type *t, const struct type_version *v)
{
    return t->as_written ? v : type_storage(t);
}
/* Whether a value stored with that stamp has a present shape of the type. */
bool type_is_current(const struct type *t, uint64_t stamp);

/* The store key of an object: prefix [ns "/"] name, and of a scope: prefix [ns "/"]. In the arena. */
struct str type_key(const struct type *t, struct scope s, struct str name, struct arena *a);
struct str type_scope_prefix(const struct type *t, struct scope s, struct arena *a);
/* Takes a key apart; false when it is not one of this type's. The parts point into key. */
bool type_key_parse(const struct type *t, struct str key, struct str *ret_ns, struct str *ret_name);
/* Compares version names by Kubernetes' priority: negative when a comes first (v2 before v1 before v1beta1 before foo). */
int type_version_compare(struct str a, struct str b);

#endif
