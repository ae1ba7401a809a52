/* SPDX-License-Identifier: Apache-2.0 */
/* YAML into the mutable tree by libyaml's events; with yaml_write.c the only file that sees
 * libyaml.
 *
 * The tree is built as events arrive, so that depth is refused before libyaml spends
 * quadratic time on it. The members of every open map lie on one stack (`pairs`); when a map ends,
 * its own are settled (the last of equal keys wins) and linked. An alias is a deep copy of what its
 * anchor holds, strings shared; nodes and bytes copied are budgeted. */
#include "base/yaml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json_priv.h"
#include "base/limits.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "base/yaml_priv.h"

#define HASH_FUNCTION(p, n, h) ((h) = (unsigned)json_key_hash((const char *)(p), (n)))
#include <uthash.h>

struct anchor {
    char *name;
    yyjson_mut_val *val; /* NULL while its container is open */
    UT_hash_handle hh;
};

struct pair {
    yyjson_mut_val *key, *val;
    size_t line; /* of the value, from 1 */
    size_t seen; /* events read when the value was complete */
    bool bare;   /* the key was no string: it is shown without quotes */
};

/* A container whose end has not come yet. */
struct open {
    yyjson_mut_val *container;
    struct anchor *anchor;
    size_t first_pair;
    size_t line;
    yyjson_mut_val *key;  /* maps: the key whose value is due */
    bool key_bare, merge; /* merge: the key is "<<" */
};

/* A repeated key, to be told in the order in which the values were complete, as Go's decoder does.
 */
struct find {
    size_t seen;
    struct str path, text;
};

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    yyjson_mut_doc *doc;
    struct err *err;
    struct anchor *anchors;
    struct pair *pairs;
    size_t n_pairs, cap_pairs;
    size_t events, copied, copied_bytes;
    bool want_finds;
    struct find finds[JSON_DUPLICATES_MAX];
    size_t n_finds, find_bytes;
    size_t depth;
    struct open stack[LIMIT_DEPTH];
};

static int refuse(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(r->err, ERR_BAD_REQUEST, fmt, ap);
    va_end(ap);
    err_wrap(r->err, "yaml");
    return ERR_BAD_REQUEST;
}

/* libyaml's complaint in the form that Go's yaml package gives it: a line only where it is past the
 * first. */
static int refuse_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        abort();
    }
    const char *problem = p->problem ? p->problem : "unknown problem parsing YAML content";
    size_t line = p->problem_mark.line;
    line = line ? line + (p->error == YAML_SCANNER_ERROR) : p->context_mark.line;
    return line ? refuse(r, "line %zu: %s", line, problem) : refuse(r, "%s", problem);
}

static yyjson_mut_val *new_val(struct reader *r)
{
    yyjson_mut_val *v = unsafe_yyjson_mut_val(r->doc, 1);
    if (!v) {
        abort();
    }
    return v;
}

static struct str text_of(const yaml_char_t *p, size_t n)
{
    return str_make((const char *)p, n);
}

static void set_text(struct reader *r, yyjson_mut_val *v, struct str s)
{
    s = arena_str(r->arena, s);
    unsafe_yyjson_set_strn(v, s.ptr, s.len);
}

static int set_binary(struct reader *r, yyjson_mut_val *v, struct str s)
{
    AUTO(buf_finish) struct buf raw = {0}, text = {0};
    if (!crypto_unbase64(&raw, s)) {
        return refuse(r, "!!binary value contains invalid base64 data");
    }
    utf8_repair(&text, buf_str(&raw));
    set_text(r, v, text.len ? buf_str(&text) : STR(""));
    return 0;
}

/* What Go's yaml package calls the type of a resolved scalar. */
static const char *tag_of(yyjson_mut_val *v)
{
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_NULL:
        return "!!null";
    case YYJSON_TYPE_BOOL:
        return "!!bool";
    case YYJSON_TYPE_NUM:
        return unsafe_yyjson_is_real(v) ? "!!float" : "!!int";
    default:
        return "!!str";
    }
}

