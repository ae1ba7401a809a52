/* SPDX-License-Identifier: Apache-2.0 */
/* A type's life and the look-ups in it. It is made in type_create.c. */
#include "resources/type.h"

#include "resources/convert.h"

#include <stdlib.h>
#include <string.h>

static const struct str verb_names[VERB_COUNT] = {
    [VERB_GET] = {"get", 3},       [VERB_LIST] = {"list", 4},
    [VERB_WATCH] = {"watch", 5},   [VERB_CREATE] = {"create", 6},
    [VERB_UPDATE] = {"update", 6}, [VERB_PATCH] = {"patch", 5},
    [VERB_DELETE] = {"delete", 6}, [VERB_DELETECOLLECTION] = {"deletecollection", 16},
};

struct str verb_name(enum verb v)
{
    return verb_names[v];
}

bool verb_parse(struct str s, enum verb *ret)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (str_eq(s, verb_names[i])) {
            *ret = (enum verb)i;
            return true;
        }
    }
    return false;
}

const char *const type_resets_status[] = {"status", NULL};
const char *const type_resets_but_status[] = {"metadata", "spec", NULL};

struct type *type_ref(struct type *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void type_unref(struct type *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < t->n_versions; i++) {
        schema_unref(t->versions[i].schema);
    }
    converter_unref(t->converter);
    arena_finish(&t->arena);
    free(t);
}

const struct type_version *type_served(const struct type *t, struct str version)
{
    for (size_t i = 0; i < t->n_versions; i++) {
        if (str_eq(t->versions[i].name, version)) {
            return t->versions[i].served ? &t->versions[i] : NULL;
        }
    }
    return NULL;
}

const struct type_subresource *type_subresource(const struct type *t, struct str name)
{
    for (size_t i = 0; i < t->n_subresources; i++) {
        if (str_eq(t->subresources[i].name, name)) {
            return &t->subresources[i];
        }
    }
    return NULL;
}

const struct type_query *type_query(const struct type *t, struct str name)
{
    for (size_t i = 0; i < t->n_queries; i++) {
        if (str_eq(t->queries[i].name, name)) {
            return &t->queries[i];
        }
    }
    return NULL;
}

const struct type_index *type_index(const struct type *t, struct str name)
{
    for (size_t i = 0; i < t->n_indexes; i++) {
        if (str_eq(t->indexes[i].name, name)) {
            return &t->indexes[i];
        }
    }
    return NULL;
}

const struct type_version *type_version_of(const struct type *t, struct str api_version)
{
    for (size_t i = 0; i < t->n_versions; i++) {
        if (str_eq(t->versions[i].api_version, api_version)) {
            return &t->versions[i];
        }
    }
    return NULL;
}

bool type_is_current(const struct type *t, uint64_t stamp)
{
    bool is = stamp == t->stamp;
    for (size_t i = 0; t->as_written && !is && i < t->n_versions; i++) {
        is = stamp == t->versions[i].stamp;
    }
    return is;
}

static char *put(char *p, struct str s)
{
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    return p + s.len;
}

struct str type_key(const struct type *t, struct scope s, struct str name, struct arena *a)
{
    bool ns = t->namespaced && s.ns.len;
    size_t len = t->prefix.len + (ns ? s.ns.len + 1 : 0) + name.len;
    char *key = arena_alloc(a, len + 1), *p = put(key, t->prefix);
    if (ns) {
        p = put(p, s.ns);
        *p++ = '/';
    }
    p = put(p, name);
    *p = '\0';
    return str_make(key, len);
}

struct str type_scope_prefix(const struct type *t, struct scope s, struct arena *a)
{
    return type_key(t, s, STR(""), a);
}

bool type_key_parse(const struct type *t, struct str key, struct str *ret_ns, struct str *ret_name)
{
    if (!str_starts(key, t->prefix)) {
        return false;
    }
    struct str name, ns = str_cut(str_skip(key, t->prefix.len), '/', &name);
    if (!t->namespaced) {
        *ret_ns = STR("");
        *ret_name = ns;
        return ns.len && !name.ptr;
    }
    *ret_ns = ns;
    *ret_name = name;
    return ns.len && name.len && !memchr(name.ptr, '/', name.len);
}

/* ---- order of versions ---- */

enum stability { STABILITY_ALPHA, STABILITY_BETA, STABILITY_GA, STABILITY_NONE };

struct parsed_version {
    enum stability stability; /* NONE: not of the form v1, v1beta1, v1alpha1 */
    uint64_t major, minor;
};

/* A decimal number; *s moves behind it. */
static bool take_number(struct str *s, uint64_t *ret)
{
    uint64_t v = 0;
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        if (v > UINT64_MAX / 10 - 1) {
            return false;
        }
        v = v * 10 + (uint64_t)(s->ptr[n++] - '0');
    }
    *s = str_skip(*s, n);
    *ret = v;
    return n > 0;
}

static struct parsed_version parse_version(struct str s)
{
    struct parsed_version none = {.stability = STABILITY_NONE}, p = {.stability = STABILITY_GA};
    if (!str_starts(s, STR("v"))) {
        return none;
    }
    s = str_skip(s, 1);
    if (!take_number(&s, &p.major)) {
        return none;
    }
    if (!s.len) {
        return p;
    }
    if (str_starts(s, STR("beta"))) {
        p.stability = STABILITY_BETA;
        s = str_skip(s, 4);
    } else if (str_starts(s, STR("alpha"))) {
        p.stability = STABILITY_ALPHA;
        s = str_skip(s, 5);
    } else {
        return none;
    }
    return take_number(&s, &p.minor) && !s.len ? p : none;
}

/* Negative when the higher number comes first. */
static int higher_first(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

int type_version_compare(struct str a, struct str b)
{
    struct parsed_version x = parse_version(a), y = parse_version(b);
    if (x.stability == STABILITY_NONE || y.stability == STABILITY_NONE) {
        if (x.stability == y.stability) {
            return str_cmp(a, b);
        }
        return x.stability == STABILITY_NONE ? 1 : -1;
    }
    int r = higher_first(x.stability, y.stability);
    r = r ? r : higher_first(x.major, y.major);
    return r ? r : higher_first(x.minor, y.minor);
}
