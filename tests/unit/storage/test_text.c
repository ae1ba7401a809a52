/* SPDX-License-Identifier: Apache-2.0 */
/* The full-text index: what matches, order, filters and counts, hostile words, random histories
 * against a plain scan, and files that are missing, damaged, of another layout or of a process that
 * was killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "storage/text.h"

#define DASHBOARDS "dashboards.example.com"
#define FOLDERS "folders.example.com"

struct fixture {
    struct text *text;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *f = ALLOC(struct fixture);
    arena_init(&f->arena, 0);
    *state = f;
    return text_open(NULL, &f->text, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    text_close(f->text);
    arena_finish(&f->arena);
    free(f);
    return 0;
}

struct note {
    const char *key, *title, *body, *folder, *tags[4];
};

static void put_as(struct text *t, const char *type, const char *ns, const struct note *n,
                   int64_t rev)
{
    struct text_value tags[4];
    struct text_document d = {
        .key = str_from(n->key),
        .type = str_from(type),
        .ns = str_from(ns),
        .name = str_from(n->key),
        .title = str_from(n->title),
        .folder = n->folder ? str_from(n->folder) : STR(""),
        .texts = {str_from(n->title), STR(""), STR(""), n->body ? str_from(n->body) : STR("")},
        .values = tags,
        .created_us = rev * 10,
        .updated_us = rev * 10 + 5,
    };
    while (d.n_values < 4 && n->tags[d.n_values]) {
        tags[d.n_values] = (struct text_value){STR("tags"), str_from(n->tags[d.n_values])};
        d.n_values++;
    }
    assert_int_equal(text_begin(t, NULL), 0);
    assert_int_equal(text_put(t, &d, NULL), 0);
    assert_int_equal(text_commit(t, STR("here"), rev, NULL), 0);
}

static void put(struct fixture *f, const char *key, const char *title, const char *body)
{
    const struct note n = {.key = key, .title = title, .body = body};
    put_as(f->text, DASHBOARDS, "default", &n, 1);
}

static const struct str dashboards[] = {{DASHBOARDS, sizeof(DASHBOARDS) - 1}};
static const struct str both[] = {{DASHBOARDS, sizeof(DASHBOARDS) - 1},
                                  {FOLDERS, sizeof(FOLDERS) - 1}};

static struct text_query asking(const char *words)
{
    return (struct text_query){.words = str_from(words),
                               .types = dashboards,
                               .n_types = 1,
                               .ns = STR("default"),
                               .limit = 100};
}

/* The names found, as "a b c". */
static const char *names(struct fixture *f, const struct text_query *q)
{
    struct text_found found;
    AUTO(err_finish) struct err err = {0};
    AUTO(buf_finish) struct buf b = {0};
    if (text_find(f->text, q, &f->arena, &found, &err) < 0) {
        return arena_printf(&f->arena, "! %s", err_message(&err));
    }
    for (size_t i = 0; i < found.n_hits; i++) {
        buf_addz(&b, i ? " " : "");
        buf_add(&b, found.hits[i].name);
    }
    return arena_str(&f->arena, b.len ? buf_str(&b) : STR("")).ptr;
}

static const char *found(struct fixture *f, const char *words)
{
    struct text_query q = asking(words);
    q.sort = TEXT_BY_NAME;
    return names(f, &q);
}

static void finds_words_beginnings_and_parts(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "kube-prometheus overview", "cpu of all nodes");
    put(f, "b", "Node Exporter / Disk", "written by prometheus");
    put(f, "c", "Übersicht Straße", "résumé naïve");
    assert_string_equal(found(f, "prometheus"), "a b");
    assert_string_equal(found(f, "PROMETHEUS"), "a b");
    assert_string_equal(found(f, "prom"), "a b");  /* a beginning */
    assert_string_equal(found(f, "metheus"), "a"); /* a part: of titles only */
    assert_string_equal(found(f, "rometh over"), "a");
    assert_string_equal(found(f, "prometheus node"), "a b");
    assert_string_equal(found(f, "prometheus disk"), "b");
    assert_string_equal(found(f, "kube-prometheus"), "a");
    assert_string_equal(found(f, "prometheus-kube"), "a"); /* within the title in any order */
    assert_string_equal(found(f, "all-nodes"), "a");
    assert_string_equal(found(f, "nodes-all"), ""); /* in texts only as it stands */
    assert_string_equal(found(f, "nod"), "a b");
    assert_string_equal(found(f, "nod cpu"),
                        ""); /* a beginning where it is not the last word, and no title */
    assert_string_equal(found(f, "ubersicht"), "c");
    assert_string_equal(found(f, "U\xcc\x88"
                                 "bersicht"),
                        "c"); /* a combining mark */
    assert_string_equal(found(f, "bersich resume"), "c");
    assert_string_equal(found(f, "naive"), "c");
    assert_string_equal(found(f, "nothing"), "");
    assert_string_equal(found(f, ""), "a b c");
    assert_string_equal(found(f, "  \t"), "a b c");
    assert_string_equal(found(f, "*"), "a b c");
    assert_string_equal(found(f, "* *"), "");
}

