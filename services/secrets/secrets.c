/* SPDX-License-Identifier: Apache-2.0 */
/* The type Secret: stringData, the keys that each kind of secret must hold, and what immutable
 * means. Rules: ValidateSecret of the reference. */
#include "services/secrets/secrets.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/configmaps/configmaps.h"
#include "services/service.h"
#include "services/wire.gen.h"

#define ACCOUNT_ANNOTATION "kubernetes.io/service-account.name"

struct secrets {
    struct registry *registry;
};

static void add_base64(yyjson_mut_doc *d, yyjson_mut_val *data, struct str key, struct str text)
{
    AUTO(buf_finish) struct buf b = {0};
    crypto_base64(&b, text);
    json_set(d, data, key, yyjson_mut_strncpy(d, b.ptr ? b.ptr : "", b.len));
}

/* Moves stringData, which is for writing only, into data; it wins. */
static void merge_strings(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *strings = json_get(obj, "stringData");
    if (json_size(strings)) {
        yyjson_mut_val *data = json_ensure_obj(d, obj, "data");
        struct json_iter it = json_iter(strings);
        while (json_next(&it)) {
            add_base64(d, data, json_str(it.key), json_str(it.val));
        }
    }
    json_remove(obj, "stringData");
}

/* Base64 with line breaks is stored without them. */
static void canonicalize(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    struct json_iter it = json_iter(json_get(obj, "data"));
    while (json_next(&it)) {
        struct str s = json_str(it.val);
        AUTO(buf_finish) struct buf plain = {0}, again = {0};
        if (s.len && (memchr(s.ptr, '\n', s.len) || memchr(s.ptr, '\r', s.len)) &&
            crypto_unbase64(&plain, s)) {
            crypto_base64(&again, buf_str(&plain));
            json_assign(it.val, yyjson_mut_strncpy(d, again.ptr ? again.ptr : "", again.len));
        }
    }
}

static void decoded(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    (void)self;
    merge_strings(d, obj);
    if (!json_get_str(obj, "type").len) {
        json_set_str(d, obj, "type", STR("Opaque"));
    }
}

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)w;
    (void)old;
    (void)err;
    decoded(self, d, obj);
    canonicalize(d, obj);
    configmaps_drop_empty(obj, "data");
    return 0;
}

static void check_data(const yyjson_mut_val *data, struct causes *c)
{
    size_t total = 0;
    struct json_iter it = json_iter(data);
    while (json_next(&it)) {
        configmaps_check_key(json_str(it.key), "data", c);
        total += configmaps_decoded_size(json_str(it.val));
    }
    if (total > LIMIT_SECRET_BYTES) {
        causes_add(c, CAUSE_TOO_LONG, PATH_FIELD(NULL, STR("data")), NULL,
                   "may not be more than %u bytes", LIMIT_SECRET_BYTES);
    }
}

static void missing(const char *key, struct causes *c)
{
    causes_add(c, CAUSE_REQUIRED, PATH_KEY(PATH_FIELD(NULL, STR("data")), str_from(key)), NULL,
               NULL);
}

static void want_key(const yyjson_mut_val *data, const char *key, struct causes *c)
{
    if (!json_get(data, key)) {
        missing(key, c);
    }
}

/* data[key] must be there and hold a JSON object. */
static void want_json(const yyjson_mut_val *data, const char *key, struct causes *c)
{
    const yyjson_mut_val *v = json_get(data, key);
    if (!v) {
        missing(key, c);
        return;
    }
    AUTO(buf_finish) struct buf text = {0};
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *doc = NULL;
    const struct path *at = PATH_KEY(PATH_FIELD(NULL, STR("data")), str_from(key));
    if (!crypto_unbase64(&text, json_str(v)) ||
        json_read(c->arena, buf_str(&text), &doc, NULL, &err) < 0) {
        causes_add_text(c, CAUSE_INVALID, at, STR("\"<secret contents redacted>\""), "%s",
                        err.message ? err.message : "unexpected end of JSON input");
    } else if (!json_is_obj(doc->root) && !json_is_null(doc->root)) {
        causes_add_text(c, CAUSE_INVALID, at, STR("\"<secret contents redacted>\""),
                        "a JSON object is wanted");
    }
}

/* What a secret of a type that programs know must hold. */
static void check_type(const yyjson_mut_val *obj, struct causes *c)
{
    struct str type = json_get_str(obj, "type");
    const yyjson_mut_val *data = json_get(obj, "data");
    if (str_is(type, "kubernetes.io/service-account-token")) {
        const struct path *at = PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("annotations"));
        if (!json_str(json_path(obj, "metadata", "annotations", ACCOUNT_ANNOTATION, NULL)).len) {
            causes_add(c, CAUSE_REQUIRED, PATH_KEY(at, STR(ACCOUNT_ANNOTATION)), NULL, NULL);
        }
    } else if (str_is(type, "kubernetes.io/dockercfg")) {
        want_json(data, ".dockercfg", c);
    } else if (str_is(type, "kubernetes.io/dockerconfigjson")) {
        want_json(data, ".dockerconfigjson", c);
    } else if (str_is(type, "kubernetes.io/basic-auth")) {
        if (!json_get(data, "username") && !json_get(data, "password")) {
            missing("username", c);
            missing("password", c);
        }
    } else if (str_is(type, "kubernetes.io/ssh-auth")) {
        if (!json_get_str(data, "ssh-privatekey").len) {
            missing("ssh-privatekey", c);
        }
    } else if (str_is(type, "kubernetes.io/tls")) {
        want_key(data, "tls.crt", c);
        want_key(data, "tls.key", c);
    }
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    (void)self;
    (void)w;
    if (old) {
        if (!str_eq(json_get_str(obj, "type"), json_get_str(old, "type"))) {
            causes_add(c, CAUSE_INVALID, PATH_FIELD(NULL, STR("type")), json_get(obj, "type"),
                       "field is immutable");
        }
        if (configmaps_check_immutable(obj, old, c)) {
            configmaps_check_same(obj, old, "data", c);
        }
    }
    check_data(json_get(obj, "data"), c);
    check_type(obj, c);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_str(d, json_get_str(obj, "type"), cells);
    row_int(d, (int64_t)json_size(json_get(obj, "data")), cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {
    .decoded = decoded, .prepare = prepare, .validate = validate, .row = row};

int secrets_provide(const struct secrets_deps *d, struct secrets **ret, struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy};
    int r = service_publish(d->registry, service_document(d->documents, "secrets"), &extras, err);
    if (r < 0) {
        return r;
    }
    *ret = ALLOC(struct secrets);
    (*ret)->registry = d->registry;
    return 0;
}

void secrets_release(struct secrets *self)
{
    free(self);
}
