/* SPDX-License-Identifier: Apache-2.0 */
/* SelfSubjectReview: who am I? TokenReview: whose token is this? */
#include "services/authentication/reviews_priv.h"

#include "base/json.h"
#include "resources/op.h"

static yyjson_mut_val *strings(yyjson_mut_doc *d, const struct str *items, size_t n)
{
    yyjson_mut_val *list = yyjson_mut_arr(d);
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_arr_add_strncpy(d, list, items[i].ptr ? items[i].ptr : "", items[i].len);
    }
    return list;
}

/* The UserInfo of a user; what is empty is left out. */
static yyjson_mut_val *user_info(yyjson_mut_doc *d, const struct user *u)
{
    yyjson_mut_val *info = yyjson_mut_obj(d);
    json_set_str(d, info, "username", u->name);
    if (u->uid.len) {
        json_set_str(d, info, "uid", u->uid);
    }
    if (u->n_groups) {
        json_setz(d, info, "groups", strings(d, u->groups, u->n_groups));
    }
    if (u->n_extra) {
        yyjson_mut_val *extra = json_ensure_obj(d, info, "extra");
        for (size_t i = 0; i < u->n_extra; i++) {
            yyjson_mut_val *key = yyjson_mut_strncpy(d, u->extra[i].key.ptr, u->extra[i].key.len);
            yyjson_mut_obj_add(extra, key, strings(d, u->extra[i].values, u->extra[i].n_values));
        }
    }
    return info;
}

static int self_subject(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val **ret_answer, struct err *err)
{
    yyjson_mut_val *status = yyjson_mut_obj(d);
    (void)self;
    (void)err;
    json_ensure_obj(d, obj, "metadata");
    json_setz(d, status, "userInfo", user_info(d, op->user));
    json_setz(d, obj, "status", status);
    *ret_answer = obj;
    return 0;
}

static int token_review(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val **ret_answer, struct err *err)
{
    struct str token = json_get_str(json_get(obj, "spec"), "token");
    struct user *u = NULL;
    (void)op;
    if (!token.len) {
        return err_set(err, ERR_BAD_REQUEST, "token is required for TokenReview in authentication");
    }
    json_ensure_obj(d, obj, "metadata");
    yyjson_mut_val *status = yyjson_mut_obj(d);
    const struct credentials c = {.bearer = token, .bearer_given = true};
    if (access_authenticate(self, &c, &u, NULL) == 0) {
        json_set_bool(d, status, "authenticated", true);
        json_setz(d, status, "user", user_info(d, u));
        user_unref(u);
    } else {
        json_setz(d, status, "user", yyjson_mut_obj(d));
        json_set_str(d, status, "error", STR("invalid bearer token"));
    }
    json_setz(d, obj, "status", status);
    *ret_answer = obj;
    return 0;
}

int reviews_publish(struct registry *r, const struct service_documents *documents, struct access *a,
                    struct err *err)
{
    static const struct type_strategy self_strategy = {.create = self_subject},
                                      token_strategy = {.create = token_review};
    const struct type_extras self_extras = {.strategy = &self_strategy, .self = a};
    const struct type_extras token_extras = {.strategy = &token_strategy, .self = a};
    int code =
        service_publish(r, service_document(documents, "selfsubjectreviews.authentication.k8s.io"),
                        &self_extras, err);
    if (code == 0) {
        code = service_publish(r, service_document(documents, "tokenreviews.authentication.k8s.io"),
                               &token_extras, err);
    }
    return code;
}
