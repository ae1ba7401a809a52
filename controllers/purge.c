/* SPDX-License-Identifier: Apache-2.0 */
/* Deletes every object of a type in a scope and says what remains. */
#include "controllers/purge.h"

#include "base/json.h"

/* Names of objects to delete, as a list in the arena. */
struct victim {
    struct victim *next;
    struct str ns, name, uid;
};

struct search {
    struct arena *arena;
    struct victim *first, **last;
};

static struct str field(struct arena *a, const yyjson_mut_val *obj, const char *key)
{
    return arena_str(a, json_str(json_path(obj, "metadata", key, NULL)));
}

static int find_victim(void *arg, yyjson_mut_doc *obj, struct err *err)
{
    struct search *s = arg;
    (void)err;
    if (json_path(obj->root, "metadata", "deletionTimestamp", NULL)) {
        return 0;
    }
    struct victim *v = ARENA_NEW(s->arena, struct victim);
    v->ns = field(s->arena, obj->root, "namespace");
    v->name = field(s->arena, obj->root, "name");
    v->uid = field(s->arena, obj->root, "uid");
    *s->last = v;
    s->last = &v->next;
    return 0;
}

static int delete_victims(struct client *c, const struct client_ref *ref, const struct victim *v,
                          struct err *err)
{
    for (; v; v = v->next) {
        struct client_ref one = *ref;
        const struct client_options o = {.propagation = PROPAGATION_BACKGROUND, .uid = v->uid};
        one.ns = v->ns;
        one.name = v->name;
        int r = client_delete(c, &one, &o, NULL);
        if (r < 0 && r != ERR_NOT_FOUND && r != ERR_CONFLICT) {
            return client_delete(c, &one, &o, err); /* once more, for its words */
        }
    }
    return 0;
}

struct counting {
    struct arena *arena;
    struct purge_left *left;
};

static void count_finalizer(struct counting *c, struct str name)
{
    struct purge_left *l = c->left;
    for (size_t i = 0; i < l->n_finalizers; i++) {
        if (str_eq(l->finalizers[i].name, name)) {
            l->finalizers[i].objects++;
            return;
        }
    }
    struct purge_finalizer *more = arena_alloc(c->arena, (l->n_finalizers + 1) * sizeof(*more));
    if (l->n_finalizers) {
        memcpy(more, l->finalizers, l->n_finalizers * sizeof(*more));
    }
    more[l->n_finalizers++] = (struct purge_finalizer){arena_str(c->arena, name), 1};
    l->finalizers = more;
}

static int count_left(void *arg, yyjson_mut_doc *obj, struct err *err)
{
    struct counting *c = arg;
    (void)err;
    c->left->objects++;
    struct json_iter it = json_iter(json_path(obj->root, "metadata", "finalizers", NULL));
    while (json_next(&it)) {
        count_finalizer(c, json_str(it.val));
    }
    return 0;
}

int purge(struct client *c, const struct client_ref *ref, struct arena *a, struct purge_left *ret,
          struct err *err)
{
    struct search s = {.arena = a, .last = &s.first};
    struct purge_left left = {0};
    struct counting counting = {a, &left};
    int64_t rev = 0;
    int r = client_list(c, ref, NULL, find_victim, &s, &rev, err);
    if (r == 0) {
        r = delete_victims(c, ref, s.first, err);
    }
    if (r == 0) {
        r = client_list(c, ref, NULL, count_left, &counting, &rev, err);
    }
    if (r == 0) {
        *ret = left;
    }
    return r;
}
