/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on ObjectMeta share. */
#ifndef RESOURCES_METADATA_PRIV_H
#define RESOURCES_METADATA_PRIV_H

#include "resources/metadata.h"

/* Brings the members of a decoded metadata object into Go's order. */
void metadata_arrange(yyjson_mut_val *meta);

#endif
