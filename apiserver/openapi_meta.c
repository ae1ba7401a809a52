/* SPDX-License-Identifier: Apache-2.0 */
/* The definitions that every type refers to, written once and printed in the form of either OpenAPI
 * version. Names and types are those of Kubernetes' meta/v1 and autoscaling/v1: kubectl refuses
 * fields that are not here. */
#include "apiserver/openapi_priv.h"

#define CONVENTIONS                                                                                \
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
#define RUNTIME "io.k8s.apimachinery.pkg.runtime."
#define SCALING "io.k8s.api.autoscaling.v1."

#define API_VERSION                                                                                \
    {                                                                                              \
        "apiVersion", "string",                                                                    \
            "APIVersion defines the versioned schema of this representation of an object. "        \
            "Servers should convert recognized "                                                   \
            "schemas to the latest internal value, and may reject unrecognized values. More "      \
            "info: " CONVENTIONS "#resources",                                                     \
            NULL                                                                                   \
    }
#define KIND                                                                                       \
    {                                                                                              \
        "kind", "string",                                                                          \
            "Kind is a string value representing the REST resource this object represents. "       \
            "Servers may infer this from the "                                                     \
            "endpoint the client submits requests to. Cannot be updated. In CamelCase. More "      \
            "info: " CONVENTIONS "#types-kinds",                                                   \
            NULL                                                                                   \
    }

enum { PROPERTIES_MAX = 18 };

/* type: "string", "boolean", "int32", "int64", "date-time", "object", "#NAME" for another
 * definition; "[]T" a list, "{}T" a map. */
struct property {
    const char *name, *type, *description;
    const char *more; /* further members, as JSON */
};

struct definition {
    const char *name, *description;
    const char *type; /* NULL: an object of these properties */
    struct property properties[PROPERTIES_MAX];
    const char *required; /* a JSON list */
    const char *more;
};

#define GVK(group, version, kind)                                                                  \
    "\"x-kubernetes-group-version-kind\":[{\"group\":\"" group "\",\"kind\":\"" kind               \
    "\",\"version\":\"" version "\"}]"
#define LIST_TYPE(t) "\"x-kubernetes-list-type\":\"" t "\""

