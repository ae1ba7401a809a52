/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf messages that all types share: ObjectMeta, ListMeta, Status, DeleteOptions,
 * PartialObjectMetadata and its list, and those of discovery. */
#ifndef RESOURCES_PROTOBUF_META_H
#define RESOURCES_PROTOBUF_META_H

#include "base/protobuf.h"

extern const struct protobuf protobuf_meta;

#endif
