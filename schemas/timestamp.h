/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, read as strictly and refused in the same words as Go's time.Parse does. */
#ifndef SCHEMAS_TIMESTAMP_H
#define SCHEMAS_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct timestamp {
    int64_t seconds; /* since 1970, UTC */
    int32_t nanos;
};

enum timestamp_layout {
    TIMESTAMP_TIME,  /* 2006-01-02T15:04:05Z07:00 (metav1.Time) */
    TIMESTAMP_MICRO, /* 2006-01-02T15:04:05.000000Z07:00 (metav1.MicroTime) */
    TIMESTAMP_DATE,  /* 2006-01-02 */
};

/* False: s is no such time, and *why (may be NULL) is given Go's sentence. */
bool timestamp_parse(struct str s, enum timestamp_layout layout, struct timestamp *ret,
                     struct buf *why);
/* Appends t in UTC, cut to the layout's precision. */
void timestamp_write(struct buf *b, struct timestamp t, enum timestamp_layout layout);

#endif
