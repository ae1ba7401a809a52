/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as HTTP codes and Status bodies. The words are those of the reference's api/errors
 * package, which clients compare and show. */
#include "resources/status.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/quote.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a kind of failure becomes. The first of several rows with one code and reason is what
 * status_read gives back. */
static const struct {
    int code, http;
    const char *reason; /* NULL: none */
    bool details;       /* details are there even when they are empty */
} kinds[] = {
    {ERR_INTERNAL, 500, "InternalError", true},
    {ERR_BAD_REQUEST, 400, "BadRequest", false},
    {ERR_UNAUTHORIZED, 401, "Unauthorized", false},
    {ERR_FORBIDDEN, 403, "Forbidden", true},
    {ERR_NOT_FOUND, 404, "NotFound", true},
    {ERR_METHOD, 405, "MethodNotAllowed", true},
    {ERR_NOT_ACCEPTABLE, 406, "NotAcceptable", false},
    {ERR_EXISTS, 409, "AlreadyExists", true},
    {ERR_CONFLICT, 409, "Conflict", true},
    {ERR_EXPIRED, 410, "Expired", false},
    {ERR_GONE, 410, "Gone", false},
    {ERR_TOO_LARGE, 413, "RequestEntityTooLarge", false},
    {ERR_MEDIA_TYPE, 415, "UnsupportedMediaType", false},
    {ERR_INVALID, 422, "Invalid", true},
    {ERR_TOO_MANY, 429, "TooManyRequests", false},
    {ERR_UNKNOWN_500, 500, NULL, false},
    {ERR_UNAVAILABLE, 503, "ServiceUnavailable", false},
    {ERR_TIMEOUT, 504, "Timeout", true},
    {ERR_NO_SPACE, 507, NULL, false},
    {ERR_IO, 500, "InternalError", true},
    {ERR_CORRUPT, 500, "InternalError", true},
    {ERR_CLOSED, 503, "ServiceUnavailable", false},
};

static size_t kind_of(int code)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (kinds[i].code == code) {
            return i;
        }
    }
    return 0;
}

static bool is_internal(const struct err *err)
{
    return err->code != ERR_HTTP && kinds[kind_of(err->code)].http == 500 &&
           kinds[kind_of(err->code)].reason;
}

int status_code(const struct err *err)
{
    if (err->code == ERR_HTTP) {
        return err->http_code >= 100 && err->http_code < 600 ? err->http_code : 500;
    }
    return kinds[kind_of(err->code)].http;
}

#define INTERNAL_PREFIX "Internal error occurred: "

static void set_text(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, const char *text)
{
    if (text && *text) {
        yyjson_mut_obj_add(o, yyjson_mut_str(d, key), yyjson_mut_strcpy(d, text));
    }
}

static void add_cause(yyjson_mut_doc *d, yyjson_mut_val *list, const struct cause *c)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
    set_text(d, o, "reason", c->reason);
    set_text(d, o, "message", c->message);
    set_text(d, o, "field", c->field);
}

static yyjson_mut_val *causes_value(yyjson_mut_doc *d, const struct err *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    for (size_t i = 0; i < err->n_causes; i++) {
        add_cause(d, list, &err->causes[i]);
    }
    if (!err->n_causes && is_internal(err) && err->message) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
        set_text(d, o, "message", err->message);
    }
    return list;
}

static bool has_details(const struct err *err)
{
    return err->name || err->group || err->kind || err->uid || err->retry_after > 0 ||
           err->n_causes || (err->code != ERR_HTTP && kinds[kind_of(err->code)].details);
}

static yyjson_mut_val *details_value(yyjson_mut_doc *d, const struct err *err)
{
    yyjson_mut_val *o = yyjson_mut_obj(d), *causes = causes_value(d, err);
    set_text(d, o, "name", err->name);
    set_text(d, o, "group", err->group);
    set_text(d, o, "kind", err->kind);
    set_text(d, o, "uid", err->uid);
    if (yyjson_mut_arr_size(causes)) {
        yyjson_mut_obj_add_val(d, o, "causes", causes);
    }
    if (err->retry_after > 0) {
        yyjson_mut_obj_add_int(d, o, "retryAfterSeconds", err->retry_after);
    }
    return o;
}

