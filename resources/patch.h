/* SPDX-License-Identifier: Apache-2.0 */
/* The three patches that change a tree: JSON Patch (RFC 6902), merge patch (RFC 7386), strategic merge patch (Kubernetes). */
#ifndef RESOURCES_PATCH_H
#define RESOURCES_PATCH_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"
#include "schemas/schema.h"

enum patch_type { PATCH_NONE, PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY };

/* Each applies the patch to obj, which belongs to d, and gives the result (obj changed in place or another value). The patch's
 * own tree is not changed. Errors in the reference's words: ERR_BAD_REQUEST where the patch is malformed, ERR_INVALID (422) where it does
 * not fit the object (a failed test, a missing path: the generic text of NOTES.md 16). LIMIT_JSON_PATCH_OPS, LIMIT_OBJECT_BYTES against copy bombs. */
int patch_json(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch, yyjson_mut_val **ret, struct err *err);
int patch_merge(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch, yyjson_mut_val **ret, struct err *err);
/* By the schema's patch strategies and merge keys; $patch, $retainKeys, $deleteFromPrimitiveList, $setElementOrder. ObjectMeta's own
 * (finalizers merge, ownerReferences merge by uid) are built in. */
int patch_strategic(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch, const struct schema *s,
                    yyjson_mut_val **ret, struct err *err);

#endif
