/* SPDX-License-Identifier: Apache-2.0 */
/* The stamps on objects of the app platform (resources/platform.h): grafana.app/createdBy from the
 * create on, grafana.app/updatedBy and grafana.app/updatedTimestamp from the first change of the
 * spec or the folder, or the deletion, on. Changes of labels, other annotations and the status
 * leave them alone, as in Grafana (pkg/storage/unified/apistore/prepare.go). */
#ifndef SERVICES_STAMPS_STAMPS_H
#define SERVICES_STAMPS_STAMPS_H

#include "base/arena.h"
#include "resources/access.h"

struct stamps;

/* How a user stands in a stamp: TYPE:IDENTIFIER with Grafana's types. user: the uid, or the name of
 * one who has none; service-account: the uid, or NAMESPACE:NAME; access-policy: a service of the
 * server itself (u NULL: the server); anonymous:0. */
struct str stamps_identity(const struct user *u, struct arena *a);

#endif
