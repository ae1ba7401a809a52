/* SPDX-License-Identifier: Apache-2.0 */
/* Access reviews: what access_authorize says about a request that is only described. Rules:
 * ValidateSubjectAccessReviewSpec of the reference, whose errors name no kind. */
#include "services/authorization/reviews_priv.h"

#include "base/json.h"
#include "resources/op.h"

#define GROUP STR("authorization.k8s.io")
#define SPEC PATH_FIELD(NULL, STR("spec"))

static void check_request(const yyjson_mut_val *spec, struct causes *c)
{
    yyjson_mut_val *resource = json_get(spec, "resourceAttributes"),
                   *path = json_get(spec, "nonResourceAttributes");
    if (resource && path) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(SPEC, STR("nonResourceAttributes")), path,
                   "cannot be specified in combination with resourceAttributes");
    }
    if (!resource && !path) {
        causes_add_text(
            c, CAUSE_INVALID, SPEC, STR("null"),
            "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    }
}

static void check_subject(const yyjson_mut_val *spec, struct causes *c)
{
    if (!json_get_str(spec, "user").len && !json_size(json_get(spec, "groups"))) {
        causes_add_text(c, CAUSE_INVALID, PATH_FIELD(SPEC, STR("user")), STR("\"\""),
                        "at least one of user or group must be specified");
    }
}

/* A local review is about its own namespace and no path. */
static void check_local(struct op *op, const yyjson_mut_val *spec, struct causes *c)
{
    yyjson_mut_val *resource = json_get(spec, "resourceAttributes"),
                   *path = json_get(spec, "nonResourceAttributes");
    if (resource && !str_eq(json_get_str(resource, "namespace"), op->scope.ns)) {
        yyjson_mut_val *ns = json_get(resource, "namespace");
        const struct path *at =
            PATH_FIELD(PATH_FIELD(SPEC, STR("resourceAttributes")), STR("namespace"));
        if (ns) {
            causes_add(c, CAUSE_INVALID, at, ns, "must match metadata.namespace");
        } else {
            causes_add_text(c, CAUSE_INVALID, at, STR("\"\""), "must match metadata.namespace");
        }
    }
    if (path) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(SPEC, STR("nonResourceAttributes")), path,
                   "disallowed on this kind of request");
    }
}

static struct attributes attributes_of(const yyjson_mut_val *spec, const struct user *u)
{
    const yyjson_mut_val *r = json_get(spec, "resourceAttributes"),
                         *p = json_get(spec, "nonResourceAttributes");
    if (p) {
        return (struct attributes){
            .user = u, .verb = json_get_str(p, "verb"), .path = json_get_str(p, "path")};
    }
    return (struct attributes){
        .user = u,
        .resource_request = true,
        .verb = json_get_str(r, "verb"),
        .group = json_get_str(r, "group"),
        .version = json_get_str(r, "version"),
        .resource = json_get_str(r, "resource"),
        .subresource = json_get_str(r, "subresource"),
        .ns = json_get_str(r, "namespace"),
        .name = json_get_str(r, "name"),
    };
}

static void answer(struct access *a, const struct user *u, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    const struct attributes at = attributes_of(json_get(obj, "spec"), u);
    const char *reason = NULL;
    bool allowed = access_authorize(a, &at, &reason) == DECISION_ALLOW;
    yyjson_mut_val *status = yyjson_mut_obj(d);
    json_set_bool(d, status, "allowed", allowed);
    if (reason && *reason) {
        json_set_str(d, status, "reason", str_from(reason));
    }
    json_ensure_obj(d, obj, "metadata");
    json_setz(d, obj, "status", status);
}

static struct user *subject_of(struct arena *a, const yyjson_mut_val *spec)
{
    const yyjson_mut_val *list = json_get(spec, "groups");
    struct str *groups = arena_alloc(a, (json_size(list) + 1) * sizeof(*groups));
    size_t n = 0;
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        groups[n++] = json_str(it.val);
    }
    return user_create(json_get_str(spec, "user"), json_get_str(spec, "uid"), groups, n);
}

static int review_self(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                       yyjson_mut_val **ret_answer, struct err *err)
{
    struct causes c;
    causes_init(&c, &op->arena);
    check_request(json_get(obj, "spec"), &c);
    int r = causes_to_err(&c, GROUP, STR(""), STR(""), err);
    if (r == 0) {
        answer(self, op->user, d, obj);
        *ret_answer = obj;
    }
    return r;
}

static int review_subject(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                          yyjson_mut_val **ret_answer, struct err *err)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    struct causes c;
    causes_init(&c, &op->arena);
    check_request(spec, &c);
    check_subject(spec, &c);
    if (op->type->namespaced) {
        check_local(op, spec, &c);
    }
    int r = causes_to_err(&c, GROUP, STR(""), STR(""), err);
    if (r == 0) {
        struct user *u = subject_of(&op->arena, spec);
        answer(self, u, d, obj);
        user_unref(u);
        *ret_answer = obj;
    }
    return r;
}

static void add_list(yyjson_mut_doc *d, yyjson_mut_val *rule, const char *key)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    yyjson_mut_arr_add_str(d, list, "*");
    json_setz(d, rule, key, list);
}

/* True while the only authorizer is the one that allows everything (authorization.c). */
static int review_rules(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val **ret_answer, struct err *err)
{
    (void)self;
    (void)op;
    if (!json_get_str(json_get(obj, "spec"), "namespace").len) {
        return err_set(err, ERR_BAD_REQUEST, "no namespace on request");
    }
    yyjson_mut_val *status = yyjson_mut_obj(d), *resource = yyjson_mut_obj(d),
                   *path = yyjson_mut_obj(d);
    add_list(d, resource, "verbs");
    add_list(d, resource, "apiGroups");
    add_list(d, resource, "resources");
    add_list(d, path, "verbs");
    add_list(d, path, "nonResourceURLs");
    yyjson_mut_val *resources = yyjson_mut_arr(d), *paths = yyjson_mut_arr(d);
    yyjson_mut_arr_append(resources, resource);
    yyjson_mut_arr_append(paths, path);
    json_setz(d, status, "resourceRules", resources);
    json_setz(d, status, "nonResourceRules", paths);
    json_set_bool(d, status, "incomplete", false);
    json_ensure_obj(d, obj, "metadata");
    json_setz(d, obj, "status", status);
    *ret_answer = obj;
    return 0;
}

int reviews_publish_access(struct registry *r, const struct service_documents *documents,
                           struct access *a, struct err *err)
{
    static const struct type_strategy self_strategy = {.create = review_self},
                                      subject_strategy = {.create = review_subject},
                                      rules_strategy = {.create = review_rules};
    static const struct {
        const char *name;
        const struct type_strategy *strategy;
    } types[] = {
        {"localsubjectaccessreviews.authorization.k8s.io", &subject_strategy},
        {"selfsubjectaccessreviews.authorization.k8s.io", &self_strategy},
        {"selfsubjectrulesreviews.authorization.k8s.io", &rules_strategy},
        {"subjectaccessreviews.authorization.k8s.io", &subject_strategy},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        const struct type_extras extras = {.strategy = types[i].strategy, .self = a};
        int code = service_publish(r, service_document(documents, types[i].name), &extras, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}
