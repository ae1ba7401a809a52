/* SPDX-License-Identifier: Apache-2.0 */
/* Events: what selectors see of them and the lines they are encoded to, each made by the first
 * reader who needs it and kept beside the event. Readers race without locks: what is made second is
 * thrown away. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "resources/shard.h"
#include "resources/watch_priv.h"

enum { LABELS_CHUNK = 1024 };

/* ---- entries ---- */

static size_t blob_bytes(const struct blob *b)
{
    return b ? sizeof(*b) + b->len : 0;
}

void watch_entry_account(struct watch_entry *e, size_t bytes)
{
    atomic_fetch_add_explicit(&e->bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->ring->bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->ring->hub->bytes, bytes, memory_order_relaxed);
}

struct watch_entry *watch_entry_create(struct watch_ring *ring, const struct store_event *e)
{
    struct watch_entry *n = alloc_zero(sizeof(*n) + e->key.len);
    atomic_init(&n->refs, 1);
    n->ring = ring;
    n->rev = e->rev;
    n->stamp = e->stamp;
    n->prev_stamp = e->prev_stamp;
    n->value = e->deleted ? NULL : blob_ref(e->value);
    n->prev = blob_ref(e->prev);
    n->key_len = e->key.len;
    memcpy(n->key, e->key.ptr, e->key.len);
    watch_entry_account(n, sizeof(*n) + e->key.len + blob_bytes(n->value) + blob_bytes(n->prev));
    return n;
}

struct watch_entry *watch_entry_ref(struct watch_entry *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

static void parsed_free(struct watch_parsed *p)
{
    type_unref(p->type);
    arena_finish(&p->arena);
    free(p);
}

static void form_free(struct watch_form *f)
{
    type_unref(f->type);
    blob_unref(f->line);
    free(f);
}

void watch_entry_unref(struct watch_entry *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    size_t bytes = atomic_load(&e->bytes);
    atomic_fetch_sub_explicit(&e->ring->bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&e->ring->hub->bytes, bytes, memory_order_relaxed);
    for (struct watch_form *f = atomic_load(&e->forms), *next; f; f = next) {
        next = f->next;
        form_free(f);
    }
    for (struct watch_parsed *p = atomic_load(&e->parsed), *next; p; p = next) {
        next = p->next;
        parsed_free(p);
    }
    for (struct watch_shown *s = atomic_load(&e->shown), *next; s; s = next) {
        next = s->next;
        watch_shown_free(s);
    }
    blob_unref(e->value);
    blob_unref(e->prev);
    free(e);
}

/* ---- what selectors see ---- */

bool watch_in_scope(const struct watcher *w, struct str key)
{
    return w->exact ? str_eq(key, w->prefix) : str_starts(key, w->prefix);
}

static yyjson_mut_val *labels_of(yyjson_mut_doc *into, const struct blob *b)
{
    struct arena scratch;
    arena_init(&scratch, 0);
    yyjson_mut_doc *d = NULL;
    yyjson_mut_val *labels = NULL;
    if (b && !json_read_own(&scratch, blob_str(b), &d, NULL)) {
        yyjson_mut_val *obj = yyjson_mut_doc_get_root(d);
        labels = json_get(metadata_of(obj), "labels");
        labels = labels ? json_copy(into, labels) : NULL;
    }
    arena_finish(&scratch);
    return labels;
}

/* The object, or the one before, as the watcher would be shown it. */
static struct stored stored_of(const struct watcher *w, struct watch_entry *e, bool was)
{
    const struct watch_shown *shown = watch_shown_done(e, w, was);
    if (shown) {
        return (struct stored){watch_shown_object(shown), e->rev, REPRESENT_SHOWN};
    }
    return (struct stored){blob_str(was ? e->prev : e->value), e->rev,
                           was ? e->prev_stamp : e->stamp};
}

static yyjson_mut_val *whole_of(struct watch_parsed *p, const struct stored *s)
{
    yyjson_mut_doc *d = NULL;
    return s->value.ptr && !represent_decode(p->type, p->version, s, &p->arena, &d, NULL)
               ? yyjson_mut_doc_get_root(d)
               : NULL;
}

static struct watch_parsed *parse(struct watcher *w, struct watch_entry *e, bool labels_only)
{
    struct watch_parsed *p = ALLOC(struct watch_parsed);
    arena_init(&p->arena, LABELS_CHUNK);
    p->type = type_ref(w->type);
    if (labels_only) {
        yyjson_mut_doc *d = json_doc(&p->arena);
        p->now = labels_of(d, e->value);
        p->was = labels_of(d, e->prev);
    } else {
        const struct stored now = stored_of(w, e, false), was = stored_of(w, e, true);
        p->version = w->version;
        p->now = whole_of(p, &now);
        p->was = whole_of(p, &was);
    }
    return p;
}

static struct watch_parsed *find_parsed(struct watch_parsed *p, const struct watcher *w,
                                        bool labels_only)
{
    while (p && !(labels_only ? !p->version : p->type == w->type && p->version == w->version)) {
        p = p->next;
    }
    return p;
}

static struct watch_parsed *parsed(struct watcher *w, struct watch_entry *e, bool labels_only)
{
    struct watch_parsed *head = atomic_load_explicit(&e->parsed, memory_order_acquire);
    struct watch_parsed *p = find_parsed(head, w, labels_only);
    if (p) {
        return p;
    }
    p = parse(w, e, labels_only);
    do {
        struct watch_parsed *other = find_parsed(head, w, labels_only);
        if (other) {
            parsed_free(p);
            return other;
        }
        p->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&e->parsed, &head, p, memory_order_acq_rel,
                                                    memory_order_acquire));
    watch_entry_account(e, sizeof(*p) + p->arena.total);
    return p;
}

