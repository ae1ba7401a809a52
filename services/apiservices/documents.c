/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of another server, which may hold anything: what is wanted of them is taken out
 * field by field, or written anew from the tree that was read, never copied as text. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "services/apiservices/apiservices_priv.h"

#include <uthash.h>

/* ---- discovery ---- */

static void put_text(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from,
                     const char *key)
{
    struct str s = json_get_str(from, key);
    json_set_str(d, to, key, s.ptr ? s : STR(""));
}

static yyjson_mut_val *texts(yyjson_mut_doc *d, const yyjson_mut_val *list)
{
    yyjson_mut_val *to = yyjson_mut_arr(d);
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (json_is_str(it.val)) {
            struct str s = json_str(it.val);
            yyjson_mut_arr_add_strn(d, to, s.ptr, s.len);
        }
    }
    return to;
}

static void put_texts(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from,
                      const char *key)
{
    yyjson_mut_val *list = texts(d, json_get(from, key));
    if (json_size(list)) {
        json_setz(d, to, key, list);
    }
}

/* Clients of some versions do not look whether there is one. */
static void put_kind(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from)
{
    yyjson_mut_val *kind = yyjson_mut_obj(d);
    put_text(d, kind, from, "group");
    put_text(d, kind, from, "version");
    put_text(d, kind, from, "kind");
    json_setz(d, to, "responseKind", kind);
}

static yyjson_mut_val *subresources(yyjson_mut_doc *d, const yyjson_mut_val *list)
{
    yyjson_mut_val *to = yyjson_mut_arr(d);
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (!json_get_str(it.val, "subresource").len) {
            continue;
        }
        yyjson_mut_val *sub = yyjson_mut_obj(d);
        put_text(d, sub, it.val, "subresource");
        put_kind(d, sub, json_get(it.val, "responseKind"));
        json_setz(d, sub, "verbs", texts(d, json_get(it.val, "verbs")));
        yyjson_mut_arr_append(to, sub);
    }
    return to;
}

static yyjson_mut_val *resource(yyjson_mut_doc *d, const yyjson_mut_val *from)
{
    yyjson_mut_val *to = yyjson_mut_obj(d);
    bool cluster = str_is(json_get_str(from, "scope"), "Cluster");
    put_text(d, to, from, "resource");
    put_kind(d, to, json_get(from, "responseKind"));
    json_set_str(d, to, "scope", cluster ? STR("Cluster") : STR("Namespaced"));
    put_text(d, to, from, "singularResource");
    json_setz(d, to, "verbs", texts(d, json_get(from, "verbs")));
    put_texts(d, to, from, "shortNames");
    put_texts(d, to, from, "categories");
    yyjson_mut_val *subs = subresources(d, json_get(from, "subresources"));
    if (json_size(subs)) {
        json_setz(d, to, "subresources", subs);
    }
    return to;
}

static const yyjson_mut_val *find(const yyjson_mut_val *list, bool named, struct str wanted)
{
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        struct str s = named ? json_str(json_path(it.val, "metadata", "name", NULL))
                             : json_get_str(it.val, "version");
        if (str_eq(s, wanted)) {
            return it.val;
        }
    }
    return NULL;
}

static int not_there(struct err *err, const char *what)
{
    return err_set(err, ERR_NOT_FOUND, "the server's %s does not have the group-version", what);
}

int remote_read_groups(struct str body, struct str group, struct str version, struct buf *ret,
                       struct err *err)
{
    AUTO(arena_finish) struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    int r = json_read(&a, body, &d, NULL, err);
    if (r < 0) {
        return err_wrap(err, "discovery");
    }
    const yyjson_mut_val *g = find(json_get(d->root, "items"), true, group);
    const yyjson_mut_val *v = find(json_get(g, "versions"), false, version);
    if (!v) {
        return not_there(err, "discovery");
    }
    yyjson_mut_val *to = yyjson_mut_arr(d);
    const yyjson_mut_val *list = json_get(v, "resources");
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        if (json_get_str(it.val, "resource").len) {
            yyjson_mut_arr_append(to, resource(d, it.val));
        }
    }
    json_write(ret, to);
    return 0;
}

/* ---- discovery as it always was ---- */