static int resolve_tagged(struct reader *r, struct str tag, struct str s, yyjson_mut_val *v)
{
    if (str_is(tag, "tag:yaml.org,2002:binary")) {
        return set_binary(r, v, s);
    }
    bool known = str_is(tag, YAML_INT_TAG) || str_is(tag, YAML_FLOAT_TAG) ||
                 str_is(tag, YAML_BOOL_TAG) || str_is(tag, YAML_NULL_TAG);
    if (!known) {
        set_text(r, v, s);
        return 0;
    }
    yaml_resolve(s, v);
    const char *want = tag.ptr + sizeof("tag:yaml.org,2002:") - 1, *got = tag_of(v);
    bool fits =
        strcmp(got + 2, want) == 0 || (str_is(tag, YAML_FLOAT_TAG) && unsafe_yyjson_is_num(v));
    return fits ? 0 : refuse(r, "cannot decode %s `%.*s` as a !!%s", got, STR_FMT(s), want);
}

static int resolve_scalar(struct reader *r, const yaml_event_t *e, yyjson_mut_val *v)
{
    struct str s = text_of(e->data.scalar.value, e->data.scalar.length);
    const char *tag = (const char *)e->data.scalar.tag;
    int rc = 0;
    if (tag && strcmp(tag, "!") != 0) {
        rc = resolve_tagged(r, str_from(tag), s, v);
    } else if (e->data.scalar.plain_implicit && !tag) {
        yaml_resolve(s, v);
        if (unsafe_yyjson_is_str(v)) {
            set_text(r, v, s);
        }
    } else {
        set_text(r, v, s);
    }
    if (rc == 0 && unsafe_yyjson_is_real(v) && !isfinite(v->uni.f64)) {
        return err_set(r->err, ERR_BAD_REQUEST, "json: unsupported value: %s",
                       isnan(v->uni.f64) ? "NaN"
                       : v->uni.f64 < 0  ? "-Inf"
                                         : "+Inf");
    }
    return rc;
}

/* Makes a scalar that stands as a key a string. */
static int to_key(struct reader *r, yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_STR:
        return 0;
    case YYJSON_TYPE_BOOL:
        unsafe_yyjson_set_str(v, unsafe_yyjson_get_bool(v) ? "true" : "false");
        return 0;
    case YYJSON_TYPE_NUM:
        if (unsafe_yyjson_is_real(v)) {
            json_write_g(&b, v->uni.f64);
        } else {
            json_write(&b, v);
        }
        set_text(r, v, buf_str(&b));
        return 0;
    default:
        return refuse(r, "unsupported map key: null");
    }
}

static void put_path(const struct reader *r, struct buf *b)
{
    for (size_t i = 0; i < r->depth; i++) {
        const struct open *o = &r->stack[i];
        if (unsafe_yyjson_is_arr(o->container)) {
            buf_printf(b, "[%zu]", unsafe_yyjson_get_len(o->container));
        } else if (i + 1 < r->depth) {
            struct str key = o->merge ? STR("<<") : json_str(o->key);
            buf_addz(b, b->len ? "." : "");
            buf_add(b, key);
        }
    }
}

/* Notes that the innermost map has this key already. */
static void report(struct reader *r, const struct pair *p)
{
    if (!r->want_finds || r->n_finds >= JSON_DUPLICATES_MAX ||
        r->find_bytes >= JSON_DUPLICATES_BYTES) {
        return;
    }
    AUTO(buf_finish) struct buf path = {0}, text = {0};
    put_path(r, &path);
    buf_addz(&path, path.len ? "." : "");
    buf_add(&path, json_str(p->key));
    buf_printf(&text, "line %zu: key ", p->line);
    if (p->bare) {
        buf_add(&text, json_str(p->key));
    } else {
        quote_go(&text, json_str(p->key));
    }
    buf_addz(&text, " already set in map");
    r->find_bytes += path.len + text.len;
    r->finds[r->n_finds++] = (struct find){p->seen, arena_str(r->arena, buf_str(&path)),
                                           arena_str(r->arena, buf_str(&text))};
}