static void finds_what_is_not_latin(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "系统监控面板", "");
    put(f, "b", "Обзор кластера", "");
    put(f, "c", "🚀 launch 👩‍🚀", "");
    assert_string_equal(found(f, "系统"), "a");
    assert_string_equal(found(f, "监控"), "a");
    assert_string_equal(found(f, "板"), "a");
    assert_string_equal(found(f, "ОБЗОР"), "b");
    assert_string_equal(found(f, "ласт"), "b");
    assert_string_equal(found(f, "launch"), "c");
    assert_string_equal(found(f, "🚀 launch"), "c");
    assert_string_equal(found(f, "🚀"), ""); /* no letter, no digit */
}

static void takes_nothing_for_an_operator(void **state)
{
    static const char *const words[] = {"\"",
                                        "\"\"",
                                        "alpha\"",
                                        "\"alpha",
                                        "alpha OR beta",
                                        "NOT alpha",
                                        "NEAR(a b)",
                                        "alpha*",
                                        "*alpha",
                                        "alpha NEAR/2 beta",
                                        "(alpha",
                                        "alpha)",
                                        "-alpha",
                                        "+alpha",
                                        "^alpha",
                                        "w8:alpha",
                                        "{w8 parts}: alpha",
                                        "alpha AND",
                                        "AND",
                                        "' OR 1=1;--",
                                        "\\",
                                        "%",
                                        "alpha; DROP TABLE doc",
                                        "a\x01"
                                        "b",
                                        "\xff\xfe",
                                        "\xc3",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xcc\x88",
                                        "\"alpha\" *"};
    struct fixture *f = *state;
    put(f, "a", "alpha", "or not near and");
    put(f, "b", "beta", "");
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        assert_int_not_equal(found(f, words[i])[0], '!');
    }
    assert_string_equal(found(f, "alpha OR"), "a"); /* the word or, which is there */
    assert_string_equal(found(f, "alpha OR beta"), "");
    assert_string_equal(found(f, "NOT beta"), "");
    assert_string_equal(found(f, "-alpha"), "a");
    assert_string_equal(found(f, "\"alpha"), "a");
    assert_string_equal(found(f, "(alpha)"), "a");
    assert_string_equal(found(f, "w8:alpha"), "");
    struct text_query q = asking("");
    q.words = str_make("al\0ha", 5); /* two tokens */
    assert_string_equal(names(f, &q), "");
    q.words = str_make("alpha\0", 6);
    assert_string_equal(names(f, &q), "a");
    assert_string_equal(found(f, ""), "a b");
}

static void refuses_too_many_words(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_finish) struct buf b = {0};
    put(f, "a", "x", "");
    for (int i = 0; i < LIMIT_TEXT_QUERY_TOKENS; i++) {
        buf_addz(&b, "x ");
    }
    struct text_query q = asking("");
    q.words = buf_str(&b);
    assert_string_equal(names(f, &q), "a");
    buf_addz(&b, "x");
    q.words = buf_str(&b);
    assert_string_equal(names(f, &q), "! what is searched for may have 32 words at most");
    b.len = 0;
    for (int i = 0; i <= LIMIT_TEXT_QUERY_TOKENS; i++) {
        buf_addz(&b, "x-");
    }
    q.words = buf_str(&b);
    assert_string_equal(names(f, &q), "! what is searched for may have 32 words at most");
    b.len = 0;
    while (b.len <= LIMIT_TEXT_QUERY_BYTES) {
        buf_addc(&b, 'x');
    }
    q.words = buf_str(&b);
    assert_string_equal(names(f, &q), "! what is searched for may have 1024 bytes at most");
}

static char *long_text(size_t n, const char *piece)
{
    size_t len = strlen(piece);
    char *s = alloc_bytes(n + 1);
    for (size_t i = 0; i < n; i++) {
        s[i] = piece[i % len];
    }
    s[n] = 0;
    return s;
}

