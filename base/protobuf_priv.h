/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader and the writer of Protocol Buffers share. */
#ifndef BASE_PROTOBUF_PRIV_H
#define BASE_PROTOBUF_PRIV_H

#include "base/protobuf.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static inline enum wire protobuf_wire(enum protobuf_kind k)
{
    return k == PROTOBUF_BOOL || k == PROTOBUF_INT ? WIRE_VARINT
           : k == PROTOBUF_DOUBLE                  ? WIRE_64
                                                   : WIRE_BYTES;
}

#endif
