/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: everything of a scope that the selectors match, at one revision, in pieces. Where an
 * object's stamp is current its bytes go from the store into the answer as they are; the items come
 * first and the list's metadata last, so that nothing is held back. */
#include "resources/list_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "resources/convert.h"
#include "resources/shard.h"

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
int list_expired(const struct list *l, struct err *err)
{
    if (!l->op->list.continue_token.len) {
        return status_expired(err, "The resourceVersion for the provided list is too old.");
    }
    AUTO(buf_finish) struct buf token = {0};
    continue_encode(&token, l->start, -1, 0);
    return status_expired_token(err, buf_str(&token));
}

int list_hold(struct list *l, struct err *err)
{
    int64_t at;
    AUTO(err_finish) struct err why = {0};
    int rc = store_hold(l->e->store, l->rev, &l->hold, &at, &why);
    return rc == ERR_EXPIRED ? list_expired(l, err) : rc ? err_move(err, &why) : 0;
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
        rc = l->rev > now ? status_future_version(err, l->rev, now) : list_hold(l, err);
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
    index_keys_finish(&l->keys);
    err_finish(&l->err);
    arena_finish(&l->scratch);
    op_unref(l->op);
    free(l);
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
    return rc == ERR_EXPIRED ? list_expired(l, err) : rc ? err_move(err, &why) : 0;
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
    int rc = l->exhausted ? 0 : list_read(l, err);
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
    index_keys_finish(&l->keys);
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
    int rc = list_read(l, err);
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
