/* SPDX-License-Identifier: Apache-2.0 */
/* The messages that all types share; the field numbers are those of generated.proto in
 * k8s.io/apimachinery's meta/v1 and in k8s.io/api's apidiscovery/v2. */
#include "resources/protobuf_meta.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NAME(s)                                                                                    \
    {                                                                                              \
        "" s, sizeof(s) - 1                                                                        \
    }
#define FIELD(name, number, shape, kind, zero)                                                     \
    {                                                                                              \
        NAME(name), number, PROTOBUF_##kind, PROTOBUF_##shape, PROTOBUF_##zero, NULL               \
    }
#define INNER(name, number, shape, message, zero)                                                  \
    {                                                                                              \
        NAME(name), number, PROTOBUF_MESSAGE, PROTOBUF_##shape, PROTOBUF_##zero,                   \
            &messages[message]                                                                     \
    }

enum {
    OBJECT_META,
    OWNER_REFERENCE,
    MANAGED_FIELDS_ENTRY,
    LIST_META,
    SHARD_INFO,
    STATUS,
    STATUS_DETAILS,
    STATUS_CAUSE,
    DELETE_OPTIONS,
    PRECONDITIONS,
    PARTIAL_OBJECT_METADATA,
    API_VERSIONS,
    SERVER_ADDRESS_BY_CLIENT_CIDR,
    API_GROUP_LIST,
    API_GROUP,
    GROUP_VERSION_FOR_DISCOVERY,
    API_RESOURCE_LIST,
    API_RESOURCE,
    API_GROUP_DISCOVERY_LIST,
    API_GROUP_DISCOVERY,
    API_VERSION_DISCOVERY,
    API_RESOURCE_DISCOVERY,
    GROUP_VERSION_KIND,
    API_SUBRESOURCE_DISCOVERY,
    PARTIAL_OBJECT_METADATA_LIST,
};

static const struct protobuf_message messages[PARTIAL_OBJECT_METADATA_LIST + 1];

