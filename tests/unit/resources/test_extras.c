/* SPDX-License-Identifier: Apache-2.0 */
/* What services add to their types: computed gets, changes by a subresource, objects stored in the
 * version they were written in, indexes. */
#include "tests/unit/resources/engine_world.h"

#include <pthread.h>

#include "resources/index.h"
#include "resources/watch.h"
#include "resources/write.h"

/* A type in two versions of different form, stored as written: v1 has spec.title, v2 spec.name. */
#define BOOK_CRD                                                                                   \
    "{'metadata':{'name':'books.example.com'},'spec':{'group':'example.com','scope':'Namespaced'," \
    "'names':{'plural':'books','kind':'Book'},'coracle':{'storedAsWritten':true,'indexes':[{"      \
    "'name':'shelf','jsonPath':'.metadata.annotations.example\\\\.com/shelf'}]},'versions':[{"     \
    "'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"       \
    "'properties':{'spec':{'type':'object','properties':{'title':{'type':'string'},'lost':{"       \
    "'type':'boolean'}}}}}}},{'name':'v2','served':true,'storage':false,'schema':{"                \
    "'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object','properties':{"      \
    "'name':{'type':'string'},'pages':{'type':'integer'}}}}}}}]}}"

static struct type *books;
static const struct type_version *v1, *v2;

/* What v1 has no place for is lost on the way. */
static int convert(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str to,
                   struct err *err)
{
    (void)self;
    (void)err;
    yyjson_mut_val *spec = json_get(obj, "spec");
    bool up = str_is(to, "example.com/v2");
    struct str was = json_get_str(spec, up ? "title" : "name");
    yyjson_mut_val *next = yyjson_mut_obj(d);
    json_set_str(d, next, up ? "name" : "title", was);
    json_set_bool(d, next, "lost", true);
    json_setz(d, obj, "spec", next);
    return 0;
}

static int get_shout(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                     yyjson_mut_val **ret, struct err *err)
{
    (void)self;
    struct str word = op_param(op, "word");
    if (str_is(word, "bad")) {
        return err_set(err, ERR_BAD_REQUEST, "not that word");
    }
    *ret = yyjson_mut_obj(d);
    json_set_str(d, *ret, "of", text_at(obj, "metadata", "name"));
    json_set_str(d, *ret, "in", json_get_str(obj, "apiVersion"));
    json_set_str(d, *ret, "word", word.ptr ? word : STR("none"));
    return 0;
}

/* Adds what the path says to the title. */
static int change_title(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        struct err *err)
{
    (void)self;
    struct str more = write_op(w)->subpath;
    if (str_is(more, "refused")) {
        return err_set(err, ERR_FORBIDDEN, "no");
    }
    yyjson_mut_val *spec = json_ensure_obj(d, obj, "spec");
    struct str was = json_get_str(spec, "title");
    json_set_str(d, spec, "title",
                 str_from(arena_printf(write_arena(w), "%.*s+%.*s", STR_FMT(was), STR_FMT(more))));
    return 0;
}

static int get_best(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret,
                    struct err *err)
{
    (void)self;
    (void)err;
    *ret = yyjson_mut_obj(d);
    json_set_str(d, *ret, "best", op->scope.ns);
    return 0;
}

static int books_setup(void **state)
{
    static const struct type_strategy strategy = {.convert = convert};
    static const struct type_subresource subs[] = {
        {.name = {"shout", 5}, .verbs = VERB_BIT(VERB_GET), .get = get_shout},
        {.name = {"add", 3},
         .verbs = VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_DELETE),
         .change = change_title,
         .makes = true,
         .path = true},
        {.name = {"extend", 6}, .verbs = VERB_BIT(VERB_UPDATE), .change = change_title}};
    static const struct type_query queries[] = {{{"best", 4}, get_best}};
    setup(state);
    books = fixture_add_type(&f, BOOK_CRD,
                             &(struct type_extras){.strategy = &strategy,
                                                   .subresources = subs,
                                                   .n_subresources = 3,
                                                   .queries = queries,
                                                   .n_queries = 1});
    v1 = &books->versions[0];
    v2 = &books->versions[1];
    index_begin(f.store, f.registry);
    assert_int_equal(index_define(f.engine, books, NULL), 0);
    return 0;
}

static struct op *book_op(enum verb verb, const struct type_version *v, const char *name)
{
    struct op *op = fixture_op(&f, verb, books, "ns", name);
    op->version = v;
    op->patch = PATCH_MERGE;
    return op;
}

