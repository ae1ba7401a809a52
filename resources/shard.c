/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a shard selector is an expression of CEL of which only this much means something:
 *   selector = term {"||" term}    term = "(" selector ")" | [path "."] "shardRange" "(" path ","
 * string "," string ")" Syntax is complained about before meaning, as the reference does, which
 * parses all of it first.
 */
#include "resources/shard.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/quote.h"

#define FIELD_UID "object.metadata.uid"
#define FIELD_NAMESPACE "object.metadata.namespace"
#define TOP "0x10000000000000000"
#define OPERANDS                                                                                   \
    "'.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "        \
    "IDENTIFIER}"

enum { HEX_DIGITS = 16, DEPTH_MAX = 64, ARGS = 3 };

struct range {
    struct range *next;
    struct str field, start, end;
};

struct shard_selector {
    struct range *ranges;
    bool by_namespace;
    struct str text;
};

enum token {
    TOKEN_END,
    TOKEN_BAD,
    TOKEN_IDENT,
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_OR,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_DOT,
};

/* The numbers of cel-go's ast.ExprKind, which its complaints show. */
enum kind { KIND_CALL = 1, KIND_IDENT = 3, KIND_LITERAL = 5, KIND_SELECT = 7 };

struct operand {
    enum kind kind;
    struct str path; /* of an identifier or a selection; its last part in a call */
    struct str text; /* of a literal */
    bool is_string;
};

struct parser {
    struct arena *a;
    struct str left;
    enum token token;
    struct str text; /* of the token; a string's without quotes */
    struct range *first, **last;
    struct err wrong; /* the first complaint about what it means */
    struct err *err;
    int depth;
};

/* ---- words ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct str skip_blank(struct str s)
{
    while (s.len) {
        if (strchr(" \t\n\r\f", s.ptr[0]) && s.ptr[0]) {
            s = str_skip(s, 1);
        } else if (str_starts(s, STR("//"))) {
            const char *end = memchr(s.ptr, '\n', s.len);
            s = str_skip(s, end ? (size_t)(end - s.ptr) : s.len);
        } else {
            break;
        }
    }
    return s;
}

static size_t word_length(struct str s)
{
    size_t n = 0;
    while (n < s.len &&
           (is_letter(s.ptr[n]) || is_digit(s.ptr[n]) || (is_digit(s.ptr[0]) && s.ptr[n] == '.'))) {
        n++;
    }
    return n;
}

/* A string without escapes: none is needed in one that means something here. */
static void scan_string(struct parser *p)
{
    struct str s = p->left;
    size_t n = 1;
    while (n < s.len && s.ptr[n] != s.ptr[0] && s.ptr[n] != '\\' && s.ptr[n] != '\n') {
        n++;
    }
    bool closed = n < s.len && s.ptr[n] == s.ptr[0];
    p->token = closed ? TOKEN_STRING : TOKEN_BAD;
    p->text = closed ? str_make(s.ptr + 1, n - 1) : s;
    p->left = str_skip(s, closed ? n + 1 : n);
}

static void take_token(struct parser *p, enum token token, size_t n)
{
    p->token = token;
    p->text = str_make(p->left.ptr, n);
    p->left = str_skip(p->left, n);
}

static void advance(struct parser *p)
{
    static const char marks[] = "(),.";
    static const enum token of_mark[] = {TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA, TOKEN_DOT};
    p->left = skip_blank(p->left);
    if (!p->left.len) {
        p->token = TOKEN_END;
        p->text = STR("<EOF>");
        return;
    }
    char c = p->left.ptr[0];
    const char *mark = c ? strchr(marks, c) : NULL;
    if (mark) {
        take_token(p, of_mark[mark - marks], 1);
    } else if (c == '\'' || c == '"') {
        scan_string(p);
    } else if (is_letter(c) || is_digit(c)) {
        take_token(p, is_digit(c) ? TOKEN_NUMBER : TOKEN_IDENT, word_length(p->left));
    } else if (str_starts(p->left, STR("||"))) {
        take_token(p, TOKEN_OR, 2);
    } else {
        take_token(p, TOKEN_BAD, 1);
    }
}

/* ---- complaints ---- */

