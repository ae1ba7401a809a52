/* SPDX-License-Identifier: Apache-2.0 */
/* GET .../search: annotations whose span touches a range of time, the last to begin first, a page
 * at a time. Parameters and answer are Grafana's: from, to, dashboardUID, panelID, tag (repeated),
 * tagsMatchAny, scope (repeated), scopesMatchAny, createdBy, legacyID, deleted, limit, continue.
 * Only what the index gives for the range is read. */
#include <string.h>

#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/index_span.h"
#include "resources/metadata.h"
#include "resources/platform.h"
#include "services/annotations/annotations_priv.h"

#define LEGACY_ID "grafana.app/deprecatedInternalID"

enum { LIMIT_DEFAULT = 100, FULL = 1 };

struct texts {
    struct str items[LIMIT_QUERY_PARAMS];
    size_t n;
    bool any;
};

struct search {
    struct annotations *self;
    struct op *op;
    struct type *type;
    const struct type_version *version;
    struct index_range range;
    bool by_dashboard;
    int64_t panel, legacy, limit;
    struct str created_by;
    struct texts tags, scopes;
    /* the answer */
    yyjson_mut_doc *doc;
    yyjson_mut_val *items;
    int64_t n;
    size_t looked, bytes;
    int64_t last_begin; /* of what was looked at last */
    struct buf last_name;
    bool more;
    struct err *err;
};

/* ---- the question ---- */

static void read_texts(const struct op *op, const char *key, const char *any, struct texts *ret)
{
    struct str match = op_param(op, any);
    for (size_t i = 0; i < op->n_params && ret->n < LIMIT_QUERY_PARAMS; i++) {
        if (str_is(op->params[i].key, key)) {
            ret->items[ret->n++] = op->params[i].value;
        }
    }
    ret->any = str_is_word(match, "true") || str_is(match, "1") || str_is_word(match, "t");
}

static int bad_token(struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "invalid continue token");
}

/* BEGIN/NAME of the last that was looked at. */
static int read_token(struct search *s, struct str token, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    if (!crypto_unbase64url(&b, token) || !b.len) {
        return bad_token(err);
    }
    struct str name, begin = str_cut(arena_str(&s->op->arena, buf_str(&b)), '/', &name);
    int64_t at = 0;
    if (!begin.len || !name.len || memchr(name.ptr, '/', name.len) ||
        memchr(name.ptr, '\0', name.len)) {
        return bad_token(err);
    }
    for (size_t i = 0; i < begin.len; i++) {
        int digit = begin.ptr[i] - '0';
        if (digit < 0 || digit > 9 || at > (INT64_MAX - digit) / 10) {
            return bad_token(err);
        }
        at = 10 * at + digit;
    }
    s->range.at = at;
    s->range.after = name;
    return 0;
}

static int read_question(struct search *s, struct err *err)
{
    const struct op *op = s->op;
    struct str token = op_param(op, "continue");
    s->limit = LIMIT_DEFAULT;
    int rc = annotations_number(op, "from", 0, &s->range.from, err);
    rc = rc ? rc : annotations_number(op, "to", 0, &s->range.to, err);
    rc = rc ? rc : annotations_number(op, "panelID", 0, &s->panel, err);
    rc = rc ? rc : annotations_number(op, "legacyID", 0, &s->legacy, err);
    rc = rc ? rc : annotations_number(op, "limit", 0, &s->limit, err);
    rc = rc || !token.len ? rc : read_token(s, token, err);
    s->range.to = s->range.to ? s->range.to : INT64_MAX;
    s->limit = s->limit ? s->limit : LIMIT_DEFAULT;
    s->limit = s->limit < LIMIT_ANNOTATION_PAGE ? s->limit : LIMIT_ANNOTATION_PAGE;
    s->range.by = op_param(op, "dashboardUID").len ? op_param(op, "dashboardUID") : STR("");
    s->by_dashboard = s->range.by.len > 0;
    s->created_by = op_param(op, "createdBy");
    read_texts(op, "tag", "tagsMatchAny", &s->tags);
    read_texts(op, "scope", "scopesMatchAny", &s->scopes);
    return rc;
}

/* ---- one annotation ---- */

static bool has_text(const yyjson_mut_val *list, struct str text)
{
    struct json_iter it = json_iter(list);
    while (it.container && json_next(&it)) {
        if (str_eq(json_str(it.val), text)) {
            return true;
        }
    }
    return false;
}

