/* SPDX-License-Identifier: Apache-2.0 */
/* The items of a list: which objects of the scope match, how each is shown, and the walk over
 * ranges and sets of keys, in pieces of bounded size. */
#include "resources/list_priv.h"

#include <stdlib.h>

#include "base/limits.h"
#include "resources/convert.h"
#include "resources/shard.h"

enum {
    SCRATCH_BYTES = 256 * 1024,
    SCAN_BYTES = 1024 * 1024, /* looked at in vain before a read pauses */
};

/* ---- items ---- */

static bool in_shard(const struct list *l, struct str key, const yyjson_mut_val *obj)
{
    const struct shard_selector *shard = l->op->list.shard;
    struct str ns = STR_NULL, name;
    if (!shard || !shard_by_namespace(shard)) {
        return shard_match(shard, metadata_uid(obj));
    }
    type_key_parse(l->op->type, key, &ns, &name);
    return shard_match(shard, ns);
}

static bool matches(struct list *l, struct str key, const struct stored *s,
                    yyjson_mut_doc **ret_doc, int *ret_rc)
{
    const struct op *op = l->op;
    *ret_rc = 0;
    if (!l->selective) {
        return true;
    }
    yyjson_mut_doc *d = NULL;
    if (!op->list.fields) { /* labels are where the bytes have them, whatever their stamp */
        *ret_rc = json_read_own(&l->scratch, s->value, &d, &l->err);
        const yyjson_mut_val *obj = *ret_rc ? NULL : yyjson_mut_doc_get_root(d);
        return obj && in_shard(l, key, obj) &&
               selector_match_labels(op->list.labels, json_get(metadata_of(obj), "labels"));
    }
    *ret_rc = represent_decode(op->type, op->version, s, &l->scratch, &d, &l->err);
    if (*ret_rc) {
        return false;
    }
    *ret_doc = d;
    const yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
    return in_shard(l, key, obj) && selector_match(op->list.labels, op->list.fields, obj);
}

/* An item of a built-in type's list goes without apiVersion and kind. */
static int add_bare(struct list *l, const struct stored *s, yyjson_mut_doc *d)
{
    const struct type *t = l->op->type;
    struct buf *b = l->out;
    if (represent_is_splice(t, l->op->version, s) && s->value.len > t->header.len) {
        struct str rest = str_skip(s->value, t->header.len);
        buf_addz(b, "{\"metadata\":{\"resourceVersion\":\"");
        buf_addi(b, s->rev);
        buf_addz(b, rest.ptr[0] == '}' ? "\"" : "\",");
        buf_add(b, rest);
        return 0;
    }
    int rc = d ? 0 : represent_decode(t, l->op->version, s, &l->scratch, &d, &l->err);
    if (!rc) {
        yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
        json_remove(obj, "apiVersion");
        json_remove(obj, "kind");
        json_write(b, obj);
    }
    return rc;
}

static int put_item(struct list *l, const struct stored *s, yyjson_mut_doc *d)
{
    const struct op *op = l->op;
    if (l->r.as == REPRESENT_OBJECT) {
        return op->type->custom
                   ? represent_object(l->out, op->type, op->version, s, &l->scratch, &l->err)
                   : add_bare(l, s, d);
    }
    int rc = d ? 0 : represent_decode(op->type, op->version, s, &l->scratch, &d, &l->err);
    if (rc) {
        return rc;
    }
    if (l->r.as == REPRESENT_PARTIAL) {
        represent_partial(l->out, yyjson_mut_doc_get_root(d), l->r.v1beta1);
    } else {
        represent_row(l->out, op->type, op->version, &l->r, &l->scratch,
                      yyjson_mut_doc_get_root(d));
    }
    return 0;
}

static int add_item(struct list *l, const struct stored *s, yyjson_mut_doc *d)
{
    const struct type *t = l->op->type;
    bool json = l->r.encoding == ENCODING_JSON;
    if (l->taken && json) {
        buf_addc(l->out, ',');
    }
    size_t from = l->out->len;
    int rc = put_item(l, s, d);
    struct str kind = l->r.as == REPRESENT_PARTIAL ? STR("PartialObjectMetadata") : t->kind;
    return rc || json ? rc : encoding_item(l->out, from, l->r.encoding, t, kind, &l->err);
}

static void go_on_after(struct list *l, struct str key)
{
    l->from.len = 0;
    buf_add(&l->from, key);
    buf_addc(&l->from, 0);
}

static void collect(struct list *l, const struct store_entry *e)
{
    struct piece *p = ARENA_NEW(&l->scratch, struct piece);
    p->key = arena_str(&l->scratch, e->key);
    p->stored = (struct stored){arena_str(&l->scratch, e->value), e->rev, e->stamp};
    *l->last_piece = p;
    l->last_piece = &p->next;
}