static const struct definition definitions[] = {
    {.name = SCALING "Scale",
     .description = "Scale represents a scaling request for a resource.",
     .properties = {API_VERSION,
                    KIND,
                    {"metadata", "#" OPENAPI_META "ObjectMeta", "Standard object metadata.", NULL},
                    {"spec", "#" SCALING "ScaleSpec", "The wanted scale.", NULL},
                    {"status", "#" SCALING "ScaleStatus", "The observed scale. Read-only.", NULL}},
     .more = GVK("autoscaling", "v1", "Scale")},
    {.name = SCALING "ScaleSpec",
     .description = "ScaleSpec describes the wanted scale.",
     .properties = {{"replicas", "int32", "The number of instances wanted.", NULL}}},
    {.name = SCALING "ScaleStatus",
     .description = "ScaleStatus is the observed scale.",
     .properties = {{"replicas", "int32", "The number of instances observed.", NULL},
                    {"selector", "string",
                     "A label selector, as text, for the instances that are counted.", NULL}},
     .required = "[\"replicas\"]"},
    {.name = OPENAPI_META "DeleteOptions",
     .description = "DeleteOptions may be provided when deleting an API object.",
     .properties = {API_VERSION,
                    {"dryRun", "[]string", "With All, everything is done but storing the result.",
                     LIST_TYPE("atomic")},
                    {"gracePeriodSeconds", "int64",
                     "Seconds before the object is to be deleted; zero deletes at once. Without it "
                     "the type's own period applies.",
                     NULL},
                    {"ignoreStoreReadErrorWithClusterBreakingPotential", "boolean",
                     "Delete the object although it can no longer be read from the store.", NULL},
                    KIND,
                    {"orphanDependents", "boolean",
                     "Deprecated: use propagationPolicy. Whether dependents are left behind.",
                     NULL},
                    {"preconditions", "#" OPENAPI_META "Preconditions",
                     "What must hold for the deletion to be carried out; otherwise the answer is "
                     "409 Conflict.",
                     NULL},
                    {"propagationPolicy", "string",
                     "How dependents are collected: Orphan leaves them, Background deletes them "
                     "after the object, Foreground before it.",
                     NULL}},
     .more = GVK("", "v1", "DeleteOptions")},
    {.name = OPENAPI_META "FieldsV1",
     .description =
         "FieldsV1 is a set of fields as a tree: each key is . for the value itself, f:NAME for a "
         "field, k:KEYS for "
         "the list item with these keys, v:VALUE for the item of that value, or i:INDEX.",
     .type = "object"},
    {.name = OPENAPI_META "ListMeta",
     .description = "ListMeta is the metadata of lists and of Status.",
     .properties = {{"continue", "string",
                     "Set when the list was cut at its limit: the token that the next request "
                     "gives to go on from there.",
                     NULL},
                    {"remainingItemCount", "int64",
                     "How many items follow those in this answer, where that is known. It may be "
                     "an estimate.",
                     NULL},
                    {"resourceVersion", "string",
                     "The version of the whole collection that the list shows; watches begin from "
                     "it. Opaque to clients.",
                     NULL},
                    {"selfLink", "string", "Deprecated: no longer set.", NULL}}},
    {.name = OPENAPI_META "ManagedFieldsEntry",
     .description = "ManagedFieldsEntry says which fields one manager set last, by one operation.",
     .properties = {{"apiVersion", "string",
                     "The version of the object that the fields are written in.", NULL},
                    {"fieldsType", "string", "The form of the set of fields: FieldsV1.", NULL},
                    {"fieldsV1", "#" OPENAPI_META "FieldsV1", "The set of fields.", NULL},
                    {"manager", "string", "The name of the manager.", NULL},
                    {"operation", "string", "Apply or Update.", NULL},
                    {"subresource", "string",
                     "The subresource by which the fields were set; empty for the main resource.",
                     NULL},
                    {"time", "#" OPENAPI_META "Time", "When the entry was added or last changed.",
                     NULL}}},
    {.name = OPENAPI_META "MicroTime",
     .description = "MicroTime is a time in RFC 3339 form with six digits of fraction.",
     .type = "date-time"},
    {.name = OPENAPI_META "ObjectMeta",
     .description = "ObjectMeta is the metadata that every stored object has.",
     .properties =
         {{"annotations", "{}string",
           "A map of keys to any text that tools and people attach to the object. Selectors do not "
           "see it. More info: "
           "https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations",
           NULL},
          {"creationTimestamp", "#" OPENAPI_META "Time",
           "When the object was created, in the server's time. Set by the server. Read-only.",
           NULL},
          {"deletionGracePeriodSeconds", "int64",
           "Seconds the object has to end gracefully before it is removed. Only with "
           "deletionTimestamp. Read-only.",
           NULL},
          {"deletionTimestamp", "#" OPENAPI_META "Time",
           "When the deletion of the object was asked for. The object is removed once it has no "
           "finalizers. Read-only.",
           NULL},
          {"finalizers", "[]string",
           "What must be done before the object may be removed. Each is taken off the list by "
           "whoever put it there; while the "
           "object is being deleted none may be added.",
           LIST_TYPE("set") ",\"x-kubernetes-patch-strategy\":\"merge\""},
          {"generateName", "string",
           "A prefix from which the server makes a name that is not taken, where name is not "
           "given.",
           NULL},
          {"generation", "int64",
           "A number that grows with each change of the wanted state. Read-only.", NULL},
          {"labels", "{}string",
           "A map of keys to values by which objects are organised and selected. More info: "
           "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels",
           NULL},
          {"managedFields", "[]#" OPENAPI_META "ManagedFieldsEntry",
           "Which manager set which fields. Kept by the server for server-side apply.",
           LIST_TYPE("atomic")},
          {"name", "string",
           "The name of the object, unique among those of its type in its namespace. It cannot be "
           "changed.",
           NULL},
          {"namespace", "string",
           "The namespace within which the name is unique; empty for objects of the cluster. It "
           "cannot be changed.",
           NULL},
          {"ownerReferences", "[]#" OPENAPI_META "OwnerReference",
           "The objects that this one depends on. When all of them are gone it is deleted too. At "
           "most one is the controller.",
           "\"x-kubernetes-list-map-keys\":[\"uid\"]," LIST_TYPE(
               "map") ",\"x-kubernetes-patch-merge-key\":\"uid\",\"x-kubernetes-"
                      "patch-strategy\":\"merge\""},
          {"resourceVersion", "string",
           "The version of the object, opaque to clients, for optimistic concurrency and watches. "
           "Set by the server.",
           NULL},
          {"selfLink", "string", "Deprecated: no longer set.", NULL},
          {"uid", "string",
           "A value unique in time and space for this object. Set by the server. Read-only.",
           NULL}}},
    {.name = OPENAPI_META "OwnerReference",
     .description =
         "OwnerReference names an owner: an object of the same namespace or of the cluster.",
     .properties = {{"apiVersion", "string", "The API version of the owner.", NULL},
                    {"blockOwnerDeletion", "boolean",
                     "Whether this object must be gone before an owner that is deleted in the "
                     "foreground is removed.",
                     NULL},
                    {"controller", "boolean",
                     "Whether the owner is the controller that manages this object.", NULL},
                    {"kind", "string",
                     "The kind of the owner. More info: " CONVENTIONS "#types-kinds", NULL},
                    {"name", "string", "The name of the owner.", NULL},
                    {"uid", "string", "The uid of the owner.", NULL}},
     .required = "[\"apiVersion\",\"kind\",\"name\",\"uid\"]",
     .more = "\"x-kubernetes-map-type\":\"atomic\""},
    {.name = OPENAPI_META "Patch",
     .description = "Patch is the body of a PATCH request, in the form that its Content-Type says.",
     .type = "object"},
    {.name = OPENAPI_META "Preconditions",
     .description = "Preconditions must hold before an operation is carried out.",
     .properties = {{"resourceVersion", "string", "The resourceVersion that the object must have.",
                     NULL},
                    {"uid", "string", "The uid that the object must have.", NULL}}},
    {.name = OPENAPI_META "Status",
     .description = "Status is the answer of calls that do not return other objects.",
     .properties = {API_VERSION,
                    {"code", "int32", "The HTTP code of the answer; 0 if not set.", NULL},
                    {"details", "#" OPENAPI_META "StatusDetails",
                     "More about the reason, in a form of its own for each reason.",
                     LIST_TYPE("atomic")},
                    KIND,
                    {"message", "string", "What happened, for people.", NULL},
                    {"metadata", "#" OPENAPI_META "ListMeta", "Standard list metadata.", NULL},
                    {"reason", "string", "Why the call failed, as a word that programs compare.",
                     NULL},
                    {"status", "string", "Success or Failure.", NULL}},
     .more = GVK("", "v1", "Status")},
    {.name = OPENAPI_META "StatusCause",
     .description = "StatusCause is one of several causes of a failure.",
     .properties = {{"field", "string", "The field that caused it, as a path: name, items[0].name.",
                     NULL},
                    {"message", "string", "What is wrong, for people.", NULL},
                    {"reason", "string", "The cause, as a word that programs compare.", NULL}}},
    {.name = OPENAPI_META "StatusDetails",
     .description = "StatusDetails says which object a failure is about and why.",
     .properties = {{"causes", "[]#" OPENAPI_META "StatusCause", "The causes of the failure.",
                     LIST_TYPE("atomic")},
                    {"group", "string", "The group of the resource.", NULL},
                    {"kind", "string", "The kind or the plural of the resource.", NULL},
                    {"name", "string", "The name of the object.", NULL},
                    {"retryAfterSeconds", "int32",
                     "Seconds after which the call may be tried again.", NULL},
                    {"uid", "string", "The uid of the object.", NULL}}},
    {.name = OPENAPI_META "Time",
     .description = "Time is a time in RFC 3339 form.",
     .type = "date-time"},
    {.name = OPENAPI_META "WatchEvent",
     .description = "Event is one event of a watch.",
     .properties = {{"object", "#" RUNTIME "RawExtension",
                     "The object after ADDED and MODIFIED, before DELETED; a Status with ERROR.",
                     NULL},
                    {"type", "string", "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.", NULL}},
     .required = "[\"type\",\"object\"]",
     .more = GVK("", "v1", "WatchEvent")},
    {.name = RUNTIME "RawExtension",
     .description = "RawExtension is an object of any kind.",
     .type = "object"},
    {.name = "io.k8s.apimachinery.pkg.version.Info",
     .description = "Info says which version a server is.",
     .properties = {{"buildDate", "string", "When it was built.", NULL},
                    {"compiler", "string", "What it was compiled with.", NULL},
                    {"gitCommit", "string", "The commit it was built from.", NULL},
                    {"gitTreeState", "string", "Whether the tree was clean.", NULL},
                    {"gitVersion", "string", "The full version.", NULL},
                    {"goVersion", "string", "The Go version, for servers written in it.", NULL},
                    {"major", "string", "The major version.", NULL},
                    {"minor", "string", "The minor version.", NULL},
                    {"platform", "string", "Operating system and architecture.", NULL}},
     .required = "[\"major\",\"minor\",\"gitVersion\",\"gitCommit\",\"gitTreeState\",\"buildDate\","
                 "\"goVersion\",\"compiler\","
                 "\"platform\"]"},
};

