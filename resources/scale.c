/* SPDX-License-Identifier: Apache-2.0 */
/* The scale subresource of types that declare one: an autoscaling/v1 Scale in front of three fields
 * of the object. */
#include <limits.h>

#include "resources/engine_priv.h"
#include "resources/tree_priv.h"

#define SCALE_API_VERSION "autoscaling/v1"
/* What an object shows as spec.replicas where it has none, so that a patch which sets nothing is
 * noticed. */
#define REPLICAS_UNSET INT32_MIN

bool scale_asked(const struct op *op)
{
    return str_is(op->subresource, "scale") && op->version->has_scale &&
           !type_subresource(op->type, op->subresource);
}

/* ---- the fields: simple paths as .spec.replicas ---- */

/* Cuts the next name off a path; false at its end. */
static bool next_name(struct str *path, struct str *ret)
{
    if (path->len && path->ptr[0] == '.') {
        *path = str_skip(*path, 1);
    }
    if (!path->len) {
        return false;
    }
    struct str rest;
    *ret = str_cut(*path, '.', &rest);
    *path = rest;
    return true;
}

static yyjson_mut_val *field_get(const yyjson_mut_val *obj, struct str path)
{
    yyjson_mut_val *v = (yyjson_mut_val *)(uintptr_t)obj;
    for (struct str name; v && next_name(&path, &name);) {
        v = json_getn(v, name);
    }
    return v;
}

static void field_set(yyjson_mut_doc *d, yyjson_mut_val *obj, struct str path,
                      yyjson_mut_val *value)
{
    struct str name, after;
    if (!next_name(&path, &name)) {
        return;
    }
    while (next_name(&path, &after)) {
        yyjson_mut_val *in = json_getn(obj, name);
        if (!yyjson_mut_is_obj(in)) {
            in = yyjson_mut_obj(d);
            json_set(d, obj, name, in);
        }
        obj = in;
        name = after;
    }
    json_set(d, obj, name, value);
}

static bool is_integer(yyjson_mut_val *v)
{
    return yyjson_mut_is_int(v);
}

static const char *go_type(yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type(v)) {
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_NUM:
        return "float64";
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_ARR:
        return "[]interface {}";
    case YYJSON_TYPE_OBJ:
        return "map[string]interface {}";
    default:
        return "<nil>";
    }
}

/* ---- showing ---- */

static int read_replicas(const yyjson_mut_val *obj, struct str path, int64_t absent, int64_t *ret,
                         struct err *err)
{
    yyjson_mut_val *v = field_get(obj, path);
    if (v && !is_integer(v)) {
        return err_set(err, ERR_UNKNOWN_500,
                       "%.*s accessor error: the value is of the type %s, expected int64",
                       STR_FMT(path), go_type(v));
    }
    *ret = v ? yyjson_mut_get_sint(v) : absent;
    return 0;
}

static void copy_meta(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *obj,
                      struct str rv)
{
    static const char *const keys[] = {"name", "namespace", "uid", "resourceVersion",
                                       "creationTimestamp"};
    const yyjson_mut_val *from = metadata_of(obj);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        struct str s =
            str_is(str_from(keys[i]), "resourceVersion") ? rv : json_get_str(from, keys[i]);
        if (s.len) {
            json_set_str(d, to, keys[i], s);
        }
    }
}