/* Takes an entry out of the store to be converted after. */
static int take_aside(struct list *l, const struct store_entry *e)
{
    bool limited = l->limit > 0 && !l->selective && l->out;
    if (limited && l->taken + l->aside == (uint64_t)l->limit) {
        l->more = true;
        return STORE_STOP_BEFORE;
    }
    collect(l, e);
    l->aside++;
    l->scanned += e->value.len;
    if (l->aside == LIMIT_CONVERSION_OBJECTS || l->scanned >= LIMIT_CONVERSION_BYTES) {
        go_on_after(l, e->key);
        return STORE_STOP;
    }
    return 0;
}

/* The next page begins right after the last key of this one: what is made in between is on it. */
static void count_item(struct list *l, struct str key)
{
    l->taken++;
    if (l->limit > 0 && l->taken == (uint64_t)l->limit) {
        buf_add(&l->next, key);
        buf_addc(&l->next, 0);
    }
}

static bool piece_full(const struct list *l)
{
    return l->out ? l->out->len - l->out_from >= l->max : l->scratch.total >= l->max;
}

static int take_entry(void *arg, const struct store_entry *e)
{
    struct list *l = arg;
    const struct stored s = {e->value, e->rev, e->stamp};
    yyjson_mut_doc *d = NULL;
    int rc;
    if (l->waits) {
        return take_aside(l, e);
    }
    if (l->out && l->scratch.total > SCRATCH_BYTES) {
        arena_finish(&l->scratch);
    }
    if (!matches(l, e->key, &s, &d, &rc)) {
        l->scanned += e->value.len;
        if (!rc && l->scanned >= SCAN_BYTES) {
            go_on_after(l, e->key);
            rc = STORE_STOP;
        }
        return rc;
    }
    if (l->limit > 0 && l->taken == (uint64_t)l->limit) {
        l->more = true;
        return STORE_STOP_BEFORE;
    }
    if (l->out) {
        rc = add_item(l, &s, d);
    } else {
        collect(l, e);
    }
    count_item(l, e->key);
    if (!rc && piece_full(l)) {
        go_on_after(l, e->key);
        return STORE_STOP;
    }
    return rc;
}

/* ---- reading ---- */

static int read_single(struct list *l, struct err *err)
{
    struct store_entry entry;
    AUTO(blob_unrefp) struct blob *blob = NULL;
    AUTO(err_finish) struct err why = {0};
    struct str key = type_key(l->op->type, l->scope, l->single, &l->op->arena);
    struct str from = buf_str(&l->from);
    int64_t now = 0;
    int rc = store_get(l->e->store, key, l->rev, &blob, &entry, &now, &why);
    l->exhausted = true;
    if (rc && rc != ERR_NOT_FOUND) {
        return err_move(err, &why);
    }
    l->rev = l->rev ? l->rev : now;
    if (rc || (from.len && str_cmp(key, from) < 0)) {
        return 0;
    }
    entry.key = key;
    entry.value = blob_str(blob);
    rc = take_entry(l, &entry);
    return rc < 0 ? err_move(err, &l->err) : 0;
}

static int read_range(struct list *l, struct err *err)
{
    struct buf from =
        l->from; /* stays as it is while the store reads it; the visitor writes the next one */
    l->from = (struct buf){0};
    struct store_range r = {
        .prefix = l->prefix, .from = from.len ? buf_str(&from) : STR_NULL, .at = l->rev};
    bool more = false;
    int64_t at = l->rev;
    AUTO(err_finish) struct err why = {0};
    int rc = store_range(l->e->store, &r, take_entry, l, &at, &more, &why);
    buf_finish(&from);
    if (rc) {
        return l->err.code         ? err_move(err, &l->err)
               : rc == ERR_EXPIRED ? list_expired(l, err)
                                   : err_move(err, &why);
    }
    l->rev = at;
    l->exhausted = l->more || !more || !l->from.len;
    return (l->exhausted && !l->more) || l->hold ? 0 : list_hold(l, err);
}

/* The first of the keys that is not before `from`. */
static size_t first_key(const struct str *keys, size_t n, struct str from)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(keys[mid], from) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static int read_key(struct list *l, struct str key, int64_t *ret_now, struct err *err)
{
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct store_entry entry;
    int rc = store_get(l->e->store, key, l->rev, &blob, &entry, ret_now, err);
    if (rc) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    entry.key = key;
    entry.value = blob_str(blob);
    return take_entry(l, &entry);
}

/* Reads the keys that are not before `from` one by one. A visitor's result, or an error. */
static int read_each(struct list *l, const struct str *keys, size_t n, struct err *err)
{
    struct str single =
        l->single.ptr ? type_key(l->op->type, l->scope, l->single, &l->op->arena) : STR_NULL;
    int64_t now = store_revision(l->e->store);
    int rc = 0;
    size_t i = first_key(keys, n, buf_str(&l->from));
    l->from.len = 0;
    for (; i < n && !rc; i++) {
        if (!str_starts(keys[i], l->prefix) || (single.ptr && !str_eq(keys[i], single))) {
            continue;
        }
        rc = read_key(l, keys[i], &now, err);
        if (rc >= 0 && !l->rev) {
            l->rev = now;
            rc = rc ? rc : list_hold(l, err);
        }
    }
    l->rev = l->rev ? l->rev : now;
    return rc;
}

