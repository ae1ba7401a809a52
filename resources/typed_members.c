/* SPDX-License-Identifier: Apache-2.0 */
/* Members of an object by name. Two objects mostly have theirs in one order; where they have not, a
 * few misses make a table. */
#include "resources/typed_priv.h"

enum { MISSES_MAX = 4, FEW = 8 };

struct members members_of(struct arena *a, const yyjson_mut_val *obj)
{
    struct members m = {.arena = a, .obj = full_map(obj)};
    m.last = m.obj ? m.obj->uni.ptr : NULL;
    return m;
}

static size_t slot_of(const struct members *m, struct str name)
{
    size_t at = json_key_hash(name.ptr, name.len) & m->mask;
    while (m->slots[at] && !str_eq(name_of(m->slots[at]), name)) {
        at = (at + 1) & m->mask;
    }
    return at;
}

static void make_table(struct members *m)
{
    size_t cap = 16;
    while (cap < json_size(m->obj) * 2) {
        cap *= 2;
    }
    m->slots = arena_zero(m->arena, cap * sizeof(*m->slots));
    m->mask = cap - 1;
    struct ring ring = ring_of(m->obj);
    for (yyjson_mut_val *key; (key = ring_key(&ring));) {
        m->slots[slot_of(m, name_of(key))] = key;
    }
}

/* Goes once round the ring. */
static yyjson_mut_val *scan(struct members *m, struct str name)
{
    yyjson_mut_val *key = m->last;
    do {
        key = key->next->next;
        if (str_eq(name_of(key), name)) {
            m->last = key;
            return key->next;
        }
    } while (key != m->last);
    return NULL;
}

yyjson_mut_val *members_find(struct members *m, struct str name)
{
    if (!m->obj) {
        return NULL;
    }
    yyjson_mut_val *key = m->last->next->next;
    if (str_eq(name_of(key), name)) {
        m->last = key;
        return key->next;
    }
    if (!m->slots) {
        if (json_size(m->obj) <= FEW || m->misses++ < MISSES_MAX) {
            return scan(m, name);
        }
        make_table(m);
    }
    key = m->slots[slot_of(m, name)];
    if (!key) {
        return NULL;
    }
    m->last = key;
    return key->next;
}
