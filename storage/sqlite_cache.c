/* SPDX-License-Identifier: Apache-2.0 */
/* The few keys that are read again and again: a namespace and a definition are at every create within them. What a slot holds is what the
 * file holds: before a commit the slots of its keys are emptied and barred, and after it they take only what was read in a snapshot
 * that has the commit. */
#include "storage/sqlite_priv.h"

#include <stdlib.h>

#include "base/alloc.h"

enum { SLOTS = 64, VALUE_MAX = 32 * 1024 };
#define BARRED INT64_MAX

struct slot {
    pthread_mutex_t lock;
    uint64_t missed; /* hash of the last key that was looked for in vain; 0: found since */
    int64_t from;    /* older snapshots may not fill it */
    char *key;
    struct store_entry entry; /* key and value borrow from the two */
    struct blob *value;       /* NULL: empty */
};

struct sqlite_cache {
    struct slot slots[SLOTS];
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

static void clear(struct slot *t)
{
    blob_unref(t->value);
    free(t->key);
    t->value = NULL;
    t->key = NULL;
}

struct sqlite_cache *sqlite_cache_create(void)
{
    struct sqlite_cache *c = ALLOC(struct sqlite_cache);
    for (size_t i = 0; i < SLOTS; i++) {
        pthread_mutex_init(&c->slots[i].lock, NULL);
    }
    return c;
}

void sqlite_cache_destroy(struct sqlite_cache *c)
{
    for (size_t i = 0; c && i < SLOTS; i++) {
        clear(&c->slots[i]);
        pthread_mutex_destroy(&c->slots[i].lock);
    }
    free(c);
}

bool sqlite_cache_get(struct sqlite_cache *c, struct str key, struct blob **ret_value,
                      struct store_entry *ret_entry, bool *ret_again)
{
    uint64_t h = hash_of(key);
    struct slot *t = &c->slots[h % SLOTS];
    pthread_mutex_lock(&t->lock);
    bool found = t->value && str_eq(t->entry.key, key);
    *ret_again = !found && t->missed == h;
    t->missed = found ? 0 : h;
    if (found) {
        *ret_entry = t->entry;
        ret_entry->key = key;
        *ret_value = blob_ref(t->value);
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

void sqlite_cache_fill(struct sqlite_cache *c, struct blob *value, const struct store_entry *e,
                       int64_t rev)
{
    if (value->len > VALUE_MAX) {
        return;
    }
    struct slot *t = &c->slots[hash_of(e->key) % SLOTS];
    pthread_mutex_lock(&t->lock);
    if (rev >= t->from) {
        clear(t);
        t->value = blob_ref(value);
        t->key = alloc_str(e->key);
        t->entry = *e;
        t->entry.key = str_make(t->key, e->key.len);
        t->entry.value = blob_str(value);
    }
    pthread_mutex_unlock(&t->lock);
}

void sqlite_cache_bar(struct sqlite_cache *c, struct str key)
{
    struct slot *t = &c->slots[hash_of(key) % SLOTS];
    pthread_mutex_lock(&t->lock);
    clear(t);
    t->from = BARRED;
    pthread_mutex_unlock(&t->lock);
}

void sqlite_cache_allow(struct sqlite_cache *c, struct str key, int64_t rev)
{
    struct slot *t = &c->slots[hash_of(key) % SLOTS];
    pthread_mutex_lock(&t->lock);
    t->from = t->from == BARRED || rev > t->from ? rev : t->from;
    pthread_mutex_unlock(&t->lock);
}
