/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a label selector, by the grammar of the reference's labels package and with its
 * complaints: selector    = requirement {"," requirement} requirement = ["!"] key | key ("=" | "=="
 * | "!=" | ">" | "<") value | key ("in" | "notin") "(" values ")" */
#include "resources/selector_priv.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/quote.h"
#include "resources/tree_priv.h"

#include <assert.h>
#include <string.h>

enum token {
    TOKEN_ERROR,
    TOKEN_END,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_NOT,
    TOKEN_EQUALS,
    TOKEN_GREATER,
    TOKEN_WORD,
    TOKEN_IN,
    TOKEN_LESS,
    TOKEN_NOT_EQUALS,
    TOKEN_NOT_IN,
    TOKEN_OPEN,
};

struct item {
    enum token token;
    struct str text;
};

struct parser {
    struct arena *a;
    struct str left; /* what is not scanned yet */
    struct item next;
    struct err *err;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
    return c && strchr("=!(),><", c);
}

static enum token special(struct str s)
{
    static const struct {
        const char *text;
        enum token token;
    } symbols[] = {{")", TOKEN_CLOSE},   {",", TOKEN_COMMA},       {"!", TOKEN_NOT},
                   {"==", TOKEN_EQUALS}, {"=", TOKEN_EQUALS},      {">", TOKEN_GREATER},
                   {"<", TOKEN_LESS},    {"!=", TOKEN_NOT_EQUALS}, {"(", TOKEN_OPEN}};
    for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
        if (str_is(s, symbols[i].text)) {
            return symbols[i].token;
        }
    }
    return TOKEN_ERROR;
}

/* The longest symbol the text begins with: each beginning of one is one, so it grows a character at
 * a time. */
static struct item scan_special(struct str s)
{
    size_t n = 1;
    while (n < s.len && is_special(s.ptr[n]) && special(str_make(s.ptr, n + 1)) != TOKEN_ERROR) {
        n++;
    }
    return (struct item){special(str_make(s.ptr, n)), str_make(s.ptr, n)};
}

static struct item scan_word(struct str s)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] && !is_special(s.ptr[n]) && !is_space(s.ptr[n])) {
        n++;
    }
    struct str word = str_make(s.ptr, n);
    enum token t = str_is(word, "in")      ? TOKEN_IN
                   : str_is(word, "notin") ? TOKEN_NOT_IN
                                           : TOKEN_WORD;
    return (struct item){t, word};
}

/* Moves to the next token; a NUL ends the text, as it does in the reference. */
static struct item advance(struct parser *p)
{
    struct item now = p->next;
    while (p->left.len && is_space(p->left.ptr[0])) {
        p->left = str_skip(p->left, 1);
    }
    if (!p->left.len || !p->left.ptr[0]) {
        p->left = STR("");
        p->next = (struct item){TOKEN_END, STR("")};
    } else {
        p->next = is_special(p->left.ptr[0]) ? scan_special(p->left) : scan_word(p->left);
        p->left = str_skip(p->left, p->next.text.len);
    }
    return now;
}

/* Where values stand, "in" and "notin" are words like others. */
static enum token as_value(struct item i)
{
    return i.token == TOKEN_IN || i.token == TOKEN_NOT_IN ? TOKEN_WORD : i.token;
}

static int fault(struct parser *p, const char *before, struct item found, const char *after)
{
    return err_set(p->err, ERR_BAD_REQUEST, "%sfound '%.*s'%s", before, STR_FMT(found.text), after);
}

#define IN_REQUIREMENT "unable to parse requirement: "

/* All of a name's faults in one text: the reference's "a; b". */
static void join(struct buf *b, const struct name_faults *f)
{
    for (size_t i = 0; i < f->n; i++) {
        buf_addz(b, i ? "; " : "");
        buf_addz(b, f->text[i]);
    }
}