const char *openapi_ref_prefix(enum openapi_form form)
{
    return form == OPENAPI_V2 ? "#/definitions/" : "#/components/schemas/";
}

/* Appends the members of a schema of this type, without braces. */
static void write_type(struct buf *b, enum openapi_form form, const char *type)
{
    if (strncmp(type, "[]", 2) == 0) {
        buf_addz(b, "\"type\":\"array\",\"items\":{");
        write_type(b, form, type + 2);
        buf_addc(b, '}');
    } else if (strncmp(type, "{}", 2) == 0) {
        buf_addz(b, "\"type\":\"object\",\"additionalProperties\":{");
        write_type(b, form, type + 2);
        buf_addc(b, '}');
    } else if (*type == '#') {
        buf_printf(b, "\"$ref\":\"%s%s\"", openapi_ref_prefix(form), type + 1);
    } else if (strncmp(type, "int", 3) == 0) {
        buf_printf(b, "\"type\":\"integer\",\"format\":\"%s\"", type);
    } else if (strcmp(type, "date-time") == 0) {
        buf_addz(b, "\"type\":\"string\",\"format\":\"date-time\"");
    } else {
        buf_printf(b, "\"type\":\"%s\"", type);
    }
}

static void write_more(struct buf *b, const char *more)
{
    if (more) {
        buf_addc(b, ',');
        buf_addz(b, more);
    }
}

