/* SPDX-License-Identifier: Apache-2.0 */
/* The type ShortURL (shorturl.grafana.app). */
#ifndef SERVICES_SHORTURLS_SHORTURLS_H
#define SERVICES_SHORTURLS_SHORTURLS_H

#include "base/buf.h"
#include "base/str.h"

struct shorturls;

/* What is wrong with a path, in Grafana's words; NULL: it is relative and leads nowhere else. */
const char *shorturls_path_fault(struct str path);
/* Appends the path as it may stand in a Location header: what is not allowed in a URL is escaped.
 */
void shorturls_escape(struct buf *b, struct str path);

#endif