static void cuts_long_texts(void **state)
{
    enum { LONG = 10 * 1000 * 1000 };
    static const char *const pieces[] = {"x", "ä", "系", "word ", "👩‍🚀", "a\xcc\x88"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        AUTO_FREE char *s = long_text(LONG, pieces[i]);
        put(f, "a", s, s);
        put(f, "a", s, s);
        assert_string_equal(found(f, ""), "a");
        put(f, "a", "short", "again");
        assert_string_equal(found(f, "short again"), "a");
    }
    AUTO_FREE char *s = long_text(LONG, "x");
    put(f, "a", s, "tail");
    assert_string_equal(found(f, "xxx"), "a");
    assert_string_equal(found(f, "tail"), "a");
}

static void replaces_and_removes(void **state)
{
    struct fixture *f = *state;
    bool more = true;
    put(f, "a", "one", "first");
    put(f, "a", "two", "second");
    assert_string_equal(found(f, "one"), "");
    assert_string_equal(found(f, "first"), "");
    assert_string_equal(found(f, "two"), "a");
    assert_int_equal(text_begin(f->text, NULL), 0);
    assert_int_equal(text_remove(f->text, STR("a"), NULL), 0);
    assert_int_equal(text_remove(f->text, STR("never there"), NULL), 0);
    assert_int_equal(text_commit(f->text, STR("here"), 2, NULL), 0);
    assert_string_equal(found(f, "two"), "");
    assert_string_equal(found(f, ""), "");
    put(f, "b", "three", "");
    put(f, "c", "three", "");
    assert_int_equal(text_begin(f->text, NULL), 0);
    assert_int_equal(text_remove(f->text, STR("b"), NULL), 0);
    text_rollback(f->text);
    assert_int_equal(text_count(f->text), 2);
    assert_string_equal(found(f, "three"), "b c");
    assert_int_equal(text_begin(f->text, NULL), 0);
    assert_int_equal(text_remove_some(f->text, STR(DASHBOARDS), 1, &more, NULL), 0);
    assert_true(more);
    assert_int_equal(text_remove_some(f->text, STR(DASHBOARDS), 2, &more, NULL), 0);
    assert_false(more);
    assert_int_equal(text_commit(f->text, STR("here"), 3, NULL), 0);
    assert_int_equal(text_count(f->text), 0);
}

static void put_shelf(struct fixture *f)
{
    static const struct note notes[] = {
        {"n1", "Node overview", "cluster", "ops", {"linux", "node"}},
        {"n2", "Alerts", "node cluster cluster cluster", "ops", {"linux"}},
        {"n3", "zebra node", "", "", {"node"}},
        {"n4", "Über node", "", "dev", {NULL}},
    };
    static const struct note folders[] = {{"ops", "Operations node", "", "", {NULL}}};
    for (size_t i = 0; i < 4; i++) {
        put_as(f->text, DASHBOARDS, "default", &notes[i], (int64_t)(10 - i));
    }
    put_as(f->text, FOLDERS, "default", &folders[0], 20);
    static const struct note elsewhere = {"n9", "Node elsewhere", "", "ops", {"linux"}};
    put_as(f->text, DASHBOARDS, "org-2", &elsewhere, 21);
}

static void filters_sorts_and_pages(void **state)
{
    struct fixture *f = *state;
    put_shelf(f);
    struct text_query q = asking("");
    q.sort = TEXT_BY_TITLE;
    assert_string_equal(names(f, &q), "n2 n1 n4 n3");
    q.descending = true;
    assert_string_equal(names(f, &q), "n3 n4 n1 n2");
    q.sort = TEXT_BY_CREATED;
    assert_string_equal(names(f, &q), "n1 n2 n3 n4");
    q.sort = TEXT_BY_UPDATED;
    q.descending = false;
    assert_string_equal(names(f, &q), "n4 n3 n2 n1");
    q.limit = 2;
    q.offset = 1;
    assert_string_equal(names(f, &q), "n3 n2");
    q = asking("");
    q.types = both;
    q.n_types = 2;
    assert_string_equal(names(f, &q), "ops n2 n1 n4 n3"); /* folders, then dashboards, by title */
    q.words = STR("node");
    q.sort = TEXT_BY_NAME;
    assert_string_equal(names(f, &q), "n1 n2 n3 n4 ops");
    q.folders = (const struct str[]){STR("ops")};
    q.n_folders = 1;
    assert_string_equal(names(f, &q), "n1 n2");
    q.folders = (const struct str[]){STR(""), STR("dev")};
    q.n_folders = 2;
    assert_string_equal(names(f, &q), "n3 n4 ops");
    q.n_folders = 0;
    q.tags = (const struct str[]){STR("node"), STR("linux")};
    q.n_tags = 1;
    assert_string_equal(names(f, &q), "n1 n3");
    q.n_tags = 2;
    assert_string_equal(names(f, &q), "n1");
    q.n_tags = 0;
    q.names = (const struct str[]){STR("n4"), STR("ops"), STR("n9")};
    q.n_names = 3;
    assert_string_equal(names(f, &q), "n4 ops");
    q.ns = STR_NULL;
    assert_string_equal(names(f, &q), "n4 n9 ops");
    q.n_types = 0;
    assert_string_equal(names(f, &q), "");
}

