/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of the slow model of server-side apply: who owns what. Each step follows the
 * words of the documentation: an update owns what it changed; an apply owns what it names, loses to
 * nobody without force, and takes away what it named the last time, no longer names, and nobody
 * else owns. */
#ifndef TESTS_RESOURCES_SLOW_OWNERS_H
#define TESTS_RESOURCES_SLOW_OWNERS_H

#include "fixture.h"
#include "slow_merge.h"

enum { SLOW_OWNERS = 32, SLOW_CONFLICTS = 256 };

struct slow_owner {
    struct str manager, api_version, subresource;
    bool applied;
    struct paths set;
};
/* "v1" and "v2"; between them the root's f0 and g0 are one field of two names. */
struct slow_version {
    struct str name;
    const struct shape *root; /* NULL: there is no such version (any more) */
};
struct slow {
    struct arena *arena;
    yyjson_mut_doc *doc;
    struct slow_version versions[2];
    struct slow_owner owners[SLOW_OWNERS];
    size_t n_owners;
    const yyjson_mut_val *live; /* NULL: does not exist */
};
struct slow_conflict {
    struct slow_owner owner;
    struct str path;
};
struct slow_step {
    struct slow_owner who; /* its set is not used */
    bool force;
    const yyjson_mut_val *object; /* in who.api_version */
    struct paths reset;
};
enum slow_outcome { SLOW_DONE, SLOW_INVALID, SLOW_CONFLICT };
struct slow_result {
    enum slow_outcome outcome;
    bool unchanged; /* an apply that would change nothing in the object */
    bool needless;  /* refused for what does not fit at the version of who acts' last apply, where
                       nothing is to be taken away for it */
    bool took;      /* an update that changed or added anything that can be owned */
    struct slow_conflict conflicts[SLOW_CONFLICTS];
    size_t n_conflicts;
};

static const char *const slow_strip_names[] = {".apiVersion", ".kind", ".metadata",
                                               ".metadata.name"};

static const struct shape *slow_root(const struct slow *s, struct str version)
{
    return str_eq(s->versions[0].name, version)   ? s->versions[0].root
           : str_eq(s->versions[1].name, version) ? s->versions[1].root
                                                  : NULL;
}

static bool slow_is(const struct slow_owner *x, const struct slow_owner *y)
{
    return str_eq(x->manager, y->manager) && str_eq(x->subresource, y->subresource) &&
           x->applied == y->applied && (x->applied || str_eq(x->api_version, y->api_version));
}

static struct slow_owner *slow_find(struct slow *s, const struct slow_owner *who)
{
    for (size_t i = 0; i < s->n_owners; i++) {
        if (slow_is(&s->owners[i], who)) {
            return &s->owners[i];
        }
    }
    return NULL;
}

static void slow_put(struct slow *s, const struct slow_owner *who, struct paths set)
{
    struct slow_owner *o = slow_find(s, who);
    if (!o) {
        assert_true(s->n_owners < SLOW_OWNERS);
        o = &s->owners[s->n_owners++];
    }
    *o = *who;
    o->set = set;
}

static void slow_drop(struct slow *s, struct slow_owner *o)
{
    s->n_owners--;
    memmove(o, o + 1, (size_t)(s->owners + s->n_owners - o) * sizeof *o);
}

static void slow_drop_empty(struct slow *s)
{
    for (size_t i = s->n_owners; i-- > 0;) {
        if (!s->owners[i].set.n) {
            slow_drop(s, &s->owners[i]);
        }
    }
}

static const yyjson_mut_val *slow_convert(yyjson_mut_doc *d, const yyjson_mut_val *obj,
                                          struct str version)
{
    if (!obj || str_eq(json_get_str(obj, "apiVersion"), version)) {
        return obj;
    }
    yyjson_mut_val *out = yyjson_mut_obj(d);
    struct str from = str_is(version, "v2") ? STR("f0") : STR("g0"),
               to = str_is(version, "v2") ? STR("g0") : STR("f0");
    struct json_iter it = json_iter(obj);
    while (json_next(&it)) {
        json_set(d, out, str_eq(json_str(it.key), from) ? to : json_str(it.key),
                 json_copy(d, it.val));
    }
    json_set_str(d, out, "apiVersion", version);
    return out;
}

/* Owners as the schemas see them now; those of versions that are gone go too. */
static void slow_refresh(struct slow *s)
{
    for (size_t i = s->n_owners; i-- > 0;) {
        const struct shape *root = slow_root(s, s->owners[i].api_version);
        if (!root) {
            slow_drop(s, &s->owners[i]);
        } else {
            s->owners[i].set = slow_reconcile(s->arena, root, &s->owners[i].set);
        }
    }
}

