/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of storage/store.h, sentence by sentence, on every engine: reading, writing and
 * changes. */
#include "base/buf.h"
#include "contract.h"

/* ---- reading ---- */

static void an_empty_store(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct blob *b = NULL;
    struct store_entry e;
    int64_t now = -1, n = -1, to = -1;
    struct seen w = {0};
    struct err err = {0};
    assert_int_equal(store_revision(s), STORE_FIRST_REVISION);
    assert_int_equal(store_floor(s), 0);
    assert_int_equal(store_get(s, STR("/a"), 0, &b, &e, &now, &err), ERR_NOT_FOUND);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err_finish(&err);
    assert_null(b);
    assert_int_equal(now, STORE_FIRST_REVISION);
    assert_int_equal(store_count(s, &(struct store_range){0}, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_changes(s, STR_NULL, 0, 0, see_event, &w, &to, NULL), 0);
    assert_int_equal(w.n, 0);
    assert_int_equal(to, STORE_FIRST_REVISION);
    assert_int_equal(store_prefix_revision(s, STR_NULL), 0);
}

static void put_then_get(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct blob *b = NULL;
    struct store_entry e;
    int64_t now = 0;
    int64_t r1 = put(s, "/a", "one");
    assert_int_equal(r1, STORE_FIRST_REVISION + 1);
    int64_t r2 = put(s, "/a", "two");
    assert_int_equal(r2, r1 + 1);
    put(s, "/b", "other");
    struct str key = STR("/a");
    assert_int_equal(store_get(s, key, 0, &b, &e, &now, NULL), 0);
    assert_int_equal(now, r2 + 1);
    assert_int_equal(store_revision(s), r2 + 1);
    assert_ptr_equal(e.key.ptr, key.ptr);
    assert_ptr_equal(e.value.ptr, b->data);
    assert_true(str_is(e.value, "two"));
    assert_int_equal(e.rev, r2);
    assert_int_equal(e.create_rev, r1);
    assert_int_equal(e.stamp, 42);
    blob_unref(b);
}

static void keys_and_values_are_bytes(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct str keys[] = {STR("a\0b"), STR("a\0c"), STR("a"), STR("\xff\xff"), STR("\xff"), STR("")};
    for (size_t i = 0; i < 6; i++) {
        put_str(s, keys[i], i % 2 ? STR("v\0v") : STR(""));
    }
    for (size_t i = 0; i < 6; i++) {
        struct blob *b = NULL;
        struct store_entry e;
        assert_int_equal(store_get(s, keys[i], 0, &b, &e, NULL, NULL), 0);
        assert_true(str_eq(e.value, i % 2 ? STR("v\0v") : STR("")));
        blob_unref(b);
    }
    assert_range(s, &(struct store_range){.prefix = STR("\xff")}, "\xff= \xff\xff=v ");
    int64_t n;
    assert_int_equal(store_count(s, &(struct store_range){.prefix = STR("a\0")}, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(store_count(s, &(struct store_range){0}, &n, NULL), 0);
    assert_int_equal(n, 6);
}

static void large_values(void **state)
{
    const struct fixture *f = *state;
    struct store *s = f->s;
    AUTO(blob_unrefp) struct blob *big = blob_alloc(3 << 20);
    for (size_t i = 0; i < big->len; i++) {
        big->data[i] = (char)(i * 31 >> 3);
    }
    struct store_op op = op_put("/big", big);
    int code;
    do { /* a busy etcd may take too long over it, and what became of it is not known then */
        code = submit(s, NULL, 0, &op, 1, NULL);
    } while (code == ERR_TIMEOUT && f->engine->distributed);
    assert_int_equal(code, 0);
    AUTO(blob_unrefp) struct blob *b = NULL;
    struct store_entry e;
    assert_int_equal(store_get(s, STR("/big"), 0, &b, &e, NULL, NULL), 0);
    assert_true(str_eq(blob_str(b), blob_str(big)));
}

static void reads_at_a_revision(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    int64_t r0 = store_revision(s);
    int64_t r1 = put(s, "/a", "one"), r2 = put(s, "/a", "two"), r3 = del(s, "/a");
    int64_t r4 = put(s, "/b", "b"), r5 = put(s, "/a", "again");
    assert_int_equal(get_code(s, "/a", r0), ERR_NOT_FOUND);
    assert_get(s, "/a", r1, "one");
    assert_get(s, "/a", r2, "two");
    assert_int_equal(get_code(s, "/a", r3), ERR_NOT_FOUND);
    assert_int_equal(get_code(s, "/a", r4), ERR_NOT_FOUND);
    assert_get(s, "/a", r5, "again");
    assert_get(s, "/a", 0, "again");
    assert_int_equal(get_code(s, "/a", r5 + 1), ERR_TIMEOUT);
    struct blob *b = NULL;
    struct store_entry e;
    int64_t now = 0;
    assert_int_equal(store_get(s, STR("/a"), r2, &b, &e, &now, NULL), 0);
    assert_int_equal(now, r2);
    assert_int_equal(e.rev, r2);
    assert_int_equal(e.create_rev, r1);
    blob_unref(b);
    assert_int_equal(store_get(s, STR("/a"), r5, &b, &e, &now, NULL), 0);
    assert_int_equal(e.create_rev, r5);
    blob_unref(b);
    assert_range(s, &(struct store_range){.at = r0}, "");
    assert_range(s, &(struct store_range){.at = r2}, "/a=two ");
    assert_range(s, &(struct store_range){.at = r4}, "/b=b ");
    assert_range(s, &(struct store_range){.at = r5}, "/a=again /b=b ");
    struct seen w = {0};
    assert_int_equal(
        store_range(s, &(struct store_range){.at = r5 + 1}, see_entry, &w, &now, NULL, NULL),
        ERR_TIMEOUT);
    assert_int_equal(store_count(s, &(struct store_range){.at = r5 + 1}, &now, NULL), ERR_TIMEOUT);
}

static void ranges(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    const char *keys[] = {"/x/c", "/x/a", "/y", "/x/b", "/w", "/x/d"};
    for (size_t i = 0; i < 6; i++) {
        put(s, keys[i], "v");
    }
    del(s, "/x/c");
    assert_range(s, &(struct store_range){0}, "/w=v /x/a=v /x/b=v /x/d=v /y=v ");
    struct str p = STR("/x/");
    assert_range(s, &(struct store_range){.prefix = p}, "/x/a=v /x/b=v /x/d=v ");
    assert_range(s, &(struct store_range){.prefix = STR("/z")}, "");
    assert_range(s, &(struct store_range){.prefix = p, .from = STR("/x/b")}, "/x/b=v /x/d=v ");
    assert_range(s, &(struct store_range){.prefix = p, .from = STR("/x/b\0")}, "/x/d=v ");
    assert_range(s, &(struct store_range){.prefix = p, .from = STR("/a")}, "/x/a=v /x/b=v /x/d=v ");
    assert_range(s, &(struct store_range){.prefix = p, .from = STR("/y")}, "");
    assert_range(s, &(struct store_range){.prefix = p, .keys_only = true}, "/x/a= /x/b= /x/d= ");
    assert_range(s, &(struct store_range){.prefix = p, .limit = 2}, "/x/a=v /x/b=v ");
}

static void check_stop(struct store *s, int64_t at, size_t limit, size_t stop_at, int stop_code,
                       const char *want, bool want_more)
{
    struct store_range r = {.prefix = STR("/x/"), .at = at, .limit = limit};
    struct seen w = {.stop_at = stop_at, .stop_code = stop_code};
    int64_t got_at = 0;
    bool more = !want_more;
    assert_int_equal(store_range(s, &r, see_entry, &w, &got_at, &more, NULL), 0);
    assert_string_equal(w.text, want);
    assert_int_equal(more, want_more);
    assert_int_equal(got_at, at ? at : store_revision(s));
}

static void limits_and_stops(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    put(s, "/x/1", "");
    put(s, "/x/2", "");
    int64_t at = put(s, "/x/3", "");
    put(s, "/y", "");
    for (int old = 0; old < 2; old++) {
        int64_t a = old ? at : 0;
        check_stop(s, a, 0, 0, 0, "/x/1= /x/2= /x/3= ", false);
        check_stop(s, a, 3, 0, 0, "/x/1= /x/2= /x/3= ", false);
        check_stop(s, a, 2, 0, 0, "/x/1= /x/2= ", true);
        check_stop(s, a, 0, 1, STORE_STOP, "/x/1= ", true);
        check_stop(s, a, 0, 3, STORE_STOP, "/x/1= /x/2= /x/3= ", false);
        check_stop(s, a, 0, 3, STORE_STOP_BEFORE, "/x/1= /x/2= /x/3= ", true);
        check_stop(s, a, 0, 1, STORE_STOP_BEFORE, "/x/1= ", true);
    }
    struct store_range r = {.prefix = STR("/x/")};
    struct seen w = {.stop_at = 2, .stop_code = ERR_TOO_LARGE};
    int64_t got = -7;
    struct err err = {0};
    assert_int_equal(store_range(s, &r, see_entry, &w, &got, NULL, &err), ERR_TOO_LARGE);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_int_equal(got, -7);
    assert_int_equal(w.n, 2);
    err_finish(&err);
}

static void prefix_revisions(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    put(s, "/a/1", "");
    int64_t a2 = put(s, "/a/2", ""), b = put(s, "/b/1", "");
    assert_int_equal(store_prefix_revision(s, STR("/a/")), a2);
    assert_int_equal(store_prefix_revision(s, STR("/b/")), b);
    assert_int_equal(store_prefix_revision(s, STR("/c/")), 0);
    assert_int_equal(store_prefix_revision(s, STR_NULL), b);
    int64_t gone = del(s, "/a/1");
    assert_int_equal(store_prefix_revision(s, STR("/a/")), gone);
    put(s, "/c/1", "");
    assert_int_equal(store_compact(s, gone, NULL), 0);
    assert_int_equal(store_prefix_revision(s, STR("/a/")), 0);
}

/* ---- writing ---- */

static int64_t rev_of(struct store *s, const char *key)
{
    AUTO(blob_unrefp) struct blob *b = NULL;
    struct store_entry e = {0};
    store_get(s, str_from(key), 0, &b, &e, NULL, NULL);
    return e.rev;
}

/* Puts /out when the compares hold. */
static void check_cmps(struct store *s, const struct store_cmp *cmps, size_t n, bool holds,
                       size_t failed)
{
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    struct store_op op = op_put("/out", b);
    struct store_outcome o = {0};
    int64_t before = store_revision(s);
    int code = submit(s, cmps, n, &op, 1, &o);
    assert_int_equal(code, holds ? 0 : ERR_CONFLICT);
    assert_int_equal(o.rev, holds ? before + 1 : before);
    assert_int_equal(store_revision(s), o.rev);
    if (!holds) {
        assert_int_equal(o.failed, failed);
    }
}

static void compares_of_a_revision(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    int64_t a = put(s, "/a", "1");
    put(s, "/gone", "1");
    del(s, "/gone");
    check_cmps(s, &(struct store_cmp){.key = STR("/a"), .rev = a}, 1, true, 0);
    check_cmps(s, &(struct store_cmp){.key = STR("/a"), .rev = a + 1}, 1, false, 0);
    check_cmps(s, &(struct store_cmp){.key = STR("/a"), .rev = 0}, 1, false, 0);
    check_cmps(s, &(struct store_cmp){.key = STR("/none"), .rev = 0}, 1, true, 0);
    check_cmps(s, &(struct store_cmp){.key = STR("/none"), .rev = a}, 1, false, 0);
    check_cmps(s, &(struct store_cmp){.key = STR("/gone"), .rev = 0}, 1, true, 0);
    struct store_cmp many[] = {cmp_rev("/a", a), cmp_rev("/none", 0), cmp_rev("/a", a + 5),
                               cmp_rev("/a", a + 6)};
    check_cmps(s, many, 4, false, 2);
    check_cmps(s, many, 2, true, 0);
}

static void compares_of_ranges(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    put(s, "/p/a", "1");
    int64_t q = put(s, "/q/a", "1");
    put(s, "/r", "1");
    struct store_cmp empty = {.kind = STORE_CMP_EMPTY, .key = STR("/p/")};
    check_cmps(s, &empty, 1, false, 0);
    int64_t gone = del(s, "/p/a");
    check_cmps(s, &empty, 1, true, 0);
    struct store_cmp same = {.kind = STORE_CMP_UNCHANGED, .key = STR("/q/"), .rev = q};
    check_cmps(s, &same, 1, true, 0);
    same.rev = q - 1;
    check_cmps(s, &same, 1, false, 0);
    same.rev = INT64_MAX;
    check_cmps(s, &same, 1, true, 0);
    struct store_cmp deleted = {.kind = STORE_CMP_UNCHANGED, .key = STR("/p/"), .rev = gone - 1};
    check_cmps(s, &deleted, 1, false, 0);
    deleted.rev = gone;
    check_cmps(s, &deleted, 1, true, 0);
    assert_int_equal(store_compact(s, store_revision(s), NULL), 0);
    check_cmps(s, &deleted, 1, false, 0);
    deleted.rev = store_revision(s);
    check_cmps(s, &deleted, 1, true, 0);
}

struct walked {
    struct buf text; /* "term=key " of each */
    size_t most;
};

static int note_term(void *arg, struct str term, struct str key)
{
    struct walked *w = arg;
    buf_printf(&w->text, "%.*s=%.*s ", STR_FMT(term), STR_FMT(str_skip(key, 3)));
    return w->most && --w->most == 0 ? STORE_STOP : 0;
}

static void check_walk(struct store *s, const struct store_walk *w, size_t most, const char *want)
{
    struct walked found = {.most = most};
    assert_int_equal(store_index_walk(s, w, note_term, &found, NULL), 0);
    buf_addc(&found.text, '\0');
    assert_string_equal(found.text.ptr, want);
    buf_finish(&found.text);
}

static void put_terms(struct store *s, const char *key, const char *one, const char *two)
{
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    const struct store_term terms[] = {{STR("w"), str_from(one)}, {STR("w"), str_from(two)}};
    struct store_op op = op_put(key, b);
    op.terms = terms;
    op.n_terms = 2;
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, &op, 1, &o), 0);
}

static int note_tally(void *arg, struct str term, int64_t keys)
{
    struct walked *w = arg;
    buf_printf(&w->text, "%.*s=%lld ", STR_FMT(term), (long long)keys);
    return w->most && --w->most == 0 ? STORE_STOP : 0;
}

static void check_tally(struct store *s, const struct store_walk *w, size_t most, const char *want)
{
    struct walked found = {.most = most};
    assert_int_equal(store_index_tally(s, w, note_tally, &found, NULL), 0);
    buf_addc(&found.text, '\0');
    assert_string_equal(found.text.ptr, want);
    buf_finish(&found.text);
}

static int give_up_tally(void *arg, struct str term, int64_t keys)
{
    ++*(int *)arg;
    (void)term;
    (void)keys;
    return ERR_INTERNAL;
}

static int give_up(void *arg, struct str term, struct str key)
{
    (void)arg;
    (void)term;
    (void)key;
    return ERR_INTERNAL;
}

static void walks_of_terms(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    struct store_walk w = {.index = STR("w"), .least = STR("a"), .greatest = STR("z")};
    assert_int_equal(store_index_walk(s, &w, note_term, NULL, NULL), ERR_UNAVAILABLE);
    assert_int_equal(store_index_tally(s, &w, note_tally, NULL, NULL), ERR_UNAVAILABLE);
    assert_int_equal(store_index_define(s, STR("w"), STR("/t/"), 1, NULL), 0);
    check_walk(s, &w, 0, "");
    put_terms(s, "/t/b", "m", "p");
    put_terms(s, "/t/a", "m", "zz");
    put_terms(s, "/t/c", "m", "A");
    put_terms(s, "/t/d", "b", "z");
    check_walk(s, &w, 0, "z=d p=b m=a m=b m=c b=d ");
    check_walk(s, &w, 3, "z=d p=b m=a ");
    check_tally(s, &w, 0, "z=1 p=1 m=3 b=1 ");
    check_tally(s, &w, 2, "z=1 p=1 ");
    w.greatest = STR("m");
    check_walk(s, &w, 0, "m=a m=b m=c b=d ");
    w.after = STR("/t/a");
    check_walk(s, &w, 0, "m=b m=c b=d ");
    w.after = STR("/t/z");
    check_walk(s, &w, 0, "b=d ");
    w.least = STR("c");
    check_walk(s, &w, 0, "");
    w = (struct store_walk){.index = STR("w"), .least = STR(""), .greatest = STR("\xff")};
    put_terms(s, "/t/d", "n", "n");
    del(s, "/t/a");
    check_walk(s, &w, 0, "p=b n=d m=b m=c A=c ");
    check_tally(s, &w, 0, "p=1 n=1 m=2 A=1 ");
    w.least = w.greatest = STR("m");
    w.after = STR("/t/b");
    check_tally(s, &w, 0, "m=2 ");
    int given = 0;
    assert_int_equal(store_index_tally(s, &w, give_up_tally, &given, NULL), ERR_INTERNAL);
    assert_int_equal(given, 1);
    w = (struct store_walk){.index = STR("w"), .least = STR(""), .greatest = STR("\xff")};
    assert_int_equal(store_index_walk(s, &w, give_up, NULL, NULL), ERR_INTERNAL);
    assert_int_equal(store_index_tally(s, &w, give_up_tally, &given, NULL), ERR_INTERNAL);
    assert_int_equal(given, 2);
    w.greatest = STR("");
    check_walk(s, &w, 0, "");
}

static void compares_of_terms(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    assert_int_equal(store_index_define(s, STR("t"), STR("/t/"), 1, NULL), 0);
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    const struct store_term terms[] = {{STR("t"), STR("red")}, {STR("t"), STR("blue")}};
    struct store_op ops[] = {op_put("/t/a", b), op_put("/t/b/c", b)};
    ops[0].terms = terms;
    ops[0].n_terms = 2;
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, ops, 2, &o), 0);
    struct store_cmp c = {.kind = STORE_CMP_TERM_ABSENT,
                          .key = STR("/t/"),
                          .rev = o.rev,
                          .index = STR("t"),
                          .term = STR("green")};
    check_cmps(s, &c, 1, true, 0);
    int64_t after = put(s, "/t/x", "1"); /* of no term: of no concern where the index is at hand */
    check_cmps(s, &c, 1, !store_shared(s), 0);
    c.rev = after;
    check_cmps(s, &c, 1, true, 0);
    if (!store_shared(s)) {
        c.term = STR("red");
        check_cmps(s, &c, 1, false, 0);
        c.key = STR("/t/b");
        check_cmps(s, &c, 1, true, 0);
        c.key = STR("/t/");
        c.rev = del(s, "/t/a");
        check_cmps(s, &c, 1, true, 0);
    }
    c.index = STR("unknown");
    c.rev = store_revision(s);
    check_cmps(s, &c, 1, true, 0);
    c.rev = after - 1;
    check_cmps(s, &c, 1, false, 0);
}

