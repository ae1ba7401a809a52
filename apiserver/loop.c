/* SPDX-License-Identifier: Apache-2.0 */
/* The state of an event loop. */
#include "apiserver/loop.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Set once by each loop's thread, so that what finishes on it is answered without a message. */
static _Thread_local struct loop_state *current;

struct loop_state *loop_create(struct server *s, struct http_loop *http)
{
    struct loop_state *l = ALLOC(struct loop_state);
    l->server = s;
    l->http = http;
    http_loop_set_user(http, l);
    current = l;
    loop_watches_init(l);
    return l;
}

void loop_close(struct loop_state *l)
{
    loop_watches_finish(l);
    registry_cache_finish(engine_registry(server_engine(l->server)), &l->types);
    current = NULL;
}

void loop_destroy(struct loop_state *l)
{
    free(l);
}

struct loop_state *loop_current(void)
{
    return current;
}