static const struct protobuf_field object_meta[] = {
    FIELD("name", 1, ONE, STRING, PLAIN),
    FIELD("generateName", 2, ONE, STRING, PLAIN),
    FIELD("namespace", 3, ONE, STRING, PLAIN),
    FIELD("selfLink", 4, ONE, STRING, PLAIN),
    FIELD("uid", 5, ONE, STRING, PLAIN),
    FIELD("resourceVersion", 6, ONE, STRING, PLAIN),
    FIELD("generation", 7, ONE, INT, PLAIN),
    FIELD("creationTimestamp", 8, ONE, TIME, PLAIN),
    FIELD("deletionTimestamp", 9, ONE, TIME, OPTIONAL),
    FIELD("deletionGracePeriodSeconds", 10, ONE, INT, OPTIONAL),
    FIELD("labels", 11, MAP, STRING, PLAIN),
    FIELD("annotations", 12, MAP, STRING, PLAIN),
    INNER("ownerReferences", 13, LIST, OWNER_REFERENCE, PLAIN),
    FIELD("finalizers", 14, LIST, STRING, PLAIN),
    INNER("managedFields", 17, LIST, MANAGED_FIELDS_ENTRY, PLAIN),
};
static const struct protobuf_field owner_reference[] = {
    FIELD("kind", 1, ONE, STRING, KEEP),
    FIELD("name", 3, ONE, STRING, KEEP),
    FIELD("uid", 4, ONE, STRING, KEEP),
    FIELD("apiVersion", 5, ONE, STRING, KEEP),
    FIELD("controller", 6, ONE, BOOL, OPTIONAL),
    FIELD("blockOwnerDeletion", 7, ONE, BOOL, OPTIONAL),
};
static const struct protobuf_field managed_fields_entry[] = {
    FIELD("manager", 1, ONE, STRING, PLAIN),     FIELD("operation", 2, ONE, STRING, PLAIN),
    FIELD("apiVersion", 3, ONE, STRING, PLAIN),  FIELD("time", 4, ONE, TIME, OPTIONAL),
    FIELD("fieldsType", 6, ONE, STRING, PLAIN),  FIELD("fieldsV1", 7, ONE, RAW, OPTIONAL),
    FIELD("subresource", 8, ONE, STRING, PLAIN),
};
static const struct protobuf_field list_meta[] = {
    FIELD("selfLink", 1, ONE, STRING, PLAIN),
    FIELD("resourceVersion", 2, ONE, STRING, PLAIN),
    FIELD("continue", 3, ONE, STRING, PLAIN),
    FIELD("remainingItemCount", 4, ONE, INT, OPTIONAL),
    INNER("shardInfo", 5, ONE, SHARD_INFO, OPTIONAL),
};
static const struct protobuf_field shard_info[] = {
    FIELD("selector", 1, ONE, STRING, KEEP),
};
static const struct protobuf_field status[] = {
    INNER("metadata", 1, ONE, LIST_META, PLAIN),
    FIELD("status", 2, ONE, STRING, PLAIN),
    FIELD("message", 3, ONE, STRING, PLAIN),
    FIELD("reason", 4, ONE, STRING, PLAIN),
    INNER("details", 5, ONE, STATUS_DETAILS, OPTIONAL),
    FIELD("code", 6, ONE, INT, PLAIN),
};
static const struct protobuf_field status_details[] = {
    FIELD("name", 1, ONE, STRING, PLAIN),           FIELD("group", 2, ONE, STRING, PLAIN),
    FIELD("kind", 3, ONE, STRING, PLAIN),           INNER("causes", 4, LIST, STATUS_CAUSE, PLAIN),
    FIELD("retryAfterSeconds", 5, ONE, INT, PLAIN), FIELD("uid", 6, ONE, STRING, PLAIN),
};
static const struct protobuf_field status_cause[] = {
    FIELD("reason", 1, ONE, STRING, PLAIN),
    FIELD("message", 2, ONE, STRING, PLAIN),
    FIELD("field", 3, ONE, STRING, PLAIN),
};
static const struct protobuf_field delete_options[] = {
    FIELD("gracePeriodSeconds", 1, ONE, INT, OPTIONAL),
    INNER("preconditions", 2, ONE, PRECONDITIONS, OPTIONAL),
    FIELD("orphanDependents", 3, ONE, BOOL, OPTIONAL),
    FIELD("propagationPolicy", 4, ONE, STRING, OPTIONAL),
    FIELD("dryRun", 5, LIST, STRING, PLAIN),
    FIELD("ignoreStoreReadErrorWithClusterBreakingPotential", 6, ONE, BOOL, OPTIONAL),
};
static const struct protobuf_field preconditions[] = {
    FIELD("uid", 1, ONE, STRING, OPTIONAL),
    FIELD("resourceVersion", 2, ONE, STRING, OPTIONAL),
};
static const struct protobuf_field partial_object_metadata[] = {
    INNER("metadata", 1, ONE, OBJECT_META, PLAIN),
};
static const struct protobuf_field api_versions[] = {
    FIELD("versions", 1, LIST, STRING, PLAIN),
    INNER("serverAddressByClientCIDRs", 2, LIST, SERVER_ADDRESS_BY_CLIENT_CIDR, PLAIN),
};
static const struct protobuf_field server_address_by_client_cidr[] = {
    FIELD("clientCIDR", 1, ONE, STRING, KEEP),
    FIELD("serverAddress", 2, ONE, STRING, KEEP),
};
static const struct protobuf_field api_group_list[] = {
    INNER("groups", 1, LIST, API_GROUP, PLAIN),
};
static const struct protobuf_field api_group[] = {
    FIELD("name", 1, ONE, STRING, KEEP),
    INNER("versions", 2, LIST, GROUP_VERSION_FOR_DISCOVERY, PLAIN),
    INNER("preferredVersion", 3, ONE, GROUP_VERSION_FOR_DISCOVERY, PLAIN),
    INNER("serverAddressByClientCIDRs", 4, LIST, SERVER_ADDRESS_BY_CLIENT_CIDR, PLAIN),
};
static const struct protobuf_field group_version_for_discovery[] = {
    FIELD("groupVersion", 1, ONE, STRING, KEEP),
    FIELD("version", 2, ONE, STRING, KEEP),
};
static const struct protobuf_field api_resource_list[] = {
    FIELD("groupVersion", 1, ONE, STRING, KEEP),
    INNER("resources", 2, LIST, API_RESOURCE, PLAIN),
};
static const struct protobuf_field api_resource[] = {
    FIELD("name", 1, ONE, STRING, KEEP),
    FIELD("namespaced", 2, ONE, BOOL, KEEP),
    FIELD("kind", 3, ONE, STRING, KEEP),
    FIELD("verbs", 4, LIST, STRING, PLAIN),
    FIELD("shortNames", 5, LIST, STRING, PLAIN),
    FIELD("singularName", 6, ONE, STRING, KEEP),
    FIELD("categories", 7, LIST, STRING, PLAIN),
    FIELD("group", 8, ONE, STRING, PLAIN),
    FIELD("version", 9, ONE, STRING, PLAIN),
    FIELD("storageVersionHash", 10, ONE, STRING, PLAIN),
};
static const struct protobuf_field api_group_discovery_list[] = {
    INNER("metadata", 1, ONE, LIST_META, PLAIN),
    INNER("items", 2, LIST, API_GROUP_DISCOVERY, PLAIN),
};
static const struct protobuf_field api_group_discovery[] = {
    INNER("metadata", 1, ONE, OBJECT_META, PLAIN),
    INNER("versions", 2, LIST, API_VERSION_DISCOVERY, PLAIN),
};
static const struct protobuf_field api_version_discovery[] = {
    FIELD("version", 1, ONE, STRING, KEEP),
    INNER("resources", 2, LIST, API_RESOURCE_DISCOVERY, PLAIN),
    FIELD("freshness", 3, ONE, STRING, PLAIN),
};
static const struct protobuf_field api_resource_discovery[] = {
    FIELD("resource", 1, ONE, STRING, KEEP),
    INNER("responseKind", 2, ONE, GROUP_VERSION_KIND, OPTIONAL),
    FIELD("scope", 3, ONE, STRING, KEEP),
    FIELD("singularResource", 4, ONE, STRING, KEEP),
    FIELD("verbs", 5, LIST, STRING, PLAIN),
    FIELD("shortNames", 6, LIST, STRING, PLAIN),
    FIELD("categories", 7, LIST, STRING, PLAIN),
    INNER("subresources", 8, LIST, API_SUBRESOURCE_DISCOVERY, PLAIN),
};
static const struct protobuf_field group_version_kind[] = {
    FIELD("group", 1, ONE, STRING, KEEP),
    FIELD("version", 2, ONE, STRING, KEEP),
    FIELD("kind", 3, ONE, STRING, KEEP),
};
static const struct protobuf_field api_subresource_discovery[] = {
    FIELD("subresource", 1, ONE, STRING, KEEP),
    INNER("responseKind", 2, ONE, GROUP_VERSION_KIND, OPTIONAL),
    INNER("acceptedTypes", 3, LIST, GROUP_VERSION_KIND, PLAIN),
    FIELD("verbs", 4, LIST, STRING, PLAIN),
};
static const struct protobuf_field partial_object_metadata_list[] = {
    INNER("metadata", 1, ONE, LIST_META, PLAIN),
    INNER("items", 2, LIST, PARTIAL_OBJECT_METADATA, PLAIN),
};

