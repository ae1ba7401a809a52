/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the full-text index: filters, order, pages and counts, and searches that are given up.
 */
#include "tests/unit/storage/text_fixture.h"

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

/* ---- given up ---- */

enum { MANY = 3000 };

static void put_many(struct text *t)
{
    const struct text_value tags[] = {{STR("tags"), STR("one")}, {STR("tags"), STR("two")}};
    char name[16];
    assert_int_equal(text_begin(t, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "%d", i);
        const struct text_document d = {.key = str_from(name),
                                        .type = dashboards[0],
                                        .ns = STR("default"),
                                        .name = str_from(name),
                                        .title = STR("many words"),
                                        .texts = {STR("many words"), STR(""), STR(""), STR("")},
                                        .values = tags,
                                        .n_values = 2};
        assert_int_equal(text_put(t, &d, NULL), 0);
    }
    assert_int_equal(text_commit(t, STR("here"), 1, NULL), 0);
}

static bool count_down(void *arg)
{
    int *left = arg;
    return (*left)-- <= 0;
}

static void gives_up_when_told(void **state)
{
    struct fixture *f = *state;
    struct text_found r;
    struct str *keys;
    size_t n;
    int left = 0;
    put_many(f->text);
    struct text_query q = asking("many");
    q.facets = (const struct str[]){STR("tags")};
    q.n_facets = 1;
    q.is_given_up = count_down;
    q.arg = &left;
    for (int after = 0; after < 3; after++) {
        left = after;
        assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), ERR_TIMEOUT);
        assert_true(left < 0);
    }
    left = 0;
    assert_int_equal(text_find_keys(f->text, &q, &f->arena, &keys, &n, NULL), ERR_TIMEOUT);
    q.is_given_up = NULL;
    q.until_ns = 1;
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), ERR_TIMEOUT);
    q.until_ns = 0;
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.total, MANY);
    put(f, "another", "many", ""); /* the connection is as good as before */
    assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
    assert_int_equal(r.total, MANY + 1);
    assert_int_equal(r.facets[0].total, 2 * MANY);
    assert_int_equal(r.facets[0].missing, 1);
}

static void refuses_too_many_facets(void **state)
{
    struct fixture *f = *state;
    struct str facets[LIMIT_TEXT_FACETS + 1];
    struct text_query q = asking("");
    put(f, "a", "alpha", "");
    for (size_t i = 0; i < sizeof(facets) / sizeof(*facets); i++) {
        facets[i] = STR("tags");
    }
    q.facets = facets;
    q.n_facets = LIMIT_TEXT_FACETS;
    assert_string_equal(names(f, &q), "a");
    q.n_facets++;
    assert_string_equal(names(f, &q), "! there may be 16 facets at most");
}

/* One word that many have: the rest of what is equal goes by title, on each page. */
static void pages_through_equal_scores(void **state)
{
    struct fixture *f = *state;
    struct text_query q = asking("many");
    struct text_found r;
    char before[16] = "";
    put_many(f->text);
    q.limit = 70;
    for (q.offset = 0; q.offset < MANY; q.offset += 70) {
        assert_int_equal(text_find(f->text, &q, &f->arena, &r, NULL), 0);
        assert_int_equal(r.n_hits, q.offset + 70 < MANY ? 70 : MANY - q.offset);
        for (size_t i = 0; i < r.n_hits; i++) {
            assert_true(str_cmp(str_from(before), r.hits[i].name) < 0);
            snprintf(before, sizeof(before), "%.*s", STR_FMT(r.hits[i].name));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TEXT(filters_sorts_and_pages), WITH_TEXT(ranks_titles_before_texts),
        WITH_TEXT(counts_facets),           WITH_TEXT(gives_up_when_told),
        WITH_TEXT(refuses_too_many_facets), WITH_TEXT(pages_through_equal_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