static yyjson_mut_val *book(enum verb verb, const struct type_version *v, const char *name,
                            const char *body, int *ret_code)
{
    struct op *op = book_op(verb, v, name);
    if (body) {
        fixture_body(op, body);
    }
    return fixture_run(&f, op, &a, ret_code);
}

static yyjson_mut_val *put_book(const struct type_version *v, const char *name, const char *shelf,
                                const char *spec)
{
    char body[512];
    snprintf(body, sizeof(body),
             "{'apiVersion':'%.*s','kind':'Book','metadata':{'name':'%s','annotations':{"
             "'example.com/shelf':'%s'}},'spec':%s}",
             STR_FMT(v->api_version), name, shelf, spec);
    return book(VERB_CREATE, v, "", body, NULL);
}

/* The bytes in the store. */
static struct str stored_bytes(const char *name)
{
    struct blob *b = NULL;
    struct store_entry e;
    struct str key =
        type_key(books, (struct scope){.workspace = STR(""), .ns = STR("ns")}, str_from(name), &a);
    assert_int_equal(store_get(f.store, key, 0, &b, &e, NULL, NULL), 0);
    struct str s = arena_str(&a, blob_str(b));
    blob_unref(b);
    return s;
}

/* ---- stored as written ---- */

static void test_each_version_is_kept(void **state)
{
    (void)state;
    put_book(v1, "one", "", "{'title':'A'}");
    put_book(v2, "two", "", "{'name':'B','pages':7}");
    assert_true(str_starts(stored_bytes("one"), v1->header));
    assert_true(str_starts(stored_bytes("two"), v2->header));
    yyjson_mut_val *o = book(VERB_GET, v2, "two", NULL, NULL);
    assert_int_equal(json_get_int(json_get(o, "spec"), "pages", 0), 7);
    o = book(VERB_GET, v1, "two", NULL, NULL);
    assert_str(text_at(o, "spec", "title"), "B");
    assert_true(json_get_bool(json_get(o, "spec"), "lost"));
    assert_str(json_get_str(o, "apiVersion"), "example.com/v1");
    o = book(VERB_GET, v2, "one", NULL, NULL);
    assert_str(text_at(o, "spec", "name"), "A");
}

static void test_a_read_in_its_own_version_copies(void **state)
{
    (void)state;
    put_book(v2, "two", "", "{'name':'B','pages':7}");
    struct op *op = book_op(VERB_GET, v2, "two");
    assert_int_equal(engine_run(f.engine, op), 0);
    struct stored s = {blob_str(op->answer.blob), op->answer.rev, op->answer.stamp};
    assert_true(represent_is_splice(books, v2, &s));
    assert_false(represent_is_splice(books, v1, &s));
    assert_true(type_is_current(books, s.stamp));
    op_unref(op);
}

/* A change in the other version stores it in that; one that changes nothing leaves it alone. */
static void test_writes_in_the_other_version(void **state)
{
    (void)state;
    int64_t rv = rv_of(put_book(v2, "two", "", "{'name':'B','pages':7}"));
    yyjson_mut_val *o = book(VERB_PATCH, v1, "two", "{'spec':{'title':'B'}}", NULL);
    assert_int_equal(rv_of(o), rv);
    assert_true(str_starts(stored_bytes("two"), v2->header));
    o = book(VERB_PATCH, v2, "two", "{'spec':{'pages':7}}", NULL);
    assert_int_equal(rv_of(o), rv);
    o = book(VERB_PATCH, v1, "two", "{'spec':{'title':'C'}}", NULL);
    assert_true(rv_of(o) > rv);
    assert_true(str_starts(stored_bytes("two"), v1->header));
    assert_str(text_at(book(VERB_GET, v2, "two", NULL, NULL), "spec", "name"), "C");
}

/* The mark of a deletion does not convert the object. */
static void test_deleting_keeps_the_version(void **state)
{
    (void)state;
    book(VERB_CREATE, v2, "",
         "{'apiVersion':'example.com/v2','kind':'Book','metadata':{'name':'held','finalizers':["
         "'example.com/a']},'spec':{'name':'B','pages':7}}",
         NULL);
    book(VERB_DELETE, v1, "held", NULL, NULL);
    assert_true(str_starts(stored_bytes("held"), v2->header));
    yyjson_mut_val *o = book(VERB_GET, v2, "held", NULL, NULL);
    assert_int_equal(json_get_int(json_get(o, "spec"), "pages", 0), 7);
    assert_non_null(json_path(o, "metadata", "deletionTimestamp", NULL));
    book(VERB_PATCH, v2, "held", "{'metadata':{'finalizers':null}}", NULL);
    int code;
    book(VERB_GET, v1, "held", NULL, &code);
    assert_int_equal(code, ERR_NOT_FOUND);
}

