/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text into the mutable tree. yyjson parses into its compact immutable form, values in
 * document order; one pass over that array makes the mutable tree beside it (strings are shared),
 * and in the same pass counts depth, normalises numbers and settles duplicate keys. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json_priv.h"
#include "base/limits.h"

/* A container whose members are being linked. */
struct frame {
    yyjson_mut_val *container;
    yyjson_mut_val *last; /* the member linked last, NULL before the first */
    yyjson_mut_val *key;  /* objects: the last key */
    size_t left;          /* members to come; keys count too */
};

/* A duplicate key found; `at` orders the finds as they stand in the text. */
struct find {
    const yyjson_mut_val *at;
    struct str path;
};

struct reader {
    struct arena *arena;
    bool check; /* look for duplicate keys */
    bool merge; /* objects under a repeated key become one */
    size_t depth;
    struct find *finds; /* NULL: nobody wants to know */
    size_t n_finds, find_bytes;
    struct frame stack[LIMIT_DEPTH];
};

static struct json_key key_of(const yyjson_mut_val *key)
{
    return (struct json_key){key->uni.str, unsafe_yyjson_get_len(json_unconst(key))};
}

static bool key_equal(struct json_key a, struct json_key b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

static uint64_t hash_seed(void)
{
    static _Thread_local uint64_t seed;
    while (!seed) {
        crypto_random(&seed, sizeof(seed));
        seed |= 1;
    }
    return seed;
}

uint64_t json_key_hash(const char *p, size_t n)
{
    uint64_t seed = hash_seed(), h = seed ^ n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = fold(h ^ w, 0x9e3779b97f4a7c15ULL) ^ seed;
    }
    uint64_t w = 0;
    memcpy(&w, p, n);
    return fold(h ^ w, seed);
}

bool json_keys_first(const struct json_key *keys, size_t n, uint32_t *first)
{
    size_t size = 16;
    while (size < n * 2) {
        size *= 2;
    }
    AUTO_FREE uint32_t *table = alloc_zero(size * sizeof(*table)); /* index + 1 */
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        size_t slot = json_key_hash(keys[i].ptr, keys[i].len) & (size - 1);
        while (table[slot] && !key_equal(keys[table[slot] - 1], keys[i])) {
            slot = (slot + 1) & (size - 1);
        }
        if (table[slot]) {
            any = true;
        } else {
            table[slot] = (uint32_t)i + 1;
        }
        first[i] = table[slot] - 1;
    }
    return any;
}

/* Where the top container's member `key` stands: "spec.list[0].key". */
static struct str path_here(const struct reader *r, struct json_key key)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i + 1 < r->depth; i++) {
        const struct frame *f = &r->stack[i];
        if (f->key) {
            struct json_key k = key_of(f->key);
            buf_addz(&b, b.len ? "." : "");
            buf_add(&b, str_make(k.ptr, k.len));
        } else {
            size_t len = unsafe_yyjson_get_len(f->container);
            buf_printf(&b, "[%zu]", len - f->left - 1);
        }
    }
    buf_addz(&b, b.len ? "." : "");
    buf_add(&b, str_make(key.ptr, key.len));
    return arena_str(r->arena, buf_str(&b));
}

static void report(struct reader *r, const yyjson_mut_val *key)
{
    if (r->finds && r->n_finds < JSON_DUPLICATES_MAX && r->find_bytes < JSON_DUPLICATES_BYTES) {
        struct str path = path_here(r, key_of(key));
        r->find_bytes += path.len;
        r->finds[r->n_finds++] = (struct find){key, path};
    }
}

static void settle_duplicates(struct reader *r, yyjson_mut_val *obj);

static bool is_filled_obj(yyjson_mut_val *v)
{
    return unsafe_yyjson_is_obj(v) && unsafe_yyjson_get_len(v);
}

/* Moves the members of `from` behind those of `to`, which is to be settled when all have come. */
static void append_members(yyjson_mut_val *to, yyjson_mut_val *from)
{
    yyjson_mut_val *last_to = to->uni.ptr, *last_from = from->uni.ptr, *first_to = last_to->next->next;
    last_to->next->next = last_from->next->next;
    last_from->next->next = first_to;
    to->uni.ptr = last_from;
    unsafe_yyjson_set_len(to, unsafe_yyjson_get_len(to) + unsafe_yyjson_get_len(from));
}