static void write_properties(struct buf *b, enum openapi_form form, const struct definition *d)
{
    buf_addz(b, "\"type\":\"object\"");
    if (d->required) {
        buf_addz(b, ",\"required\":");
        buf_addz(b, d->required);
    }
    buf_addz(b, ",\"properties\":{");
    for (size_t i = 0; i < PROPERTIES_MAX && d->properties[i].name; i++) {
        const struct property *p = &d->properties[i];
        buf_printf(b, "%s\"%s\":{\"description\":", i ? "," : "", p->name);
        buf_add_json(b, str_from(p->description));
        buf_addc(b, ',');
        write_type(b, form, p->type);
        write_more(b, p->more);
        buf_addc(b, '}');
    }
    buf_addc(b, '}');
}

void openapi_meta_write(struct buf *b, enum openapi_form form)
{
    for (size_t i = 0; i < sizeof(definitions) / sizeof(*definitions); i++) {
        const struct definition *d = &definitions[i];
        buf_printf(b, "%s\"%s\":{\"description\":", i ? "," : "", d->name);
        buf_add_json(b, str_from(d->description));
        buf_addc(b, ',');
        if (d->type) {
            write_type(b, form, d->type);
        } else {
            write_properties(b, form, d);
        }
        write_more(b, d->more);
        buf_addc(b, '}');
    }
}
