/* SPDX-License-Identifier: Apache-2.0 */
/* Search over a live engine: declarations, following of changes against a plain scan, types that
 * come, change and go, and indexes that are missing, damaged, of another store or too far behind.
 */
#include "services/search/search.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resources/text.h"
#include "tests/unit/services/live.h"

#define GROUP "example.com"

static void define(struct world *w, const char *fields)
{
    const char *body = arena_printf(
        &w->arena,
        "{'apiVersion':'apiextensions.k8s.io/"
        "v1','kind':'CustomResourceDefinition','metadata':{'name':'books.example.com',"
        "'annotations':{'coracle.dev/"
        "text-fields':'%s'}},'spec':{'group':'example.com','scope':'Namespaced','names':"
        "{'plural':'books','singular':'book','kind':'Book','listKind':'BookList'},'versions':[{'"
        "name':'v1','served':true,"
        "'storage':true,'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'"
        "object','properties':"
        "{'title':{'type':'string'},'body':{'type':'string'},'pages':{'type':'integer'},'notes':{'"
        "type':'object',"
        "'additionalProperties':{'type':'string'}},'tags':{'type':'array','items':{'type':'string'}"
        "}}}}}}}]}}",
        fields);
    must(w,
         ASK(w, .verb = VERB_CREATE, .group = "apiextensions.k8s.io",
             .resource = "customresourcedefinitions", .name = "books.example.com", .body = body));
}

static void declare(struct world *w, const char *fields)
{
    const char *body = arena_printf(
        &w->arena, "{'metadata':{'annotations':{'coracle.dev/text-fields':%s}}}", fields);
    must(w,
         ASK(w, .verb = VERB_PATCH, .patch = PATCH_MERGE, .group = "apiextensions.k8s.io",
             .resource = "customresourcedefinitions", .name = "books.example.com", .body = body));
}

static struct outcome declared(struct world *w, const char *fields)
{
    const char *body = arena_printf(
        &w->arena, "{'metadata':{'annotations':{'coracle.dev/text-fields':'%s'}}}", fields);
    return ASK(w, .verb = VERB_PATCH, .patch = PATCH_MERGE, .group = "apiextensions.k8s.io",
               .resource = "customresourcedefinitions", .name = "books.example.com", .body = body);
}

static void write_book(struct world *w, bool create, const char *name, const char *title,
                       const char *body)
{
    const char *text =
        arena_printf(&w->arena,
                     "{'apiVersion':'example.com/"
                     "v1','kind':'Book','metadata':{'name':'%s','namespace':'default'},"
                     "'spec':{'title':'%s','body':'%s','tags':['all','of-%s']}}",
                     name, title, body, name);
    const char *patch = arena_printf(&w->arena, "{'spec':{'title':'%s','body':'%s'}}", title, body);
    must(w, ASK(w, .verb = create ? VERB_CREATE : VERB_PATCH, .patch = PATCH_MERGE, .group = GROUP,
                .resource = "books", .ns = "default", .name = name, .body = create ? text : patch));
}

static void remove_book(struct world *w, const char *name)
{
    must(w, ASK(w, .verb = VERB_DELETE, .group = GROUP, .resource = "books", .ns = "default",
                .name = name));
}

static const struct str books[] = {{"books.example.com", 17}};

/* The names found, in order; ends with "?" where something may be lacking. */
static const char *found_once(struct world *w, const char *words)
{
    const struct text_query q = {.words = str_from(words),
                                 .types = books,
                                 .n_types = 1,
                                 .ns = STR("default"),
                                 .limit = 100,
                                 .sort = TEXT_BY_NAME};
    struct text_found f;
    bool lacking = false;
    AUTO(buf_finish) struct buf b = {0};
    struct err err = {0};
    if (search_find(w->wire->search, &q, &w->arena, &f, &lacking, &err) < 0) {
        const char *text = arena_printf(&w->arena, "! %s", err_message(&err));
        err_finish(&err);
        return text;
    }
    for (size_t i = 0; i < f.n_hits; i++) {
        buf_addz(&b, i ? " " : "");
        buf_add(&b, f.hits[i].name);
    }
    buf_addz(&b, lacking ? "?" : "");
    buf_addc(&b, 0);
    return arena_str(&w->arena, buf_str(&b)).ptr;
}

