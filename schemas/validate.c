/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of values. One walk serves two ends: without a list of causes it only says whether all
 * is well (the common case, which allocates nothing); with one it is repeated to tell what is
 * wrong, in the words and order of the reference's validator (kube-openapi's validate package),
 * whose count of matching checks chooses the branch of an anyOf that is told. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "schemas/validate_priv.h"

static bool walk_value(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                       yyjson_mut_val *old, const struct path *at);

/* ---- allOf, anyOf, oneOf, not ---- */

/* One branch, told into a list of its own. */
struct branch {
    struct causes causes;
    unsigned match;
    bool ok;
};

static struct branch walk_branch(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                                 const struct path *at)
{
    struct branch b = {.match = 0};
    struct walk sub = {.base = w->base};
    if (w->out) {
        causes_init(&b.causes, w->out->arena);
        sub.out = &b.causes;
    }
    b.ok = walk_value(&sub, n, v, NULL, at);
    b.match = sub.match;
    return b;
}

static bool walk_any_of(struct walk *w, const struct schema_nodes *nodes, yyjson_mut_val *v,
                        const struct path *at)
{
    struct branch best = {.match = 0};
    for (size_t i = 0; i < nodes->n; i++) {
        struct branch b = walk_branch(w, nodes->items[i], v, at);
        if (b.ok) {
            w->match += b.match;
            return true;
        }
        if (i == 0 || b.match > best.match) {
            best = b;
        }
    }
    if (w->out) {
        struct str q = tell_quoted(w, tell_path(w, at));
        tell_whole(w, "%.*s must validate at least one schema (anyOf)", STR_FMT(q));
        tell_merge(w->out, &best.causes);
    }
    w->match += best.match;
    return false;
}

static bool walk_one_of(struct walk *w, const struct schema_nodes *nodes, yyjson_mut_val *v,
                        const struct path *at)
{
    struct branch best = {.match = 0}, first = {.match = 0};
    size_t valid = 0;
    for (size_t i = 0; i < nodes->n; i++) {
        struct branch b = walk_branch(w, nodes->items[i], v, at);
        if (b.ok) {
            first = valid++ ? first : b;
        } else if (!valid && (i == 0 || b.match > best.match)) {
            best = b;
        }
    }
    if (valid == 1) {
        w->match += first.match;
        return true;
    }
    if (w->out) {
        struct str q = tell_quoted(w, tell_path(w, at));
        char *found =
            valid ? arena_printf(w->out->arena, "Found %zu valid alternatives", valid) : NULL;
        tell_whole(w, "%.*s must validate one and only one schema (oneOf). %s", STR_FMT(q),
                   found ? found : "Found none valid");
        if (!valid) {
            tell_merge(w->out, &best.causes);
            w->match += best.match;
        }
    }
    return false;
}

static bool walk_all_of(struct walk *w, const struct schema_nodes *nodes, yyjson_mut_val *v,
                        const struct path *at)
{
    size_t valid = 0;
    for (size_t i = 0; i < nodes->n; i++) {
        struct branch b = walk_branch(w, nodes->items[i], v, at);
        valid += b.ok;
        w->match += b.match;
        if (w->out) {
            tell_merge(w->out, &b.causes);
        }
    }
    if (valid == nodes->n) {
        return true;
    }
    if (w->out) {
        struct str q = tell_quoted(w, tell_path(w, at));
        tell_whole(w, "%.*s must validate all the schemas (allOf)%s", STR_FMT(q),
                   valid ? "" : ". None validated");
    }
    return false;
}

static bool walk_logic(struct walk *w, const struct schema_limits *l, yyjson_mut_val *v,
                       const struct path *at)
{
    bool ok = !l->any_of.n || walk_any_of(w, &l->any_of, v, at);
    ok &= !l->one_of.n || walk_one_of(w, &l->one_of, v, at);
    ok &= !l->all_of.n || walk_all_of(w, &l->all_of, v, at);
    if (l->not_) {
        struct walk quiet = {0};
        if (walk_value(&quiet, l->not_, v, NULL, at)) {
            struct str q = tell_quoted(w, tell_path(w, at));
            ok &= tell_whole(w, "%.*s must not validate the schema (not)", STR_FMT(q));
        }
    }
    return ok;
}

