/* SPDX-License-Identifier: Apache-2.0 */
/* How objects of a type get from one of its versions into another: by the webhook that the
 * definition names, or by rules that stand in the definition itself (docs/conversion.md). */
#ifndef SERVICES_CONVERSION_CONVERSION_H
#define SERVICES_CONVERSION_CONVERSION_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/causes.h"
#include "base/err.h"
#include "resources/metadata.h"
#include "resources/type.h"

struct conversion;

/* The annotation of a definition that holds rules, as YAML or JSON. */
#define CONVERSION_RULES "coracle.dev/conversion"

/* Gives the type of that definition (a CustomResourceDefinition) its converter, unless only the
 * apiVersion differs between its versions. ERR_INVALID: the rules do not compile; ERR_UNAVAILABLE:
 * no client to call webhooks with is to be had. */
int conversion_attach(struct conversion *c, const yyjson_mut_val *definition, struct type *t,
                      struct err *err);

/* Takes note of the definition's status.storedVersions, which says whether stored objects of the
 * type need converting. */
void conversion_note_stored(const yyjson_mut_val *definition, const struct type *t);

/* Checks the rules of a definition: that they compile, and that for each pair of versions what is
 * converted there and back is what it was, tried on samples made from the schemas. Adds causes at
 * metadata.annotations[coracle.dev/conversion]; what the rules call lossy becomes a warning. */
void conversion_check(const yyjson_mut_val *definition, struct causes *c, struct warnings *w);

/* Ends the calls that are under way in so many milliseconds: of a server that is stopping, whose
 * requests would otherwise wait longer for a webhook. */
void conversion_stop_in(struct conversion *c, int64_t ms);

#endif
