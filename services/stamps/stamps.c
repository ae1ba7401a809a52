/* SPDX-License-Identifier: Apache-2.0 */
/* The admission plugin that stamps, once it is known whether a write changes anything. */
#include "services/stamps/stamps.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "resources/engine.h"
#include "resources/platform.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { LAST = 1000 };

struct stamps {
    struct engine *engine;
};

static struct str typed(const char *type, struct str id, struct arena *a)
{
    return str_from(arena_printf(a, "%s:%.*s", type, STR_FMT(id)));
}

struct str stamps_identity(const struct user *u, struct arena *a)
{
    const struct str account = STR("system:serviceaccount:");
    if (!u) {
        return STR("access-policy:system:coracle");
    }
    if (str_starts(u->name, account)) {
        return typed("service-account", u->uid.len ? u->uid : str_skip(u->name, account.len), a);
    }
    if (user_in_group(u, "system:coracle")) {
        return typed("access-policy", u->name, a);
    }
    if (str_is(u->name, "system:anonymous") || !u->name.len) {
        return STR("anonymous:0");
    }
    return typed("user", u->uid.len ? u->uid : u->name, a);
}

static yyjson_mut_val *annotations_of(const yyjson_mut_val *obj)
{
    return json_get(metadata_of(obj), "annotations");
}

static void set(struct admission_request *r, const char *key, struct str value)
{
    yyjson_mut_val *meta = json_ensure_obj(r->doc, r->obj, "metadata");
    json_set_str(r->doc, json_ensure_obj(r->doc, meta, "annotations"), key, value);
}

static void drop(struct admission_request *r, const char *key)
{
    yyjson_mut_val *annotations = annotations_of(r->obj);
    if (json_remove(annotations, key) && !json_size(annotations)) {
        json_remove(metadata_of(r->obj), "annotations");
    }
}

/* As it was, whatever was sent. */
static void keep(struct admission_request *r, const char *key)
{
    const yyjson_mut_val *was = json_get(annotations_of(r->old), key);
    if (!was) {
        drop(r, key);
    } else if (!str_eq(json_get_str(annotations_of(r->obj), key), json_str(was))) {
        set(r, key, json_str(was));
    }
}

/* The generation stands for the spec. */
static bool changed(const struct admission_request *r)
{
    const yyjson_mut_val *now = metadata_of(r->obj), *was = metadata_of(r->old);
    return json_get_int(now, "generation", 0) != json_get_int(was, "generation", 0) ||
           !str_eq(json_get_str(annotations_of(r->obj), PLATFORM_FOLDER),
                   json_get_str(annotations_of(r->old), PLATFORM_FOLDER)) ||
           metadata_deleting(r->obj) != metadata_deleting(r->old);
}

static void stamp_update(struct admission_request *r)
{
    char now[CLOCK_TEXT];
    size_t n = clock_format(write_now_us(r->write), now);
    set(r, PLATFORM_UPDATED_BY, stamps_identity(r->op->user, write_arena(r->write)));
    set(r, PLATFORM_UPDATED_TIMESTAMP, str_make(now, n));
}

static int complete(void *self, struct admission_request *r, struct err *err)
{
    (void)self;
    (void)err;
    if (!platform_type(r->op->type)) {
        return 0;
    }
    if (!r->old) {
        set(r, PLATFORM_CREATED_BY, stamps_identity(r->op->user, write_arena(r->write)));
        drop(r, PLATFORM_UPDATED_BY);
        drop(r, PLATFORM_UPDATED_TIMESTAMP);
        return 0;
    }
    keep(r, PLATFORM_CREATED_BY);
    if (changed(r)) {
        stamp_update(r);
    } else {
        keep(r, PLATFORM_UPDATED_BY);
        keep(r, PLATFORM_UPDATED_TIMESTAMP);
    }
    return 0;
}

int stamps_provide(const struct stamps_deps *d, struct stamps **ret, struct err *err)
{
    static const struct admission_plugin plugin = {
        .name = "Stamps", .order = LAST, .complete = complete};
    (void)err;
    engine_add_admission(d->engine, &plugin);
    *ret = ALLOC(struct stamps);
    (*ret)->engine = d->engine;
    return 0;
}

void stamps_release(struct stamps *self)
{
    free(self);
}
