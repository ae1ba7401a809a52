/* SPDX-License-Identifier: Apache-2.0 */
/* Which names are taken: a chained hash table. */
#include "services/definitions/taken_priv.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/crypto.h"

enum { FIRST_BUCKETS = 64 };

struct taken_slot {
    struct taken_slot *next;
    uint64_t hash;
    size_t count;
    enum taken_what what;
    struct str group, name; /* behind the slot, in the same memory */
};

static uint64_t hash_of(struct str group, enum taken_what what, struct str name)
{
    uint64_t h =
        crypto_hash64_more(crypto_hash64(group), what == TAKEN_KIND ? STR("/k/") : STR("/r/"));
    return crypto_hash64_more(h, name);
}

static struct taken_slot **find(const struct taken *t, uint64_t hash, struct str group,
                                enum taken_what what, struct str name)
{
    struct taken_slot **at = &t->buckets[hash & (t->cap - 1)];
    while (*at && ((*at)->hash != hash || (*at)->what != what || !str_eq((*at)->group, group) ||
                   !str_eq((*at)->name, name))) {
        at = &(*at)->next;
    }
    return at;
}

static void grow(struct taken *t)
{
    size_t cap = t->cap ? t->cap * 2 : FIRST_BUCKETS;
    struct taken_slot **buckets = alloc_zero(cap * sizeof(struct taken_slot *));
    for (size_t i = 0; i < t->cap; i++) {
        for (struct taken_slot *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            s->next = buckets[s->hash & (cap - 1)];
            buckets[s->hash & (cap - 1)] = s;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->cap = cap;
}

static struct str place(char *at, struct str s)
{
    if (s.len) {
        memcpy(at, s.ptr, s.len);
    }
    return str_make(at, s.len);
}

void taken_add(struct taken *t, struct str group, enum taken_what what, struct str name)
{
    uint64_t hash = hash_of(group, what, name);
    if (t->n >= t->cap) {
        grow(t);
    }
    struct taken_slot **at = find(t, hash, group, what, name);
    if (*at) {
        (*at)->count++;
        return;
    }
    struct taken_slot *s = alloc_zero(sizeof(*s) + group.len + name.len);
    char *text = (char *)(s + 1);
    *s = (struct taken_slot){.hash = hash, .count = 1, .what = what};
    s->group = place(text, group);
    s->name = place(text + group.len, name);
    *at = s;
    t->n++;
}

void taken_drop(struct taken *t, struct str group, enum taken_what what, struct str name)
{
    struct taken_slot **at = t->cap ? find(t, hash_of(group, what, name), group, what, name) : NULL;
    if (at && *at && --(*at)->count == 0) {
        struct taken_slot *gone = *at;
        *at = gone->next;
        free(gone);
        t->n--;
    }
}

bool taken_has(const struct taken *t, struct str group, enum taken_what what, struct str name)
{
    return t->cap && *find(t, hash_of(group, what, name), group, what, name);
}

void taken_finish(struct taken *t)
{
    for (size_t i = 0; i < t->cap; i++) {
        for (struct taken_slot *s = t->buckets[i], *next; s; s = next) {
            next = s->next;
            free(s);
        }
    }
    free(t->buckets);
    *t = (struct taken){0};
}
