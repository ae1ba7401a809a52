/* SPDX-License-Identifier: Apache-2.0 */
/* /api/health, /api/frontend/settings and /bootdata, in Grafana's form and with what is true here.
 */
#include "services/frontend/frontend.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "resources/documents.h"
#include "resources/health.h"
#include "services/service.h"
#include "services/wire.gen.h"

#define CONTENT_TYPE "application/json; charset=UTF-8"

struct frontend {
    const struct health *health;
};

/* The store's own checks, "store" and "store-writes", say whether it can be read and written. */
static void check_store(void *arg, const struct health_check *c)
{
    bool *failing = arg;
    AUTO(err_finish) struct err err = {0};
    if (str_starts(str_from(c->name), STR("store")) && c->check && c->check(c->self, &err)) {
        *failing = true;
    }
}

/* "NA" is Grafana's own word for a commit that is not known. */
static int write_health(void *self, struct buf *body, struct err *err)
{
    const struct frontend *f = self;
    bool failing = false;
    (void)err;
    health_each(f->health, check_store, &failing);
    buf_printf(body,
               "{\n"
               "  \"database\": \"%s\",\n"
               "  \"version\": \"" FRONTEND_VERSION "\",\n"
               "  \"commit\": \"NA\",\n"
               "  \"product\": \"Coracle\"\n"
               "}\n",
               failing ? "failing" : "ok");
    return failing ? 503 : 200;
}

/* Of Grafana's settings those that hold for a server without a frontend. "default" is the namespace
 * of the first organisation. */
static int write_settings(void *self, struct buf *body, struct err *err)
{
    (void)self;
    (void)err;
    buf_addz(body, "{\"buildInfo\":{\"version\":\"" FRONTEND_VERSION "\","
                   "\"versionString\":\"Coracle " CORACLE_VERSION
                   " (API level of Grafana " FRONTEND_LEVEL ")\","
                   "\"commit\":\"NA\",\"edition\":\"Coracle\"},"
                   "\"anonymousEnabled\":false,\"namespace\":\"default\"}\n");
    return 200;
}

/* Where Grafana Cloud names its stack. A client that finds nothing takes the namespace of the
 * organisation it is set to; it asks without credentials, so the answer is anyone's. */
static int write_bootdata(void *self, struct buf *body, struct err *err)
{
    (void)self;
    (void)body;
    return err_set(err, ERR_NOT_FOUND,
                   "there is no boot data: this server has no frontend and belongs to no stack");
}

static void publish(struct documents *d, struct frontend *f)
{
    const struct fixed_document items[] = {
        {"/api/health", CONTENT_TYPE, true, write_health, f},
        {"/api/frontend/settings", CONTENT_TYPE, false, write_settings, f},
        {"/bootdata", CONTENT_TYPE, true, write_bootdata, f},
    };
    for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
        documents_add(d, &items[i]);
    }
}

int frontend_provide(const struct frontend_deps *d, struct frontend **ret, struct err *err)
{
    struct frontend *f = ALLOC(struct frontend);
    (void)err;
    f->health = d->health;
    publish(d->fixed_documents, f);
    *ret = f;
    return 0;
}

void frontend_release(struct frontend *self)
{
    free(self);
}
