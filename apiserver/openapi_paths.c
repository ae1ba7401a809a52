/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of a type in either OpenAPI version: which operations there are, what they take and
 * what they answer. Clients look for the query parameters of PATCH (dryRun, fieldValidation) and
 * for x-kubernetes-group-version-kind. */
#include "apiserver/openapi_priv.h"

#include <ctype.h>

#include "apiserver/discovery_priv.h"

/* ---- parameters ---- */

static const struct parameter {
    const char *name, *type, *description;
} parameters[] = {
    {"allowWatchBookmarks", "boolean",
     "Asks for events of type BOOKMARK, which only carry a resourceVersion. Servers need not send "
     "them. Only with watch."},
    {"continue", "string",
     "The token of a list that was cut at its limit: goes on from there, as the list was then."},
    {"dryRun", "string", "With All, everything is done but storing the result."},
    {"fieldManager", "string",
     "The name under which the fields that change are recorded. At most 128 characters."},
    {"fieldSelector", "string",
     "Restricts the objects by their fields: metadata.name=x,spec.color!=red."},
    {"fieldValidation", "string",
     "What to do about unknown and duplicate fields: Ignore drops them, Warn (the default) drops "
     "them with a warning each, Strict "
     "refuses the request."},
    {"force", "boolean", "Takes fields over from other managers. Only with apply patches."},
    {"gracePeriodSeconds", "integer",
     "Seconds before the object is to be deleted; zero deletes at once."},
    {"ignoreStoreReadErrorWithClusterBreakingPotential", "boolean",
     "Delete the object although it can no longer be read from the store."},
    {"labelSelector", "string",
     "Restricts the objects by their labels: app=web,tier in (a,b),!old."},
    {"limit", "integer",
     "At most so many objects in one answer; continue of the list then asks for the rest."},
    {"orphanDependents", "boolean",
     "Deprecated: use propagationPolicy. Whether dependents are left behind."},
    {"propagationPolicy", "string",
     "How dependents are collected: Orphan, Background or Foreground."},
    {"resourceVersion", "string",
     "The version that the answer must be at or, by resourceVersionMatch, not older than."},
    {"resourceVersionMatch", "string",
     "How resourceVersion is meant: Exact or NotOlderThan. Only with resourceVersion."},
    {"sendInitialEvents", "boolean",
     "The watch begins with the objects there are, as ADDED events, and then a bookmark. Needs "
     "resourceVersionMatch=NotOlderThan."},
    {"shardSelector", "string",
     "Lists or watches the objects whose uid or namespace hashes (64-bit FNV-1a) into the given "
     "ranges, start inclusive, end exclusive: shardRange(object.metadata.uid, "
     "'0x0000000000000000', '0x8000000000000000'), several joined by ||."},
    {"timeoutSeconds", "integer", "Ends the list or watch after so many seconds."},
    {"watch", "boolean", "Streams the changes as events instead of listing the objects."},
};

enum parameter_index {
    P_BOOKMARKS,
    P_CONTINUE,
    P_DRY_RUN,
    P_FIELD_MANAGER,
    P_FIELD_SELECTOR,
    P_FIELD_VALIDATION,
    P_FORCE,
    P_GRACE,
    P_IGNORE_READ_ERROR,
    P_LABEL_SELECTOR,
    P_LIMIT,
    P_ORPHAN,
    P_PROPAGATION,
    P_RESOURCE_VERSION,
    P_MATCH,
    P_INITIAL_EVENTS,
    P_SHARD,
    P_TIMEOUT,
    P_WATCH,
    P_COUNT
};
_Static_assert(P_COUNT == sizeof(parameters) / sizeof(*parameters), "one index a parameter");

#define P(i) (1u << (i))
#define P_SELECT (P(P_FIELD_SELECTOR) | P(P_LABEL_SELECTOR))
#define P_PAGES                                                                                    \
    (P(P_CONTINUE) | P(P_LIMIT) | P(P_RESOURCE_VERSION) | P(P_MATCH) | P(P_INITIAL_EVENTS) |       \
     P(P_SHARD) | P(P_TIMEOUT))