/* More changes lie in between than are looked at one by one. */
static void unchanged_over_many_changes(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    int64_t was = put(s, "/q/a", "1");
    put(s, "/q/b", "1");
    int64_t gone = del(s, "/q/b");
    static struct store_op ops[6000];
    static char keys[6000][16];
    for (size_t i = 0; i < 6000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "/m/%zu", i);
        ops[i] = op_put(keys[i], b);
    }
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, ops, 6000, &o), 0);
    assert_int_equal(o.rev, gone + 1);
    struct store_cmp c = {.kind = STORE_CMP_UNCHANGED, .key = STR("/q/"), .rev = gone};
    check_cmps(s, &c, 1, true, 0);
    c.rev = gone - 1;
    check_cmps(s, &c, 1, false, 0);
    c.rev = was - 1;
    check_cmps(s, &c, 1, false, 0);
    assert_int_equal(store_prefix_revision(s, STR("/q/")), gone);
    assert_int_equal(store_prefix_revision(s, STR("/m/")), gone + 1);
    struct seen w = {0};
    int64_t to;
    assert_int_equal(store_changes(s, STR("/m/59"), gone, 1, see_event, &w, &to, NULL), 0);
    assert_int_equal(w.n, 111);
}

static void all_or_nothing(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    put(s, "/a", "1");
    struct store_op ops[] = {op_put("/b", b), op_delete("/a"), op_put("/c", b)};
    struct store_cmp c = cmp_rev("/a", 99);
    struct store_outcome o;
    assert_int_equal(submit(s, &c, 1, ops, 3, &o), ERR_CONFLICT);
    assert_range(s, &(struct store_range){0}, "/a=1 ");
    assert_int_equal(submit(s, NULL, 0, ops, 3, &o), 0);
    assert_range(s, &(struct store_range){0}, "/b=x /c=x ");
    assert_int_equal(rev_of(s, "/b"), o.rev);
    assert_int_equal(rev_of(s, "/c"), o.rev);
    char want[128];
    snprintf(want, sizeof(want), "%lld.0 /b ->x %lld.1 /a 1>- %lld.2 /c ->x ", (long long)o.rev,
             (long long)o.rev, (long long)o.rev);
    struct seen w = {0};
    int64_t to;
    assert_int_equal(store_changes(s, STR_NULL, o.rev - 1, 0, see_event, &w, &to, NULL), 0);
    assert_string_equal(w.text, want);
}