/* Links pairs into obj, the first place and the last value of equal keys. */
static void link_pairs(struct reader *r, yyjson_mut_val *obj, struct pair *pairs, size_t n)
{
    AUTO_FREE struct json_key *keys = alloc_bytes(n * sizeof(*keys));
    AUTO_FREE uint32_t *first = alloc_bytes(n * sizeof(*first));
    for (size_t i = 0; i < n; i++) {
        struct str s = json_str(pairs[i].key);
        keys[i] = (struct json_key){s.ptr, s.len};
    }
    bool repeats = json_keys_first(keys, n, first);
    for (size_t i = 0; repeats && i < n; i++) {
        if (first[i] != i) {
            report(r, &pairs[i]);
            pairs[first[i]].val = pairs[i].val;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (first[i] == i) {
            yyjson_mut_obj_add(obj, pairs[i].key, pairs[i].val);
        }
    }
}

static void add_pair(struct reader *r, yyjson_mut_val *key, yyjson_mut_val *val, size_t line,
                     bool bare)
{
    if (r->n_pairs == r->cap_pairs) {
        r->cap_pairs = r->cap_pairs ? r->cap_pairs * 2 : 64;
        r->pairs = alloc_resize(r->pairs, r->cap_pairs * sizeof(*r->pairs));
    }
    r->pairs[r->n_pairs++] = (struct pair){key, val, line, r->events, bare};
}

/* Charges one copied node to the budget. */
static int charge(struct reader *r, const yyjson_mut_val *v)
{
    r->copied++;
    r->copied_bytes += json_str(v).len + 2;
    bool fine = r->copied <= LIMIT_YAML_ALIAS_BASE + LIMIT_YAML_ALIAS_FACTOR * r->events &&
                r->copied_bytes <= LIMIT_YAML_ALIAS_BYTES;
    return fine ? 0 : refuse(r, "document contains excessive aliasing");
}

/* A deep copy that shares strings, to stand in `depth` containers. */
static int copy(struct reader *r, const yyjson_mut_val *from, size_t depth, yyjson_mut_val **ret)
{
    int rc = charge(r, from);
    if (rc < 0) {
        return rc;
    }
    yyjson_mut_val *v = new_val(r);
    v->tag = from->tag;
    v->uni = from->uni;
    *ret = v;
    if (!unsafe_yyjson_is_ctn(v)) {
        return 0;
    }
    if (depth == LIMIT_DEPTH) {
        return refuse(r, "exceeded max depth of %d", LIMIT_DEPTH);
    }
    unsafe_yyjson_set_len(v, 0);
    v->uni.ptr = NULL;
    for (struct json_iter it = json_iter(from); json_next(&it);) {
        yyjson_mut_val *key = NULL, *val;
        if ((it.key && (rc = copy(r, it.key, depth + 1, &key)) < 0) ||
            (rc = copy(r, it.val, depth + 1, &val)) < 0) {
            return rc;
        }
        if (key) {
            yyjson_mut_obj_add(v, key, val);
        } else {
            yyjson_mut_arr_append(v, val);
        }
    }
    return 0;
}

static int merge_map(struct reader *r, const yyjson_mut_val *map, size_t line)
{
    if (!unsafe_yyjson_is_obj(json_unconst(map))) {
        return refuse(r, "map merge requires map or sequence of maps as the value");
    }
    for (struct json_iter it = json_iter(map); json_next(&it);) {
        yyjson_mut_val *key, *val;
        int rc = copy(r, it.key, r->depth, &key);
        rc = rc < 0 ? rc : copy(r, it.val, r->depth, &val);
        if (rc < 0) {
            return rc;
        }
        add_pair(r, key, val, line, false);
    }
    return 0;
}

/* The value of "<<": a map, or a list of maps of which the first has the last word. */
static int merge(struct reader *r, yyjson_mut_val *v, size_t line)
{
    if (!unsafe_yyjson_is_arr(v)) {
        return merge_map(r, v, line);
    }
    size_t n = unsafe_yyjson_get_len(v);
    AUTO_FREE yyjson_mut_val **items = alloc_bytes(n * sizeof(*items));
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        items[it.index] = it.val;
    }
    for (size_t i = n; i-- > 0;) {
        int rc = merge_map(r, items[i], line);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static bool wants_key(const struct reader *r)
{
    const struct open *o = r->depth ? &r->stack[r->depth - 1] : NULL;
    return o && unsafe_yyjson_is_obj(o->container) && !o->key && !o->merge;
}

/* A complete value takes its place in the innermost container. */
static int place(struct reader *r, yyjson_mut_val *v, size_t line)
{
    struct open *o = r->depth ? &r->stack[r->depth - 1] : NULL;
    if (!o) {
        r->doc->root = v;
    } else if (unsafe_yyjson_is_arr(o->container)) {
        yyjson_mut_arr_append(o->container, v);
    } else if (o->merge) {
        o->merge = false;
        return merge(r, v, line);
    } else {
        add_pair(r, o->key, v, line, o->key_bare);
        o->key = NULL;
    }
    return 0;
}

static struct anchor *anchor_set(struct reader *r, const yaml_char_t *name)
{
    if (!name) {
        return NULL;
    }
    struct anchor *a = NULL;
    HASH_FIND_STR(r->anchors, (const char *)name, a);
    if (!a) {
        a = ALLOC(struct anchor);
        a->name = alloc_strdup((const char *)name);
        HASH_ADD_KEYPTR(hh, r->anchors, a->name, strlen(a->name), a);
    }
    a->val = NULL;
    return a;
}

static void anchors_clear(struct reader *r)
{
    struct anchor *a, *next;
    HASH_ITER(hh, r->anchors, a, next)
    {
        HASH_DEL(r->anchors, a);
        free(a->name);
        free(a);
    }
}

static int take_key(struct reader *r, yyjson_mut_val *v, bool merge_key)
{
    struct open *o = &r->stack[r->depth - 1];
    if (merge_key) {
        o->merge = true;
        return 0;
    }
    o->key_bare = !unsafe_yyjson_is_str(v);
    o->key = v;
    return to_key(r, v);
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
    yyjson_mut_val *v = new_val(r);
    int rc = resolve_scalar(r, e, v);
    if (rc < 0) {
        return rc;
    }
    struct anchor *a = anchor_set(r, e->data.scalar.anchor);
    if (a) {
        /* An anchored key or value changes owner; the anchor keeps a value of its own. */
        a->val = new_val(r);
        json_assign(a->val, v);
    }
    if (wants_key(r)) {
        const char *tag = (const char *)e->data.scalar.tag;
        bool merge_key = e->data.scalar.plain_implicit && !tag && json_str(v).len == 2 &&
                         str_is(json_str(v), "<<");
        return take_key(r, v, merge_key);
    }
    return place(r, v, e->start_mark.line + 1);
}

static int on_alias(struct reader *r, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    struct anchor *a = NULL;
    HASH_FIND_STR(r->anchors, name, a);
    if (!a) {
        return refuse(r, "unknown anchor '%s' referenced", name);
    }
    if (!a->val) {
        return refuse(r, "anchor '%s' value contains itself", name);
    }
    yyjson_mut_val *v;
    int rc = copy(r, a->val, r->depth, &v);
    if (rc < 0) {
        return rc;
    }
    if (wants_key(r)) {
        if (unsafe_yyjson_is_ctn(v)) {
            return refuse(r, "invalid map key");
        }
        return take_key(r, v, false);
    }
    return place(r, v, e->start_mark.line + 1);
}

static int on_open(struct reader *r, bool map, const yaml_char_t *anchor, size_t line)
{
    if (wants_key(r)) {
        return refuse(r, "invalid map key");
    }
    if (r->depth == LIMIT_DEPTH) {
        return refuse(r, "exceeded max depth of %d", LIMIT_DEPTH);
    }
    r->stack[r->depth++] = (struct open){
        .container = map ? yyjson_mut_obj(r->doc) : yyjson_mut_arr(r->doc),
        .anchor = anchor_set(r, anchor),
        .first_pair = r->n_pairs,
        .line = line,
    };
    return 0;
}

static int on_close(struct reader *r)
{
    struct open *o = &r->stack[r->depth - 1];
    if (unsafe_yyjson_is_obj(o->container) && r->n_pairs > o->first_pair) {
        link_pairs(r, o->container, r->pairs + o->first_pair, r->n_pairs - o->first_pair);
        r->n_pairs = o->first_pair;
    }
    r->depth--;
    if (o->anchor) {
        o->anchor->val = o->container;
    }
    return place(r, o->container, o->line);
}

static int on_document(struct reader *r, const yaml_event_t *e)
{
    const yaml_version_directive_t *v = e->data.document_start.version_directive;
    if (v && v->minor != 1) {
        return refuse(r, "found incompatible YAML document");
    }
    anchors_clear(r);
    r->doc = json_doc(r->arena);
    return 0;
}

static int on_event(struct reader *r, const yaml_event_t *e)
{
    r->events++;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(r, e);
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_ALIAS_EVENT:
        return on_alias(r, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(r, false, e->data.sequence_start.anchor, e->start_mark.line + 1);
    case YAML_MAPPING_START_EVENT:
        return on_open(r, true, e->data.mapping_start.anchor, e->start_mark.line + 1);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(r);
    default:
        return 0;
    }
}

/* Reads up to the end of the next document; *ret is NULL at the end of the stream. */
static int next_document(struct reader *r, yyjson_mut_doc **ret)
{
    for (;;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&r->parser, &e)) {
            return refuse_syntax(r);
        }
        yaml_event_type_t type = e.type;
        int rc = on_event(r, &e);
        yaml_event_delete(&e);
        if (rc < 0 || type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT) {
            *ret = type == YAML_DOCUMENT_END_EVENT ? r->doc : NULL;
            return rc;
        }
    }
}

