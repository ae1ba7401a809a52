/* SPDX-License-Identifier: Apache-2.0 */
/* Status conditions: the list {type, status, lastTransitionTime, reason, message} that objects
 * report themselves by. */
#ifndef CONTROLLERS_CONDITIONS_H
#define CONTROLLERS_CONDITIONS_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/str.h"

/* Sets a condition in obj.status.conditions; lastTransitionTime moves (to now) only when status
 * does. True: something changed. Strings are copied. */
bool condition_set(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *type, bool status,
                   const char *reason, struct str message);
/* The condition of that type; NULL: there is none. */
yyjson_mut_val *condition_find(const yyjson_mut_val *obj, const char *type);
/* Whether the condition is there and "True". */
bool condition_is_true(const yyjson_mut_val *obj, const char *type);

#endif
