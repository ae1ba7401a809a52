/* SPDX-License-Identifier: Apache-2.0 */
/* Rules read from the annotation into steps. Every step can be told backward too: that is why there
 * are few kinds. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "services/conversion/rules_priv.h"

/* Where in the text a fault is. */
struct reader {
    struct rules *r;
    const char *at; /* "rules[0].steps[2]" */
    struct err *err;
};

static int fault(const struct reader *x, const char *what, struct str more)
{
    return err_set(x->err, ERR_INVALID, "%s: %s%.*s", x->at, what, STR_FMT(more));
}

/* ---- paths ---- */

static bool ends_key(char c)
{
    return c == '.' || c == '[';
}

/* Takes one part off the text: .name, ['name'] or []. */
static bool take_part(struct str *s, struct str *ret)
{
    if (str_starts(*s, STR("[]"))) {
        *ret = STR_NULL;
        *s = str_skip(*s, 2);
        return true;
    }
    if (str_starts(*s, STR("['"))) {
        const char *end = memmem(s->ptr, s->len, "']", 2);
        if (!end) {
            return false;
        }
        *ret = str_make(s->ptr + 2, (size_t)(end - s->ptr) - 2);
        *s = str_skip(*s, ret->len + 4);
        return ret->len > 0;
    }
    if (!s->len || s->ptr[0] != '.') {
        return false;
    }
    size_t n = 1;
    while (n < s->len && !ends_key(s->ptr[n])) {
        n++;
    }
    *ret = str_make(s->ptr + 1, n - 1);
    *s = str_skip(*s, n);
    return n > 1;
}

/* What a step may touch: anything but the object's identity. */
static bool may_touch(const struct rule_path *p)
{
    struct str first = p->keys[0], second = p->n > 1 ? p->keys[1] : STR_NULL;
    if (str_is(first, "metadata")) {
        return p->n > 2 && (str_is(second, "labels") || str_is(second, "annotations"));
    }
    return first.ptr && !str_is(first, "apiVersion") && !str_is(first, "kind");
}

static int read_path(const struct reader *x, const yyjson_mut_val *step, const char *key,
                     struct rule_path *ret)
{
    struct str s = json_get_str(step, key), all = s;
    struct str *keys = arena_alloc(&x->r->arena, (s.len + 1) * sizeof(*keys));
    *ret = (struct rule_path){.keys = keys};
    if (!s.len) {
        return fault(x, "needs ", str_from(key));
    }
    while (s.len) {
        struct str part;
        if (!take_part(&s, &part)) {
            return fault(x, "is no path (.spec.a, .spec.list[].b, .spec['a.b']): ", all);
        }
        keys[ret->n++] = part.ptr ? arena_str(&x->r->arena, part) : STR_NULL;
    }
    if (ret->n > LIMIT_CONVERSION_PATH) {
        return fault(x, "is too long a path: ", all);
    }
    return may_touch(ret) ? 0 : fault(x, "may not be converted: ", all);
}

static size_t lists(const struct rule_path *p)
{
    size_t last = 0;
    for (size_t i = 0; i < p->n; i++) {
        last = p->keys[i].ptr ? last : i + 1;
    }
    return last;
}

/* Both lead through the same lists and part only after the last. */
static int share_lists(const struct reader *x, struct rule_step *s)
{
    size_t n = lists(&s->from);
    bool same = n == lists(&s->to) && s->from.n > n && s->to.n > n;
    for (size_t i = 0; i < n && same; i++) {
        same = str_eq(s->from.keys[i], s->to.keys[i]) && !s->from.keys[i].ptr == !s->to.keys[i].ptr;
    }
    s->from.shared = s->to.shared = n;
    return same ? 0 : fault(x, "from and to must lead through the same lists", STR_NULL);
}

/* ---- steps ---- */

static int read_values(const struct reader *x, const yyjson_mut_val *step, struct rule_step *ret)
{
    yyjson_mut_val *values = json_get(step, "values");
    yyjson_mut_doc *d = json_doc(&x->r->arena);
    if (!json_is_obj(values) || !json_size(values)) {
        return fault(x, "needs values: a map from the one version's to the other's", STR_NULL);
    }
    ret->values = yyjson_mut_arr(d);
    for (struct json_iter it = json_iter(values); json_next(&it);) {
        for (struct json_iter other = json_iter(values); json_next(&other);) {
            if (!json_is_str(other.val)) {
                return fault(x, "values must be strings", STR_NULL);
            }
            if (!str_eq(json_str(other.key), json_str(it.key)) && json_equal(other.val, it.val)) {
                return fault(x, "two values become the same: ", json_str(it.val));
            }
        }
        yyjson_mut_val *pair = yyjson_mut_arr(d);
        yyjson_mut_arr_append(pair, json_copy(d, it.key));
        yyjson_mut_arr_append(pair, json_copy(d, it.val));
        yyjson_mut_arr_append(ret->values, pair);
    }
    return 0;
}

static int read_set(const struct reader *x, const yyjson_mut_val *step, struct rule_step *ret)
{
    const yyjson_mut_val *value = json_get(step, "value");
    AUTO(buf_finish) struct buf b = {0};
    if (!value || json_is_null(value)) {
        return fault(x, "needs value", STR_NULL);
    }
    json_write(&b, value);
    ret->value = arena_str(&x->r->arena, buf_str(&b));
    return 0;
}

