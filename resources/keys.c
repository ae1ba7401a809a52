/* SPDX-License-Identifier: Apache-2.0 */
/* A hash index over borrowed texts. Clients choose the texts, so the hash is seeded at random. */
#include "resources/keys_priv.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/json.h"
#include "resources/tree_priv.h"

#include <stdlib.h>

enum { FEW = 8 };

static uint64_t hash_of(struct str s, uint64_t seed)
{
    uint64_t h = seed;
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * 0x9fb21c651e98df25ULL;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

/* The same for all sets of a thread: it only has to be beyond the guess of who sends the texts. */
static uint64_t hash_seed(void)
{
    static _Thread_local uint64_t seed;
    while (!seed) {
        crypto_random(&seed, sizeof(seed));
    }
    return seed;
}

void keys_init(struct keys *k, struct str *texts, size_t n)
{
    *k = (struct keys){.texts = texts, .n = n};
    if (n <= FEW) {
        return;
    }
    k->seed = hash_seed();
    for (k->size = 32; k->size < n * 2;) {
        k->size *= 2;
    }
    k->slots = alloc_zero(k->size * sizeof(*k->slots));
    for (size_t i = 0; i < n; i++) {
        size_t at = hash_of(texts[i], k->seed) & (k->size - 1);
        while (k->slots[at] && !str_eq(texts[k->slots[at] - 1], texts[i])) {
            at = (at + 1) & (k->size - 1);
        }
        if (!k->slots[at]) {
            k->slots[at] = (uint32_t)i + 1;
        }
    }
}

void keys_of_object(struct keys *k, const yyjson_mut_val *obj)
{
    size_t n = yyjson_mut_obj_size(tree_unconst(obj)), i = 0;
    struct str *texts = alloc_bytes((n ? n : 1) * sizeof(*texts));
    for (struct json_iter it = json_iter(obj); i < n && json_next(&it);) {
        texts[i++] = json_str(it.key);
    }
    keys_init(k, texts, n);
}

void keys_finish(struct keys *k)
{
    free(k->texts);
    free(k->slots);
    *k = (struct keys){0};
}

size_t keys_find(const struct keys *k, struct str text)
{
    if (!k->slots) {
        size_t i = 0;
        while (i < k->n && !str_eq(k->texts[i], text)) {
            i++;
        }
        return i;
    }
    size_t at = hash_of(text, k->seed) & (k->size - 1);
    while (k->slots[at]) {
        size_t i = k->slots[at] - 1;
        if (str_eq(k->texts[i], text)) {
            return i;
        }
        at = (at + 1) & (k->size - 1);
    }
    return k->n;
}
