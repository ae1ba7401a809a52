/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of a definition are pruned and valid values of the schema they stand in (the reference's
 * ValidateDefaults). */
#include "base/cleanup.h"
#include "base/json.h"
#include "schemas/check_priv.h"
#include "schemas/schema_priv.h"

static void unrefp(struct schema **s)
{
    schema_unref(*s);
}

static void check_pruned(const struct schema_node *n, const yyjson_mut_val *value,
                         const struct path *at, struct causes *c)
{
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_val *pruned = json_copy(json_doc(&a), value);
    node_prune(n, pruned, n->flags & NODE_EMBEDDED, NULL);
    if (!json_equal(pruned, value)) {
        causes_add(c, CAUSE_INVALID, at, (yyjson_mut_val *)(uintptr_t)value,
                   "must not have unknown fields");
    }
    arena_finish(&a);
}

/* A default inside the metadata, apiVersion or kind of an embedded resource: the resource must be
 * one with it. names: the way from the resource to the default. */
static void check_in_meta(yyjson_mut_val *value, const struct path *within, const struct path *at,
                          struct causes *c)
{
    struct arena a;
    struct causes found;
    arena_init(&a, 0);
    causes_init(&found, &a);
    yyjson_mut_doc *d = json_doc(&a);
    yyjson_mut_val *v = json_copy(d, value);
    for (; within; within = within->parent) {
        yyjson_mut_val *outer = within->index >= 0 ? yyjson_mut_arr(d) : yyjson_mut_obj(d);
        if (within->index >= 0) {
            yyjson_mut_arr_append(outer, v);
        } else {
            json_set(d, outer, within->name, v);
        }
        v = outer;
    }
    if (!json_get(v, "kind")) {
        json_setz(d, v, "kind", yyjson_mut_str(d, "Validation"));
    }
    if (!json_get(v, "apiVersion")) {
        json_setz(d, v, "apiVersion", yyjson_mut_str(d, "validation/v1"));
    }
    embedded_check(v, NULL, &found);
    if (found.n) {
        causes_add(c, CAUSE_INVALID, at, value, "must result in valid metadata: %.*s",
                   STR_FMT(causes_text(&found)));
    }
    arena_finish(&a);
}

/* within: NULL outside of metadata, otherwise the way from the embedded resource to here. */
static void check_one(const struct schema_node *n, yyjson_mut_val *value, const struct path *within,
                      const struct path *at, struct causes *c)
{
    const struct path *there = PATH_FIELD(at, STR("default"));
    if (!within) {
        check_pruned(n, value, there, c); /* told beside what follows */
    }
    size_t before = c->n;
    if (within) {
        check_in_meta(value, within, there, c);
    } else {
        embedded_report(n, value, there, c);
    }
    if (c->n == before) {
        node_validate(n, value, NULL, there, c);
    }
}

static void walk(const yyjson_mut_val *v, const struct schema_node *n, const struct path *within,
                 bool root, const struct path *at, struct causes *c)
{
    if (!(n->flags & NODE_DEFAULTS) && !n->fallback) {
        return;
    }
    bool resource = root || n->flags & NODE_EMBEDDED;
    within = resource ? NULL : within;
    if (n->fallback) {
        check_one(n, n->fallback->val, within, at, c);
    }
    if (n->items) {
        walk(json_get(v, "items"), n->items, within ? PATH_INDEX(within, 0) : NULL, false,
             PATH_FIELD(at, STR("items")), c);
    }
    const struct path *properties = PATH_FIELD(at, STR("properties"));
    uint32_t hint = 0;
    struct json_iter it = json_iter(json_get(v, "properties"));
    while (json_next(&it)) {
        struct str name = json_str(it.key);
        const struct schema_prop *p = prop_find(n, name, &hint);
        bool enter = within || (resource && name_is_meta(name));
        walk(it.val, p->node, enter ? PATH_FIELD(within, name) : NULL, false,
             PATH_KEY(properties, name), c);
    }
}

bool check_defaults(const yyjson_mut_val *root, const struct path *at, struct causes *c,
                    struct err *err)
{
    AUTO(unrefp) struct schema *s = NULL;
    if (schema_create(root, NULL, &s, err) < 0) {
        return false;
    }
    walk(root, s->root, NULL, true, at, c);
    return true;
}
