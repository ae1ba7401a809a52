/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that a source owns. They are stored in parts, Inventory objects of some hundred items
 * each by the hash of the item, so that a change of one item writes a part and not the whole. Each
 * is stored before its object is made and dropped after that is gone: what is stored is never less
 * than what is there. */
#include "services/provisioning/inventory_priv.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "resources/metadata.h"

#define LABEL "provisioning.coracle.dev/source"

enum { SHARD_ITEMS = 200 };

static const struct client_ref of_inventories = {.group = {"provisioning.coracle.dev", 24},
                                                 .version = {"v1", 2},
                                                 .resource = {"inventories", 11}};

/* ---- in memory ---- */

static uint64_t hash(const struct client_ref *r)
{
    uint64_t h = crypto_hash64(r->group);
    h = crypto_hash64_more(crypto_hash64_more(h, STR("/")), r->resource);
    h = crypto_hash64_more(crypto_hash64_more(h, STR("/")), r->ns);
    return crypto_hash64_more(crypto_hash64_more(h, STR("/")), r->name);
}

void inventory_init(struct inventory *v, struct str source)
{
    *v = (struct inventory){.source = source, .n_buckets = 64};
    v->buckets = alloc_zero(v->n_buckets * sizeof(*v->buckets));
}

static void free_text(struct str s)
{
    free((void *)(uintptr_t)s.ptr);
}

static void item_free(struct item *i)
{
    free_text(i->ref.group);
    free_text(i->ref.resource);
    free_text(i->ref.ns);
    free_text(i->ref.name);
    free(i->path);
    free(i->message);
    free(i);
}

void inventory_finish(struct inventory *v)
{
    for (size_t b = 0; b < v->n_buckets; b++) {
        for (struct item *i = v->buckets[b], *next; i; i = next) {
            next = i->next;
            item_free(i);
        }
    }
    free(v->buckets);
    free(v->shards);
    *v = (struct inventory){0};
}

static bool is_same(const struct client_ref *a, const struct client_ref *b)
{
    return str_eq(a->name, b->name) && str_eq(a->ns, b->ns) && str_eq(a->resource, b->resource) &&
           str_eq(a->group, b->group);
}

struct item *inventory_find(const struct inventory *v, const struct client_ref *ref)
{
    struct item *i = v->buckets[hash(ref) & (v->n_buckets - 1)];
    while (i && !is_same(&i->ref, ref)) {
        i = i->next;
    }
    return i;
}

static void link_item(struct inventory *v, struct item *i)
{
    struct item **at = &v->buckets[hash(&i->ref) & (v->n_buckets - 1)];
    i->next = *at;
    *at = i;
}

static void grow(struct inventory *v)
{
    struct item **old = v->buckets;
    size_t n = v->n_buckets;
    v->n_buckets = n * 2;
    v->buckets = alloc_zero(v->n_buckets * sizeof(*v->buckets));
    for (size_t b = 0; b < n; b++) {
        for (struct item *i = old[b], *next; i; i = next) {
            next = i->next;
            link_item(v, i);
        }
    }
    free(old);
}

static struct str keep(struct str s)
{
    return str_make(alloc_str(s), s.len);
}

void item_set_path(struct item *i, struct str path)
{
    if (!i->path || !str_is(path, i->path)) {
        free(i->path);
        i->path = alloc_str(path);
    }
}

struct item *inventory_add(struct inventory *v, const struct client_ref *ref, struct str path)
{
    struct item *i = inventory_find(v, ref);
    if (i) {
        return i;
    }
    if (v->n >= v->n_buckets) {
        grow(v);
    }
    i = ALLOC(struct item);
    i->ref = (struct client_ref){.group = keep(ref->group),
                                 .resource = keep(ref->resource),
                                 .ns = keep(ref->ns),
                                 .name = keep(ref->name)};
    i->stage = stage_of(ref->group, ref->resource);
    item_set_path(i, path);
    link_item(v, i);
    v->n++;
    return i;
}

void inventory_drop(struct inventory *v, struct item *i)
{
    struct item **at = &v->buckets[hash(&i->ref) & (v->n_buckets - 1)];
    while (*at != i) {
        at = &(*at)->next;
    }
    *at = i->next;
    v->n--;
    item_free(i);
}

static int by_removal(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    if (x->stage != y->stage) {
        return x->stage < y->stage ? 1 : -1;
    }
    int path = -strcmp(x->path, y->path);
    return path ? path : str_cmp(x->ref.name, y->ref.name);
}

struct item **inventory_sorted(const struct inventory *v)
{
    struct item **all = alloc_bytes((v->n + 1) * sizeof(struct item *));
    size_t n = 0;
    for (size_t b = 0; b < v->n_buckets; b++) {
        for (struct item *i = v->buckets[b]; i; i = i->next) {
            all[n++] = i;
        }
    }
    qsort(all, n, sizeof(struct item *), by_removal);
    return all;
}

/* ---- stored ---- */

static int load_part(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct inventory *v = arg;
    const yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    struct json_iter it = json_iter(json_get(root, "items"));
    struct str name = metadata_name(root);
    const char *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;
    size_t number = dot ? strtoul(dot + 1, NULL, 10) + 1 : 0;
    (void)err;
    v->n_stored = number > v->n_stored ? number : v->n_stored;
    while (it.container && json_next(&it)) {
        const struct client_ref ref = {.group = json_get_str(it.val, "group"),
                                       .resource = json_get_str(it.val, "resource"),
                                       .ns = json_get_str(it.val, "namespace"),
                                       .name = json_get_str(it.val, "name")};
        struct str checksum = json_get_str(it.val, "checksum");
        struct item *i = inventory_add(v, &ref, json_get_str(it.val, "path"));
        i->stored = true;
        if (checksum.len < sizeof(i->checksum)) {
            memcpy(i->checksum, checksum.ptr ? checksum.ptr : "", checksum.len);
        }
    }
    return 0;
}

