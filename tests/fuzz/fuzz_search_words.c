/* SPDX-License-Identifier: Apache-2.0 */
/* Words that are searched for, and declarations of text fields: what is given is never taken for an
 * operator, so that every question is answered or refused for its size; and a document that has the
 * words as its title is found by them. */
#include "base/limits.h"
#include "resources/text.h"
#include "storage/text.h"
#include "tests/fuzz/fuzz.h"

static const struct str types[] = {{"notes", 5}};

static void put(struct text *t, const char *key, struct str title)
{
    const struct text_document d = {.key = str_from(key),
                                    .type = types[0],
                                    .ns = STR("default"),
                                    .name = str_from(key),
                                    .title = title,
                                    .texts = {title, STR(""), STR(""), STR("beta")}};
    FUZZ_CHECK(text_begin(t, NULL) == 0);
    FUZZ_CHECK(text_put(t, &d, NULL) == 0);
    FUZZ_CHECK(text_commit(t, STR("fuzz"), 1, NULL) == 0);
}

static struct text *the_index(void)
{
    static struct text *t;
    if (!t) {
        FUZZ_CHECK(text_open(NULL, &t, NULL) == 0);
        put(t, "a", STR("alpha or near not"));
    }
    return t;
}

static int64_t ask(struct fuzz *f, struct str words)
{
    const struct text_query q = {
        .words = words, .types = types, .n_types = 1, .ns = STR("default"), .limit = 10};
    AUTO(err_finish) struct err err = {0};
    struct text_found r;
    struct str *keys;
    size_t n;
    int code = text_find(the_index(), &q, &f->arena, &r, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        FUZZ_CHECK(code == ERR_BAD_REQUEST);
        return -1;
    }
    FUZZ_CHECK(text_find_keys(the_index(), &q, &f->arena, &keys, &n, NULL) == 0);
    FUZZ_CHECK((int64_t)n == r.total && r.n_hits == n);
    return r.total;
}

static void check_declaration(struct fuzz *f)
{
    AUTO(err_finish) struct err err = {0};
    struct text_fields *fields = NULL;
    int code = text_fields_parse(&f->arena, f->text, &fields, &err);
    if (code < 0) {
        FUZZ_REFUSED(code, err);
        return;
    }
    FUZZ_CHECK(fields->n > 0 && fields->n <= LIMIT_TEXT_FIELDS);
    for (size_t i = 0; i < fields->n; i++) {
        const struct text_field *x = &fields->items[i];
        FUZZ_CHECK(x->n_steps > 0 && x->weight > 0 && str_starts(x->path, STR(".")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    the_index();
    fuzz_begin(&f, data, size);
    check_declaration(&f);
    int64_t before = ask(&f, f.text);
    if (before >= 0) {
        put(the_index(), "b", f.text);
        int64_t after = ask(&f, f.text);
        /* Where the words have no letter and no digit, nothing is found by them. */
        FUZZ_CHECK(after == before + 1 || (before == 0 && after == 0));
        FUZZ_CHECK(text_begin(the_index(), NULL) == 0);
        FUZZ_CHECK(text_remove(the_index(), types[0], STR("default"), STR("b"), NULL) == 0);
        FUZZ_CHECK(text_commit(the_index(), STR("fuzz"), 1, NULL) == 0);
        FUZZ_CHECK(ask(&f, f.text) == before);
    }
    return fuzz_end(&f, data, size);
}
