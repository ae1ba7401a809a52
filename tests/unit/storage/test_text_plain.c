/* SPDX-License-Identifier: Apache-2.0 */
/* The full-text index against a plain scan, over random histories: what matches, filters, order,
 * pages, totals and counts, with writes of many documents and writes that are given up. */
#include "tests/unit/storage/text_fixture.h"

enum { OBJECTS = 160, STEPS = 700, WORDS = 3, TAGS = 5, PLACES = 4 };
static const char *const vocabulary[] = {"node", "nodes",      "cluster", "clus",    "kube",
                                         "prom", "prometheus", "theus",   "disk",    "io",
                                         "a",    "cpu",        "of",      "overview"};
static const char *const folders[PLACES] = {"", "ops", "dev", "lab"};
static const char *const tags[TAGS] = {"linux", "node", "prod", "Prod", "x y"};
static const char *const spaces[] = {"default", "org-2"};

struct plain {
    bool there;
    char name[16], title[80], body[80], sorted[80];
    int type, space, folder;
    unsigned tags; /* bits */
    int64_t created, updated;
};

/* A question, as the model answers it. */
struct question {
    char words[200];
    struct text_query q;
    struct str folders[2], names[2], tags[2];
};

static void some_words(char *out, size_t size, int most)
{
    size_t at = 0;
    out[0] = 0;
    for (int n = rand() % (most + 1); n > 0; n--) {
        const char *w = vocabulary[(size_t)rand() % (sizeof(vocabulary) / sizeof(*vocabulary))];
        at += (size_t)snprintf(out + at, size - at, "%s%s", at ? (rand() % 3 ? " " : "-") : "", w);
    }
}

struct tokens {
    char text[200];
    char *items[64];
    size_t n;
};

static void split(struct tokens *t, const char *s)
{
    t->n = 0;
    snprintf(t->text, sizeof(t->text), "%s", s);
    for (char *save = NULL, *w = strtok_r(t->text, " -", &save); w;
         w = strtok_r(NULL, " -", &save)) {
        t->items[t->n++] = w;
    }
}

static bool phrase_at(const struct tokens *text, size_t at, const struct tokens *word, bool last)
{
    for (size_t i = 0; i < word->n; i++) {
        const char *have = text->items[at + i], *want = word->items[i];
        bool open = last && i + 1 == word->n;
        if (open ? strncmp(have, want, strlen(want)) != 0 : strcmp(have, want) != 0) {
            return false;
        }
    }
    return true;
}

static bool has_phrase(const char *s, const struct tokens *word, bool last)
{
    struct tokens text;
    split(&text, s);
    for (size_t at = 0; at + word->n <= text.n; at++) {
        if (phrase_at(&text, at, word, last)) {
            return true;
        }
    }
    return false;
}

static bool has_parts(const char *title, const struct tokens *word)
{
    struct tokens text;
    split(&text, title);
    for (size_t i = 0; i < word->n; i++) {
        bool any = false;
        for (size_t k = 0; k < text.n; k++) {
            any = any || strstr(text.items[k], word->items[i]);
        }
        if (strlen(word->items[i]) < 3 || !any) {
            return false;
        }
    }
    return true;
}

static bool has_words(const struct plain *p, const char *words)
{
    char copy[200];
    snprintf(copy, sizeof(copy), "%s", words);
    char *save = NULL, *w = strtok_r(copy, " ", &save);
    while (w) {
        char *next = strtok_r(NULL, " ", &save);
        struct tokens word;
        split(&word, w);
        if (!has_phrase(p->title, &word, !next) && !has_phrase(p->body, &word, !next) &&
            !has_parts(p->title, &word)) {
            return false;
        }
        w = next;
    }
    return true;
}

/* ---- the model ---- */

static bool is_among(const struct str *list, size_t n, const char *s)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(list[i], s)) {
            return true;
        }
    }
    return false;
}

static bool has_tag(const struct plain *p, struct str tag)
{
    for (int i = 0; i < TAGS; i++) {
        if (str_is(tag, tags[i]) && p->tags & 1u << i) {
            return true;
        }
    }
    return false;
}

