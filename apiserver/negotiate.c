/* SPDX-License-Identifier: Apache-2.0 */
/* Content negotiation as the reference's endpoints/handlers/negotiation does it, for JSON, YAML,
 * protobuf and CBOR. */
#include "apiserver/negotiate.h"

#include <strings.h>

#include "apiserver/route.h"
#include "base/quote.h"
#include "resources/status.h"

/* ---- answers ---- */

static bool is_meta(const struct clause *k)
{
    return str_is(k->group, "meta.k8s.io") &&
           (str_is(k->version, "v1") || str_is(k->version, "v1beta1"));
}

/* Whether the clause asks for a form that exists; none asked for is one. */
static bool form_of(const struct clause *k, struct representation *r)
{
    *r = (struct representation){.as = REPRESENT_OBJECT};
    if (!k->as.ptr && !k->group.ptr && !k->version.ptr) {
        return true;
    }
    r->v1beta1 = str_is(k->version, "v1beta1");
    if (str_is(k->as, "Table")) {
        r->as = REPRESENT_TABLE;
        return is_meta(k);
    }
    r->as = REPRESENT_PARTIAL;
    return is_meta(k) &&
           (str_is(k->as, "PartialObjectMetadata") || str_is(k->as, "PartialObjectMetadataList"));
}

/* 406 as the built-ins' router has it: it wants a type by its name or anything at all. */
static bool router_takes(const struct clause *k)
{
    return (str_is(k->type, "*") && str_is(k->subtype, "*")) ||
           (str_is(k->type, "application") &&
            (str_is(k->subtype, "json") || str_is(k->subtype, "yaml") ||
             str_is(k->subtype, "vnd.kubernetes.protobuf") || str_is(k->subtype, "cbor")));
}

static int check_router(const struct clause *list, size_t n, enum negotiate_for what,
                        struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (router_takes(&list[i])) {
            return 0;
        }
    }
    return status_generic(err, ERR_NOT_ACCEPTABLE,
                          what == NEGOTIATE_OBJECT
                              ? "406: Not Acceptable\n\nAvailable representations: " MEDIA_TYPES
                              : "406: Not Acceptable\n\nAvailable representations: " MEDIA_TYPES
                                ", " MEDIA_STREAM_TYPES);
}

static int read_include(const struct call *c, struct representation *r, struct err *err)
{
    struct str v = call_param(c, "includeObject");
    if (r->as != REPRESENT_TABLE || !v.len || str_is(v, "Metadata")) {
        return 0;
    }
    if (str_is(v, "None")) {
        r->include = INCLUDE_NONE;
    } else if (str_is(v, "Object")) {
        r->include = INCLUDE_OBJECT;
    } else {
        struct buf b = {0};
        quote_go(&b, v);
        err_set(
            err, ERR_BAD_REQUEST,
            "Unable to convert to Table as requested: includeObject: Invalid value: %.*s: must be "
            "'Metadata', 'Object', 'None', or empty",
            STR_FMT(buf_str(&b)));
        buf_finish(&b);
        return ERR_BAD_REQUEST;
    }
    return 0;
}

static int check_partial(const struct clause *k, enum negotiate_for what, struct err *err)
{
    if (what == NEGOTIATE_LIST && str_is(k->as, "PartialObjectMetadata")) {
        return err_set(err, ERR_NOT_ACCEPTABLE,
                       "you requested PartialObjectMetadata, but the requested object is a list");
    }
    if (what == NEGOTIATE_OBJECT && str_is(k->as, "PartialObjectMetadataList")) {
        return err_set(
            err, ERR_NOT_ACCEPTABLE,
            "you requested PartialObjectMetadataList, but the requested object is not a list");
    }
    return 0;
}

/* Whether the type in question has that form in that encoding. */
static bool has_form(const struct call *c, const struct representation *r)
{
    const struct type *t = c->op ? c->op->type : NULL;
    return r->encoding == ENCODING_JSON ||
           (r->as == REPRESENT_OBJECT ? r->encoding == ENCODING_CBOR || (t && t->protobuf)
                                      : r->as == REPRESENT_PARTIAL);
}

static int choose(struct call *c, const struct clause *list, size_t n, enum negotiate_for what,
                  struct representation *ret, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct representation r;
        struct str type = media_accepted(&list[i]);
        if (!type.len || !form_of(&list[i], &r)) {
            continue;
        }
        r.encoding = media_encoding(type);
        if (!has_form(c, &r)) {
            continue;
        }
        if (what == NEGOTIATE_WATCH && str_is(type, YAML_TYPE)) {
            return err_set(err, ERR_NOT_ACCEPTABLE,
                           "only the following media types are accepted: " MEDIA_STREAM_TYPES);
        }
        c->accept.type = type;
        c->accept.as = list[i].as;
        c->accept.group = list[i].group;
        c->accept.version = list[i].version;
        *ret = r;
        return check_partial(&list[i], what, err);
    }
    return err_set(err, ERR_NOT_ACCEPTABLE,
                   "only the following media types are accepted: " MEDIA_TYPES);
}

