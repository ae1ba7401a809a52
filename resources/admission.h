/* SPDX-License-Identifier: Apache-2.0 */
/* The admission chain: plugins that services add and the engine calls inside each write, first all mutating ones, then, after
 * validation, all validating ones. */
#ifndef RESOURCES_ADMISSION_H
#define RESOURCES_ADMISSION_H

#include "resources/write.h"

struct admission_request {
    struct write *write;
    struct op *op;
    struct str operation;    /* "CREATE", "UPDATE", "DELETE" */
    struct str subresource;  /* "" none */
    yyjson_mut_doc *doc;
    yyjson_mut_val *obj;     /* the new object in the request's version (op->version); NULL on delete; mutating plugins change it in place */
    yyjson_mut_val *old;     /* NULL on create */
};

struct admission_plugin {
    const char *name;
    int order; /* smaller first */
    /* Either may be NULL. No side effects, no waiting: they run inside the write function (webhooks, which wait, have a stage of their own
     * when they come). An error refuses the write. */
    int (*mutate)(void *self, struct admission_request *r, struct err *err);
    int (*validate)(void *self, struct admission_request *r, struct err *err);
    /* Sets what follows from the change as a whole, once everything else of the new object stands, its generation too, and before it is
     * validated: after all mutating plugins and the type's own prepare. Of creates, updates and deletes that only
     * mark the object. May be NULL. */
    int (*complete)(void *self, struct admission_request *r, struct err *err);
    void *self;
};

#endif
