/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: everything of a scope that the selectors match, at one revision, in pieces. Where an
 * object's stamp is current its bytes go from the store into the answer as they are; the items come
 * first and the list's metadata last, so that nothing is held back. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "resources/engine_priv.h"
#include "resources/list_frame.h"
#include "resources/shard.h"

enum {
    SCRATCH_BYTES = 256 * 1024,
    SCAN_BYTES = 1024 * 1024, /* looked at in vain before a read pauses */
};

struct list {
    struct engine *e;
    struct op *op; /* a reference */
    struct representation r;
    struct scope scope;
    struct str single; /* the one name that can match; STR_NULL: any */
    struct str prefix; /* of the keys in scope; in the op's arena */
    struct str start;  /* where the continue token begins, relative to prefix; in the op's arena */
    struct arena scratch; /* of the objects being shown */
    struct err err;       /* of a visitor */
    int64_t rev;          /* 0: not known yet, the first piece is read from what is there */
    struct store_hold *hold;
    struct buf from; /* the key to go on from */
    struct buf next; /* right after the page's last key, when it is full */
    bool more, begun, exhausted, selective;
    bool waits; /* objects are converted by something that waits, a batch at a time */
    uint64_t taken;
    int64_t limit; /* <= 0: none */
    int64_t left;  /* objects from the page's first on, as its token says; 0: to be counted */
    /* of one piece */
    struct buf *out;
    size_t out_from, max, scanned;
    struct list_frame frame; /* of the pieces, where the encoding needs one */
    /* in process */
    struct piece *pieces, **last_piece;
    size_t aside; /* pieces that are to be converted */
};

/* An object copied out of the store for a visitor that may call it. */
struct piece {
    struct piece *next;
    struct str key;
    struct stored stored;
};

/* ---- options ---- */

/* A page's token, or the revision asked for; leaves rev 0 where the newest will do. */
static int open_continue(struct list *l, struct err *err)
{
    const struct list_options *o = &l->op->list;
    struct str start = STR_NULL;
    int rc = continue_decode(&l->op->arena, o->continue_token, &start, &l->rev, &l->left, err);
    if (rc) {
        return rc;
    }
    if (o->resource_version.len && !str_is(o->resource_version, "0")) {
        return err_set(err, ERR_BAD_REQUEST,
                       "specifying resource version is not allowed when using continue");
    }
    l->start = start;
    buf_add(&l->from, l->prefix);
    buf_add(&l->from, start);
    l->rev = l->rev < 0 ? 0 : l->rev;
    return 0;
}

static int open_version(struct list *l, struct err *err)
{
    const struct list_options *o = &l->op->list;
    struct str text = o->resource_version;
    int64_t rv = 0;
    const char *why = text.len ? op_parse_rv(text, &rv) : NULL;
    if (why) {
        return err_set(err, ERR_BAD_REQUEST,
                       "invalid resource version: resourceVersion: Invalid value: \"%.*s\": "
                       "strconv.ParseUint: parsing \"%.*s\": %s",
                       STR_FMT(text), STR_FMT(text), why);
    }
    int64_t now = read_revision(l->e, rv);
    if (rv > now) {
        return status_future_version(err, rv, now);
    }
    /* A limit with a version and no match asks for that version, as it always did. */
    bool exact = o->match == RV_MATCH_EXACT || (o->match == RV_MATCH_UNSET && o->limit > 0);
    l->rev = exact ? rv : 0;
    return 0;
}

/* The token that is too old comes back as one for the same place at any revision. */
static int expired(const struct list *l, struct err *err)
{
    if (!l->op->list.continue_token.len) {
        return status_expired(err, "The resourceVersion for the provided list is too old.");
    }
    AUTO(buf_finish) struct buf token = {0};
    continue_encode(&token, l->start, -1, 0);
    return status_expired_token(err, buf_str(&token));
}

