/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v2 of what other servers serve, as their share of the one document. A definition that
 * says the same as one of this server's is shared. Where any of another server's says something
 * else, all of its definitions whose names are taken get others, as kube-aggregator does: NAME_v2
 * and so on; for what looks the same may refer to what is not. */
#include "apiserver/openapi_priv.h"

#include <uthash.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"

#define REFERENCE "#/definitions/"

enum { TRIES = 100 }; /* of suffixes; another server may have such names itself */

struct openapi_name {
    UT_hash_handle hh;
    struct str name;
    const yyjson_mut_val *val; /* as its server has it; NULL: of a type of the server's own */
    struct str to;             /* of another server's: its name in the one document */
};

/* The definitions of another server, which may serve several group-versions. */
struct openapi_server {
    struct openapi_server *next;
    const char *url;
    struct openapi_name *own; /* by the names that it gives them */
    bool renamed;
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
    *n = (struct openapi_names){.last_suffix = 1};
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
    for (struct openapi_server *s = n->servers; s; s = s->next) {
        HASH_CLEAR(hh, s->own);
    }
    HASH_CLEAR(hh, n->all);
    arena_finish(&n->arena);
}

/* ---- one server's ---- */

struct merge {
    struct openapi_names *names;
    struct openapi_server *server;
    struct openapi_name *fresh; /* definitions that are not the server's yet */
    unsigned suffix;
};

/* The group-versions of a server share its definitions as long as they agree on them. */
static struct openapi_server *server_of(struct openapi_names *n, const char *url,
                                        const yyjson_mut_val *definitions)
{
    for (struct openapi_server *s = n->servers; s; s = s->next) {
        bool agrees = strcmp(s->url, url) == 0;
        struct json_iter it = json_iter(definitions);
        while (agrees && json_next(&it)) {
            const struct openapi_name *e = find(s->own, json_str(it.key));
            agrees = !e || json_equal(e->val, it.val);
        }
        if (agrees) {
            return s;
        }
    }
    struct openapi_server *s = ARENA_NEW(&n->arena, struct openapi_server);
    *s = (struct openapi_server){.next = n->servers, .url = arena_strdup(&n->arena, url)};
    return n->servers = s;
}

static void gather_fresh(struct merge *m, const yyjson_mut_val *definitions)
{
    struct json_iter it = json_iter(definitions);
    while (json_next(&it)) {
        struct str name = json_str(it.key);
        if (!find(m->server->own, name) && !find(m->fresh, name)) {
            struct openapi_name *e = ARENA_NEW(&m->names->arena, struct openapi_name);
            *e = (struct openapi_name){.name = name, .val = it.val};
            HASH_ADD_KEYPTR(hh, m->fresh, e->name.ptr, e->name.len, e);
        }
    }
}

static bool fits(const struct merge *m)
{
    AUTO(buf_finish) struct buf b = {0};
    for (const struct openapi_name *e = m->fresh; e; e = e->hh.next) {
        const struct openapi_name *taken = find(m->names->all, e->name);
        if (!taken) {
            continue;
        }
        if (m->suffix == 1) {
            if (m->server->renamed || !taken->val || !json_equal(taken->val, e->val)) {
                return false;
            }
            continue;
        }
        b.len = 0;
        buf_printf(&b, "%.*s_v%u", STR_FMT(e->name), m->suffix);
        if (find(m->names->all, buf_str(&b)) || find(m->fresh, buf_str(&b))) {
            return false;
        }
    }
    return true;
}

/* False: there are no names for them. */
static bool choose_suffix(struct merge *m)
{
    m->suffix = 1;
    if (fits(m)) {
        return true;
    }
    m->suffix = m->names->last_suffix;
    for (int i = 0; i < TRIES; i++) {
        m->suffix++;
        if (fits(m)) {
            m->names->last_suffix = m->suffix;
            m->server->renamed = true;
            return true;
        }
    }
    return false;
}

/* Settles each fresh one's name and hands it to the server. */
static void settle(struct merge *m)
{
    for (struct openapi_name *e = m->fresh; e; e = e->hh.next) {
        bool taken = find(m->names->all, e->name) && m->suffix > 1;
        e->to =
            taken
                ? str_from(arena_printf(&m->names->arena, "%.*s_v%u", STR_FMT(e->name), m->suffix))
                : e->name;
    }
    struct openapi_name *e, *next;
    HASH_ITER(hh, m->fresh, e, next)
    {
        HASH_DEL(m->fresh, e);
        HASH_ADD_KEYPTR(hh, m->server->own, e->name.ptr, e->name.len, e);
    }
}

/* No deeper than what was read. */
static void rename_references(struct merge *m, yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct str s = json_str(it.val);
        if (!it.key || !str_is(json_str(it.key), "$ref") || !str_starts(s, STR(REFERENCE))) {
            rename_references(m, it.val);
            continue;
        }
        const struct openapi_name *e = find(m->server->own, str_skip(s, sizeof(REFERENCE) - 1));
        if (e && !str_eq(e->to, e->name)) {
            const char *to = arena_printf(&m->names->arena, REFERENCE "%.*s", STR_FMT(e->to));
            yyjson_mut_set_str(it.val, to);
        }
    }
}

/* Those that are not in the document yet. */
static void write_definitions(struct merge *m, yyjson_mut_doc *d, const yyjson_mut_val *all,
                              struct buf *b)
{
    struct json_iter it = json_iter(all);
    while (json_next(&it)) {
        const struct openapi_name *e = find(m->server->own, json_str(it.key));
        if (e && !find(m->names->all, e->to)) {
            yyjson_mut_val *copy = json_copy(d, it.val);
            rename_references(m, copy);
            json_write_member(b, e->to, copy);
            name_add(m->names, e->to, e->val);
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
    yyjson_mut_val *paths = members(&n->arena, blob_str(d->v2_paths), &paths_doc);
    yyjson_mut_val *all = members(&n->arena, blob_str(d->v2_definitions), &definitions_doc);
    if (!paths || !all) {
        return;
    }
    struct merge m = {.names = n, .server = server_of(n, s->url, all)};
    gather_fresh(&m, all);
    if (!choose_suffix(&m)) {
        HASH_CLEAR(hh, m.fresh);
        return;
    }
    settle(&m);
    write_definitions(&m, definitions_doc, all, ret_definitions);
    rename_references(&m, paths);
    struct json_iter it = json_iter(paths);
    while (json_next(&it)) {
        json_write_member(ret_paths, json_str(it.key), it.val);
    }
}