/* The same of an index that is complete: on a busy machine it may take longer than a search waits.
 * What an answer that lacks nothing by its own word says is never asked twice. */
static const char *found(struct world *w, const char *words)
{
    const char *names = found_once(w, words);
    if (!str_ends(str_from(names), STR("?"))) {
        return names;
    }
    assert_true(search_settle(w->wire->search, 20000));
    return found_once(w, words);
}

static double counted(struct world *w, const char *name)
{
    AUTO(buf_finish) struct buf b = {0};
    metrics_write(w->wire->metrics, &b);
    buf_addc(&b, 0);
    const char *key = arena_printf(&w->arena, "\n%s ", name), *at = strstr(b.ptr, key);
    return at ? strtod(at + strlen(key), NULL) : -1;
}

/* ---- declarations ---- */

static void reads_declarations(void **state)
{
    struct arena a;
    struct text_fields *f = NULL;
    (void)state;
    arena_init(&a, 0);
    assert_int_equal(text_fields_parse(&a, STR(".spec.title^8, .spec.a-b_C.tags\n.x"), &f, NULL),
                     0);
    assert_int_equal(f->n, 3);
    assert_int_equal(f->items[0].weight, 8);
    assert_true(str_is(f->items[0].path, ".spec.title"));
    assert_int_equal(f->items[1].n_steps, 3);
    assert_true(f->items[1].tags);
    assert_int_equal(f->items[1].weight, 1);
    assert_false(f->items[2].tags);
    arena_finish(&a);
}

static void refuses_bad_declarations(void **state)
{
    static const char *const bad[] = {
        "",     " , ",  "spec.title", ".",    "..a",   ".a.",       ".a..b",          ".a[0]",
        ".a^",  ".a^0", ".a^101",     ".a^x", ".a^-1", ".a^1 .a^2", ".a^99999999999", "$.a",
        "{.a}", ".a b",
    };
    struct arena a;
    struct text_fields *f = NULL;
    AUTO(buf_finish) struct buf many = {0};
    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        AUTO(err_finish) struct err err = {0};
        assert_int_equal(text_fields_parse(&a, str_from(bad[i]), &f, &err), ERR_INVALID);
        assert_non_null(err.message);
    }
    for (int i = 0; i < 33; i++) {
        buf_printf(&many, ".a%d ", i);
    }
    assert_int_equal(text_fields_parse(&a, buf_str(&many), &f, NULL), ERR_INVALID);
    assert_null(f);
    arena_finish(&a);
}

#define AT "metadata.annotations[coracle.dev/text-fields]"

static void checks_definitions(void **state)
{
    struct world *w = *state;
    define(w, ".spec.title .spec.tags .metadata.name .spec.notes.any");
    assert_cause(w, declared(w, "title"), AT, "title: a path is keys of maps, as .spec.title");
    assert_cause(w, declared(w, ".spec.titel"), AT,
                 ".spec.titel: the schema of the stored version has no such field");
    assert_cause(w, declared(w, ".spec.title .spec.pages"), AT,
                 ".spec.pages: is neither a string nor a list of strings");
    assert_cause(w, declared(w, ".spec"), AT, ".spec: is neither a string nor a list of strings");
    assert_int_equal(declared(w, ".spec.title^3").code, 0);
}

static void has_nothing_where_nothing_is_declared(void **state)
{
    struct world *w = *state;
    struct type *t = find_type(w, "", "namespaces");
    struct op *op = op_create(w->wire->engine);
    AUTO(err_finish) struct err err = {0};
    op->verb = VERB_LIST;
    op_set_type(op, t, type_storage(t));
    op->list.words = STR("x");
    assert_int_equal(text_narrow(w->wire->engine, op, &err), ERR_BAD_REQUEST);
    assert_string_equal(err.message,
                        "q: namespaces cannot be searched, as their definition declares no "
                        "text fields (annotation coracle.dev/text-fields)");
    op_unref(op);
    type_unref(t);
}

/* ---- following ---- */

