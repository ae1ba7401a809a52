/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around the items of a list in encodings other than JSON. Protobuf wants the length of
 * the whole before its first byte: a list is made in full where that is small, and otherwise
 * measured, then made again as it is sent, so that its memory stays constant. */
#ifndef RESOURCES_LIST_FRAME_H
#define RESOURCES_LIST_FRAME_H

#include "base/buf.h"
#include "base/err.h"
#include "resources/encoding.h"

/* All zero is one at its beginning. */
struct list_frame {
    struct buf kept; /* what was measured so far, as long as it is small */
    uint64_t total, written;
    bool dropped, writing;
};

/* The list itself: next appends a piece of items and metadata, rewind goes back to its beginning,
 * from where the same comes again. */
struct list_source {
    int (*next)(void *list, struct buf *b, size_t max, bool *ret_done, struct err *err);
    void (*rewind)(void *list);
    void *list;
    struct str kind, api_version;
};

void list_frame_finish(struct list_frame *f);
/* The next piece of a whole protobuf body; perhaps nothing, while it is measured. */
int list_frame_next(struct list_frame *f, const struct list_source *s, struct buf *b, size_t max,
                    bool *ret_done, struct err *err);

/* What comes before the items, and between them and the metadata. Nothing in protobuf, where both
 * are fields of one message. */
void list_frame_items(struct buf *b, enum encoding e, struct str kind, struct str api_version);
void list_frame_metadata(struct buf *b, enum encoding e);

#endif