static void what_changes_nothing_makes_no_revision(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("new"));
    int64_t a = put(s, "/a", "old");
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, NULL, 0, &o), 0);
    assert_int_equal(o.rev, a);
    struct store_op none = op_delete("/none");
    assert_int_equal(submit(s, NULL, 0, &none, 1, &o), 0);
    assert_int_equal(o.rev, a);
    struct store_op restamp = {.kind = STORE_OP_RESTAMP, .key = STR("/a"), .value = b, .stamp = 7};
    assert_int_equal(submit(s, NULL, 0, &restamp, 1, &o), 0);
    assert_int_equal(o.rev, a);
    struct blob *got = NULL;
    struct store_entry e;
    assert_int_equal(store_get(s, STR("/a"), 0, &got, &e, NULL, NULL), 0);
    assert_true(str_is(e.value, "new"));
    assert_int_equal(e.stamp, 7);
    assert_int_equal(e.rev, a);
    assert_int_equal(e.create_rev, a);
    blob_unref(got);
    restamp.key = STR("/none");
    assert_int_equal(submit(s, NULL, 0, &restamp, 1, &o), 0);
    assert_int_equal(get_code(s, "/none", 0), ERR_NOT_FOUND);
    struct seen w = {0};
    int64_t to;
    assert_int_equal(store_changes(s, STR_NULL, a, 0, see_event, &w, &to, NULL), 0);
    assert_int_equal(w.n, 0);
    assert_int_equal(to, a);
}

