/* SPDX-License-Identifier: Apache-2.0 */
/* The admission chain: the list of plugins, in order, and its three passes. */
#include "resources/admission.h"

#include "base/alloc.h"
#include "resources/engine_priv.h"

#include <string.h>

void engine_add_admission(struct engine *e, const struct admission_plugin *p)
{
    if (e->n_plugins == e->cap_plugins) {
        e->cap_plugins = e->cap_plugins ? e->cap_plugins * 2 : 8;
        e->plugins = alloc_resize(e->plugins, e->cap_plugins * sizeof(*e->plugins));
    }
    size_t at = e->n_plugins;
    while (at > 0 && e->plugins[at - 1].order > p->order) {
        at--;
    }
    memmove(&e->plugins[at + 1], &e->plugins[at], (e->n_plugins - at) * sizeof(*e->plugins));
    e->plugins[at] = *p;
    e->n_plugins++;
}

int admission_mutate(struct engine *e, struct admission_request *r, struct err *err)
{
    for (size_t i = 0; i < e->n_plugins; i++) {
        const struct admission_plugin *p = &e->plugins[i];
        int rc = p->mutate ? p->mutate(p->self, r, err) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int admission_complete(struct engine *e, struct admission_request *r, struct err *err)
{
    for (size_t i = 0; i < e->n_plugins; i++) {
        const struct admission_plugin *p = &e->plugins[i];
        int rc = p->complete ? p->complete(p->self, r, err) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int admission_validate(struct engine *e, struct admission_request *r, struct err *err)
{
    for (size_t i = 0; i < e->n_plugins; i++) {
        const struct admission_plugin *p = &e->plugins[i];
        int rc = p->validate ? p->validate(p->self, r, err) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}