#define P_LIST (P_SELECT | P_PAGES | P(P_BOOKMARKS) | P(P_WATCH))
#define P_WRITE (P(P_DRY_RUN) | P(P_FIELD_MANAGER) | P(P_FIELD_VALIDATION))
#define P_DELETE                                                                                   \
    (P(P_DRY_RUN) | P(P_GRACE) | P(P_IGNORE_READ_ERROR) | P(P_ORPHAN) | P(P_PROPAGATION))

/* ---- operations ---- */

enum body { BODY_NONE, BODY_OBJECT, BODY_PATCH, BODY_DELETE };
enum reply { REPLY_OBJECT, REPLY_LIST, REPLY_STATUS };

static const struct operation {
    enum verb verb;
    bool item; /* of an object; false: of a collection */
    const char *method, *action, *name;
    uint32_t parameters;
    enum body body;
    enum reply reply;
    const char *further; /* a success code beside 200; NULL: none */
} operations[] = {
    {VERB_LIST, false, "get", "list", "list", P_LIST, BODY_NONE, REPLY_LIST, NULL},
    {VERB_CREATE, false, "post", "post", "create", P_WRITE, BODY_OBJECT, REPLY_OBJECT, "201"},
    {VERB_DELETECOLLECTION, false, "delete", "deletecollection", "delete",
     P_SELECT | P_PAGES | P_DELETE, BODY_DELETE, REPLY_STATUS, NULL},
    {VERB_GET, true, "get", "get", "read", P(P_RESOURCE_VERSION), BODY_NONE, REPLY_OBJECT, NULL},
    {VERB_UPDATE, true, "put", "put", "replace", P_WRITE, BODY_OBJECT, REPLY_OBJECT, "201"},
    {VERB_DELETE, true, "delete", "delete", "delete", P_DELETE, BODY_DELETE, REPLY_STATUS, "202"},
    {VERB_PATCH, true, "patch", "patch", "patch", P_WRITE | P(P_FORCE), BODY_PATCH, REPLY_OBJECT,
     NULL},
};

/* One path being written: a collection, an object or a subresource. */
struct endpoint {
    struct buf *b;
    enum openapi_form form;
    const struct registry_snapshot *types;
    const struct type *type;
    const struct type_version *version;
    bool *first;
    bool namespaced;                 /* {namespace} is in it */
    bool item;                       /* {name} is in it */
    const struct discovery_sub *sub; /* NULL: none */
    uint32_t verbs;
};

static void write_ref(struct buf *b, enum openapi_form form, struct str name)
{
    buf_printf(b, "{\"$ref\":\"%s%.*s\"}", openapi_ref_prefix(form), STR_FMT(name));
}

/* Appends the reference to the kind of a subresource: the parent's, one the server has, or, of an
 * unknown one, any object. */
static void write_sub_ref(const struct endpoint *p)
{
    const struct discovery_sub *s = p->sub;
    if (!s->version.len && str_eq(s->kind, p->type->kind)) {
        write_ref(p->b, p->form, p->version->openapi_name);
    } else if (str_is(s->group, "autoscaling") && str_is(s->kind, "Scale")) {
        write_ref(p->b, p->form, STR("io.k8s.api.autoscaling.v1.Scale"));
    } else {
        const struct type *t = registry_find_kind(p->types, s->group, s->kind);
        const struct type_version *v = t ? type_served(t, s->version) : NULL;
        bool here = v && (p->form == OPENAPI_V2 || (v == type_served(t, p->version->name) &&
                                                    str_eq(t->group, p->type->group)));
        if (here) {
            write_ref(p->b, p->form, v->openapi_name);
        } else {
            buf_addz(p->b, "{\"type\":\"object\"}");
        }
    }
}

static void write_object_ref(const struct endpoint *p)
{
    if (p->sub) {
        write_sub_ref(p);
    } else {
        write_ref(p->b, p->form, p->version->openapi_name);
    }
}

