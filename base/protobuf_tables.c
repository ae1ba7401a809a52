/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of messages, read from their notation in documents. */
#include "base/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { WRITTEN_DEPTH = 16 }; /* of messages that are always there */

static const char *const kind_names[] = {"string",      "bytes",   "bool",      "int",
                                         "double",      "Time",    "MicroTime", "Quantity",
                                         "IntOrString", "Strings", "Raw"};

static struct str next_word(struct str *text)
{
    struct str rest, word;
    do {
        word = str_cut(*text, ' ', &rest);
        *text = rest;
    } while (word.ptr && !word.len && rest.ptr);
    return word;
}

static bool parse_number(struct str s, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || v > 100000) {
            return false;
        }
        v = v * 10 + (uint32_t)(s.ptr[i] - '0');
    }
    *ret = v;
    return s.len > 0 && v > 0;
}

/* *ret_type: the name of a kind or of a message. */
static int parse_field(struct protobuf_field *f, struct str text, struct str *ret_type,
                       struct err *err)
{
    struct str all = text;
    bool number = parse_number(next_word(&text), &f->number);
    struct str word = next_word(&text);
    if (str_is(word, "list") || str_is(word, "map")) {
        f->shape = word.len == 4 ? PROTOBUF_LIST : PROTOBUF_MAP;
        word = next_word(&text);
    }
    if (word.len && (word.ptr[word.len - 1] == '?' || word.ptr[word.len - 1] == '!')) {
        f->zero = word.ptr[--word.len] == '?' ? PROTOBUF_OPTIONAL : PROTOBUF_KEEP;
    }
    f->kind = PROTOBUF_MESSAGE;
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(*kind_names); i++) {
        if (str_is(word, kind_names[i])) {
            f->kind = (enum protobuf_kind)i;
        }
    }
    *ret_type = word;
    if (!number || !word.len || text.len) {
        return err_set(err, ERR_INVALID, "field %.*s: \"%.*s\" is no field", STR_FMT(f->name),
                       STR_FMT(all));
    }
    return 0;
}

static const struct protobuf_message *find_own(const struct protobuf *p, struct str name)
{
    for (size_t i = 0; p && i < p->n; i++) {
        if (str_eq(p->messages[i].name, name)) {
            return &p->messages[i];
        }
    }
    return NULL;
}

const struct protobuf_message *protobuf_find(const struct protobuf *p, struct str name)
{
    const struct protobuf_message *m = NULL;
    for (; p && !m; p = p->more) {
        m = find_own(p, name);
    }
    return m;
}

bool protobuf_has(const struct protobuf *p, struct str message)
{
    return find_own(p, message) != NULL;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct protobuf_field *)a)->number,
             y = ((const struct protobuf_field *)b)->number;
    return (x > y) - (x < y);
}

static int read_field(const struct protobuf *p, struct arena *a, struct protobuf_message *m,
                      struct protobuf_field *f, const struct json_iter *it, struct err *err)
{
    struct str type, name = json_str(it->key);
    m->either = m->either || (name.len && name.ptr[0] == '|');
    f->name = arena_str(a, m->either ? str_skip(name, 1) : name);
    int r = parse_field(f, json_str(it->val), &type, err);
    if (r == 0 && f->kind == PROTOBUF_MESSAGE && !(f->message = protobuf_find(p, type))) {
        return err_set(err, ERR_INVALID, "field %.*s: there is no message %.*s", STR_FMT(f->name),
                       STR_FMT(type));
    }
    return r;
}

static int read_message(const struct protobuf *p, struct arena *a, struct protobuf_message *m,
                        const yyjson_mut_val *fields, struct err *err)
{
    size_t n = json_size(fields);
    struct protobuf_field *all = arena_zero(a, (n + 1) * sizeof(*all));
    if (n > PROTOBUF_FIELDS) {
        return err_set(err, ERR_INVALID, "message %.*s: it has more than %d fields",
                       STR_FMT(m->name), PROTOBUF_FIELDS);
    }
    struct json_iter it = json_iter(fields);
    while (json_next(&it)) {
        int r = read_field(p, a, m, &all[m->n++], &it, err);
        if (r < 0) {
            return err_wrap(err, "message %.*s", STR_FMT(m->name));
        }
    }
    qsort(all, n, sizeof(*all), by_number);
    m->fields = all;
    return 0;
}

/* Whether what is written of an empty message comes to an end: its messages that are always there
 * are not within each other. */
static bool ends(const struct protobuf_message *m, unsigned depth)
{
    for (size_t i = 0; i < m->n && depth <= WRITTEN_DEPTH; i++) {
        const struct protobuf_field *f = &m->fields[i];
        bool written = f->kind == PROTOBUF_MESSAGE && f->shape == PROTOBUF_ONE &&
                       f->zero != PROTOBUF_OPTIONAL && !m->either;
        if (written && !ends(f->message, depth + 1)) {
            return false;
        }
    }
    return depth <= WRITTEN_DEPTH;
}

int protobuf_create(struct arena *a, const yyjson_mut_val *tables, const struct protobuf *more,
                    struct protobuf **ret, struct err *err)
{
    struct protobuf *p = ARENA_NEW(a, struct protobuf);
    struct protobuf_message *messages = arena_zero(a, (json_size(tables) + 1) * sizeof(*messages));
    p->more = more;
    p->messages = messages;
    struct json_iter it = json_iter(tables);
    while (json_next(&it)) { /* all the names first: fields may be of any of them */
        messages[p->n++].name = arena_str(a, json_str(it.key));
    }
    it = json_iter(tables);
    for (size_t i = 0; json_next(&it); i++) {
        int r = read_message(p, a, &messages[i], it.val, err);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        if (!ends(&messages[i], 0)) {
            return err_set(err, ERR_INVALID, "message %.*s: it is within itself and not optional",
                           STR_FMT(messages[i].name));
        }
    }
    *ret = p;
    return 0;
}