/* ---- lists and objects ---- */

/* A child and what it was before; what is wrong with an unchanged value is not told (ratcheting).
 */
static bool walk_child(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                       yyjson_mut_val *old, const struct path *at)
{
    if ((!w->out && !(n->flags & NODE_CHECKS)) || tell_full(w)) {
        return true; /* nothing to check, or no room to tell it */
    }
    if (!w->out || !old) {
        return walk_value(w, n, v, NULL, at);
    }
    struct causes before = *w->out;
    if (walk_value(w, n, v, old, at)) {
        return true;
    }
    if (!ratchet_same(n, v, old)) {
        return false;
    }
    w->out->n = before.n;
    w->out->dropped = before.dropped;
    w->out->bytes = before.bytes;
    return true;
}

static bool walk_items(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                       yyjson_mut_val *old, const struct path *at)
{
    bool ok = true;
    struct list_index were;
    bool correlate = w->out && yyjson_mut_is_arr(old) && n->list_type == SCHEMA_LIST_MAP;
    if (correlate) {
        list_index_init(&were, n, old);
    }
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        long i = correlate ? list_index_find(&were, it.val) : -1;
        ok &=
            walk_child(w, n->items, it.val, i < 0 ? NULL : were.items[i], PATH_INDEX(at, it.index));
        if (!ok && !w->out) {
            return false;
        }
    }
    if (correlate) {
        list_index_finish(&were);
    }
    return ok;
}

static bool walk_array(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                       yyjson_mut_val *old, const struct path *at)
{
    const struct schema_limits *l = n->limits;
    size_t size = yyjson_mut_arr_size(v);
    bool ok =
        !n->items || (!w->out && !(n->items->flags & NODE_CHECKS)) || walk_items(w, n, v, old, at);
    w->match++;
    if (l && l->min_items >= 0 && size < (uint64_t)l->min_items) {
        struct str value = tell_size(w, size);
        ok &= tell(w, CAUSE_INVALID, at, value, "should have at least %lld items",
                   (long long)l->min_items);
    }
    if (l && l->max_items >= 0 && size > (uint64_t)l->max_items) {
        ok = false;
        if (w->out) {
            struct str rel = tell_path(w, at);
            causes_add_text(w->out, CAUSE_TOO_MANY, TELL_FIELD(w, rel), tell_size(w, size),
                            "must have at most %lld items", (long long)l->max_items);
            tell_once(w->out);
        }
    }
    return ok;
}

static bool walk_size(struct walk *w, const struct schema_limits *l, size_t size,
                      const struct path *at)
{
    bool ok = true;
    struct str value = tell_size(w, size);
    if (l->min_properties >= 0 && size < (uint64_t)l->min_properties) {
        ok &= tell(w, CAUSE_INVALID, at, value, "should have at least %lld properties",
                   (long long)l->min_properties);
    }
    if (l->max_properties >= 0 && size > (uint64_t)l->max_properties) {
        ok = false;
        if (w->out) {
            struct str rel = tell_path(w, at);
            causes_add_text(w->out, CAUSE_TOO_MANY, TELL_FIELD(w, rel), value,
                            "must have at most %lld items", (long long)l->max_properties);
            tell_once(w->out);
        }
    }
    return ok;
}

