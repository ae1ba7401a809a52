/* SPDX-License-Identifier: Apache-2.0 */
/* Whether rules lose anything: for each two versions, samples of the one are taken to the other and
 * back, pruned on the way as objects are. What then differs is told with its path: an error, or a
 * warning where the rules say so. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "services/conversion/rules_priv.h"

enum { SAMPLES = 24, TOLD_MOST = 20 };

struct version {
    struct str name;
    const yyjson_mut_val *schema;
    struct schema *program;
};

struct check {
    struct rules rules;
    struct version *versions;
    size_t n;
    struct arena told_arena;
    struct str told[TOLD_MOST]; /* paths of the present pair that were told of */
    size_t n_told;
    struct causes *causes;
    struct warnings *warnings;
    const struct path *at;
};

static yyjson_mut_val *shown(struct causes *c, struct str s)
{
    return yyjson_mut_strncpy(json_doc(c->arena), s.ptr, s.len);
}

/* ---- differences ---- */

static bool accepted(const struct check *k, struct str version, struct str path)
{
    AUTO_FREE char *key = alloc_printf("%.*s", STR_FMT(version));
    yyjson_mut_val *list = json_get(k->rules.lossy, key);
    for (struct json_iter it = json_iter(list); it.container && json_next(&it);) {
        struct str p = json_str(it.val);
        bool below = p.len && str_starts(path, p) &&
                     (path.len == p.len || path.ptr[p.len] == '.' || path.ptr[p.len] == '[');
        if (below) {
            return true;
        }
    }
    return false;
}

static void tell(struct check *k, const struct version *a, const struct version *b, struct str path,
                 const char *what)
{
    for (size_t i = 0; i < k->n_told; i++) {
        if (str_eq(k->told[i], path)) {
            return;
        }
    }
    if (k->n_told == TOLD_MOST) {
        return;
    }
    k->told[k->n_told++] = path = arena_str(&k->told_arena, path);
    if (accepted(k, a->name, path)) {
        if (k->warnings) {
            warnings_add(k->warnings, "%.*s of %.*s %s in %.*s, as its conversion rules accept",
                         STR_FMT(path), STR_FMT(a->name), what, STR_FMT(b->name));
        }
        return;
    }
    causes_add(k->causes, CAUSE_INVALID, k->at, shown(k->causes, path),
               "%.*s to %.*s and back: %.*s %s (add a rule, or name it under lossy.%.*s)",
               STR_FMT(a->name), STR_FMT(b->name), STR_FMT(path), what, STR_FMT(a->name));
}

static void compare(struct check *k, const struct version *a, const struct version *b,
                    struct buf *path, const yyjson_mut_val *was, const yyjson_mut_val *now)
{
    size_t len = path->len;
    if (!now) {
        tell(k, a, b, buf_str(path), "is lost");
    } else if (json_is_obj(was) && json_is_obj(now)) {
        for (struct json_iter it = json_iter(was); json_next(&it);) {
            struct str key = json_str(it.key);
            bool plain = !memchr(key.ptr, '.', key.len) && !memchr(key.ptr, '[', key.len);
            buf_printf(path, plain ? ".%.*s" : "['%.*s']", STR_FMT(key));
            compare(k, a, b, path, it.val, json_getn(now, key));
            path->len = len;
        }
        for (struct json_iter it = json_iter(now); json_next(&it);) {
            struct str key = json_str(it.key);
            if (!json_getn(was, key)) {
                buf_printf(path, ".%.*s", STR_FMT(key));
                tell(k, a, b, buf_str(path), "comes out of nothing");
                path->len = len;
            }
        }
    } else if (json_is_arr(was) && json_is_arr(now)) {
        struct json_iter other = json_iter(now);
        buf_addz(path, "[]");
        for (struct json_iter it = json_iter(was); json_next(&it);) {
            compare(k, a, b, path, it.val, json_next(&other) ? other.val : NULL);
        }
        path->len = len;
    } else if (!json_equal(was, now)) {
        tell(k, a, b, buf_str(path), "does not keep its value");
    }
}

/* ---- pairs ---- */

