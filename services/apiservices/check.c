/* SPDX-License-Identifier: Apache-2.0 */
/* The type APIService. Rules: ValidateAPIService and the strategies of kube-aggregator. */
#include "base/cleanup.h"
#include "base/json.h"
#include "controllers/conditions.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "resources/write.h"
#include "services/apiservices/apiservices_priv.h"

#define SPEC(name) PATH_FIELD(PATH_FIELD(NULL, STR("spec")), STR(name))
#define SERVICE(name) PATH_FIELD(SPEC("service"), STR(name))

enum { GROUP_PRIORITY_MAX = 20000, VERSION_PRIORITY_MAX = 1000, PORT = 443, PORT_MAX = 65535 };

static bool of_status(struct write *w)
{
    return str_is(write_op(w)->subresource, "status");
}

static void fill(yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    yyjson_mut_val *spec = json_ensure_obj(d, obj, "spec"), *service = json_get(spec, "service");
    static const char *const numbers[] = {"groupPriorityMinimum", "versionPriority"};
    for (size_t i = 0; i < 2; i++) {
        if (!json_get(spec, numbers[i])) {
            json_set_int(d, spec, numbers[i], 0);
        }
    }
    if (service && !json_get(service, "port")) {
        json_set_int(d, service, "port", PORT);
    }
    json_ensure_obj(d, obj, "status");
}

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    (void)err;
    if (of_status(w)) {
        return 0;
    }
    if (old) {
        json_carry(d, obj, old, "status");
    } else {
        json_remove(obj, "status");
    }
    fill(d, obj);
    if (!old && !json_path(obj, "spec", "service", NULL)) {
        condition_set(d, obj, "Available", true, "Local",
                      STR("Local APIServices are always available"));
    }
    return 0;
}

static void add_faults(void (*find)(struct str, struct name_faults *), struct str value,
                       const struct path *at, struct causes *c)
{
    struct name_faults faults = {0};
    find(value, &faults);
    name_faults_add(&faults, value, at, c);
}

static void check_range(const yyjson_mut_val *spec, const char *key, int64_t most, struct causes *c)
{
    int64_t v = json_get_int(spec, key, 0);
    if (v <= 0 || v > most) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(PATH_FIELD(NULL, STR("spec")), str_from(key)),
                   json_get(spec, key), "must be positive and less than %d", (int)most);
    }
}

/* Of one that the server itself serves. */
static void check_local(const yyjson_mut_val *spec, struct causes *c)
{
    struct str bundle = json_get_str(spec, "caBundle");
    if (bundle.len) {
        size_t pad = bundle.len > 1 ? (size_t)(bundle.ptr[bundle.len - 1] == '=') +
                                          (bundle.ptr[bundle.len - 2] == '=')
                                    : 0;
        const char *shown = arena_printf(c->arena, "\"%zu bytes\"", bundle.len / 4 * 3 - pad);
        causes_add_text(c, CAUSE_INVALID, SPEC("caBundle"), str_from(shown),
                        "local APIServices may not have a caBundle");
    }
    if (json_get_bool(spec, "insecureSkipTLSVerify")) {
        causes_add(c, CAUSE_INVALID, SPEC("insecureSkipTLSVerify"),
                   json_get(spec, "insecureSkipTLSVerify"),
                   "local APIServices may not have insecureSkipTLSVerify");
    }
}

static void check_remote(const yyjson_mut_val *spec, struct causes *c)
{
    const yyjson_mut_val *service = json_get(spec, "service");
    int64_t port = json_get_int(service, "port", PORT);
    if (!json_get_str(service, "namespace").len) {
        causes_add(c, CAUSE_REQUIRED, SERVICE("namespace"), NULL, NULL);
    }
    if (!json_get_str(service, "name").len) {
        causes_add(c, CAUSE_REQUIRED, SERVICE("name"), NULL, NULL);
    }
    if (port < 1 || port > PORT_MAX) {
        causes_add(c, CAUSE_INVALID, SERVICE("port"), json_get(service, "port"),
                   "port is not valid: must be between 1 and 65535, inclusive");
    }
    if (json_get_bool(spec, "insecureSkipTLSVerify") && json_get_str(spec, "caBundle").len) {
        causes_add(c, CAUSE_INVALID, SPEC("insecureSkipTLSVerify"),
                   json_get(spec, "insecureSkipTLSVerify"),
                   "may not be true if caBundle is present");
    }
}

bool apiservice_url_ok(struct str s)
{
    static const struct str schemes[] = {{"https://", 8}, {"http://", 7}};
    for (size_t i = 0; i < 2; i++) {
        if (!str_starts(s, schemes[i])) {
            continue;
        }
        struct str port, host, rest = str_skip(s, schemes[i].len);
        bool v6 = rest.len && rest.ptr[0] == '[';
        host = str_cut(rest, v6 ? ']' : ':', &port);
        host = str_skip(host, v6);
        if (v6) {
            if (!port.ptr || (port.len && port.ptr[0] != ':')) {
                return false;
            }
            port = port.len ? str_skip(port, 1) : STR_NULL;
        }
        long number = 0;
        for (size_t k = 0; k < port.len; k++) {
            number = port.ptr[k] >= '0' && port.ptr[k] <= '9' && number <= PORT_MAX
                         ? number * 10 + (port.ptr[k] - '0')
                         : PORT_MAX + 1;
        }
        const char *allowed =
            v6 ? "0123456789abcdefABCDEF:."
               : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
        for (size_t k = 0; k < host.len; k++) {
            if (!host.ptr[k] || !strchr(allowed, host.ptr[k])) {
                return false;
            }
        }
        return host.len && (!port.ptr || (number >= 1 && number <= PORT_MAX));
    }
    return false;
}