static bool has_texts(const yyjson_mut_val *list, const struct texts *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (has_text(list, t->items[i]) == t->any) {
            return t->any;
        }
    }
    return !t->n || !t->any;
}

static bool has_legacy(const struct search *s, const yyjson_mut_val *obj)
{
    struct str label = json_get_str(json_get(metadata_of(obj), "labels"), LEGACY_ID);
    const char *want = arena_printf(&s->op->arena, "%lld", (long long)s->legacy);
    return str_is(label, want);
}

/* All that the index does not answer, or that has changed since it was asked. */
static bool matches(const struct search *s, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    int64_t begin = json_get_int(spec, "time", 0), end = json_get_int(spec, "timeEnd", begin);
    end = end > begin ? end : begin;
    struct str by = json_get_str(json_get(metadata_of(obj), "annotations"), PLATFORM_CREATED_BY);
    return begin <= s->range.to && end >= s->range.from &&
           (!s->by_dashboard || str_eq(json_get_str(spec, "dashboardUID"), s->range.by)) &&
           (!s->panel || json_get_int(spec, "panelID", 0) == s->panel) &&
           (!s->created_by.len || str_eq(by, s->created_by)) &&
           has_texts(json_get(spec, "tags"), &s->tags) &&
           has_texts(json_get(spec, "scopes"), &s->scopes) && (!s->legacy || has_legacy(s, obj));
}

static int consider(struct search *s, const struct stored *stored)
{
    struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    int rc = represent_decode(s->type, s->version, stored, &a, &d, s->err);
    if (!rc && matches(s, yyjson_mut_doc_get_root(d))) {
        yyjson_mut_arr_append(s->items, json_copy(s->doc, yyjson_mut_doc_get_root(d)));
        s->bytes += stored->value.len;
        s->n++;
    }
    arena_finish(&a);
    return rc;
}

static int look(void *arg, int64_t begin, struct str name)
{
    struct search *s = arg;
    if (s->n == s->limit || s->looked == LIMIT_ANNOTATION_LOOKS ||
        s->bytes >= LIMIT_ANNOTATION_PAGE_BYTES) {
        s->more = true;
        return FULL;
    }
    AUTO(blob_unrefp) struct blob *blob = NULL;
    AUTO(err_finish) struct err why = {0};
    struct stored stored;
    s->looked++;
    s->last_begin = begin;
    s->last_name.len = 0;
    buf_add(&s->last_name, name);
    int rc = engine_get(s->self->engine, s->type, s->op->scope, name, &blob, &stored, &why);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : err_move(s->err, &why);
    }
    return consider(s, &stored);
}

/* ---- the answer ---- */

static void answer(struct search *s, yyjson_mut_val **ret)
{
    yyjson_mut_doc *d = s->doc;
    *ret = yyjson_mut_obj(d);
    json_set_str(d, *ret, "kind", s->type->list_kind);
    json_set_str(d, *ret, "apiVersion", s->version->api_version);
    yyjson_mut_val *meta = json_ensure_obj(d, *ret, "metadata");
    if (s->more) {
        AUTO(buf_finish) struct buf plain = {0}, token = {0};
        buf_printf(&plain, "%lld/", (long long)s->last_begin);
        buf_add(&plain, buf_str(&s->last_name));
        crypto_base64url(&token, buf_str(&plain));
        json_set_str(d, meta, "continue", buf_str(&token));
    }
    json_setz(d, *ret, "items", s->items);
}

static int find(struct search *s, struct err *err)
{
    if (str_is(op_param(s->op, "deleted"), "only")) {
        return 0; /* what is deleted is gone */
    }
    int rc =
        index_ranges(s->self->engine, s->type, s->op->scope,
                     s->by_dashboard ? STR("dashboard") : STR("time"), &s->range, look, s, err);
    return rc == FULL ? 0 : rc;
}

int annotations_search(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                       struct err *err)
{
    struct search s = {.self = self, .op = op, .doc = d, .err = err};
    int rc = annotations_namespace(op, err);
    rc = rc ? rc : read_question(&s, err);
    if (rc) {
        return rc;
    }
    s.type = annotations_type(self);
    s.version = type_storage(s.type);
    s.items = yyjson_mut_arr(d);
    rc = find(&s, err);
    if (!rc) {
        answer(&s, ret_answer);
    }
    buf_finish(&s.last_name);
    type_unref(s.type);
    return rc;
}