static void write_reply_schema(const struct endpoint *p, enum reply r)
{
    if (r == REPLY_STATUS) {
        write_ref(p->b, p->form, STR(OPENAPI_META "Status"));
    } else if (r == REPLY_LIST) {
        struct buf name = {0};
        openapi_list_name(&name, p->type, p->version);
        write_ref(p->b, p->form, buf_str(&name));
        buf_finish(&name);
    } else {
        write_object_ref(p);
    }
}

static void write_body_schema(const struct endpoint *p, enum body body)
{
    if (body == BODY_PATCH) {
        write_ref(p->b, p->form, STR(OPENAPI_META "Patch"));
    } else if (body == BODY_DELETE) {
        write_ref(p->b, p->form, STR(OPENAPI_META "DeleteOptions"));
    } else {
        write_object_ref(p);
    }
}

/* "stable.example.com" as "StableExampleCom", "rbac.authorization.k8s.io" as "RbacAuthorization",
 * "" as "Core". */
static void write_group_words(struct buf *b, struct str group, bool lower)
{
    struct str rest = group.len ? group : STR("core");
    if (str_ends(rest, STR(".k8s.io"))) {
        rest.len -= sizeof(".k8s.io") - 1;
    }
    for (bool up = !lower; rest.len; rest = str_skip(rest, 1)) {
        unsigned char c = (unsigned char)*rest.ptr;
        bool word = isalnum(c);
        if (word) {
            buf_addc(b, (char)(up ? toupper(c) : c));
        }
        up = !word;
    }
}

static void write_title(struct buf *b, struct str s)
{
    if (s.len) {
        buf_addc(b, (char)toupper((unsigned char)*s.ptr));
        buf_add(b, str_skip(s, 1));
    }
}

/* listStableExampleComV1NamespacedCronTab, as the reference names operations. */
static void write_operation_id(const struct endpoint *p, const struct operation *o)
{
    struct buf *b = p->b;
    bool all = o->reply == REPLY_LIST && p->type->namespaced && !p->namespaced;
    buf_addz(b, "\"operationId\":\"");
    buf_addz(b, o->name);
    write_group_words(b, p->type->group, false);
    write_title(b, p->version->name);
    bool collection = o->verb == VERB_DELETECOLLECTION;
    buf_addz(b, collection ? "Collection" : "");
    buf_addz(b, p->namespaced ? "Namespaced" : "");
    buf_add(b, p->type->kind);
    if (p->sub) {
        write_title(b, p->sub->name);
    }
    buf_addz(b, all ? "ForAllNamespaces\"" : "\"");
}

static void write_description(const struct endpoint *p, const struct operation *o)
{
    const char *what = o->verb == VERB_LIST               ? "list objects of kind "
                       : o->verb == VERB_CREATE           ? "create a "
                       : o->verb == VERB_DELETECOLLECTION ? "delete collection of "
                       : o->verb == VERB_DELETE           ? "delete a "
                       : o->verb == VERB_PATCH            ? "partially update "
                       : o->verb == VERB_GET              ? "read "
                                                          : "replace ";
    buf_addz(p->b, "\"description\":\"");
    buf_addz(p->b, what);
    if (p->sub) {
        buf_add(p->b, p->sub->name);
        buf_addz(p->b, " of ");
    }
    if (o->item && o->verb != VERB_DELETE) {
        buf_addz(p->b, "the specified ");
    }
    buf_add(p->b, p->type->kind);
    buf_addz(p->b, "\",");
}

/* A query or path parameter in full. */
static void write_parameter(struct buf *b, enum openapi_form form, const char *name, const char *in,
                            const char *type, const char *description)
{
    buf_printf(b, "{\"name\":\"%s\",\"in\":\"%s\",\"description\":", name, in);
    buf_add_json(b, str_from(description));
    if (strcmp(in, "path") == 0) {
        buf_addz(b, ",\"required\":true");
    }
    if (form == OPENAPI_V2) {
        buf_printf(b, ",\"type\":\"%s\",\"uniqueItems\":true}", type);
    } else {
        buf_printf(b, ",\"schema\":{\"type\":\"%s\",\"uniqueItems\":true}}", type);
    }
}

