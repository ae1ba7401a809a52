/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled schema: the immutable program made from an openAPIV3Schema (Kubernetes' structural form) that prunes,
 * defaults and validates objects. Made once when a definition is accepted, shared by all threads. */
#ifndef SCHEMAS_SCHEMA_H
#define SCHEMAS_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/causes.h"
#include "base/err.h"

struct schema;
struct schema_node; /* one place in it; lives as long as the schema */

struct schema_options {
    bool builtin; /* a type of the system: objects are decoded as the reference decodes its Go types (see schema_decode) */
};

/* Compiles an openAPIV3Schema that schema_check has accepted. The program keeps nothing of the tree (no descriptions); equal
 * sub-schemas share one node. NULL root: an object of which everything is kept. ERR_INVALID: a pattern or a shape that
 * schema_check would have refused. */
int schema_create(const yyjson_mut_val *root, const struct schema_options *o, struct schema **ret, struct err *err);
struct schema *schema_ref(struct schema *s);
void schema_unref(struct schema *s); /* NULL allowed */

/* What the pruning and defaulting program does, as a hash that is stable over runs: part of a type's shape stamp. */
uint64_t schema_shape(const struct schema *s);
bool schema_has_defaults(const struct schema *s);
bool schema_prunes(const struct schema *s);    /* false: the root keeps unknown fields everywhere */
bool schema_has_rules(const struct schema *s); /* x-kubernetes-validations stand somewhere in it */
size_t schema_bytes(const struct schema *s);   /* memory it holds */

/* ---- definitions ---- */

/* Checks that the schema of one version is structural, with the reference's causes (apiextensions validation). at: the path
 * that stands before, as spec.versions[0].schema.openAPIV3Schema. Defaults are checked against their schema too. Unknown
 * keywords are not its business (see schema_prune_definition). */
void schema_check(yyjson_mut_val *root, const struct path *at, struct causes *c);
/* What the reference asks beside that of a version with the status subresource: only certain keywords at the root. */
void schema_check_status_root(const yyjson_mut_val *root, const struct path *at, struct causes *c);
/* Refuses a schema in which a keyword's value has another type than JSONSchemaProps gives it: ERR_BAD_REQUEST in Go's words, as the
 * reference does when it decodes a definition. */
int schema_decode_definition(const yyjson_mut_val *root, const struct path *at, struct err *err);
/* Drops from an openAPIV3Schema what is no keyword of JSONSchemaProps, reporting each path to `unknown` (may be NULL), and puts
 * the rest into the form the reference stores (nothing is renamed; nulls and empty members as its types marshal). */
struct schema_unknown;
void schema_prune_definition(yyjson_mut_doc *d, yyjson_mut_val *root, const struct path *at, struct schema_unknown *unknown);

/* ---- objects ---- */

/* Paths of fields the schema does not know, for fieldValidation: "spec.foo", "spec.list[0].bar". At most LIMIT_UNKNOWN_FIELDS, with
 * about LIMIT_UNKNOWN_BYTES of text; further ones are left out. */
struct schema_unknown {
    struct arena *arena;
    struct str *paths;
    size_t n, cap, bytes;
};
/* Adds a path; u may be NULL. */
void schema_unknown_add(struct schema_unknown *u, const struct path *at);

/* Removes fields the schema does not know, at any depth; apiVersion, kind and metadata of the root and of embedded resources
 * stay. A metadata of an embedded resource keeps its ObjectMeta fields. unknown: where to report them; may be NULL. */
void schema_prune(const struct schema *s, yyjson_mut_val *obj, struct schema_unknown *unknown);

/* Applies defaults in place, dropping nulls of non-nullable fields as the reference does (a null with a default gets the
 * default; without one it is dropped). d: the document obj belongs to. */
void schema_default(const struct schema *s, yyjson_mut_doc *d, yyjson_mut_val *obj);

/* The same, but nulls of non-nullable fields without a default stay, for validation to refuse: what the reference does after an apply. */
void schema_default_only(const struct schema *s, yyjson_mut_doc *d, yyjson_mut_val *obj);

/* Validates everything but the ObjectMeta: types, formats, enum, pattern, ranges, lengths, required, additionalProperties,
 * nullable, int-or-string, list-type set and map, embedded resources' apiVersion/kind/metadata, oneOf/anyOf/allOf/not.
 * old: the object before an update, NULL on create; an error at a value that old has unchanged is not reported (the
 * reference's ratcheting). Messages, causes and order are the reference's. */
void schema_validate(const struct schema *s, yyjson_mut_val *obj, yyjson_mut_val *old, struct causes *c);
/* The same for a write through the status subresource: only obj's status (and, as the reference does, the identity of list
 * items everywhere). old may be NULL. */
void schema_validate_status(const struct schema *s, yyjson_mut_val *obj, yyjson_mut_val *old, struct causes *c);

/* For built-in types: does what decoding into the reference's Go type and writing it back does: drops nulls and empty lists and
 * maps (but those that are required, or x-coracle-keep-empty), gives a null in a list or map Go's zero value, refuses values of another type
 * with ERR_BAD_REQUEST and Go's words ("json: cannot unmarshal number into Go struct field ..."), and reads the formats that are Go types,
 * leaving their canonical form: date-time (metav1.Time), micro-time (MicroTime), quantity, byte. The root's metadata is not looked at. kind:
 * for the message; the names of other structs come from x-coracle-go-type ("v1.LeaseSpec"), or are guessed from their field. */
int schema_decode(const struct schema *s, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str kind, struct err *err);

/* ---- walking, for strategic merge patch, server-side apply and field selectors ---- */

enum schema_list { SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP };

const struct schema_node *schema_root(const struct schema *s);
/* The node of a property, of additionalProperties, or of an embedded object's known field; NULL: not known. NULL in, NULL out. */
const struct schema_node *schema_property(const struct schema_node *n, struct str name);
const struct schema_node *schema_items(const struct schema_node *n);
enum schema_list schema_list_type(const struct schema_node *n);
/* x-kubernetes-list-map-keys. */
size_t schema_list_keys(const struct schema_node *n, const struct str **ret_keys);
bool schema_map_atomic(const struct schema_node *n); /* x-kubernetes-map-type: atomic */
bool schema_preserves(const struct schema_node *n);  /* x-kubernetes-preserve-unknown-fields */
/* x-kubernetes-patch-strategy ("merge", "replace", "retainKeys" or a list of them) and -merge-key; STR_NULL: none. */
struct str schema_patch_strategy(const struct schema_node *n);
struct str schema_patch_merge_key(const struct schema_node *n);

/* What server-side apply sees of a node: the shapes a value may have there and what each holds (the reference's schemaconv). */
enum schema_scalar {
    SCHEMA_SCALAR_NONE,
    SCHEMA_SCALAR_NUMBER,
    SCHEMA_SCALAR_STRING,
    SCHEMA_SCALAR_BOOLEAN,
    SCHEMA_SCALAR_ANY, /* strings with a format too */
};
/* Members of a map that are no struct fields. */
enum schema_rest {
    SCHEMA_REST_NODE, /* of additionalProperties' schema */
    SCHEMA_REST_ANY,  /* whatever they are */
    SCHEMA_REST_NONE, /* there are none */
    SCHEMA_REST_KEPT, /* none, but where a node above preserves unknown fields: whatever they are */
};
struct schema_view {
    enum schema_scalar scalar;
    bool map, list;
    bool fields;    /* the map has struct fields */
    bool preserves; /* of what is beneath, too */
    bool atomic;    /* the map is */
    enum schema_list list_type;
    enum schema_rest rest;
    const struct schema_node *rest_node, *items; /* NULL: none is given */
};
void schema_view(const struct schema_node *n, struct schema_view *ret);
/* Whether a map's member is a struct field, and its node. *hint is 0 before the first; names that come sorted are found at once. *ret_own:
 * the node is the system's (ObjectMeta), not beneath n. */
bool schema_field(const struct schema_node *n, struct str name, uint32_t *hint, const struct schema_node **ret, bool *ret_own);
/* The default of a node, in the schema; NULL: none. */
const yyjson_mut_val *schema_default_of(const struct schema_node *n);
/* "string", "integer", "number", "boolean", "object", "array", or STR_NULL for any. */
struct str schema_type(const struct schema_node *n);

#endif