static int syntax(struct parser *p, const char *before, const char *after)
{
    if (p->token == TOKEN_BAD) {
        return err_set(p->err, ERR_UNKNOWN_500,
                       "invalid shard selector: CEL parse error: Syntax error: token recognition "
                       "error at: '%.*s'",
                       STR_FMT(p->text));
    }
    const char *quote = p->token == TOKEN_STRING ? "'" : "";
    return err_set(p->err, ERR_UNKNOWN_500,
                   "invalid shard selector: CEL parse error: Syntax error: %s'%s%.*s%s'%s", before,
                   quote, STR_FMT(p->text), quote, after);
}

static const char *quoted(struct parser *p, struct str s)
{
    AUTO(buf_finish) struct buf b = {0};
    quote_go(&b, s);
    return arena_printf(p->a, "%.*s", STR_FMT(buf_str(&b)));
}

/* The first of them counts, if the syntax holds. Nothing is matched by what it is about. */
static void complain(struct parser *p, const char *why)
{
    if (!p->wrong.code) {
        err_set(&p->wrong, ERR_UNKNOWN_500, "invalid shard selector: %s", why);
    }
}

/* ---- operands ---- */

static int take_path(struct parser *p, struct operand *ret)
{
    AUTO(buf_finish) struct buf b = {0};
    ret->kind = KIND_IDENT;
    if (p->token == TOKEN_DOT) {
        buf_addc(&b, '.');
        advance(p);
    }
    for (;;) {
        if (p->token != TOKEN_IDENT) {
            return syntax(p, "no viable alternative at input ", "");
        }
        buf_add(&b, p->text);
        advance(p);
        if (p->token != TOKEN_DOT) {
            break;
        }
        buf_addc(&b, '.');
        ret->kind = KIND_SELECT;
        advance(p);
    }
    ret->path = arena_str(p->a, buf_str(&b));
    return 0;
}

static int take_args(struct parser *p, struct operand args[ARGS], size_t *ret_n);

static int take_operand(struct parser *p, bool first_arg, struct operand *ret)
{
    *ret = (struct operand){.kind = KIND_LITERAL, .text = p->text};
    if (p->token == TOKEN_STRING || p->token == TOKEN_NUMBER) {
        ret->is_string = p->token == TOKEN_STRING;
        advance(p);
        return 0;
    }
    if (p->token != TOKEN_IDENT && p->token != TOKEN_DOT) {
        return syntax(p, "mismatched input ",
                      first_arg ? " expecting {'[', '{', '(', ')', " OPERANDS
                                : " expecting {'[', '{', '(', " OPERANDS);
    }
    int rc = take_path(p, ret);
    if (!rc && p->token == TOKEN_OPEN) {
        struct operand args[ARGS];
        size_t n;
        ret->kind = KIND_CALL;
        rc = take_args(p, args, &n);
    }
    return rc;
}

/* What stands in the parentheses; *ret_n may be more than were kept. */
static int take_args(struct parser *p, struct operand args[ARGS], size_t *ret_n)
{
    struct operand spare;
    size_t n = 0;
    if (++p->depth > DEPTH_MAX) {
        return err_set(p->err, ERR_UNKNOWN_500,
                       "invalid shard selector: CEL parse error: expression recursion limit "
                       "exceeded: %d",
                       DEPTH_MAX);
    }
    advance(p);
    while (p->token != TOKEN_CLOSE || n) {
        int rc = take_operand(p, !n, n < ARGS ? &args[n] : &spare);
        if (rc) {
            return rc;
        }
        n++;
        if (p->token != TOKEN_COMMA) {
            break;
        }
        advance(p);
    }
    if (p->token != TOKEN_CLOSE) {
        return p->token == TOKEN_END ? syntax(p, "missing ')' at ", "")
                                     : syntax(p, "extraneous input ", " expecting ')'");
    }
    p->depth--;
    advance(p);
    *ret_n = n;
    return 0;
}

/* ---- what it means ---- */

static const char *bad_length(struct parser *p, const char *name, struct str s, struct str hex)
{
    if (hex.len > HEX_DIGITS) {
        return str_is(s, TOP)
                   ? NULL
                   : arena_printf(p->a, "%s: 17-digit hex value must be '" TOP "' (2^64), got %s",
                                  name, quoted(p, s));
    }
    if (hex.len < HEX_DIGITS) {
        static const char zeros[] = "0000000000000000";
        return arena_printf(p->a,
                            "%s must be a 0x-prefixed 16-digit hex value, got %s (did you mean "
                            "\"0x%.*s%.*s\"?)",
                            name, quoted(p, s), (int)(HEX_DIGITS - hex.len), zeros, STR_FMT(hex));
    }
    return NULL;
}

