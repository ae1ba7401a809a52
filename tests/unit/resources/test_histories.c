/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of one object (schemas, owners, updates and applies) through resources/merge.h
 * and through a slow model of it, which must agree in everything after each step. CORACLE_HISTORIES
 * says how many (2000), CORACLE_SEED where to begin: what fails prints its seed and the shortest
 * history found that fails too. */
#include "resources/merge.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "fixture.h"
#include "histories.h"

#include <stdio.h>
#include <stdlib.h>

/* What the histories came to, so that a generator gone dull is seen. */
struct tally {
    size_t done, invalid, conflicts, unchanged, owners, needless;
};

/* The object as the code under test has it. */
struct real {
    struct arena *arena;
    yyjson_mut_doc *doc;
    struct schema *schemas[2]; /* NULL: none */
    bool gone[2];              /* the version is */
    struct fieldset *strip, *reset;
    const yyjson_mut_val *live;
    struct ownership owners;
};

static bool real_schema(void *arg, struct str version, const struct schema_node **ret)
{
    struct real *r = (struct real *)arg;
    size_t i = str_is(version, "v2");
    *ret = r->schemas[i] ? schema_root(r->schemas[i]) : NULL;
    return !r->gone[i];
}

static int real_convert(void *arg, const yyjson_mut_val *obj, struct str version,
                        yyjson_mut_val **ret, struct err *err)
{
    (void)err;
    struct real *r = (struct real *)arg;
    *ret = json_copy(r->doc, slow_convert(r->doc, obj, version));
    return 0;
}

static const struct fieldset *real_reset(void *arg, struct str version)
{
    (void)version;
    return ((struct real *)arg)->reset;
}

static struct schema *real_compile(const yyjson_mut_val *schema)
{
    struct schema *s = NULL;
    struct err err = {0};
    if (!json_is_null(schema) && schema_create(schema, NULL, &s, &err)) {
        fail_msg("%s", err_message(&err));
    }
    return s;
}

static void real_begin(struct real *r, struct arena *a, const yyjson_mut_val *history)
{
    *r = (struct real){.arena = a, .doc = json_doc(a)};
    r->schemas[0] = real_compile(json_path(history, "schemas", "v1", NULL));
    r->schemas[1] = real_compile(json_path(history, "schemas", "v2", NULL));
    r->strip = fieldset_of_names(a, "apiVersion", NULL);
    r->strip = fieldset_union(a, r->strip, fieldset_of_names(a, "kind", NULL));
    r->strip = fieldset_union(a, r->strip, fieldset_of_names(a, "metadata", NULL));
    r->strip = fieldset_union(a, r->strip, fieldset_of_names(a, "metadata", "name", NULL));
}

static void real_end(struct real *r)
{
    schema_unref(r->schemas[0]);
    schema_unref(r->schemas[1]);
}

/* ---- comparing ---- */

struct collected {
    struct arena *arena;
    struct paths paths;
};

static void collect(void *arg, struct str path)
{
    struct collected *c = (struct collected *)arg;
    paths_add(c->arena, &c->paths, arena_str(c->arena, path));
}

static struct paths texts(struct arena *a, const struct fieldset *s)
{
    struct collected c = {a, {0}};
    fieldset_visit(s, collect, &c);
    return c.paths;
}

static const char *paths_text(struct arena *a, const struct paths *p)
{
    struct buf b = {0};
    for (size_t i = 0; i < p->n; i++) {
        buf_printf(&b, " %.*s", STR_FMT(p->items[i]));
    }
    return buf_text(a, &b);
}

/* NULL: the same; else what differs. */
static const char *differ(struct arena *a, const char *what, const struct fieldset *s,
                          const struct paths *model)
{
    struct paths p = texts(a, s);
    struct paths more = paths_select(a, &p, model, false), less = paths_select(a, model, &p, false);
    if (!more.n && !less.n && p.n == fieldset_size(s)) {
        return NULL;
    }
    return arena_printf(a, "%s: too much:%s, missing:%s, size %zu", what, paths_text(a, &more),
                        paths_text(a, &less), fieldset_size(s));
}

