/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions in Go's dialect, in linear time (RE2). base/regex.cc is the program's one C++ file. */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

struct regex;

/* ERR_BAD_REQUEST: not a pattern, over LIMIT_PATTERN_BYTES, or a program over LIMIT_REGEX_MEMORY. (?<n>...) is taken as
 * (?P<n>...). Equal patterns share one compiled program (a process-wide cache of weak references). */
int regex_create(struct str pattern, struct regex **ret, struct err *err);
void regex_unref(struct regex *r); /* NULL allowed */
/* Whether the pattern is found anywhere in s. Any thread. */
bool regex_search(const struct regex *r, struct str s);

#ifdef __cplusplus
}
#endif

#endif