static void follows_changes(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    live_run(l, "search");
    define(w, ".spec.title^8 .spec.body .spec.tags^4");
    assert_string_equal(found(w, ""), "");
    write_book(w, true, "a", "kube-prometheus", "overview");
    assert_string_equal(found(w, "metheus"), "a");
    write_book(w, true, "b", "Node", "prometheus");
    assert_string_equal(found(w, "prometheus"), "a b");
    assert_string_equal(found(w, "of-b"), "b");
    write_book(w, false, "a", "something else", "");
    assert_string_equal(found(w, "prometheus"), "b");
    remove_book(w, "b");
    assert_string_equal(found(w, "prometheus"), "");
    assert_string_equal(found(w, "*"), "a");
    assert_true(counted(w, "coracle_search_documents") == 1);
    assert_true(counted(w, "coracle_search_lag_revisions") == 0);
    assert_true(counted(w, "coracle_search_queries_total") >= 7);
}

static void follows_definitions(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    live_run(l, "search");
    define(w, ".spec.title");
    write_book(w, true, "a", "alpha", "beta");
    assert_string_equal(found(w, "beta"), "");
    declare(w, "'.spec.title .spec.body'");
    assert_string_equal(found(w, "beta"), "a");
    declare(w, "'.spec.body'");
    assert_string_equal(found(w, "alpha"), "");
    declare(w, "null");
    write_book(w, false, "a", "gamma", "delta"); /* while nobody looks */
    declare(w, "'.spec.body'");
    assert_string_equal(found(w, "beta"), "");
    assert_string_equal(found(w, "delta"), "a");
    declare(w, "null");
    for (int i = 0; i < 6000 && counted(w, "coracle_search_documents") > 0; i++) {
        live_sleep(10);
    }
    assert_true(counted(w, "coracle_search_documents") == 0);
}

static void says_that_it_is_not_complete(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    define(w, ".spec.title");
    write_book(w, true, "a", "alpha", "");
    assert_string_equal(found_once(w, "alpha"), "?"); /* the service does not run */
    live_run(l, "search");
    assert_true(search_settle(w->wire->search, 10000));
    assert_string_equal(found(w, "alpha"), "a");
}

/* ---- versions ---- */

static const char *const versions[] = {
    "[{'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"
    "'properties':{'spec':{'type':'object','properties':{'label':{'type':'string'}}}}}}},"
    "{'name':'v2','served':true,'storage':false,'schema':{'openAPIV3Schema':{'type':'object',"
    "'properties':{'spec':{'type':'object','properties':{'title':{'type':'string'}}}}}}}]",
    "[{'name':'v1','served':true,'storage':false,'schema':{'openAPIV3Schema':{'type':'object',"
    "'properties':{'spec':{'type':'object','properties':{'label':{'type':'string'}}}}}}},"
    "{'name':'v2','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"
    "'properties':{'spec':{'type':'object','properties':{'title':{'type':'string'}}}}}}}]",
};

static void define_versions(struct world *w, bool create, const char *fields, const char *list)
{
    const char *body = arena_printf(
        &w->arena,
        "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':"
        "{'name':'books.example.com','annotations':{'coracle.dev/text-fields':'%s',"
        "'coracle.dev/conversion':'rules: [{from: v1, to: v2, steps: [{move: {from: .spec.label, "
        "to: .spec.title}}]}]'}},'spec':{'group':'example.com','scope':'Namespaced','names':"
        "{'plural':'books','singular':'book','kind':'Book','listKind':'BookList'},'versions':%s}}",
        fields, list);
    must(w, ASK(w, .verb = create ? VERB_CREATE : VERB_PATCH, .patch = PATCH_MERGE,
                .group = "apiextensions.k8s.io", .resource = "customresourcedefinitions",
                .name = "books.example.com", .body = body));
}

/* What is stored as it was before another version was chosen is found by the fields of that. */
static void converts_what_is_stored_in_another_version(void **state)
{
    struct live *l = *state;
    struct world *w = &l->w;
    live_run(l, "search");
    define_versions(w, true, ".spec.label", versions[0]);
    must(w, ASK(w, .verb = VERB_CREATE, .group = GROUP, .resource = "books", .ns = "default",
                .name = "a",
                .body = "{'apiVersion':'example.com/v1','kind':'Book','metadata':{'name':'a',"
                        "'namespace':'default'},'spec':{'label':'alpha'}}"));
    assert_string_equal(found(w, "alpha"), "a");
    define_versions(w, false, ".spec.title", versions[1]);
    assert_string_equal(found(w, "alpha"), "a");
    must(w, ASK(w, .verb = VERB_CREATE, .group = GROUP, .resource = "books", .ns = "default",
                .name = "b",
                .body = "{'apiVersion':'example.com/v2','kind':'Book','metadata':{'name':'b',"
                        "'namespace':'default'},'spec':{'title':'alpha beta'}}"));
    assert_string_equal(found(w, "alpha"), "a b");
}