/* Whether the object fits a schema, and without repeated items where it must be converted for that.
 */
static bool slow_fits_at(struct slow *s, const yyjson_mut_val *obj, struct str version)
{
    bool same = !obj || str_eq(json_get_str(obj, "apiVersion"), version);
    return same ||
           slow_check(s->arena, slow_root(s, version), slow_convert(s->doc, obj, version), false);
}

/* The same for the schemas of all owners. */
static bool slow_fits(struct slow *s, const yyjson_mut_val *obj)
{
    bool fits = true;
    for (size_t i = 0; i < s->n_owners; i++) {
        fits = fits && slow_fits_at(s, obj, s->owners[i].api_version);
    }
    return fits;
}

static struct slow_diff slow_compare_at(struct slow *s, const struct slow_step *step,
                                        const yyjson_mut_val *fresh, struct str version)
{
    struct slow_diff d =
        slow_compare(s->arena, slow_root(s, version), slow_convert(s->doc, s->live, version),
                     slow_convert(s->doc, fresh, version));
    d.removed = paths_without_trees(s->arena, &d.removed, &step->reset);
    d.modified = paths_without_trees(s->arena, &d.modified, &step->reset);
    d.added = paths_without_trees(s->arena, &d.added, &step->reset);
    return d;
}

/* All but one (NULL: all) lose what is changed and what goes. */
static void slow_others(struct slow *s, const struct slow_step *step, const yyjson_mut_val *fresh,
                        const struct slow_owner *spared, struct slow_result *ret)
{
    for (size_t i = 0; i < s->n_owners; i++) {
        struct slow_owner *o = &s->owners[i];
        if (spared && slow_is(o, spared)) {
            continue;
        }
        struct slow_diff d = slow_compare_at(s, step, fresh, o->api_version);
        struct paths changed = paths_union(s->arena, &d.modified, &d.added),
                     taken = paths_select(s->arena, &o->set, &changed, true);
        for (size_t j = 0; j < taken.n; j++) {
            assert_true(ret->n_conflicts < SLOW_CONFLICTS);
            ret->conflicts[ret->n_conflicts++] = (struct slow_conflict){*o, taken.items[j]};
        }
        struct paths lost = paths_union(s->arena, &changed, &d.removed);
        o->set = paths_select(s->arena, &o->set, &lost, false);
    }
    slow_drop_empty(s);
}

/* The paths without those that nobody owns. */
static struct paths slow_strip(struct slow *s, const struct paths *p)
{
    struct paths strip = {0};
    for (size_t i = 0; i < sizeof slow_strip_names / sizeof *slow_strip_names; i++) {
        paths_add(s->arena, &strip, str_from(slow_strip_names[i]));
    }
    return paths_select(s->arena, p, &strip, false);
}

static struct slow_result slow_update(struct slow *s, const struct slow_step *step)
{
    struct slow_result r = {.outcome = SLOW_INVALID};
    const struct shape *root = slow_root(s, step->who.api_version);
    struct slow next = *s;
    next.live = slow_convert(s->doc, s->live, step->who.api_version);
    if (!slow_check(s->arena, root, step->object, true) ||
        (next.live && !slow_check(s->arena, root, next.live, true))) {
        return r;
    }
    slow_refresh(&next);
    if (!slow_fits(&next, next.live) || !slow_fits(&next, step->object)) {
        return r;
    }
    /* who acts loses like everybody, and then owns what was changed */
    struct slow_diff d = slow_compare_at(&next, step, step->object, step->who.api_version);
    slow_others(&next, step, step->object, NULL, &r);
    struct paths took = paths_union(s->arena, &d.modified, &d.added);
    took = slow_strip(s, &took);
    if (took.n) {
        struct slow_owner *o = slow_find(&next, &step->who);
        slow_put(&next, &step->who, o ? paths_union(s->arena, &o->set, &took) : took);
    }
    next.live = step->object;
    *s = next;
    r.outcome = SLOW_DONE;
    r.took = took.n > 0;
    r.n_conflicts = 0;
    return r;
}

/* Converts *obj; false: it does not fit there. */
static bool slow_move(struct slow *s, const yyjson_mut_val **obj, struct str version)
{
    bool fits = slow_fits_at(s, *obj, version);
    *obj = slow_convert(s->doc, *obj, version);
    return fits;
}

/* What `whole` has of declared and other fields and `part` has not. */
static struct paths slow_missing(struct slow *s, const struct shape *root,
                                 const yyjson_mut_val *whole, const yyjson_mut_val *part)
{
    struct paths all = slow_fields(s->arena, root, whole), left = slow_fields(s->arena, root, part);
    all = slow_with_named(s->arena, root, &all);
    left = slow_with_named(s->arena, root, &left);
    return paths_select(s->arena, &all, &left, false);
}