int inventory_load(struct inventory *v, struct client *c, struct err *err)
{
    AUTO_FREE char *labels = alloc_printf(LABEL "=%.*s", STR_FMT(v->source));
    const struct client_options o = {.labels = str_from(labels)};
    int64_t rev = 0;
    return client_list(c, &of_inventories, &o, load_part, v, &rev, err);
}

/* A power of two, so that doubling moves items between pairs of parts only. */
static size_t shards_for(size_t items)
{
    size_t n = 1;
    while (n * SHARD_ITEMS < items) {
        n *= 2;
    }
    return n;
}

static struct str shard_name(struct arena *a, const struct inventory *v, size_t shard)
{
    return str_from(arena_printf(a, "%.*s.%zu", STR_FMT(v->source), shard));
}

static void add_text(yyjson_mut_doc *d, yyjson_mut_val *o, const char *key, struct str s)
{
    if (s.len) {
        json_set_str(d, o, key, s);
    }
}

static void add_item(yyjson_mut_doc *d, yyjson_mut_val *list, const struct item *i)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);
    add_text(d, o, "group", i->ref.group);
    add_text(d, o, "resource", i->ref.resource);
    add_text(d, o, "namespace", i->ref.ns);
    add_text(d, o, "name", i->ref.name);
    add_text(d, o, "path", str_from(i->path));
    add_text(d, o, "checksum", str_from(i->checksum));
}

/* Writes the part over whatever is there; the server is the only one that does. */
static int write_shard(struct client *c, struct arena *a, yyjson_mut_doc *d, struct err *err)
{
    struct client_ref ref = of_inventories;
    const struct client_options o = {.manager = STR("provisioning"), .force = true};
    ref.name = metadata_name(d->root);
    return client_patch(c, &ref, PATCH_APPLY, d->root, &o, a, &d, err);
}

/* One document a part, with the items that lie there. */
static yyjson_mut_doc **make_shards(const struct inventory *v, struct arena *a, size_t n)
{
    yyjson_mut_doc **docs = arena_alloc(a, n * sizeof(yyjson_mut_doc *));
    for (size_t s = 0; s < n; s++) {
        docs[s] = json_doc(a);
        yyjson_mut_val *o = yyjson_mut_obj(docs[s]);
        yyjson_mut_doc_set_root(docs[s], o);
        json_set_str(docs[s], o, "apiVersion", STR("provisioning.coracle.dev/v1"));
        json_set_str(docs[s], o, "kind", STR("Inventory"));
        yyjson_mut_val *meta = json_ensure_obj(docs[s], o, "metadata");
        json_set_str(docs[s], meta, "name", shard_name(a, v, s));
        json_set_str(docs[s], json_ensure_obj(docs[s], meta, "labels"), LABEL, v->source);
        json_setz(docs[s], o, "items", yyjson_mut_arr(docs[s]));
    }
    AUTO_FREE struct item **all = inventory_sorted(v);
    for (size_t i = 0; i < v->n; i++) {
        size_t s = (size_t)(hash(&all[i]->ref) >> 20) & (n - 1);
        add_item(docs[s], json_get(docs[s]->root, "items"), all[i]);
    }
    return docs;
}

static int drop_shards(struct inventory *v, struct client *c, struct arena *a, size_t from,
                       struct err *err)
{
    while (v->n_stored > from) {
        struct client_ref ref = of_inventories;
        AUTO(err_finish) struct err why = {0};
        ref.name = shard_name(a, v, v->n_stored - 1);
        int rc = client_delete(c, &ref, NULL, &why);
        if (rc && rc != ERR_NOT_FOUND) {
            return err_move(err, &why);
        }
        v->n_stored--;
    }
    return 0;
}

static int save(struct inventory *v, struct client *c, struct arena *a, struct err *err)
{
    size_t n = shards_for(v->n);
    yyjson_mut_doc **docs = make_shards(v, a, n);
    if (n > v->n_shards) {
        v->shards = alloc_resize(v->shards, n * sizeof(*v->shards));
        memset(v->shards + v->n_shards, 0, (n - v->n_shards) * sizeof(*v->shards));
        v->n_shards = n;
    }
    for (size_t s = n;
         s-- > 0;) { /* items move from low parts to high ones: these are written first */
        AUTO(buf_finish) struct buf text = {0};
        json_write(&text, docs[s]->root);
        uint64_t h = crypto_hash64(buf_str(&text));
        if (h != v->shards[s]) {
            int rc = write_shard(c, a, docs[s], err);
            if (rc) {
                return rc;
            }
            v->shards[s] = h;
        }
        v->n_stored = v->n_stored > s ? v->n_stored : s + 1;
    }
    for (size_t s = n; s < v->n_shards; s++) {
        v->shards[s] = 0;
    }
    return drop_shards(v, c, a, n, err);
}

int inventory_save(struct inventory *v, struct client *c, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    int rc = save(v, c, &a, err);
    arena_finish(&a);
    if (rc) {
        return err_wrap(err, "the inventory cannot be written");
    }
    for (size_t b = 0; b < v->n_buckets; b++) {
        for (struct item *i = v->buckets[b]; i; i = i->next) {
            i->stored = true;
        }
    }
    return 0;
}