static void too_many_operations(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    size_t n = STORE_TXN_OPS + 1;
    AUTO_FREE struct store_op *ops = alloc_zero(n * sizeof(*ops));
    for (size_t i = 0; i < n; i++) {
        ops[i] = op_delete("/none");
    }
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, ops, n, &o), ERR_TOO_LARGE);
    assert_int_equal(submit(s, NULL, 0, ops, n - 1, &o), 0);
}

/* ---- changes ---- */

static void changes_in_order(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    AUTO(blob_unrefp) struct blob *b = blob_create(STR("x"));
    assert_int_equal(put(s, "/a", "1"), 2);
    struct store_op two[] = {op_put("/b", b), op_put("/a", b)};
    assert_int_equal(submit(s, NULL, 0, two, 2, NULL), 0);
    assert_int_equal(del(s, "/a"), 4);
    assert_int_equal(put(s, "/a", "2"), 5);
    check_changes(s, "", 1, 0, 0, 0, "2.0 /a ->1 3.0 /b ->x 3.1 /a 1>x 4.0 /a x>- 5.0 /a ->2 ", 5);
    check_changes(s, "", 0, 0, 0, 0, "2.0 /a ->1 3.0 /b ->x 3.1 /a 1>x 4.0 /a x>- 5.0 /a ->2 ", 5);
    check_changes(s, "/a", 2, 0, 0, 0, "3.1 /a 1>x 4.0 /a x>- 5.0 /a ->2 ", 5);
    check_changes(s, "/b", 1, 0, 0, 0, "3.0 /b ->x ", 5);
    check_changes(s, "/none", 1, 0, 0, 0, "", 5);
    check_changes(s, "", 5, 0, 0, 0, "", 5);
    check_changes(s, "", 9, 0, 0, 0, "", 9);
    check_changes(s, "", 1, 2, 0, 0, "2.0 /a ->1 3.0 /b ->x 3.1 /a 1>x ", 3);
    check_changes(s, "", 1, 1, 0, 0, "2.0 /a ->1 ", 2);
    check_changes(s, "/b", 1, 1, 0, 0, "3.0 /b ->x ", 3);
    check_changes(s, "", 1, 0, 2, STORE_STOP, "2.0 /a ->1 3.0 /b ->x 3.1 /a 1>x ", 3);
    check_changes(s, "", 1, 0, 2, STORE_STOP_BEFORE, "2.0 /a ->1 3.0 /b ->x ", 2);
    check_changes(s, "", 1, 0, 3, STORE_STOP_BEFORE, "2.0 /a ->1 3.0 /b ->x 3.1 /a 1>x ", 2);
    check_changes(s, "", 1, 0, 5, STORE_STOP,
                  "2.0 /a ->1 3.0 /b ->x 3.1 /a 1>x 4.0 /a x>- 5.0 /a ->2 ", 5);
    struct seen w = {.stop_at = 1, .stop_code = ERR_CLOSED};
    int64_t to = -1;
    assert_int_equal(store_changes(s, STR_NULL, 1, 0, see_event, &w, &to, NULL), ERR_CLOSED);
    assert_int_equal(to, -1);
}

