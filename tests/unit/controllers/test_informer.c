/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/informer.h"

#include <stdatomic.h>

#include "fake_client.h"
#include "tests/unit/best_of.h"

static const struct controller_watch widgets = {
    .group = {"example.com", 11}, .version = {"v1", 2}, .resource = {"widgets", 7}};

/* "put ns/name=spec.v", "del ns/name=...", "gone ns/name" (the state is not known). */
static void note(void *arg, const struct informer_event *e)
{
    struct str v = json_str(json_path(e->obj, "spec", "v", NULL));
    const char *what = e->type == INFORMER_PUT ? "put" : e->obj ? "del" : "gone";
    notes_add(arg, alloc_printf("%s %.*s/%.*s%s%.*s", what, STR_FMT(e->ns), STR_FMT(e->name),
                                v.len ? "=" : "", STR_FMT(v)));
}

struct setup {
    struct fake *f;
    struct informer *i;
    struct notes notes;
};

static void begin(struct setup *s, struct str ns)
{
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    s->f = fake_create();
    s->i = informer_create(&s->f->c, &widgets, ns);
    notes_init(&s->notes);
    informer_handle(s->i, note, &s->notes);
}

static void end(struct setup *s)
{
    informer_destroy(s->i);
    fake_destroy(s->f);
    notes_finish(&s->notes);
}

static void add_key(void *arg, struct str ns, struct str name)
{
    struct buf *b = arg;
    buf_printf(b, "%.*s/%.*s ", STR_FMT(ns), STR_FMT(name));
}

/* How many keys an index has under a term; the text holds each of them. */
static size_t count_words(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += *text == ' ';
    }
    return n;
}

static char *keys_of(struct informer *i)
{
    struct buf b = {0};
    buf_addz(&b, "");
    informer_keys(i, add_key, &b);
    char *text = alloc_str(buf_str(&b));
    buf_finish(&b);
    return text;
}

static char *indexed(struct informer *i, const char *index, const char *term)
{
    struct buf b = {0};
    buf_addz(&b, "");
    informer_by_index(i, index, str_from(term), add_key, &b);
    char *text = alloc_str(buf_str(&b));
    buf_finish(&b);
    return text;
}

static void assert_indexed(struct informer *i, const char *index, const char *term, const char *one,
                           size_t n)
{
    AUTO_FREE char *text = indexed(i, index, term);
    assert_int_equal(count_words(text), n);
    assert_true(!one || strstr(text, one));
}

static void test_lists_then_watches(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR_NULL);
    fake_put(s.f, "a", "x", ",\"spec\":{\"v\":\"1\"}");
    fake_put(s.f, "b", "x", ",\"spec\":{\"v\":\"2\"}");
    informer_start(s.i);
    assert_true(informer_wait_synced(s.i));
    notes_wait(&s.notes, NULL, 2); /* what was listed was told before it counts as synced */
    FAKE_WAIT(s.f, n_open, 1);
    fake_put(s.f, "a", "x", ",\"spec\":{\"v\":\"3\"}");
    fake_put(s.f, "", "cluster", "");
    fake_remove(s.f, "b", "x");
    notes_wait(&s.notes, "del b/x=2", 1);
    AUTO_FREE char *all = notes_from(&s.notes, 0);
    assert_string_equal(all, "put a/x=1; put b/x=2; put a/x=3; put /cluster; del b/x=2");
    AUTO_FREE char *keys = keys_of(s.i);
    assert_int_equal(count_words(keys), 2);
    assert_non_null(strstr(keys, "a/x "));
    assert_non_null(strstr(keys, "/cluster "));
    assert_int_equal(fake_count(s.f, &s.f->n_lists), 1);
    end(&s);
}

static void test_one_namespace(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR("a"));
    fake_put(s.f, "a", "x", "");
    fake_put(s.f, "b", "x", "");
    informer_start(s.i);
    assert_true(informer_wait_synced(s.i));
    FAKE_WAIT(s.f, n_open, 1);
    fake_put(s.f, "b", "y", "");
    fake_put(s.f, "a", "y", "");
    notes_wait(&s.notes, "put a/y", 1);
    AUTO_FREE char *all = notes_from(&s.notes, 0);
    assert_string_equal(all, "put a/x; put a/y");
    end(&s);
}