static const struct protobuf_message messages[] = {
    [OBJECT_META] = {NAME("ObjectMeta"), object_meta, COUNT(object_meta), false},
    [OWNER_REFERENCE] = {NAME("OwnerReference"), owner_reference, COUNT(owner_reference), false},
    [MANAGED_FIELDS_ENTRY] = {NAME("ManagedFieldsEntry"), managed_fields_entry,
                              COUNT(managed_fields_entry), false},
    [LIST_META] = {NAME("ListMeta"), list_meta, COUNT(list_meta), false},
    [SHARD_INFO] = {NAME("ShardInfo"), shard_info, COUNT(shard_info), false},
    [STATUS] = {NAME("Status"), status, COUNT(status), false},
    [STATUS_DETAILS] = {NAME("StatusDetails"), status_details, COUNT(status_details), false},
    [STATUS_CAUSE] = {NAME("StatusCause"), status_cause, COUNT(status_cause), false},
    [DELETE_OPTIONS] = {NAME("DeleteOptions"), delete_options, COUNT(delete_options), false},
    [PRECONDITIONS] = {NAME("Preconditions"), preconditions, COUNT(preconditions), false},
    [PARTIAL_OBJECT_METADATA] = {NAME("PartialObjectMetadata"), partial_object_metadata,
                                 COUNT(partial_object_metadata), false},
    [API_VERSIONS] = {NAME("APIVersions"), api_versions, COUNT(api_versions), false},
    [SERVER_ADDRESS_BY_CLIENT_CIDR] = {NAME("ServerAddressByClientCIDR"),
                                       server_address_by_client_cidr,
                                       COUNT(server_address_by_client_cidr), false},
    [API_GROUP_LIST] = {NAME("APIGroupList"), api_group_list, COUNT(api_group_list), false},
    [API_GROUP] = {NAME("APIGroup"), api_group, COUNT(api_group), false},
    [GROUP_VERSION_FOR_DISCOVERY] = {NAME("GroupVersionForDiscovery"), group_version_for_discovery,
                                     COUNT(group_version_for_discovery), false},
    [API_RESOURCE_LIST] = {NAME("APIResourceList"), api_resource_list, COUNT(api_resource_list),
                           false},
    [API_RESOURCE] = {NAME("APIResource"), api_resource, COUNT(api_resource), false},
    [API_GROUP_DISCOVERY_LIST] = {NAME("APIGroupDiscoveryList"), api_group_discovery_list,
                                  COUNT(api_group_discovery_list), false},
    [API_GROUP_DISCOVERY] = {NAME("APIGroupDiscovery"), api_group_discovery,
                             COUNT(api_group_discovery), false},
    [API_VERSION_DISCOVERY] = {NAME("APIVersionDiscovery"), api_version_discovery,
                               COUNT(api_version_discovery), false},
    [API_RESOURCE_DISCOVERY] = {NAME("APIResourceDiscovery"), api_resource_discovery,
                                COUNT(api_resource_discovery), false},
    [GROUP_VERSION_KIND] = {NAME("GroupVersionKind"), group_version_kind, COUNT(group_version_kind),
                            false},
    [API_SUBRESOURCE_DISCOVERY] = {NAME("APISubresourceDiscovery"), api_subresource_discovery,
                                   COUNT(api_subresource_discovery), false},
    [PARTIAL_OBJECT_METADATA_LIST] = {NAME("PartialObjectMetadataList"),
                                      partial_object_metadata_list,
                                      COUNT(partial_object_metadata_list), false},
};

const struct protobuf protobuf_meta = {NULL, messages, COUNT(messages)};
