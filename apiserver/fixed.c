/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that services publish at fixed paths. */
#include "apiserver/call.h"
#include "resources/status.h"

void fixed_serve(struct call *c)
{
    const struct fixed_document *d = c->route.document;
    struct err err = {0};
    struct buf b = {0};
    int code =
        call_is_read(c) ? d->write(d->self, &b, &err) : status_generic(&err, ERR_METHOD, NULL);
    if (code < 0) {
        buf_finish(&b);
        call_answer_err(c, &err);
    } else {
        call_answer(c, code, str_from(d->content_type), &b);
    }
}
