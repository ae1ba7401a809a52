/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a large store out of a small one: copies the object whose key ends in /NAME (a name that
 * ends in zeros, as w-00000000) under new names until the objects hold so many bytes. The copies
 * are what a server wrote, but for name and uid.
 *
 * Build: cc -O2 -D_GNU_SOURCE -I. bench/store_fill.c B/libstorage.a B/libbase.a
 *        -lsqlite3 -lyyjson -lcrypto -luuid -lz -pthread -o store_fill
 *
 * Use: store_fill DIR KEY BYTES, with the server stopped; prints the number of objects. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "storage/store.h"

enum { TXN_BYTES = 1 << 20, TXN_OPS_MAX = 1024, FLIGHTS = 8, DIGITS = 8, UID_TEXT = 36 };

struct fill {
    struct store *s;
    struct str key; /* of what is copied */
    struct blob *value;
    uint64_t stamp;
    size_t next, end, flying, per_txn;
    pthread_mutex_t lock;
    pthread_cond_t idle;
};

struct flight {
    struct fill *f;
    struct store_txn txn;
    struct store_op ops[TXN_OPS_MAX];
    char keys[TXN_OPS_MAX][256];
};

/* Writes i over the digits that name ends in. */
static void number(char *name_end, size_t i)
{
    char text[32];
    snprintf(text, sizeof(text), "%0*zu", DIGITS, i);
    memcpy(name_end - DIGITS, text, DIGITS);
}

static struct str name_of(struct str key)
{
    size_t at = key.len;
    while (at && key.ptr[at - 1] != '/') {
        at--;
    }
    return str_skip(key, at);
}

static struct blob *copy_of(const struct fill *f, size_t i)
{
    struct blob *b = blob_alloc(f->value->len);
    memcpy(b->data, f->value->data, f->value->len);
    struct str name = name_of(f->key);
    char *end = b->data + b->len, *at = b->data;
    while ((at = memmem(at, (size_t)(end - at), name.ptr, name.len))) {
        at += name.len;
        number(at, i);
    }
    static const char uid[] = "\"uid\":\"";
    at = memmem(b->data, b->len, uid, sizeof(uid) - 1);
    if (at && end - at > (ptrdiff_t)sizeof(uid) + UID_TEXT) {
        number(at + sizeof(uid) - 1 + UID_TEXT, i);
    }
    return b;
}

static void fly(struct flight *l);

static void landed(void *arg, const struct store_outcome *o)
{
    struct flight *l = arg;
    if (o->code) {
        fprintf(stderr, "store_fill: %d %s\n", o->code, o->text ? o->text : "");
        exit(1);
    }
    for (size_t i = 0; i < l->txn.n_ops; i++) {
        blob_unref(l->ops[i].value);
    }
    fly(l);
}

/* The numbers of the next transaction: false when there are none left. */
static bool take(struct fill *f, size_t *ret_from, size_t *ret_n)
{
    pthread_mutex_lock(&f->lock);
    *ret_from = f->next;
    *ret_n = f->end - f->next < f->per_txn ? f->end - f->next : f->per_txn;
    f->next += *ret_n;
    if (!*ret_n) {
        f->flying--;
        pthread_cond_signal(&f->idle);
    }
    pthread_mutex_unlock(&f->lock);
    return *ret_n != 0;
}

static void fly(struct flight *l)
{
    struct fill *f = l->f;
    size_t from, n;
    if (!take(f, &from, &n)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(l->keys[i], f->key.ptr, f->key.len);
        number(l->keys[i] + f->key.len, from + i);
        l->ops[i] = (struct store_op){.key = str_make(l->keys[i], f->key.len),
                                      .value = copy_of(f, from + i),
                                      .stamp = f->stamp};
    }
    l->txn = (struct store_txn){.ops = l->ops, .n_ops = n, .who = STR("store_fill")};
    store_submit(f->s, &l->txn, landed, l);
}

static void run(struct fill *f, size_t bytes)
{
    f->end = bytes / f->value->len;
    f->next = 1;
    f->per_txn = TXN_BYTES / f->value->len;
    f->per_txn = f->per_txn < 1 ? 1 : f->per_txn > TXN_OPS_MAX ? TXN_OPS_MAX : f->per_txn;
    f->flying = FLIGHTS;
    struct flight *flights = alloc_zero(FLIGHTS * sizeof(*flights));
    for (size_t i = 0; i < FLIGHTS; i++) {
        flights[i].f = f;
        fly(&flights[i]);
    }
    pthread_mutex_lock(&f->lock);
    while (f->flying) {
        pthread_cond_wait(&f->idle, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    free(flights);
}

static int fail(const char *what, const struct err *err)
{
    fprintf(stderr, "store_fill: %s: %s\n", what, err_message(err));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: store_fill DIR KEY BYTES\n");
        return 2;
    }
    struct err err = {0};
    struct store_options o = {.dir = argv[1], .window_ms = -1};
    struct fill f = {.key = str_from(argv[2])};
    if (f.key.len < DIGITS || f.key.len >= sizeof(((struct flight *)0)->keys[0])) {
        return fail(argv[2], &err);
    }
    pthread_mutex_init(&f.lock, NULL);
    pthread_cond_init(&f.idle, NULL);
    if (store_open_sqlite(&o, &f.s, &err)) {
        return fail(argv[1], &err);
    }
    struct store_entry e;
    if (store_get(f.s, f.key, 0, &f.value, &e, NULL, &err)) {
        return fail(argv[2], &err);
    }
    f.stamp = e.stamp;
    run(&f, strtoul(argv[3], NULL, 10));
    printf("%zu\n", f.end);
    blob_unref(f.value);
    store_close(f.s);
    return 0;
}
