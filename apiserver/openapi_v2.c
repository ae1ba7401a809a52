/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v2 in one document for all types, as JSON and as protocol buffers. Each type's share is a
 * fragment made from its definition alone, one at a time; what did not change is taken over from
 * the edition before. */
#include "apiserver/openapi_priv.h"

#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"

#define TOKEN "Bearer Token authentication"

enum section { SECTION_JSON_PATHS, SECTION_JSON_DEFINITIONS, SECTION_PROTO };

struct v2 {
    const struct document_source *source;
    struct document_writer w;
    struct buf text; /* of one fragment */
    struct buf remote_paths, remote_definitions;
};

/* The identity of a type's fragment. */
static uint64_t fragment_id(const struct type *t, const struct type_version *v,
                            enum section section)
{
    uint64_t h = crypto_hash64(v->openapi_name);
    const uint64_t facts[] = {v->published, section, OPENAPI_EDITION};
    h = crypto_hash64_more(h, str_make((const char *)facts, sizeof(facts)));
    for (size_t i = 0; i < t->n_subresources; i++) {
        h = crypto_hash64_more(h, t->subresources[i].name);
    }
    return h ? h : 1;
}

/* Takes the fragment over from the former edition; false: it must be made. */
static bool reuse(struct v2 *x, uint64_t id)
{
    const struct document_part *p = document_part(x->source->previous, id);
    if (p) {
        document_reuse(&x->w, p);
    }
    return p != NULL;
}

static void read_definition(const struct v2 *x, struct arena *a, const struct type *t,
                            yyjson_mut_doc **ret)
{
    *ret = NULL;
    engine_type_document(x->source->engine, t, a, ret, NULL);
}

typedef void fragment_fn(struct v2 *x, const struct type *t, const struct type_version *v,
                         struct arena *a);

static void each_fragment(struct v2 *x, enum section section, fragment_fn *fn)
{
    const struct registry_snapshot *s = x->source->types;
    for (size_t i = 0; i < s->n_groups; i++) {
        const struct registry_group *g = &s->groups[i];
        for (size_t j = 0; j < g->n_types; j++) {
            const struct type *t = g->types[j];
            for (size_t k = 0; k < t->n_served; k++) {
                const struct type_version *v = &t->versions[t->ordered[k]];
                if (t->hidden || aggregation_find_remote(x->source->apis, g->name, v->name)) {
                    continue;
                }
                uint64_t id = fragment_id(t, v, section);
                if (!reuse(x, id)) {
                    struct arena a;
                    arena_init(&a, 0);
                    fn(x, t, v, &a);
                    document_add_buf(&x->w, &x->text);
                    document_cut(&x->w, id);
                    arena_finish(&a);
                }
            }
        }
    }
}

static void add_text(struct v2 *x, const char *text)
{
    document_add(&x->w, str_from(text));
}

static int finish(struct v2 *x, struct document **ret)
{
    struct openapi_hash hash;
    openapi_hash_all(x->source->types, x->source->apis, &hash);
    *ret = document_make(&x->w, hash.edition, str_from(hash.text));
    buf_finish(&x->text);
    buf_finish(&x->remote_paths);
    buf_finish(&x->remote_definitions);
    return 0;
}

/* What other servers serve, both parts at once; a handful, so nothing of it is taken over. */
static void read_remotes(struct v2 *x)
{
    const struct aggregation_snapshot *apis = x->source->apis;
    if (!apis || !apis->n_remote) {
        return;
    }
    struct openapi_names names;
    openapi_names_init(&names, x->source->types);
    for (size_t i = 0; i < apis->n; i++) {
        if (apis->items[i]->remote && !str_is(apis->items[i]->group, AGGREGATION_GROUP)) {
            openapi_remote_write(&names, apis->items[i], &x->remote_paths, &x->remote_definitions);
        }
    }
    openapi_names_finish(&names);
}

/* Members after others. */
static void add_remote(struct v2 *x, struct buf *members)
{
    if (members->len) {
        add_text(x, ",");
        document_add_buf(&x->w, members);
        document_cut(&x->w, 0);
    }
}

/* ---- JSON ---- */

#define VERSION_PATH                                                                               \
    "{\"get\":{\"tags\":[\"version\"],\"description\":\"get the version of this server\","         \
    "\"operationId\":\"getCodeVersion\",\"consumes\":[\"application/json\"],\"produces\":["        \
    "\"application/json\"],\"responses\":{\"200\":{\"description\":\"OK\",\"schema\":{\"$ref\":"   \
    "\"#/definitions/io.k8s.apimachinery.pkg.version.Info\"}},\"401\":{\"description\":"           \
    "\"Unauthorized\"}}}}"
