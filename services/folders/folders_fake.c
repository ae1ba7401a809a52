/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for the tests of other services: a table of uids in place of the tree. The admission
 * plugin is the service's own. */
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "resources/status.h"
#include "services/folders/folders_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

struct fake_folder {
    struct fake_folder *next;
    char *ns, *uid;
};

/* The service's struct with what the fake adds. */
struct fake {
    struct folders base; /* first */
    pthread_mutex_t lock;
    struct fake_folder *items;
};

static struct fake_folder **find(struct fake *f, struct scope s, struct str uid)
{
    struct fake_folder **at = &f->items;
    while (*at && !(str_is(s.ns, (*at)->ns) && str_is(uid, (*at)->uid))) {
        at = &(*at)->next;
    }
    return at;
}

void folders_fake_add(struct folders *f, struct scope s, const char *uid)
{
    struct fake *fake = (struct fake *)f;
    struct fake_folder *item = ALLOC(struct fake_folder);
    item->ns = alloc_printf("%.*s", STR_FMT(s.ns));
    item->uid = alloc_strdup(uid);
    pthread_mutex_lock(&fake->lock);
    item->next = fake->items;
    fake->items = item;
    pthread_mutex_unlock(&fake->lock);
}

void folders_fake_remove(struct folders *f, struct scope s, const char *uid)
{
    struct fake *fake = (struct fake *)f;
    pthread_mutex_lock(&fake->lock);
    struct fake_folder **at = find(fake, s, str_from(uid)), *gone = *at;
    if (gone) {
        *at = gone->next;
        free(gone->ns);
        free(gone->uid);
        free(gone);
    }
    pthread_mutex_unlock(&fake->lock);
}

static int not_found(struct err *err, struct str uid)
{
    err_set(err, ERR_NOT_FOUND, "folders.folder.grafana.app \"%.*s\" not found", STR_FMT(uid));
    err_about(err, STR(FOLDERS_GROUP), STR(FOLDERS_RESOURCE), uid);
    return ERR_NOT_FOUND;
}

int folders_check(struct folders *f, struct write *w, struct scope s, struct str uid,
                  struct err *err)
{
    struct fake *fake = (struct fake *)f;
    pthread_mutex_lock(&fake->lock);
    bool there = folders_is_root(uid) || *find(fake, s, uid);
    pthread_mutex_unlock(&fake->lock);
    return there || write_op(w)->presumes ? 0 : not_found(err, uid);
}

/* Every folder of the table is at the root, and its title is its uid. */
int folders_climb(struct folders *f, struct scope s, struct str uid, folders_step_fn *visit,
                  void *arg, struct err *err)
{
    struct fake *fake = (struct fake *)f;
    (void)err;
    if (folders_is_root(uid)) {
        return 0;
    }
    pthread_mutex_lock(&fake->lock);
    bool there = *find(fake, s, uid) != NULL;
    pthread_mutex_unlock(&fake->lock);
    const struct folders_step step = {
        .uid = uid, .title = there ? uid : STR_NULL, .parent = STR(""), .missing = !there};
    return visit(arg, &step);
}

int folders_provide(const struct folders_deps *d, struct folders **ret, struct err *err)
{
    struct fake *f = ALLOC(struct fake);
    (void)err;
    f->base = (struct folders){.engine = d->engine, .registry = d->registry};
    pthread_mutex_init(&f->lock, NULL);
    folders_plugin_add(d->engine, &f->base);
    *ret = &f->base;
    return 0;
}

void folders_release(struct folders *f)
{
    struct fake *fake = (struct fake *)f;
    while (fake && fake->items) {
        struct fake_folder *next = fake->items->next;
        free(fake->items->ns);
        free(fake->items->uid);
        free(fake->items);
        fake->items = next;
    }
    if (fake) {
        pthread_mutex_destroy(&fake->lock);
    }
    free(fake);
}

/* Nothing is done in the background. */
int folders_run(struct folders *f, struct service_stop *stop, struct err *err)
{
    (void)f;
    (void)err;
    service_wait(stop, -1);
    return 0;
}