static void try_sample(struct check *k, const struct version *a, const struct version *b,
                       uint64_t seed)
{
    struct arena arena;
    arena_init(&arena, 0);
    AUTO(buf_finish) struct buf path = {0};
    yyjson_mut_doc *d = json_doc(&arena);
    yyjson_mut_val *sample = rules_sample(d, a->schema, seed);
    schema_prune(a->program, sample, NULL);
    yyjson_mut_val *obj = json_copy(d, sample);
    rules_convert(&k->rules, a->name, b->name, d, obj);
    schema_prune(b->program, obj, NULL);
    rules_convert(&k->rules, b->name, a->name, d, obj);
    schema_prune(a->program, obj, NULL);
    compare(k, a, b, &path, sample, obj);
    arena_finish(&arena);
}

static void check_pair(struct check *k, const struct version *a, const struct version *b)
{
    bool back;
    k->n_told = 0;
    if (rules_next(&k->rules, a->name, b->name, &back) == SIZE_MAX) {
        causes_add(k->causes, CAUSE_INVALID, k->at, shown(k->causes, a->name),
                   "no rules lead from %.*s to %.*s", STR_FMT(a->name), STR_FMT(b->name));
        return;
    }
    for (uint64_t seed = 0; seed < SAMPLES; seed++) {
        try_sample(k, a, b, seed);
    }
}

static bool known(const struct check *k, struct str version)
{
    for (size_t i = 0; i < k->n; i++) {
        if (str_eq(k->versions[i].name, version)) {
            return true;
        }
    }
    return false;
}

/* Rules about versions that the definition does not have are a slip of the pen. */
static void check_names(struct check *k)
{
    for (size_t i = 0; i < k->rules.n; i++) {
        const struct rule_set *s = &k->rules.sets[i];
        const struct str ends[] = {s->from, s->to};
        for (size_t e = 0; e < 2; e++) {
            if (!known(k, ends[e])) {
                causes_add(k->causes, CAUSE_INVALID, k->at, shown(k->causes, ends[e]),
                           "rules[%zu]: the definition has no such version", i);
            }
        }
    }
}

static int compile(struct check *k, const yyjson_mut_val *list)
{
    k->versions = alloc_zero((json_size(list) + 1) * sizeof(*k->versions));
    for (struct json_iter it = json_iter(list); it.container && json_next(&it);) {
        static const struct schema_options options = {0};
        struct version *v = &k->versions[k->n];
        v->name = json_get_str(it.val, "name");
        v->schema = json_path(it.val, "schema", "openAPIV3Schema", NULL);
        int rc = v->schema ? schema_create(v->schema, &options, &v->program, NULL) : ERR_INVALID;
        if (rc) {
            return rc; /* the schema's own check says what is wrong with it */
        }
        k->n++;
    }
    return 0;
}

static void check_all(struct check *k, const yyjson_mut_val *list)
{
    if (json_size(list) > LIMIT_CONVERSION_RULES + 1) {
        causes_add(k->causes, CAUSE_INVALID, k->at, NULL, "rules are for %d versions at most",
                   LIMIT_CONVERSION_RULES + 1);
        return;
    }
    if (compile(k, list)) {
        return;
    }
    size_t before = k->causes->n;
    check_names(k);
    bool right = k->causes->n == before;
    for (size_t i = 0; i < k->n && right; i++) {
        for (size_t j = 0; j < k->n; j++) {
            if (i != j) {
                check_pair(k, &k->versions[i], &k->versions[j]);
            }
        }
    }
}

void conversion_check(const yyjson_mut_val *definition, struct causes *c, struct warnings *w)
{
    yyjson_mut_val *text = json_path(definition, "metadata", "annotations", CONVERSION_RULES, NULL);
    struct str strategy = json_str(json_path(definition, "spec", "conversion", "strategy", NULL));
    const struct path *at = PATH_KEY(
        PATH_FIELD(PATH_FIELD(NULL, STR("metadata")), STR("annotations")), STR(CONVERSION_RULES));
    AUTO(err_finish) struct err err = {0};
    struct check k = {.causes = c, .warnings = w, .at = at};
    if (!text) {
        return;
    }
    if (!str_is(strategy, "None")) {
        causes_add(c, CAUSE_FORBIDDEN, at, NULL,
                   "may only be set when spec.conversion.strategy is None");
        return;
    }
    if (rules_read(json_str(text), &k.rules, &err)) {
        causes_add(c, CAUSE_INVALID, at, text, "%s", err_message(&err));
        return;
    }
    arena_init(&k.told_arena, 0);
    check_all(&k, json_path(definition, "spec", "versions", NULL));
    for (size_t i = 0; i <= k.n && k.versions; i++) {
        schema_unref(k.versions[i].program);
    }
    free(k.versions);
    rules_finish(&k.rules);
    arena_finish(&k.told_arena);
}
