/* SPDX-License-Identifier: Apache-2.0 */
/* The reference's CreateOptions, UpdateOptions, PatchOptions, ListOptions and DeleteOptions:
 * decoded and validated in its words. */
#include "apiserver/options.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "apiserver/route.h"
#include "base/causes.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "resources/selector.h"
#include "resources/shard.h"

enum { MANAGER_BYTES = 128 };

static int invalid(const struct causes *causes, const char *kind, struct err *err)
{
    return causes_to_err(causes, STR("meta.k8s.io"), str_from(kind), STR(""), err);
}

/* ---- what several kinds of options have ---- */

static void unsupported(struct causes *causes, struct str field, struct str value,
                        const struct str *supported, size_t n)
{
    yyjson_mut_doc *d = json_doc(causes->arena);
    causes_add_unsupported(causes, PATH_FIELD(NULL, field),
                           yyjson_mut_strncpy(d, value.ptr, value.len), supported, n);
}

/* values: a list of strings; NULL or empty: not given. */
static bool check_dry_run(struct causes *causes, yyjson_mut_val *values)
{
    static const struct str all[] = {{"All", 3}};
    struct json_iter it = json_iter(values);
    bool wrong = false;
    while (values && json_next(&it)) {
        wrong |= !str_is(json_str(it.val), "All");
    }
    if (wrong) {
        causes_add_unsupported(causes, PATH_FIELD(NULL, STR("dryRun")), values, all, 1);
    }
    return values && yyjson_mut_arr_size(values) > 0;
}

static yyjson_mut_val *param_list(const struct call *c, struct arena *a, const char *key)
{
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *list = NULL;
    for (size_t i = 0; i < c->n_params; i++) {
        if (str_is(c->params[i].key, key)) {
            list = list ? list : yyjson_mut_arr(d);
            yyjson_mut_arr_add_strncpy(d, list, c->params[i].value.ptr, c->params[i].value.len);
        }
    }
    return list;
}

/* Go's unicode.IsPrint, near enough: control characters and separators other than the space are
 * not. */
static size_t first_unprintable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch < 0x20 || ch == 0x7f ||
            (ch == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa1)) {
            return i;
        }
    }
    return s.len;
}

static void check_manager(struct causes *causes, struct str manager)
{
    const struct path *at = PATH_FIELD(NULL, STR("fieldManager"));
    if (manager.len > MANAGER_BYTES) {
        causes_add(causes, CAUSE_TOO_LONG, at, NULL, "may not be more than %d bytes",
                   MANAGER_BYTES);
    }
    size_t i = first_unprintable(manager);
    if (i < manager.len) {
        AUTO(buf_finish) struct buf text = {0};
        quote_go(&text, manager);
        causes_add_text(causes, CAUSE_INVALID, at, buf_str(&text),
                        "invalid character U+%04X (at position %zu)",
                        (unsigned)(unsigned char)manager.ptr[i], i);
    }
}

/* What the reference takes for the manager of a client that names none: its User-Agent up to the
 * slash. */
static struct str manager_of_agent(struct str agent)
{
    struct str rest, s = str_cut(agent, '/', &rest);
    size_t i = first_unprintable(s);
    s.len = i < s.len ? i : s.len;
    s.len = s.len < MANAGER_BYTES ? s.len : MANAGER_BYTES;
    return s;
}

static void read_validation(struct call *c, struct op *op, struct causes *causes)
{
    static const struct str supported[] = {{"", 0}, {"Ignore", 6}, {"Strict", 6}, {"Warn", 4}};
    struct str v = call_param(c, "fieldValidation");
    op->validation = FIELD_VALIDATION_WARN;
    if (str_is(v, "Ignore")) {
        op->validation = FIELD_VALIDATION_IGNORE;
    } else if (str_is(v, "Strict")) {
        op->validation = FIELD_VALIDATION_STRICT;
    } else if (v.len && !str_is(v, "Warn")) {
        unsupported(causes, STR("fieldValidation"), v, supported, 4);
    }
}

static void read_force(struct call *c, struct op *op, struct causes *causes)
{
    if (op->verb != VERB_PATCH) {
        return;
    }
    if (op->patch == PATCH_APPLY) {
        op->force = query_bool(c, "force");
        if (!op->field_manager.len) {
            causes_add(causes, CAUSE_REQUIRED, PATH_FIELD(NULL, STR("fieldManager")), NULL,
                       "is required for apply patch");
        }
    } else if (call_has_param(c, "force")) {
        causes_add(causes, CAUSE_FORBIDDEN, PATH_FIELD(NULL, STR("force")), NULL,
                   "may not be specified for non-apply patch");
    }
}

