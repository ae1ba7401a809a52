/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of values. One walk serves two ends: without a list of causes it only says whether all
 * is well (the common case, which allocates nothing); with one it is repeated to tell what is
 * wrong, in the words and order of the reference's validator (kube-openapi's validate package),
 * whose count of matching checks chooses the branch of an anyOf that is told. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "schemas/schema_priv.h"

struct walk {
    struct causes *out;      /* NULL: only the verdict is wanted */
    const struct path *base; /* the field where the walk began */
    unsigned match;          /* checks passed, as the reference counts them */
};

static bool walk_value(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                       yyjson_mut_val *old, const struct path *at);

/* ---- telling ---- */

static bool item_eq(const struct cause_item *a, const struct cause_item *b)
{
    return a->type == b->type && str_eq(a->field, b->field) && str_eq(a->message, b->message);
}

/* Takes the last cause back if it stood before. */
static void drop_repeated(struct causes *c)
{
    for (size_t i = 0; i + 1 < c->n; i++) {
        if (item_eq(&c->items[i], &c->items[c->n - 1])) {
            c->n--;
            return;
        }
    }
}

static void add_item(struct causes *to, const struct cause_item *item)
{
    if (to->n == to->cap) {
        size_t cap = to->cap ? to->cap * 2 : 4;
        struct cause_item *items = arena_alloc(to->arena, cap * sizeof(*items));
        if (to->n) {
            memcpy(items, to->items, to->n * sizeof(*items));
        }
        to->items = items;
        to->cap = cap;
    }
    to->items[to->n++] = *item;
    to->bytes += item->field.len + item->message.len;
    drop_repeated(to);
}

/* What a walk found in a list of its own joins the main one. */
static void merge(struct causes *to, const struct causes *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (to->n >= LIMIT_CAUSES) {
            to->dropped++;
        } else {
            add_item(to, &from->items[i]);
        }
    }
    to->dropped += from->dropped;
}

/* The path within the value as the texts have it, and the same after base as the cause's field. */
static struct str text_of(const struct walk *w, const struct path *at)
{
    return path_text(at, w->out->arena);
}

#define FIELD_OF(w, rel) ((rel).len ? PATH_FIELD((w)->base, rel) : (w)->base)

/* Tells "PATH in body DETAIL". Always false. */
static bool __attribute__((format(printf, 5, 6)))
refuse(struct walk *w, enum cause_type type, const struct path *at, struct str value,
       const char *detail, ...)
{
    if (w->out) {
        struct str rel = text_of(w, at);
        va_list ap;
        va_start(ap, detail);
        char *words = arena_vprintf(w->out->arena, detail, ap);
        va_end(ap);
        causes_add_text(w->out, type, FIELD_OF(w, rel), value, "%.*s in body %s", STR_FMT(rel),
                        words);
        drop_repeated(w->out);
    }
    return false;
}

/* Tells a sentence that stands for itself; its field is where the walk began. Always false. */
static bool __attribute__((format(printf, 2, 3)))
refuse_whole(struct walk *w, const char *detail, ...)
{
    if (w->out) {
        va_list ap;
        va_start(ap, detail);
        char *words = arena_vprintf(w->out->arena, detail, ap);
        va_end(ap);
        causes_add_text(w->out, CAUSE_INVALID, w->base, STR("\"\""), "%s", words);
        drop_repeated(w->out);
    }
    return false;
}

static struct str quoted(struct walk *w, struct str s)
{
    AUTO(buf_finish) struct buf b = {0};
    quote_go(&b, s);
    return arena_str(w->out->arena, buf_str(&b));
}

/* A double as Go's %v prints it. */
static struct str float_text(struct arena *a, double d)
{
    int digits = 0;
    char text[32];
    do {
        snprintf(text, sizeof(text), "%.*e", digits, d);
    } while (strtod(text, NULL) != d && ++digits < 17);
    const char *e = strchr(text, 'e');
    int exponent = e ? (int)strtol(e + 1, NULL, 10) : 0;
    if (!e || exponent < -4 || exponent >= 6) {
        return str_from(arena_strdup(a, text));
    }
    int decimals = digits > exponent ? digits - exponent : 0;
    return str_from(arena_printf(a, "%.*f", decimals, d));
}

static bool is_integral(double d)
{
    return d >= -9223372036854775808.0 && d < 9223372036854775808.0 && d == floor(d);
}