/* An object keeps its uid and its namespace, so it never leaves its shard. */
static bool in_shard(const struct watcher *w, const struct watch_entry *e,
                     const struct watch_parsed *p)
{
    const struct shard_selector *shard = w->op->list.shard;
    struct str ns = STR_NULL, name;
    if (!shard || !shard_by_namespace(shard)) {
        return shard_match(shard, metadata_uid(p->now ? p->now : p->was));
    }
    type_key_parse(w->type, str_make(e->key, e->key_len), &ns, &name);
    return shard_match(shard, ns);
}

/* A webhook may change labels. */
bool watch_judges_labels(const struct watcher *w)
{
    const struct list_options *o = &w->op->list;
    return !o->fields && (!o->shard || shard_by_namespace(o->shard)) && !w->waits;
}

bool watch_judge(struct watcher *w, struct watch_entry *e, enum watch_event_type *ret)
{
    bool now = e->value, was = e->prev;
    if (w->selective) {
        const struct list_options *o = &w->op->list;
        bool labels_only = watch_judges_labels(w);
        struct watch_parsed *p = parsed(w, e, labels_only);
        if (!in_shard(w, e, p)) {
            return false;
        }
        if (labels_only) {
            now = now && selector_match_labels(o->labels, p->now);
            was = was && selector_match_labels(o->labels, p->was);
        } else {
            now = now && p->now && selector_match(o->labels, o->fields, p->now);
            was = was && p->was && selector_match(o->labels, o->fields, p->was);
        }
    }
    *ret = now ? (was ? WATCH_MODIFIED : WATCH_ADDED) : WATCH_DELETED;
    return now || was;
}

/* ---- lines ---- */

static const char *const type_names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};

static void begin_line(struct buf *b, enum watch_event_type type)
{
    buf_addz(b, "{\"type\":\"");
    buf_addz(b, type_names[type]);
    buf_addz(b, "\",\"object\":");
}

/* The line, or the frame, of an encoding; NULL: its kind has none. */
static struct blob *end_line(struct buf *b, const struct type *t, enum encoding encoding,
                             struct err *err)
{
    buf_addz(b, "}\n");
    return encoding_event(b, 0, encoding, t, err) < 0 ? NULL : blob_create(buf_str(b));
}