void openapi_parameters_write(struct buf *b)
{
    for (size_t i = 0; i < P_COUNT; i++) {
        const struct parameter *q = &parameters[i];
        buf_printf(b, "%s\"%s\":", i ? "," : "", q->name);
        write_parameter(b, OPENAPI_V2, q->name, "query", q->type, q->description);
    }
}

/* V2 refers to the shared parameters, but for those of PATCH, where older clients do not look
 * behind references. */
static void write_parameters(const struct endpoint *p, const struct operation *o)
{
    const char *sep = "\"parameters\":[";
    struct buf *b = p->b;
    if (p->form == OPENAPI_V2 && o->body) {
        buf_printf(b, "%s{\"name\":\"body\",\"in\":\"body\",%s\"schema\":", sep,
                   o->body == BODY_DELETE ? "" : "\"required\":true,");
        write_body_schema(p, o->body);
        buf_addc(b, '}');
        sep = ",";
    }
    for (size_t i = 0; i < P_COUNT; i++) {
        const struct parameter *q = &parameters[i];
        if (!(o->parameters & P(i))) {
            continue;
        }
        buf_addz(b, sep);
        if (p->form == OPENAPI_V2 && o->verb != VERB_PATCH) {
            buf_printf(b, "{\"$ref\":\"#/parameters/%s\"}", q->name);
        } else {
            write_parameter(b, p->form, q->name, "query", q->type, q->description);
        }
        sep = ",";
    }
    buf_addz(b, *sep == ',' ? "]," : "");
}

static const char *const patch_types[] = {"application/json-patch+json",
                                          "application/merge-patch+json",
                                          "application/strategic-merge-patch+json"};

static void write_request_body(const struct endpoint *p, const struct operation *o)
{
    struct buf *b = p->b;
    buf_printf(b, "\"requestBody\":{%s\"content\":{",
               o->body == BODY_DELETE ? "" : "\"required\":true,");
    size_t n = o->body != BODY_PATCH ? 1 : p->type->custom ? 2 : 3;
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s\"%s\":{\"schema\":", i ? "," : "",
                   o->body == BODY_PATCH ? patch_types[i] : "*/*");
        write_body_schema(p, o->body);
        buf_addc(b, '}');
    }
    buf_addz(b, "}},");
}

static void write_consumes(const struct endpoint *p, const struct operation *o)
{
    if (o->body == BODY_PATCH) {
        buf_printf(p->b, "\"consumes\":[\"%s\",\"%s\"", patch_types[0], patch_types[1]);
        if (!p->type->custom) {
            buf_printf(p->b, ",\"%s\"", patch_types[2]);
        }
        buf_addz(p->b, "],");
    } else {
        buf_addz(p->b, "\"consumes\":[\"application/json\",\"application/yaml\"],");
    }
    buf_addz(p->b, "\"produces\":[\"application/json\",\"application/yaml\"],");
}

static void write_response(const struct endpoint *p, const struct operation *o, const char *code)
{
    struct buf *b = p->b;
    const char *word = strcmp(code, "200") == 0   ? "OK"
                       : strcmp(code, "201") == 0 ? "Created"
                                                  : "Accepted";
    buf_printf(b, "\"%s\":{\"description\":\"%s\",", code, word);
    if (p->form == OPENAPI_V2) {
        buf_addz(b, "\"schema\":");
        write_reply_schema(p, o->reply);
    } else {
        buf_addz(b, "\"content\":{\"application/json\":{\"schema\":");
        write_reply_schema(p, o->reply);
        buf_addz(b, "},\"application/yaml\":{\"schema\":");
        write_reply_schema(p, o->reply);
        buf_addz(b, "}}");
    }
    buf_addz(b, "},");
}

static void write_kind(const struct endpoint *p)
{
    const struct discovery_sub *s = p->sub;
    bool other = s && s->version.len;
    struct str group = other ? s->group : p->type->group,
               version = other ? s->version : p->version->name;
    buf_printf(p->b,
               "\"x-kubernetes-group-version-kind\":{\"group\":\"%.*s\",\"version\":\"%.*s\","
               "\"kind\":\"%.*s\"}",
               STR_FMT(group), STR_FMT(version), STR_FMT(s ? s->kind : p->type->kind));
}

