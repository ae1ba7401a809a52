/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors NUL labels as JSON: the canonical text of a selector gives the same selector, and
 * each requirement matches as its operator says. */
#include "base/limits.h"
#include "resources/selector_priv.h"
#include "tests/fuzz/fuzz.h"

static void add_values(struct buf *b, const struct requirement *r, const char *word)
{
    buf_add(b, r->key);
    buf_addz(b, word);
    for (size_t i = 0; i < r->n_values; i++) {
        buf_addz(b, i ? "," : "");
        buf_add(b, r->values[i]);
    }
    buf_addc(b, ')');
}

static void add_requirement(struct buf *b, const struct requirement *r)
{
    switch (r->op) {
    case OPERATOR_IN:
        add_values(b, r, " in (");
        break;
    case OPERATOR_NOT_IN:
        add_values(b, r, " notin (");
        break;
    case OPERATOR_NOT_EXISTS:
        buf_addc(b, '!');
        buf_add(b, r->key);
        break;
    case OPERATOR_EXISTS:
        buf_add(b, r->key);
        break;
    case OPERATOR_GREATER:
    case OPERATOR_LESS:
        buf_add(b, r->key);
        buf_addc(b, r->op == OPERATOR_GREATER ? '>' : '<');
        buf_addi(b, r->number);
        break;
    }
}

static struct str canonical(struct fuzz *f, const struct selector *s)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; s && i < s->n; i++) {
        buf_addz(&b, i ? "," : "");
        add_requirement(&b, &s->items[i]);
    }
    return arena_str(&f->arena, buf_str(&b));
}

static bool holds(const struct requirement *r, const yyjson_mut_val *labels)
{
    const yyjson_mut_val *v = json_getn(labels, r->key);
    bool in = false;
    int64_t number = 0;
    for (size_t i = 0; v && i < r->n_values; i++) {
        in |= str_eq(r->values[i], json_str(v));
    }
    switch (r->op) {
    case OPERATOR_IN:
        return in;
    case OPERATOR_NOT_IN:
        return !in;
    case OPERATOR_EXISTS:
        return v != NULL;
    case OPERATOR_NOT_EXISTS:
        return !v;
    case OPERATOR_GREATER:
        return v && selector_parse_int(json_str(v), &number) && number > r->number;
    case OPERATOR_LESS:
        return v && selector_parse_int(json_str(v), &number) && number < r->number;
    }
    return false;
}

static bool all_text(const yyjson_mut_val *labels)
{
    struct json_iter it = json_iter(labels);
    while (json_next(&it)) {
        if (!json_is_str(it.val)) {
            return false;
        }
    }
    return json_is_obj(labels);
}

static void check_match(struct fuzz *f, const struct selector *s, struct str labels)
{
    yyjson_mut_doc *d = labels.len ? fuzz_json(f, labels) : NULL;
    if (!d || !all_text(d->root)) {
        d = NULL;
    }
    bool want = true;
    for (size_t i = 0; s && i < s->n; i++) {
        want &= holds(&s->items[i], d ? d->root : NULL);
    }
    FUZZ_CHECK(selector_match_labels(s, d ? d->root : NULL) == want);
    FUZZ_CHECK(!s ||
               selector_match_labels(selector_copy(&f->arena, s), d ? d->root : NULL) == want);
}

/* The form of an object: matchLabels and matchExpressions. */
static void check_object(struct fuzz *f, struct str text)
{
    yyjson_mut_doc *d = fuzz_json(f, text);
    AUTO(err_finish) struct err err = {0};
    struct selector *s = NULL;
    if (!d) {
        return;
    }
    int code = selector_from_object(&f->arena, d->root, &s, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
    } else {
        selector_match_labels(s, d->root);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct str labels = f.text, text = fuzz_part(&labels);
    struct selector *s = NULL, *again = NULL;
    int code = selector_parse_labels(&f.arena, text, &s, &err);
    if (code == 0) {
        struct str once = canonical(&f, s);
        if (once.len <= LIMIT_SELECTOR_BYTES) {
            FUZZ_CHECK(selector_parse_labels(&f.arena, once, &again, NULL) == 0);
            FUZZ_SAME(canonical(&f, again), once);
        }
        check_match(&f, s, labels);
    } else {
        FUZZ_REFUSED(code, err);
    }
    check_object(&f, text);
    return fuzz_end(&f, data, size);
}