/* A line that is being made. */
struct line {
    struct buf b;
    struct type *t;
    const struct type_version *v;
    const struct representation *r;
    enum watch_event_type type;
    bool columns;
};

static int add_object(struct line *l, const struct stored *s, struct err *err)
{
    if (l->r->as == REPRESENT_OBJECT && represent_is_splice(l->t, l->v, s)) {
        represent_splice(&l->b, l->t, s);
        return 0;
    }
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    int rc = represent_decode(l->t, l->v, s, &a, &d, err);
    yyjson_mut_val *obj = rc ? NULL : yyjson_mut_doc_get_root(d);
    if (!rc && l->r->as == REPRESENT_OBJECT) {
        json_write(&l->b, obj);
    } else if (!rc && l->r->as == REPRESENT_PARTIAL) {
        represent_partial(&l->b, obj, l->r->v1beta1);
    } else if (!rc) {
        represent_table(&l->b, l->t, l->v, l->r, obj, l->columns, STR_NULL);
    }
    arena_finish(&a);
    return rc;
}

static struct blob *make_line(struct line *l, const struct stored *s, struct err *err)
{
    buf_reserve(&l->b, s->value.len + 128);
    begin_line(&l->b, l->type);
    struct blob *line = add_object(l, s, err) ? NULL : end_line(&l->b, l->t, l->r->encoding, err);
    buf_finish(&l->b);
    return line;
}

struct blob *watch_line_plain(struct type *t, const struct type_version *v,
                              const struct representation *r, enum watch_event_type type,
                              const struct stored *s, struct err *err)
{
    return make_line(&(struct line){.t = t, .v = v, .r = r, .type = type}, s, err);
}

struct str watch_shown_object(const struct watch_shown *s)
{
    struct str line = blob_str(s->line);
    size_t head = sizeof("{\"type\":\"\",\"object\":") - 1 + strlen(type_names[s->type_shown]);
    return str_make(line.ptr + head, line.len - head - 2);
}

/* Only the first event of a Table watch has columns. */
static bool takes_columns(const struct watcher *w)
{
    return w->r.as == REPRESENT_TABLE && !w->columns_given;
}

struct blob *watch_line(struct watcher *w, enum watch_event_type type, const struct stored *s)
{
    struct line l = {
        .t = w->type, .v = w->version, .r = &w->r, .type = type, .columns = takes_columns(w)};
    struct blob *line = make_line(&l, s, NULL);
    w->columns_given |= line != NULL;
    return line;
}

/* Whether the line of a conversion is the watcher's, too. */
static bool is_plain(const struct watcher *w)
{
    return w->r.as == REPRESENT_OBJECT && w->r.encoding == ENCODING_JSON;
}

static unsigned form_key(const struct watcher *w, enum watch_event_type type)
{
    return (unsigned)type | (unsigned)w->r.as << 3 | (unsigned)w->r.include << 5 |
           (unsigned)w->r.v1beta1 << 7 | (unsigned)takes_columns(w) << 8 |
           (unsigned)w->r.encoding << 9;
}

static struct watch_form *find_form(struct watch_form *f, const struct watcher *w, unsigned key)
{
    while (f && (f->key != key || f->version != w->version || f->type != w->type)) {
        f = f->next;
    }
    return f;
}

/* The line of a converted object in a form that shows all of it. */
static struct blob *wrap_shown(struct watcher *w, enum watch_event_type type,
                               const struct watch_shown *shown, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    begin_line(&b, type);
    buf_add(&b, watch_shown_object(shown));
    return end_line(&b, w->type, w->r.encoding, err);
}

