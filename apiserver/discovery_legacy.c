/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery as it always was: APIVersions, APIGroupList, APIGroup and one APIResourceList a group
 * and version. */
#include "apiserver/discovery_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/crypto.h"

static const enum verb builtin_order[VERB_COUNT] = {VERB_CREATE, VERB_DELETE, VERB_DELETECOLLECTION,
                                                    VERB_GET,    VERB_LIST,   VERB_PATCH,
                                                    VERB_UPDATE, VERB_WATCH};
static const enum verb custom_order[VERB_COUNT] = {
    VERB_DELETE, VERB_DELETECOLLECTION, VERB_GET,    VERB_LIST,
    VERB_PATCH,  VERB_CREATE,           VERB_UPDATE, VERB_WATCH};

uint32_t discovery_verbs(const struct type *t)
{
    uint32_t gone = VERB_BIT(VERB_CREATE) | VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_PATCH);
    return t->virtual_ ? VERB_BIT(VERB_CREATE) : t->terminating ? t->verbs & ~gone : t->verbs;
}

void discovery_write_verbs(struct buf *b, uint32_t verbs, bool custom)
{
    const enum verb *order = custom ? custom_order : builtin_order;
    char sep = '[';
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (verbs & VERB_BIT(order[i])) {
            buf_addc(b, sep);
            buf_add_json(b, verb_name(order[i]));
            sep = ',';
        }
    }
    buf_addz(b, sep == '[' ? "[]" : "]");
}

void discovery_write_strings(struct buf *b, const struct str *items, size_t n)
{
    buf_addc(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_addz(b, i ? "," : "");
        buf_add_json(b, items[i]);
    }
    buf_addc(b, ']');
}

/* ---- subresources ---- */

static int compare_subs(const void *a, const void *b)
{
    return str_cmp(((const struct discovery_sub *)a)->name,
                   ((const struct discovery_sub *)b)->name);
}

void discovery_each_sub(const struct type *t, const struct type_version *v, discovery_sub_fn *fn,
                        void *arg)
{
    const uint32_t object = VERB_BIT(VERB_GET) | VERB_BIT(VERB_PATCH) | VERB_BIT(VERB_UPDATE);
    struct discovery_sub *subs = alloc_bytes((t->n_subresources + 2) * sizeof(*subs));
    size_t n = 0;
    if (v->status && !type_subresource(t, STR("status"))) {
        subs[n++] = (struct discovery_sub){.name = STR("status"), .kind = t->kind, .verbs = object};
    }
    if (v->has_scale && !type_subresource(t, STR("scale"))) {
        subs[n++] = (struct discovery_sub){STR("scale"), STR("autoscaling"), STR("v1"),
                                           STR("Scale"), object};
    }
    for (size_t i = 0; i < t->n_subresources; i++) {
        const struct type_subresource *s = &t->subresources[i];
        subs[n++] = (struct discovery_sub){s->name, s->group, s->version,
                                           s->kind.len ? s->kind : t->kind, s->verbs};
    }
    if (!t->custom) {
        qsort(subs, n, sizeof(*subs), compare_subs);
    }
    for (size_t i = 0; i < n; i++) {
        fn(arg, &subs[i]);
    }
    free(subs);
}

/* ---- groups ---- */