int options_write(struct call *c, struct op *op, struct err *err)
{
    struct causes causes;
    causes_init(&causes, &c->arena);
    op->field_manager = arena_str(&op->arena, call_param(c, "fieldManager"));
    op->manager = op->field_manager.len
                      ? op->field_manager
                      : arena_str(&op->arena, manager_of_agent(http_header(c->http, "user-agent")));
    read_force(c, op, &causes);
    check_manager(&causes, op->field_manager);
    op->dry_run =
        call_has_param(c, "dryRun") && check_dry_run(&causes, param_list(c, &c->arena, "dryRun"));
    op->presumes = op->dry_run;
    read_validation(c, op, &causes);
    return invalid(&causes,
                   op->verb == VERB_CREATE   ? "CreateOptions"
                   : op->verb == VERB_UPDATE ? "UpdateOptions"
                                             : "PatchOptions",
                   err);
}

/* ---- lists and watches ---- */

static int parse_int(struct str s, int64_t *ret, struct err *err)
{
    char text[24];
    char *end = text;
    bool fits = s.len && s.len < sizeof(text);
    if (fits) {
        memcpy(text, s.ptr, s.len);
        text[s.len] = 0;
        errno = 0;
        *ret = strtoll(text, &end, 10);
        fits = *end == 0 && errno == 0 &&
               (text[0] == '-' || text[0] == '+' || (text[0] >= '0' && text[0] <= '9'));
    }
    if (!fits) {
        AUTO(buf_finish) struct buf q = {0};
        quote_go(&q, s);
        return err_set(err, ERR_BAD_REQUEST, "strconv.ParseInt: parsing %.*s: invalid syntax",
                       STR_FMT(buf_str(&q)));
    }
    return 0;
}

static int read_int(struct call *c, const char *key, int64_t *ret, struct err *err)
{
    struct str v = call_param(c, key);
    return v.ptr ? parse_int(v, ret, err) : 0;
}

static int read_fields(struct call *c, struct op *op, struct str name, struct err *err)
{
    struct str text = call_param(c, "fieldSelector");
    if (name.len) {
        AUTO(buf_finish) struct buf b = {0};
        buf_addz(&b, "metadata.name=");
        for (size_t i = 0; i < name.len; i++) {
            if (memchr("\\,=", name.ptr[i], 3)) {
                buf_addc(&b, '\\');
            }
            buf_addc(&b, name.ptr[i]);
        }
        if (text.len && !str_eq(text, buf_str(&b))) {
            return err_set(err, ERR_BAD_REQUEST,
                           "fieldSelector metadata.name doesn't match requested name");
        }
        text = arena_str(&op->arena, buf_str(&b));
    }
    return text.len ? selector_parse_fields(&op->arena, arena_str(&op->arena, text), op->type,
                                            op->version, &op->list.fields, err)
                    : 0;
}

static int read_selectors(struct call *c, struct op *op, struct str name, struct err *err)
{
    struct str labels = call_param(c, "labelSelector"), fields = call_param(c, "fieldSelector");
    if (labels.len > LIMIT_SELECTOR_BYTES || fields.len > LIMIT_SELECTOR_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "a selector may have %u bytes at most",
                       LIMIT_SELECTOR_BYTES);
    }
    if (labels.len) {
        int r =
            selector_parse_labels(&op->arena, arena_str(&op->arena, labels), &op->list.labels, err);
        if (r < 0) {
            return r;
        }
    }
    return read_fields(c, op, name, err);
}

/* Words are for lists: whoever watches or deletes by them would be told or would lose too much. */
static int read_words(struct call *c, struct op *op, struct err *err)
{
    if (!call_has_param(c, "q")) {
        return 0;
    }
    if (op->verb != VERB_LIST) {
        return err_set(err, ERR_BAD_REQUEST, "q: is for lists, not for %s",
                       op->verb == VERB_WATCH ? "watches" : "deleting collections");
    }
    struct str words = call_param(c, "q");
    op->list.words = arena_str(&op->arena, words.ptr ? words : STR(""));
    return 0;
}

static int read_shard(struct call *c, struct op *op, struct err *err)
{
    struct str text = call_param(c, "shardSelector");
    if (text.len > LIMIT_SELECTOR_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "a selector may have %u bytes at most",
                       LIMIT_SELECTOR_BYTES);
    }
    return text.len ? shard_parse(&op->arena, text, &op->list.shard, err) : 0;
}

static void forbid(struct causes *causes, const char *field, const char *detail)
{
    causes_add(causes, CAUSE_FORBIDDEN, PATH_FIELD(NULL, str_from(field)), NULL, "%s", detail);
}

