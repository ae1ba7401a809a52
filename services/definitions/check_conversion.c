/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of how a definition converts between versions. A webhook's description is checked as
 * the reference does. */
#include "base/json.h"
#include "resources/metadata.h"
#include "services/definitions/definitions_priv.h"

#define URL_FORM "; desired format: https://host[/path]"

static void invalid(struct causes *c, const struct path *at, struct str value, const char *detail)
{
    yyjson_mut_doc *d = json_doc(c->arena);
    causes_add(c, CAUSE_INVALID, at, yyjson_mut_strncpy(d, value.ptr ? value.ptr : "", value.len),
               "%s", detail);
}

/* The parts of a URL, as far as the checks look at them. */
struct url {
    struct str scheme, user, host, query, fragment;
};

static struct url url_parse(struct str s)
{
    struct url u = {0};
    struct str rest;
    s = str_cut(s, '#', &u.fragment);
    s = str_cut(s, '?', &u.query);
    u.scheme = str_cut(s, ':', &rest);
    if (!rest.ptr) {
        u.scheme = STR_NULL;
        rest = s;
    }
    if (!str_starts(rest, STR("//"))) {
        return u;
    }
    struct str path, host = str_cut(str_skip(rest, 2), '/', &path);
    u.host = host;
    for (size_t i = host.len; i > 0; i--) {
        if (host.ptr[i - 1] == '@') {
            u.user = str_make(host.ptr, i - 1);
            u.host = str_skip(host, i);
            break;
        }
    }
    return u;
}

static void check_url(struct str s, const struct path *at, struct causes *c)
{
    struct url u = url_parse(s);
    if (!str_is(u.scheme, "https")) {
        invalid(c, at, u.scheme, "'https' is the only allowed URL scheme" URL_FORM);
    }
    if (!u.host.len) {
        invalid(c, at, u.host, "host must be specified" URL_FORM);
    }
    if (u.user.ptr) {
        invalid(c, at, u.user, "user information is not permitted in the URL");
    }
    if (u.fragment.len) {
        invalid(c, at, u.fragment, "fragments are not permitted in the URL");
    }
    if (u.query.len) {
        invalid(c, at, u.query, "query parameters are not permitted in the URL");
    }
}

static void check_step(struct str path, struct str step, size_t i, const struct path *at,
                       struct causes *c)
{
    struct name_faults faults = {0};
    if (!step.len) {
        invalid(c, at, path, arena_printf(c->arena, "segment[%zu] may not be empty", i));
        return;
    }
    name_faults_subdomain(step, &faults);
    for (size_t f = 0; f < faults.n; f++) {
        invalid(c, at, path, arena_printf(c->arena, "segment[%zu]: %s", i, faults.text[f]));
    }
}

static void check_path(struct str path, const struct path *at, struct causes *c)
{
    if (!path.len || str_is(path, "/")) {
        return;
    }
    if (str_is(path, "//")) {
        invalid(c, at, path, "segment[0] may not be empty");
        return;
    }
    if (!str_starts(path, STR("/"))) {
        invalid(c, at, path, "must start with a '/'");
    }
    struct str rest = str_skip(path, 1);
    if (str_ends(rest, STR("/"))) {
        rest.len--;
    }
    for (size_t i = 0; rest.ptr; i++) {
        check_step(path, str_cut(rest, '/', &rest), i, at, c);
    }
}

static void check_service(const yyjson_mut_val *service, const struct path *at, struct causes *c)
{
    int64_t port = json_get_int(service, "port", 443);
    if (!json_get_str(service, "namespace")
             .len) { /* the reference hands these two over in the other order */
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("name")), NULL, NULL);
    }
    if (!json_get_str(service, "name").len) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(at, STR("namespace")), NULL, NULL);
    }
    if (port < 1 || port > 65535) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, STR("port")), json_get(service, "port"),
                   "port is not valid: must be between 1 and 65535, inclusive");
    }
    check_path(json_get_str(service, "path"), PATH_FIELD(at, STR("path")), c);
}

static void check_client(const yyjson_mut_val *client, const struct path *at, struct causes *c)
{
    const struct path *here = PATH_FIELD(at, STR("webhookClientConfig"));
    const yyjson_mut_val *url = json_get(client, "url"), *service = json_get(client, "service");
    if (!client) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, "required when strategy is set to Webhook");
    } else if (!url == !service) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, "exactly one of url or service is required");
    } else if (url) {
        check_url(json_str(url), PATH_FIELD(here, STR("url")), c);
    } else {
        check_service(service, PATH_FIELD(here, STR("service")), c);
    }
}

static void check_review_versions(yyjson_mut_val *versions, const struct path *at, struct causes *c)
{
    const struct path *here = PATH_FIELD(at, STR("conversionReviewVersions"));
    bool known = false;
    if (!json_size(versions)) {
        causes_add(c, CAUSE_REQUIRED, here, NULL, NULL);
        return;
    }
    struct json_iter it = json_iter(versions);
    while (json_next(&it)) {
        struct json_iter before = json_iter(versions);
        bool again = false;
        while (json_next(&before) && before.index < it.index) {
            again = again || str_eq(json_str(before.val), json_str(it.val));
        }
        if (again) {
            invalid(c, PATH_INDEX(here, it.index), json_str(it.val), "duplicate version");
            continue;
        }
        struct name_faults faults = {0};
        name_faults_label_1035(json_str(it.val), &faults);
        name_faults_add(&faults, json_str(it.val), PATH_INDEX(here, it.index), c);
        known = known || str_is(json_str(it.val), "v1") || str_is(json_str(it.val), "v1beta1");
    }
    if (!known) {
        causes_add(c, CAUSE_INVALID, here, versions, "must include at least one of v1, v1beta1");
    }
}

void check_conversion(const yyjson_mut_val *spec, const struct path *at, struct causes *c)
{
    static const struct str strategies[] = {{"None", 4}, {"Webhook", 7}};
    const struct path *here = PATH_FIELD(at, STR("conversion"));
    const yyjson_mut_val *conversion = json_get(spec, "conversion"),
                         *webhook = json_get(conversion, "webhook");
    yyjson_mut_val *strategy = json_get(conversion, "strategy"),
                   *versions = json_get(webhook, "conversionReviewVersions");
    if (!json_str(strategy).len) {
        causes_add(c, CAUSE_REQUIRED, PATH_FIELD(here, STR("strategy")), NULL, NULL);
    } else if (!str_eq(json_str(strategy), strategies[0]) &&
               !str_eq(json_str(strategy), strategies[1])) {
        causes_add_unsupported(c, PATH_FIELD(here, STR("strategy")), strategy, strategies, 2);
    }
    if (!str_eq(json_str(strategy), strategies[1])) {
        if (json_get(webhook, "clientConfig")) {
            causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(here, STR("webhookClientConfig")), NULL,
                       "should not be set when strategy is not set to Webhook");
        }
        if (json_size(versions)) {
            causes_add(c, CAUSE_FORBIDDEN, PATH_FIELD(here, STR("conversionReviewVersions")), NULL,
                       "should not be set when strategy is not set to Webhook");
        }
        return;
    }
    check_client(json_get(webhook, "clientConfig"), here, c);
    check_review_versions(versions, here, c);
}