static struct str number_text(struct walk *w, const yyjson_mut_val *v)
{
    if (yyjson_mut_is_real((yyjson_mut_val *)(uintptr_t)v)) {
        return float_text(w->out->arena, v->uni.f64);
    }
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    return arena_str(w->out->arena, buf_str(&b));
}

/* ---- types and formats ---- */

static const char *type_of(const yyjson_mut_val *v)
{
    switch (unsafe_yyjson_get_type((void *)(uintptr_t)v)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "boolean";
    case YYJSON_TYPE_NUM:
        return unsafe_yyjson_is_real((void *)(uintptr_t)v) ? "number" : "integer";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_ARR:
        return "array";
    default:
        return "object";
    }
}

static bool type_matches(const struct schema_node *n, const yyjson_mut_val *cv)
{
    yyjson_mut_val *v = (yyjson_mut_val *)(uintptr_t)cv;
    if (n->flags & NODE_INT_OR_STRING) {
        return yyjson_mut_is_str(v) || yyjson_mut_is_int(v);
    }
    switch (n->kind) {
    case KIND_OBJECT:
        return yyjson_mut_is_obj(v);
    case KIND_ARRAY:
        return yyjson_mut_is_arr(v);
    case KIND_STRING:
        return yyjson_mut_is_str(v);
    case KIND_INTEGER:
        return yyjson_mut_is_int(v);
    case KIND_NUMBER:
        return yyjson_mut_is_num(v);
    case KIND_BOOLEAN:
        return yyjson_mut_is_bool(v);
    default:
        return !n->format || yyjson_mut_is_str(v) || yyjson_mut_is_arr(v);
    }
}

static const char *expected_type(const struct schema_node *n)
{
    return n->flags & NODE_INT_OR_STRING ? "integer,string" : n->kind ? schema_type(n).ptr : "";
}

static bool refuse_type(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                        const struct path *at)
{
    if (!w->out) {
        return false;
    }
    const char *is = type_of(v), *want = expected_type(n);
    if (n->format && *is != 's' && *is != 'a') {
        /* the reference speaks of formats then */
        want = n->format_text.ptr;
        is = *is == 'i' ? "int64" : *is == 'n' ? "float64" : "";
    }
    struct str value = str_from(arena_printf(w->out->arena, "\"%s\"", is));
    return refuse(w, CAUSE_TYPE_INVALID, at, value, "must be of type %s: \"%s\"", want, is);
}

static bool walk_null(struct walk *w, const struct schema_node *n, const struct path *at)
{
    bool typed = n->kind != KIND_ANY || n->flags & NODE_INT_OR_STRING;
    if (typed && !(n->flags & NODE_NULLABLE)) {
        return refuse(w, CAUSE_TYPE_INVALID, at, STR("\"null\""), "must be of type %s: \"null\"",
                      w->out ? expected_type(n) : "");
    }
    w->match++;
    return true;
}

static bool walk_format(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                        const struct path *at)
{
    struct str s = val_str(v);
    if (n->format < FORMAT_BSON_OBJECT_ID ||
        (format_matches((enum schema_format)n->format, s) &&
         (!n->limits || !n->limits->format || regex_search(n->limits->format, s)))) {
        return true;
    }
    if (w->out) {
        struct str q = quoted(w, s);
        refuse(w, CAUSE_TYPE_INVALID, at, q, "must be of type %.*s: %.*s", STR_FMT(n->format_text),
               STR_FMT(q));
    }
    return false;
}

/* ---- strings and numbers ---- */

/* Only the first of these is told. */
static bool walk_string(struct walk *w, const struct schema_limits *l, const yyjson_mut_val *v,
                        const struct path *at)
{
    struct str s = val_str(v);
    /* characters are counted only where bytes do not settle it */
    if (l->max_length >= 0 && s.len > (uint64_t)l->max_length &&
        utf8_count(s) > (uint64_t)l->max_length) {
        if (w->out) {
            struct str rel = text_of(w, at);
            causes_add(w->out, CAUSE_TOO_LONG, FIELD_OF(w, rel), NULL,
                       "may not be more than %lld bytes", (long long)l->max_length);
            drop_repeated(w->out);
        }
        return false;
    }
    if (l->min_length > 0 &&
        (s.len < (uint64_t)l->min_length || utf8_count(s) < (uint64_t)l->min_length)) {
        return refuse(w, CAUSE_INVALID, at, w->out ? quoted(w, s) : s,
                      "should be at least %lld chars long", (long long)l->min_length);
    }
    if (l->pattern && !regex_search(l->pattern, s)) {
        return refuse(w, CAUSE_INVALID, at, w->out ? quoted(w, s) : s, "should match '%.*s'",
                      STR_FMT(l->pattern_text));
    }
    return true;
}