/* The quick way through an object: its members as they come. */
static bool walk_members(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                         const struct path *at)
{
    uint32_t hint = 0, required = 0;
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        struct str name = val_str(key);
        const struct schema_prop *p = prop_find(n, name, &hint);
        if (p) {
            required += p->required >= 0;
        }
        const struct schema_node *node = p && p->node ? p->node : n->additional;
        if (node ? !walk_child(w, node, key->next, NULL, PATH_FIELD(at, name))
                 : (n->flags & NODE_CLOSED) != 0) {
            return false;
        }
    }
    uint32_t wanted = n->n_required;
    if (required < wanted) {
        /* `required` may name a property twice */
        wanted = 0;
        for (uint32_t i = 0; i < n->n_props; i++) {
            wanted += n->props[i].required >= 0;
        }
    }
    return required >= wanted;
}

struct member {
    struct str name;
    const struct schema_prop *prop; /* NULL: additional */
    yyjson_mut_val *val;
};

static int member_compare(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (!x->prop != !y->prop) {
        return x->prop ? 1 : -1; /* additional ones are told first */
    }
    return str_cmp(x->name, y->name);
}

static int member_search(const void *key, const void *m)
{
    return str_cmp(*(const struct str *)key, ((const struct member *)m)->name);
}

/* The members of an object, sorted; n NULL: by name alone. The caller frees them. */
static struct member *members_of(const struct schema_node *n, yyjson_mut_val *obj, size_t *ret_n)
{
    size_t count = yyjson_mut_obj_size(obj), i = 0;
    struct member *members = alloc_bytes((count ? count : 1) * sizeof(*members));
    uint32_t hint = 0;
    struct json_iter it = json_iter(yyjson_mut_is_obj(obj) ? obj : NULL);
    while (json_next(&it)) {
        members[i] = (struct member){.name = val_str(it.key), .val = it.val};
        const struct schema_prop *p = n ? prop_find(n, members[i].name, &hint) : NULL;
        members[i++].prop = p && p->node ? p : NULL;
    }
    qsort(members, i, sizeof(*members), member_compare);
    *ret_n = i;
    return members;
}

static bool tell_required(struct walk *w, const struct schema_node *n, const struct member *by_name,
                          size_t count, const struct path *at)
{
    bool ok = true;
    for (uint32_t i = 0; i < n->n_required; i++) {
        if (!bsearch(&n->required[i], by_name, count, sizeof(*by_name), member_search)) {
            struct str rel = tell_path(w, PATH_FIELD(at, n->required[i]));
            causes_add(w->out, CAUSE_REQUIRED, TELL_FIELD(w, rel), NULL, NULL);
            tell_once(w->out);
            ok = false;
        }
    }
    return ok;
}

/* The thorough way: members sorted by name, then what is missing. */
static bool tell_members(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                         yyjson_mut_val *old, const struct path *at)
{
    bool ok = true;
    size_t count, n_were, n_named;
    AUTO_FREE struct member *members = members_of(n, v, &count);
    AUTO_FREE struct member *were = members_of(NULL, old, &n_were);
    for (size_t i = 0; i < count; i++) {
        struct member *m = &members[i];
        const struct schema_node *node = m->prop ? m->prop->node : n->additional;
        if (node) {
            const struct member *was =
                bsearch(&m->name, were, n_were, sizeof(*were), member_search);
            bool type_meta = !at && (str_is(m->name, "kind") || str_is(m->name, "apiVersion"));
            ok &= walk_child(w, node, m->val, was && !type_meta ? was->val : NULL,
                             PATH_FIELD(at, m->name));
        } else if (n->flags & NODE_CLOSED) {
            struct str rel = tell_path(w, at);
            causes_add_text(w->out, CAUSE_INVALID, TELL_FIELD(w, rel), tell_quoted(w, m->name),
                            "%.*s.%.*s in body is a forbidden property", STR_FMT(rel),
                            STR_FMT(m->name));
            tell_once(w->out);
            ok = false;
        }
    }
    AUTO_FREE struct member *named = members_of(NULL, v, &n_named);
    return tell_required(w, n, named, n_named, at) && ok;
}

static bool walk_object(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                        yyjson_mut_val *old, const struct path *at)
{
    bool ok = !n->limits || walk_size(w, n->limits, yyjson_mut_obj_size(v), at);
    if (w->out) {
        return tell_members(w, n, v, old, at) && ok;
    }
    return ok && walk_members(w, n, v, at) && (!(n->flags & NODE_EMBEDDED) || embedded_valid(v));
}

