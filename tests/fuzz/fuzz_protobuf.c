/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a protobuf message of tables with each kind of field: what is read is a tree of text,
 * further fields change nothing, and what is written of it stays the same from round to round. */
#include "base/limits.h"
#include "base/protobuf.h"
#include "tests/fuzz/fuzz.h"

#define TABLES                                                                                     \
    "{'Root':{'text':'1 string','bytes':'2 bytes','flag':'3 bool','count':'4 int','part':'5 "      \
    "double',"                                                                                     \
    "'texts':'6 list string','counts':'7 list int','map':'8 map string','blobs':'9 map bytes',"    \
    "'inner':'10 Root?','inners':'11 list Root','named':'12 map Root','at':'13 Time','micro':'14 "  \
    "MicroTime',"                                                                                  \
    "'amount':'15 Quantity','either':'16 IntOrString','raw':'17 Raw','lists':'18 map Strings',"    \
    "'kept':'19 int?','keptFlag':'20 bool?','keptText':'21 string?','form':'22 Form?','said':'23 " \
    "string!'},"                                                                                   \
    "'Form':{'|object':'1 Root?','|array':'2 list string','|bool':'3 bool!'}}"

static const struct protobuf *tables(void)
{
    static struct arena a;
    static struct protobuf *p;
    if (!p) {
        AUTO(err_finish) struct err err = {0};
        arena_init(&a, 0);
        if (protobuf_create(&a, fuzz_own_json(&a, TABLES)->root, NULL, &p, &err) < 0) {
            fuzz_fail(__FILE__, __LINE__, "the tables are good", str_from(err_message(&err)),
                      STR_NULL);
        }
    }
    return p;
}

static int decode(struct fuzz *f, struct str bytes, struct str *ret, struct err *err)
{
    yyjson_mut_doc *d = json_doc(&f->arena);
    yyjson_mut_val *v = NULL;
    int code = protobuf_decode(tables(), STR("Root"), bytes, &f->arena, d, &v, err);
    if (code == 0) {
        FUZZ_CHECK(json_is_obj(v) && fuzz_tree_ok(v, LIMIT_DEPTH + 2));
        *ret = fuzz_text(f, v);
    }
    return code;
}

static struct str with(struct fuzz *f, struct str bytes, struct str more)
{
    char *out = arena_alloc(&f->arena, bytes.len + more.len + 1);
    memcpy(out, bytes.ptr ? bytes.ptr : "", bytes.len);
    memcpy(out + bytes.len, more.ptr, more.len);
    return str_make(out, bytes.len + more.len);
}

static void check_bytes(struct str message)
{
    for (uint32_t number = 1; number < 8; number++) {
        struct str v = STR_NULL;
        if (protobuf_bytes(message, number, &v) == 0 && v.len) {
            FUZZ_CHECK(v.ptr >= message.ptr && v.ptr + v.len <= message.ptr + message.len);
        }
    }
}

/* What was written is what is written again of what was read of it. */
static void check_round(struct fuzz *f, const yyjson_mut_val *v)
{
    const struct protobuf_message *root = protobuf_find(tables(), STR("Root"));
    AUTO(buf_finish) struct buf bytes = {0}, again = {0};
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = json_doc(&f->arena);
    yyjson_mut_val *back = NULL;
    protobuf_encode(root, v, &bytes);
    if (protobuf_decode(tables(), STR("Root"), buf_str(&bytes), &f->arena, d, &back, &err) < 0) {
        fuzz_fail(__FILE__, __LINE__, "what is written is read", str_from(err_message(&err)),
                  fuzz_text(f, v));
    }
    protobuf_encode(root, back, &again);
    FUZZ_SAME(buf_str(&again), buf_str(&bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    tables();
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct str once, again;
    int code = decode(&f, f.text, &once, &err);
    if (code == 0) {
        /* field 1000, a varint */
        FUZZ_CHECK(decode(&f, with(&f, f.text, STR("\xc0\x3e\x07")), &again, NULL) == 0);
        FUZZ_SAME(once, again);
        yyjson_mut_doc *d = fuzz_json(&f, once);
        FUZZ_CHECK(d != NULL);
        check_round(&f, yyjson_mut_doc_get_root(d));
    } else {
        FUZZ_REFUSED(code, err);
    }
    check_bytes(f.text);
    return fuzz_end(&f, data, size);
}
