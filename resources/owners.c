/* SPDX-License-Identifier: Apache-2.0 */
/* The index of ownership. Terms of one index: "u:UID" for each owner, "o" for any owner, "d" while
 * being deleted. */
#include "resources/owners.h"

#include "base/json.h"

static struct owner_ref owner_read(const yyjson_mut_val *ref)
{
    struct str version, group = str_cut(json_get_str(ref, "apiVersion"), '/', &version);
    struct owner_ref o = {
        .group = version.ptr ? group : STR_NULL,
        .version = version.ptr ? version : group,
        .kind = json_get_str(ref, "kind"),
        .name = json_get_str(ref, "name"),
        .uid = json_get_str(ref, "uid"),
        .block = json_get_bool(ref, "blockOwnerDeletion"),
        .controller = json_get_bool(ref, "controller"),
    };
    return o;
}

size_t owners_of(const yyjson_mut_val *obj, struct arena *a, struct owner_ref **ret)
{
    const yyjson_mut_val *refs = json_path(obj, "metadata", "ownerReferences", NULL);
    size_t n = 0;
    struct owner_ref *list = arena_alloc(a, (json_size(refs) + 1) * sizeof(*list));
    struct json_iter it = json_iter(refs);
    while (json_next(&it)) {
        list[n++] = owner_read(it.val);
    }
    *ret = list;
    return n;
}

size_t owners_terms(const yyjson_mut_val *obj, struct arena *a, struct store_term **ret)
{
    const yyjson_mut_val *meta = metadata_of(obj), *refs = json_get(meta, "ownerReferences");
    bool deleting = json_get(meta, "deletionTimestamp") != NULL;
    size_t n = 0;
    if (!deleting && !json_size(refs)) {
        return 0;
    }
    struct store_term *terms = arena_alloc(a, (json_size(refs) + 2) * sizeof(*terms));
    if (deleting) {
        terms[n++] = (struct store_term){OWNERS_INDEX, STR("d")};
    }
    if (json_size(refs)) {
        terms[n++] = (struct store_term){OWNERS_INDEX, STR("o")};
    }
    struct json_iter it = json_iter(refs);
    while (json_next(&it)) {
        struct str uid = json_get_str(it.val, "uid"),
                   term = str_from(arena_printf(a, "u:%.*s", STR_FMT(uid)));
        bool twice = false;
        for (size_t i = 0; i < n; i++) {
            twice = twice || str_eq(terms[i].term, term);
        }
        if (!twice) {
            terms[n++] = (struct store_term){OWNERS_INDEX, term};
        }
    }
    *ret = terms;
    return n;
}

int owners_define(struct store *s, struct err *err)
{
    return store_index_define(s, OWNERS_INDEX, OWNERS_PREFIX, OWNERS_GENERATION, err);
}

/* ---- finding ---- */

struct found {
    struct found *next;
    struct type *type;
    struct str ns, name;
};

struct search {
    struct arena arena;
    const struct registry_snapshot *types;
    struct found *first, **last;
};

static int keep_key(void *arg, const struct store_entry *e)
{
    struct search *s = arg;
    struct str ns, name;
    struct type *t = registry_find_key(s->types, e->key, &ns, &name);
    if (t) {
        struct found *f = ARENA_NEW(&s->arena, struct found);
        *f = (struct found){NULL, t, arena_str(&s->arena, ns), arena_str(&s->arena, name)};
        *s->last = f;
        s->last = &f->next;
    }
    return 0;
}

/* Keys first, then the visits: a visitor may use the store. */
static int find(struct engine *e, const struct registry_snapshot *types, struct str term,
                owners_visit_fn *visit, void *arg, struct err *err)
{
    struct search s = {.types = types};
    const struct store_range r = {
        .prefix = OWNERS_PREFIX, .index = OWNERS_INDEX, .term = term, .keys_only = true};
    int64_t at = 0;
    arena_init(&s.arena, 0);
    s.last = &s.first;
    int code = store_range(engine_store(e), &r, keep_key, &s, &at, NULL, err);
    for (struct found *f = s.first; f && code == 0; f = f->next) {
        code = visit(arg, f->type, f->ns, f->name);
    }
    arena_finish(&s.arena);
    return code;
}

int owners_dependents(struct engine *e, const struct registry_snapshot *types, struct str uid,
                      owners_visit_fn *visit, void *arg, struct err *err)
{
    struct buf term = {0};
    buf_printf(&term, "u:%.*s", STR_FMT(uid));
    int r = find(e, types, buf_str(&term), visit, arg, err);
    buf_finish(&term);
    return r;
}

int owners_deleting(struct engine *e, const struct registry_snapshot *types, owners_visit_fn *visit,
                    void *arg, struct err *err)
{
    return find(e, types, STR("d"), visit, arg, err);
}

int owners_all(struct engine *e, const struct registry_snapshot *types, owners_visit_fn *visit,
               void *arg, struct err *err)
{
    return find(e, types, STR("o"), visit, arg, err);
}
