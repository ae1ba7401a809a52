/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v3: the index of group-versions with hashes, and one document for each. */
#include "apiserver/openapi_priv.h"

#include "base/cleanup.h"

void openapi_v3_name(struct buf *b, struct str group, struct str version)
{
    buf_addz(b, group.len ? "apis/" : "api");
    buf_add(b, group);
    buf_addc(b, '/');
    buf_add(b, version);
}

static void write_index_entry(struct buf *b, const struct registry_group *g, struct str version)
{
    struct openapi_hash hash;
    openapi_hash_version(g, version, &hash);
    buf_addc(b, '"');
    openapi_v3_name(b, g->name, version);
    buf_addz(b, "\":{\"serverRelativeURL\":\"/openapi/v3/");
    openapi_v3_name(b, g->name, version);
    buf_addz(b, "?hash=");
    buf_addz(b, hash.text);
    buf_addz(b, "\"}");
}

/* Where the other server has it; asked for here, it is handed on. */
static void write_remotes(struct buf *b, const struct aggregation_snapshot *apis)
{
    for (size_t i = 0; apis && i < apis->n; i++) {
        const struct apiservice *s = apis->items[i];
        const struct blob *url = s->documents ? s->documents->v3_url : NULL;
        if (s->remote && url) {
            buf_addz(b, ",\"");
            openapi_v3_name(b, s->group, s->version);
            buf_addz(b, "\":{\"serverRelativeURL\":");
            buf_add_json(b, blob_str(url));
            buf_addc(b, '}');
        }
    }
}

int openapi_build_v3_index(const struct document_source *s, struct document **ret, struct err *err)
{
    (void)err;
    struct openapi_hash hash;
    AUTO(buf_finish) struct buf b = {0};
    buf_addz(&b, "{\"paths\":{");
    const char *sep = "";
    for (size_t i = 0; i < s->types->n_groups; i++) {
        const struct registry_group *g = &s->types->groups[i];
        for (size_t j = 0; j < g->n_versions; j++) {
            if (!aggregation_find_remote(s->apis, g->name, g->versions[j])) {
                buf_addz(&b, sep);
                write_index_entry(&b, g, g->versions[j]);
                sep = ",";
            }
        }
    }
    write_remotes(&b, s->apis);
    buf_addz(&b, "}}");
    openapi_hash_all(s->types, s->apis, &hash);
    *ret = document_of(buf_str(&b), hash.edition);
    return 0;
}

/* ---- one group-version ---- */

static void add_paths(struct document_writer *w, const struct document_source *s,
                      const struct registry_group *g)
{
    AUTO(buf_finish) struct buf b = {0};
    bool first = true;
    for (size_t i = 0; i < g->n_types; i++) {
        const struct type_version *v = type_shown(g->types[i], s->version);
        if (v) {
            openapi_paths_write(&b, OPENAPI_V3, s->types, g->types[i], v, &first);
            document_add_buf(w, &b);
        }
    }
}

/* A definition that has gone since the snapshot leaves a schema that says nothing. */
static void add_definitions(struct document_writer *w, const struct document_source *s,
                            const struct type *t, const struct type_version *v)
{
    AUTO(buf_finish) struct buf b = {0};
    yyjson_mut_doc *doc = NULL;
    struct arena a;
    arena_init(&a, 0);
    engine_type_document(s->engine, t, &a, &doc, NULL);
    buf_addc(&b, ',');
    openapi_definitions_write(&b, OPENAPI_V3, doc, t, v);
    document_add_buf(w, &b);
    arena_finish(&a);
}

static void add_schemas(struct document_writer *w, const struct document_source *s,
                        const struct registry_group *g)
{
    AUTO(buf_finish) struct buf b = {0};
    openapi_meta_write(&b, OPENAPI_V3);
    document_add_buf(w, &b);
    for (size_t i = 0; i < g->n_types; i++) {
        const struct type_version *v = type_shown(g->types[i], s->version);
        if (v) {
            add_definitions(w, s, g->types[i], v);
        }
    }
}

int openapi_build_v3(const struct document_source *s, struct document **ret, struct err *err)
{
    const struct registry_group *g = registry_find_group(s->types, s->group);
    if (!g) {
        return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
    }
    struct openapi_hash hash;
    openapi_hash_version(g, s->version, &hash);
    AUTO(document_writer_finish) struct document_writer w;
    document_writer_init(&w);
    document_add(&w, STR("{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                         "\"unversioned\"},\"paths\":{"));
    add_paths(&w, s, g);
    document_add(&w, STR("},\"components\":{\"schemas\":{"));
    add_schemas(&w, s, g);
    document_add(&w, STR("},\"securitySchemes\":{\"BearerToken\":{\"type\":\"apiKey\",\"in\":"
                         "\"header\",\"name\":\"authorization\",\"description\":\"Bearer Token "
                         "authentication\"}}}}"));
    *ret = document_make(&w, hash.edition, str_from(hash.text));
    return 0;
}