static void test_lists_of_mixed_versions(void **state)
{
    (void)state;
    put_book(v1, "one", "", "{'title':'A'}");
    put_book(v2, "two", "", "{'name':'B','pages':7}");
    struct op *op = book_op(VERB_LIST, v2, "");
    struct list *l = NULL;
    struct buf b = {0};
    bool done = false;
    assert_int_equal(
        list_open(f.engine, op, &(struct representation){.as = REPRESENT_OBJECT}, &l, NULL), 0);
    while (!done) {
        assert_int_equal(list_next(l, &b, 1000, &done, NULL), 0);
    }
    list_close(l);
    op_unref(op);
    yyjson_mut_doc *d = NULL;
    assert_int_equal(json_read(&a, buf_str(&b), &d, NULL, NULL), 0);
    yyjson_mut_val *items = json_get(yyjson_mut_doc_get_root(d), "items");
    assert_int_equal(json_size(items), 2);
    assert_str(text_at(yyjson_mut_arr_get(items, 0), "spec", "name"), "A");
    assert_int_equal(json_get_int(json_get(yyjson_mut_arr_get(items, 1), "spec"), "pages", 0), 7);
    buf_finish(&b);
}

/* ---- computed gets ---- */

static yyjson_mut_val *shout(const struct type_version *v, const char *name, const char *word,
                             int *ret_code)
{
    struct op *op = book_op(VERB_GET, v, name);
    const struct op_param params[] = {{STR("word"), str_from(word)}};
    op->subresource = STR("shout");
    op->params = params;
    op->n_params = word != NULL;
    assert_true(engine_prefers_pool(op, 0));
    return fixture_run(&f, op, &a, ret_code);
}

static void test_a_subresource_answers(void **state)
{
    (void)state;
    put_book(v1, "one", "", "{'title':'A'}");
    yyjson_mut_val *o = shout(v2, "one", "hey", NULL);
    assert_str(json_get_str(o, "of"), "one");
    assert_str(json_get_str(o, "in"), "example.com/v2");
    assert_str(json_get_str(o, "word"), "hey");
    assert_str(json_get_str(shout(v1, "one", NULL, NULL), "word"), "none");
    int code;
    shout(v1, "one", "bad", &code);
    assert_int_equal(code, ERR_BAD_REQUEST);
    shout(v1, "absent", "hey", &code);
    assert_int_equal(code, ERR_NOT_FOUND);
}

static void test_a_query_answers(void **state)
{
    (void)state;
    struct op *op = book_op(VERB_GET, v1, "best");
    op->query = type_query(books, STR("best"));
    assert_non_null(op->query);
    assert_true(engine_prefers_pool(op, 0));
    assert_str(json_get_str(fixture_run(&f, op, &a, NULL), "best"), "ns");
    assert_null(type_query(books, STR("worst")));
}

/* ---- changes ---- */

static yyjson_mut_val *change(const char *sub, const char *name, const char *path, int *ret_code)
{
    struct op *op = book_op(VERB_UPDATE, v1, name);
    op->change = type_subresource(books, str_from(sub));
    op->subpath = str_from(path);
    op->manager = STR("tester");
    return fixture_run(&f, op, &a, ret_code);
}

static void test_changes(void **state)
{
    (void)state;
    int64_t rv = rv_of(put_book(v1, "one", "", "{'title':'A'}"));
    yyjson_mut_val *o = change("extend", "one", "x/y", NULL);
    assert_str(text_at(o, "spec", "title"), "A+x/y");
    assert_true(rv_of(o) > rv);
    assert_int_equal(json_get_int(json_get(o, "metadata"), "generation", 0), 2);
    int code;
    change("extend", "absent", "x", &code);
    assert_int_equal(code, ERR_NOT_FOUND);
    o = change("add", "new", "x", NULL);
    assert_str(text_at(o, "spec", "title"), "+x");
    assert_str(text_at(o, "metadata", "namespace"), "ns");
    change("add", "new", "refused", &code);
    assert_int_equal(code, ERR_FORBIDDEN);
    assert_str(text_at(book(VERB_GET, v1, "new", NULL, NULL), "spec", "title"), "+x");
}