static struct slow_owner identity(const struct owner *o)
{
    return (struct slow_owner){.manager = o->manager,
                               .api_version = o->api_version,
                               .subresource = o->subresource,
                               .applied = o->applied};
}

/* FieldsV1 out and in again gives the same set. */
static const char *differ_json(struct arena *a, struct fieldset **set)
{
    yyjson_mut_doc *d = json_doc(a), *again = NULL;
    struct fieldset *back = NULL;
    struct err err = {0};
    const char *text = text_of(a, fieldset_write(*set, d));
    if (json_read(a, str_from(text), &again, NULL, &err) ||
        fieldset_read(a, again->root, &back, &err)) {
        return arena_printf(a, "FieldsV1 %s: %s", text, err_message(&err));
    }
    bool same = fieldset_equal(*set, back) &&
                str_eq(str_from(text_of(a, fieldset_write(back, json_doc(a)))), str_from(text));
    *set = back;
    return same ? NULL : arena_printf(a, "FieldsV1 %s is not read as it was written", text);
}

static const char *differ_owners(struct arena *a, struct ownership *real, struct slow *model)
{
    const char *text = NULL;
    if (real->n != model->n_owners) {
        return arena_printf(a, "%zu owners, the model has %zu", real->n, model->n_owners);
    }
    for (size_t i = 0; i < real->n && !text; i++) {
        struct slow_owner id = identity(&real->items[i]), *o = slow_find(model, &id);
        const char *name = arena_printf(a, "owner %.*s by %s %.*s", STR_FMT(id.manager),
                                        id.applied ? "apply" : "update", STR_FMT(id.subresource));
        if (!o || !str_eq(o->api_version, id.api_version)) {
            return arena_printf(a, "%s is none in the model", name);
        }
        text = differ(a, name, real->items[i].fields, &o->set);
        text = text ? text : differ_json(a, &real->items[i].fields);
    }
    return text;
}

/* Whether `changed` says which sets are not what they were; of who updates, whether it took
 * anything. */
static const char *differ_changed(struct arena *a, const struct ownership *before,
                                  const struct ownership *after, const struct slow_step *step,
                                  bool took)
{
    for (size_t i = 0; i < after->n; i++) {
        const struct owner *now = &after->items[i], *was = ownership_find(before, now);
        struct slow_owner id = identity(now);
        bool changed = !was || !fieldset_equal(was->fields, now->fields);
        if (slow_is(&id, &step->who)) {
            changed = step->who.applied ? changed || !str_eq(was->api_version, now->api_version)
                                        : changed || took;
        }
        if (changed != now->changed) {
            return arena_printf(a, "changed of %.*s is %d", STR_FMT(now->manager), now->changed);
        }
    }
    return NULL;
}

static const char *conflict_message(struct arena *a, const struct slow_owner *o)
{
    const char *under = o->subresource.len
                            ? arena_printf(a, " with subresource \"%.*s\"", STR_FMT(o->subresource))
                            : "";
    const char *by = o->applied ? "" : arena_printf(a, " using %.*s", STR_FMT(o->api_version));
    return arena_printf(a, "conflict with \"%.*s\"%s%s", STR_FMT(o->manager), under, by);
}

static const char *differ_conflicts(struct arena *a, const struct err *err,
                                    const struct slow_result *model)
{
    if (err->n_causes != model->n_conflicts) {
        return arena_printf(a, "%zu conflicts, the model has %zu: %s", err->n_causes,
                            model->n_conflicts, err_message(err));
    }
    for (size_t i = 0; i < model->n_conflicts; i++) {
        const char *message = conflict_message(a, &model->conflicts[i].owner),
                   *field = arena_str(a, model->conflicts[i].path).ptr;
        bool found = false;
        for (size_t j = 0; j < err->n_causes && !found; j++) {
            found =
                !strcmp(err->causes[j].message, message) && !strcmp(err->causes[j].field, field);
        }
        if (!found) {
            return arena_printf(a, "no conflict \"%s\" at %s", message, field);
        }
    }
    const char *start = model->n_conflicts == 1
                            ? arena_printf(a, "Apply failed with 1 conflict: %s: %s",
                                           err->causes[0].message, err->causes[0].field)
                            : arena_printf(a, "Apply failed with %zu conflicts: conflicts with ",
                                           model->n_conflicts);
    return str_starts(str_from(err_message(err)), str_from(start))
               ? NULL
               : arena_printf(a, "message: %s", err_message(err));
}