static int read_step(const struct reader *x, const yyjson_mut_val *entry, struct rule_step *ret)
{
    static const char *const kinds[] = {
        [RULE_MOVE] = "move", [RULE_SET] = "set", [RULE_VALUES] = "values", [RULE_WRAP] = "wrap"};
    const yyjson_mut_val *step = NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !step; i++) {
        step = json_get(entry, kinds[i]);
        ret->kind = (enum rule_kind)i;
    }
    if (json_size(entry) != 1 || !json_is_obj(step)) {
        return fault(x, "must have exactly one of move, set, values, wrap", STR_NULL);
    }
    bool two = ret->kind == RULE_MOVE || ret->kind == RULE_WRAP;
    int rc = read_path(x, step, two ? "from" : "path", &ret->from);
    rc = rc || !two ? rc : read_path(x, step, "to", &ret->to);
    rc = rc || !two ? rc : share_lists(x, ret);
    if (!rc && !two && !ret->from.keys[ret->from.n - 1].ptr && ret->kind == RULE_SET) {
        return fault(x, "path may not end in a list's items", STR_NULL);
    }
    ret->key = arena_str(&x->r->arena, json_get_str(step, "key"));
    if (!two) {
        ret->from.shared = lists(&ret->from);
    }
    rc = rc || ret->kind != RULE_SET ? rc : read_set(x, step, ret);
    return rc || ret->kind != RULE_VALUES ? rc : read_values(x, step, ret);
}

/* ---- the whole ---- */

static int read_set_of(struct reader *x, const yyjson_mut_val *entry, size_t index,
                       struct rule_set *ret)
{
    struct arena *a = &x->r->arena;
    const yyjson_mut_val *steps = json_get(entry, "steps");
    ret->from = arena_str(a, json_get_str(entry, "from"));
    ret->to = arena_str(a, json_get_str(entry, "to"));
    x->at = arena_printf(a, "rules[%zu]", index);
    if (!ret->from.len || !ret->to.len || str_eq(ret->from, ret->to)) {
        return fault(x, "needs from and to, two versions", STR_NULL);
    }
    if (!json_is_arr(steps) || json_size(steps) > LIMIT_CONVERSION_STEPS) {
        return fault(x, "needs steps, a list, not too long", STR_NULL);
    }
    ret->steps = arena_zero(a, (json_size(steps) + 1) * sizeof(*ret->steps));
    for (struct json_iter it = json_iter(steps); json_next(&it);) {
        x->at = arena_printf(a, "rules[%zu].steps[%zu]", index, it.index);
        int rc = read_step(x, it.val, &ret->steps[ret->n++]);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int read_all(struct reader *x, const yyjson_mut_val *root)
{
    struct rules *r = x->r;
    yyjson_mut_val *list = json_get(root, "rules");
    x->at = "rules";
    if (!json_is_arr(list) || !json_size(list) || json_size(list) > LIMIT_CONVERSION_RULES) {
        return fault(x, "must be a list of what leads from one version to another", STR_NULL);
    }
    r->sets = arena_zero(&r->arena, json_size(list) * sizeof(*r->sets));
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        int rc = read_set_of(x, it.val, it.index, &r->sets[r->n++]);
        if (rc) {
            return rc;
        }
    }
    yyjson_mut_val *lossy = json_get(root, "lossy");
    r->lossy = json_is_obj(lossy) ? lossy : NULL;
    return 0;
}

int rules_read(struct str text, struct rules *ret, struct err *err)
{
    yyjson_mut_doc *d = NULL;
    struct err why = {0};
    *ret = (struct rules){0};
    arena_init(&ret->arena, 2048);
    struct reader x = {.r = ret, .err = &why};
    int rc = yaml_read(&ret->arena, arena_str(&ret->arena, text), &d, NULL, &why);
    rc = rc ? rc : read_all(&x, yyjson_mut_doc_get_root(d));
    if (rc) {
        err_set(err, ERR_INVALID, "%s", err_message(&why));
        err_finish(&why);
        rules_finish(ret);
        return ERR_INVALID;
    }
    return 0;
}

void rules_finish(struct rules *r)
{
    arena_finish(&r->arena);
    r->n = 0;
}

/* ---- the way from version to version ---- */

static bool end_of(const struct rule_set *s, struct str at, struct str *ret_other, bool *ret_back)
{
    *ret_back = str_eq(s->to, at);
    *ret_other = *ret_back ? s->from : s->to;
    return *ret_back || str_eq(s->from, at);
}

size_t rules_next(const struct rules *r, struct str from, struct str to, bool *ret_back)
{
    struct str reached[LIMIT_CONVERSION_RULES + 1];
    size_t first[LIMIT_CONVERSION_RULES + 1], n = 1;
    bool first_back[LIMIT_CONVERSION_RULES + 1];
    reached[0] = from;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < r->n; k++) {
            struct str other;
            bool back, known = false;
            if (!end_of(&r->sets[k], reached[i], &other, &back)) {
                continue;
            }
            size_t step = i ? first[i] : k;
            bool step_back = i ? first_back[i] : back;
            if (str_eq(other, to)) {
                *ret_back = step_back;
                return step;
            }
            for (size_t j = 0; j < n && !known; j++) {
                known = str_eq(reached[j], other);
            }
            if (!known && n <= LIMIT_CONVERSION_RULES) {
                reached[n] = other;
                first[n] = step;
                first_back[n++] = step_back;
            }
        }
    }
    return SIZE_MAX;
}

bool rules_convert(const struct rules *r, struct str from, struct str to, yyjson_mut_doc *d,
                   yyjson_mut_val *obj)
{
    for (size_t hops = 0; !str_eq(from, to) && hops <= r->n; hops++) {
        bool back = false;
        size_t k = rules_next(r, from, to, &back);
        if (k == SIZE_MAX) {
            return false;
        }
        rules_apply(&r->sets[k], back, d, obj);
        from = back ? r->sets[k].from : r->sets[k].to;
    }
    return str_eq(from, to);
}
