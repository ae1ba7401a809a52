/* SPDX-License-Identifier: Apache-2.0 */
/* The server's one list of documents at fixed paths; empty until services add theirs. */
#include "resources/documents.h"

#include "services/wire.gen.h"

int fixed_documents_provide(const struct fixed_documents_deps *d, struct documents **ret,
                            struct err *err)
{
    (void)d;
    (void)err;
    *ret = documents_create();
    return 0;
}

void fixed_documents_release(struct documents *self)
{
    documents_destroy(self);
}