static bool matches(const struct plain *p, const struct text_query *q, const char *words)
{
    bool all = p->there && is_among(q->types, q->n_types, both[p->type].ptr) &&
               (!q->ns.ptr || str_is(q->ns, spaces[p->space]));
    all = all && (!q->n_folders || is_among(q->folders, q->n_folders, folders[p->folder]));
    all = all && (!q->n_names || is_among(q->names, q->n_names, p->name));
    for (size_t i = 0; all && i < q->n_tags; i++) {
        all = has_tag(p, q->tags[i]);
    }
    return all && has_words(p, words);
}

static int by_number(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* arg: the question whose answer is sorted. */
static int compare(const void *x, const void *y, void *arg)
{
    const struct text_query *sorting = arg;
    const struct plain *a = *(const struct plain *const *)x, *b = *(const struct plain *const *)y;
    int c = 0;
    switch (sorting->sort) {
    case TEXT_BY_TITLE:
        c = strcmp(a->sorted, b->sorted);
        break;
    case TEXT_BY_CREATED:
        c = by_number(a->created, b->created);
        break;
    case TEXT_BY_UPDATED:
        c = by_number(a->updated, b->updated);
        break;
    case TEXT_BY_NAME:
        break;
    case TEXT_BY_RELEVANCE: /* without words */
        c = -strcmp(both[a->type].ptr, both[b->type].ptr);
        c = c ? c : strcmp(a->sorted, b->sorted);
        return c ? c : strcmp(a->name, b->name);
    }
    c = c ? c : strcmp(a->name, b->name);
    return sorting->descending ? -c : c;
}

/* ---- a check ---- */

struct answer {
    const struct plain *hits[OBJECTS];
    size_t n;
};

static void check_facet(const struct answer *want, const struct text_facet *f, bool is_tags,
                        int64_t limit)
{
    int n = is_tags ? TAGS : PLACES;
    int64_t counts[TAGS] = {0}, total = 0, missing = 0;
    size_t shown = 0;
    for (size_t i = 0; i < want->n; i++) {
        const struct plain *p = want->hits[i];
        for (int k = 0; k < n; k++) {
            counts[k] += is_tags ? p->tags >> k & 1 : k && p->folder == k;
        }
        missing += is_tags ? !p->tags : !p->folder;
    }
    for (int k = 0; k < n; k++) {
        total += counts[k];
        shown += counts[k] > 0;
    }
    assert_int_equal(f->total, total);
    assert_int_equal(f->missing, missing);
    assert_int_equal(f->n_terms, shown < (size_t)limit ? shown : (size_t)limit);
    for (size_t i = 0; i < f->n_terms; i++) {
        int k = 0;
        while (!str_is(f->terms[i].term, is_tags ? tags[k] : folders[k])) {
            assert_true(++k < n);
        }
        assert_int_equal(f->terms[i].count, counts[k]);
        counts[k] = -1; /* once */
        const struct text_term *before = i ? &f->terms[i - 1] : NULL;
        assert_true(
            !before || before->count > f->terms[i].count ||
            (before->count == f->terms[i].count && str_cmp(before->term, f->terms[i].term) < 0));
    }
    for (int k = 0; k < n && f->n_terms; k++) {
        assert_true(counts[k] <= f->terms[f->n_terms - 1].count);
    }
}

static void check_hit(const struct plain *p, const struct text_hit *h)
{
    assert_true(str_is(h->name, p->name) && str_is(h->title, p->title));
    assert_true(str_is(h->key, p->name) && str_is(h->ns, spaces[p->space]));
    assert_true(str_is(h->type, both[p->type].ptr) && str_is(h->folder, folders[p->folder]));
    assert_int_equal(h->created_us, p->created);
    assert_int_equal(h->updated_us, p->updated);
    for (size_t i = 0; i < h->n_tags; i++) {
        assert_true(has_tag(p, h->tags[i]));
    }
    assert_int_equal(h->n_tags, __builtin_popcount(p->tags));
}

static const struct plain *named(const struct answer *want, struct str name)
{
    for (size_t i = 0; i < want->n; i++) {
        if (str_is(name, want->hits[i]->name)) {
            return want->hits[i];
        }
    }
    return NULL;
}

/* The best first; of the same score by type and title. */
static void check_scored(const struct answer *want, const struct text_found *r)
{
    struct text_query by_title = {.sort = TEXT_BY_RELEVANCE};
    for (size_t i = 0; i < r->n_hits; i++) {
        const struct plain *p = named(want, r->hits[i].name);
        assert_non_null(p);
        check_hit(p, &r->hits[i]);
        assert_true(r->hits[i].score > 0);
        if (i) {
            const struct plain *before = named(want, r->hits[i - 1].name);
            assert_ptr_not_equal(before, p);
            assert_true(
                r->hits[i - 1].score > r->hits[i].score ||
                (r->hits[i - 1].score == r->hits[i].score && compare(&before, &p, &by_title) < 0));
        }
    }
}

/* A page is the part of the whole that it says it is. */
static void check_page(struct fixture *f, const struct question *x, const struct text_found *page)
{
    struct text_query q = x->q;
    struct text_found all;
    q.offset = 0;
    q.limit = OBJECTS;
    assert_int_equal(text_find(f->text, &q, &f->arena, &all, NULL), 0);
    for (size_t i = 0; i < page->n_hits; i++) {
        assert_true(str_eq(page->hits[i].name, all.hits[(size_t)x->q.offset + i].name));
    }
}

static void check_keys(struct fixture *f, const struct question *x, struct answer *want)
{
    struct text_query by_name = {.sort = TEXT_BY_NAME};
    struct str *keys;
    size_t n;
    assert_int_equal(text_find_keys(f->text, &x->q, &f->arena, &keys, &n, NULL), 0);
    assert_int_equal(n, want->n);
    qsort_r(want->hits, want->n, sizeof(*want->hits), compare, &by_name);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_is(keys[i], want->hits[i]->name));
    }
}