yyjson_mut_val *status_value(yyjson_mut_doc *d, const struct err *err)
{
    const char *reason = err->code == ERR_HTTP ? err->reason : kinds[kind_of(err->code)].reason;
    yyjson_mut_val *o = yyjson_mut_obj(d);
    set_text(d, o, "kind", "Status");
    set_text(d, o, "apiVersion", "v1");
    yyjson_mut_val *meta = yyjson_mut_obj_add_obj(d, o, "metadata");
    set_text(d, meta, "continue", err->continue_token);
    set_text(d, o, "status", "Failure");
    if (is_internal(err)) {
        AUTO_FREE char *text = alloc_printf(INTERNAL_PREFIX "%s", err_message(err));
        set_text(d, o, "message", text);
    } else {
        set_text(d, o, "message", err->message);
    }
    set_text(d, o, "reason", reason);
    if (has_details(err)) {
        yyjson_mut_obj_add_val(d, o, "details", details_value(d, err));
    }
    yyjson_mut_obj_add_int(d, o, "code", status_code(err));
    return o;
}

void status_write(struct buf *b, const struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    json_write(b, status_value(json_doc(&a), err));
    arena_finish(&a);
}

static void put_member(struct buf *b, const char *key, struct str value, bool *first)
{
    if (value.len) {
        buf_addz(b, *first ? "\"" : ",\"");
        buf_addz(b, key);
        buf_addz(b, "\":");
        buf_add_json(b, value);
        *first = false;
    }
}

void status_write_deleted(struct buf *b, const struct type *t, struct str name, struct str uid)
{
    bool first = true;
    buf_addz(b, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
                "\"details\":{");
    put_member(b, "name", name, &first);
    put_member(b, "group", t->group, &first);
    put_member(b, "kind", t->resource, &first);
    put_member(b, "uid", uid, &first);
    buf_addz(b, "}}");
}

/* ---- reading ---- */

static char *dup_member(const yyjson_mut_val *o, const char *key)
{
    struct str s = json_get_str(o, key);
    return s.len ? alloc_str(s) : NULL;
}

static void read_details(const yyjson_mut_val *details, struct err *err)
{
    err->name = dup_member(details, "name");
    err->group = dup_member(details, "group");
    err->kind = dup_member(details, "kind");
    err->uid = dup_member(details, "uid");
    int64_t retry = json_get_int(details, "retryAfterSeconds", 0);
    err->retry_after = retry > 0 && retry < INT32_MAX ? (int)retry : 0;
    struct json_iter it = json_iter(json_get(details, "causes"));
    while (it.container && json_next(&it)) {
        AUTO_FREE char *reason = dup_member(it.val, "reason");
        err_cause(err, reason, json_get_str(it.val, "field"), json_get_str(it.val, "message"));
    }
}

static int code_of(int64_t http, struct str reason)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        bool same = kinds[i].reason ? str_is(reason, kinds[i].reason) : !reason.len;
        if (kinds[i].http == http && same) {
            return kinds[i].code;
        }
    }
    return ERR_HTTP;
}

int status_read(const yyjson_mut_val *status, struct err *err)
{
    int64_t http = json_get_int(status, "code", 500);
    struct str reason = json_get_str(status, "reason"), text = json_get_str(status, "message");
    int code = code_of(http, reason);
    if (code == ERR_INTERNAL && str_starts(text, STR(INTERNAL_PREFIX))) {
        text = str_skip(text, sizeof(INTERNAL_PREFIX) - 1);
    }
    if (!err) {
        return code;
    }
    struct err e = {0};
    err_set(&e, code, "%.*s", STR_FMT(text));
    if (code == ERR_HTTP) {
        e.http_code = http >= 100 && http < 600 ? (int)http : 500;
        e.reason = reason.len ? alloc_str(reason) : NULL;
    }
    read_details(json_get(status, "details"), &e);
    struct str token = json_get_str(json_get(status, "metadata"), "continue");
    e.continue_token = token.len ? alloc_str(token) : NULL;
    return err_move(err, &e);
}

/* ---- errors whose wording clients know ---- */

