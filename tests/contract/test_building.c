/* SPDX-License-Identifier: Apache-2.0 */
/* An index that is defined over keys that are there: whoever builds it restamps each as it was
 * read, while others write; in the end it has each key's term, that of its present value, and no
 * other. */
#include "tests/contract/contract.h"

#include "base/buf.h"

enum { KEYS = 60, PAGE = 7 };

struct page {
    char keys[PAGE][16], values[PAGE][16];
    int64_t revs[PAGE];
    size_t n;
};

static int copy_key(void *arg, const struct store_entry *e)
{
    struct page *p = arg;
    snprintf(p->keys[p->n], sizeof(p->keys[0]), "%.*s", STR_FMT(e->key));
    snprintf(p->values[p->n], sizeof(p->values[0]), "%.*s", STR_FMT(e->value));
    p->revs[p->n++] = e->rev;
    return 0;
}

/* The key's term is its value. rev -1: whatever it holds. */
static int write_term(struct store *s, enum store_op_kind kind, const char *key, const char *value,
                      int64_t rev)
{
    AUTO(blob_unrefp) struct blob *b = blob_create(str_from(value));
    const struct store_term term = {STR("b"), str_from(value)};
    const struct store_op op = {
        .kind = kind, .key = str_from(key), .value = b, .stamp = 5, .terms = &term, .n_terms = 1};
    const struct store_cmp cmp = cmp_rev(key, rev);
    struct store_outcome o;
    return submit(s, &cmp, rev >= 0, &op, 1, &o);
}

/* Somebody else replaces one of the page's keys, deletes one and makes one behind it. */
static void interfere(struct store *s, const struct page *p)
{
    char made[24];
    if (p->n < PAGE) {
        return;
    }
    snprintf(made, sizeof(made), "%s-new", p->keys[5]);
    assert_int_equal(write_term(s, STORE_OP_PUT, p->keys[2], "replaced", -1), 0);
    assert_int_equal(write_term(s, STORE_OP_PUT, made, "made", -1), 0);
    del(s, p->keys[4]);
}

static void build(struct store *s)
{
    char from[24] = "";
    bool more = true;
    while (more) {
        struct page p = {.n = 0};
        const struct store_range r = {.prefix = STR("/k/"), .from = str_from(from), .limit = PAGE};
        assert_int_equal(store_range(s, &r, copy_key, &p, NULL, &more, NULL), 0);
        interfere(s, &p);
        for (size_t i = 0; i < p.n; i++) {
            bool changed = p.n == PAGE && (i == 2 || i == 4);
            assert_int_equal(write_term(s, STORE_OP_RESTAMP, p.keys[i], p.values[i], p.revs[i]),
                             changed ? ERR_CONFLICT : 0);
        }
        snprintf(from, sizeof(from), "%s!", p.n ? p.keys[p.n - 1] : "");
    }
}

static int add_line(void *arg, struct str term, struct str key)
{
    struct buf *b = arg;
    buf_printf(b, "%.*s %.*s\n", STR_FMT(key), STR_FMT(term));
    return 0;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The walk gives each key with its value, and nothing else. */
static void check_terms(struct store *s)
{
    AUTO(buf_finish) struct buf got = {0};
    const struct store_walk all = {.index = STR("b"), .least = STR(""), .greatest = STR("\xff")};
    assert_int_equal(store_index_walk(s, &all, add_line, &got, NULL), 0);
    buf_addc(&got, '\0');
    char *lines[4 * KEYS], *next = NULL;
    size_t n = 0;
    for (char *line = strtok_r(got.ptr, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
        assert_true(n < sizeof(lines) / sizeof(*lines));
        lines[n++] = line;
    }
    qsort(lines, n, sizeof(*lines), by_line);
    size_t at = 0;
    struct page p = {.n = 0};
    char from[24] = "";
    for (bool more = true; more;) {
        const struct store_range r = {.prefix = STR("/k/"), .from = str_from(from), .limit = PAGE};
        p.n = 0;
        assert_int_equal(store_range(s, &r, copy_key, &p, NULL, &more, NULL), 0);
        for (size_t i = 0; i < p.n; i++) {
            char line[40];
            snprintf(line, sizeof(line), "%s %s", p.keys[i], p.values[i]);
            assert_true(at < n);
            assert_string_equal(lines[at++], line);
        }
        snprintf(from, sizeof(from), "%s!", p.n ? p.keys[p.n - 1] : "");
    }
    assert_int_equal(at, n);
    assert_true(n >= KEYS);
}

static void built_while_others_write(void **state)
{
    struct store *s = ((struct fixture *)*state)->s;
    char key[16], value[16];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "/k/%02d", i);
        snprintf(value, sizeof(value), "v%d", i % 9);
        put(s, key, value);
    }
    assert_int_equal(store_index_define(s, STR("b"), STR("/k/"), 1, NULL), 0);
    assert_false(store_index_ready(s, STR("b")));
    build(s);
    assert_false(store_index_ready(s, STR("b")));
    assert_int_equal(store_index_built(s, STR("b"), 1, NULL), 0);
    assert_true(store_index_ready(s, STR("b")));
    check_terms(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CONTRACT_TEST(built_while_others_write)};
    return run_contract(tests, sizeof(tests) / sizeof(*tests));
}
