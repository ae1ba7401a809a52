/* SPDX-License-Identifier: Apache-2.0 */
/* The users of a token file, found by token. Only hashes of the tokens are kept. */
#ifndef SERVICES_AUTHENTICATION_TOKENS_PRIV_H
#define SERVICES_AUTHENTICATION_TOKENS_PRIV_H

#include "base/err.h"
#include "resources/access.h"

struct tokens;

/* Reads the reference's CSV form: token,user,uid and perhaps "group1,group2". An empty token is
 * left out with a warning in the log; of equal tokens the last counts. ERR_BAD_REQUEST names the
 * record. */
int tokens_parse(struct str csv, const char *file, struct tokens **ret, struct err *err);
int tokens_load(const char *path, struct tokens **ret, struct err *err);
void tokens_destroy(struct tokens *t); /* NULL allowed */
/* Borrowed; NULL: nobody's. */
struct user *tokens_find(const struct tokens *t, struct str token);

#endif