static void ranks_titles_before_texts(void **state)
{
    struct fixture *f = *state;
    put_shelf(f);
    struct text_query q = asking("node");
    struct text_found r;
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.n_hits, 4);
    assert_int_equal(r.total, 4);
    assert_true(str_is(r.hits[3].name, "n2"));
    assert_true(r.hits[0].score > r.hits[3].score);
    assert_true(r.max_score == r.hits[0].score);
    q.limit = 1;
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.n_hits, 1);
    assert_int_equal(r.total, 4);
    q.limit = 0;
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.n_hits, 0);
    assert_int_equal(r.total, 4);
}

static void counts_facets(void **state)
{
    struct fixture *f = *state;
    put_shelf(f);
    struct text_query q = asking("node");
    struct text_found r;
    q.facets = (const struct str[]){STR("tags"), STR("folder"), STR("other")};
    q.n_facets = 3;
    q.facet_limit = 1;
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.n_facets, 3);
    assert_int_equal(r.facets[0].total, 4);
    assert_int_equal(r.facets[0].missing, 1);
    assert_int_equal(r.facets[0].n_terms, 1);
    assert_true(str_is(r.facets[0].terms[0].term, "linux"));
    assert_int_equal(r.facets[0].terms[0].count, 2);
    assert_int_equal(r.facets[1].total, 3);
    assert_int_equal(r.facets[1].missing, 1);
    assert_true(str_is(r.facets[1].terms[0].term, "ops"));
    assert_int_equal(r.facets[2].total, 0);
    assert_int_equal(r.facets[2].missing, 4);
    q.words = STR("!");
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.total, 0);
    assert_int_equal(r.facets[0].missing, 0);
}

