/* SPDX-License-Identifier: Apache-2.0 */
/* From a path to a type and a verb, in the two dialects: that of the built-in types, whose routes
 * are a fixed table in the reference (an unknown one is a Status), and that of custom resources,
 * whose handler looks the definition up (an unknown one is plain text). */
#include "apiserver/rest.h"

#include "apiserver/call_priv.h"
#include "apiserver/compress.h"
#include "apiserver/negotiate.h"
#include "apiserver/options.h"
#include "apiserver/route.h"
#include "base/yaml.h"
#include "resources/status.h"

enum { SPLICE_BYTES = 64 }; /* what an answer has beyond the stored bytes */

/* ---- verbs ---- */

struct str rest_verb(const struct call *c)
{
    struct str m = c->http->method;
    bool named = c->route.name.len > 0;
    if (c->route.legacy_watch) {
        return STR("watch");
    }
    if (call_is_read(c)) {
        return named ? STR("get") : query_bool(c, "watch") ? STR("watch") : STR("list");
    }
    if (str_is(m, "POST")) {
        return STR("create");
    }
    if (str_is(m, "PUT")) {
        return STR("update");
    }
    if (str_is(m, "PATCH")) {
        return STR("patch");
    }
    if (str_is(m, "DELETE")) {
        return named ? STR("delete") : STR("deletecollection");
    }
    return STR("");
}

/* ---- refusals ---- */

static void answer_generic(struct call *c, int code)
{
    struct err err = {0};
    status_generic(&err, code, NULL);
    call_answer_err(c, &err);
}

/* No such type or version: a Status within the built-in groups, plain text elsewhere. */
static void answer_unknown(struct call *c)
{
    const struct registry_group *g = registry_find_group(c->types, c->route.group);
    if (!c->route.group.len || (g && !g->custom)) {
        answer_generic(c, ERR_NOT_FOUND);
    } else {
        call_answer_no_page(c);
    }
}

/* ---- the two dialects: each finds the verb, or answers and gives false ---- */

static bool has_subresource(const struct rest *r, struct str name)
{
    return (str_is(name, "status") && r->version->status) ||
           (str_is(name, "scale") && r->version->has_scale) || type_subresource(r->type, name);
}

/* Whether the built-ins' table has a row for the path, with any method. */
static bool builtin_path(const struct call *c, const struct rest *r)
{
    const struct route *p = &c->route;
    if (p->namespaced ? !r->type->namespaced : r->type->namespaced && p->name.len) {
        return false;
    }
    if (p->legacy_watch) {
        return !p->subresource.len && r->type->verbs & VERB_BIT(VERB_WATCH);
    }
    /* "//status": a subresource of nothing must not be served as the collection, under a right to
     * the subresource */
    return !p->subresource.len || (p->name.len && has_subresource(r, r->subresource));
}

static bool builtin_method(const struct call *c, const struct rest *r)
{
    const struct route *p = &c->route;
    bool across = r->type->namespaced && !p->namespaced;
    if (str_is(c->http->method, "HEAD") || !verb_parse(c->verb, &(enum verb){VERB_GET})) {
        return false;
    }
    if (p->legacy_watch) {
        return call_is_read(c);
    }
    if (!p->name.len) {
        return call_is_read(c) ||
               (!across && (r->verb == VERB_CREATE || r->verb == VERB_DELETECOLLECTION));
    }
    return p->subresource.len || r->verb != VERB_CREATE;
}

static bool serve_builtin(struct call *c, struct rest *r)
{
    if (!builtin_path(c, r)) {
        answer_generic(c, ERR_NOT_FOUND);
        return false;
    }
    if (!builtin_method(c, r) ||
        (!c->route.subresource.len && !(r->type->verbs & VERB_BIT(r->verb)))) {
        answer_generic(c, ERR_METHOD);
        return false;
    }
    return true;
}

static bool refuse(struct call *c, struct err *err)
{
    call_answer_err(c, err);
    return false;
}

/* A computed get: the path alone says that it is one. */
static bool serve_query(struct call *c, struct rest *r)
{
    r->query =
        c->route.subresource.len || !call_is_read(c) ? NULL : type_query(r->type, c->route.name);
    if (r->query && c->route.namespaced == r->type->namespaced) {
        r->verb = VERB_GET;
        return true;
    }
    r->query = NULL;
    return false;
}