static void take_legacy(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from)
{
    put_kind(d, to, from);
    json_set_str(d, to, "scope",
                 json_get_bool(from, "namespaced") ? STR("Namespaced") : STR("Cluster"));
    json_set_str(d, to, "singularResource", json_get_str(from, "singularName"));
    json_setz(d, to, "verbs", texts(d, json_get(from, "verbs")));
    put_texts(d, to, from, "shortNames");
    put_texts(d, to, from, "categories");
}

static void add_sub(yyjson_mut_doc *d, yyjson_mut_val *parent, struct str name,
                    const yyjson_mut_val *from)
{
    yyjson_mut_val *sub = yyjson_mut_obj(d), *list = json_get(parent, "subresources");
    json_set_str(d, sub, "subresource", name);
    put_kind(d, sub, from);
    json_setz(d, sub, "verbs", texts(d, json_get(from, "verbs")));
    if (!list) {
        list = yyjson_mut_arr(d);
        json_setz(d, parent, "subresources", list);
    }
    yyjson_mut_arr_append(list, sub);
}

struct parent {
    UT_hash_handle hh;
    yyjson_mut_val *val;
};

static yyjson_mut_val *parent_of(struct arena *a, struct parent **parents, yyjson_mut_doc *d,
                                 yyjson_mut_val *all, struct str name)
{
    struct parent *p = NULL;
    HASH_FIND(hh, *parents, name.ptr, name.len, p);
    if (!p) {
        p = ARENA_NEW(a, struct parent);
        p->val = yyjson_mut_obj(d);
        json_set_str(d, p->val, "resource", name);
        yyjson_mut_arr_append(all, p->val);
        HASH_ADD_KEYPTR(hh, *parents, name.ptr, name.len, p);
    }
    return p->val;
}

int remote_read_resources(struct str body, struct buf *ret, struct err *err)
{
    AUTO(arena_finish) struct arena a;
    yyjson_mut_doc *d = NULL;
    struct parent *parents = NULL;
    arena_init(&a, 0);
    int r = json_read(&a, body, &d, NULL, err);
    if (r < 0) {
        return err_wrap(err, "discovery");
    }
    yyjson_mut_val *all = yyjson_mut_arr(d);
    const yyjson_mut_val *list = json_get(d->root, "resources");
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        struct str sub, name = str_cut(json_get_str(it.val, "name"), '/', &sub);
        if (!name.len) {
            continue;
        }
        yyjson_mut_val *p = parent_of(&a, &parents, d, all, name);
        if (sub.ptr) {
            add_sub(d, p, sub, it.val);
        } else {
            take_legacy(d, p, it.val);
        }
    }
    HASH_CLEAR(hh, parents);
    json_write(ret, all);
    return 0;
}

/* ---- OpenAPI v3 ---- */

static bool is_hash(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) {
            return false;
        }
    }
    return s.len <= 128;
}

int remote_read_v3(struct str body, struct str group, struct str version, struct buf *ret,
                   struct err *err)
{
    AUTO(arena_finish) struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    int r = json_read(&a, body, &d, NULL, err);
    if (r < 0) {
        return err_wrap(err, "index of OpenAPI v3");
    }
    struct str name =
        str_from(group.len ? arena_printf(&a, "apis/%.*s/%.*s", STR_FMT(group), STR_FMT(version))
                           : arena_printf(&a, "api/%.*s", STR_FMT(version)));
    struct str place = str_from(arena_printf(&a, "/openapi/v3/%.*s", STR_FMT(name)));
    const yyjson_mut_val *at = json_getn(json_get(d->root, "paths"), name);
    struct str url = json_get_str(at, "serverRelativeURL"), hash = str_skip(url, place.len);
    bool ok = str_starts(url, place) &&
              (!hash.len || (str_starts(hash, STR("?hash=")) && is_hash(str_skip(hash, 6))));
    if (!ok) {
        return not_there(err, "index of OpenAPI v3");
    }
    buf_add(ret, url);
    return 0;
}

/* ---- OpenAPI v2 ---- */

struct definition {
    UT_hash_handle hh;
    struct str name;
    yyjson_mut_val *val;
    bool wanted;
    struct definition *next; /* of those whose own references are still to be followed */
};

struct v2 {
    struct arena arena;
    struct definition *all, *todo, *parameters;
    yyjson_mut_doc *doc;
    size_t inlined; /* bytes of parameters put in place of references */
};

static struct definition *find_definition(struct definition *all, struct str name)
{
    struct definition *f = NULL;
    HASH_FIND(hh, all, name.ptr, name.len, f);
    return f;
}