static int check_key(struct parser *p, struct str key)
{
    if (name_is_qualified(key)) {
        return 0;
    }
    AUTO(buf_finish) struct buf b = {0};
    struct name_faults f = {0};
    quote_go(&b, key);
    buf_addz(&b, ": ");
    name_faults_qualified(key, &f);
    join(&b, &f);
    return err_set(p->err, ERR_BAD_REQUEST, IN_REQUIREMENT "<nil>: Invalid value: %.*s",
                   STR_FMT(buf_str(&b)));
}

/* "(" [values] ")". An empty list is the one empty value, and so are the gaps between commas. */
static int parse_list(struct parser *p, struct str *values, size_t *n)
{
    struct item first = advance(p);
    if (first.token != TOKEN_OPEN) {
        return fault(p, IN_REQUIREMENT, first, " expected: '('");
    }
    bool wanted = true; /* a value may stand here; where none does, it is empty */
    for (bool begun = false;; begun = true) {
        struct item i = p->next;
        enum token t = as_value(i);
        if (t == TOKEN_WORD && wanted) {
            values[(*n)++] = i.text;
            wanted = false;
        } else if (t == TOKEN_COMMA || t == TOKEN_CLOSE) {
            if (wanted) {
                values[(*n)++] = STR("");
            }
            wanted = true;
        } else if (t == TOKEN_WORD) {
            return fault(p, IN_REQUIREMENT, i, ", expected: ',' or ')'");
        } else if (!begun) {
            return fault(p, IN_REQUIREMENT, i, ", expected: ',', ')' or identifier");
        } else {
            return fault(p, IN_REQUIREMENT, i,
                         wanted ? ", expected: ',', or identifier" : ", expected: ',' or ')'");
        }
        advance(p);
        if (t == TOKEN_CLOSE) {
            return 0;
        }
    }
}

static int parse_value(struct parser *p, struct str *values, size_t *n)
{
    enum token t = as_value(p->next);
    if (t == TOKEN_END || t == TOKEN_COMMA) {
        values[(*n)++] = STR("");
        return 0;
    }
    struct item i = advance(p);
    if (t != TOKEN_WORD) {
        return fault(p, IN_REQUIREMENT, i, ", expected: identifier");
    }
    values[(*n)++] = i.text;
    return 0;
}

/* `values[0][key]: Invalid value: ...`; several come as "[a, b]". */
static int check_values(struct parser *p, const struct requirement *r, bool number)
{
    AUTO(buf_finish) struct buf b = {0};
    size_t faults = 0;
    for (size_t i = 0; number && i < r->n_values; i++) {
        int64_t v;
        if (!selector_parse_int(r->values[i], &v)) {
            buf_printf(&b, "%svalues[%zu]: Invalid value: ", faults++ ? ", " : "", i);
            quote_go(&b, r->values[i]);
            buf_addz(&b, ": for 'Gt', 'Lt' operators, the value must be an integer");
        }
    }
    for (size_t i = 0; i < r->n_values; i++) {
        struct name_faults f = {0};
        name_faults_label_value(r->values[i], &f);
        if (f.n) {
            buf_printf(&b, "%svalues[%zu][%.*s]: Invalid value: ", faults++ ? ", " : "", i,
                       STR_FMT(r->key));
            quote_go(&b, r->values[i]);
            buf_addz(&b, ": ");
            join(&b, &f);
        }
    }
    if (!faults) {
        return 0;
    }
    return err_set(p->err, ERR_BAD_REQUEST, IN_REQUIREMENT "%s%.*s%s", faults > 1 ? "[" : "",
                   STR_FMT(buf_str(&b)), faults > 1 ? "]" : "");
}

static bool operator_of(enum token t, enum operator* ret)
{
    switch (t) {
    case TOKEN_IN:
    case TOKEN_EQUALS:
        *ret = OPERATOR_IN;
        return true;
    case TOKEN_NOT_IN:
    case TOKEN_NOT_EQUALS:
        *ret = OPERATOR_NOT_IN;
        return true;
    case TOKEN_GREATER:
        *ret = OPERATOR_GREATER;
        return true;
    case TOKEN_LESS:
        *ret = OPERATOR_LESS;
        return true;
    default:
        return false;
    }
}

