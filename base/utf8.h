/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 checks (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* Bytes of the character that s begins with; 0 when it is not valid or s is empty. */
size_t utf8_length(struct str s);
bool utf8_valid(struct str s);
/* Characters (code points) in s; each invalid byte counts as one. */
size_t utf8_count(struct str s);
/* Appends s with U+FFFD for each byte that is not part of a valid character. */
void utf8_repair(struct buf *b, struct str s);

#endif
