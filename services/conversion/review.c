/* SPDX-License-Identifier: Apache-2.0 */
/* ConversionReview: what is asked of a webhook and what may come back. The rules and their words
 * are the reference's (webhook_converter.go): the answer is believed about everything but an
 * object's identity and its metadata, of which labels and annotations alone may change. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/quote.h"
#include "resources/metadata.h"
#include "services/conversion/conversion_priv.h"

#define GROUP "apiextensions.k8s.io"

void review_write(struct buf *b, bool v1beta1, struct str uid, struct str api_version,
                  yyjson_mut_val *const *objs, size_t n)
{
    buf_printf(b,
               "{\"kind\":\"ConversionReview\",\"apiVersion\":\"" GROUP "/%s\",\"request\":{"
               "\"uid\":\"%.*s\",\"desiredAPIVersion\":",
               v1beta1 ? "v1beta1" : "v1", STR_FMT(uid));
    buf_add_json(b, api_version);
    buf_addz(b, ",\"objects\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) {
            buf_addc(b, ',');
        }
        json_write(b, objs[i]);
    }
    buf_addz(
        b,
        "]},\"response\":{\"uid\":\"\",\"convertedObjects\":null,\"result\":{\"metadata\":{}}}}\n");
}

/* ---- the frame of the answer ---- */

/* "group/v1, Kind=Widget" */
static const char *gvk_text(struct arena *a, struct str api_version, struct str kind)
{
    return arena_printf(a, "%.*s, Kind=%.*s", STR_FMT(api_version), STR_FMT(kind));
}

/* What Go's decoder says of a body that is no ConversionReview. */
static int check_kind(struct arena *a, const yyjson_mut_val *root, bool v1beta1, struct str body,
                      struct err *err)
{
    struct str api = json_get_str(root, "apiVersion"), kind = json_get_str(root, "kind");
    struct str want = v1beta1 ? STR(GROUP "/v1beta1") : STR(GROUP "/v1");
    struct str shown = str_make(body.ptr, body.len < 1024 ? body.len : 1024);
    if (!kind.len) {
        return err_set(err, ERR_UNKNOWN_500, "Object 'Kind' is missing in '%.*s'", STR_FMT(shown));
    }
    if (!api.len) {
        return err_set(err, ERR_UNKNOWN_500, "Object 'apiVersion' is missing in '%.*s'",
                       STR_FMT(shown));
    }
    bool known = str_is(kind, "ConversionReview") &&
                 (str_is(api, GROUP "/v1") || str_is(api, GROUP "/v1beta1"));
    if (!known) {
        return err_set(err, ERR_UNKNOWN_500,
                       "no kind \"%.*s\" is registered for version \"%.*s\" in scheme "
                       "\"pkg/runtime/scheme.go:110\"",
                       STR_FMT(kind), STR_FMT(api));
    }
    if (!v1beta1 && !str_eq(api, want)) {
        return err_set(err, ERR_UNKNOWN_500, "expected webhook response of %s, got %s",
                       gvk_text(a, want, STR("ConversionReview")), gvk_text(a, api, kind));
    }
    return 0;
}

static int check_result(const yyjson_mut_val *response, bool v1beta1, struct str uid,
                        struct err *err)
{
    const yyjson_mut_val *result = json_get(response, "result");
    struct str status = json_get_str(result, "status"), message = json_get_str(result, "message");
    if (!json_is_obj(response)) {
        return err_set(err, ERR_UNKNOWN_500, "no response provided");
    }
    if (!v1beta1 && !str_eq(json_get_str(response, "uid"), uid)) {
        AUTO(buf_finish) struct buf got = {0};
        quote_go(&got, json_get_str(response, "uid"));
        return err_set(err, ERR_UNKNOWN_500, "expected response.uid=\"%.*s\", got %.*s",
                       STR_FMT(uid), STR_FMT(buf_str(&got)));
    }
    if (str_is(status, "Success")) {
        return 0;
    }
    if (message.len) {
        return err_set(err, ERR_UNKNOWN_500, "%.*s", STR_FMT(message));
    }
    return err_set(err, ERR_UNKNOWN_500, "response.result.status was '%.*s', not 'Success'",
                   STR_FMT(status));
}

/* ---- one object ---- */

