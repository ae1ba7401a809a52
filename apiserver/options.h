/* SPDX-License-Identifier: Apache-2.0 */
/* The options of an operation, from the query and, for deletes, the body. */
#ifndef APISERVER_OPTIONS_H
#define APISERVER_OPTIONS_H

#include "apiserver/call.h"

/* dryRun, fieldManager, fieldValidation, force of a create, update or patch (op->verb and op->patch
 * say which) into op. ERR_INVALID about CreateOptions, UpdateOptions or PatchOptions. */
int options_write(struct call *c, struct op *op, struct err *err);
/* Selectors, limit, continue, resourceVersion, resourceVersionMatch, timeoutSeconds,
 * allowWatchBookmarks, sendInitialEvents into op->list. name: the one object a /watch/ path names,
 * or "". Needs op->type and op->version. ERR_BAD_REQUEST; ERR_INVALID about ListOptions. */
int options_list(struct call *c, struct op *op, bool watch, struct str name, struct err *err);
/* DeleteOptions, from body where there is one (a DeleteOptions document; NULL: none), otherwise
 * from the query. *ret_accepted: a delete that leaves the object there is answered with 202.
 * ERR_BAD_REQUEST; ERR_INVALID about DeleteOptions. */
int options_delete(struct call *c, struct op *op, yyjson_mut_val *body, bool *ret_accepted,
                   struct err *err);

#endif
