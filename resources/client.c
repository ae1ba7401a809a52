/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of a client, whatever stands behind it. */
#include "resources/client.h"

int client_get(struct client *c, const struct client_ref *r, struct arena *a, yyjson_mut_doc **ret,
               struct err *err)
{
    return c->ops->get(c, r, a, ret, err);
}

int client_list(struct client *c, const struct client_ref *r, const struct client_options *o,
                client_visit_fn *visit, void *arg, int64_t *ret_rev, struct err *err)
{
    return c->ops->list(c, r, o, visit, arg, ret_rev, err);
}

int client_create(struct client *c, const struct client_ref *r, yyjson_mut_val *obj,
                  const struct client_options *o, struct arena *a, yyjson_mut_doc **ret,
                  struct err *err)
{
    return c->ops->write(c, VERB_CREATE, r, PATCH_NONE, obj, o, a, ret, err);
}

int client_update(struct client *c, const struct client_ref *r, yyjson_mut_val *obj,
                  const struct client_options *o, struct arena *a, yyjson_mut_doc **ret,
                  struct err *err)
{
    return c->ops->write(c, VERB_UPDATE, r, PATCH_NONE, obj, o, a, ret, err);
}

int client_patch(struct client *c, const struct client_ref *r, enum patch_type type,
                 yyjson_mut_val *patch, const struct client_options *o, struct arena *a,
                 yyjson_mut_doc **ret, struct err *err)
{
    return c->ops->write(c, VERB_PATCH, r, type, patch, o, a, ret, err);
}

int client_delete(struct client *c, const struct client_ref *r, const struct client_options *o,
                  struct err *err)
{
    return c->ops->write(c, VERB_DELETE, r, PATCH_NONE, NULL, o, NULL, NULL, err);
}

void client_close(struct client *c)
{
    if (c) {
        c->ops->close(c);
    }
}

int client_watch(struct client *c, const struct client_ref *r, const struct client_options *o,
                 int64_t from, struct client_watch **ret, struct err *err)
{
    return c->ops->watch(c, r, o, from, ret, err);
}

int client_watch_next(struct client_watch *w, int timeout_ms, client_event_fn *fn, void *arg,
                      struct err *err)
{
    return w->ops->watch_next(w, timeout_ms, fn, arg, err);
}

void client_watch_stop(struct client_watch *w)
{
    w->ops->watch_stop(w);
}

void client_watch_close(struct client_watch *w)
{
    if (w) {
        w->ops->watch_close(w);
    }
}