static int hold_revision(struct list *l, struct err *err)
{
    int64_t at;
    AUTO(err_finish) struct err why = {0};
    int rc = store_hold(l->e->store, l->rev, &l->hold, &at, &why);
    return rc == ERR_EXPIRED ? expired(l, err) : rc ? err_move(err, &why) : 0;
}

static struct list *create(struct engine *e, struct op *op, const struct representation *r)
{
    struct list *l = ALLOC(struct list);
    l->e = e;
    l->op = op_ref(op);
    l->r = r ? *r : (struct representation){0};
    arena_init(&l->scratch, 0);
    list_narrow(op, &l->scope, &l->single);
    l->prefix = type_scope_prefix(op->type, l->scope, &op->arena);
    l->selective = op->list.labels || op->list.fields || op->list.shard || op->list.words.ptr;
    /* A list of whatever is there comes whole, as from the reference's cache. */
    l->limit = str_is(op->list.resource_version, "0") ? 0 : op->list.limit;
    l->waits = convert_type_waits(op->type, op->version);
    return l;
}

int list_open(struct engine *e, struct op *op, const struct representation *r, struct list **ret,
              struct err *err)
{
    int rc = list_check_options(&op->list, false, err);
    rc = rc ? rc : text_narrow(e, op, err);
    if (rc) {
        return rc;
    }
    list_narrow_user(op);
    struct list *l = create(e, op, r);
    rc = op->list.continue_token.len ? open_continue(l, err) : open_version(l, err);
    if (!rc && l->rev) {
        int64_t now = read_revision(e, l->rev);
        rc = l->rev > now ? status_future_version(err, l->rev, now) : hold_revision(l, err);
    }
    if (rc) {
        list_close(l);
        return rc;
    }
    *ret = l;
    return 0;
}

void list_close(struct list *l)
{
    if (!l) {
        return;
    }
    store_release(l->hold);
    buf_finish(&l->from);
    buf_finish(&l->next);
    list_frame_finish(&l->frame);
    err_finish(&l->err);
    arena_finish(&l->scratch);
    op_unref(l->op);
    free(l);
}

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
               : rc == ERR_EXPIRED ? expired(l, err)
                                   : err_move(err, &why);
    }
    l->rev = at;
    l->exhausted = l->more || !more || !l->from.len;
    return (l->exhausted && !l->more) || l->hold ? 0 : hold_revision(l, err);
}

/* The first of the keys with the words that is not before `from`. */
static size_t first_key(const struct list_options *o, struct str from)
{
    size_t low = 0, high = o->n_keys;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(o->keys[mid], from) < 0) {
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

/* What the words match is read one by one: mostly a few of many. */
static int read_keys(struct list *l, struct err *err)
{
    const struct list_options *o = &l->op->list;
    AUTO(err_finish) struct err why = {0};
    struct str single =
        l->single.ptr ? type_key(l->op->type, l->scope, l->single, &l->op->arena) : STR_NULL;
    int64_t now = store_revision(l->e->store);
    int rc = 0;
    size_t i = first_key(o, buf_str(&l->from));
    l->from.len = 0;
    for (; i < o->n_keys && !rc; i++) {
        struct str key = o->keys[i];
        if (!str_starts(key, l->prefix) || (single.ptr && !str_eq(key, single))) {
            continue;
        }
        rc = read_key(l, key, &now, &why);
        if (rc >= 0 && !l->rev) {
            l->rev = now;
            rc = rc ? rc : hold_revision(l, &why);
        }
    }
    l->rev = l->rev ? l->rev : now;
    l->exhausted = !l->from.len;
    if (rc < 0) {
        return l->err.code         ? err_move(err, &l->err)
               : rc == ERR_EXPIRED ? expired(l, err)
                                   : err_move(err, &why);
    }
    return l->exhausted || l->hold ? 0 : hold_revision(l, err);
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
        rc = hold_revision(l, err);
        return rc;
    }
    return rc ? err_move(err, &l->err) : 0;
}