/* What was taken away too much comes back: all that anyone owns, seen at one version. */
static bool slow_give_back(struct slow *s, const yyjson_mut_val *whole,
                           const yyjson_mut_val **pruned, struct str version)
{
    const struct shape *root = slow_root(s, version);
    struct paths owned = {0};
    for (size_t i = 0; i < s->n_owners; i++) {
        if (str_eq(s->owners[i].api_version, version)) {
            owned = paths_union(s->arena, &owned, &s->owners[i].set);
        }
    }
    if (!slow_move(s, &whole, version) || !slow_move(s, pruned, version)) {
        return false;
    }
    owned = slow_with_named(s->arena, root, &owned);
    struct paths missing = slow_missing(s, root, whole, *pruned),
                 gone = paths_select(s->arena, &missing, &owned, false);
    *pruned = slow_remove(s->arena, root, whole, STR(""), &gone, s->doc);
    return true;
}

static bool slow_has_version(const struct slow *s, struct str version)
{
    for (size_t i = 0; i < s->n_owners; i++) {
        if (str_eq(s->owners[i].api_version, version)) {
            return true;
        }
    }
    return false;
}

/* *obj, at `version`, without what `last` names and nobody names any more. False: on the way
 * something does not fit. */
static bool slow_prune(struct slow *s, const yyjson_mut_val **obj, const struct slow_owner *last,
                       struct str version)
{
    const struct shape *root = slow_root(s, last->api_version);
    const yyjson_mut_val *whole = *obj;
    bool fits = slow_move(s, &whole, last->api_version);
    struct paths named = slow_with_named(s->arena, root, &last->set);
    const yyjson_mut_val *pruned = slow_remove(s->arena, root, whole, STR(""), &named, s->doc);
    if (slow_has_version(s, last->api_version)) {
        fits = fits && slow_give_back(s, whole, &pruned, last->api_version);
    }
    for (size_t i = 0; i < 2; i++) {
        if (!str_eq(s->versions[i].name, last->api_version) &&
            slow_has_version(s, s->versions[i].name)) {
            fits = fits && slow_give_back(s, whole, &pruned, s->versions[i].name);
        }
    }
    if (!fits || !slow_move(s, &pruned, last->api_version)) {
        return false;
    }
    /* and nothing goes that the last apply did not name */
    struct paths missing = slow_missing(s, root, whole, pruned),
                 gone = paths_select(s->arena, &missing, &named, true);
    *obj = slow_remove(s->arena, root, whole, STR(""), &gone, s->doc);
    return slow_move(s, obj, version);
}

static struct slow_result slow_apply(struct slow *s, const struct slow_step *step)
{
    struct slow_result r = {.outcome = SLOW_INVALID};
    struct str version = step->who.api_version;
    const struct shape *root = slow_root(s, version);
    struct slow next = *s;
    next.live = slow_convert(s->doc, s->live, version);
    if (!slow_check(s->arena, root, step->object, false) ||
        (next.live && !slow_check(s->arena, root, next.live, true))) {
        return r;
    }
    slow_refresh(&next);
    struct slow_owner *o = slow_find(&next, &step->who),
                      last = o ? *o : (struct slow_owner){.manager = STR_NULL};
    if (last.set.n && !slow_fits_at(s, next.live, last.api_version)) {
        r.needless = true;
        return r;
    }
    const yyjson_mut_val *fresh = slow_lay(s->arena, root, next.live, step->object, s->doc);
    struct paths set = slow_fields(s->arena, root, step->object);
    slow_put(&next, &step->who, paths_without_trees(s->arena, &set, &step->reset));
    if (last.set.n && !slow_prune(&next, &fresh, &last, version)) {
        struct paths left_out =
            paths_select(s->arena, &last.set, &slow_find(&next, &step->who)->set, false);
        r.needless = str_eq(last.api_version, version) && !left_out.n;
        return r;
    }
    if (!slow_fits(&next, next.live) || !slow_fits(&next, fresh)) {
        return r;
    }
    slow_others(&next, step, fresh, &step->who, &r);
    if (r.n_conflicts && !step->force) {
        r.outcome = SLOW_CONFLICT;
        return r;
    }
    o = slow_find(&next, &step->who);
    if (o) {
        o->set = slow_strip(s, &o->set);
    }
    slow_drop_empty(&next);
    r.unchanged = next.live && json_equal(next.live, fresh);
    next.live = fresh;
    *s = next;
    r.outcome = SLOW_DONE;
    r.n_conflicts = 0;
    return r;
}

#endif