/* ---- against a plain scan ---- */

enum { BOOKS = 12, STEPS = 400 };

struct plain {
    bool there;
    const char *title, *body;
};

static void check_word(struct world *w, const struct plain *plain, const char *word)
{
    AUTO(buf_finish) struct buf want = {0};
    for (int i = 0; i < BOOKS; i++) {
        if (plain[i].there &&
            (strstr(plain[i].title, word) || str_starts(str_from(plain[i].body), str_from(word)))) {
            buf_printf(&want, "%sb%02d", want.len ? " " : "", i);
        }
    }
    buf_addc(&want, 0);
    assert_string_equal(found(w, word), want.ptr);
}

static void step(struct world *w, struct plain *p, int i)
{
    static const char *const words[] = {"alpha", "alphabet", "beta", "gamma", "delta"};
    char name[8];
    snprintf(name, sizeof(name), "b%02d", i);
    if (p->there && rand() % 3 == 0) {
        remove_book(w, name);
        p->there = false;
        return;
    }
    bool create = !p->there;
    p->there = true;
    p->title = words[rand() % 5];
    p->body = words[rand() % 5];
    write_book(w, create, name, p->title, p->body);
}

static void run_history(struct live *l, bool restart)
{
    struct plain plain[BOOKS] = {{0}};
    struct world *w = &l->w;
    for (int n = 0; n < STEPS; n++) {
        int i = rand() % BOOKS;
        step(w, &plain[i], i);
        if (restart && n % 40 == 17) {
            live_halt(l);
            for (int k = 0; k < 5; k++) {
                i = rand() % BOOKS;
                step(w, &plain[i], i);
            }
            live_run(l, "search");
            assert_true(search_settle(w->wire->search, 10000));
        }
        check_word(w, plain, n % 2 ? "alpha" : "beta");
    }
}

static void is_as_a_plain_scan(void **state)
{
    struct live *l = *state;
    srand(11);
    live_run(l, "search");
    define(&l->w, ".spec.title^8 .spec.body");
    run_history(l, false);
}

static void is_as_a_plain_scan_over_restarts(void **state)
{
    struct live *l = *state;
    srand(12);
    live_run(l, "search");
    define(&l->w, ".spec.title^8 .spec.body");
    run_history(l, true);
}

/* ---- on a disk, from one run to the next ---- */

static int disk_setup(void **state)
{
    struct live *l = ALLOC(struct live);
    world_prepare(&l->w, "sqlite");
    world_wire(&l->w);
    *state = l;
    return 0;
}

static int disk_teardown(void **state)
{
    struct live *l = *state;
    live_halt(l);
    world_close(&l->w);
    free(l);
    return 0;
}

static void disk_stop(struct live *l)
{
    live_halt(l);
    wire_destroy(l->w.wire);
    l->w.wire = NULL;
}

static void disk_start(struct live *l)
{
    world_wire(&l->w);
    live_run(l, "search");
    assert_true(search_settle(l->w.wire->search, 10000));
}

static void shell(struct live *l, const char *command)
{
    AUTO_FREE char *text = alloc_printf("cd '%s' && %s", l->w.dir, command);
    FILE *done = popen(text, "r");
    assert_non_null(done);
    assert_int_equal(pclose(done), 0);
}

static void put_three(struct live *l)
{
    live_run(l, "search");
    define(&l->w, ".spec.title");
    write_book(&l->w, true, "a", "alpha", "");
    write_book(&l->w, true, "b", "alpha beta", "");
    write_book(&l->w, true, "c", "beta", "");
    assert_string_equal(found(&l->w, "alpha"), "a b");
}

