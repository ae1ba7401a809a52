/* SPDX-License-Identifier: Apache-2.0 */
/* openAPIV3Schema -> program. Every part (name, list of names, table of properties, node) is
 * interned once its parts are, so equal sub-schemas become one node without ever being compared
 * deeply. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "schemas/keyword.h"
#include "schemas/schema_priv.h"

struct compiler {
    struct schema *s;
    struct intern in;
    yyjson_mut_doc
        *values; /* of defaults and enums, in the schema's blocks; NULL until the first */
    yyjson_alc alc;
    bool builtin;
    struct err *err;
};

static const struct schema_node *compile_node(struct compiler *c, const yyjson_mut_val *v,
                                              unsigned depth, uint32_t more_flags);

static int64_t get_limit(const yyjson_mut_val *v, const char *key)
{
    int64_t i = json_get_int(v, key, -1);
    return i < 0 ? -1 : i;
}

static bool get_number(const yyjson_mut_val *v, const char *key, double *ret)
{
    yyjson_mut_val *n = json_get(v, key);
    if (!yyjson_mut_is_num(n)) {
        return false;
    }
    *ret = yyjson_mut_get_num(n);
    return true;
}

/* yyjson's view of the schema's blocks, which are released whole. */
static void *alc_malloc(void *ctx, size_t n)
{
    return intern_alloc(ctx, n);
}

static void *alc_realloc(void *ctx, void *p, size_t old, size_t n)
{
    return n <= old ? p : memcpy(intern_alloc(ctx, n), p, old);
}

static void alc_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

/* The shared tree of a JSON value. */
static const struct schema_value *value_of(struct compiler *c, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf text = {0};
    json_write(&text, v);
    struct intern_slot *slot = intern_slot(&c->in, text.ptr, text.len);
    if (!slot->payload) {
        if (!c->values) {
            c->alc = (yyjson_alc){alc_malloc, alc_realloc, alc_free, &c->s->blocks};
            c->values = yyjson_mut_doc_new(&c->alc);
        }
        struct schema_value *kept = intern_alloc(&c->s->blocks, sizeof(*kept));
        *kept =
            (struct schema_value){.text = {slot->ptr, slot->len}, .val = json_copy(c->values, v)};
        slot->payload = kept;
    }
    return slot->payload;
}

/* The strings of a list, interned. */
static const struct str *strings_of(struct compiler *c, const yyjson_mut_val *list, uint32_t *ret_n)
{
    size_t n = yyjson_mut_arr_size((yyjson_mut_val *)(uintptr_t)list), count = 0;
    *ret_n = 0;
    if (!n) {
        return NULL;
    }
    AUTO_FREE struct str *strings = alloc_zero(n * sizeof(*strings));
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (yyjson_mut_is_str(it.val)) {
            strings[count++] = intern_str(&c->in, json_str(it.val));
        }
    }
    *ret_n = (uint32_t)count;
    return intern_bytes(&c->in, strings, count * sizeof(*strings));
}

static int regex_of(struct compiler *c, struct str pattern, struct regex **ret)
{
    AUTO(buf_finish) struct buf key = {0}; /* a key of its own kind: JSON texts do not begin so */
    buf_addc(&key, 0);
    buf_add(&key, pattern);
    struct intern_slot *slot = intern_slot(&c->in, key.ptr, key.len);
    if (slot->payload) {
        *ret = slot->payload;
        return 0;
    }
    AUTO(err_finish) struct err why = {0};
    if (regex_create(pattern, ret, &why) < 0) {
        return err_set(c->err, ERR_INVALID, "pattern \"%.*s\": %s", STR_FMT(pattern),
                       err_message(&why));
    }
    struct schema *s = c->s;
    if ((s->n_regexes & (s->n_regexes + 1)) == 0) {
        s->regexes = alloc_resize(s->regexes, (s->n_regexes * 2 + 1) * sizeof(struct regex *));
    }
    s->regexes[s->n_regexes++] = *ret;
    slot->payload = *ret;
    return 0;
}

