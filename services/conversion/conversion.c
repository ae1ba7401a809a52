/* SPDX-License-Identifier: Apache-2.0 */
/* The service's life, and the converter that a definition's type gets. */
#include "services/conversion/conversion.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/cleanup.h"
#include "services/conversion/conversion_priv.h"
#include "services/conversion/rules_priv.h"
#include "services/wire.gen.h"

void conversion_ref(struct conversion *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void conversion_unref(struct conversion *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->idle);
        free(c);
    }
}

/* Whether stored objects may be in other versions than the storage version. */
static bool is_mixed(const yyjson_mut_val *definition, const struct type *t)
{
    yyjson_mut_val *stored = json_path(definition, "status", "storedVersions", NULL);
    struct json_iter it = json_iter(stored);
    while (json_next(&it)) {
        if (!str_eq(json_str(it.val), type_storage(t)->name)) {
            return true;
        }
    }
    return false;
}

void conversion_note_stored(const yyjson_mut_val *definition, const struct type *t)
{
    if (t->converter) {
        atomic_store(&t->converter->mixed, is_mixed(definition, t));
    }
}

int conversion_attach(struct conversion *c, const yyjson_mut_val *definition, struct type *t,
                      struct err *err)
{
    struct str strategy = json_str(json_path(definition, "spec", "conversion", "strategy", NULL));
    struct str rules =
        json_str(json_path(definition, "metadata", "annotations", CONVERSION_RULES, NULL));
    struct converter *made = NULL;
    int rc = 0;
    if (t->n_versions < 2) {
        return 0;
    }
    if (str_is(strategy, "Webhook")) {
        rc = webhook_create(c, definition, &made, err);
    } else if (rules.len) {
        rc = rules_converter(rules, &made, err);
    }
    if (!rc && made) {
        atomic_store(&made->mixed, is_mixed(definition, t));
        t->converter = made;
    }
    return rc;
}

int conversion_provide(const struct conversion_deps *d, struct conversion **ret, struct err *err)
{
    (void)err;
    struct conversion *c = ALLOC(struct conversion);
    atomic_init(&c->refs, 1);
    c->metrics = d->metrics;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->idle, NULL);
    *ret = c;
    return 0;
}

/* Ends the calls under way, and no new ones begin: who waits for them is told so. */
static void close_calls(struct conversion *c)
{
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    for (struct conversion_call *k = c->calls; k; k = k->next) {
        httpc_cancel(c->http, k->id);
    }
    pthread_mutex_unlock(&c->lock);
}

static void close_later(void *arg)
{
    close_calls(arg);
}

void conversion_stop_in(struct conversion *c, int64_t ms)
{
    pthread_mutex_lock(&c->lock);
    if (c->http) {
        httpc_later(c->http, ms, close_later, c);
    }
    pthread_mutex_unlock(&c->lock);
}

/* The engine is still there (the manifest requires it for this), for it waits for every operation.
 */
void conversion_release(struct conversion *c)
{
    if (!c) {
        return;
    }
    close_calls(c);
    pthread_mutex_lock(&c->lock);
    while (c->calls) {
        pthread_cond_wait(&c->idle, &c->lock);
    }
    struct httpc *http = take(&c->http);
    pthread_mutex_unlock(&c->lock);
    httpc_destroy(http);
    conversion_unref(c);
}