static void test_gap_tells_what_vanished(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR_NULL);
    char name[16];
    for (int k = 0; k < 200; k++) {
        snprintf(name, sizeof(name), "k%d", k);
        fake_put(s.f, "a", name, "");
    }
    informer_start(s.i);
    assert_true(informer_wait_synced(s.i));
    FAKE_WAIT(s.f, n_open, 1);
    size_t before = notes_count(&s.notes, NULL);
    /* Behind its back: a hundred go, one comes, one changes. The watch's cursor is put past them
     * first. */
    pthread_mutex_lock(&s.f->lock);
    for (int k = 0; k < 100; k++) {
        snprintf(name, sizeof(name), "k%d", k);
        fake_log(s.f, "a", name, "{}", true);
    }
    fake_log(s.f, "a", "new", "{\"metadata\":{\"namespace\":\"a\",\"name\":\"new\"}}", false);
    fake_log(s.f, "a", "k150",
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"k150\"},\"spec\":{\"v\":\"2\"}}",
             false);
    s.f->next_code = ERR_EXPIRED;
    s.f->epoch++;
    pthread_mutex_unlock(&s.f->lock);
    FAKE_WAIT(s.f, n_lists, 2);
    notes_wait(&s.notes, NULL, before + 100 + 1 + 100);
    for (int k = 0; k < 200; k++) {
        AUTO_FREE char *gone = alloc_printf("gone a/k%d", k);
        assert_int_equal(notes_count(&s.notes, gone), k < 100 ? 1 : 0);
    }
    assert_int_equal(notes_count(&s.notes, "put a/new"), 1);
    assert_int_equal(notes_count(&s.notes, "put a/k150=2"), 1);
    AUTO_FREE char *keys = keys_of(s.i);
    assert_int_equal(count_words(keys), 101);
    /* And it follows again. */
    fake_put(s.f, "a", "after", "");
    notes_wait(&s.notes, "put a/after", 1);
    assert_int_equal(fake_count(s.f, &s.f->n_lists), 2);
    end(&s);
}

static void test_errors_are_tried_again(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR_NULL);
    s.f->list_code = ERR_IO;
    fake_put(s.f, "a", "x", "");
    int64_t begun = clock_mono_ms();
    informer_start(s.i);
    FAKE_WAIT(s.f, n_lists, 3); /* 100 ms, 200 ms */
    assert_true(clock_mono_ms() - begun >= 290);
    assert_int_equal(notes_count(&s.notes, NULL), 0);
    fake_set(s.f, &s.f->list_code, 0);
    fake_set(s.f, &s.f->watch_code, ERR_IO);
    assert_true(informer_wait_synced(s.i));
    FAKE_WAIT(s.f, n_watches, 1);
    fake_set(s.f, &s.f->watch_code, 0);
    FAKE_WAIT(s.f, n_open, 1);
    fake_put(s.f, "a", "y", "");
    notes_wait(&s.notes, "put a/y", 1);
    end(&s);
}

static void test_watch_that_fails_begins_anew(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR_NULL);
    fake_put(s.f, "a", "x", "");
    informer_start(s.i);
    FAKE_WAIT(s.f, n_open, 1);
    int64_t begun = clock_mono_ms();
    fake_break(s.f, ERR_CLOSED);
    FAKE_WAIT(s.f, n_lists, 2);
    assert_true(clock_mono_ms() - begun >= 95);
    FAKE_WAIT(s.f, n_watches, 2);
    fake_put(s.f, "a", "y", "");
    notes_wait(&s.notes, "put a/y", 1);
    assert_int_equal(notes_count(&s.notes, "put a/x"), 2); /* listed again */
    end(&s);
}

/* Whether an informer that waits for 1.6 s stops sooner. */
static bool stops_soon(void)
{
    struct setup s;
    begin(&s, STR_NULL);
    s.f->list_code = ERR_IO;
    informer_start(s.i);
    FAKE_WAIT(s.f, n_lists, 5); /* now it waits 1.6 s */
    informer_stop(s.i);
    int64_t begun = clock_mono_ms();
    assert_false(informer_wait_synced(s.i));
    informer_destroy(s.i);
    s.i = NULL;
    int64_t took = clock_mono_ms() - begun;
    end(&s);
    return took < 1500;
}

static void test_stop_while_waiting_for_the_next_try(void **state)
{
    (void)state;
    assert_true(best_of(5, stops_soon));
}

static void terms_of(const yyjson_mut_val *obj, informer_add_term_fn *add, void *to)
{
    struct json_iter it = json_iter(json_path(obj, "spec", "owners", NULL));
    while (json_next(&it)) {
        add(to, json_str(it.val));
    }
}

static void color_of(const yyjson_mut_val *obj, informer_add_term_fn *add, void *to)
{
    struct str color = json_str(json_path(obj, "spec", "v", NULL));
    if (color.ptr) {
        add(to, color);
    }
}