static struct watch_form *make_form(struct watcher *w, struct watch_entry *e,
                                    enum watch_event_type type, unsigned key, struct err *err)
{
    const struct watch_shown *shown = watch_shown_done(e, w, type == WATCH_DELETED);
    const struct stored s = stored_of(w, e, type == WATCH_DELETED);
    struct line l = {
        .t = w->type, .v = w->version, .r = &w->r, .type = type, .columns = takes_columns(w)};
    struct blob *line = shown && w->r.as == REPRESENT_OBJECT ? wrap_shown(w, type, shown, err)
                                                             : make_line(&l, &s, err);
    if (!line) {
        return NULL;
    }
    struct watch_form *f = ALLOC(struct watch_form);
    f->type = type_ref(w->type);
    f->version = w->version;
    f->key = key;
    f->line = line;
    return f;
}

struct blob *watch_entry_line(struct watcher *w, struct watch_entry *e, enum watch_event_type type,
                              struct err *err)
{
    const struct watch_shown *shown =
        is_plain(w) ? watch_shown_done(e, w, type == WATCH_DELETED) : NULL;
    if (shown && shown->type_shown == type) {
        return blob_ref(shown->line);
    }
    unsigned key = form_key(w, type);
    struct watch_form *head = atomic_load_explicit(&e->forms, memory_order_acquire);
    struct watch_form *f = find_form(head, w, key);
    if (!f) {
        struct watch_form *mine = f = make_form(w, e, type, key, err);
        if (!mine) {
            return NULL;
        }
        do {
            f = find_form(head, w, key);
            mine->next = head;
        } while (!f && !atomic_compare_exchange_weak_explicit(
                           &e->forms, &head, mine, memory_order_acq_rel, memory_order_acquire));
        if (f) {
            form_free(mine);
        } else {
            f = mine;
            watch_entry_account(e, sizeof(*f) + blob_bytes(f->line));
        }
    }
    w->columns_given = true;
    return blob_ref(f->line);
}

/* An object with nothing in it but its revision, as the reference makes it. */
static void add_bookmark(struct buf *b, const struct watcher *w, int64_t rev, bool initial_end)
{
    const char *meta = w->r.v1beta1 ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
    if (w->r.as == REPRESENT_PARTIAL) {
        buf_printf(b, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s\"", meta);
    } else {
        buf_printf(b, "{\"kind\":\"%.*s\",\"apiVersion\":\"%.*s\"", STR_FMT(w->type->kind),
                   STR_FMT(w->version->api_version));
    }
    buf_printf(b, ",\"metadata\":{\"resourceVersion\":\"%lld\"", (long long)rev);
    if (initial_end) {
        buf_addz(b, ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}");
    }
    buf_addz(b, "}}");
}

/* A Table of that object: as any other event's, but that the one that ends the initial events
 * always shows its annotation. */
static void add_bookmark_table(struct buf *b, struct watcher *w, struct str object,
                               bool initial_end)
{
    struct arena a;
    arena_init(&a, 0);
    yyjson_mut_doc *d = NULL;
    if (json_read_own(&a, object, &d, NULL) == 0) {
        struct representation r = w->r;
        if (initial_end && r.include == INCLUDE_NONE) {
            r.include = INCLUDE_METADATA;
        }
        represent_table(b, w->type, w->version, &r, yyjson_mut_doc_get_root(d), takes_columns(w),
                        STR_NULL);
        w->columns_given = true;
    }
    arena_finish(&a);
}

struct blob *watch_line_bookmark(struct watcher *w, int64_t rev, bool initial_end)
{
    AUTO(buf_finish) struct buf b = {0}, object = {0};
    begin_line(&b, WATCH_BOOKMARK);
    if (w->r.as == REPRESENT_TABLE) {
        add_bookmark(&object, w, rev, initial_end);
        add_bookmark_table(&b, w, buf_str(&object), initial_end);
    } else {
        add_bookmark(&b, w, rev, initial_end);
    }
    return end_line(&b, w->type, w->r.encoding, NULL);
}

struct blob *watch_line_error(struct watcher *w, const struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    begin_line(&b, WATCH_ERROR);
    status_write(&b, err);
    return end_line(&b, w->type, w->r.encoding, NULL);
}