/* Only this server knows the annotation. */
static void check_url(const yyjson_mut_val *obj, struct causes *c)
{
    const yyjson_mut_val *url = json_path(obj, "metadata", "annotations", APISERVICES_URL, NULL);
    const struct path *at = PATH_KEY(
        PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("annotations")), STR(APISERVICES_URL));
    if (url && !apiservice_url_ok(json_str(url))) {
        causes_add(c, CAUSE_INVALID, at, json_mut(url),
                   "must be https://HOST[:PORT] or http://HOST[:PORT]");
    }
}

static void check_name(const yyjson_mut_val *obj, struct str group, struct str version,
                       struct causes *c)
{
    struct str name = metadata_name(obj);
    const char *wanted = arena_printf(c->arena, "%.*s.%.*s", STR_FMT(version), STR_FMT(group));
    if (!str_is(name, wanted)) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("name")),
                   json_path(obj, "metadata", "name", NULL),
                   "must be `spec.version+\".\"+spec.group`: \"%s\"", wanted);
    }
}

void apiservice_check(const yyjson_mut_val *obj, struct causes *c)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    struct str group = json_get_str(spec, "group"), version = json_get_str(spec, "version");
    check_name(obj, group, version, c);
    if (group.len) {
        add_faults(name_faults_subdomain, group, SPEC("group"), c);
    } else if (!str_is(version, "v1")) {
        causes_add(c, CAUSE_REQUIRED, SPEC("group"), NULL,
                   "only v1 may have an empty group and it better be legacy kube");
    }
    add_faults(name_faults_label_1035, version, SPEC("version"), c);
    check_range(spec, "groupPriorityMinimum", GROUP_PRIORITY_MAX, c);
    check_range(spec, "versionPriority", VERSION_PRIORITY_MAX, c);
    if (json_get(spec, "service")) {
        check_remote(spec, c);
    } else {
        check_local(spec, c);
    }
    check_url(obj, c);
}

void apiservice_check_status(const yyjson_mut_val *obj, struct causes *c)
{
    static const struct str known[] = {{"True", 4}, {"False", 5}, {"Unknown", 7}};
    const struct path *at = PATH_FIELD(PATH_FIELD(NULL, STR("status")), STR("conditions"));
    struct json_iter it = json_iter(json_path(obj, "status", "conditions", NULL));
    while (json_next(&it)) {
        struct str s = json_get_str(it.val, "status");
        if (!str_eq(s, known[0]) && !str_eq(s, known[1]) && !str_eq(s, known[2])) {
            causes_add_unsupported(c, PATH_FIELD(PATH_INDEX(at, it.index), STR("status")),
                                   json_get(it.val, "status"), known, 3);
        }
    }
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    (void)self;
    (void)old;
    if (of_status(w)) {
        apiservice_check_status(obj, c);
    } else {
        apiservice_check(obj, c);
    }
}

static void name(void *self, struct str name_, bool is_prefix, const struct path *at,
                 struct causes *c)
{
    (void)self;
    name_path_segment(name_, is_prefix, at, c);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    const yyjson_mut_val *service = json_path(obj, "spec", "service", NULL),
                         *at = condition_find(obj, "Available");
    struct str status = json_get_str(at, "status"), reason = json_get_str(at, "reason");
    AUTO(buf_finish) struct buf text = {0};
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    if (service) {
        buf_printf(&text, "%.*s/%.*s", STR_FMT(json_get_str(service, "namespace")),
                   STR_FMT(json_get_str(service, "name")));
    }
    row_str(d, service ? buf_str(&text) : STR("Local"), cells);
    text.len = 0;
    if (status.len && !str_is(status, "True") && reason.len) {
        buf_printf(&text, "%.*s (%.*s)", STR_FMT(status), STR_FMT(reason));
        status = buf_str(&text);
    }
    row_str(d, at ? status : STR("Unknown"), cells);
    row_age(d, obj, cells);
}

/* Everything but the status stays. */
static int merge_status(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val *current, struct err *err)
{
    static const char *const kept[] = {"labels", "annotations", "finalizers", "ownerReferences"};
    yyjson_mut_val *meta = json_get(obj, "metadata");
    (void)self;
    (void)w;
    (void)err;
    json_carry(d, obj, current, "spec");
    for (size_t i = 0; meta && i < sizeof(kept) / sizeof(*kept); i++) {
        json_carry(d, meta, json_get(current, "metadata"), kept[i]);
    }
    json_ensure_obj(d, obj, "status");
    return 0;
}

const struct type_strategy apiservice_strategy = {.resets = type_resets_status,
                                                  .prepare = prepare,
                                                  .validate = validate,
                                                  .row = row,
                                                  .name = name};

const struct type_subresource apiservice_subresources[1] = {
    {.name = {"status", 6},
     .verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH),
     .merge = merge_status,
     .resets = type_resets_but_status},
};