static struct reader *reader_create(struct arena *a, struct str text, struct err *err)
{
    struct reader *r = ALLOC(struct reader);
    r->arena = a;
    r->err = err;
    if (!yaml_parser_initialize(&r->parser)) {
        abort();
    }
    yaml_parser_set_input_string(&r->parser, (const yaml_char_t *)(text.ptr ? text.ptr : ""),
                                 text.len);
    return r;
}

static void reader_destroyp(struct reader **r)
{
    yaml_parser_delete(&(*r)->parser);
    anchors_clear(*r);
    free((*r)->pairs);
    free(*r);
}

static int find_order(const void *a, const void *b)
{
    const struct find *x = a, *y = b;
    return (x->seen > y->seen) - (x->seen < y->seen);
}

/* What was found twice so far goes to the caller, in the order of the text. */
static void tell_finds(struct reader *r, struct json_duplicates *duplicates)
{
    qsort(r->finds, r->n_finds, sizeof(*r->finds), find_order);
    for (size_t i = 0; i < r->n_finds; i++) {
        json_duplicates_add(duplicates, r->arena, r->finds[i].path, r->finds[i].text);
    }
    r->n_finds = 0;
}

int yaml_read(struct arena *a, struct str text, yyjson_mut_doc **ret,
              struct json_duplicates *duplicates, struct err *err)
{
    AUTO(reader_destroyp) struct reader *r = reader_create(a, text, err);
    r->want_finds = duplicates != NULL;
    yyjson_mut_doc *doc = NULL;
    int rc = next_document(r, &doc);
    if (rc < 0) {
        return rc;
    }
    if (!doc) {
        doc = json_doc(a);
        doc->root = yyjson_mut_null(doc);
    }
    tell_finds(r, duplicates);
    *ret = doc;
    return 0;
}

int yaml_read_all(struct arena *a, struct str text, yaml_document_fn *fn, void *arg,
                  struct err *err)
{
    return yaml_read_each(a, text, NULL, fn, arg, err);
}

int yaml_read_each(struct arena *a, struct str text, struct json_duplicates *duplicates,
                   yaml_document_fn *fn, void *arg, struct err *err)
{
    AUTO(reader_destroyp) struct reader *r = reader_create(a, text, err);
    r->want_finds = duplicates != NULL;
    for (;;) {
        yyjson_mut_doc *doc;
        int rc = next_document(r, &doc);
        if (rc < 0 || !doc) {
            return rc;
        }
        tell_finds(r, duplicates);
        if (!yyjson_mut_is_null(doc->root) && (rc = fn(arg, doc, err)) < 0) {
            return rc;
        }
    }
}