static int read_piece(struct list *l, struct err *err)
{
    l->scanned = 0;
    if (l->waits) {
        l->pieces = NULL;
        l->last_piece = &l->pieces;
    }
    uint64_t begun = engine_wait_begin();
    int rc = l->op->list.narrowed ? read_keys(l, err)
             : l->single.ptr      ? read_single(l, err)
                                  : read_range(l, err);
    engine_wait_end(l->e, begun);
    return rc || !l->waits ? rc : convert_aside(l, err);
}

/* ---- the frame ---- */

static struct str kind_of(const struct list *l)
{
    return l->r.as == REPRESENT_PARTIAL ? STR("PartialObjectMetadataList") : l->op->type->list_kind;
}

static struct str api_version_of(const struct list *l)
{
    return l->r.as != REPRESENT_PARTIAL ? l->op->version->api_version
           : l->r.v1beta1               ? STR("meta.k8s.io/v1beta1")
                                        : STR("meta.k8s.io/v1");
}

static void add_head(struct list *l)
{
    const struct op *op = l->op;
    const char *meta_version = l->r.v1beta1 ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
    struct buf *b = l->out;
    if (l->r.encoding != ENCODING_JSON) {
        list_frame_items(b, l->r.encoding, kind_of(l), api_version_of(l));
        return;
    }
    switch (l->r.as) {
    case REPRESENT_TABLE:
        buf_printf(b, "{\"kind\":\"Table\",\"apiVersion\":\"%s\",", meta_version);
        represent_columns(b, op->type, op->version);
        buf_addz(b, ",\"rows\":[");
        return;
    case REPRESENT_PARTIAL:
        buf_printf(b, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"%s\",\"items\":[",
                   meta_version);
        return;
    case REPRESENT_OBJECT:
        buf_printf(b, "{\"kind\":\"%.*s\",\"apiVersion\":\"%.*s\",\"items\":[",
                   STR_FMT(op->type->list_kind), STR_FMT(op->version->api_version));
        return;
    }
}

/* Whether the token has told how many objects come after this page; there is one at least. */
static bool knows_rest(const struct list *l)
{
    return l->left > 0 && (uint64_t)l->left > l->taken;
}

static bool must_count(const struct list *l)
{
    return l->more && !l->selective && !knows_rest(l);
}

static int count_rest(struct list *l, int64_t *ret, struct err *err)
{
    if (!must_count(l)) {
        *ret = l->selective ? 0 : l->left - (int64_t)l->taken;
        return 0;
    }
    struct store_range r = {.prefix = l->prefix, .from = buf_str(&l->next), .at = l->rev};
    AUTO(err_finish) struct err why = {0};
    int rc = store_count(l->e->store, &r, ret, &why);
    return rc == ERR_EXPIRED ? expired(l, err) : rc ? err_move(err, &why) : 0;
}

static int add_metadata(struct list *l, struct err *err)
{
    struct buf *b = l->out;
    buf_addz(b, "{\"resourceVersion\":\"");
    buf_addi(b, l->rev);
    buf_addc(b, '"');
    if (l->more) {
        int64_t rest = 0;
        int rc = count_rest(l, &rest, err);
        if (rc) {
            return rc;
        }
        buf_addz(b, ",\"continue\":\"");
        continue_encode(b, str_skip(buf_str(&l->next), l->prefix.len), l->rev, rest);
        buf_addc(b, '"');
        if (rest) {
            buf_addz(b, ",\"remainingItemCount\":");
            buf_addi(b, rest);
        }
    } else if (l->op->type->custom && l->r.as == REPRESENT_OBJECT) {
        buf_addz(b, ",\"continue\":\"\"");
    }
    if (l->op->list.shard) {
        buf_addz(b, ",\"shardInfo\":{\"selector\":");
        buf_add_json(b, shard_text(l->op->list.shard));
        buf_addc(b, '}');
    }
    buf_addc(b, '}');
    return 0;
}

