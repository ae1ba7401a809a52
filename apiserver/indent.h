/* SPDX-License-Identifier: Apache-2.0 */
/* Indents JSON as it comes, as json_write_pretty indents a tree: for answers that are never held
 * whole. */
#ifndef APISERVER_INDENT_H
#define APISERVER_INDENT_H

#include "base/buf.h"

/* All zero at the beginning of a document. */
struct indent {
    size_t depth;
    bool in_string, escaped, fresh; /* fresh: right behind an opening bracket */
};

/* Appends some of the compact JSON, indented, until about max bytes were appended; gives how much
 * of it was taken. The document may be cut anywhere. */
size_t indent_add(struct indent *n, struct buf *b, struct str json, size_t max);

#endif