/* `WHAT "name"`, with the name quoted as Go does. */
static char *subject(struct str what, struct str name)
{
    struct buf b = {0};
    buf_add(&b, what);
    buf_addc(&b, ' ');
    quote_go(&b, name);
    buf_addc(&b, '\0');
    return b.ptr;
}

static int about(struct err *err, int code, const struct type *t, struct str name, const char *fmt,
                 const char *more)
{
    AUTO_FREE char *s = subject(t->group_resource, name);
    AUTO_FREE char *text = alloc_printf("%s%s%s", s, fmt, more ? more : "");
    err_set(err, code, "%s", text);
    err_about(err, t->group, t->resource, name);
    return code;
}

int status_not_found(struct err *err, const struct type *t, struct str name)
{
    return about(err, ERR_NOT_FOUND, t, name, " not found", NULL);
}

int status_exists(struct err *err, const struct type *t, struct str name)
{
    return about(err, ERR_EXISTS, t, name, " already exists", NULL);
}

int status_conflict(struct err *err, const struct type *t, struct str name, const char *why)
{
    AUTO_FREE char *s = subject(t->group_resource, name);
    err_set(err, ERR_CONFLICT, "Operation cannot be fulfilled on %s: %s", s,
            why ? why
                : "the object has been modified; please apply your changes to the latest version "
                  "and try again");
    err_about(err, t->group, t->resource, name);
    return ERR_CONFLICT;
}

int status_forbidden(struct err *err, const struct type *t, struct str name, const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    struct err e = {0};
    err_vset(&e, ERR_FORBIDDEN, why, ap);
    va_end(ap);
    int code;
    if (name.len) {
        code = about(err, ERR_FORBIDDEN, t, name, " is forbidden: ", e.message);
    } else {
        code = err_set(err, ERR_FORBIDDEN, "%.*s is forbidden: %s", STR_FMT(t->group_resource),
                       e.message);
        err_about(err, t->group, t->resource, name);
    }
    err_finish(&e);
    return code;
}

/* As the reference does, so that the text never looks like HTML. */
static void add_sanitised(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '&':
            buf_addz(b, "&amp;");
            break;
        case '<':
            buf_addz(b, "&lt;");
            break;
        case '>':
            buf_addz(b, "&gt;");
            break;
        default:
            buf_addc(b, s.ptr[i]);
        }
    }
}

static void add_quoted(struct buf *b, struct str s)
{
    AUTO(buf_finish) struct buf q = {0};
    quote_go(&q, s);
    add_sanitised(b, buf_str(&q));
}

/* `User "u" cannot list resource "widgets/status" in API group "g" in the namespace "n"` */
static void add_refusal(struct buf *b, const struct attributes *at)
{
    buf_addz(b, "User ");
    add_quoted(b, at->user ? at->user->name : STR(""));
    buf_addz(b, " cannot ");
    add_sanitised(b, at->verb);
    if (!at->resource_request) {
        buf_addz(b, " path ");
        add_quoted(b, at->path);
        return;
    }
    AUTO(buf_finish) struct buf r = {0};
    buf_add(&r, at->resource);
    if (at->subresource.len) {
        buf_addc(&r, '/');
        buf_add(&r, at->subresource);
    }
    buf_addz(b, " resource ");
    add_quoted(b, buf_str(&r));
    buf_addz(b, " in API group ");
    add_quoted(b, at->group);
    if (at->ns.len) {
        buf_addz(b, " in the namespace ");
        add_quoted(b, at->ns);
    } else {
        buf_addz(b, " at the cluster scope");
    }
}

int status_access_denied(struct err *err, const struct attributes *at, const char *reason)
{
    AUTO(buf_finish) struct buf b = {0};
    if (at->resource_request) {
        buf_add(&b, at->resource);
        buf_addz(&b, at->group.len ? "." : "");
        buf_add(&b, at->group);
        if (at->name.len) {
            buf_addc(&b, ' ');
            quote_go(&b, at->name);
        }
        buf_addz(&b, " is ");
    }
    buf_addz(&b, "forbidden: ");
    add_refusal(&b, at);
    if (reason && *reason) {
        buf_addz(&b, ": ");
        buf_addz(&b, reason);
    }
    err_set(err, ERR_FORBIDDEN, "%.*s", STR_FMT(buf_str(&b)));
    if (at->resource_request) {
        err_about(err, at->group, at->resource, at->name);
    }
    return ERR_FORBIDDEN;
}

