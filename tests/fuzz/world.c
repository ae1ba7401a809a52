/* SPDX-License-Identifier: Apache-2.0 */
/* The services for targets that need the server's own types. */
#include "tests/fuzz/world.h"

#include <ftw.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/log.h"
#include "services/wire.gen.h"

static struct {
    struct config config;
    struct wire *wire;
    struct user *user;
    char dir[64];
} world;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void end_world(void)
{
    wire_destroy(world.wire);
    user_unref(world.user);
    nftw(world.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    config_finish(&world.config);
}

struct wire *fuzz_world(void)
{
    static const struct str masters[] = {{"system:masters", 14}, {"system:authenticated", 20}};
    AUTO(err_finish) struct err err = {0};
    if (world.wire) {
        return world.wire;
    }
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    snprintf(world.dir, sizeof(world.dir), "/tmp/coracle-fuzz-XXXXXX");
    FUZZ_CHECK(mkdtemp(world.dir));
    world.config.data_dir = alloc_strdup(world.dir);
    world.config.store = alloc_strdup("memory");
    world.config.kubeconfig = alloc_printf("%s/admin.kubeconfig", world.dir);
    world.config.ready_fd = -1;
    world.user = user_create(STR("admin"), STR("admin-uid"), masters, 2);
    if (wire_create(&world.config, &world.wire, &err) < 0) {
        fuzz_fail(__FILE__, __LINE__, "the services are made", str_from(err_message(&err)),
                  STR_NULL);
    }
    atexit(end_world);
    return world.wire;
}

struct type *fuzz_world_type(const char *group, const char *resource)
{
    struct registry_snapshot *s = registry_ref(fuzz_world()->registry);
    struct type *t = registry_find(s, str_from(group), str_from(resource));
    FUZZ_CHECK(t != NULL);
    t = type_ref(t);
    registry_snapshot_unref(s);
    return t;
}

struct user *fuzz_world_user(void)
{
    fuzz_world();
    return world.user;
}
