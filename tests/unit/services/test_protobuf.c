/* SPDX-License-Identifier: Apache-2.0 */
/* The field numbers in the documents of the built-in types, against bytes that Go's encoder made.
 */
#include "tests/unit/services/fixture.h"

#include "base/crypto.h"
#include "resources/encoding.h"
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

/* What Go's encoder makes of the same object is what ours makes, to the byte. */
static void test_encoded(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const struct protobuf_sample *s = &protobuf_samples[i];
        struct type *t = find_type(w, s->group, s->resource);
        AUTO(buf_finish) struct buf b = {0}, hex = {0};
        assert_int_equal(encoding_write(&b, ENCODING_PROTOBUF, t, parsed(&w->arena, s->json), NULL),
                         0);
        crypto_hex(&hex, (const unsigned char *)b.ptr, b.len);
        if (!str_is(buf_str(&hex), s->hex)) {
            fail_msg("%s\ngot  %.*s\nwant %s", s->json, STR_FMT(buf_str(&hex)), s->hex);
        }
        type_unref(t);
    }
}

/* ---- random objects, by the tables ---- */

struct random {
    uint64_t state;
    struct arena *arena;
    yyjson_mut_doc *doc;
};

static uint32_t draw(struct random *r, uint32_t below)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33) % below;
}

static yyjson_mut_val *draw_text(struct random *r)
{
    static const char *const texts[] = {"a", "b-c.d/e", "\xc3\xa9\xe4\xb8\x96", "x\"\\\n", "0"};
    return yyjson_mut_str(r->doc, texts[draw(r, 5)]);
}

static yyjson_mut_val *draw_message(struct random *r, const struct protobuf_message *m,
                                    unsigned depth);

/* Never a zero value, which may be left out. */
static yyjson_mut_val *draw_value(struct random *r, const struct protobuf_field *f, unsigned depth)
{
    static const char *const raws[] = {"{'f:a':{'.':1}}", "[1,2.5,'x']", "true", "7"};
    yyjson_mut_val *list;
    switch (f->kind) {
    case PROTOBUF_STRING:
    case PROTOBUF_QUANTITY:
        return draw_text(r);
    case PROTOBUF_BYTES:
        return yyjson_mut_str(r->doc, draw(r, 2) ? "AAEC" : "/w==");
    case PROTOBUF_BOOL:
        return yyjson_mut_bool(r->doc, true);
    case PROTOBUF_INT:
        return yyjson_mut_sint(r->doc,
                               draw(r, 2) ? -(int64_t)draw(r, 1000) - 1 : 1 + draw(r, 99999));
    case PROTOBUF_DOUBLE:
        return yyjson_mut_real(r->doc, (double)draw(r, 1000) + 0.5);
    case PROTOBUF_TIME:
        return yyjson_mut_str(r->doc, draw(r, 2) ? "2024-02-29T23:59:59Z" : "1969-07-20T20:17:40Z");
    case PROTOBUF_MICRO_TIME:
        return yyjson_mut_str(r->doc, draw(r, 2) ? "2024-02-29T23:59:59.000001Z"
                                                 : "1969-07-20T20:17:40.999999Z");
    case PROTOBUF_INT_OR_STRING:
        return draw(r, 2) ? draw_text(r) : yyjson_mut_sint(r->doc, draw(r, 70000));
    case PROTOBUF_STRINGS:
        list = yyjson_mut_arr(r->doc);
        for (uint32_t n = draw(r, 3); n; n--) {
            yyjson_mut_arr_append(list, draw_text(r));
        }
        return list;
    case PROTOBUF_RAW:
        return parsed(r->arena, raws[draw(r, 4)]);
    case PROTOBUF_MESSAGE:
        break;
    }
    return draw_message(r, f->message, depth + 1);
}

static yyjson_mut_val *draw_field(struct random *r, const struct protobuf_field *f, unsigned depth)
{
    static const char *const keys[] = {"k", "a.b/c", "z", ""};
    if (f->shape == PROTOBUF_ONE) {
        return draw_value(r, f, depth);
    }
    yyjson_mut_val *v = f->shape == PROTOBUF_LIST ? yyjson_mut_arr(r->doc) : yyjson_mut_obj(r->doc);
    for (uint32_t i = 0, n = 1 + draw(r, 3); i < n; i++) {
        yyjson_mut_val *item = draw_value(r, f, depth);
        if (f->shape == PROTOBUF_LIST) {
            yyjson_mut_arr_append(v, item);
        } else {
            yyjson_mut_obj_add(v, yyjson_mut_str(r->doc, keys[i]), item);
        }
    }
    return v;
}

static yyjson_mut_val *draw_message(struct random *r, const struct protobuf_message *m,
                                    unsigned depth)
{
    if (m->either) {
        const struct protobuf_field *f = &m->fields[depth > 6 ? 0 : draw(r, (uint32_t)m->n)];
        return draw_field(r, f, depth);
    }
    yyjson_mut_val *obj = yyjson_mut_obj(r->doc);
    for (size_t i = 0; i < m->n; i++) {
        const struct protobuf_field *f = &m->fields[i];
        bool scalar = f->kind != PROTOBUF_MESSAGE;
        /* Go writes messages that are no pointers always, and what they keep comes back */
        bool always = f->shape == PROTOBUF_ONE && (scalar || f->zero != PROTOBUF_OPTIONAL);
        if (always || (draw(r, 4 + depth) == 0 && (scalar || depth < 6))) {
            yyjson_mut_obj_add_val(r->doc, obj, f->name.ptr, draw_field(r, f, depth));
        }
    }
    return obj;
}

static void drop_hollow(yyjson_mut_val *v)
{
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        drop_hollow(it.val);
        bool container = json_is_obj(it.val) || json_is_arr(it.val);
        if (it.key && container && !json_size(it.val)) {
            json_iter_remove(&it);
        }
    }
}

/* Without empty containers, which are left out. */
static yyjson_mut_val *settled(struct arena *a, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    yyjson_mut_val *out = parsed(a, arena_strdup(a, arena_str(a, buf_str(&b)).ptr));
    drop_hollow(out);
    return out;
}

static void check_round(struct type *t, uint64_t seed)
{
    struct arena a;
    AUTO(buf_finish) struct buf b = {0}, again = {0};
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    struct random r = {seed, &a, json_doc(&a)};
    yyjson_mut_val *obj = draw_message(&r, protobuf_message_of(t, t->kind), 0);
    json_set_str(r.doc, obj, "kind", t->kind);
    json_set_str(r.doc, obj, "apiVersion", type_storage(t)->api_version);
    obj = settled(&a, obj);
    assert_int_equal(encoding_write(&b, ENCODING_PROTOBUF, t, obj, NULL), 0);
    if (protobuf_read(t, &a, buf_str(&b), &d, &err) < 0) {
        fail_msg("%s", err_message(&err));
    }
    if (!json_equal(settled(&a, d->root), obj)) {
        fail_msg("seed %llu\ngot  %.*s\nwant %.*s", (unsigned long long)seed,
                 STR_FMT(shown(&a, d->root)), STR_FMT(shown(&a, obj)));
    }
    assert_int_equal(encoding_write(&again, ENCODING_PROTOBUF, t, d->root, NULL), 0);
    assert_true(str_eq(buf_str(&again), buf_str(&b)));
    arena_finish(&a);
}

static void test_random(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        struct type *t = find_type(w, protobuf_samples[i].group, protobuf_samples[i].resource);
        for (uint64_t seed = 1; seed <= 100; seed++) {
            check_round(t, seed * 1000 + i);
        }
        type_unref(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_samples, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_encoded, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_random, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
