/* SPDX-License-Identifier: Apache-2.0 */
/* Words: tokens as the index has them, the parts of titles, and the expression that a user's words
 * become. What goes into an expression are tokens alone, in quotes: letters and digits. */
#include "storage/text_priv.h"

#include <string.h>

#include "base/limits.h"

enum {
    PART_MIN = 3,     /* bytes: of what is found within a token; one Chinese character */
    PART_TOKEN = 64,  /* bytes of a token that have parts */
    PARTS_TOKENS = 64 /* tokens of a title that have parts */
};

struct taking {
    struct arena *arena;
    struct str *items;
    size_t n, max;
};

static int take_token(void *arg, int flags, const char *token, int len, int start, int end)
{
    struct taking *t = arg;
    (void)flags;
    (void)start;
    (void)end;
    if (t->n == t->max) {
        return SQLITE_DONE;
    }
    t->items[t->n++] = arena_str(t->arena, str_make(token, (size_t)len));
    return SQLITE_OK;
}

size_t text_tokens(const struct text_conn *c, struct str s, size_t max, struct arena *a,
                   struct str **ret)
{
    /* A token takes a byte at least, and something between it and the next. */
    size_t most = s.len / 2 + 1;
    struct taking t = {.arena = a, .max = max < most ? max : most};
    t.items = arena_alloc(a, t.max * sizeof(*t.items));
    c->api.xTokenize(c->tokenizer, &t, FTS5_TOKENIZE_AUX, s.len ? s.ptr : "", (int)s.len,
                     take_token);
    *ret = t.items;
    return t.n;
}

static bool is_start(char ch)
{
    return ((unsigned char)ch & 0xc0) != 0x80;
}

static void add_parts(struct buf *b, struct str token)
{
    buf_add(b, token);
    buf_addc(b, ' ');
    if (token.len > PART_TOKEN) {
        token.len = PART_TOKEN;
        while (!is_start(token.ptr[token.len])) {
            token.len--;
        }
    }
    for (size_t i = 1; i + PART_MIN <= token.len; i++) {
        if (is_start(token.ptr[i])) {
            buf_add(b, str_skip(token, i));
            buf_addc(b, ' ');
        }
    }
}

void text_parts(const struct text_conn *c, struct str title, struct arena *a, struct buf *ret)
{
    struct str *tokens;
    size_t n = text_tokens(c, title, PARTS_TOKENS, a, &tokens);
    for (size_t i = 0; i < n; i++) {
        add_parts(ret, tokens[i]);
    }
}

void text_sorted(const struct text_conn *c, struct str title, struct arena *a, struct buf *ret)
{
    struct str *tokens;
    size_t n = text_tokens(c, title, PARTS_TOKENS, a, &tokens);
    for (size_t i = 0; i < n; i++) {
        if (i) {
            buf_addc(ret, ' ');
        }
        buf_add(ret, tokens[i]);
    }
}

/* ---- expressions ---- */

static bool is_space(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

/* The next run of what is no white space; empty at the end. */
static struct str next_word(struct str *rest)
{
    while (rest->len && is_space(rest->ptr[0])) {
        *rest = str_skip(*rest, 1);
    }
    size_t n = 0;
    while (n < rest->len && !is_space(rest->ptr[n])) {
        n++;
    }
    struct str word = str_make(rest->ptr, n);
    *rest = str_skip(*rest, n);
    return word;
}

struct expression {
    struct buf *text;
    struct text_ranking *ranking;
    size_t n_words;
};

/* A phrase begins: what of it is a word's beginning alone may be as short as somebody types. */
static void note_phrase(struct expression *x, bool frequent)
{
    x->ranking->frequent[x->ranking->n_phrases++] = frequent;
}

/* Its tokens one after another in one of the texts. */
static void add_phrase(struct expression *x, const struct str *tokens, size_t n, bool last)
{
    note_phrase(x, last && n == 1 && tokens[0].len < PART_MIN);
    buf_addz(x->text, "({w8 w4 w2 w1} : \"");
    for (size_t i = 0; i < n; i++) {
        buf_addz(x->text, i ? " " : "");
        buf_add(x->text, tokens[i]);
    }
    buf_addz(x->text, last ? "\" *)" : "\")");
}

/* Each of its tokens within one of the title. */
static void add_within(struct expression *x, const struct str *tokens, size_t n)
{
    buf_addz(x->text, " OR (");
    for (size_t i = 0; i < n; i++) {
        note_phrase(x, false);
        buf_addz(x->text, i ? " AND ({parts} : \"" : "({parts} : \"");
        buf_add(x->text, tokens[i]);
        buf_addz(x->text, "\" *)");
    }
    buf_addc(x->text, ')');
}

static bool has_parts(const struct str *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (tokens[i].len < PART_MIN) {
            return false;
        }
    }
    return true;
}

static void add_word(struct expression *x, const struct str *tokens, size_t n, bool last)
{
    buf_addz(x->text, x->n_words ? " AND (" : "(");
    add_phrase(x, tokens, n, last);
    if (has_parts(tokens, n)) {
        add_within(x, tokens, n);
    }
    buf_addc(x->text, ')');
    x->ranking->weighed = x->n_words++ > 0;
}

/* The tokens of the next word that has any. */
static size_t next_tokens(const struct text_conn *c, struct str *rest, struct arena *a,
                          struct str **ret)
{
    struct str word;
    size_t n = 0;
    while (!n && (word = next_word(rest)).len) {
        n = text_tokens(c, word, LIMIT_TEXT_QUERY_TOKENS + 1, a, ret);
    }
    return n;
}

/* ERR_BAD_REQUEST: they are too many. */
static int add_words(const struct text_conn *c, struct str words, struct arena *a,
                     struct expression *x, struct err *err)
{
    struct str *tokens, *following;
    size_t n = next_tokens(c, &words, a, &tokens), all = n;
    while (n && all <= LIMIT_TEXT_QUERY_TOKENS) {
        size_t more = next_tokens(c, &words, a, &following);
        add_word(x, tokens, n, !more);
        tokens = following;
        n = more;
        all += more;
    }
    return n ? err_set(err, ERR_BAD_REQUEST, "what is searched for may have %d words at most",
                       LIMIT_TEXT_QUERY_TOKENS)
             : 0;
}

int text_expression(const struct text_conn *c, struct str words, struct arena *a, struct buf *ret,
                    struct text_ranking *ret_ranking, enum text_meaning *ret_meaning,
                    struct err *err)
{
    struct expression x = {.text = ret, .ranking = ret_ranking};
    struct str rest = words, first = next_word(&rest);
    *ret_ranking = (struct text_ranking){.n_phrases = 0};
    if (words.len > LIMIT_TEXT_QUERY_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "what is searched for may have %d bytes at most",
                       LIMIT_TEXT_QUERY_BYTES);
    }
    if (!first.len || (str_is(first, "*") && !next_word(&rest).len)) {
        *ret_meaning = TEXT_ALL;
        return 0;
    }
    int r = add_words(c, words, a, &x, err);
    if (r == 0) {
        *ret_meaning = x.n_words ? TEXT_SOME : TEXT_NONE;
    }
    return r;
}