/* The checks in the reference's order: type, logic, string, format, number, list, enum, object. */
static bool walk_value(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                       yyjson_mut_val *old, const struct path *at)
{
    const struct schema_limits *l = n->limits;
    bool ok;
    if (yyjson_mut_is_null(v)) {
        ok = scalar_null(w, n, at);
        return (!l || !l->n_enums || scalar_enum(w, l, v, at)) && ok;
    }
    bool typed = n->kind != KIND_ANY || n->format || n->flags & NODE_INT_OR_STRING;
    ok = scalar_type(w, n, v, at);
    if (!ok && !w->out) {
        return false;
    }
    w->match += (typed ? 1 + ok : 0) + 4; /* logic's own, logic, enum, the whole */
    if (l) {
        ok &= walk_logic(w, l, v, at);
    }
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_STR:
        w->match += 1 + (n->format >= FORMAT_BSON_OBJECT_ID);
        ok &= scalar_string(w, n, v, at);
        break;
    case YYJSON_TYPE_NUM:
        w->match++;
        ok &= scalar_number(w, n, v, at);
        break;
    case YYJSON_TYPE_ARR:
        w->match++;
        ok &= walk_array(w, n, v, old, at);
        break;
    default:
        break;
    }
    ok &= !l || !l->n_enums || scalar_enum(w, l, v, at);
    if (unsafe_yyjson_get_type(v) == YYJSON_TYPE_OBJ) {
        w->match++;
        ok &= walk_object(w, n, v, old, at);
    }
    return ok;
}

static bool node_valid(const struct schema_node *n, yyjson_mut_val *v)
{
    struct walk quick = {0};
    return !(n->flags & NODE_CHECKS) || walk_value(&quick, n, v, NULL, NULL);
}

bool node_validate(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old,
                   const struct path *base, struct causes *c)
{
    struct walk w = {.out = c, .base = base};
    return node_valid(n, v) || walk_child(&w, n, v, old, NULL);
}

/* ---- objects ---- */

/* The reference evaluates no rules for an object with such errors, and says so. */
static void note_rules(const struct schema *s, struct causes *c)
{
    for (size_t i = 0; i < c->n && schema_has_rules(s); i++) {
        enum cause_type t = c->items[i].type;
        if (t == CAUSE_NOT_SUPPORTED || t == CAUSE_REQUIRED || t == CAUSE_TOO_LONG ||
            t == CAUSE_TOO_MANY || t == CAUSE_TYPE_INVALID) {
            causes_add_text(c, CAUSE_INVALID, NULL, STR("null"),
                            "some validation rules were not checked because the object was "
                            "invalid; correct the existing errors to complete validation");
            return;
        }
    }
}

void schema_validate(const struct schema *s, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    if (!node_valid(s->root, obj)) {
        node_validate(s->root, obj, old, NULL, c);
        embedded_report(s->root, obj, NULL, c);
    }
    if (!lists_valid(s->root, obj) && (!old || lists_valid(s->root, old))) {
        lists_report(s->root, obj, NULL, c);
    }
    note_rules(s, c);
}

void schema_validate_status(const struct schema *s, yyjson_mut_val *obj, yyjson_mut_val *old,
                            struct causes *c)
{
    yyjson_mut_val *status = json_get(obj, "status");
    const struct schema_prop *p = NULL;
    uint32_t hint = 0;
    if (status) {
        p = prop_find(s->root, STR("status"), &hint);
    }
    if (p && p->node) {
        node_validate(p->node, status, json_get(old, "status"), PATH_FIELD(NULL, STR("status")), c);
    }
    if (!lists_valid(s->root, obj) && (!old || lists_valid(s->root, old))) {
        lists_report(s->root, obj, NULL, c);
    }
    note_rules(s, c);
}