static void test_indexes(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR_NULL);
    informer_index(s.i, "owner", terms_of);
    informer_index(s.i, "color", color_of);
    fake_put(s.f, "a", "x", ",\"spec\":{\"v\":\"red\",\"owners\":[\"one\",\"two\"]}");
    fake_put(s.f, "b", "x", ",\"spec\":{\"v\":\"red\",\"owners\":[\"two\"]}");
    fake_put(s.f, "b", "y", ",\"spec\":{\"owners\":[\"red\",\"\"]}");
    informer_start(s.i);
    assert_true(informer_wait_synced(s.i));
    FAKE_WAIT(s.f, n_open, 1);
    assert_indexed(s.i, "owner", "one", "a/x", 1);
    assert_indexed(s.i, "owner", "two", "b/x", 2);
    assert_indexed(s.i, "owner", "tw", NULL, 0);
    assert_indexed(s.i, "owner", "red", "b/y", 1); /* indexes are apart */
    assert_indexed(s.i, "color", "red", "a/x", 2);
    assert_indexed(s.i, "owner", "", "b/y", 1);
    assert_indexed(s.i, "color", "", NULL, 0);
    assert_indexed(s.i, "no such index", "red", NULL, 0);
    /* A change moves the key, a deletion takes it away. */
    fake_put(s.f, "a", "x", ",\"spec\":{\"v\":\"blue\",\"owners\":[\"two\",\"three\"]}");
    fake_remove(s.f, "b", "x");
    notes_wait(&s.notes, "del b/x=red", 1);
    assert_indexed(s.i, "owner", "one", NULL, 0);
    assert_indexed(s.i, "owner", "two", "a/x", 1);
    assert_indexed(s.i, "owner", "three", "a/x", 1);
    assert_indexed(s.i, "color", "red", NULL, 0);
    assert_indexed(s.i, "color", "blue", "a/x", 1);
    end(&s);
}

static void test_broken_bytes_do_no_harm(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR_NULL);
    informer_index(s.i, "owner", terms_of);
    static char broken[] = "{\"metadata\":";
    informer_start(s.i);
    FAKE_WAIT(s.f, n_open, 1);
    pthread_mutex_lock(&s.f->lock);
    s.f->broken = broken;
    pthread_mutex_unlock(&s.f->lock);
    fake_put(s.f, "a", "x", "");
    notes_wait(&s.notes, "put a/x", 1); /* the key is told, with no tree */
    end(&s);
}

static void test_handlers_are_all_told(void **state)
{
    (void)state;
    struct setup s;
    struct notes more;
    begin(&s, STR_NULL);
    notes_init(&more);
    informer_handle(s.i, note, &more);
    fake_put(s.f, "a", "x", "");
    informer_start(s.i);
    assert_true(informer_wait_synced(s.i));
    FAKE_WAIT(s.f, n_open, 1);
    fake_put(s.f, "a", "y", "");
    notes_wait(&s.notes, "put a/y", 1);
    notes_wait(&more, "put a/y", 1);
    assert_int_equal(notes_count(&more, "put a/x"), 1);
    informer_destroy(s.i);
    s.i = NULL;
    notes_finish(&more);
    end(&s);
}

static void test_never_started(void **state)
{
    (void)state;
    struct setup s;
    begin(&s, STR("ns"));
    AUTO_FREE char *keys = keys_of(s.i);
    assert_string_equal(keys, "");
    end(&s);
    informer_destroy(NULL);
}

/* Stopping at any moment ends it and leaves no watch open. */
static void test_stop_at_any_moment(void **state)
{
    (void)state;
    for (int k = 0; k < 40; k++) {
        struct setup s;
        begin(&s, STR_NULL);
        fake_put(s.f, "a", "x", "");
        informer_start(s.i);
        if (k % 4 == 3) {
            FAKE_WAIT(s.f, n_open, 1);
            fake_break(s.f, k % 8 == 3 ? ERR_EXPIRED : ERR_IO);
        } else {
            usleep((unsigned)k * 20);
        }
        informer_destroy(s.i);
        s.i = NULL;
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_then_watches),
        cmocka_unit_test(test_one_namespace),
        cmocka_unit_test(test_gap_tells_what_vanished),
        cmocka_unit_test(test_errors_are_tried_again),
        cmocka_unit_test(test_watch_that_fails_begins_anew),
        cmocka_unit_test(test_stop_while_waiting_for_the_next_try),
        cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_broken_bytes_do_no_harm),
        cmocka_unit_test(test_handlers_are_all_told),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_stop_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