static int add_tail(struct list *l, struct err *err)
{
    struct buf *b = l->out;
    if (l->r.encoding != ENCODING_JSON) {
        list_frame_metadata(b, l->r.encoding);
        size_t from = b->len;
        int rc = add_metadata(l, err);
        return rc ? rc : encoding_list_meta(b, from, l->r.encoding, err);
    }
    buf_addz(b, "],\"metadata\":");
    int rc = add_metadata(l, err);
    buf_addc(b, '}');
    return rc;
}

static int next_piece(struct list *l, struct buf *b, size_t max, bool *ret_done, struct err *err)
{
    l->out = b;
    l->out_from = b->len;
    l->max = max;
    bool first = !l->begun;
    if (first) {
        add_head(l);
        l->begun = true;
    }
    int rc = l->exhausted ? 0 : read_piece(l, err);
    /* Counting goes through all that is left, which may be long: not with the first piece. */
    bool end = l->exhausted && !(first && must_count(l));
    if (!rc && end) {
        rc = add_tail(l, err);
    }
    arena_finish(&l->scratch);
    if (rc) {
        b->len = l->out_from;
        return rc;
    }
    *ret_done = end;
    return 0;
}

/* Back to its beginning, at the same revision, which is held. */
static void rewind_list(void *list)
{
    struct list *l = list;
    l->from.len = l->next.len = 0;
    if (l->op->list.continue_token.len) {
        buf_add(&l->from, l->prefix);
        buf_add(&l->from, l->start);
    }
    l->begun = l->exhausted = l->more = false;
    l->taken = 0;
}

static int next_framed(void *list, struct buf *b, size_t max, bool *ret_done, struct err *err)
{
    return next_piece(list, b, max, ret_done, err);
}

int list_next(struct list *l, struct buf *b, size_t max, bool *ret_done, struct err *err)
{
    if (l->r.encoding != ENCODING_PROTOBUF) {
        return next_piece(l, b, max, ret_done, err);
    }
    const struct list_source source = {next_framed, rewind_list, l, kind_of(l), api_version_of(l)};
    return list_frame_next(&l->frame, &source, b, max, ret_done, err);
}

/* ---- in process ---- */

static int visit_pieces(struct list *l, list_visit_fn *visit, void *arg)
{
    int rc = 0;
    for (struct piece *p = l->pieces; p && !rc; p = p->next) {
        struct str ns = STR_NULL, name = STR_NULL;
        if (type_key_parse(l->op->type, p->key, &ns, &name)) {
            rc = visit(arg, ns, name, &p->stored);
        }
    }
    return rc;
}

struct list *list_begin(struct engine *e, struct op *op)
{
    struct list *l = create(e, op, NULL);
    l->limit = 0;
    return l;
}

int list_step(struct list *l, list_visit_fn *visit, void *arg, bool *ret_done, int64_t *ret_rev,
              struct err *err)
{
    l->max = LIMIT_LIST_SLICE_BYTES;
    l->pieces = NULL;
    l->last_piece = &l->pieces;
    int rc = read_piece(l, err);
    rc = rc ? rc : visit_pieces(l, visit, arg);
    arena_finish(&l->scratch);
    if (!rc) {
        *ret_done = l->exhausted;
        *ret_rev = l->rev;
    }
    return rc;
}

int list_visit(struct engine *e, struct op *op, list_visit_fn *visit, void *arg, int64_t *ret_rev,
               struct err *err)
{
    struct list *l = NULL;
    int64_t rev = 0;
    bool done = false;
    int rc = list_open(e, op, NULL, &l, err);
    while (!rc && !done) {
        rc = list_step(l, visit, arg, &done, &rev, err);
    }
    list_close(l);
    if (!rc && ret_rev) {
        *ret_rev = rev;
    }
    return rc;
}
