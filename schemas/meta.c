/* SPDX-License-Identifier: Apache-2.0 */
/* ObjectMeta as a program: what the metadata of every object and of embedded resources may hold. */
#include "schemas/schema_priv.h"

#define S(lit)                                                                                     \
    {                                                                                              \
        lit, sizeof(lit) - 1                                                                       \
    }
#define PROP(lit, n)                                                                               \
    {                                                                                              \
        .name = S(lit), .node = (n), .required = -1, .fill = -1                                    \
    }
#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define LEAF (NODE_PRUNES | NODE_CHECKS)
#define DEEP (NODE_PRUNES | NODE_FILLS | NODE_CHECKS)

const struct schema_node schema_node_string = {.flags = LEAF, .kind = KIND_STRING};

static const struct schema_node boolean = {.flags = LEAF, .kind = KIND_BOOLEAN};
static const struct schema_node int64 = {
    .flags = LEAF, .kind = KIND_INTEGER, .format = FORMAT_INT64, .format_text = S("int64")};
static const struct schema_node moment = {
    .flags = LEAF, .kind = KIND_STRING, .format = FORMAT_DATE_TIME, .format_text = S("date-time")};
static const struct schema_node moment_maybe = {.flags = LEAF | NODE_NULLABLE,
                                                .kind = KIND_STRING,
                                                .format = FORMAT_DATE_TIME,
                                                .format_text = S("date-time")};
static const struct schema_node string_map = {
    .flags = DEEP, .kind = KIND_OBJECT, .additional = &schema_node_string};

static const struct schema_builtin merged = {.patch_strategy = S("merge")};
static const struct schema_node finalizers = {.flags = DEEP,
                                              .kind = KIND_ARRAY,
                                              .list_type = SCHEMA_LIST_SET,
                                              .items = &schema_node_string,
                                              .builtin = &merged};

static const struct schema_prop owner_props[] = {
    PROP("apiVersion", &schema_node_string),
    PROP("blockOwnerDeletion", &boolean),
    PROP("controller", &boolean),
    PROP("kind", &schema_node_string),
    PROP("name", &schema_node_string),
    PROP("uid", &schema_node_string),
};
static const struct schema_builtin owner_type = {.go_type = S("v1.OwnerReference")};
static const struct schema_node owner = {.flags = DEEP | NODE_MAP_ATOMIC,
                                         .kind = KIND_OBJECT,
                                         .props = owner_props,
                                         .n_props = COUNT(owner_props),
                                         .builtin = &owner_type};
static const struct str owner_keys[] = {S("uid")};
static const struct schema_builtin merged_by_uid = {.patch_strategy = S("merge"),
                                                    .patch_merge_key = S("uid")};
static const struct schema_node owners = {.flags = DEEP,
                                          .kind = KIND_ARRAY,
                                          .list_type = SCHEMA_LIST_MAP,
                                          .list_keys = owner_keys,
                                          .n_list_keys = COUNT(owner_keys),
                                          .items = &owner,
                                          .builtin = &merged_by_uid};

static const struct schema_node fields = {.flags = NODE_PRESERVE};
static const struct schema_prop managed_props[] = {
    PROP("apiVersion", &schema_node_string),
    PROP("fieldsType", &schema_node_string),
    PROP("fieldsV1", &fields),
    PROP("manager", &schema_node_string),
    PROP("operation", &schema_node_string),
    PROP("subresource", &schema_node_string),
    PROP("time", &moment),
};
static const struct schema_builtin managed_type = {.go_type = S("v1.ManagedFieldsEntry")};
static const struct schema_node managed = {.flags = DEEP,
                                           .kind = KIND_OBJECT,
                                           .props = managed_props,
                                           .n_props = COUNT(managed_props),
                                           .builtin = &managed_type};
static const struct schema_node all_managed = {
    .flags = DEEP, .kind = KIND_ARRAY, .items = &managed};

static const struct schema_prop meta_props[] = {
    PROP("annotations", &string_map),
    PROP("creationTimestamp", &moment_maybe),
    PROP("deletionGracePeriodSeconds", &int64),
    PROP("deletionTimestamp", &moment),
    PROP("finalizers", &finalizers),
    PROP("generateName", &schema_node_string),
    PROP("generation", &int64),
    PROP("labels", &string_map),
    PROP("managedFields", &all_managed),
    PROP("name", &schema_node_string),
    PROP("namespace", &schema_node_string),
    PROP("ownerReferences", &owners),
    PROP("resourceVersion", &schema_node_string),
    PROP("selfLink", &schema_node_string),
    PROP("uid", &schema_node_string),
};
static const struct schema_builtin meta_type = {.go_type = S("v1.ObjectMeta")};
const struct schema_node schema_node_meta = {.flags = DEEP,
                                             .kind = KIND_OBJECT,
                                             .props = meta_props,
                                             .n_props = COUNT(meta_props),
                                             .builtin = &meta_type};
