/* SPDX-License-Identifier: Apache-2.0 */
/* The server's one pair of lists: who says who a client is, and who says what a user may do. */
#include "resources/access.h"

#include "services/wire.gen.h"

int access_provide(const struct access_deps *d, struct access **ret, struct err *err)
{
    (void)d;
    (void)err;
    *ret = access_create();
    return 0;
}

void access_release(struct access *self)
{
    access_destroy(self);
}