/* absent: what spec.replicas shows where the object has none. */
static int make_scale(const struct type_scale *paths, yyjson_mut_doc *d, const yyjson_mut_val *obj,
                      struct str rv, int64_t absent, yyjson_mut_val **ret, struct err *err)
{
    int64_t spec = 0, status = 0;
    int rc = read_replicas(obj, paths->spec_path, absent, &spec, err);
    rc = rc ? rc : read_replicas(obj, paths->status_path, 0, &status, err);
    if (rc) {
        return rc;
    }
    yyjson_mut_val *scale = yyjson_mut_obj(d);
    json_setz(d, scale, "kind", yyjson_mut_str(d, "Scale"));
    json_setz(d, scale, "apiVersion", yyjson_mut_str(d, SCALE_API_VERSION));
    copy_meta(d, json_ensure_obj(d, scale, "metadata"), obj, rv);
    yyjson_mut_val *s = json_ensure_obj(d, scale, "spec");
    if (spec) {
        json_set_int(d, s, "replicas", spec);
    }
    s = json_ensure_obj(d, scale, "status");
    json_set_int(d, s, "replicas", status);
    struct str selector =
        paths->selector_path.ptr ? json_str(field_get(obj, paths->selector_path)) : STR_NULL;
    if (selector.len) {
        json_set_str(d, s, "selector", selector);
    }
    *ret = scale;
    return 0;
}

int scale_of(const struct op *op, yyjson_mut_doc *d, const yyjson_mut_val *obj, struct str rv,
             yyjson_mut_val **ret, struct err *err)
{
    const struct type_scale *paths = &op->version->scale;
    if (!field_get(obj, paths->spec_path)) {
        return err_set(err, ERR_INTERNAL, "the spec replicas field \"%.*s\" does not exist",
                       STR_FMT(paths->spec_path));
    }
    return make_scale(paths, d, obj, rv, 0, ret, err);
}

/* ---- changing ---- */

static int check_scale(struct write *w, enum decode_as as, yyjson_mut_val *scale, struct err *err)
{
    struct str kind = json_get_str(scale, "kind"), api_version = json_get_str(scale, "apiVersion");
    kind = kind.len ? kind : STR("Scale");
    api_version = api_version.len ? api_version : STR(SCALE_API_VERSION);
    const char *why = NULL;
    yyjson_mut_val *replicas = json_path(scale, "spec", "replicas", NULL);
    if (!str_is(kind, "Scale") || !str_is(api_version, SCALE_API_VERSION)) {
        why = arena_printf(&w->arena,
                           "no kind \"%.*s\" is registered for version \"%.*s\" in scheme "
                           "\"pkg/runtime/scheme.go:111\"",
                           STR_FMT(kind), STR_FMT(api_version));
    } else if (!yyjson_mut_is_obj(scale)) {
        why = "json: cannot unmarshal into Go value of type v1.Scale";
    } else if (replicas && !yyjson_mut_is_null(replicas) && !yyjson_mut_is_int(replicas)) {
        why = "json: cannot unmarshal into Go struct field Scale.spec.replicas of type int32";
    } else if (replicas && yyjson_mut_is_int(replicas) &&
               (yyjson_mut_get_sint(replicas) > INT32_MAX ||
                yyjson_mut_get_sint(replicas) < INT32_MIN)) {
        why =
            "json: cannot unmarshal number into Go struct field Scale.spec.replicas of type int32";
    }
    return why ? write_decode_error(w, as, api_version, kind, scale, why, err) : 0;
}

static int check_identity(struct write *w, yyjson_mut_val *scale, struct err *err)
{
    struct str ns = metadata_namespace(scale);
    if (ns.len && !str_eq(ns, w->op->scope.ns)) {
        return err_set(err, ERR_BAD_REQUEST,
                       "the namespace of the provided object does not match the namespace sent on "
                       "the request");
    }
    return write_check_name(w->op, scale, err);
}

/* The new Scale as sent or patched, with its owners; base: the present one. */
static int changed_scale(struct write *w, const struct managed *m, yyjson_mut_val *base,
                         struct managed_before *owners, yyjson_mut_val **ret, struct err *err)
{
    bool put = w->op->verb == VERB_UPDATE;
    yyjson_mut_val *live = json_copy(w->doc, base), *scale = base;
    int rc = 0;
    if (put) {
        scale = json_copy(w->doc, yyjson_mut_doc_get_root(w->op->body));
    } else {
        rc = write_patch(w, base, NULL, &scale, err);
    }
    rc = rc ? rc : check_scale(w, put ? DECODE_BODY : DECODE_PATCHED, scale, err);
    if (rc) {
        return rc;
    }
    yyjson_mut_val *spec = json_get(scale, "spec");
    if (json_get(spec, "replicas") && !json_get_int(spec, "replicas", 0)) {
        json_remove(spec, "replicas"); /* as the reference's type: a zero is absent */
    }
    managed_detach(scale);
    *ret = scale;
    return managed_update(m, live, owners, scale, err);
}