int negotiate_answer(struct call *c, bool builtin, enum negotiate_for what,
                     struct representation *ret, struct err *err)
{
    struct str accept = http_header(c->http, "accept");
    struct clause *list;
    *ret = (struct representation){.as = REPRESENT_OBJECT};
    c->accept.type = STR(JSON_TYPE);
    c->accept.pretty = negotiate_pretty(c);
    if (!accept.len || str_is(accept, "*/*") || str_is(accept, JSON_TYPE) || c->route.page) {
        return 0; /* nobody reads what a page's redirection says */
    }
    size_t n = clauses_parse(&c->arena, accept, &list);
    int r = builtin ? check_router(list, n, what, err) : 0;
    r = r < 0 ? r : choose(c, list, n, what, ret, err);
    return r < 0 ? r : read_include(c, ret, err);
}

struct str negotiate_error_type(struct call *c)
{
    struct str accept = http_header(c->http, "accept");
    struct clause *list;
    if (!accept.len || str_is(accept, "*/*") || str_is(accept, JSON_TYPE)) {
        return STR(JSON_TYPE);
    }
    size_t n = clauses_parse(&c->arena, accept, &list);
    for (size_t i = 0; i < n; i++) {
        struct str type = media_accepted(&list[i]);
        if (type.len && !list[i].as.ptr) {
            return type;
        }
    }
    return STR(JSON_TYPE);
}

bool negotiate_pretty(const struct call *c)
{
    static const char *const tools[] = {"curl", "Wget", "Mozilla/5.0"};
    struct str v = call_param(c, "pretty");
    if (v.len) {
        return str_is(v, "1") ||
               ((v.len == 1 || v.len == 4) && strncasecmp(v.ptr, "true", v.len) == 0);
    }
    struct str agent = http_header(c->http, "user-agent");
    for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
        if (str_starts(agent, str_from(tools[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- bodies ---- */

static struct str media_type(const struct call *c)
{
    struct str rest;
    return str_trim(str_cut(http_header(c->http, "content-type"), ';', &rest));
}

/* DeleteOptions have a protobuf form whatever the type. */
static bool takes_protobuf(const struct op *op)
{
    return op && op->type &&
           (op->type->protobuf || op->verb == VERB_DELETE || op->verb == VERB_DELETECOLLECTION);
}

#define APPLY_CBOR "application/apply-patch+cbor"
#define UNKNOWN_FORMAT                                                                             \
    "the body of the request was in an unknown format - accepted media types include: "

int negotiate_body(const struct call *c, enum media *ret, struct err *err)
{
    struct str s = media_type(c);
    if (!s.len || str_is_word(s, JSON_TYPE)) {
        *ret = MEDIA_JSON;
    } else if (str_is_word(s, YAML_TYPE)) {
        *ret = MEDIA_YAML;
    } else if (str_is_word(s, CBOR_TYPE)) {
        *ret = MEDIA_CBOR;
    } else if (str_is_word(s, PROTOBUF_TYPE) && takes_protobuf(c->op)) {
        *ret = MEDIA_PROTOBUF;
    } else {
        return err_set(err, ERR_MEDIA_TYPE, UNKNOWN_FORMAT MEDIA_TYPES);
    }
    return 0;
}

bool negotiate_patch_cbor(const struct call *c)
{
    return str_is(media_type(c), APPLY_CBOR);
}

int negotiate_patch(const struct call *c, bool builtin, enum patch_type *ret, struct err *err)
{
    struct str s = media_type(c);
    if (str_is(s, "application/json-patch+json")) {
        *ret = PATCH_JSON;
    } else if (str_is(s, "application/merge-patch+json")) {
        *ret = PATCH_MERGE;
    } else if (str_is(s, "application/apply-patch+yaml") || str_is(s, APPLY_CBOR)) {
        *ret = PATCH_APPLY;
    } else if (builtin && str_is(s, "application/strategic-merge-patch+json")) {
        *ret = PATCH_STRATEGIC;
    } else if (builtin) {
        return status_generic(err, ERR_MEDIA_TYPE, NULL);
    } else {
        return err_set(err, ERR_MEDIA_TYPE,
                       UNKNOWN_FORMAT "application/json-patch+json, application/merge-patch+json, "
                                      "application/apply-patch+yaml, " APPLY_CBOR);
    }
    return 0;
}