static void notes_types(void **state)
{
    struct fixture *f = *state;
    struct text_type *types;
    size_t n;
    assert_int_equal(text_begin(f->text, NULL), 0);
    assert_int_equal(text_note_type(f->text, STR("b"), UINT64_MAX, false, NULL), 0);
    assert_int_equal(text_note_type(f->text, STR("a"), 1, true, NULL), 0);
    assert_int_equal(text_note_type(f->text, STR("b"), 7, true, NULL), 0);
    assert_int_equal(text_note_type(f->text, STR("c"), UINT64_MAX, false, NULL), 0);
    assert_int_equal(text_commit(f->text, STR("here"), 1, NULL), 0);
    assert_int_equal(text_begin(f->text, NULL), 0);
    assert_int_equal(text_forget_type(f->text, STR("a"), NULL), 0);
    assert_int_equal(text_commit(f->text, STR("here"), 1, NULL), 0);
    assert_int_equal(text_types(f->text, &f->arena, &types, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_is(types[0].name, "b") && types[0].generation == 7 && types[0].complete);
    assert_true(str_is(types[1].name, "c") && types[1].generation == UINT64_MAX &&
                !types[1].complete);
}

/* ---- against a plain scan ---- */

enum { OBJECTS = 40, STEPS = 1500, WORDS = 3 };
static const char *const vocabulary[] = {"node", "nodes",      "cluster", "clus",    "kube",
                                         "prom", "prometheus", "theus",   "disk",    "io",
                                         "a",    "cpu",        "of",      "overview"};

struct plain {
    bool there;
    char title[80], body[80];
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

static bool matches(const struct plain *p, const char *words)
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
    return p->there;
}

static void check_against(struct fixture *f, const struct plain *plain, const char *words)
{
    AUTO(buf_finish) struct buf want = {0};
    for (int i = 0; i < OBJECTS; i++) {
        if (matches(&plain[i], words)) {
            buf_printf(&want, "%s%02d", want.len ? " " : "", i);
        }
    }
    buf_addc(&want, 0);
    assert_string_equal(found(f, words), want.ptr);
    struct str *keys;
    size_t n;
    struct text_query q = asking(words);
    AUTO(buf_finish) struct buf have = {0};
    assert_int_equal(text_find_keys(f->text, &q, &f->arena, &keys, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        buf_addz(&have, i ? " " : "");
        buf_add(&have, keys[i]);
    }
    buf_addc(&have, 0);
    assert_string_equal(have.ptr, want.ptr);
}

static void is_as_a_plain_scan(void **state)
{
    struct fixture *f = *state;
    struct plain *plain = alloc_zero(OBJECTS * sizeof(*plain));
    srand(7);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % OBJECTS;
        char key[16], words[200];
        snprintf(key, sizeof(key), "%02d", i);
        if (rand() % 4) {
            some_words(plain[i].title, sizeof(plain[i].title), WORDS);
            some_words(plain[i].body, sizeof(plain[i].body), WORDS);
            plain[i].there = true;
            put(f, key, plain[i].title, plain[i].body);
        } else {
            plain[i].there = false;
            assert_int_equal(text_begin(f->text, NULL), 0);
            assert_int_equal(text_remove(f->text, str_from(key), NULL), 0);
            assert_int_equal(text_commit(f->text, STR("here"), step, NULL), 0);
        }
        some_words(words, sizeof(words), 2);
        check_against(f, plain, words);
    }
    free(plain);
}

/* ---- files ---- */

struct files {
    char dir[64], path[128];
    struct fixture f;
};

static void files_open(struct files *x)
{
    assert_int_equal(text_open(x->path, &x->f.text, NULL), 0);
}

static void files_close(struct files *x)
{
    text_close(x->f.text);
    x->f.text = NULL;
}

static int files_setup(void **state)
{
    struct files *x = ALLOC(struct files);
    snprintf(x->dir, sizeof(x->dir), "/tmp/coracle-text-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->path, sizeof(x->path), "%s/search.db", x->dir);
    arena_init(&x->f.arena, 0);
    files_open(x);
    *state = x;
    return 0;
}

static int files_teardown(void **state)
{
    struct files *x = *state;
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    files_close(x);
    arena_finish(&x->f.arena);
    for (size_t i = 0; i < 4; i++) {
        AUTO_FREE char *path = alloc_printf("%s%s", x->path, endings[i]);
        unlink(path);
    }
    rmdir(x->dir);
    free(x);
    return 0;
}

static int64_t position(struct files *x)
{
    struct str origin;
    int64_t rev = -1;
    assert_int_equal(text_position(x->f.text, &x->f.arena, &origin, &rev, NULL), 0);
    assert_true(str_is(origin, rev ? "here" : ""));
    return rev;
}

static void keeps_what_was_committed(void **state)
{
    struct files *x = *state;
    const struct note n = {.key = "a", .title = "alpha"};
    assert_int_equal(position(x), 0);
    put_as(x->f.text, DASHBOARDS, "default", &n, 77);
    files_close(x);
    files_open(x);
    assert_int_equal(position(x), 77);
    assert_int_equal(text_count(x->f.text), 1);
    assert_string_equal(found(&x->f, "alpha"), "a");
    assert_int_equal(text_reset(x->f.text, NULL), 0);
    assert_int_equal(position(x), 0);
    assert_string_equal(found(&x->f, "alpha"), "");
}

static void begins_anew_where_the_file_is_no_good(void **state)
{
    static const char *const bytes[] = {"", "garbage", "SQLite format 3"};
    struct files *x = *state;
    for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
        const struct note n = {.key = "a", .title = "alpha"};
        put_as(x->f.text, DASHBOARDS, "default", &n, 5);
        files_close(x);
        AUTO_FREE char *filled = long_text(8192, "rubbish ");
        memcpy(filled, bytes[i], strlen(bytes[i]));
        assert_int_equal(file_write(x->path, i ? str_make(filled, 8192) : STR(""), 0600, NULL), 0);
        files_open(x);
        assert_int_equal(position(x), 0);
        put_as(x->f.text, DASHBOARDS, "default", &n, 6);
        assert_string_equal(found(&x->f, "alpha"), "a");
    }
}

/* All but the first page, in place. */
static void damage(const struct files *x)
{
    struct stat st;
    char rubbish[4096];
    memset(rubbish, 0x5a, sizeof(rubbish));
    int fd = open(x->path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size > 16384);
    for (off_t at = 4096; at < st.st_size; at += 4096) {
        assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), at), 4096);
    }
    close(fd);
}