/* What the reference's schema of a Scale says of a field: a Scale is too small to have a compiled
 * one. */
static const char *misfit(const yyjson_mut_val *v, const char *at)
{
    if (str_is(str_from(at), ".status.selector")) {
        return json_is_null(v) || json_is_str(v) ? NULL : "expected string";
    }
    return json_is_null(v) || yyjson_mut_is_num(json_mut(v)) ? NULL
                                                             : "expected numeric (int or float)";
}

/* What does not fit in one part (spec, status) of an applied Scale; NULL: nothing. */
static const char *misfit_in(struct write *w, struct str part, const yyjson_mut_val *v)
{
    static const char *const fields[] = {".spec.replicas", ".status.replicas", ".status.selector"};
    struct json_iter it = json_iter(v);
    while (json_is_obj(v) && json_next(&it)) {
        const char *at =
            arena_printf(&w->arena, ".%.*s.%.*s", STR_FMT(part), STR_FMT(json_str(it.key)));
        size_t i = 0;
        while (i < 3 && strcmp(fields[i], at) != 0) {
            i++;
        }
        if (i == 3) {
            return arena_printf(&w->arena, "%s: field not declared in schema", at);
        }
        const char *wrong = misfit(it.val, at);
        if (wrong) {
            return arena_printf(&w->arena, "%s: %s, got %s", at, wrong, tree_go_kind(it.val));
        }
    }
    return NULL;
}

/* Whether `applied` has only fields of a Scale, of their types; ERR_UNKNOWN_500 as of any object
 * applied. What it claims to be is checked after. */
static int check_fields(struct write *w, const yyjson_mut_val *applied, struct err *err)
{
    const char *why = NULL;
    struct json_iter it = json_iter(applied);
    while (json_is_obj(applied) && !why && json_next(&it)) {
        struct str part = json_str(it.key);
        if (str_is(part, "spec") || str_is(part, "status")) {
            why = misfit_in(w, part, it.val);
        } else if (!str_is(part, "apiVersion") && !str_is(part, "kind") &&
                   !str_is(part, "metadata")) {
            why = arena_printf(&w->arena, ".%.*s: field not declared in schema", STR_FMT(part));
        }
    }
    if (!why || !str_is(json_get_str(applied, "kind"), "Scale")) {
        return 0;
    }
    return err_set(err, ERR_UNKNOWN_500,
                   "failed to create typed patch object (%.*s/%.*s; %.*s): %s",
                   STR_FMT(metadata_namespace(applied)), STR_FMT(metadata_name(applied)),
                   STR_FMT(managed_gvk(&w->arena, applied)), why);
}

static int applied_scale(struct write *w, const struct managed *m, const yyjson_mut_val *base,
                         const struct managed_before *owners, yyjson_mut_val **ret, struct err *err)
{
    const yyjson_mut_val *body = yyjson_mut_doc_get_root(w->op->body);
    int rc = check_fields(w, body, err);
    rc = rc ? rc : managed_apply(m, base, owners->was, body, w->op->force, ret, err);
    return rc ? rc : check_scale(w, DECODE_APPLIED, *ret, err);
}

/* The Scale after this write. */
static int next_scale(struct write *w, const struct managed *m, yyjson_mut_val **ret,
                      struct err *err)
{
    const struct type_scale *paths = &w->op->version->scale;
    struct str rv = json_get_str(metadata_of(w->old), "resourceVersion");
    const yyjson_mut_val *list = json_get(metadata_of(w->old), "managedFields");
    struct managed_before owners = {.was = managed_to_scale(m, list), .move = true};
    yyjson_mut_val *base = NULL;
    int rc = make_scale(paths, w->doc, w->old, rv, REPLICAS_UNSET, &base, err);
    if (rc) {
        return rc;
    }
    rc = w->op->verb == VERB_PATCH && w->op->patch == PATCH_APPLY
             ? applied_scale(w, m, base, &owners, ret, err)
             : changed_scale(w, m, base, &owners, ret, err);
    return rc ? rc : check_identity(w, *ret, err);
}