static int nodes_of(struct compiler *c, const yyjson_mut_val *list, unsigned depth,
                    struct schema_nodes *ret, uint32_t *flags)
{
    size_t n = yyjson_mut_arr_size((yyjson_mut_val *)(uintptr_t)list), i = 0;
    if (!n) {
        return 0;
    }
    AUTO_FREE const struct schema_node **nodes = alloc_zero(n * sizeof(*nodes));
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        nodes[i] = compile_node(c, it.val, depth, 0);
        if (!nodes[i]) {
            return ERR_INVALID;
        }
        *flags |= nodes[i++]->flags & NODE_RULES;
    }
    *ret = (struct schema_nodes){intern_bytes(&c->in, nodes, n * sizeof(struct schema_node *)), n};
    return 0;
}

static int enums_of(struct compiler *c, const yyjson_mut_val *list, struct schema_limits *l)
{
    size_t n = yyjson_mut_arr_size((yyjson_mut_val *)(uintptr_t)list), i = 0;
    if (!n) {
        return 0;
    }
    AUTO_FREE const struct schema_value **values = alloc_zero(n * sizeof(*values));
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        values[i++] = value_of(c, it.val);
    }
    l->enums = intern_bytes(&c->in, values, n * sizeof(struct schema_value *));
    l->n_enums = n;
    return 0;
}

static int logic_of(struct compiler *c, const yyjson_mut_val *v, unsigned depth,
                    struct schema_limits *l, uint32_t *flags)
{
    const yyjson_mut_val *not_ = json_get(v, "not");
    if (nodes_of(c, json_get(v, "allOf"), depth, &l->all_of, flags) < 0 ||
        nodes_of(c, json_get(v, "anyOf"), depth, &l->any_of, flags) < 0 ||
        nodes_of(c, json_get(v, "oneOf"), depth, &l->one_of, flags) < 0) {
        return ERR_INVALID;
    }
    if (yyjson_mut_is_obj((yyjson_mut_val *)(uintptr_t)not_)) {
        l->not_ = compile_node(c, not_, depth, 0);
        return l->not_ ? 0 : ERR_INVALID;
    }
    return 0;
}

static int patterns_of(struct compiler *c, const yyjson_mut_val *v, const struct schema_node *n,
                       struct schema_limits *l)
{
    struct str pattern = json_get_str(v, "pattern");
    if (pattern.len) {
        l->pattern_text = intern_str(&c->in, pattern);
        if (regex_of(c, pattern, &l->pattern) < 0) {
            return ERR_INVALID;
        }
    }
    const char *format = format_pattern((enum schema_format)n->format);
    return format ? regex_of(c, str_from(format), &l->format) : 0;
}

static void bounds_of(const yyjson_mut_val *v, struct schema_limits *l)
{
    l->min_length = get_limit(v, "minLength");
    l->max_length = get_limit(v, "maxLength");
    l->min_items = get_limit(v, "minItems");
    l->max_items = get_limit(v, "maxItems");
    l->min_properties = get_limit(v, "minProperties");
    l->max_properties = get_limit(v, "maxProperties");
    l->has_minimum = get_number(v, "minimum", &l->minimum);
    l->has_maximum = get_number(v, "maximum", &l->maximum);
    l->has_multiple_of = get_number(v, "multipleOf", &l->multiple_of);
    l->exclusive_minimum = l->has_minimum && json_get_bool(v, "exclusiveMinimum");
    l->exclusive_maximum = l->has_maximum && json_get_bool(v, "exclusiveMaximum");
}

static int limits_of(struct compiler *c, const yyjson_mut_val *v, uint64_t has, unsigned depth,
                     struct schema_node *n)
{
    struct schema_limits l, none;
    memset(&l, 0, sizeof(l));
    l.min_length = l.max_length = l.min_items = l.max_items = l.min_properties = l.max_properties =
        -1;
    memcpy(&none, &l, sizeof(l));
    if (has & KW_LIMITS) {
        bounds_of(v, &l);
    }
    if (enums_of(c, json_get(v, "enum"), &l) < 0 || patterns_of(c, v, n, &l) < 0 ||
        (has & KW_LOGIC && logic_of(c, v, depth, &l, &n->flags) < 0)) {
        return ERR_INVALID;
    }
    if (memcmp(&l, &none, sizeof(l)) != 0) {
        n->limits = intern_bytes(&c->in, &l, sizeof(l));
        n->flags |= NODE_CHECKS;
    }
    return 0;
}