/* Whether d can be a value of the node's type and format. */
static bool in_range(const struct schema_node *n, double d)
{
    if (n->kind == KIND_INTEGER && !(n->flags & NODE_INT_OR_STRING)) {
        return is_integral(d) && (n->format != FORMAT_INT32 || (d >= INT32_MIN && d <= INT32_MAX));
    }
    return n->format != FORMAT_FLOAT || fabs(d) <= 3.4028234663852886e38;
}

static bool refuse_range(struct walk *w, const struct schema_node *n, const char *what,
                         const struct path *at)
{
    if (!w->out) {
        return false;
    }
    const char *type = n->kind == KIND_INTEGER ? "integer" : n->kind == KIND_NUMBER ? "number" : "";
    struct str rel = text_of(w, at);
    if (n->format_text.len) {
        return refuse_whole(w, "%s value must be of type %s with format %.*s in %.*s", what, type,
                            STR_FMT(n->format_text), STR_FMT(rel));
    }
    return refuse_whole(w, "%s value must be of type %s (default format) in %.*s", what, type,
                        STR_FMT(rel));
}

/* v <=> limit, exactly. */
static int compare_number(const yyjson_mut_val *cv, double limit)
{
    yyjson_mut_val *v = (yyjson_mut_val *)(uintptr_t)cv;
    if (yyjson_mut_is_real(v)) {
        return (v->uni.f64 > limit) - (v->uni.f64 < limit);
    }
    if (limit >= 9223372036854775808.0) {
        return -1;
    }
    if (limit < -9223372036854775808.0) {
        return 1;
    }
    double whole = floor(limit);
    int64_t i = v->uni.i64, l = (int64_t)whole;
    return i != l ? (i > l) - (i < l) : -(limit > whole);
}

static bool is_multiple(const yyjson_mut_val *cv, double factor)
{
    yyjson_mut_val *v = (yyjson_mut_val *)(uintptr_t)cv;
    if (!yyjson_mut_is_real(v) && is_integral(factor)) {
        return v->uni.i64 % (int64_t)factor == 0;
    }
    double d = yyjson_mut_get_num(v);
    double times = factor < 1 ? 1 / factor * d : d / factor;
    /* as swag.IsFloat64AJSONInteger: up to 2^53, and nearly whole is whole */
    if (!isfinite(times) || fabs(times) > 9007199254740991.0) {
        return false;
    }
    double off = fabs(times - round(times));
    return off == 0 || off < 1e-9 * fabs(times);
}

static struct str limit_text(struct walk *w, const yyjson_mut_val *v, double limit)
{
    if (!w->out) {
        return STR_NULL;
    }
    if (!yyjson_mut_is_real((yyjson_mut_val *)(uintptr_t)v) && is_integral(limit)) {
        return str_from(arena_printf(w->out->arena, "%lld", (long long)limit));
    }
    return float_text(w->out->arena, limit);
}

static bool walk_limits(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                        const struct path *at)
{
    const struct schema_limits *l = n->limits;
    struct str text = w->out ? number_text(w, v) : STR_NULL;
    bool ok = true;
    if (l->has_multiple_of) {
        ok &= in_range(n, l->multiple_of) || refuse_range(w, n, "MultipleOf", at);
        if (l->multiple_of <= 0) {
            ok &= refuse_whole(w, "factor MultipleOf declared for %.*s must be positive: %.*s",
                               STR_FMT(w->out ? text_of(w, at) : text),
                               STR_FMT(limit_text(w, v, l->multiple_of)));
        } else if (!is_multiple(v, l->multiple_of)) {
            ok &= refuse(w, CAUSE_INVALID, at, text, "should be a multiple of %.*s",
                         STR_FMT(limit_text(w, v, l->multiple_of)));
        }
    }
    if (l->has_minimum) {
        ok &= in_range(n, l->minimum) || refuse_range(w, n, "Minimum boundary", at);
        int r = compare_number(v, l->minimum);
        if (r < 0 || (r == 0 && l->exclusive_minimum)) {
            ok &= refuse(w, CAUSE_INVALID, at, text, "should be greater than %s%.*s",
                         l->exclusive_minimum ? "" : "or equal to ",
                         STR_FMT(limit_text(w, v, l->minimum)));
        }
    }
    if (l->has_maximum) {
        ok &= in_range(n, l->maximum) || refuse_range(w, n, "Maximum boundary", at);
        int r = compare_number(v, l->maximum);
        if (r > 0 || (r == 0 && l->exclusive_maximum)) {
            ok &= refuse(w, CAUSE_INVALID, at, text, "should be less than %s%.*s",
                         l->exclusive_maximum ? "" : "or equal to ",
                         STR_FMT(limit_text(w, v, l->maximum)));
        }
    }
    return ok;
}

