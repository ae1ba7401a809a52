/* SPDX-License-Identifier: Apache-2.0 */
/* JSON indented by two spaces, byte by byte. */
#include "apiserver/indent.h"

static void new_line(const struct indent *n, struct buf *b)
{
    char *p = buf_reserve(b, 1 + 2 * n->depth);
    p[0] = '\n';
    memset(p + 1, ' ', 2 * n->depth);
    b->len += 1 + 2 * n->depth;
}

/* Copies what is left of a string, or of the document; gives how much that is. */
static size_t add_string(struct indent *n, struct buf *b, struct str s)
{
    size_t i = 0;
    while (i < s.len && n->in_string) {
        char c = s.ptr[i++];
        if (n->escaped) {
            n->escaped = false;
        } else if (c == '\\') {
            n->escaped = true;
        } else if (c == '"') {
            n->in_string = false;
        }
    }
    buf_add(b, str_make(s.ptr, i));
    return i;
}

static void add_byte(struct indent *n, struct buf *b, char c)
{
    bool closes = c == '}' || c == ']';
    if (n->fresh && !closes) {
        n->depth++;
        new_line(n, b);
    } else if (closes && !n->fresh) {
        n->depth -= n->depth > 0;
        new_line(n, b);
    }
    n->fresh = c == '{' || c == '[';
    n->in_string = c == '"';
    buf_addc(b, c);
    if (c == ',') {
        new_line(n, b);
    } else if (c == ':') {
        buf_addc(b, ' ');
    }
}

size_t indent_add(struct indent *n, struct buf *b, struct str json, size_t max)
{
    size_t i = 0, from = b->len;
    while (i < json.len && b->len - from < max) {
        if (n->in_string) {
            i += add_string(n, b, str_skip(json, i));
        } else {
            add_byte(n, b, json.ptr[i++]);
        }
    }
    return i;
}