void discovery_write_api(struct buf *b, struct str address)
{
    buf_addz(b, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{"
                "\"clientCIDR\":\"0.0.0.0/0\","
                "\"serverAddress\":");
    buf_add_json(b, address.ptr ? address : STR(""));
    buf_addz(b, "}]}");
}

static void write_group_version(struct buf *b, struct str group, struct str version)
{
    buf_addz(b, "{\"groupVersion\":\"");
    buf_add(b, group);
    buf_addc(b, '/');
    buf_add(b, version);
    buf_addz(b, "\",\"version\":\"");
    buf_add(b, version);
    buf_addz(b, "\"}");
}

static void write_group_fields(struct buf *b, const struct discovery_group *g)
{
    buf_addz(b, "\"name\":");
    buf_add_json(b, g->name);
    buf_addz(b, ",\"versions\":[");
    for (size_t i = 0; i < g->n; i++) {
        buf_addz(b, i ? "," : "");
        write_group_version(b, g->name, g->versions[i].name);
    }
    buf_addz(b, "],\"preferredVersion\":");
    write_group_version(b, g->name, g->versions[0].name);
    buf_addc(b, '}');
}

void discovery_write_group(struct buf *b, const struct discovery_group *g)
{
    buf_addz(b, "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
    write_group_fields(b, g);
}

void discovery_write_groups(struct buf *b, const struct discovery_view *v)
{
    buf_addz(b, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    const char *sep = "";
    for (size_t i = 0; i < v->n; i++) {
        if (v->groups[i].name.len) {
            buf_addz(b, sep);
            buf_addc(b, '{');
            write_group_fields(b, &v->groups[i]);
            sep = ",";
        }
    }
    buf_addz(b, "]}");
}

bool discovery_serves(const struct registry_group *g, struct str version)
{
    for (size_t i = 0; i < g->n_versions; i++) {
        if (str_eq(g->versions[i], version)) {
            return true;
        }
    }
    return false;
}

/* ---- resources ---- */

/* The reference's StorageVersionHash: eight bytes of SHA-256 over group/version/kind, in base64. */
static void write_storage_hash(struct buf *b, const struct type *t)
{
    struct buf text = {0};
    buf_add(&text, t->group);
    buf_addc(&text, '/');
    buf_add(&text, type_storage(t)->name);
    buf_addc(&text, '/');
    buf_add(&text, t->kind);
    unsigned char sum[32];
    crypto_sha256(buf_str(&text), sum);
    buf_finish(&text);
    buf_addz(b, ",\"storageVersionHash\":\"");
    crypto_base64(b, str_make((const char *)sum, 8));
    buf_addc(b, '"');
}

static void write_resource(struct buf *b, const struct type *t)
{
    buf_addz(b, "{\"name\":");
    buf_add_json(b, t->resource);
    buf_addz(b, ",\"singularName\":");
    buf_add_json(b, t->singular);
    buf_addz(b,
             t->namespaced ? ",\"namespaced\":true,\"kind\":" : ",\"namespaced\":false,\"kind\":");
    buf_add_json(b, t->kind);
    buf_addz(b, ",\"verbs\":");
    discovery_write_verbs(b, discovery_verbs(t), t->custom);
    if (t->n_short_names) {
        buf_addz(b, ",\"shortNames\":");
        discovery_write_strings(b, t->short_names, t->n_short_names);
    }
    if (t->n_categories) {
        buf_addz(b, ",\"categories\":");
        discovery_write_strings(b, t->categories, t->n_categories);
    }
    if (!t->virtual_ && (!t->custom || type_storage(t)->served)) {
        write_storage_hash(b, t);
    }
    buf_addc(b, '}');
}

struct sub_writer {
    struct buf *b;
    const struct type *type;
};

static void write_sub(void *arg, const struct discovery_sub *sub)
{
    struct sub_writer *w = arg;
    struct buf *b = w->b;
    buf_addz(b, ",{\"name\":\"");
    buf_add(b, w->type->resource);
    buf_addc(b, '/');
    buf_add(b, sub->name);
    buf_addz(b, w->type->namespaced ? "\",\"singularName\":\"\",\"namespaced\":true,"
                                    : "\",\"singularName\":\"\",\"namespaced\":false,");
    if (sub->group.len) {
        buf_addz(b, "\"group\":");
        buf_add_json(b, sub->group);
        buf_addc(b, ',');
    }
    if (sub->version.len) {
        buf_addz(b, "\"version\":");
        buf_add_json(b, sub->version);
        buf_addc(b, ',');
    }
    buf_addz(b, "\"kind\":");
    buf_add_json(b, sub->kind);
    buf_addz(b, ",\"verbs\":");
    discovery_write_verbs(b, sub->verbs, false);
    buf_addc(b, '}');
}

void discovery_write_resources(struct buf *b, const struct registry_group *g, struct str version)
{
    buf_addz(b, "{\"kind\":\"APIResourceList\",");
    buf_addz(b, g->name.len ? "\"apiVersion\":\"v1\",\"groupVersion\":\"" : "\"groupVersion\":\"");
    buf_add(b, g->name);
    buf_addz(b, g->name.len ? "/" : "");
    buf_add(b, version);
    buf_addz(b, "\",\"resources\":[");
    const char *sep = "";
    for (size_t i = 0; i < g->n_types; i++) {
        const struct type_version *v = type_shown(g->types[i], version);
        if (v) {
            buf_addz(b, sep);
            write_resource(b, g->types[i]);
            discovery_each_sub(g->types[i], v, write_sub, &(struct sub_writer){b, g->types[i]});
            sep = ",";
        }
    }
    buf_addz(b, "]}");
}

/* ---- root ---- */

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void discovery_write_root(struct buf *b, const struct discovery_view *v)
{
    static const char *const fixed[] = {"/api",
                                        "/api/v1",
                                        "/apis",
                                        "/healthz",
                                        "/healthz/ping",
                                        "/livez",
                                        "/livez/ping",
                                        "/metrics",
                                        "/openapi/v2",
                                        "/openapi/v3",
                                        "/readyz",
                                        "/readyz/ping",
                                        "/readyz/shutdown",
                                        "/version"};
    size_t n = 0, cap = sizeof(fixed) / sizeof(*fixed);
    for (size_t i = 0; i < v->n; i++) {
        cap += 1 + v->groups[i].n;
    }
    char **paths = alloc_bytes(cap * sizeof(*paths));
    for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
        paths[n++] = alloc_strdup(fixed[i]);
    }
    for (size_t i = 0; i < v->n; i++) {
        const struct discovery_group *g = &v->groups[i];
        for (size_t j = 0; g->name.len && j < g->n; j++) {
            paths[n++] =
                alloc_printf("/apis/%.*s/%.*s", STR_FMT(g->name), STR_FMT(g->versions[j].name));
        }
        if (g->name.len) {
            paths[n++] = alloc_printf("/apis/%.*s", STR_FMT(g->name));
        }
    }
    qsort(paths, n, sizeof(*paths), compare_paths);
    buf_addz(b, "{\"paths\":");
    for (size_t i = 0; i < n; i++) {
        buf_addc(b, i ? ',' : '[');
        buf_add_json(b, str_from(paths[i]));
        free(paths[i]);
    }
    buf_addz(b, "]}");
    free(paths);
}
