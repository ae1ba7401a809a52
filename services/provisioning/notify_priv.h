/* SPDX-License-Identifier: Apache-2.0 */
/* Tells that something changed below a directory, by inotify. One thread. */
#ifndef SERVICES_PROVISIONING_NOTIFY_PRIV_H
#define SERVICES_PROVISIONING_NOTIFY_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct notify;

/* NULL: the system has no more of it. root: the directory, which need not be there. */
struct notify *notify_create(const char *root);
void notify_destroy(struct notify *n); /* NULL allowed */
/* For poll(2). */
int notify_fd(const struct notify *n);

/* Around a walk over the directory, which names each directory by notify_dir before it reads it: those not named are no longer
 * watched afterwards. The path is below the root. */
void notify_begin(struct notify *n);
void notify_dir(struct notify *n, const char *full, const char *path);
/* False: not every directory is watched. */
bool notify_end(struct notify *n);

/* Reads what has come. True: something may have changed, and a walk will tell what. */
bool notify_read(struct notify *n);
/* Whether somebody is writing the file: it was made or changed, and is still open; for half a minute at most since the last change. */
bool notify_busy(struct notify *n, struct str path);

#endif