/* The functions beneath, asked one by one. */
static const char *differ_parts(struct real *r, const struct slow *s, const struct slow_step *step)
{
    struct arena *a = r->arena;
    const struct schema_node *n = NULL;
    const struct shape *root = slow_root(s, step->who.api_version);
    struct fieldset *fields = NULL;
    struct typed_diff diff = {0};
    real_schema(r, step->who.api_version, &n);
    for (int duplicates = 0; duplicates < 2; duplicates++) {
        bool fits = !typed_check(n, step->object, duplicates, a, NULL);
        if (fits != slow_check(a, root, step->object, duplicates)) {
            return fits ? "an object fits" : "an object does not fit";
        }
    }
    const yyjson_mut_val *live = slow_convert(s->doc, s->live, step->who.api_version);
    if (!slow_check(a, root, step->object, true) || (live && !slow_check(a, root, live, true))) {
        return NULL;
    }
    if (typed_fields(n, step->object, a, &fields, NULL) ||
        typed_compare(n, live, step->object, a, &diff, NULL)) {
        return "an object that fits is refused";
    }
    struct paths all = slow_fields(a, root, step->object);
    struct slow_diff d = slow_compare(a, root, live, step->object);
    const char *text = differ(a, "fields", fields, &all);
    text = text ? text : differ(a, "removed", diff.removed, &d.removed);
    text = text ? text : differ(a, "modified", diff.modified, &d.modified);
    text = text ? text : differ(a, "added", diff.added, &d.added);
    all = slow_with_named(a, root, &all);
    return text ? text : differ(a, "with named", fieldset_with_named(a, fields, n), &all);
}

static const char *differ_object(struct arena *a, const yyjson_mut_val *real,
                                 const yyjson_mut_val *model)
{
    return !real == !model && (!real || json_equal(real, model))
               ? NULL
               : arena_printf(a, "object %s\n  the model's %s", real ? text_of(a, real) : "none",
                              model ? text_of(a, model) : "none");
}

/* ---- running ---- */

static int real_play(struct real *r, const struct slow_step *step, struct ownership *o,
                     yyjson_mut_val **ret, struct err *err)
{
    struct merge m = {.arena = r->arena,
                      .doc = r->doc,
                      .api_version = step->who.api_version,
                      .schema = real_schema,
                      .convert = real_convert,
                      .reset = real_reset,
                      .strip = r->strip,
                      .arg = r};
    struct owner who = {.manager = step->who.manager,
                        .api_version = step->who.api_version,
                        .subresource = step->who.subresource,
                        .applied = step->who.applied};
    const yyjson_mut_val *live = slow_convert(r->doc, r->live, step->who.api_version);
    r->reset = NULL;
    if (step->reset.n) {
        const char *name = step->reset.items[0].ptr + 1;
        r->reset = fieldset_of_names(r->arena, name, NULL);
    }
    *ret = json_mut(live);
    if (!who.applied) {
        *ret = json_mut(step->object);
        return merge_update(&m, live, step->object, &who, o, err);
    }
    yyjson_mut_val *fresh = NULL;
    int code = merge_apply(&m, live, step->object, &who, step->force, o, &fresh, err);
    *ret = fresh ? fresh : *ret;
    return code;
}