/* Why the operand is no bound; NULL: it is one. */
static const char *bad_bound(struct parser *p, const char *name, const struct operand *o)
{
    if (o->kind != KIND_LITERAL) {
        return arena_printf(p->a,
                            "%s must be a string literal (e.g. '0xff'), got expression kind %d",
                            name, (int)o->kind);
    }
    if (!o->is_string) {
        return arena_printf(p->a, "%s must be a string literal, got %s", name,
                            memchr(o->text.ptr, '.', o->text.len) ? "float64" : "int64");
    }
    if (!str_starts(o->text, STR("0x"))) {
        return arena_printf(p->a, "%s must have '0x' prefix, got %s", name, quoted(p, o->text));
    }
    struct str hex = str_skip(o->text, 2);
    if (!hex.len) {
        return arena_printf(p->a, "%s: hex value is required after '0x'", name);
    }
    if (hex.len > HEX_DIGITS + 1) {
        return arena_printf(p->a, "%s: hex value too long (%zu chars, max 17): %s", name, hex.len,
                            quoted(p, hex));
    }
    for (size_t i = 0; i < hex.len; i++) {
        if (!is_digit(hex.ptr[i]) && (hex.ptr[i] < 'a' || hex.ptr[i] > 'f')) {
            return arena_printf(p->a, "%s: invalid hex character %s in %s", name,
                                quoted(p, str_make(hex.ptr + i, 1)), quoted(p, o->text));
        }
    }
    return bad_length(p, name, o->text, hex);
}

/* As numbers: both are lower case and of full length. */
static bool hex_less(struct str a, struct str b)
{
    return a.len != b.len ? a.len < b.len : str_cmp(a, b) < 0;
}

static const char *bad_range(struct parser *p, const struct operand *args, size_t n)
{
    if (n != ARGS) {
        return arena_printf(p->a, "shardRange() requires exactly 3 arguments, got %zu", n);
    }
    if (args[0].kind != KIND_IDENT && args[0].kind != KIND_SELECT) {
        return arena_printf(p->a,
                            "shardRange() first argument: expected field path (e.g. "
                            "object.metadata.uid), got expression kind %d",
                            (int)args[0].kind);
    }
    if (!str_is(args[0].path, FIELD_UID) && !str_is(args[0].path, FIELD_NAMESPACE)) {
        return arena_printf(p->a,
                            "unsupported field path %s; supported: " FIELD_UID ", " FIELD_NAMESPACE,
                            quoted(p, args[0].path));
    }
    const char *why = bad_bound(p, "hexStart", &args[1]);
    why = why ? why : bad_bound(p, "hexEnd", &args[2]);
    if (!why && !hex_less(args[1].text, args[2].text)) {
        why = arena_printf(p->a, "shard range start %.*s must be less than end %.*s",
                           STR_FMT(args[1].text), STR_FMT(args[2].text));
    }
    return why;
}

static struct str last_part(struct str path)
{
    const char *dot = memrchr(path.ptr, '.', path.len);
    return dot ? str_skip(path, (size_t)(dot + 1 - path.ptr)) : path;
}

static void add_range(struct parser *p, const struct operand *args)
{
    struct range *r = ARENA_NEW(p->a, struct range);
    *r = (struct range){.field = args[0].path, .start = args[1].text, .end = args[2].text};
    *p->last = r;
    p->last = &r->next;
}

static int take_call(struct parser *p, struct str path)
{
    struct operand args[ARGS];
    size_t n = 0;
    int rc = take_args(p, args, &n);
    if (rc) {
        return rc;
    }
    struct str name = last_part(path);
    const char *why = str_is(name, "shardRange")
                          ? bad_range(p, args, n)
                          : arena_printf(p->a,
                                         "unsupported function %s; only shardRange() and || are "
                                         "allowed",
                                         quoted(p, name));
    if (why) {
        complain(p, why);
    } else {
        add_range(p, args);
    }
    return 0;
}

/* ---- selectors ---- */

static int take_selector(struct parser *p);

