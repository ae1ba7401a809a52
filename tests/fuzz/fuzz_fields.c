/* SPDX-License-Identifier: Apache-2.0 */
/* Field selectors NUL object: what a selector requires it matches, and escaping a value keeps it.
 */
#include "base/limits.h"
#include "resources/selector.h"
#include "tests/fuzz/widget.h"

/* metadata.name=VALUE with the value escaped requires that value. */
static void check_escaped(struct fuzz *f, struct str value)
{
    AUTO(buf_finish) struct buf b = {0};
    struct field_selector *s = NULL;
    const struct type *t = widget();
    buf_addz(&b, "metadata.name=");
    for (size_t i = 0; i < value.len; i++) {
        buf_addz(&b, memchr("\\,=", value.ptr[i], 3) ? "\\" : "");
        buf_addc(&b, value.ptr[i]);
    }
    if (b.len <= LIMIT_SELECTOR_BYTES) {
        FUZZ_CHECK(selector_parse_fields(&f->arena, buf_str(&b), t, type_storage(t), &s, NULL) ==
                   0);
        FUZZ_SAME(selector_required(s, "metadata.name"), value);
        FUZZ_CHECK(selector_keys_only(NULL, s));
        FUZZ_CHECK(selector_match_key(s, STR("any"), value));
    }
}

static void check_match(struct fuzz *f, const struct field_selector *s, struct str text)
{
    yyjson_mut_doc *d = text.ptr ? fuzz_json(f, text) : NULL;
    if (!d || !json_is_obj(json_get(d->root, "metadata"))) {
        return;
    }
    struct str ns = json_str(json_path(d->root, "metadata", "namespace", NULL));
    struct str name = json_str(json_path(d->root, "metadata", "name", NULL));
    bool match = selector_match_fields(s, d->root), key = selector_match_key(s, ns, name);
    FUZZ_CHECK(match == selector_match(NULL, s, d->root));
    FUZZ_CHECK(!match || key);
    FUZZ_CHECK(!selector_keys_only(NULL, s) || match == key);
    struct str required = selector_required(s, "metadata.name");
    FUZZ_CHECK(!match || !required.ptr || str_eq(required, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    const struct type *t = widget();
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct str object = f.text, text = fuzz_part(&object);
    struct field_selector *s = NULL;
    int code = selector_parse_fields(&f.arena, text, t, type_storage(t), &s, &err);
    if (code == 0) {
        check_match(&f, s, object);
    } else {
        FUZZ_REFUSED(code, err);
    }
    check_escaped(&f, text);
    return fuzz_end(&f, data, size);
}
