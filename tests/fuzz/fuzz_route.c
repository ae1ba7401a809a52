/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of requests: the parts of a route, and that percent-encoding changes nothing. */
#include <stdio.h>

#include "apiserver/route.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

static bool inside(struct str part, struct str whole)
{
    return !part.len || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_parts(const struct route *r)
{
    const struct str parts[] = {r->group, r->version, r->ns, r->resource, r->name, r->subresource};
    FUZZ_CHECK(r->kind >= ROUTE_UNKNOWN && r->kind <= ROUTE_METRICS);
    FUZZ_CHECK(!r->path.len || (utf8_valid(r->path) && !memchr(r->path.ptr, 0, r->path.len)));
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        FUZZ_CHECK(inside(parts[i], r->path));
        FUZZ_CHECK(i == 5 || !parts[i].len || !memchr(parts[i].ptr, '/', parts[i].len));
    }
    FUZZ_CHECK(r->kind == ROUTE_RESOURCE || (!r->name.len && !r->ns.len && !r->subresource.len));
    FUZZ_CHECK(!r->ns.len || r->namespaced);
}

static void check_same(const struct route *a, const struct route *b)
{
    FUZZ_CHECK(a->kind == b->kind && a->namespaced == b->namespaced &&
               a->legacy_watch == b->legacy_watch);
    FUZZ_SAME(a->path, b->path);
    FUZZ_SAME(a->group, b->group);
    FUZZ_SAME(a->version, b->version);
    FUZZ_SAME(a->ns, b->ns);
    FUZZ_SAME(a->resource, b->resource);
    FUZZ_SAME(a->name, b->name);
    FUZZ_SAME(a->subresource, b->subresource);
}

/* Every byte of a decoded path as %XX means the same. */
static void check_encoded(struct fuzz *f, const struct route *r)
{
    AUTO(buf_finish) struct buf b = {0};
    struct route again;
    for (size_t i = 0; i < r->path.len; i++) {
        buf_printf(&b, i % 2 ? "%%%02X" : "%%%02x", (unsigned char)r->path.ptr[i]);
    }
    FUZZ_CHECK(route_parse(&f->arena, buf_str(&b), &again, NULL) == 0);
    check_same(r, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    AUTO(err_finish) struct err err = {0};
    struct route r;
    int code = route_parse(&f.arena, f.text, &r, &err);
    if (code == 0) {
        check_parts(&r);
        check_encoded(&f, &r);
    } else {
        FUZZ_REFUSED(code, err);
    }
    return fuzz_end(&f, data, size);
}