/* As Go's %T prints what JSON decodes to. */
static const char *go_type(const yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type(json_mut(v))) {
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_NUM:
        return yyjson_mut_is_int(json_mut(v)) ? "int64" : "float64";
    case YYJSON_TYPE_ARR:
        return "[]interface {}";
    case YYJSON_TYPE_OBJ:
        return "map[string]interface {}";
    default:
        return "<nil>";
    }
}

static bool same_strings(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
    return json_is_obj(a) && json_size(a) == json_size(b) && json_equal(a, b);
}

static int check_changed(const char *field, const yyjson_mut_val *answered, struct arena *a,
                         struct err *err)
{
    struct causes c;
    causes_init(&c, a);
    metadata_validate_map(answered, str_is(str_from(field), "labels"), &c);
    return c.n ? err_set(err, ERR_UNKNOWN_500, "%.*s", STR_FMT(causes_text(&c))) : 0;
}

/* Takes labels or annotations over from the answer into the metadata that is kept. */
static int take_map(yyjson_mut_doc *d, const char *field, yyjson_mut_val *meta,
                    const yyjson_mut_val *answered, struct arena *a, struct err *err)
{
    yyjson_mut_val *now = json_get(answered, field), *was = json_get(meta, field);
    if (!now || json_is_null(now)) {
        json_remove(meta, field);
        return 0;
    }
    if (!json_is_obj(now)) {
        return err_set(err, ERR_UNKNOWN_500, "invalid metadata.%s of type %s in converted object",
                       field, go_type(now));
    }
    for (struct json_iter it = json_iter(now); json_next(&it);) {
        if (!json_is_str(it.val)) {
            return err_set(err, ERR_UNKNOWN_500,
                           "metadata.%s[%.*s] must be a string, but is %s in converted object",
                           field, STR_FMT(json_str(it.key)), go_type(it.val));
        }
    }
    int rc = same_strings(was, now) ? 0 : check_changed(field, answered, a, err);
    if (!rc) {
        json_setz(d, meta, field, now);
    }
    return rc;
}

static int must_equal(const yyjson_mut_val *was, const yyjson_mut_val *now, const char *key,
                      const char *what, struct err *err)
{
    struct str a = json_get_str(was, key), b = json_get_str(now, key);
    return str_eq(a, b) ? 0
                        : err_set(err, ERR_UNKNOWN_500, "must have the same %s: %.*s != %.*s", what,
                                  STR_FMT(a), STR_FMT(b));
}

static int check_identity(const yyjson_mut_val *was, const yyjson_mut_val *now, struct err *err)
{
    const yyjson_mut_val *a = metadata_of(was), *b = metadata_of(now);
    int rc = must_equal(was, now, "kind", "kind", err);
    rc = rc ? rc : must_equal(a, b, "name", "name", err);
    rc = rc ? rc : must_equal(a, b, "namespace", "namespace", err);
    return rc ? rc : must_equal(a, b, "uid", "UID", err);
}

/* Where errors of one object stand: `returned invalid object: ` or, of several, with its index. */
struct place {
    const char *prefix;
    size_t index;
    bool many;
};

static int at_place(const struct place *p, const char *what, struct err *why, struct err *err)
{
    if (p->many) {
        err_set(err, ERR_UNKNOWN_500, "%s returned invalid %s at index %zu: %s", p->prefix,
                *what == 'm' ? "metadata in object" : "converted object", p->index,
                err_message(why));
    } else {
        err_set(err, ERR_UNKNOWN_500, "%s returned invalid %s: %s", p->prefix, what,
                err_message(why));
    }
    err_finish(why);
    return ERR_UNKNOWN_500;
}