static const char *play_request(struct real *r, struct slow *s, const yyjson_mut_val *json,
                                struct tally *t, bool *ret_over)
{
    struct arena *a = r->arena;
    AUTO(err_finish) struct err err = {0};
    struct slow_step step;
    history_step_read(a, json, &step);
    const char *text = differ_parts(r, s, &step);
    struct slow_result model = history_play(s, json);
    struct ownership o = r->owners;
    yyjson_mut_val *fresh = NULL;
    o.items = (struct owner *)arena_zero(a, (o.n + 1) * sizeof *o.items);
    o.cap = o.n;
    for (size_t i = 0; i < o.n; i++) {
        o.items[i] = r->owners.items[i];
        o.items[i].changed = false;
    }
    int code = text ? 0 : real_play(r, &step, &o, &fresh, &err);
    enum slow_outcome outcome = !code                  ? SLOW_DONE
                                : code == ERR_CONFLICT ? SLOW_CONFLICT
                                                       : SLOW_INVALID;
    t->done += outcome == SLOW_DONE;
    t->invalid += outcome == SLOW_INVALID;
    t->conflicts += model.n_conflicts;
    t->unchanged += model.unchanged;
    t->owners += s->n_owners;
    if (outcome != SLOW_INVALID && model.needless) {
        t->needless++;
        *ret_over = true; /* the reference refuses here too, for no good reason; the two go apart */
        return text;
    }
    if (text || outcome != model.outcome) {
        return text ? text
                    : arena_printf(a, "outcome %d (%s), the model's %d", outcome, err_message(&err),
                                   model.outcome);
    }
    if (outcome != SLOW_DONE) {
        return outcome == SLOW_CONFLICT ? differ_conflicts(a, &err, &model) : NULL;
    }
    text = differ_object(a, fresh, s->live);
    text = text ? text : differ_owners(a, &o, s);
    text = text ? text : differ_changed(a, &r->owners, &o, &step, model.took);
    r->owners = o;
    r->live = fresh;
    return text;
}

/* NULL: the model agrees in every step. */
static const char *play(struct arena *a, const yyjson_mut_val *history, struct tally *t)
{
    struct real r;
    struct slow s;
    const char *text = NULL;
    bool over = false;
    real_begin(&r, a, history);
    history_begin(&s, a, history);
    struct json_iter it = json_iter(json_get(history, "steps"));
    while (!text && !over && json_next(&it)) {
        struct str what = json_get_str(it.val, "do");
        size_t version = str_is(json_get_str(it.val, "version"), "v2");
        if (str_is(what, "update") || str_is(what, "apply")) {
            if (r.gone[version]) {
                continue; /* only in what was made shorter */
            }
            text = play_request(&r, &s, it.val, t, &over);
            text = text ? arena_printf(a, "step %zu: %s", it.index, text) : NULL;
            continue;
        }
        if (str_is(what, "drop")) {
            r.gone[version] = true;
        } else {
            schema_unref(r.schemas[version]);
            r.schemas[version] = real_compile(json_get(it.val, "schema"));
        }
        history_play(&s, it.val);
    }
    real_end(&r);
    return text;
}

/* ---- what fails made short ---- */

/* The words that say what kind of failure it is: "step 3: owner bob by update : too much: ..." ->
 * "owner". */
static struct str kind_of(const char *text)
{
    struct str rest;
    str_cut(str_from(text), ' ', &rest);
    str_cut(rest, ' ', &rest);
    return str_cut(rest, ' ', &rest);
}

static bool still_fails(const yyjson_mut_val *history, struct str kind)
{
    struct arena a;
    struct tally t = {0};
    arena_init(&a, 0);
    const char *text = play(&a, json_copy(json_doc(&a), history), &t);
    bool fails = text && str_eq(kind_of(text), kind);
    arena_finish(&a);
    return fails;
}