static struct definition *index_members(struct v2 *x, const yyjson_mut_val *obj)
{
    struct definition *all = NULL;
    struct json_iter it = json_iter(json_is_obj(obj) ? obj : NULL);
    while (json_next(&it)) {
        if (json_is_obj(it.val) && !find_definition(all, json_str(it.key))) {
            struct definition *f = ARENA_NEW(&x->arena, struct definition);
            *f = (struct definition){.name = json_str(it.key), .val = it.val};
            HASH_ADD_KEYPTR(hh, all, f->name.ptr, f->name.len, f);
        }
    }
    return all;
}

/* References to the document's own parameters become those: nobody has them elsewhere. One that is
 * not there goes. */
static void inline_parameters(struct v2 *x, yyjson_mut_val *operation)
{
    const yyjson_mut_val *list = json_get(operation, "parameters");
    struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
    while (json_next(&it)) {
        struct str ref = json_get_str(it.val, "$ref"), prefix = STR("#/parameters/");
        if (!ref.ptr) {
            continue;
        }
        const struct definition *to =
            str_starts(ref, prefix) ? find_definition(x->parameters, str_skip(ref, prefix.len))
                                    : NULL;
        AUTO(buf_finish) struct buf text = {0};
        if (to && x->inlined < LIMIT_REMOTE_DOCUMENT_BYTES) {
            json_write(&text, to->val);
            x->inlined += text.len;
        }
        if (text.len && x->inlined < LIMIT_REMOTE_DOCUMENT_BYTES) {
            json_assign(it.val, json_copy(x->doc, to->val));
        } else {
            json_iter_remove(&it);
        }
    }
}

static void inline_item(struct v2 *x, yyjson_mut_val *item)
{
    struct json_iter it = json_iter(item);
    inline_parameters(x, item);
    while (json_next(&it)) {
        if (json_is_obj(it.val)) {
            inline_parameters(x, it.val);
        }
    }
}

static void want(struct v2 *x, struct str ref)
{
    struct str prefix = STR("#/definitions/");
    struct definition *f =
        str_starts(ref, prefix) ? find_definition(x->all, str_skip(ref, prefix.len)) : NULL;
    if (f && !f->wanted) {
        f->wanted = true;
        f->next = x->todo;
        x->todo = f;
    }
}

/* No deeper than what json_read lets in. */
static void follow(struct v2 *x, const yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (it.key && str_is(json_str(it.key), "$ref") && json_is_str(it.val)) {
            want(x, json_str(it.val));
        } else {
            follow(x, it.val);
        }
    }
}

static void read_v2(struct v2 *x, const yyjson_mut_val *root, struct str group, struct str version,
                    struct buf *paths, struct buf *definitions)
{
    struct str place = str_from(
        group.len ? arena_printf(&x->arena, "/apis/%.*s/%.*s", STR_FMT(group), STR_FMT(version))
                  : arena_printf(&x->arena, "/api/%.*s", STR_FMT(version)));
    const yyjson_mut_val *all = json_get(root, "paths");
    struct json_iter it = json_iter(json_is_obj(all) ? all : NULL);
    x->all = index_members(x, json_get(root, "definitions"));
    x->parameters = index_members(x, json_get(root, "parameters"));
    while (json_next(&it)) {
        struct str path = json_str(it.key);
        bool within =
            str_starts(path, place) && (path.len == place.len || path.ptr[place.len] == '/');
        if (within && json_is_obj(it.val)) {
            inline_item(x, it.val);
            json_write_member(paths, path, it.val);
            follow(x, it.val);
        }
    }
    while (x->todo) {
        struct definition *f = x->todo;
        x->todo = f->next;
        json_write_member(definitions, f->name, f->val);
        follow(x, f->val);
    }
    HASH_CLEAR(hh, x->all);
    HASH_CLEAR(hh, x->parameters);
}

int remote_read_v2(struct str body, struct str group, struct str version, struct buf *ret_paths,
                   struct buf *ret_definitions, struct err *err)
{
    struct v2 x = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&x.arena, 0);
    int r = json_read(&x.arena, body, &d, NULL, err);
    if (r < 0) {
        err_wrap(err, "OpenAPI v2");
    } else {
        x.doc = d;
        read_v2(&x, d->root, group, version, ret_paths, ret_definitions);
        r = ret_paths->len ? 0 : not_there(err, "OpenAPI v2");
    }
    arena_finish(&x.arena);
    return r;
}