static enum schema_kind kind_of(struct str type)
{
    for (int k = KIND_OBJECT; k <= KIND_BOOLEAN; k++) {
        struct schema_node n = {.kind = (uint8_t)k};
        if (str_eq(type, schema_type(&n))) {
            return (enum schema_kind)k;
        }
    }
    return KIND_ANY;
}

/* Formats that do not suit the type are ignored, as the reference does. */
static enum schema_format format_of(struct compiler *c, const struct schema_node *n,
                                    struct str format)
{
    bool text = n->kind == KIND_STRING || n->kind == KIND_ANY || n->flags & NODE_INT_OR_STRING;
    if (c->builtin && text && str_is(format, "micro-time")) {
        return FORMAT_MICRO_TIME;
    }
    if (c->builtin && text && str_is(format, "quantity")) {
        return FORMAT_QUANTITY;
    }
    if (text) {
        return format_parse(format);
    }
    if (n->kind == KIND_INTEGER) {
        return str_is(format, "int32")   ? FORMAT_INT32
               : str_is(format, "int64") ? FORMAT_INT64
                                         : FORMAT_NONE;
    }
    if (n->kind == KIND_NUMBER) {
        return str_is(format, "float")    ? FORMAT_FLOAT
               : str_is(format, "double") ? FORMAT_DOUBLE
                                          : FORMAT_NONE;
    }
    return FORMAT_NONE;
}

static void set_format(struct compiler *c, struct str format, struct schema_node *n)
{
    n->format = (uint8_t)format_of(c, n, format);
    n->flags |= format.len && !str_is(format, "byte") ? NODE_FORMATTED : 0;
    if (n->format) {
        n->flags |= NODE_CHECKS;
        n->format_text = intern_str(&c->in, format);
    }
}

struct entry {
    struct schema_prop prop;
    size_t order;
};

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = str_cmp(x->prop.name, y->prop.name);
    return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* Names of `required` and of properties, each once, sorted. */