static bool serve_custom(struct call *c, struct rest *r)
{
    const struct route *p = &c->route;
    struct err err = {0};
    if (serve_query(c, r)) {
        return true;
    }
    bool across = r->verb == VERB_LIST || r->verb == VERB_WATCH;
    if (p->namespaced ? !r->type->namespaced : r->type->namespaced && !across) {
        call_answer_no_page(c);
        return false;
    }
    if (p->subresource.len && !has_subresource(r, r->subresource)) {
        status_not_found(&err, r->type, p->name);
        return refuse(c, &err);
    }
    uint32_t of_sub = VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH);
    uint32_t verbs = r->sub ? r->sub->verbs : p->subresource.len ? of_sub : r->type->verbs;
    if (!verb_parse(c->verb, &(enum verb){VERB_GET}) || !(verbs & VERB_BIT(r->verb))) {
        status_method(&err, r->type, c->verb);
        return refuse(c, &err);
    }
    if (!p->name.len && (r->verb == VERB_UPDATE || r->verb == VERB_PATCH)) {
        enum patch_type patch;
        if (r->verb == VERB_UPDATE || negotiate_patch(c, false, &patch, &err) == 0) {
            err_set(&err, ERR_BAD_REQUEST, "name must be provided");
        }
        return refuse(c, &err);
    }
    return true;
}

/* ---- operations ---- */

static void take_params(struct op *op, const struct call *c)
{
    struct op_param *params = arena_alloc(&op->arena, (c->n_params + 1) * sizeof(*params));
    for (size_t i = 0; i < c->n_params; i++) {
        params[i] = (struct op_param){arena_str(&op->arena, c->params[i].key),
                                      arena_str(&op->arena, c->params[i].value)};
    }
    op->params = params;
    op->n_params = c->n_params;
}

static bool is_gone(void *arg)
{
    return http_request_gone(arg);
}

static struct op *make_op(struct call *c, const struct rest *r)
{
    struct op *op = op_create(server_engine(c->server));
    const struct route *p = &c->route;
    op->is_gone = is_gone;
    op->gone_arg = c->http;
    op->verb = r->verb;
    op_set_type(op, r->type, r->version);
    op->scope.workspace = STR("");
    op->scope.ns = p->namespaced ? arena_str(&op->arena, p->ns) : STR("");
    /* the name in the path of a list's /watch/ form becomes a field selector; a create's is the
     * body's business */
    bool named = r->verb != VERB_CREATE || p->subresource.len;
    op->name = named && p->name.len ? arena_str(&op->arena, p->name) : STR("");
    op->subresource = r->subresource.len ? arena_str(&op->arena, r->subresource) : STR("");
    op->subpath = r->subpath.len ? arena_str(&op->arena, r->subpath) : STR("");
    op->query = r->query;
    op->user = user_ref(c->user);
    if (r->query || (r->sub && r->sub->get)) {
        take_params(op, c);
    }
    return op;
}

static void run(struct call *c, struct rest *r)
{
    c->op = make_op(c, r);
    if (r->sub && r->sub->change && r->verb != VERB_GET) {
        rest_change(c);
        return;
    }
    switch (r->verb) {
    case VERB_GET:
        rest_get(c);
        return;
    case VERB_LIST:
        rest_list(c);
        return;
    case VERB_WATCH:
        rest_watch(c);
        return;
    case VERB_CREATE:
    case VERB_UPDATE:
    case VERB_PATCH:
    case VERB_DELETE:
    case VERB_DELETECOLLECTION:
    case VERB_COUNT:
        rest_write(c);
        return;
    }
}

/* What the path's subresource is: one that takes a path is named by its first part. */
static void find_subresource(const struct call *c, struct rest *r)
{
    struct str whole = c->route.subresource, rest;
    struct str first = str_cut(whole, '/', &rest);
    const struct type_subresource *sub = whole.len ? type_subresource(r->type, first) : NULL;
    bool path = sub && sub->path;
    r->subresource = path ? first : whole;
    r->subpath = path && rest.ptr ? rest : STR("");
    r->sub = path || !rest.ptr ? sub : NULL;
}

void rest_serve(struct call *c)
{
    const struct route *p = &c->route;
    struct rest *r = ARENA_NEW(&c->arena, struct rest);
    r->type = registry_find(c->types, p->group, p->resource);
    r->version = r->type ? type_served(r->type, p->version) : NULL;
    if (!r->version) {
        answer_unknown(c);
        return;
    }
    c->priv = r;
    verb_parse(c->verb, &r->verb);
    find_subresource(c, r);
    if (r->version->deprecated && r->version->warning.len) {
        call_warn(c, r->version->warning);
    }
    if (r->type->custom ? serve_custom(c, r) : serve_builtin(c, r)) {
        run(c, r);
    }
}

/* ---- answers ---- */