static void says_that_it_is_damaged(void **state)
{
    struct files *x = *state;
    char key[16];
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "%d", i);
        const struct note n = {.key = key, .title = "alpha beta gamma", .body = "delta"};
        put_as(x->f.text, DASHBOARDS, "default", &n, i + 1);
    }
    files_close(x);
    files_open(x);
    damage(x);
    struct text_query q = asking("alpha");
    struct text_found r;
    assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &r, NULL), ERR_CORRUPT);
    assert_int_equal(text_reset(x->f.text, NULL), 0);
    assert_int_equal(position(x), 0);
    assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &r, NULL), 0);
}

static void sees_damage_when_it_opens(void **state)
{
    struct files *x = *state;
    const struct note n = {.key = "a", .title = "alpha"};
    put_as(x->f.text, DASHBOARDS, "default", &n, 5);
    files_close(x);
    damage(x);
    files_open(x);
    assert_int_equal(position(x), 0);
    assert_int_equal(text_count(x->f.text), 0);
}

static void child_writes(const char *path, int out)
{
    struct text *t;
    char key[32];
    if (text_open(path, &t, NULL) < 0) {
        _exit(1);
    }
    for (int64_t rev = 1;; rev++) {
        text_begin(t, NULL);
        for (int k = 0; k < 5; k++) {
            snprintf(key, sizeof(key), "%d", (int)((rev * 5 + k) % 500));
            struct text_document d = {
                .key = str_from(key),
                .type = dashboards[0],
                .ns = STR("default"),
                .name = str_from(key),
                .title = STR("written by a child"),
                .texts = {STR("written by a child"), STR(""), STR(""), STR("")},
                .updated_us = rev};
            text_put(t, &d, NULL);
        }
        text_commit(t, STR("here"), rev, NULL);
        if (write(out, &rev, sizeof(rev)) != sizeof(rev)) {
            _exit(1);
        }
    }
}

/* The file is at a commit, and its position is that commit's: documents and revision go together.
 */
static void survives_being_killed(void **state)
{
    struct files *x = *state;
    for (int round = 0; round < 4; round++) {
        int ends[2];
        int64_t acknowledged = 0, rev;
        files_close(x);
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            child_writes(x->path, ends[1]);
        }
        close(ends[1]);
        while (acknowledged < 60 + 37 * round && read(ends[0], &rev, sizeof(rev)) == sizeof(rev)) {
            acknowledged = rev;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(ends[0], &rev, sizeof(rev)) == sizeof(rev)) {
            acknowledged = rev;
        }
        close(ends[0]);
        files_open(x);
        int64_t at = position(x);
        assert_in_range(at, acknowledged, acknowledged + 1);
        struct text_query q = asking("child");
        struct text_found r;
        q.sort = TEXT_BY_UPDATED;
        q.descending = true;
        q.limit = 1000;
        assert_int_equal(text_find(x->f.text, &q, &x->f.arena, &r, NULL), 0);
        if (round == 0) { /* later ones begin with what the first left */
            assert_int_equal(r.hits[0].updated_us, at);
            assert_int_equal(r.hits[4].updated_us, at);
            assert_int_equal(r.hits[5].updated_us, at - 1);
            assert_int_equal(r.total, at * 5 < 500 ? at * 5 : 500);
        }
    }
}

#define WITH_TEXT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH_FILES(f) cmocka_unit_test_setup_teardown(f, files_setup, files_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TEXT(finds_words_beginnings_and_parts),
        WITH_TEXT(finds_what_is_not_latin),
        WITH_TEXT(takes_nothing_for_an_operator),
        WITH_TEXT(refuses_too_many_words),
        WITH_TEXT(cuts_long_texts),
        WITH_TEXT(replaces_and_removes),
        WITH_TEXT(filters_sorts_and_pages),
        WITH_TEXT(ranks_titles_before_texts),
        WITH_TEXT(counts_facets),
        WITH_TEXT(notes_types),
        WITH_TEXT(is_as_a_plain_scan),
        WITH_FILES(keeps_what_was_committed),
        WITH_FILES(begins_anew_where_the_file_is_no_good),
        WITH_FILES(says_that_it_is_damaged),
        WITH_FILES(sees_damage_when_it_opens),
        WITH_FILES(survives_being_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
