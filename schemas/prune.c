/* SPDX-License-Identifier: Apache-2.0 */
/* Pruning: fields that a schema does not know go. Under x-kubernetes-preserve-unknown-fields
 * nothing goes but what a nested schema speaks about (the reference's pruning and objectmeta
 * packages). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "schemas/schema_priv.h"

struct prune {
    struct schema_unknown *unknown; /* NULL: nobody asks */
};

void schema_unknown_add(struct schema_unknown *u, const struct path *at)
{
    if (!u || u->n >= LIMIT_UNKNOWN_FIELDS || u->bytes > LIMIT_UNKNOWN_BYTES) {
        return;
    }
    if (u->n == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 8;
        struct str *paths = arena_alloc(u->arena, cap * sizeof(*paths));
        if (u->n) {
            memcpy(paths, u->paths, u->n * sizeof(*paths));
        }
        u->paths = paths;
        u->cap = cap;
    }
    u->paths[u->n] = path_text(at, u->arena);
    u->bytes += u->paths[u->n++].len;
}

static void prune(struct prune *p, const struct schema_node *n, yyjson_mut_val *v, bool meta,
                  const struct path *at);

/* Nothing is known of v: all members of all objects in it go. */
static void prune_unknown(struct prune *p, yyjson_mut_val *v, const struct path *at)
{
    if (yyjson_mut_is_arr(v)) {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            prune_unknown(p, it.val, PATH_INDEX(at, it.index));
        }
    } else if (yyjson_mut_is_obj(v)) {
        struct json_iter it = json_iter(p->unknown ? v : NULL);
        while (json_next(&it)) {
            schema_unknown_add(p->unknown, PATH_FIELD(at, val_str(it.key)));
        }
        yyjson_mut_obj_clear(v);
    }
}

/* The members of v; keep: what is not known stays. */
static void prune_members(struct prune *p, const struct schema_node *n, yyjson_mut_val *v,
                          bool meta, bool keep, const struct path *at)
{
    uint32_t hint = 0;
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        struct str name = val_str(key);
        yyjson_mut_val *val = key->next;
        if (meta && name_is_meta(name)) {
            continue;
        }
        const struct schema_prop *prop = prop_find(n, name, &hint);
        if (prop && prop->node) {
            prune(p, prop->node, val, false, PATH_FIELD(at, name));
        } else if (n->additional) {
            prune(p, n->additional, val, false, PATH_FIELD(at, name));
        } else if (n->flags & (NODE_OPEN | NODE_CLOSED)) {
            prune_unknown(p, val, PATH_FIELD(at, name));
        } else if (!keep) {
            if (at || !name_is_meta(name)) {
                schema_unknown_add(p->unknown, PATH_FIELD(at, name));
            }
            yyjson_mut_obj_iter_remove(&it);
        }
    }
}

/* As prune where everything is preserved: items are looked into as if they preserved, too. */
static void prune_kept(struct prune *p, const struct schema_node *n, yyjson_mut_val *v, bool meta,
                       const struct path *at)
{
    if (yyjson_mut_is_obj(v)) {
        prune_members(p, n, v, meta, true, at);
    } else if (yyjson_mut_is_arr(v) && n->items) {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            prune_kept(p, n->items, it.val, n->items->flags & NODE_EMBEDDED,
                       PATH_INDEX(at, it.index));
        }
    }
}

static void prune(struct prune *p, const struct schema_node *n, yyjson_mut_val *v, bool meta,
                  const struct path *at)
{
    if (!yyjson_mut_is_ctn(v) || !(n->flags & NODE_PRUNES)) {
        return;
    }
    meta = meta || n->flags & NODE_EMBEDDED;
    if (n->flags & NODE_PRESERVE) {
        prune_kept(p, n, v, meta, at);
    } else if (yyjson_mut_is_obj(v)) {
        prune_members(p, n, v, meta, false, at);
    } else {
        struct json_iter it = json_iter(v);
        while (json_next(&it)) {
            if (n->items) {
                prune(p, n->items, it.val, false, PATH_INDEX(at, it.index));
            } else {
                prune_unknown(p, it.val, PATH_INDEX(at, it.index));
            }
        }
    }
}

/* Members that Go's ObjectMeta leaves out when it is written back. */
static void drop_empty_meta(yyjson_mut_val *meta)
{
    struct json_iter it = json_iter(meta);
    while (json_next(&it)) {
        if (yyjson_mut_is_null(it.val) || (yyjson_mut_is_str(it.val) && !val_str(it.val).len) ||
            (yyjson_mut_is_ctn(it.val) && unsafe_yyjson_get_len(it.val) == 0)) {
            json_iter_remove(&it);
        }
    }
}

/* Metadata of embedded resources: ObjectMeta's fields and no others. */
static void coerce(struct prune *p, const struct schema_node *n, yyjson_mut_val *v,
                   const struct path *at)
{
    if (!(n->flags & NODE_EMBEDS) || !yyjson_mut_is_ctn(v)) {
        return;
    }
    struct json_iter it = json_iter(v);
    uint32_t hint = 0;
    while (json_next(&it)) {
        if (!it.key) {
            if (n->items) {
                coerce(p, n->items, it.val, PATH_INDEX(at, it.index));
            }
            continue;
        }
        struct str name = val_str(it.key);
        if (n->flags & NODE_EMBEDDED && str_is(name, "metadata") && yyjson_mut_is_obj(it.val)) {
            prune(p, &schema_node_meta, it.val, false, PATH_FIELD(at, name));
            drop_empty_meta(it.val);
        }
        const struct schema_prop *prop = prop_find(n, name, &hint);
        if (prop && prop->node) {
            coerce(p, prop->node, it.val, PATH_FIELD(at, name));
        } else if (n->additional) {
            coerce(p, n->additional, it.val, PATH_KEY(at, name));
        }
    }
}

static int compare_paths(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void sort_from(struct schema_unknown *u, size_t from)
{
    if (u && u->n > from) {
        qsort(u->paths + from, u->n - from, sizeof(*u->paths), compare_paths);
    }
}

void node_prune(const struct schema_node *n, yyjson_mut_val *v, bool as_resource,
                struct schema_unknown *unknown)
{
    struct prune p = {unknown};
    size_t from = unknown ? unknown->n : 0;
    prune(&p, n, v, as_resource, NULL);
    sort_from(unknown, from);
    from = unknown ? unknown->n : 0;
    coerce(&p, n, v, NULL);
    sort_from(unknown, from);
}

void schema_prune(const struct schema *s, yyjson_mut_val *obj, struct schema_unknown *unknown)
{
    node_prune(s->root, obj, true, unknown);
}
