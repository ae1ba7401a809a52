/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v2 of what other servers serve, as their share of the one document. Definitions of one
 * name that say the same are shared; where any of a server's says something else, those of its
 * definitions whose names are taken get others, as kube-aggregator does: NAME_v2 and so on. */
#include "apiserver/openapi_priv.h"

#include <uthash.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"

#define REFERENCE "#/definitions/"

struct openapi_name {
    UT_hash_handle hh;
    struct str name;
    const yyjson_mut_val *val; /* as its server has it; NULL: of a type of the server's own */
};

static struct openapi_name *find(struct openapi_name *all, struct str name)
{
    struct openapi_name *e = NULL;
    HASH_FIND(hh, all, name.ptr, name.len, e);
    return e;
}

static void name_add(struct openapi_names *n, struct str name, const yyjson_mut_val *val)
{
    if (find(n->all, name)) {
        return;
    }
    struct openapi_name *e = ARENA_NEW(&n->arena, struct openapi_name);
    e->name = arena_str(&n->arena, name);
    e->val = val;
    HASH_ADD_KEYPTR(hh, n->all, e->name.ptr, e->name.len, e);
}

/* The members of an object as a tree; NULL where they cannot be read. */
static yyjson_mut_val *members(struct arena *a, struct str text, yyjson_mut_doc **ret_doc)
{
    AUTO(buf_finish) struct buf b = {0};
    buf_addc(&b, '{');
    buf_add(&b, text);
    buf_addc(&b, '}');
    return json_read_own(a, buf_str(&b), ret_doc, NULL) == 0 ? (*ret_doc)->root : NULL;
}

void openapi_names_init(struct openapi_names *n, const struct registry_snapshot *types)
{
    AUTO(buf_finish) struct buf b = {0};
    yyjson_mut_doc *doc;
    n->all = NULL;
    arena_init(&n->arena, 0);
    openapi_meta_write(&b, OPENAPI_V2);
    struct json_iter it = json_iter(members(&n->arena, buf_str(&b), &doc));
    while (json_next(&it)) {
        name_add(n, json_str(it.key), it.val);
    }
    for (size_t i = 0; i < types->n_groups; i++) {
        for (size_t j = 0; j < types->groups[i].n_types; j++) {
            const struct type *t = types->groups[i].types[j];
            for (size_t k = 0; k < t->n_versions; k++) {
                name_add(n, t->versions[k].openapi_name, NULL);
                b.len = 0;
                openapi_list_name(&b, t, &t->versions[k]);
                name_add(n, buf_str(&b), NULL);
            }
        }
    }
}

void openapi_names_finish(struct openapi_names *n)
{
    HASH_CLEAR(hh, n->all);
    arena_finish(&n->arena);
}

/* ---- one server's ---- */

struct renaming {
    struct openapi_names *names; /* as they were before it */
    const yyjson_mut_val *definitions;
    struct openapi_name *own; /* the same by name */
    unsigned suffix;          /* 1: nothing is renamed */
};

static struct str renamed(struct renaming *r, struct str name)
{
    if (r->suffix == 1 || !find(r->own, name) || !find(r->names->all, name)) {
        return name;
    }
    return str_from(arena_printf(&r->names->arena, "%.*s_v%u", STR_FMT(name), r->suffix));
}

/* Whether every definition's name is free or says the same already. */
static bool fits(struct renaming *r)
{
    struct json_iter it = json_iter(r->definitions);
    while (json_next(&it)) {
        const struct openapi_name *e = find(r->names->all, renamed(r, json_str(it.key)));
        if (e && !(e->val && json_equal(e->val, it.val))) {
            return false;
        }
    }
    return true;
}

/* No deeper than what was read. */
static void rename_references(struct renaming *r, yyjson_mut_doc *d, yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct str s = json_str(it.val);
        if (it.key && str_is(json_str(it.key), "$ref") && str_starts(s, STR(REFERENCE))) {
            struct str name = renamed(r, str_skip(s, sizeof(REFERENCE) - 1));
            const char *to = arena_printf(&r->names->arena, REFERENCE "%.*s", STR_FMT(name));
            yyjson_mut_set_strn(it.val, to, strlen(to));
        } else {
            rename_references(r, d, it.val);
        }
    }
}

static void write_member(struct buf *b, struct str key, const yyjson_mut_val *v)
{
    if (b->len) {
        buf_addc(b, ',');
    }
    buf_add_json(b, key);
    buf_addc(b, ':');
    json_write(b, v);
}

static void write_definitions(struct renaming *r, yyjson_mut_doc *d, struct buf *b)
{
    struct json_iter it = json_iter(r->definitions);
    while (json_next(&it)) {
        struct str name = renamed(r, json_str(it.key));
        if (!find(r->names->all, name)) {
            yyjson_mut_val *copy = json_copy(d, it.val);
            rename_references(r, d, copy);
            write_member(b, name, copy);
        }
    }
}

/* Only when all are written: what was free must stay so for all of them. */
static void take_names(struct renaming *r)
{
    struct openapi_name *e, *next;
    HASH_ITER(hh, r->own, e, next)
    {
        e->name = renamed(r, e->name);
    }
    HASH_ITER(hh, r->own, e, next)
    {
        HASH_DEL(r->own, e);
        name_add(r->names, e->name, e->val);
    }
}

static void index_own(struct renaming *r)
{
    struct json_iter it = json_iter(r->definitions);
    while (json_next(&it)) {
        if (!find(r->own, json_str(it.key))) {
            struct openapi_name *e = ARENA_NEW(&r->names->arena, struct openapi_name);
            e->name = json_str(it.key);
            e->val = it.val;
            HASH_ADD_KEYPTR(hh, r->own, e->name.ptr, e->name.len, e);
        }
    }
}

void openapi_remote_write(struct openapi_names *n, const struct apiservice *s,
                          struct buf *ret_paths, struct buf *ret_definitions)
{
    const struct aggregation_documents *d = s->documents;
    yyjson_mut_doc *paths_doc = NULL, *definitions_doc = NULL;
    if (!d || !d->v2_paths) {
        return;
    }
    struct renaming r = {.names = n, .suffix = 1};
    yyjson_mut_val *paths = members(&n->arena, blob_str(d->v2_paths), &paths_doc);
    r.definitions = members(&n->arena, blob_str(d->v2_definitions), &definitions_doc);
    if (!paths || !r.definitions) {
        return;
    }
    index_own(&r);
    while (!fits(&r) && r.suffix <= LIMIT_REMOTE_SERVICES) {
        r.suffix++;
    }
    rename_references(&r, paths_doc, paths);
    write_definitions(&r, definitions_doc, ret_definitions);
    take_names(&r);
    struct json_iter it = json_iter(paths);
    while (json_next(&it)) {
        write_member(ret_paths, json_str(it.key), it.val);
    }
}
