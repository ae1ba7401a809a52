/* SPDX-License-Identifier: Apache-2.0 */
/* What an applier no longer names goes. All that it named before is taken out; then what anybody
 * names in a version comes back, and what nobody ever named. */
#include "resources/merge_priv.h"

/* What all owners own in a version. */
static struct fieldset *owned_in(const struct merge *m, const struct ownership *o,
                                 struct str version)
{
    struct fieldset *all = NULL;
    for (size_t i = 0; i < o->n; i++) {
        if (str_eq(o->items[i].api_version, version)) {
            all = fieldset_union(m->arena, all, o->items[i].fields);
        }
    }
    return all;
}

/* The fields of an object, with the struct fields that lead to them. */
static int named_fields(const struct merge *m, const struct versioned *v, struct fieldset **ret,
                        struct err *err)
{
    int code = typed_fields(v->schema, v->obj, m->arena, ret, err);
    if (code == 0) {
        *ret = fieldset_with_named(m->arena, *ret, v->schema);
    }
    return code;
}

static void take_out(const struct merge *m, struct versioned *v, const struct versioned *from,
                     const struct fieldset *s)
{
    *v = *from;
    if (s) {
        v->obj = typed_remove(from->schema, from->obj, s, m->arena, m->doc);
    }
}

/* Gives *pruned back what is owned in a version; both objects come to be in it. */
static int give_back(const struct merge *m, const struct ownership *o, struct str version,
                     struct versioned *merged, struct versioned *pruned, struct err *err)
{
    struct arena *a = m->arena;
    struct versioned whole, rest;
    struct fieldset *all, *left;
    int code = versioned_convert(m, merged, version, &whole, err);
    code = code <= 0 ? code : versioned_convert(m, pruned, version, &rest, err);
    if (code <= 0) {
        return code; /* of a version that is gone nothing comes back */
    }
    code = named_fields(m, &whole, &all, err);
    code = code < 0 ? code : named_fields(m, &rest, &left, err);
    if (code < 0) {
        return code;
    }
    struct fieldset *owned = fieldset_with_named(a, owned_in(m, o, version), whole.schema);
    struct fieldset *stays = fieldset_union(a, left, owned);
    *merged = whole;
    take_out(m, pruned, &whole, fieldset_difference(a, all, stays));
    return 0;
}

/* The version of `last` first, so that what conversion needs is there again; then the others. */
static int give_back_all(const struct merge *m, const struct ownership *o, struct str first,
                         struct versioned merged, struct versioned *pruned, struct err *err)
{
    int code = owned_in(m, o, first) ? give_back(m, o, first, &merged, pruned, err) : 0;
    for (size_t i = 0; code == 0 && i < o->n; i++) {
        struct str version = o->items[i].api_version;
        bool done = str_eq(version, first);
        for (size_t j = 0; j < i && !done; j++) {
            done = str_eq(o->items[j].api_version, version);
        }
        code = done ? 0 : give_back(m, o, version, &merged, pruned, err);
    }
    return code;
}

/* Takes out of merged what is not in pruned, but only what was applied last. */
static int keep_dangling(const struct merge *m, const struct versioned *merged,
                         const struct versioned *pruned, const struct fieldset *last,
                         struct versioned *ret, struct err *err)
{
    struct arena *a = m->arena;
    struct versioned rest;
    struct fieldset *all, *left;
    int code = versioned_convert(m, pruned, merged->version, &rest, err);
    if (code <= 0) {
        *ret = *merged;
        return code;
    }
    code = named_fields(m, merged, &all, err);
    code = code < 0 ? code : named_fields(m, &rest, &left, err);
    if (code < 0) {
        return code;
    }
    struct fieldset *gone = fieldset_intersection(a, fieldset_difference(a, all, left), last);
    take_out(m, ret, merged, gone);
    return 0;
}

int merge_prune(const struct merge *m, const yyjson_mut_val *merged, const struct ownership *o,
                const struct owner *fresh, const struct owner *last, const yyjson_mut_val **ret,
                struct err *err)
{
    struct versioned whole = {merged, m->api_version, merge_schema(m)}, then, pruned, result;
    *ret = merged;
    bool again = str_eq(last->api_version, fresh->api_version) &&
                 !fieldset_difference(m->arena, last->fields, fresh->fields);
    if (!last->fields || again) {
        return 0; /* all that it named it names again */
    }
    int code = versioned_convert(m, &whole, last->api_version, &then, err);
    if (code <= 0) {
        return code;
    }
    struct fieldset *named = fieldset_with_named(m->arena, last->fields, then.schema);
    take_out(m, &pruned, &then, named);
    code = give_back_all(m, o, then.version, then, &pruned, err);
    code = code < 0 ? code : keep_dangling(m, &then, &pruned, named, &result, err);
    code = code < 0 ? code : versioned_convert(m, &result, m->api_version, &whole, err);
    if (code < 0) {
        return code;
    }
    *ret = whole.obj;
    return 0;
}
