/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that are read again and again: a namespace and a definition at every create within them,
 * and whatever clients ask for often. What a slot holds is what the file holds: before a commit the
 * slots of its keys are emptied and barred, and after it they take only what it wrote or what was
 * read in a snapshot that has it. A key is taken up when it is written, for what was just written
 * is often read next, and when it is read a second time with no other key of its slot between. */
#include "storage/sqlite_priv.h"

#include <stdlib.h>

#include "base/alloc.h"

/* SWEEP: slots that a fill looks at for room when BYTES_MAX are held; the oldest unread ones go. */
enum { SLOTS = 8192, LOCKS = 64, VALUE_MAX = 32 * 1024, BYTES_MAX = 4 * 1024 * 1024, SWEEP = 32 };
#define BARRED INT64_MAX

struct slot {
    uint64_t missed; /* hash of the last key that was looked for in vain; 0: found since */
    int64_t from;    /* older snapshots may not fill it */
    char *key;
    struct store_entry entry; /* key and value borrow from the two */
    struct blob *value;       /* NULL: empty */
    bool read;                /* since the last sweep */
};

struct sqlite_cache {
    _Atomic size_t bytes; /* of values */
    _Atomic size_t hand;  /* where the next sweep begins */
    pthread_mutex_t locks[LOCKS];
    struct slot slots[SLOTS]; /* pages that no key came to stay untouched */
};

static uint64_t hash_of(struct str key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ (unsigned char)key.ptr[i]) * 0x100000001b3u;
    }
    h ^= h >> 29;
    return h ? h : 1;
}

static void clear(struct sqlite_cache *c, struct slot *t)
{
    if (t->value) {
        atomic_fetch_sub_explicit(&c->bytes, t->value->len, memory_order_relaxed);
    }
    blob_unref(t->value);
    free(t->key);
    t->value = NULL;
    t->key = NULL;
}

static struct slot *lock_slot(struct sqlite_cache *c, size_t i)
{
    pthread_mutex_lock(&c->locks[i % LOCKS]);
    return &c->slots[i];
}

static void unlock_slot(struct sqlite_cache *c, const struct slot *t)
{
    pthread_mutex_unlock(&c->locks[(size_t)(t - c->slots) % LOCKS]);
}

struct sqlite_cache *sqlite_cache_create(void)
{
    struct sqlite_cache *c = ALLOC(struct sqlite_cache);
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&c->locks[i], NULL);
    }
    return c;
}

void sqlite_cache_destroy(struct sqlite_cache *c)
{
    for (size_t i = 0; c && i < SLOTS; i++) {
        clear(c, &c->slots[i]);
    }
    for (size_t i = 0; c && i < LOCKS; i++) {
        pthread_mutex_destroy(&c->locks[i]);
    }
    free(c);
}

bool sqlite_cache_get(struct sqlite_cache *c, struct str key, struct blob **ret_value,
                      struct store_entry *ret_entry, bool *ret_again)
{
    uint64_t h = hash_of(key);
    struct slot *t = lock_slot(c, h % SLOTS);
    bool found = t->value && str_eq(t->entry.key, key);
    *ret_again = !found && t->missed == h;
    t->missed = found ? 0 : h;
    if (found) {
        *ret_entry = t->entry;
        ret_entry->key = key;
        *ret_value = blob_ref(t->value);
        t->read = true;
    }
    unlock_slot(c, t);
    return found;
}

/* Lets go of what was not read since the hand was here last. */
static void sweep(struct sqlite_cache *c, size_t n)
{
    size_t hand = atomic_fetch_add_explicit(&c->hand, n, memory_order_relaxed);
    for (size_t i = 0; i < n; i++) {
        struct slot *t = lock_slot(c, (hand + i) % SLOTS);
        if (!t->read) {
            clear(c, t);
        }
        t->read = false;
        unlock_slot(c, t);
    }
}

void sqlite_cache_trim(struct sqlite_cache *c)
{
    if (atomic_load_explicit(&c->bytes, memory_order_relaxed)) {
        sweep(c, SLOTS);
    }
}

static bool has_room(struct sqlite_cache *c, size_t n)
{
    if (atomic_load_explicit(&c->bytes, memory_order_relaxed) + n > BYTES_MAX) {
        sweep(c, SWEEP);
    }
    return atomic_load_explicit(&c->bytes, memory_order_relaxed) + n <= BYTES_MAX;
}

/* The slot holds the entry from now on. */
static void put(struct sqlite_cache *c, struct slot *t, struct blob *value,
                const struct store_entry *e)
{
    clear(c, t);
    t->value = blob_ref(value);
    t->key = alloc_str(e->key);
    t->entry = *e;
    t->entry.key = str_make(t->key, e->key.len);
    t->entry.value = blob_str(value);
    atomic_fetch_add_explicit(&c->bytes, value->len, memory_order_relaxed);
}

void sqlite_cache_fill(struct sqlite_cache *c, struct blob *value, const struct store_entry *e,
                       int64_t rev)
{
    if (value->len > VALUE_MAX || !has_room(c, value->len)) {
        return;
    }
    struct slot *t = lock_slot(c, hash_of(e->key) % SLOTS);
    if (rev >= t->from) {
        put(c, t, value, e);
        t->read = true;
    }
    unlock_slot(c, t);
}

void sqlite_cache_written(struct sqlite_cache *c, const struct store_event *e, int64_t rev)
{
    if (!e->deleted && (e->value->len > VALUE_MAX || !has_room(c, e->value->len))) {
        return;
    }
    struct slot *t = lock_slot(c, hash_of(e->key) % SLOTS);
    bool same = t->value && str_eq(t->entry.key, e->key);
    if (e->deleted && same) {
        clear(c, t);
    } else if (!e->deleted && rev >= t->from && (same || !t->value || !t->read)) {
        put(c, t, e->value,
            &(struct store_entry){
                .key = e->key, .rev = e->rev, .create_rev = e->create_rev, .stamp = e->stamp});
    }
    unlock_slot(c, t);
}

void sqlite_cache_bar(struct sqlite_cache *c, struct str key)
{
    struct slot *t = lock_slot(c, hash_of(key) % SLOTS);
    clear(c, t);
    t->from = BARRED;
    unlock_slot(c, t);
}

void sqlite_cache_allow(struct sqlite_cache *c, struct str key, int64_t rev)
{
    struct slot *t = lock_slot(c, hash_of(key) % SLOTS);
    t->from = t->from == BARRED || rev > t->from ? rev : t->from;
    unlock_slot(c, t);
}
