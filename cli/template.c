/* SPDX-License-Identifier: Apache-2.0 */
/* Text with ${words} in it that stand for others. */
#include "cli/template.h"

#include <stdbool.h>

enum { COLUMNS = 100 };

static const struct template_word *find(const struct template_word *words, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(key, words[i].key)) {
            return &words[i];
        }
    }
    return NULL;
}

int template_fill(struct buf *b, struct str text, const struct template_word *words, size_t n,
                  struct err *err)
{
    size_t line = 1;
    for (size_t i = 0; i < text.len; i++) {
        line += text.ptr[i] == '\n';
        if (!str_starts(str_skip(text, i), STR("${"))) {
            buf_addc(b, text.ptr[i]);
            continue;
        }
        struct str rest, key = str_cut(str_skip(text, i + 2), '}', &rest);
        const struct template_word *w = rest.ptr ? find(words, n, key) : NULL;
        if (!w) {
            return err_set(err, ERR_BAD_REQUEST, "line %zu: ${%.*s} stands for nothing", line,
                           STR_FMT(key));
        }
        buf_add(b, w->value);
        i += key.len + 2; /* and the loop's own */
    }
    return 0;
}

/* How many bytes of the line stay before the break: up to the last comma within the room; 0: none.
 */
static size_t break_of(struct str line, size_t room)
{
    size_t at = 0;
    for (size_t i = 0; i + 1 < line.len && i < room; i++) {
        if (line.ptr[i] == ',' && line.ptr[i + 1] == ' ') {
            at = i + 1;
        }
    }
    return at;
}

static void wrap_line(struct buf *b, struct str line)
{
    const char *open = line.len > COLUMNS ? memchr(line.ptr, '(', line.len) : NULL;
    size_t indent = open ? (size_t)(open - line.ptr) + 1 : 0, used = 0, at;
    while (open && used + line.len > COLUMNS && (at = break_of(line, COLUMNS - used)) > 0) {
        buf_printf(b, "%.*s\n%*s", (int)at, line.ptr, (int)indent, "");
        line = str_skip(line, at + 1);
        used = indent;
    }
    buf_add(b, line);
}

void template_wrap(struct buf *b, struct str text)
{
    while (text.ptr) {
        struct str rest, line = str_cut(text, '\n', &rest);
        wrap_line(b, line);
        if (rest.ptr) {
            buf_addc(b, '\n');
        }
        text = rest;
    }
}