int rest_reformat(struct call *c, struct buf *json, struct err *err)
{
    enum encoding encoding = media_encoding(c->accept.type);
    if (encoding != ENCODING_JSON) {
        return encoding_body(json, 0, encoding, c->op->type, err);
    }
    bool yaml = str_is(c->accept.type, "application/yaml");
    if (!yaml && !c->accept.pretty) {
        buf_addc(json, '\n');
        return 0;
    }
    yyjson_mut_doc *doc = NULL;
    int code = json_read_own(&c->arena, buf_str(json), &doc, err);
    if (code < 0) {
        return code;
    }
    json->len = 0;
    if (yaml) {
        yaml_write(json, yyjson_mut_doc_get_root(doc));
    } else {
        json_write_pretty(json, yyjson_mut_doc_get_root(doc));
        buf_addc(json, '\n');
    }
    return 0;
}

void rest_answer_json(struct call *c, int status, struct buf *json)
{
    struct err err = {0};
    if (rest_reformat(c, json, &err) < 0) {
        buf_finish(json);
        call_answer_err(c, &err);
        return;
    }
    compress_answer(c, status, c->accept.type, json);
}

/* The answer's object as a tree in the version asked for. */
static int tree_of(struct call *c, yyjson_mut_val **ret, struct err *err)
{
    struct answer *a = &c->op->answer;
    if (!a->stored) {
        *ret = a->value;
        return 0;
    }
    struct stored s = {blob_str(a->blob), a->rev, a->stamp};
    yyjson_mut_doc *doc = NULL;
    int code = represent_decode(c->op->type, c->op->version, &s, &c->arena, &doc, err);
    *ret = code < 0 ? NULL : yyjson_mut_doc_get_root(doc);
    return code;
}

/* A subresource whose body is another kind (a Scale, a review) has no Table of its own. */
static bool is_own_kind(const struct op *op, yyjson_mut_val *obj)
{
    return str_eq(json_get_str(obj, "kind"), op->type->kind);
}

static int write_answer(struct call *c, struct buf *b, struct err *err)
{
    const struct rest *r = c->priv;
    struct op *op = c->op;
    struct answer *a = &op->answer;
    if (a->deleted_status) {
        status_write_deleted(b, op->type, op->name, a->uid);
        return 0;
    }
    if (a->stored && r->form.as == REPRESENT_OBJECT) {
        struct stored s = {blob_str(a->blob), a->rev, a->stamp};
        buf_reserve(b, s.value.len + SPLICE_BYTES);
        return represent_object(b, op->type, op->version, &s, &c->arena, err);
    }
    yyjson_mut_val *obj = NULL;
    int code = tree_of(c, &obj, err);
    if (code < 0) {
        return code;
    }
    if (r->form.as == REPRESENT_OBJECT || !is_own_kind(op, obj)) {
        json_write(b, obj);
    } else if (r->form.as == REPRESENT_PARTIAL) {
        represent_partial(b, obj, r->form.v1beta1);
    } else {
        represent_table(b, op->type, op->version, &r->form, obj, true, STR_NULL);
    }
    return 0;
}

/* The answer of a get that sends elsewhere. */
static void answer_redirect(struct call *c, struct buf *json)
{
    const struct answer *a = &c->op->answer;
    const struct http_header to = {STR("location"), a->location};
    struct err err = {0};
    if (rest_reformat(c, json, &err) < 0) {
        buf_finish(json);
        call_answer_err(c, &err);
        return;
    }
    call_answer_headers(c, a->http_status, c->accept.type, &to, 1, json);
}

void rest_answer(struct call *c)
{
    const struct rest *r = c->priv;
    struct op *op = c->op;
    struct err err = {0};
    struct buf b = {0};
    if (op->code < 0) {
        err_move(&err, &op->err);
    } else if (write_answer(c, &b, &err) == 0) {
        if (op->answer.location.len) {
            answer_redirect(c, &b);
            return;
        }
        int status = op->answer.http_status ? op->answer.http_status : 200;
        rest_answer_json(c, r->accepted && !op->answer.deleted_status ? 202 : status, &b);
        return;
    }
    buf_finish(&b);
    call_answer_err(c, &err);
}

static void on_done(struct op *op, void *arg)
{
    (void)op;
    call_resume(arg, rest_answer);
}

static void start_get(struct call *c)
{
    struct op *op = c->op;
    if (engine_prefers_pool(op, 0)) {
        engine_start_on_pool(op->engine, op);
    } else {
        engine_start(op->engine, op);
    }
}

void rest_get(struct call *c)
{
    struct rest *r = c->priv;
    struct op *op = c->op;
    struct err err = {0};
    if (negotiate_answer(c, !r->type->custom, NEGOTIATE_OBJECT, &r->form, &err) < 0) {
        call_answer_err(c, &err);
        return;
    }
    op->list.resource_version = call_param(c, "resourceVersion");
    op->done = on_done;
    op->done_arg = c;
    rest_when_synced(c, start_get);
}
