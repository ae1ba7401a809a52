/* SPDX-License-Identifier: Apache-2.0 */
/* Token files: any text is read or refused; a record written with quotes is found again by its
 * token. */
#include "base/log.h"
#include "services/authentication/tokens_priv.h"
#include "tests/fuzz/fuzz.h"

static void add_quoted(struct buf *b, struct str s)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        buf_addz(b, s.ptr[i] == '"' ? "\"" : "");
        buf_addc(b, s.ptr[i]);
    }
    buf_addc(b, '"');
}

/* The parts of the input, as a record. */
static void check_record(struct str rest)
{
    AUTO(buf_finish) struct buf b = {0};
    struct str token = fuzz_part(&rest), user = fuzz_part(&rest), uid = fuzz_part(&rest);
    struct tokens *t = NULL;
    if (!token.len) {
        return;
    }
    add_quoted(&b, token);
    buf_addc(&b, ',');
    add_quoted(&b, user);
    buf_addc(&b, ',');
    add_quoted(&b, uid);
    buf_addz(&b, ",\"g1,g2\"\r\n");
    FUZZ_CHECK(tokens_parse(buf_str(&b), "file", &t, NULL) == 0);
    const struct user *found = tokens_find(t, token);
    FUZZ_CHECK(found && found->n_groups == 2 && str_is(found->groups[1], "g2"));
    FUZZ_SAME(found->name, user);
    FUZZ_SAME(found->uid, uid);
    FUZZ_CHECK(!tokens_find(t, user) || str_eq(user, token));
    tokens_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    log_setup(LOG_ERROR, LOG_TEXT, 2);
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct tokens *t = NULL;
    int code = tokens_parse(f.text, "file", &t, &err);
    if (code == 0) {
        const struct user *u = tokens_find(t, STR("t"));
        FUZZ_CHECK(!u || u->name.ptr);
        tokens_destroy(t);
    } else {
        FUZZ_REFUSED(code, err);
    }
    check_record(f.text);
    return fuzz_end(&f, data, size);
}
