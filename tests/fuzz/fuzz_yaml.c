/* SPDX-License-Identifier: Apache-2.0 */
/* YAML text: a tree is written as YAML and as JSON that both give the same tree again. */
#include "base/limits.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "tests/fuzz/fuzz.h"

struct stream {
    struct fuzz *f;
    size_t n;
};

static int on_document(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct stream *s = arg;
    (void)err;
    FUZZ_CHECK(fuzz_tree_ok(doc->root, LIMIT_DEPTH));
    s->n++;
    return 0;
}

static void check_tree(struct fuzz *f, const yyjson_mut_val *root)
{
    AUTO(buf_finish) struct buf once = {0}, again = {0};
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *other = NULL;
    struct json_duplicates twice = {0};
    FUZZ_CHECK(fuzz_tree_ok(root, LIMIT_DEPTH));
    struct str json = fuzz_text(f, root);
    FUZZ_CHECK(json_read(&f->arena, json, &other, NULL, NULL) == 0);
    FUZZ_CHECK(json_equal(other->root, root));
    yaml_write(&once, root);
    if (yaml_read(&f->arena, buf_str(&once), &other, &twice, &err) < 0) {
        fuzz_fail(__FILE__, __LINE__, "YAML written is read", str_from(err_message(&err)),
                  buf_str(&once));
    }
    FUZZ_CHECK(twice.n == 0);
    if (!json_equal(root, other->root)) {
        fuzz_fail(__FILE__, __LINE__, "YAML written says the same", json, buf_str(&once));
    }
    yaml_write(&again, other->root);
    FUZZ_CHECK(once.len >= again.len); /* -0 becomes 0 */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0}, all = {0};
    struct json_duplicates twice = {0};
    yyjson_mut_doc *d = NULL;
    struct stream s = {.f = &f};
    int code = yaml_read(&f.arena, f.text, &d, &twice, &err);
    if (code == 0) {
        for (size_t i = 0; i < twice.n; i++) {
            FUZZ_CHECK(utf8_valid(twice.paths[i]) && utf8_valid(twice.lines[i]));
        }
        check_tree(&f, d->root);
    } else {
        FUZZ_REFUSED(code, err);
        FUZZ_CHECK(utf8_valid(str_from(err.message)));
    }
    int code_all = yaml_read_all(&f.arena, f.text, on_document, &s, &all);
    FUZZ_CHECK(code_all == 0 || code_all == ERR_BAD_REQUEST);
    FUZZ_CHECK(code_all < 0 || code == 0);
    return fuzz_end(&f, data, size);
}