static void check(struct fixture *f, const struct plain *plain, const struct question *x)
{
    struct answer want = {.n = 0};
    struct text_found r;
    const struct text_query *q = &x->q;
    for (int i = 0; i < OBJECTS; i++) {
        if (matches(&plain[i], q, x->words)) {
            want.hits[want.n++] = &plain[i];
        }
    }
    assert_int_equal(text_find(f->text, q, &f->arena, &r, NULL), 0);
    size_t from = (size_t)q->offset < want.n ? (size_t)q->offset : want.n,
           n = want.n - from < (size_t)q->limit ? want.n - from : (size_t)q->limit;
    assert_int_equal(r.total, want.n);
    assert_int_equal(r.n_hits, n);
    check_facet(&want, &r.facets[0], true, q->facet_limit);
    check_facet(&want, &r.facets[1], false, q->facet_limit);
    if (x->words[0] && q->sort == TEXT_BY_RELEVANCE) {
        check_scored(&want, &r);
    } else {
        qsort_r(want.hits, want.n, sizeof(*want.hits), compare, (void *)(uintptr_t)q);
        for (size_t i = 0; i < n; i++) {
            check_hit(want.hits[from + i], &r.hits[i]);
        }
    }
    check_page(f, x, &r);
    check_keys(f, x, &want);
}

/* ---- a history ---- */

static size_t some(struct str *ret, const char *const *of, int n)
{
    size_t k = rand() % 3 ? 0 : (size_t)(1 + rand() % 2);
    for (size_t i = 0; i < k; i++) {
        ret[i] = str_from(of[rand() % n]);
    }
    return k;
}

static void make_question(struct question *x, const struct plain *plain)
{
    static const struct str facets[] = {{"tags", 4}, {"folder", 6}};
    const char *const some_names[] = {plain[1].name, plain[30].name, plain[31].name, "absent"};
    some_words(x->words, sizeof(x->words), 2);
    x->q = (struct text_query){.words = str_from(x->words),
                               .types = both + (rand() % 4 == 0),
                               .ns = rand() % 4 ? str_from(spaces[rand() % 2]) : STR_NULL,
                               .folders = x->folders,
                               .names = x->names,
                               .tags = x->tags,
                               .sort = (enum text_sort)(rand() % 5),
                               .limit = rand() % 3 ? 5 : OBJECTS,
                               .offset = rand() % 3 ? 0 : rand() % 60,
                               .facets = facets,
                               .n_facets = 2,
                               .facet_limit = 1 + rand() % 5};
    x->q.n_types = x->q.types == both ? (size_t)(1 + rand() % 2) : 1;
    x->q.descending = x->q.sort != TEXT_BY_RELEVANCE && rand() % 2;
    x->q.n_folders = some(x->folders, folders, PLACES);
    x->q.n_tags = some(x->tags, tags, TAGS);
    x->q.n_names = rand() % 6 ? 0 : some(x->names, some_names, 4);
}