static bool must_stay(struct str key)
{
    static const char *const keys[] = {"apiVersion",
                                       "kind",
                                       "do",
                                       "manager",
                                       "version",
                                       "v1",
                                       "v2",
                                       "object",
                                       "schema",
                                       "type",
                                       "properties",
                                       "items",
                                       "x-kubernetes-list-map-keys",
                                       "x-kubernetes-preserve-unknown-fields"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (str_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

/* Takes away every part of v, and beneath it, without which the whole fails in the same way. */
static void shrink(yyjson_mut_val *whole, yyjson_mut_val *v, struct str kind)
{
    for (size_t i = 0; i < json_size(v);) {
        struct json_iter it = json_iter(v);
        for (size_t at = 0; json_next(&it) && at < i; at++) {
        }
        yyjson_mut_val *part = it.val, *key = it.key;
        if (!key) {
            yyjson_mut_arr_remove(v, i);
        } else if (!must_stay(json_str(key))) {
            json_removen(v, json_str(key));
        }
        if (!key || !must_stay(json_str(key))) {
            if (still_fails(whole, kind)) {
                continue;
            }
            if (key) {
                yyjson_mut_obj_insert(v, key, part, i);
            } else {
                yyjson_mut_arr_insert(v, part, i);
            }
        }
        shrink(whole, part, kind);
        i++;
    }
}

static void tell(uint64_t seed, const yyjson_mut_val *history, const char *text)
{
    struct arena a;
    struct tally t = {0};
    arena_init(&a, 0);
    yyjson_mut_val *small = json_copy(json_doc(&a), history);
    print_error("seed %llu: %s\n", (unsigned long long)seed, text);
    shrink(small, json_get(small, "steps"), kind_of(text));
    shrink(small, json_get(small, "schemas"), kind_of(text));
    print_error("shortest: %s\n  %s\n", text_of(&a, small), play(&a, small, &t));
    arena_finish(&a);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_model(void **state)
{
    (void)state;
    uint64_t seed = setting("CORACLE_SEED", 1), count = setting("CORACLE_HISTORIES", 2000),
             failed = 0;
    struct tally t = {0};
    int64_t begun = clock_mono_ms();
    for (uint64_t i = 0; i < count && failed < 3; i++) {
        struct arena a;
        arena_init(&a, 1 << 16);
        yyjson_mut_val *history = history_make(&a, json_doc(&a), seed + i);
        const char *text = play(&a, history, &t);
        if (text) {
            failed++;
            tell(seed + i, history, text);
        }
        arena_finish(&a);
    }
    print_message("histories: %llu, steps done: %zu, refused: %zu, conflicts: %zu, nothing "
                  "changed: %zu, owners: %zu, %lld ms\n",
                  (unsigned long long)count, t.done, t.invalid, t.conflicts, t.unchanged, t.owners,
                  (long long)(clock_mono_ms() - begun));
    assert_int_equal(failed, 0);
    if (count >= 1000) {
        assert_true(t.done > 5 * count && t.invalid && t.conflicts > count / 2 &&
                    t.unchanged > count / 8 && t.owners > 10 * count);
    }
}

/* What a long run once found: an item that was atomic when its owner came to own it, and whose keys
 * are nobody's since it is not. */
static const char remembered[] =
    "{'schemas':{'v1':{'type':'object','properties':{}},'v2':{'type':'object','properties':{'g0':{'"
    "type':'array','items':{'type':'object',"
    "'properties':{'n':{'type':'string'}},'x-kubernetes-map-type':'atomic'},'x-kubernetes-list-map-"
    "keys':['n'],'x-kubernetes-list-type':'map'}}}},"
    "'steps':[{'do':'update','manager':'carol','version':'v2','object':{'apiVersion':'v2','kind':'"
    "Thing','g0':[{'n':'r'}]}},"
    "{'do':'apply','manager':'alice','version':'v2','object':{'apiVersion':'v2','kind':'Thing','g0'"
    ":[{'n':'q'}]}},"
    "{'do':'schema','version':'v2','schema':{'type':'object','properties':{'g0':{'type':'array','"
    "items':{'type':'object','properties':{'n':"
    "{'type':'string'}}},'x-kubernetes-list-map-keys':['n'],'x-kubernetes-list-type':'map'}}}},"
    "{'do':'apply','manager':'alice','version':'v2','object':{'apiVersion':'v2','kind':'Thing'}}]}";

static void test_remembered(void **state)
{
    (void)state;
    struct arena a;
    struct tally t = {0};
    arena_init(&a, 0);
    char *text = arena_strdup(&a, remembered);
    for (char *c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    const char *found = play(&a, tree(&a, text)->root, &t);
    if (found) {
        fail_msg("%s", found);
    }
    assert_int_equal(t.done, 3);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_remembered),
                                       cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