/* Settles an object merged of several; nothing is reported. */
static void settle_merged(struct reader *r, yyjson_mut_val *obj)
{
    struct find *finds = r->finds;
    r->finds = NULL;
    settle_duplicates(r, obj);
    r->finds = finds;
}

/* Relinks an object whose keys repeat: the first place, the last value. n members. */
static void drop_repeated(struct reader *r, yyjson_mut_val *obj, size_t n, const uint32_t *first)
{
    AUTO_FREE yyjson_mut_val **keys = alloc_bytes(n * sizeof(*keys));
    AUTO_FREE yyjson_mut_val **vals = alloc_bytes(n * sizeof(*vals));
    AUTO_FREE bool *merged = alloc_zero(n);
    yyjson_mut_val *key = ((yyjson_mut_val *)obj->uni.ptr)->next->next;
    for (size_t i = 0; i < n; i++, key = key->next->next) {
        keys[i] = key;
        vals[i] = key->next;
        if (first[i] != i) {
            report(r, key);
            if (!r->merge || !is_filled_obj(vals[first[i]]) || !unsafe_yyjson_is_obj(vals[i])) {
                vals[first[i]] = vals[i];
                merged[first[i]] = false;
            } else if (is_filled_obj(vals[i])) {
                append_members(vals[first[i]], vals[i]);
                merged[first[i]] = true;
            }
            keys[i] = NULL;
        }
    }
    yyjson_mut_val *last = keys[0]; /* the first key always stays */
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (merged[i]) {
            settle_merged(r, vals[i]);
        }
        if (keys[i]) {
            last->next->next = keys[i];
            keys[i]->next = vals[i];
            last = keys[i];
            kept++;
        }
    }
    last->next->next = keys[0];
    obj->uni.ptr = last;
    unsafe_yyjson_set_len(obj, kept);
}

static bool few_repeat(const struct json_key *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (key_equal(keys[i], keys[j])) {
                return true;
            }
        }
    }
    return false;
}

enum { FEW = 16 };

static void settle_duplicates(struct reader *r, yyjson_mut_val *obj)
{
    size_t n = unsafe_yyjson_get_len(obj);
    struct json_key few[FEW];
    AUTO_FREE struct json_key *many = n > FEW ? alloc_bytes(n * sizeof(*many)) : NULL;
    struct json_key *keys = many ? many : few;
    yyjson_mut_val *key = ((yyjson_mut_val *)obj->uni.ptr)->next->next;
    for (size_t i = 0; i < n; i++, key = key->next->next) {
        keys[i] = key_of(key);
    }
    if (n <= FEW && !few_repeat(keys, n)) {
        return;
    }
    AUTO_FREE uint32_t *first = alloc_bytes(n * sizeof(*first));
    if (json_keys_first(keys, n, first)) {
        drop_repeated(r, obj, n, first);
    }
}

void json_normalise_number(yyjson_mut_val *v)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    unsigned tag = unsafe_yyjson_get_tag(v) & (YYJSON_TYPE_MASK | YYJSON_SUBTYPE_MASK);
    if (tag == (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT)) {
        if (v->uni.u64 > INT64_MAX) {
            unsafe_yyjson_set_real(v, (double)v->uni.u64);
        }
    } else if (tag == (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT)) {
        if (v->uni.i64 >= 0) {
            unsafe_yyjson_set_uint(v, v->uni.u64);
        }
    } else {
        double d = v->uni.f64;
        if (d >= -exact && d <= exact && d == (double)(int64_t)d && !(d == 0 && signbit(d))) {
            int64_t i = (int64_t)d;
            if (i >= 0) {
                unsafe_yyjson_set_uint(v, (uint64_t)i);
            } else {
                unsafe_yyjson_set_sint(v, i);
            }
        }
    }
}

static void link_member(struct frame *f, yyjson_mut_val *v)
{
    if (f->last) {
        f->last->next = v;
    }
    if (unsafe_yyjson_is_obj(f->container) && f->left % 2 == 0) {
        f->key = v;
    }
    f->last = v;
    f->left--;
}

/* Ends every container that has got all its members. */
static void close_full(struct reader *r)
{
    while (r->depth && !r->stack[r->depth - 1].left) {
        struct frame *f = &r->stack[r->depth - 1];
        f->last->next = f->container + 1;
        f->container->uni.ptr = f->key ? f->key : f->last;
        if (f->key && f->key != f->container + 1 && r->check) {
            settle_duplicates(r, f->container);
        }
        r->depth--;
    }
}