static void put_operation(const struct endpoint *p, const struct operation *o)
{
    struct buf *b = p->b;
    buf_printf(b, "\"%s\":{\"tags\":[\"", o->method);
    write_group_words(b, p->type->group, true);
    buf_printf(b, "_%.*s\"],", STR_FMT(p->version->name));
    write_description(p, o);
    write_operation_id(p, o);
    buf_addc(b, ',');
    write_parameters(p, o);
    if (p->form == OPENAPI_V2) {
        write_consumes(p, o);
    } else if (o->body) {
        write_request_body(p, o);
    }
    buf_addz(b, "\"responses\":{");
    write_response(p, o, "200");
    if (o->further) {
        write_response(p, o, o->further);
    }
    buf_printf(b, "\"401\":{\"description\":\"Unauthorized\"}},\"x-kubernetes-action\":\"%s\",",
               o->action);
    write_kind(p);
    buf_addz(b, "},");
}

static void write_path_parameters(const struct endpoint *p)
{
    struct buf *b = p->b;
    buf_addz(b, "\"parameters\":[");
    if (p->item) {
        struct buf text = {0};
        buf_printf(&text, "name of the %.*s%c", STR_FMT(p->type->kind), 0);
        write_parameter(b, p->form, "name", "path", "string", text.ptr);
        buf_finish(&text);
        buf_addc(b, ',');
    }
    if (p->namespaced) {
        write_parameter(b, p->form, "namespace", "path", "string",
                        "object name and auth scope, such as for teams and projects");
        buf_addc(b, ',');
    }
    write_parameter(b, p->form, "pretty", "query", "string", "If 'true', the output is indented.");
    buf_addc(b, ']');
}

static void write_path_text(const struct endpoint *p)
{
    struct buf *b = p->b;
    if (p->type->group.len) {
        buf_printf(b, "/apis/%.*s", STR_FMT(p->type->group));
    } else {
        buf_addz(b, "/api");
    }
    buf_printf(b, "/%.*s%s/%.*s%s", STR_FMT(p->version->name),
               p->namespaced ? "/namespaces/{namespace}" : "", STR_FMT(p->type->resource),
               p->item ? "/{name}" : "");
    if (p->sub) {
        buf_printf(b, "/%.*s", STR_FMT(p->sub->name));
    }
}

/* Whether the operation stands at this path. Creating in a subresource is a POST to the object's
 * path. */
static bool has_operation(const struct endpoint *p, const struct operation *o)
{
    bool item = o->item || (p->sub && o->verb == VERB_CREATE);
    return (p->verbs & VERB_BIT(o->verb)) && item == p->item;
}

static void write_path(const struct endpoint *p)
{
    bool any = false;
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        any = any || has_operation(p, &operations[i]);
    }
    if (!any) {
        return;
    }
    buf_addz(p->b, *p->first ? "\"" : ",\"");
    *p->first = false;
    write_path_text(p);
    buf_addz(p->b, "\":{");
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        if (has_operation(p, &operations[i])) {
            put_operation(p, &operations[i]);
        }
    }
    write_path_parameters(p);
    buf_addc(p->b, '}');
}

static void write_sub(void *arg, const struct discovery_sub *sub)
{
    struct endpoint p = *(const struct endpoint *)arg;
    p.item = true;
    p.sub = sub;
    p.verbs = sub->verbs;
    write_path(&p);
}

void openapi_paths_write(struct buf *b, enum openapi_form form, const struct registry_snapshot *s,
                         const struct type *t, const struct type_version *v, bool *first)
{
    struct endpoint p = {.b = b,
                         .form = form,
                         .types = s,
                         .type = t,
                         .version = v,
                         .first = first,
                         .namespaced = t->namespaced};
    uint32_t verbs = t->virtual_ ? VERB_BIT(VERB_CREATE) : t->verbs;
    p.verbs = verbs;
    write_path(&p);
    p.item = true;
    write_path(&p);
    discovery_each_sub(t, v, write_sub, &p);
    if (t->namespaced) {
        p.item = p.namespaced = false;
        p.verbs = verbs & VERB_BIT(VERB_LIST);
        write_path(&p);
    }
}
