/* SPDX-License-Identifier: Apache-2.0 */
/* Owners between an object and its Scale: whoever owns the path of the replicas owns spec.replicas
 * of the Scale, and the other way round. */
#include "base/json.h"
#include "resources/managed_priv.h"

/* The set of one dotted path as .spec.replicas. */
static struct fieldset *path_set(const struct managed *m, struct str path)
{
    yyjson_mut_val *root = yyjson_mut_obj(m->doc), *at = root;
    struct str rest = path.len && path.ptr[0] == '.' ? str_skip(path, 1) : path;
    while (rest.len) {
        struct str name = str_cut(rest, '.', &rest);
        yyjson_mut_val *in = yyjson_mut_obj(m->doc);
        json_set(m->doc, at, str_from(arena_printf(m->arena, "f:%.*s", STR_FMT(name))), in);
        at = in;
    }
    struct fieldset *s = NULL;
    return fieldset_read(m->arena, root, &s, NULL) ? NULL : s;
}

/* The replicas' path in a version of the type; false: there is no such version. *ret NULL: it has
 * no Scale. */
static bool replicas_of(const struct managed *m, struct str api_version, struct fieldset **ret)
{
    const struct type *t = m->type;
    for (size_t i = 0; i < t->n_versions; i++) {
        const struct type_version *v = &t->versions[i];
        if (str_eq(v->api_version, api_version)) {
            *ret = v->has_scale ? path_set(m, v->scale.spec_path) : NULL;
            return true;
        }
    }
    return false;
}

static bool has(const struct managed *m, const struct fieldset *s, const struct fieldset *path)
{
    return path && !fieldset_empty(fieldset_intersection(m->arena, s, path));
}

yyjson_mut_val *managed_to_scale(const struct managed *m, const yyjson_mut_val *list)
{
    struct ownership o, scale = {0};
    if (managed_read(m->arena, list, &o, NULL, NULL)) {
        return NULL;
    }
    for (size_t i = 0; i < o.n; i++) {
        struct owner owner = o.items[i];
        struct fieldset *path = NULL;
        if (!replicas_of(m, owner.api_version, &path) || !has(m, owner.fields, path)) {
            continue;
        }
        owner.api_version = managed_api_version(m);
        owner.fields = fieldset_of_names(m->arena, "spec", "replicas", NULL);
        owner.tag = NULL;
        if (!ownership_find(&scale, &owner)) {
            managed_add(m->arena, &scale, &owner);
        }
    }
    return managed_write(&scale, false, m->arena, m->doc);
}

/* The Scale's owner that stands for the object's: the versions differ, the rest is the same. */
static struct owner *counterpart(const struct managed *m, struct ownership *scale,
                                 const struct owner *owner)
{
    struct owner same = *owner;
    same.api_version = managed_api_version(m);
    return ownership_find(scale, &same);
}

yyjson_mut_val *managed_from_scale(const struct managed *m, const yyjson_mut_val *list,
                                   const yyjson_mut_val *scale_list)
{
    struct ownership o, scale, result = {0};
    struct fieldset *replicas = fieldset_of_names(m->arena, "spec", "replicas", NULL);
    if (managed_read(m->arena, list, &o, NULL, NULL) ||
        managed_read(m->arena, scale_list, &scale, NULL, NULL)) {
        return json_copy(m->doc, list);
    }
    for (size_t i = 0; i < o.n; i++) {
        struct owner owner = o.items[i];
        struct fieldset *path = NULL;
        if (!replicas_of(m, owner.api_version, &path)) {
            continue;
        }
        struct owner *kept = counterpart(m, &scale, &owner);
        if (has(m, owner.fields, path) && !(kept && has(m, kept->fields, replicas))) {
            owner.fields = fieldset_difference(m->arena, owner.fields, path);
            owner.changed = true;
        } else if (has(m, owner.fields, path)) {
            kept->tag = NULL; /* accounted for */
        }
        if (!fieldset_empty(owner.fields)) {
            managed_add(m->arena, &result, &owner);
        }
    }
    struct fieldset *path = NULL;
    replicas_of(m, m->version->api_version, &path);
    for (size_t i = 0; i < scale.n; i++) {
        struct owner *owner = &scale.items[i];
        if (owner->tag && path && has(m, owner->fields, replicas)) {
            /* Without a time, as the reference has it. */
            managed_add(m->arena, &result,
                        &(struct owner){.manager = owner->manager,
                                        .api_version = m->version->api_version,
                                        .subresource = owner->subresource,
                                        .applied = owner->applied,
                                        .fields = path,
                                        .changed = true});
        }
    }
    return managed_write(&result, false, m->arena, m->doc);
}
