/* SPDX-License-Identifier: Apache-2.0 */
/* The field numbers in the documents of the built-in types, against bytes that Go's encoder made.
 */
#include "tests/unit/services/fixture.h"

#include "resources/protobuf_body.h"
#include "tests/unit/services/protobuf_samples.h"

enum { N_SAMPLES = sizeof(protobuf_samples) / sizeof(*protobuf_samples) };

static struct str bytes_of(struct arena *a, const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *out = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(&hex[2 * i], "%2x", &byte), 1);
        out[i] = (char)byte;
    }
    return str_make(out, n);
}

/* Nothing in it says anything: what Go writes of a struct without omitempty. */
static bool is_zero(const yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if (!is_zero(it.val)) {
            return false;
        }
    }
    yyjson_mut_val *m = json_mut(v);
    return !json_is_str(v) && !yyjson_mut_get_bool(m) && !(yyjson_mut_get_num(m) != 0);
}

/* Go's JSON without what it shows of empty structs at the top; status is the server's to fill. */
static void drop_empty(yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        bool shown = str_is(json_str(it.key), "metadata") || str_is(json_str(it.key), "status");
        if (json_is_null(it.val) || (shown && is_zero(it.val))) {
            json_iter_remove(&it);
        }
    }
}

static void test_samples(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const struct protobuf_sample *s = &protobuf_samples[i];
        struct type *t = find_type(w, s->group, s->resource);
        AUTO(err_finish) struct err err = {0};
        yyjson_mut_doc *d = NULL;
        assert_non_null(t);
        if (protobuf_read(t, &w->arena, bytes_of(&w->arena, s->hex), &d, &err) < 0) {
            fail_msg("%s: %s", s->json, err_message(&err));
        }
        yyjson_mut_val *want = parsed(&w->arena, s->json);
        drop_empty(want);
        if (!json_equal(d->root, want)) {
            fail_msg("got  %.*s\nwant %.*s", STR_FMT(shown(&w->arena, d->root)),
                     STR_FMT(shown(&w->arena, want)));
        }
        type_unref(t);
    }
}

/* Every beginning of each, and some bytes changed: read or refused, with words. */
static void test_damaged(void **state)
{
    struct world *w = *state;
    uint32_t seed = 7;
    size_t refused = 0;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const struct protobuf_sample *s = &protobuf_samples[i];
        struct type *t = find_type(w, s->group, s->resource);
        struct str all = bytes_of(&w->arena, s->hex);
        for (size_t n = 0; n < all.len; n++) {
            struct arena a;
            AUTO(err_finish) struct err err = {0};
            yyjson_mut_doc *d = NULL;
            arena_init(&a, 0);
            char *bytes = arena_alloc(&a, all.len);
            memcpy(bytes, all.ptr, all.len);
            bool cut = n % 2 == 0;
            seed = seed * 1664525 + 1013904223;
            bytes[n] = cut ? bytes[n] : (char)(seed >> 16);
            int r = protobuf_read(t, &a, str_make(bytes, cut ? n : all.len), &d, &err);
            assert_true(r == 0 || (r == ERR_BAD_REQUEST && *err_message(&err)));
            refused += r < 0;
            arena_finish(&a);
        }
        type_unref(t);
    }
    assert_true(refused > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_samples, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