static void check_list(const struct list_options *o, struct str match, struct causes *causes)
{
    static const struct str supported[] = {{"Exact", 5}, {"NotOlderThan", 12}, {"", 0}};
    if (match.len) {
        if (!o->resource_version.len) {
            forbid(causes, "resourceVersionMatch",
                   "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if (o->continue_token.len) {
            forbid(causes, "resourceVersionMatch",
                   "resourceVersionMatch is forbidden when continue is provided");
        }
        if (o->match == RV_MATCH_UNSET) {
            unsupported(causes, STR("resourceVersionMatch"), match, supported, 3);
        }
        if (o->match == RV_MATCH_EXACT && str_is(o->resource_version, "0")) {
            forbid(causes, "resourceVersionMatch",
                   "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
    }
    if (o->send_initial_events_given) {
        forbid(causes, "sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
}

static void check_watch(const struct list_options *o, struct str match, struct causes *causes)
{
    static const struct str supported[] = {{"NotOlderThan", 12}};
    if (o->send_initial_events_given && o->match != RV_MATCH_NOT_OLDER) {
        forbid(causes, "resourceVersionMatch",
               "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (!match.len) {
        return;
    }
    if (!o->send_initial_events_given) {
        forbid(causes, "resourceVersionMatch",
               "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if (o->match != RV_MATCH_NOT_OLDER) {
        unsupported(causes, STR("resourceVersionMatch"), match, supported, 1);
    }
    if (o->continue_token.len) {
        forbid(causes, "resourceVersionMatch",
               "resourceVersionMatch is forbidden when continue is provided");
    }
}

/* A watch from the start on that says nothing of initial events asks for them (the reference's
 * SetListOptionsDefaults). */
static void default_initial_events(struct list_options *o, struct str *match)
{
    bool start = !o->resource_version.len || str_is(o->resource_version, "0");
    if (start && !o->send_initial_events_given && !match->len) {
        o->send_initial_events = o->send_initial_events_given = true;
        o->match = RV_MATCH_NOT_OLDER;
        *match = STR("NotOlderThan");
    }
}

int options_list(struct call *c, struct op *op, bool watch, struct str name, struct err *err)
{
    struct list_options *o = &op->list;
    struct str match = call_param(c, "resourceVersionMatch");
    int r = c->n_params || name.len ? read_selectors(c, op, name, err) : 0;
    r = r < 0 || !c->n_params ? r : read_words(c, op, err);
    if (r < 0 || !c->n_params) {
        return r;
    }
    o->resource_version = arena_str(&op->arena, call_param(c, "resourceVersion"));
    o->continue_token = arena_str(&op->arena, call_param(c, "continue"));
    o->match = str_is(match, "Exact")          ? RV_MATCH_EXACT
               : str_is(match, "NotOlderThan") ? RV_MATCH_NOT_OLDER
                                               : RV_MATCH_UNSET;
    o->bookmarks = query_bool(c, "allowWatchBookmarks");
    o->send_initial_events_given = call_has_param(c, "sendInitialEvents");
    o->send_initial_events = query_bool(c, "sendInitialEvents");
    r = read_int(c, "timeoutSeconds", &o->timeout_s, err);
    r = r < 0 ? r : read_int(c, "limit", &o->limit, err);
    if (r < 0) {
        return r;
    }
    struct causes causes;
    causes_init(&causes, &c->arena);
    /* A /watch/ path is a list to the reference's checks unless the query says watch too. */
    watch = watch && query_bool(c, "watch");
    if (watch) {
        default_initial_events(o, &match);
    }
    (watch ? check_watch : check_list)(o, match, &causes);
    r = invalid(&causes, "ListOptions", err);
    return r < 0 ? r : read_shard(c, op, err);
}

/* ---- deletes ---- */

/* DeleteOptions as decoded; NULL values: not given. */
struct deletion {
    yyjson_mut_val *grace, *orphan, *policy, *dry_run, *preconditions;
};

static int wrong_type(yyjson_mut_val *v, const char *field, const char *type, struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST,
                   "json: cannot unmarshal %s into Go struct field DeleteOptions.%s of type %s",
                   yyjson_mut_is_str(v)    ? "string"
                   : yyjson_mut_is_num(v)  ? "number"
                   : yyjson_mut_is_bool(v) ? "bool"
                   : yyjson_mut_is_arr(v)  ? "array"
                                           : "object",
                   field, type);
}

static yyjson_mut_val *member(yyjson_mut_val *o, const char *key)
{
    yyjson_mut_val *v = json_get(o, key);
    return yyjson_mut_is_null(v) ? NULL : v;
}

static int check_types(const struct deletion *d, struct err *err)
{
    yyjson_mut_val *uid = member(d->preconditions, "uid"),
                   *rv = member(d->preconditions, "resourceVersion");
    if (d->grace && !yyjson_mut_is_int(d->grace)) {
        return wrong_type(d->grace, "gracePeriodSeconds", "int64", err);
    }
    if (d->orphan && !yyjson_mut_is_bool(d->orphan)) {
        return wrong_type(d->orphan, "orphanDependents", "bool", err);
    }
    if (d->policy && !yyjson_mut_is_str(d->policy)) {
        return wrong_type(d->policy, "propagationPolicy", "v1.DeletionPropagation", err);
    }
    if (d->dry_run && !yyjson_mut_is_arr(d->dry_run)) {
        return wrong_type(d->dry_run, "dryRun", "[]string", err);
    }
    if (d->preconditions && !yyjson_mut_is_obj(d->preconditions)) {
        return wrong_type(d->preconditions, "preconditions", "v1.Preconditions", err);
    }
    if (uid && !yyjson_mut_is_str(uid)) {
        return wrong_type(uid, "preconditions.uid", "types.UID", err);
    }
    if (rv && !yyjson_mut_is_str(rv)) {
        return wrong_type(rv, "preconditions.resourceVersion", "string", err);
    }
    return 0;
}

static int from_body(yyjson_mut_val *body, struct deletion *d, struct err *err)
{
    struct str kind = json_get_str(body, "kind"), version = json_get_str(body, "apiVersion");
    if (!yyjson_mut_is_obj(body)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "couldn't get version/kind; json parse error: json: cannot unmarshal a "
                       "value that is no object");
    }
    if (kind.len && !str_is(kind, "DeleteOptions")) {
        AUTO(buf_finish) struct buf b = {0};
        buf_addz(&b, "no kind ");
        quote_go(&b, kind);
        buf_addz(&b, " is registered for version ");
        quote_go(&b, version);
        return err_set(err, ERR_BAD_REQUEST, "%.*s in scheme \"pkg/runtime/scheme.go:111\"",
                       STR_FMT(buf_str(&b)));
    }
    *d = (struct deletion){member(body, "gracePeriodSeconds"), member(body, "orphanDependents"),
                           member(body, "propagationPolicy"), member(body, "dryRun"),
                           member(body, "preconditions")};
    return check_types(d, err);
}

static int from_query(struct call *c, struct deletion *d, struct err *err)
{
    yyjson_mut_doc *doc = json_doc(&c->arena);
    struct str policy = call_param(c, "propagationPolicy");
    int64_t grace = -1;
    int r = read_int(c, "gracePeriodSeconds", &grace, err);
    if (r < 0) {
        return r;
    }
    d->grace = call_has_param(c, "gracePeriodSeconds") ? yyjson_mut_sint(doc, grace) : NULL;
    d->orphan = call_has_param(c, "orphanDependents")
                    ? yyjson_mut_bool(doc, query_bool(c, "orphanDependents"))
                    : NULL;
    d->policy = policy.ptr ? yyjson_mut_strncpy(doc, policy.ptr, policy.len) : NULL;
    d->dry_run = param_list(c, &c->arena, "dryRun");
    return 0;
}

static enum propagation propagation_of(const struct deletion *d, struct causes *causes)
{
    static const struct str supported[] = {
        {"Foreground", 10}, {"Background", 10}, {"Orphan", 6}, {"nil", 3}};
    struct str policy = json_str(d->policy);
    if (d->orphan && d->policy) {
        causes_add(causes, CAUSE_INVALID, PATH_FIELD(NULL, STR("propagationPolicy")), d->policy,
                   "orphanDependents and deletionPropagation cannot be both set");
    }
    if (!d->policy) {
        return !d->orphan                       ? PROPAGATION_DEFAULT
               : yyjson_mut_get_bool(d->orphan) ? PROPAGATION_ORPHAN
                                                : PROPAGATION_BACKGROUND;
    }
    if (str_is(policy, "Foreground")) {
        return PROPAGATION_FOREGROUND;
    }
    if (str_is(policy, "Orphan")) {
        return PROPAGATION_ORPHAN;
    }
    if (!str_is(policy, "Background")) {
        causes_add_unsupported(causes, PATH_FIELD(NULL, STR("propagationPolicy")), d->policy,
                               supported, 4);
    }
    return PROPAGATION_BACKGROUND;
}

int options_delete(struct call *c, struct op *op, yyjson_mut_val *body, bool *ret_accepted,
                   struct err *err)
{
    struct deletion d = {0};
    int r = body ? from_body(body, &d, err) : c->n_params ? from_query(c, &d, err) : 0;
    if (r < 0) {
        return r;
    }
    struct causes causes;
    causes_init(&causes, &c->arena);
    op->del.propagation = propagation_of(&d, &causes);
    op->dry_run = check_dry_run(&causes, d.dry_run);
    op->del.grace = d.grace ? yyjson_mut_get_sint(d.grace) : -1;
    op->del.uid = arena_str(&op->arena, json_get_str(d.preconditions, "uid"));
    op->del.resource_version =
        arena_str(&op->arena, json_get_str(d.preconditions, "resourceVersion"));
    *ret_accepted = d.orphan && !yyjson_mut_get_bool(d.orphan);
    return invalid(&causes, "DeleteOptions", err);
}