static int keys_failed(struct list *l, int rc, struct err *why, struct err *err)
{
    return l->err.code         ? err_move(err, &l->err)
           : rc == ERR_EXPIRED ? list_expired(l, err)
                               : err_move(err, why);
}

/* What the words match is read one by one: mostly a few of many. */
static int read_words(struct list *l, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    int rc = read_each(l, l->op->list.keys, l->op->list.n_keys, &why);
    l->exhausted = !l->from.len;
    if (rc < 0) {
        return keys_failed(l, rc, &why, err);
    }
    return l->exhausted || l->hold ? 0 : list_hold(l, err);
}

/* So are the keys that an index gives, a stretch of them at a time. */
static int read_indexed(struct list *l, struct err *err)
{
    AUTO(err_finish) struct err why = {0};
    int rc = list_index_fill(l, err);
    if (rc || l->way == LIST_RANGE) {
        return rc ? rc : read_range(l, err);
    }
    rc = read_each(l, l->keys.items, l->keys.n, &why);
    if (rc < 0) {
        return keys_failed(l, rc, &why, err);
    }
    if (!rc && !l->keys.whole) {
        go_on_after(l, l->keys.items[l->keys.n - 1]);
        index_keys_finish(&l->keys);
    }
    l->exhausted = !l->from.len;
    return 0;
}

/* What cannot be converted: the reference names every object. */
static int unreadable(struct list *l, const struct stored *s, const struct str *keys, size_t n,
                      struct err *why, struct err *err)
{
    struct arena *a = &l->scratch;
    struct str *bad = arena_alloc(a, n * sizeof(*bad));
    int64_t *revs = arena_alloc(a, n * sizeof(*revs));
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (convert_waits(l->op->type, l->op->version, &s[i])) {
            bad[m] = keys[i];
            revs[m++] = s[i].rev;
        }
    }
    int rc = m ? convert_unreadable(l->op->type, bad, revs, m, why, err) : err_move(err, why);
    err_finish(why);
    return rc;
}

/* Shows one converted object, if it matches. True: the page is full. */
static bool show_aside(struct list *l, struct piece *p, int *ret_rc)
{
    yyjson_mut_doc *d = NULL;
    if (!matches(l, p->key, &p->stored, &d, ret_rc)) {
        return false;
    }
    if (l->limit > 0 && l->taken == (uint64_t)l->limit) {
        l->more = true;
        return true;
    }
    if (l->out) {
        *ret_rc = add_item(l, &p->stored, d);
    } else {
        *l->last_piece = p;
        l->last_piece = &p->next;
    }
    count_item(l, p->key);
    return false;
}

/* Converts what was taken aside and goes on with it as with any entry. */
static int convert_aside(struct list *l, struct err *err)
{
    struct piece *p = l->pieces;
    size_t n = l->aside, bad = 0, i = 0;
    struct stored *s = arena_alloc(&l->scratch, (n + 1) * sizeof(*s));
    struct str *keys = arena_alloc(&l->scratch, (n + 1) * sizeof(*keys));
    for (; p; p = p->next, i++) {
        s[i] = p->stored;
        keys[i] = p->key;
    }
    struct err why = {0};
    if (convert_stored(l->op->type, l->op->version, s, n, &l->scratch, &bad, &why)) {
        return unreadable(l, s + bad, keys + bad, n - bad, &why, err);
    }
    p = l->pieces;
    l->pieces = NULL;
    l->last_piece = &l->pieces;
    l->aside = 0;
    int rc = 0;
    for (i = 0; p && !rc; i++) {
        struct piece *next = p->next;
        p->next = NULL;
        p->stored = s[i];
        if (show_aside(l, p, &rc)) {
            l->exhausted = true;
            break;
        }
        p = next;
    }
    if (l->more && !l->hold && !rc) {
        rc = list_hold(l, err);
        return rc;
    }
    return rc ? err_move(err, &l->err) : 0;
}

static enum list_way way_of(struct list *l)
{
    if (l->way == LIST_UNDECIDED) {
        l->way = l->op->list.narrowed  ? LIST_WORDS
                 : l->single.ptr       ? LIST_SINGLE
                 : list_wants_index(l) ? LIST_INDEX
                                       : LIST_RANGE;
    }
    return l->way;
}

int list_read(struct list *l, struct err *err)
{
    l->scanned = 0;
    if (l->waits) {
        l->pieces = NULL;
        l->last_piece = &l->pieces;
    }
    uint64_t begun = engine_wait_begin();
    int rc = 0;
    switch (way_of(l)) {
    case LIST_WORDS:
        rc = read_words(l, err);
        break;
    case LIST_SINGLE:
        rc = read_single(l, err);
        break;
    case LIST_INDEX:
        rc = read_indexed(l, err);
        break;
    case LIST_UNDECIDED:
    case LIST_RANGE:
        rc = read_range(l, err);
        break;
    }
    engine_wait_end(l->e, begun);
    return rc || !l->waits ? rc : convert_aside(l, err);
}