static int keep_event(void *arg, const struct store_event *e)
{
    struct store_event *kept = arg;
    *kept = *e;
    blob_ref(kept->value);
    blob_ref(kept->prev);
    assert_true(str_is(e->who, "tester"));
    return STORE_STOP;
}

static void check_event(struct store *s, int64_t rev, struct store_event want)
{
    struct store_event e = {0};
    int64_t to;
    assert_int_equal(store_changes(s, STR_NULL, rev - 1, 0, keep_event, &e, &to, NULL), 0);
    assert_int_equal(e.rev, rev);
    assert_int_equal(e.deleted, want.deleted);
    assert_int_equal(!e.value, want.deleted);
    assert_int_equal(!e.prev, !want.prev_rev);
    assert_int_equal(e.stamp, want.stamp);
    assert_int_equal(e.prev_stamp, want.prev_stamp);
    assert_int_equal(e.prev_rev, want.prev_rev);
    assert_int_equal(e.create_rev, want.create_rev);
    blob_unref(e.value);
    blob_unref(e.prev);
}

static void what_an_event_says(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    int64_t r1 = put(s, "/a", "one");
    AUTO(blob_unrefp) struct blob *b = blob_create(STR(""));
    struct store_op op = op_put("/a", b);
    op.stamp = UINT64_MAX;
    struct store_outcome o;
    assert_int_equal(submit(s, NULL, 0, &op, 1, &o), 0);
    int64_t r2 = o.rev, r3 = del(s, "/a"), r4 = put(s, "/a", "two");
    check_event(s, r1, (struct store_event){.stamp = 42, .create_rev = r1});
    check_event(s, r2,
                (struct store_event){
                    .stamp = UINT64_MAX, .prev_stamp = 42, .prev_rev = r1, .create_rev = r1});
    check_event(s, r3,
                (struct store_event){
                    .deleted = true, .prev_stamp = UINT64_MAX, .prev_rev = r2, .create_rev = r1});
    check_event(s, r4, (struct store_event){.stamp = 42, .create_rev = r4});
}

/* ---- the table ---- */

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(an_empty_store),
    CONTRACT_TEST(put_then_get),
    CONTRACT_TEST(keys_and_values_are_bytes),
    CONTRACT_TEST(large_values),
    CONTRACT_TEST(reads_at_a_revision),
    CONTRACT_TEST(ranges),
    CONTRACT_TEST(limits_and_stops),
    CONTRACT_TEST(prefix_revisions),
    CONTRACT_TEST(compares_of_a_revision),
    CONTRACT_TEST(compares_of_ranges),
    CONTRACT_TEST(compares_of_terms),
    CONTRACT_TEST(walks_of_terms),
    CONTRACT_TEST(unchanged_over_many_changes),
    CONTRACT_TEST(all_or_nothing),
    CONTRACT_TEST(what_changes_nothing_makes_no_revision),
    CONTRACT_TEST(too_many_operations),
    CONTRACT_TEST(changes_in_order),
    CONTRACT_TEST(what_an_event_says),
};

int main(void)
{
    return run_contract(tests, sizeof(tests) / sizeof(*tests));
}