static int check_version(const struct place *p, const struct type *t, struct str api_version,
                         const yyjson_mut_val *now, struct err *err)
{
    const char *where = p->many ? "converted object" : "object";
    struct str got = json_get_str(now, "apiVersion"), kind = json_get_str(now, "kind");
    if (!json_is_obj(now) || !kind.len) {
        AUTO(buf_finish) struct buf text = {0};
        json_write(&text, now);
        struct str shown = str_make(text.ptr, text.len < 1024 ? text.len : 1024);
        if (p->many) {
            return err_set(err, ERR_UNKNOWN_500,
                           "%s returned invalid converted object at index %zu: Object 'Kind' is "
                           "missing in '%.*s'",
                           p->prefix, p->index, STR_FMT(shown));
        }
        return err_set(err, ERR_UNKNOWN_500, "Object 'Kind' is missing in '%.*s'", STR_FMT(shown));
    }
    if (!str_eq(got, api_version)) {
        return err_set(err, ERR_UNKNOWN_500,
                       "%s returned invalid %s at index %zu: invalid groupVersion (expected %.*s, "
                       "received %.*s)",
                       p->prefix, where, p->index, STR_FMT(api_version), STR_FMT(got));
    }
    if (!str_eq(kind, t->kind)) {
        return err_set(
            err, ERR_UNKNOWN_500,
            "%s returned invalid %s at index %zu: invalid kind (expected %.*s, received %.*s)",
            p->prefix, where, p->index, STR_FMT(t->kind), STR_FMT(kind));
    }
    return 0;
}

/* Puts the original's metadata into the answered object, with the answer's labels and annotations.
 */
static int restore(yyjson_mut_doc *d, const yyjson_mut_val *was, yyjson_mut_val *now,
                   struct arena *a, struct err *err)
{
    yyjson_mut_val *answered = metadata_of(now);
    if (!answered) {
        return err_set(err, ERR_UNKNOWN_500, "missing metadata in converted object");
    }
    if (!json_is_obj(answered)) {
        return err_set(err, ERR_UNKNOWN_500, "invalid metadata of type %s in converted object",
                       go_type(answered));
    }
    yyjson_mut_val *kept = json_copy(d, metadata_of(was));
    int rc = take_map(d, "labels", kept, answered, a, err);
    rc = rc ? rc : take_map(d, "annotations", kept, answered, a, err);
    if (!rc) {
        json_setz(d, now, "metadata", kept);
    }
    return rc;
}

static int check_one(const struct place *p, const struct type *t, struct str api_version,
                     yyjson_mut_doc *d, const yyjson_mut_val *was, yyjson_mut_val *now,
                     struct arena *a, struct err *err)
{
    struct err why = {0};
    int rc = check_version(p, t, api_version, now, err);
    if (rc) {
        return rc;
    }
    if (check_identity(was, now, &why)) {
        return at_place(p, "object", &why, err);
    }
    return restore(d, was, now, a, &why) ? at_place(p, "metadata", &why, err) : 0;
}

/* ---- all of it ---- */

static int failed(const char *prefix, struct err *why, struct err *err)
{
    err_set(err, ERR_UNKNOWN_500, "%s failed: %s", prefix, err_message(why));
    err_finish(why);
    return ERR_UNKNOWN_500;
}

static int check_frame(struct str body, bool v1beta1, struct str uid, yyjson_mut_doc *r,
                       struct arena *a, struct err *err)
{
    int rc = check_kind(a, r->root, v1beta1, body, err);
    return rc ? rc : check_result(json_get(r->root, "response"), v1beta1, uid, err);
}

int review_read(struct str body, bool v1beta1, struct str uid, const struct type *t,
                struct str api_version, yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n,
                enum review_fault *ret_fault, struct err *err)
{
    struct arena *a = d->alc.ctx;
    yyjson_mut_doc *r = NULL;
    struct err why = {0};
    const char *prefix = arena_printf(
        a, "conversion webhook for %s",
        gvk_text(a, json_get_str(objs[0], "apiVersion"), json_get_str(objs[0], "kind")));
    *ret_fault = REVIEW_MALFORMED;
    if (json_read(a, body, &r, NULL, &why) || check_frame(body, v1beta1, uid, r, a, &why)) {
        return failed(prefix, &why, err);
    }
    yyjson_mut_val *list = json_path(r->root, "response", "convertedObjects", NULL);
    if (json_size(list) != n || (list && !json_is_arr(list) && !json_is_null(list))) {
        *ret_fault = REVIEW_PARTIAL;
        return err_set(err, ERR_UNKNOWN_500, "%s returned %zu objects, expected %zu", prefix,
                       json_is_arr(list) ? json_size(list) : 0, n);
    }
    *ret_fault = REVIEW_INVALID_OBJECT;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        const struct place p = {prefix, it.index, n > 1};
        int rc = check_one(&p, t, api_version, d, objs[it.index], it.val, a, err);
        if (rc) {
            return rc;
        }
    }
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        json_assign(objs[it.index], it.val);
    }
    return 0;
}
