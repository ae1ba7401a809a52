/* SPDX-License-Identifier: Apache-2.0 */
/* Which edition of an OpenAPI document the present types make, without making it. */
#include "apiserver/openapi_priv.h"

#include "base/crypto.h"

static void add_number(struct buf *b, uint64_t v)
{
    buf_add(b, str_make((const char *)&v, sizeof(v)));
}

/* What is the same for all types: this program's own part. */
static void add_program(struct buf *b)
{
    add_number(b, OPENAPI_EDITION);
    buf_addz(b, CORACLE_VERSION);
}

/* A subresource may come from code and not from the definition. */
static void add_type(struct buf *b, const struct type *t, const struct type_version *v)
{
    add_number(b, v->published);
    for (size_t i = 0; i < t->n_subresources; i++) {
        const struct type_subresource *s = &t->subresources[i];
        buf_add(b, s->name);
        buf_add(b, s->version);
        add_number(b, s->verbs);
    }
}

static void add_group(struct buf *b, const struct registry_group *g, struct str version)
{
    for (size_t i = 0; i < g->n_types; i++) {
        const struct type_version *v = type_shown(g->types[i], version);
        if (v) {
            add_type(b, g->types[i], v);
        }
    }
}

static void finish(struct buf *b, struct openapi_hash *ret)
{
    unsigned char sum[OPENAPI_HASH / 2];
    crypto_sha256(buf_str(b), sum);
    buf_finish(b);
    memcpy(&ret->edition, sum, sizeof(ret->edition));
    for (size_t i = 0; i < sizeof(sum); i++) {
        ret->text[2 * i] = "0123456789ABCDEF"[sum[i] >> 4];
        ret->text[2 * i + 1] = "0123456789ABCDEF"[sum[i] & 15];
    }
    ret->text[OPENAPI_HASH] = 0;
}

void openapi_hash_version(const struct registry_group *g, struct str version,
                          struct openapi_hash *ret)
{
    struct buf b = {0};
    add_program(&b);
    add_group(&b, g, version);
    finish(&b, ret);
}

void openapi_hash_all(const struct registry_snapshot *s, const struct aggregation_snapshot *apis,
                      struct openapi_hash *ret)
{
    struct buf b = {0};
    add_program(&b);
    if (apis && apis->n_remote) {
        add_number(&b, apis->edition);
    }
    for (size_t i = 0; i < s->n_groups; i++) {
        for (size_t j = 0; j < s->groups[i].n_versions; j++) {
            add_group(&b, &s->groups[i], s->groups[i].versions[j]);
        }
    }
    finish(&b, ret);
}