static size_t merge_entries(struct entry *entries, size_t n)
{
    qsort(entries, n, sizeof(*entries), entry_compare);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct schema_prop *last = kept ? &entries[kept - 1].prop : NULL;
        if (last && str_eq(last->name, entries[i].prop.name)) {
            last->node = last->node ? last->node : entries[i].prop.node;
            last->required = last->required >= 0 ? last->required : entries[i].prop.required;
        } else {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

/* What a property brings to its object. */
static void adopt_prop(struct schema_node *n, struct schema_prop *p)
{
    n->shape = hash_bytes(hash_u64(n->shape, p->name.len), p->name.ptr, p->name.len);
    n->shape = hash_u64(n->shape, p->node->shape);
    n->flags |= p->node->flags &
                (NODE_PRUNES | NODE_CHECKS | NODE_KEYED | NODE_EMBEDS | NODE_RULES | NODE_DEFAULTS);
    n->flags |= NODE_FILLS; /* at least nulls may have to go */
    if (p->node->fallback) {
        p->fill = (int32_t)n->n_fills++;
        n->flags |= NODE_DEFAULTS;
    }
}

static int props_of(struct compiler *c, const yyjson_mut_val *v, unsigned depth,
                    struct schema_node *n)
{
    yyjson_mut_val *properties = json_get(v, "properties");
    size_t most = yyjson_mut_obj_size(properties) + n->n_required, count = 0;
    if (!most) {
        return 0;
    }
    AUTO_FREE struct entry *entries = alloc_zero(most * sizeof(*entries));
    struct json_iter it = json_iter(yyjson_mut_is_obj(properties) ? properties : NULL);
    while (json_next(&it)) {
        const struct schema_node *node = compile_node(c, it.val, depth, 0);
        if (!node) {
            return ERR_INVALID;
        }
        entries[count] = (struct entry){
            .prop = {.name = intern_str(&c->in, json_str(it.key)), .node = node, .required = -1},
            .order = count};
        count++;
    }
    for (uint32_t i = 0; i < n->n_required; i++) {
        entries[count] = (struct entry){.prop = {.name = n->required[i], .required = (int32_t)i},
                                        .order = count};
        count++;
    }
    count = merge_entries(entries, count);
    AUTO_FREE struct schema_prop *props = alloc_zero(count * sizeof(*props));
    for (size_t i = 0; i < count; i++) {
        props[i] = entries[i].prop;
        props[i].fill = -1;
        if (props[i].node) {
            adopt_prop(n, &props[i]);
        }
    }
    n->props = intern_bytes(&c->in, props, count * sizeof(*props));
    n->n_props = (uint32_t)count;
    return 0;
}

static int additional_of(struct compiler *c, const yyjson_mut_val *v, unsigned depth,
                         struct schema_node *n)
{
    yyjson_mut_val *a = json_get(v, "additionalProperties");
    if (yyjson_mut_is_bool(a)) {
        n->flags |= yyjson_mut_get_bool(a) ? NODE_OPEN : NODE_CLOSED | NODE_CHECKS;
        n->flags |= NODE_PRUNES; /* what such a value holds is unknown */
        n->shape = hash_bytes(n->shape, "open", 4);
    } else if (yyjson_mut_is_obj(a)) {
        n->additional = compile_node(c, a, depth, 0);
        if (!n->additional) {
            return ERR_INVALID;
        }
        n->flags |=
            NODE_FILLS | (n->additional->flags & (NODE_PRUNES | NODE_CHECKS | NODE_KEYED |
                                                  NODE_EMBEDS | NODE_RULES | NODE_DEFAULTS));
        n->shape = hash_u64(hash_bytes(n->shape, "map", 3), n->additional->shape);
    }
    return 0;
}

static int items_of(struct compiler *c, const yyjson_mut_val *v, unsigned depth,
                    struct schema_node *n)
{
    yyjson_mut_val *items = json_get(v, "items");
    if (yyjson_mut_is_obj(items)) {
        n->items = compile_node(c, items, depth, 0);
        if (!n->items) {
            return ERR_INVALID;
        }
        n->flags |= n->items->flags & (NODE_PRUNES | NODE_FILLS | NODE_CHECKS | NODE_KEYED |
                                       NODE_EMBEDS | NODE_RULES | NODE_DEFAULTS);
        n->flags |= n->items->fallback ? NODE_FILLS | NODE_DEFAULTS : 0;
        n->shape = hash_u64(hash_bytes(n->shape, "list", 4), n->items->shape);
    }
    struct str type = json_get_str(v, "x-kubernetes-list-type");
    if (str_is(type, "set") || str_is(type, "map")) {
        n->list_type = str_is(type, "set") ? SCHEMA_LIST_SET : SCHEMA_LIST_MAP;
        n->flags |= NODE_KEYED | NODE_CHECKS;
    }
    n->list_keys = strings_of(c, json_get(v, "x-kubernetes-list-map-keys"), &n->n_list_keys);
    return 0;
}

static void builtin_of(struct compiler *c, const yyjson_mut_val *v, struct schema_node *n)
{
    struct schema_builtin b;
    memset(&b, 0, sizeof(b));
    static const struct {
        const char *key;
        size_t at;
    } texts[] = {{"x-kubernetes-patch-strategy", offsetof(struct schema_builtin, patch_strategy)},
                 {"x-kubernetes-patch-merge-key", offsetof(struct schema_builtin, patch_merge_key)},
                 {"x-coracle-go-type", offsetof(struct schema_builtin, go_type)}};
    bool any = false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct str s = json_get_str(v, texts[i].key);
        if (s.len) {
            s = intern_str(&c->in, s);
            memcpy((char *)&b + texts[i].at, &s, sizeof(s));
            any = true;
        }
    }
    n->builtin = any ? intern_bytes(&c->in, &b, sizeof(b)) : NULL;
    n->flags |= json_get_bool(v, "x-coracle-keep-empty") ? NODE_EMPTY_OK : 0;
}

static void flags_of(const yyjson_mut_val *v, struct schema_node *n)
{
    static const struct {
        const char *key;
        uint32_t flag;
    } bools[] = {
        {"nullable", NODE_NULLABLE},
        {"x-kubernetes-preserve-unknown-fields", NODE_PRESERVE},
        {"x-kubernetes-embedded-resource", NODE_EMBEDDED | NODE_META | NODE_EMBEDS | NODE_CHECKS},
        {"x-kubernetes-int-or-string", NODE_INT_OR_STRING | NODE_CHECKS}};
    for (size_t i = 0; i < sizeof(bools) / sizeof(*bools); i++) {
        n->flags |= json_get_bool(v, bools[i].key) ? bools[i].flag : 0;
    }
    n->flags |= str_is(json_get_str(v, "x-kubernetes-map-type"), "atomic") ? NODE_MAP_ATOMIC : 0;
    n->flags |= yyjson_mut_arr_size(json_get(v, "x-kubernetes-validations")) ? NODE_RULES : 0;
}

/* Pruning and defaulting see nothing but these. */
static void shape_of(struct schema_node *n)
{
    uint32_t seen = n->flags & (NODE_NULLABLE | NODE_PRESERVE | NODE_EMBEDDED | NODE_META);
    n->shape = hash_u64(n->shape, seen);
    if (n->fallback) {
        n->shape = hash_bytes(n->shape, n->fallback->text.ptr, n->fallback->text.len);
    }
    n->flags |= seen & NODE_PRESERVE ? 0 : NODE_PRUNES;
}

/* NULL: refused, c->err says why. */
static const struct schema_node *compile_node(struct compiler *c, const yyjson_mut_val *v,
                                              unsigned depth, uint32_t more_flags)
{
    struct schema_node n;
    memset(&n, 0, sizeof(n)); /* padding too: nodes are compared as bytes */
    if (depth > LIMIT_SCHEMA_DEPTH || (v && !yyjson_mut_is_obj((yyjson_mut_val *)(uintptr_t)v))) {
        err_set(c->err, ERR_INVALID,
                depth > LIMIT_SCHEMA_DEPTH ? "the schema is nested deeper than %d levels"
                                           : "a schema is not an object (level %d)",
                depth > LIMIT_SCHEMA_DEPTH ? LIMIT_SCHEMA_DEPTH : (int)depth);
        return NULL;
    }
    n.shape = HASH_START;
    n.flags = more_flags;
    uint64_t has = keyword_mask(v);
    if (has & ~(KW_PLAIN & ~KW_BIT(NULLABLE))) {
        flags_of(v, &n);
    }
    n.kind = (uint8_t)kind_of(json_get_str(v, "type"));
    n.flags |= n.kind != KIND_ANY ? NODE_CHECKS : 0;
    if (has & KW_BIT(FORMAT)) {
        set_format(c, json_get_str(v, "format"), &n);
    }
    if (has & KW_BIT(REQUIRED)) {
        n.required = strings_of(c, json_get(v, "required"), &n.n_required);
        n.flags |= n.n_required ? NODE_CHECKS : 0;
    }
    n.fallback = has & KW_BIT(DEFAULT) ? value_of(c, json_get(v, "default")) : NULL;
    if (has & ~KW_PLAIN || n.n_required) {
        if (props_of(c, v, depth + 1, &n) < 0 || additional_of(c, v, depth + 1, &n) < 0 ||
            items_of(c, v, depth + 1, &n) < 0) {
            return NULL;
        }
    }
    if (has & (KW_LIMITS | KW_LOGIC | KW_BIT(FORMAT)) && limits_of(c, v, has, depth + 1, &n) < 0) {
        return NULL;
    }
    if (c->builtin) {
        n.flags |= NODE_DECODED;
        builtin_of(c, v, &n);
    }
    shape_of(&n);
    return intern_bytes(&c->in, &n, sizeof(n));
}

int schema_create(const yyjson_mut_val *root, const struct schema_options *o, struct schema **ret,
                  struct err *err)
{
    struct schema *s = ALLOC(struct schema);
    atomic_init(&s->refs, 1);
    struct compiler c = {.s = s, .builtin = o && o->builtin, .err = err};
    intern_init(&c.in, &s->blocks);
    s->root = compile_node(&c, root, 0, NODE_META | (root ? 0 : NODE_PRESERVE));
    intern_finish(&c.in);
    if (!s->root) {
        schema_unref(s);
        return ERR_INVALID;
    }
    s->shape = s->root->shape;
    s->bytes = sizeof(*s) + s->blocks.bytes + s->n_regexes * sizeof(struct regex *);
    *ret = s;
    return 0;
}