int status_generic(struct err *err, int code, const char *message)
{
    static const struct {
        int code;
        const char *words;
    } words[] = {
        {ERR_NOT_FOUND, "the server could not find the requested resource"},
        {ERR_METHOD, "the server does not allow this method on the requested resource"},
        {ERR_INVALID, "the server rejected our request due to an error in our request"},
        {ERR_MEDIA_TYPE, "415: Unsupported Media Type"},
        {ERR_NOT_ACCEPTABLE,
         "the server was unable to respond with a content type that the client supports"},
        {ERR_TOO_MANY, "the server has received too many requests and has asked us to try again "
                       "later"},
        {ERR_UNAVAILABLE, "the server is currently unable to handle the request"},
        {ERR_TIMEOUT, "the server was unable to return a response in the time allotted, but may "
                      "still be processing the request"},
    };
    for (size_t i = 0; !message && i < sizeof(words) / sizeof(*words); i++) {
        message = words[i].code == code ? words[i].words : NULL;
    }
    err_set(err, code, "%s", message ? message : "the server rejected our request");
    if (err) {
        err->kind = alloc_strdup(""); /* details are there, and empty */
    }
    return code;
}

int status_method(struct err *err, const struct type *t, struct str verb)
{
    if (!t || !t->custom) {
        return status_generic(err, ERR_METHOD, NULL);
    }
    AUTO(buf_finish) struct buf q = {0};
    quote_go(&q, t->group_resource);
    err_set(err, ERR_METHOD, "%.*s is not supported on resources of kind %.*s", STR_FMT(verb),
            STR_FMT(buf_str(&q)));
    err_about(err, t->group, t->resource, STR_NULL);
    return ERR_METHOD;
}

int status_expired(struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(err, ERR_EXPIRED, fmt, ap);
    va_end(ap);
    return ERR_EXPIRED;
}

int status_too_large(struct err *err, const char *fmt, ...)
{
    struct err e = {0};
    va_list ap;
    va_start(ap, fmt);
    err_vset(&e, ERR_TOO_LARGE, fmt, ap);
    va_end(ap);
    err_set(err, ERR_TOO_LARGE, "Request entity too large: %s", e.message);
    err_finish(&e);
    return ERR_TOO_LARGE;
}

int status_expired_token(struct err *err, struct str token)
{
    status_expired(err,
                   "The provided continue parameter is too old to display a consistent list "
                   "result. You can start a new list without the continue parameter, or use the "
                   "continue token in this response to retrieve the remainder of the results. "
                   "Continuing with the provided token results in an inconsistent list - objects "
                   "that were created, modified, or deleted between the time the first chunk was "
                   "returned and now may show up in the list.");
    if (err) {
        free(err->continue_token);
        err->continue_token = alloc_str(token);
    }
    return ERR_EXPIRED;
}

int status_future_version(struct err *err, int64_t wanted, int64_t now)
{
    err_set(err, ERR_TIMEOUT, "Timeout: Too large resource version: %jd, current: %jd",
            (intmax_t)wanted, (intmax_t)now);
    err_cause(err, "ResourceVersionTooLarge", STR_NULL, STR("Too large resource version"));
    if (err) {
        err->retry_after = 1;
    }
    return ERR_TIMEOUT;
}

int status_from_store(struct err *err, int code, const char *text)
{
    const char *why = text ? text : "unknown error";
    switch (code) {
    case 0:
        return 0;
    case ERR_NO_SPACE:
        return err_set(err, code, "the store's disk is full: %s", why);
    case ERR_CLOSED:
        err_set(err, code, "the server is shutting down");
        if (err) {
            err->retry_after = 1;
        }
        return code;
    case ERR_IO:
        return err_set(err, code, "the store failed: %s", why);
    case ERR_CORRUPT:
        return err_set(err, code, "the store holds damaged data: %s", why);
    case ERR_CONFLICT:
        return err_set(err, code,
                       "the object has been modified; please apply your changes to the "
                       "latest version and try again");
    default:
        return err_set(err, code, "%s", why);
    }
}
