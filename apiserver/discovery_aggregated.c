/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery in one document: APIGroupDiscoveryList of apidiscovery.k8s.io/v2. The reference no
 * longer offers v2beta1. */
#include "apiserver/discovery_priv.h"

/* The kind of a response. Built-in types leave the group and version of their own document empty.
 */
static void write_kind(struct buf *b, struct str group, struct str version, struct str kind)
{
    buf_addz(b, "\"responseKind\":{\"group\":");
    buf_add_json(b, group.ptr ? group : STR(""));
    buf_addz(b, ",\"version\":");
    buf_add_json(b, version.ptr ? version : STR(""));
    buf_addz(b, ",\"kind\":");
    buf_add_json(b, kind);
    buf_addc(b, '}');
}

struct sub_writer {
    struct buf *b;
    const struct type *type;
    struct str version;
    size_t n;
};

static void write_sub(void *arg, const struct discovery_sub *sub)
{
    struct sub_writer *w = arg;
    bool own = w->type->custom && !sub->version.len;
    buf_addz(w->b, w->n++ ? ",{\"subresource\":" : ",\"subresources\":[{\"subresource\":");
    buf_add_json(w->b, sub->name);
    buf_addc(w->b, ',');
    write_kind(w->b, own ? w->type->group : sub->group, own ? w->version : sub->version, sub->kind);
    buf_addz(w->b, ",\"verbs\":");
    discovery_write_verbs(w->b, sub->verbs, false);
    buf_addc(w->b, '}');
}

static void write_resource(struct buf *b, const struct type *t, const struct type_version *v)
{
    buf_addz(b, "{\"resource\":");
    buf_add_json(b, t->resource);
    buf_addc(b, ',');
    write_kind(b, t->custom ? t->group : STR(""), t->custom ? v->name : STR(""), t->kind);
    buf_addz(b, t->namespaced ? ",\"scope\":\"Namespaced\",\"singularResource\":"
                              : ",\"scope\":\"Cluster\",\"singularResource\":");
    buf_add_json(b, t->singular);
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
    struct sub_writer w = {b, t, v->name, 0};
    discovery_each_sub(t, v, write_sub, &w);
    buf_addz(b, w.n ? "]}" : "}");
}

static void write_local(struct buf *b, const struct registry_group *g, struct str version)
{
    buf_addz(b, ",\"resources\":[");
    const char *sep = "";
    for (size_t i = 0; i < g->n_types; i++) {
        const struct type_version *v = type_shown(g->types[i], version);
        if (v) {
            buf_addz(b, sep);
            write_resource(b, g->types[i], v);
            sep = ",";
        }
    }
    buf_addz(b, "],\"freshness\":\"Current\"}");
}

/* As far as it is known; stale where its server was not reached at the last look. */
static void write_remote(struct buf *b, const struct apiservice *s)
{
    const struct aggregation_documents *d = s->documents;
    if (d && d->resources) {
        buf_addz(b, ",\"resources\":");
        buf_add(b, blob_str(d->resources));
    }
    buf_addz(b, d && !d->stale ? ",\"freshness\":\"Current\"}" : ",\"freshness\":\"Stale\"}");
}

static void write_version(struct buf *b, const struct discovery_group *g,
                          const struct discovery_version *v)
{
    buf_addz(b, "{\"version\":");
    buf_add_json(b, v->name);
    if (v->remote) {
        write_remote(b, v->remote);
    } else {
        write_local(b, g->local, v->name);
    }
}

static void write_group(struct buf *b, const struct discovery_group *g)
{
    buf_addz(b, "{\"metadata\":{");
    if (g->name.len) {
        buf_addz(b, "\"name\":");
        buf_add_json(b, g->name);
    }
    buf_addz(b, "},\"versions\":[");
    for (size_t i = 0; i < g->n; i++) {
        buf_addz(b, i ? "," : "");
        write_version(b, g, &g->versions[i]);
    }
    buf_addz(b, "]}");
}

void discovery_write_aggregated(struct buf *b, const struct discovery_view *v, bool core)
{
    buf_addz(b, "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/"
                "v2\",\"metadata\":{},\"items\":[");
    const char *sep = "";
    for (size_t i = 0; i < v->n; i++) {
        if (core == (v->groups[i].name.len == 0)) {
            buf_addz(b, sep);
            write_group(b, &v->groups[i]);
            sep = ",";
        }
    }
    buf_addz(b, "]}");
}