static int parse_comparison(struct parser *p, struct requirement *r)
{
    struct item i = advance(p);
    if (!operator_of(i.token, &r->op)) {
        return fault(p, IN_REQUIREMENT, i, ", expected: in, notin, =, ==, !=, gt, lt");
    }
    bool list = i.token == TOKEN_IN || i.token == TOKEN_NOT_IN;
    size_t room = list ? p->left.len + 2 : 1; /* no more values than characters are left */
    if (room > 64) {                          /* a closer count, as there may be many lists */
        const char *end = memchr(p->left.ptr, ')', p->left.len);
        room = end ? (size_t)(end - p->left.ptr) + 2 : room;
    }
    r->values = arena_alloc(p->a, room * sizeof(*r->values));
    int rc =
        list ? parse_list(p, r->values, &r->n_values) : parse_value(p, r->values, &r->n_values);
    if (rc) {
        return rc;
    }
    bool number = r->op == OPERATOR_GREATER || r->op == OPERATOR_LESS;
    r->n_values = selector_sort_texts(r->values, r->n_values);
    rc = check_values(p, r, number);
    if (!rc && number) {
        selector_parse_int(r->values[0], &r->number);
    }
    return rc;
}

static int parse_requirement(struct parser *p, struct requirement *r)
{
    *r = (struct requirement){.op = OPERATOR_EXISTS};
    struct item i = advance(p);
    if (i.token == TOKEN_NOT) {
        r->op = OPERATOR_NOT_EXISTS;
        i = advance(p);
    }
    if (as_value(i) != TOKEN_WORD) {
        return fault(p, IN_REQUIREMENT, i, ", expected: identifier");
    }
    int rc = check_key(p, i.text);
    if (rc) {
        return rc;
    }
    r->key = i.text;
    bool alone = p->next.token == TOKEN_END || p->next.token == TOKEN_COMMA;
    return alone || r->op == OPERATOR_NOT_EXISTS ? 0 : parse_comparison(p, r);
}

static int parse_all(struct parser *p, struct selector *s, size_t room)
{
    for (;;) {
        enum token t = as_value(p->next);
        if (t == TOKEN_END) {
            return 0;
        }
        if (t != TOKEN_WORD && t != TOKEN_NOT) {
            return fault(p, "", p->next, ", expected: !, identifier, or 'end of string'");
        }
        assert(s->n < room); /* a comma stands before each but the first */
        int rc = parse_requirement(p, &s->items[s->n]);
        if (rc) {
            return rc;
        }
        s->n++;
        struct item i = advance(p);
        if (i.token == TOKEN_END) {
            return 0;
        }
        if (i.token != TOKEN_COMMA) {
            return fault(p, "", i, ", expected: ',' or 'end of string'");
        }
        t = as_value(p->next);
        if (t != TOKEN_WORD && t != TOKEN_NOT) {
            return fault(p, "", p->next, ", expected: identifier after ','");
        }
    }
}

int selector_parse_labels(struct arena *a, struct str text, struct selector **ret, struct err *err)
{
    if (text.len > LIMIT_SELECTOR_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "a selector may not be longer than %u bytes",
                       LIMIT_SELECTOR_BYTES);
    }
    struct parser p = {.a = a, .left = arena_str(a, text), .err = err};
    size_t room = 1;
    for (size_t i = 0; i < text.len; i++) {
        room += text.ptr[i] == ',';
    }
    struct selector *s = ARENA_NEW(a, struct selector);
    s->items = arena_alloc(a, room * sizeof(*s->items));
    advance(&p);
    int rc = parse_all(&p, s, room);
    if (rc) {
        return rc;
    }
    selector_finish_parse(s);
    *ret = s->n ? s : NULL;
    return 0;
}
