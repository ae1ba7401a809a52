/* SPDX-License-Identifier: Apache-2.0 */
/* The full-text index: what matches, hostile words, long texts, documents that are replaced and go.
 */
#include "tests/unit/storage/text_fixture.h"

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
    assert_int_equal(text_remove(f->text, STR(DASHBOARDS), STR("default"), STR("a"), NULL), 0);
    assert_int_equal(
        text_remove(f->text, STR(DASHBOARDS), STR("default"), STR("never there"), NULL), 0);
    assert_int_equal(text_commit(f->text, STR("here"), 2, NULL), 0);
    assert_string_equal(found(f, "two"), "");
    assert_string_equal(found(f, ""), "");
    put(f, "b", "three", "");
    put(f, "c", "three", "");
    assert_int_equal(text_begin(f->text, NULL), 0);
    assert_int_equal(text_remove(f->text, STR(DASHBOARDS), STR("default"), STR("b"), NULL), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TEXT(finds_words_beginnings_and_parts),
        WITH_TEXT(finds_what_is_not_latin),
        WITH_TEXT(takes_nothing_for_an_operator),
        WITH_TEXT(refuses_too_many_words),
        WITH_TEXT(cuts_long_texts),
        WITH_TEXT(replaces_and_removes),
        WITH_TEXT(notes_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