static void change(struct plain *p)
{
    if (p->there && rand() % 3 == 0) { /* as most changes are: words stay */
        p->updated++;
        p->folder = rand() % 2 ? p->folder : rand() % PLACES;
        return;
    }
    p->there = true;
    some_words(p->title, sizeof(p->title), WORDS);
    some_words(p->body, sizeof(p->body), WORDS);
    snprintf(p->sorted, sizeof(p->sorted), "%s", p->title);
    for (char *c = p->sorted; *c; c++) {
        *c = *c == '-' ? ' ' : *c;
    }
    p->folder = rand() % PLACES;
    p->tags = (unsigned)rand() % (1u << TAGS) & (unsigned)rand();
    p->created = rand() % 50;
    p->updated = rand() % 50;
}

static void put_plain(struct text *t, const struct plain *p)
{
    struct text_value values[TAGS + 1];
    struct str title = str_from(p->title), body = str_from(p->body);
    struct text_document d = {.key = str_from(p->name),
                              .type = both[p->type],
                              .ns = str_from(spaces[p->space]),
                              .name = str_from(p->name),
                              .folder = str_from(folders[p->folder]),
                              .title = title,
                              .texts = {title, STR(""), STR(""), body},
                              .values = values,
                              .created_us = p->created,
                              .updated_us = p->updated};
    for (int i = 0; i < TAGS; i++) {
        if (p->tags & 1u << i) {
            values[d.n_values++] = (struct text_value){STR("tags"), str_from(tags[i])};
        }
    }
    if (d.n_values) { /* one that stands there twice counts once */
        values[d.n_values] = values[0];
        d.n_values++;
    }
    assert_int_equal(text_put(t, &d, NULL), 0);
}

/* Some changes in one write, which may come to nothing. */
static void write_some(struct text *t, struct plain *plain, int step)
{
    static struct plain kept[OBJECTS];
    bool fails = rand() % 8 == 0;
    memcpy(kept, plain, sizeof(kept));
    assert_int_equal(text_begin(t, NULL), 0);
    for (int n = step ? 1 + rand() % 4 : OBJECTS; n > 0; n--) {
        struct plain *p = &plain[rand() % OBJECTS];
        if (rand() % 5) {
            change(p);
            put_plain(t, p);
        } else {
            p->there = false;
            assert_int_equal(
                text_remove(t, both[p->type], str_from(spaces[p->space]), str_from(p->name), NULL),
                0);
        }
    }
    if (fails) {
        text_rollback(t);
        memcpy(plain, kept, sizeof(kept));
    } else {
        assert_int_equal(text_commit(t, STR("here"), step + 1, NULL), 0);
    }
}

/* All documents of a type, some at a time. */
static void clear_type(struct text *t, struct plain *plain, int type)
{
    bool more = true;
    while (more) {
        assert_int_equal(text_begin(t, NULL), 0);
        assert_int_equal(text_remove_some(t, both[type], 7, &more, NULL), 0);
        assert_int_equal(text_commit(t, STR("here"), 1, NULL), 0);
    }
    for (int i = 0; i < OBJECTS; i++) {
        plain[i].there = plain[i].there && plain[i].type != type;
    }
}

static void run_history(struct fixture *f, struct plain *plain, unsigned seed)
{
    struct question x;
    srand(seed);
    for (int i = 0; i < OBJECTS; i++) {
        snprintf(plain[i].name, sizeof(plain[i].name), "%03d", i);
        plain[i].type = i % 7 == 0;
        plain[i].space = i % 5 == 0;
    }
    for (int step = 0; step < STEPS; step++) {
        write_some(f->text, plain, step);
        if (step == STEPS / 2) {
            clear_type(f->text, plain, 0);
        }
        make_question(&x, plain);
        check(f, plain, &x);
    }
}

static void is_as_a_plain_scan(void **state)
{
    struct fixture *f = *state;
    struct plain *plain = alloc_zero(OBJECTS * sizeof(*plain));
    run_history(f, plain, 7);
    clear_type(f->text, plain, 0);
    clear_type(f->text, plain, 1);
    assert_int_equal(text_count(f->text), 0);
    run_history(f, plain, 8);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TEXT(is_as_a_plain_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