/* A body sent to such a subresource by way of an ordinary update must not become the object. */
static void test_a_change_is_no_plain_update(void **state)
{
    (void)state;
    put_book(v1, "one", "", "{'title':'A'}");
    struct op *op = book_op(VERB_UPDATE, v1, "one");
    op->subresource = STR("add");
    fixture_body(op, "{'apiVersion':'example.com/v1','kind':'Book','metadata':{'name':'one'}}");
    int code;
    fixture_run(&f, op, &a, &code);
    assert_true(code < 0);
    assert_str(text_at(book(VERB_GET, v1, "one", NULL, NULL), "spec", "title"), "A");
}

enum { CHANGERS = 4, CHANGES = 50 };

static void *changer(void *arg)
{
    (void)arg;
    for (int i = 0; i < CHANGES; i++) {
        struct op *op = book_op(VERB_UPDATE, v1, "shared");
        op->change = type_subresource(books, STR("add"));
        op->subpath = STR("x");
        assert_int_equal(engine_run(f.engine, op), 0);
        op_unref(op);
    }
    return NULL;
}

static void test_no_change_is_lost(void **state)
{
    (void)state;
    pthread_t threads[CHANGERS];
    for (int i = 0; i < CHANGERS; i++) {
        pthread_create(&threads[i], NULL, changer, NULL);
    }
    for (int i = 0; i < CHANGERS; i++) {
        pthread_join(threads[i], NULL);
    }
    struct str title = text_at(book(VERB_GET, v1, "shared", NULL, NULL), "spec", "title");
    assert_int_equal(title.len, 2 * CHANGERS * CHANGES);
}

/* ---- indexes ---- */

static int add_name(void *arg, struct str name, const struct stored *s)
{
    assert_true(s->value.len > 0);
    buf_add(arg, name);
    buf_addc(arg, ' ');
    return 0;
}

static void assert_on_shelf(const char *shelf, const char *names)
{
    struct buf b = {0};
    int64_t n = 0, expected = 0;
    const struct scope s = {.workspace = STR(""), .ns = STR("ns")};
    assert_int_equal(
        index_visit(f.engine, books, s, STR("shelf"), str_from(shelf), add_name, &b, NULL), 0);
    assert_str(buf_str(&b), names);
    for (const char *p = names; *p; p++) {
        expected += *p == ' ';
    }
    assert_int_equal(index_count(f.engine, books, s, STR("shelf"), str_from(shelf), &n, NULL), 0);
    assert_int_equal(n, expected);
    buf_finish(&b);
}

static void test_an_index_follows_writes(void **state)
{
    (void)state;
    put_book(v1, "one", "left", "{'title':'A'}");
    put_book(v2, "two", "left", "{'name':'B'}");
    book(VERB_CREATE, v1, "",
         "{'apiVersion':'example.com/v1','kind':'Book','metadata':{'name':'loose'}}", NULL);
    assert_on_shelf("left", "one two ");
    assert_on_shelf("", "loose ");
    assert_on_shelf("right", "");
    book(VERB_PATCH, v1, "one", "{'metadata':{'annotations':{'example.com/shelf':'right'}}}", NULL);
    assert_on_shelf("left", "two ");
    assert_on_shelf("right", "one ");
    book(VERB_DELETE, v1, "one", NULL, NULL);
    assert_on_shelf("right", "");
}

/* Of an index that is not built yet everything is looked at. */
static void test_an_index_that_is_not_built(void **state)
{
    (void)state;
    put_book(v1, "one", "left", "{'title':'A'}");
    put_book(v1, "two", "right", "{'title':'B'}");
    assert_int_equal(
        store_index_define(f.store, books->indexes[0].store_name, books->prefix, 99, NULL), 0);
    assert_false(store_index_ready(f.store, books->indexes[0].store_name));
    assert_on_shelf("left", "one ");
    assert_on_shelf("right", "two ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_version_is_kept, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_read_in_its_own_version_copies, books_setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_writes_in_the_other_version, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleting_keeps_the_version, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists_of_mixed_versions, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_subresource_answers, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_query_answers, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_change_is_no_plain_update, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_change_is_lost, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_index_follows_writes, books_setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_index_that_is_not_built, books_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