int scale_update(struct write *w, struct str *ret_rv, struct err *err)
{
    const struct type_scale *paths = &w->op->version->scale;
    bool put = w->op->verb == VERB_UPDATE;
    w->doc = json_doc(&w->arena);
    struct managed m = write_managed(w);
    m.scale = true;
    yyjson_mut_val *scale = NULL;
    int rc = next_scale(w, &m, &scale, err);
    if (rc) {
        return rc;
    }
    int64_t replicas = json_get_int(json_get(scale, "spec"), "replicas", 0);
    if (replicas == REPLICAS_UNSET) {
        return err_set(err, ERR_BAD_REQUEST, "the spec replicas field \"%.*s\" cannot be empty",
                       STR_FMT(paths->spec_path));
    }
    w->obj = json_copy(w->doc, w->old);
    field_set(w->doc, w->obj, paths->spec_path, yyjson_mut_sint(w->doc, replicas));
    yyjson_mut_val *meta = metadata_of(w->obj), *list = managed_detach(w->obj);
    managed_attach(w->doc, w->obj, managed_from_scale(&m, list, managed_detach(scale)));
    struct str uid = metadata_uid(scale), rv = json_get_str(metadata_of(scale), "resourceVersion");
    *ret_rv = rv.len ? rv : json_get_str(metadata_of(w->old), "resourceVersion");
    json_remove(meta, "resourceVersion");
    if (put && uid.len) {
        json_set_str(w->doc, meta, "uid", uid);
    }
    return 0;
}

void scale_answer(struct write *w, int64_t rev)
{
    struct answer *a = &w->op->answer;
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)rev);
    a->http_status = 200;
    a->doc = w->doc;
    if (make_scale(&w->op->version->scale, w->doc, w->obj, str_make(text, (size_t)n), 0, &a->value,
                   NULL)) {
        a->value = w->obj; /* validation saw to it that the fields are integers */
    }
}

/* ---- validation ---- */

static void validate_replicas(const yyjson_mut_val *obj, struct str path, struct causes *c)
{
    yyjson_mut_val *v = field_get(obj, path);
    if (!v) {
        return;
    }
    const struct path *at = PATH_FIELD(NULL, path);
    if (!is_integer(v)) {
        causes_add_text(c, CAUSE_INVALID, at, STR("0"),
                        "%.*s accessor error: the value is of the type %s, expected int64",
                        STR_FMT(path), go_type(v));
    } else if (yyjson_mut_get_sint(v) < 0) {
        causes_add(c, CAUSE_INVALID, at, v, "should be a non-negative integer");
    } else if (yyjson_mut_get_sint(v) > INT32_MAX) {
        causes_add(c, CAUSE_INVALID, at, v, "should be less than or equal to %d", INT32_MAX);
    }
}

void scale_validate(const struct type_version *v, const yyjson_mut_val *obj, bool status_only,
                    struct causes *c)
{
    if (!status_only) {
        validate_replicas(obj, v->scale.spec_path, c);
    }
    validate_replicas(obj, v->scale.status_path, c);
    yyjson_mut_val *selector =
        v->scale.selector_path.ptr ? field_get(obj, v->scale.selector_path) : NULL;
    if (selector && !yyjson_mut_is_str(selector)) {
        causes_add_text(c, CAUSE_INVALID, PATH_FIELD(NULL, v->scale.selector_path), STR("\"\""),
                        "%.*s accessor error: the value is of the type %s, expected string",
                        STR_FMT(v->scale.selector_path), go_type(selector));
    }
}
