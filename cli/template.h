/* SPDX-License-Identifier: Apache-2.0 */
/* Text with ${words} in it that stand for others. */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct template_word {
    const char *key;
    struct str value;
};

/* Appends text with each ${key} replaced. ERR_BAD_REQUEST names a key that there is none of, with
 * its line. */
int template_fill(struct buf *b, struct str text, const struct template_word *words, size_t n,
                  struct err *err);
/* Appends C text; lines that are longer than 100 columns are broken after a comma, as the formatter
 * would: what follows stands under what comes after the line's first parenthesis. */
void template_wrap(struct buf *b, struct str text);

#endif