static ino_t index_file(struct live *l)
{
    struct stat st;
    AUTO_FREE char *path = alloc_printf("%s/search.db", l->w.dir);
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void is_made_once_on_a_first_start(void **state)
{
    struct live *l = *state;
    ino_t made = index_file(l);
    int held = open(arena_printf(&l->w.arena, "%s/search.db", l->w.dir),
                    O_RDONLY); /* its number stays taken */
    put_three(l);
    assert_int_equal(index_file(l), made);
    close(held);
}

static void goes_on_where_it_was(void **state)
{
    struct live *l = *state;
    put_three(l);
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 1);
    disk_stop(l);
    disk_start(l);
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 0);
    assert_string_equal(found(&l->w, "alpha"), "a b");
    live_halt(l);
    write_book(&l->w, false, "c", "alpha", ""); /* while it is off */
    remove_book(&l->w, "a");
    disk_stop(l);
    disk_start(l);
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 0);
    assert_string_equal(found(&l->w, "alpha"), "b c");
}

static void is_made_anew_where_it_is_no_good(void **state)
{
    static const char *const harm[] = {
        "rm search.db*",
        "rm search.db* && head -c 100000 /dev/urandom > search.db",
        "rm -f search.db-* && truncate -s 9000 search.db",
        "rm -f search.db-* && mkdir search.d && rmdir search.d && printf 'old layout' > search.db",
    };
    struct live *l = *state;
    put_three(l);
    for (size_t i = 0; i < sizeof(harm) / sizeof(*harm); i++) {
        disk_stop(l);
        shell(l, harm[i]);
        disk_start(l);
        assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 1);
        assert_string_equal(found(&l->w, "alpha"), "a b");
    }
}

static void is_made_anew_for_another_store(void **state)
{
    struct live *l = *state;
    put_three(l);
    disk_stop(l);
    shell(l, "cp -r store kept && rm -r store");
    disk_start(l); /* an empty store */
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 1);
    assert_string_equal(found(&l->w, ""), "");
    disk_stop(l);
    shell(l, "rm -r store && mv kept store");
    disk_start(l);
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 1);
    assert_string_equal(found(&l->w, "alpha"), "a b");
}

static void is_made_anew_for_a_store_that_went_back(void **state)
{
    struct live *l = *state;
    put_three(l);
    disk_stop(l);
    shell(l, "cp -r store kept");
    disk_start(l);
    write_book(&l->w, true, "d", "alpha", "");
    assert_string_equal(found(&l->w, "alpha"), "a b d");
    disk_stop(l);
    shell(l, "rm -r store && mv kept store");
    disk_start(l);
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 1);
    assert_string_equal(found(&l->w, "alpha"), "a b");
}

static void is_made_anew_where_changes_are_lost(void **state)
{
    struct live *l = *state;
    put_three(l);
    live_halt(l);
    write_book(&l->w, false, "a", "gone", "");
    write_book(&l->w, false, "c", "alpha", "");
    struct store *s = engine_store(l->w.wire->engine);
    assert_int_equal(store_compact(s, store_revision(s), NULL), 0);
    live_run(l, "search");
    assert_true(search_settle(l->w.wire->search, 10000));
    assert_true(counted(&l->w, "coracle_search_rebuilds_total") == 2);
    assert_string_equal(found(&l->w, "alpha"), "b c");
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
#define WITH_LIVE(f) cmocka_unit_test_setup_teardown(f, live_setup, live_teardown)
#define WITH_DISK(f) cmocka_unit_test_setup_teardown(f, disk_setup, disk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_declarations),
        cmocka_unit_test(refuses_bad_declarations),
        WITH_WORLD(checks_definitions),
        WITH_WORLD(has_nothing_where_nothing_is_declared),
        WITH_LIVE(follows_changes),
        WITH_LIVE(follows_definitions),
        WITH_LIVE(says_that_it_is_not_complete),
        WITH_LIVE(converts_what_is_stored_in_another_version),
        WITH_LIVE(is_as_a_plain_scan),
        WITH_LIVE(is_as_a_plain_scan_over_restarts),
        WITH_DISK(is_made_once_on_a_first_start),
        WITH_DISK(goes_on_where_it_was),
        WITH_DISK(is_made_anew_where_it_is_no_good),
        WITH_DISK(is_made_anew_for_another_store),
        WITH_DISK(is_made_anew_for_a_store_that_went_back),
        WITH_DISK(is_made_anew_where_changes_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