static int build(struct reader *r, const yyjson_val *in, size_t n, yyjson_mut_val *out)
{
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *v = &out[i];
        v->tag = in[i].tag;
        v->uni = in[i].uni;
        v->next = NULL;
        if (r->depth) {
            link_member(&r->stack[r->depth - 1], v);
        }
        if (unsafe_yyjson_is_num(v)) {
            json_normalise_number(v);
        } else if (unsafe_yyjson_is_ctn(v)) {
            if (r->depth == LIMIT_DEPTH) {
                return ERR_BAD_REQUEST;
            }
            size_t len = unsafe_yyjson_get_len(v);
            v->uni.ptr = NULL;
            if (len) {
                r->stack[r->depth++] =
                    (struct frame){.container = v, .left = unsafe_yyjson_is_obj(v) ? len * 2 : len};
                continue;
            }
        }
        close_full(r);
    }
    return 0;
}

void json_duplicates_add(struct json_duplicates *d, struct arena *a, struct str path,
                         struct str line)
{
    for (size_t i = 0; i < d->n; i++) {
        if (str_eq(d->paths[i], path)) {
            return;
        }
    }
    if (d->n >= JSON_DUPLICATES_MAX) {
        return;
    }
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4;
        struct str *paths = arena_alloc(a, cap * sizeof(*paths));
        struct str *lines = arena_zero(a, cap * sizeof(*lines));
        if (d->n) {
            memcpy(paths, d->paths, d->n * sizeof(*paths));
            memcpy(lines, d->lines, d->n * sizeof(*lines));
        }
        d->paths = paths;
        d->lines = lines;
        d->cap = cap;
    }
    d->paths[d->n] = path;
    d->lines[d->n++] = line;
}

static int find_order(const void *a, const void *b)
{
    const struct find *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static void free_doc(yyjson_doc **d)
{
    yyjson_doc_free(*d);
}

static int read_with(struct reader *r, struct str text, yyjson_mut_doc **ret, struct err *err)
{
    yyjson_read_err why = {0};
    if (!text.len) {
        return json_explain(text, &why, err);
    }
    /* yyjson decodes strings where they stand, in a copy of the text; its values are gone once the
     * tree is built. */
    char *dat = arena_alloc(r->arena, text.len + YYJSON_PADDING_SIZE);
    memcpy(dat, text.ptr, text.len);
    memset(dat + text.len, 0, YYJSON_PADDING_SIZE);
    AUTO(free_doc) yyjson_doc *in = yyjson_read_opts(dat, text.len, YYJSON_READ_INSITU, NULL, &why);
    if (!in && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        abort();
    }
    if (!in) {
        return json_explain(text, &why, err);
    }
    yyjson_mut_val *out = arena_alloc(r->arena, in->val_read * sizeof(*out));
    if (build(r, in->root, in->val_read, out) < 0) {
        return err_set(err, ERR_BAD_REQUEST, "exceeded max depth of %d", LIMIT_DEPTH);
    }
    yyjson_mut_doc *doc = json_doc(r->arena);
    doc->root = out;
    *ret = doc;
    return 0;
}

int json_read(struct arena *a, struct str text, yyjson_mut_doc **ret,
              struct json_duplicates *duplicates, struct err *err)
{
    struct find finds[JSON_DUPLICATES_MAX];
    struct reader r;
    r.arena = a;
    r.check = true;
    r.merge = duplicates && duplicates->merge;
    r.depth = r.n_finds = r.find_bytes = 0;
    r.finds = duplicates ? finds : NULL;
    int rc = read_with(&r, text, ret, err);
    if (rc == 0 && r.n_finds) {
        qsort(finds, r.n_finds, sizeof(*finds), find_order);
        for (size_t i = 0; i < r.n_finds; i++) {
            json_duplicates_add(duplicates, a, finds[i].path, STR_NULL);
        }
    }
    return rc;
}

int json_read_own(struct arena *a, struct str text, yyjson_mut_doc **ret, struct err *err)
{
    struct reader r;
    r.arena = a;
    r.check = false;
    r.depth = r.n_finds = r.find_bytes = 0;
    r.finds = NULL;
    return read_with(&r, text, ret, err);
}