static int take_term(struct parser *p)
{
    if (p->token == TOKEN_OPEN) {
        if (++p->depth > DEPTH_MAX) {
            return err_set(p->err, ERR_UNKNOWN_500,
                           "invalid shard selector: CEL parse error: expression recursion limit "
                           "exceeded: %d",
                           DEPTH_MAX);
        }
        advance(p);
        int rc = take_selector(p);
        if (rc) {
            return rc;
        }
        if (p->token != TOKEN_CLOSE) {
            return syntax(p, "missing ')' at ", "");
        }
        p->depth--;
        advance(p);
        return 0;
    }
    struct operand o = {.kind = KIND_LITERAL};
    bool path = p->token == TOKEN_IDENT || p->token == TOKEN_DOT;
    int rc = path ? take_path(p, &o) : take_operand(p, false, &o);
    if (rc) {
        return rc;
    }
    if (p->token == TOKEN_OPEN && path) {
        return take_call(p, o.path);
    }
    complain(p, arena_printf(p->a,
                             "unexpected expression kind %d; expected shardRange() call or || "
                             "operator",
                             (int)o.kind));
    return 0;
}

static int take_selector(struct parser *p)
{
    int rc = take_term(p);
    while (!rc && p->token == TOKEN_OR) {
        advance(p);
        rc = take_term(p);
    }
    return rc;
}

static void check_fields(struct parser *p)
{
    for (const struct range *r = p->first; r; r = r->next) {
        if (!str_eq(r->field, p->first->field)) {
            complain(p,
                     arena_printf(p->a, "all shard ranges must use the same field, got %s and %s",
                                  quoted(p, p->first->field), quoted(p, r->field)));
        }
    }
}

static struct str canonical(struct parser *p)
{
    AUTO(buf_finish) struct buf b = {0};
    for (const struct range *r = p->first; r; r = r->next) {
        buf_printf(&b, "%sshardRange(%.*s, '%.*s', '%.*s')", b.len ? " || " : "", STR_FMT(r->field),
                   STR_FMT(r->start), STR_FMT(r->end));
    }
    return arena_str(p->a, buf_str(&b));
}

int shard_parse(struct arena *a, struct str text, struct shard_selector **ret, struct err *err)
{
    struct parser p = {.a = a, .left = arena_str(a, text), .err = err};
    p.last = &p.first;
    advance(&p);
    if (p.token == TOKEN_END) {
        return err_set(err, ERR_UNKNOWN_500,
                       "invalid shard selector: empty shard selector is not allowed; omit the "
                       "parameter for unfiltered lists");
    }
    int rc = take_selector(&p);
    if (!rc && p.token != TOKEN_END) {
        rc = syntax(&p, "extraneous input ", " expecting <EOF>");
    }
    if (!rc) {
        check_fields(&p);
        rc = p.wrong.code ? err_move(err, &p.wrong) : 0;
    }
    err_finish(&p.wrong);
    if (rc) {
        return rc;
    }
    struct shard_selector *s = ARENA_NEW(a, struct shard_selector);
    s->ranges = p.first;
    s->by_namespace = str_is(p.first->field, FIELD_NAMESPACE);
    s->text = canonical(&p);
    *ret = s;
    return 0;
}

/* ---- matching ---- */

bool shard_by_namespace(const struct shard_selector *s)
{
    return s->by_namespace;
}

struct str shard_text(const struct shard_selector *s)
{
    return s->text;
}

/* FNV-1a, 64 bits, as "0x" and 16 digits. */
static void hash_text(struct str value, char ret[2 + HEX_DIGITS])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < value.len; i++) {
        h = (h ^ (unsigned char)value.ptr[i]) * 1099511628211u;
    }
    ret[0] = '0';
    ret[1] = 'x';
    for (int i = HEX_DIGITS - 1; i >= 0; i--, h >>= 4) {
        ret[2 + i] = digits[h & 15];
    }
}

bool shard_match(const struct shard_selector *s, struct str value)
{
    char text[2 + HEX_DIGITS];
    if (!s) {
        return true;
    }
    hash_text(value, text);
    struct str hash = str_make(text, sizeof(text));
    for (const struct range *r = s->ranges; r; r = r->next) {
        if (!hex_less(hash, r->start) && hex_less(hash, r->end)) {
            return true;
        }
    }
    return false;
}