static bool walk_number(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                        const struct path *at)
{
    bool ok = true;
    w->match++;
    if (n->kind == KIND_INTEGER || n->format == FORMAT_FLOAT) {
        double d = yyjson_mut_get_num((yyjson_mut_val *)(uintptr_t)v);
        bool whole = !yyjson_mut_is_real((yyjson_mut_val *)(uintptr_t)v) &&
                     n->format != FORMAT_INT32 && n->kind == KIND_INTEGER;
        ok = whole || in_range(n, d) || refuse_range(w, n, "Checked", at);
    }
    return (!n->limits || walk_limits(w, n, v, at)) && ok;
}

static bool walk_enum(struct walk *w, const struct schema_limits *l, yyjson_mut_val *v,
                      const struct path *at)
{
    /* a null matches no entry, not even null, as in the reference */
    for (size_t i = 0; i < l->n_enums && !yyjson_mut_is_null(v); i++) {
        const yyjson_mut_val *e = l->enums[i]->val;
        if (yyjson_mut_is_str(v) ? str_eq(json_str(e), val_str(v)) : json_equal(e, v)) {
            return true;
        }
    }
    if (w->out) {
        struct str *names = arena_alloc(w->out->arena, l->n_enums * sizeof(*names));
        for (size_t i = 0; i < l->n_enums; i++) {
            struct str s = json_str(l->enums[i]->val);
            names[i] = s.ptr ? s : l->enums[i]->text;
        }
        struct str rel = text_of(w, at);
        causes_add_unsupported(w->out, FIELD_OF(w, rel), v, names, l->n_enums);
        drop_repeated(w->out);
    }
    return false;
}

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
        struct str q = quoted(w, text_of(w, at));
        refuse_whole(w, "%.*s must validate at least one schema (anyOf)", STR_FMT(q));
        merge(w->out, &best.causes);
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
        struct str q = quoted(w, text_of(w, at));
        char *found =
            valid ? arena_printf(w->out->arena, "Found %zu valid alternatives", valid) : NULL;
        refuse_whole(w, "%.*s must validate one and only one schema (oneOf). %s", STR_FMT(q),
                     found ? found : "Found none valid");
        if (!valid) {
            merge(w->out, &best.causes);
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
            merge(w->out, &b.causes);
        }
    }
    if (valid == nodes->n) {
        return true;
    }
    if (w->out) {
        struct str q = quoted(w, text_of(w, at));
        refuse_whole(w, "%.*s must validate all the schemas (allOf)%s", STR_FMT(q),
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
            struct str q = w->out ? quoted(w, text_of(w, at)) : STR_NULL;
            ok &= refuse_whole(w, "%.*s must not validate the schema (not)", STR_FMT(q));
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
    if (!(n->flags & NODE_CHECKS)) {
        return true;
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
    bool ok = !n->items || !(n->items->flags & NODE_CHECKS) || walk_items(w, n, v, old, at);
    w->match++;
    if (l && l->min_items >= 0 && size < (uint64_t)l->min_items) {
        struct str value = w->out ? str_from(arena_printf(w->out->arena, "%zu", size)) : STR_NULL;
        ok &= refuse(w, CAUSE_INVALID, at, value, "should have at least %lld items",
                     (long long)l->min_items);
    }
    if (l && l->max_items >= 0 && size > (uint64_t)l->max_items) {
        ok = false;
        if (w->out) {
            struct str rel = text_of(w, at);
            struct str value = str_from(arena_printf(w->out->arena, "%zu", size));
            causes_add_text(w->out, CAUSE_TOO_MANY, FIELD_OF(w, rel), value,
                            "must have at most %lld items", (long long)l->max_items);
        }
    }
    return ok;
}

static bool walk_size(struct walk *w, const struct schema_limits *l, size_t size,
                      const struct path *at)
{
    bool ok = true;
    struct str value = w->out ? str_from(arena_printf(w->out->arena, "%zu", size)) : STR_NULL;
    if (l->min_properties >= 0 && size < (uint64_t)l->min_properties) {
        ok &= refuse(w, CAUSE_INVALID, at, value, "should have at least %lld properties",
                     (long long)l->min_properties);
    }
    if (l->max_properties >= 0 && size > (uint64_t)l->max_properties) {
        ok = false;
        if (w->out) {
            struct str rel = text_of(w, at);
            causes_add_text(w->out, CAUSE_TOO_MANY, FIELD_OF(w, rel), value,
                            "must have at most %lld items", (long long)l->max_properties);
        }
    }
    return ok;
}

/* The quick way through an object: its members as they come. */
static bool walk_members(struct walk *w, const struct schema_node *n, yyjson_mut_val *v,
                         const struct path *at)
{
    uint32_t hint = 0, required = 0;
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        struct str name = val_str(it.key);
        const struct schema_prop *p = prop_find(n, name, &hint);
        if (p) {
            required += p->required >= 0;
        }
        const struct schema_node *node = p && p->node ? p->node : n->additional;
        if (node ? !walk_child(w, node, it.val, NULL, PATH_FIELD(at, name))
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

/* The members of an object, sorted; n NULL: by name alone. */
static struct member *members_of(struct arena *a, const struct schema_node *n, yyjson_mut_val *obj,
                                 size_t *ret_n)
{
    size_t count = yyjson_mut_obj_size(obj), i = 0;
    struct member *members = arena_alloc(a, (count ? count : 1) * sizeof(*members));
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
            struct str rel = text_of(w, PATH_FIELD(at, n->required[i]));
            causes_add(w->out, CAUSE_REQUIRED, FIELD_OF(w, rel), NULL, NULL);
            drop_repeated(w->out);
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
    struct member *members = members_of(w->out->arena, n, v, &count);
    struct member *were = members_of(w->out->arena, NULL, old, &n_were);
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
            struct str rel = text_of(w, at);
            causes_add_text(w->out, CAUSE_INVALID, FIELD_OF(w, rel), quoted(w, m->name),
                            "%.*s.%.*s in body is a forbidden property", STR_FMT(rel),
                            STR_FMT(m->name));
            ok = false;
        }
    }
    struct member *named = members_of(w->out->arena, NULL, v, &n_named);
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
        ok = walk_null(w, n, at);
        return (!l || !l->n_enums || walk_enum(w, l, v, at)) && ok;
    }
    bool typed = n->kind != KIND_ANY || n->format || n->flags & NODE_INT_OR_STRING;
    ok = type_matches(n, v);
    if (!ok) {
        refuse_type(w, n, v, at);
        if (!w->out) {
            return false;
        }
    }
    w->match += (typed ? 1 + ok : 0) + 4; /* logic's own, logic, enum, the whole */
    if (l) {
        ok &= walk_logic(w, l, v, at);
    }
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_STR:
        w->match += 1 + (n->format >= FORMAT_BSON_OBJECT_ID);
        ok &= !l || walk_string(w, l, v, at);
        ok &= walk_format(w, n, v, at);
        break;
    case YYJSON_TYPE_NUM:
        w->match++;
        ok &= walk_number(w, n, v, at);
        break;
    case YYJSON_TYPE_ARR:
        w->match++;
        ok &= walk_array(w, n, v, old, at);
        break;
    default:
        break;
    }
    ok &= !l || !l->n_enums || walk_enum(w, l, v, at);
    if (unsafe_yyjson_get_type(v) == YYJSON_TYPE_OBJ) {
        w->match++;
        ok &= walk_object(w, n, v, old, at);
    }
    return ok;
}

bool node_validate(const struct schema_node *n, yyjson_mut_val *v, yyjson_mut_val *old,
                   const struct path *base, struct causes *c)
{
    struct walk quick = {0};
    if (!(n->flags & NODE_CHECKS) || walk_value(&quick, n, v, NULL, NULL)) {
        return true;
    }
    struct walk w = {.out = c, .base = base};
    return walk_child(&w, n, v, old, NULL);
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
                            "invalid; correct the existing "
                            "errors to complete validation");
            return;
        }
    }
}

static bool node_valid(const struct schema_node *n, yyjson_mut_val *v)
{
    struct walk quick = {0};
    return !(n->flags & NODE_CHECKS) || walk_value(&quick, n, v, NULL, NULL);
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