#define INFO "\"title\":\"Kubernetes\",\"version\":\"unversioned\""

static void write_paths(struct v2 *x, const struct type *t, const struct type_version *v,
                        struct arena *a)
{
    (void)a;
    bool first = false;
    openapi_paths_write(&x->text, OPENAPI_V2, x->source->types, t, v, &first);
}

static void write_definitions(struct v2 *x, const struct type *t, const struct type_version *v,
                              struct arena *a)
{
    yyjson_mut_doc *doc;
    read_definition(x, a, t, &doc);
    buf_addc(&x->text, ',');
    openapi_definitions_write(&x->text, OPENAPI_V2, doc, t, v);
}

int openapi_build_v2_json(const struct document_source *s, struct document **ret, struct err *err)
{
    (void)err;
    struct v2 x = {.source = s};
    document_writer_init(&x.w);
    read_remotes(&x);
    add_text(&x, "{\"swagger\":\"2.0\",\"info\":{" INFO "},\"paths\":{\"/version/\":" VERSION_PATH);
    document_cut(&x.w, 0);
    each_fragment(&x, SECTION_JSON_PATHS, write_paths);
    add_remote(&x, &x.remote_paths);
    add_text(&x, "},\"definitions\":{");
    openapi_meta_write(&x.text, OPENAPI_V2);
    document_add_buf(&x.w, &x.text);
    document_cut(&x.w, 0);
    each_fragment(&x, SECTION_JSON_DEFINITIONS, write_definitions);
    add_remote(&x, &x.remote_definitions);
    add_text(&x, "},\"parameters\":{");
    openapi_parameters_write(&x.text);
    document_add_buf(&x.w, &x.text);
    add_text(&x, "},\"securityDefinitions\":{\"BearerToken\":{\"description\":\"" TOKEN
                 "\",\"type\":\"apiKey\",\"name\":\"authorization\",\"in\":\"header\"}},"
                 "\"security\":[{\"BearerToken\":[]}]}");
    return finish(&x, ret);
}

/* ---- protocol buffers ---- */

/* Encodes text, the members of a JSON object without its braces. */
static void encode(struct buf *to, struct str text, struct arena *a,
                   void (*fn)(struct buf *, const yyjson_mut_val *))
{
    AUTO(buf_finish) struct buf json = {0};
    yyjson_mut_doc *doc;
    buf_addc(&json, '{');
    buf_add(&json, text);
    buf_addc(&json, '}');
    if (json_read_own(a, buf_str(&json), &doc, NULL) == 0) {
        fn(to, doc->root);
    }
}

static void encode_type(struct v2 *x, const struct type *t, const struct type_version *v,
                        struct arena *a)
{
    AUTO(buf_finish) struct buf text = {0};
    yyjson_mut_doc *doc;
    bool first = true;
    openapi_paths_write(&text, OPENAPI_V2, x->source->types, t, v, &first);
    encode(&x->text, buf_str(&text), a, openapi_proto_paths);
    text.len = 0;
    read_definition(x, a, t, &doc);
    openapi_definitions_write(&text, OPENAPI_V2, doc, t, v);
    encode(&x->text, buf_str(&text), a, openapi_proto_definitions);
}

static void encode_shared(struct v2 *x)
{
    AUTO(buf_finish) struct buf text = {0};
    struct arena a;
    arena_init(&a, 0);
    encode(&x->text, STR(INFO), &a, openapi_proto_info);
    encode(&x->text, STR("\"/version/\":" VERSION_PATH), &a, openapi_proto_paths);
    openapi_meta_write(&text, OPENAPI_V2);
    encode(&x->text, buf_str(&text), &a, openapi_proto_definitions);
    text.len = 0;
    openapi_parameters_write(&text);
    encode(&x->text, buf_str(&text), &a, openapi_proto_parameters);
    openapi_proto_security(&x->text, TOKEN);
    arena_finish(&a);
}

static void encode_remotes(struct v2 *x)
{
    read_remotes(x);
    if (x->remote_paths.len) {
        struct arena a;
        arena_init(&a, 0);
        encode(&x->text, buf_str(&x->remote_paths), &a, openapi_proto_paths);
        encode(&x->text, buf_str(&x->remote_definitions), &a, openapi_proto_definitions);
        document_add_buf(&x->w, &x->text);
        arena_finish(&a);
    }
}

int openapi_build_v2_proto(const struct document_source *s, struct document **ret, struct err *err)
{
    (void)err;
    struct v2 x = {.source = s};
    document_writer_init(&x.w);
    encode_shared(&x);
    document_add_buf(&x.w, &x.text);
    document_cut(&x.w, 0);
    each_fragment(&x, SECTION_PROTO, encode_type);
    encode_remotes(&x);
    return finish(&x, ret);
}
