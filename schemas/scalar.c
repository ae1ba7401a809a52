/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of one value without its parts: type, format, length, pattern, range, enum. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "schemas/validate_priv.h"

/* yyjson's readers take pointers to values that they do not change. */
static yyjson_mut_val *unconst(const yyjson_mut_val *v)
{
    return (yyjson_mut_val *)(uintptr_t)v;
}

static bool is_integral(double d)
{
    return d >= -9223372036854775808.0 && d < 9223372036854775808.0 && d == floor(d);
}

/* ---- types and formats ---- */

static const char *type_of(const yyjson_mut_val *v)
{
    switch (unsafe_yyjson_get_type(unconst(v))) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "boolean";
    case YYJSON_TYPE_NUM:
        return unsafe_yyjson_is_real(unconst(v)) ? "number" : "integer";
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
    yyjson_mut_val *v = unconst(cv);
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

bool scalar_type(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                 const struct path *at)
{
    if (type_matches(n, v) || !w->out || tell_full(w)) {
        return type_matches(n, v);
    }
    const char *is = type_of(v), *want = expected_type(n);
    if (n->format && *is != 's' && *is != 'a') {
        /* the reference speaks of formats then */
        want = n->format_text.ptr;
        is = *is == 'i' ? "int64" : *is == 'n' ? "float64" : "";
    }
    struct str value = str_from(arena_printf(w->out->arena, "\"%s\"", is));
    return tell(w, CAUSE_TYPE_INVALID, at, value, "must be of type %s: \"%s\"", want, is);
}

bool scalar_null(struct walk *w, const struct schema_node *n, const struct path *at)
{
    bool typed = n->kind != KIND_ANY || n->flags & NODE_INT_OR_STRING;
    if (typed && !(n->flags & NODE_NULLABLE)) {
        return tell(w, CAUSE_TYPE_INVALID, at, STR("\"null\""), "must be of type %s: \"null\"",
                    expected_type(n));
    }
    w->match++;
    return true;
}

static bool check_format(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                         const struct path *at)
{
    struct str s = val_str(v);
    if (n->format < FORMAT_BSON_OBJECT_ID || n->flags & NODE_DECODED ||
        (format_matches((enum schema_format)n->format, s) &&
         (!n->limits || !n->limits->format || regex_search(n->limits->format, s)))) {
        return true;
    }
    struct str q = tell_quoted(w, s);
    return tell(w, CAUSE_TYPE_INVALID, at, q, "must be of type %.*s: %.*s", STR_FMT(n->format_text),
                STR_FMT(q));
}

/* ---- strings and numbers ---- */

/* Whether s has more than n characters; they are counted only where bytes do not settle it. */
static bool longer(struct str s, int64_t n)
{
    return s.len > (uint64_t)n && utf8_count(s) > (uint64_t)n;
}

/* Only the first of these is told. */
static bool check_text(struct walk *w, const struct schema_limits *l, const yyjson_mut_val *v,
                       const struct path *at)
{
    struct str s = val_str(v);
    if (l->max_length >= 0 && longer(s, l->max_length)) {
        if (w->out) {
            struct str rel = tell_path(w, at);
            causes_add(w->out, CAUSE_TOO_LONG, TELL_FIELD(w, rel), NULL,
                       "may not be more than %lld bytes", (long long)l->max_length);
            tell_once(w->out);
        }
        return false;
    }
    if (l->min_length > 0 && !longer(s, l->min_length - 1)) {
        return tell(w, CAUSE_INVALID, at, tell_quoted(w, s), "should be at least %lld chars long",
                    (long long)l->min_length);
    }
    return !l->pattern || regex_search(l->pattern, s) ||
           tell(w, CAUSE_INVALID, at, tell_quoted(w, s), "should match '%.*s'",
                STR_FMT(l->pattern_text));
}

bool scalar_string(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                   const struct path *at)
{
    bool ok = !n->limits || check_text(w, n->limits, v, at);
    return check_format(w, n, v, at) && ok;
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
    struct str rel = tell_path(w, at);
    if (n->format_text.len) {
        return tell_whole(w, "%s value must be of type %s with format %.*s in %.*s", what, type,
                          STR_FMT(n->format_text), STR_FMT(rel));
    }
    return tell_whole(w, "%s value must be of type %s (default format) in %.*s", what, type,
                      STR_FMT(rel));
}

/* v <=> limit, exactly. */
static int compare_number(const yyjson_mut_val *cv, double limit)
{
    yyjson_mut_val *v = unconst(cv);
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
    yyjson_mut_val *v = unconst(cv);
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

/* A limit as it is shown beside v. */
static struct str limit_text(struct walk *w, const yyjson_mut_val *v, double limit)
{
    if (!yyjson_mut_is_real(unconst(v)) && is_integral(limit) && w->out) {
        return str_from(arena_printf(w->out->arena, "%lld", (long long)limit));
    }
    return tell_float(w, limit);
}

static bool check_multiple(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                           const struct path *at)
{
    double factor = n->limits->multiple_of;
    bool ok = in_range(n, factor) || refuse_range(w, n, "MultipleOf", at);
    if (factor <= 0) {
        return tell_whole(w, "factor MultipleOf declared for %.*s must be positive: %.*s",
                          STR_FMT(tell_path(w, at)), STR_FMT(limit_text(w, v, factor)));
    }
    return (is_multiple(v, factor) ||
            tell(w, CAUSE_INVALID, at, tell_number(w, v), "should be a multiple of %.*s",
                 STR_FMT(limit_text(w, v, factor)))) &&
           ok;
}

/* side: -1 for the minimum, 1 for the maximum. */
static bool check_bound(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                        int side, const struct path *at)
{
    const struct schema_limits *l = n->limits;
    double bound = side < 0 ? l->minimum : l->maximum;
    bool exclusive = side < 0 ? l->exclusive_minimum : l->exclusive_maximum;
    bool ok = in_range(n, bound) ||
              refuse_range(w, n, side < 0 ? "Minimum boundary" : "Maximum boundary", at);
    int r = compare_number(v, bound) * side;
    if (r < 0 || (r == 0 && !exclusive)) {
        return ok;
    }
    return tell(w, CAUSE_INVALID, at, tell_number(w, v), "should be %s than %s%.*s",
                side < 0 ? "greater" : "less", exclusive ? "" : "or equal to ",
                STR_FMT(limit_text(w, v, bound)));
}

bool scalar_number(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                   const struct path *at)
{
    const struct schema_limits *l = n->limits;
    bool sure = n->kind == KIND_INTEGER
                    ? n->format != FORMAT_INT32 && !yyjson_mut_is_real(unconst(v))
                    : n->format != FORMAT_FLOAT;
    bool ok =
        sure || in_range(n, yyjson_mut_get_num(unconst(v))) || refuse_range(w, n, "Checked", at);
    w->match++;
    if (!l) {
        return ok;
    }
    ok &= !l->has_multiple_of || check_multiple(w, n, v, at);
    ok &= !l->has_minimum || check_bound(w, n, v, -1, at);
    ok &= !l->has_maximum || check_bound(w, n, v, 1, at);
    return ok;
}

bool scalar_enum(struct walk *w, const struct schema_limits *l, yyjson_mut_val *v,
                 const struct path *at)
{
    /* a null matches no entry, not even null, as in the reference */
    for (size_t i = 0; i < l->n_enums && !yyjson_mut_is_null(v); i++) {
        const yyjson_mut_val *e = l->enums[i]->val;
        if (yyjson_mut_is_str(unconst(e)) ? yyjson_mut_is_str(v) && str_eq(val_str(e), val_str(v))
                                          : json_equal(e, v)) {
            return true;
        }
    }
    if (w->out && !tell_full(w)) {
        struct str *names = arena_alloc(w->out->arena, l->n_enums * sizeof(*names));
        for (size_t i = 0; i < l->n_enums; i++) {
            struct str s = json_str(l->enums[i]->val);
            names[i] = s.ptr ? s : l->enums[i]->text;
        }
        struct str rel = tell_path(w, at);
        causes_add_unsupported(w->out, TELL_FIELD(w, rel), v, names, l->n_enums);
        tell_once(w->out);
    }
    return false;
}
