/* SPDX-License-Identifier: Apache-2.0 */
/* Checks, bounds and trees for the fuzz targets. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <time.h>

#include "base/utf8.h"

/* With sanitizers, the plainest machine and other load: what is linear stays far below, what is
 * quadratic does not. */
#define NS_ANY 400000000ull /* any input may take this long */
#define NS_BYTE 20000ull    /* and this for each byte */
#define BYTES_ANY ((size_t)48 << 20)
#define BYTES_BYTE ((size_t)600)

/* ---- memory: bytes that this thread holds, counted where a sanitizer tells ---- */

static _Thread_local size_t live, peak;

extern int __sanitizer_install_malloc_and_free_hooks(void (*made)(const volatile void *, size_t),
                                                     void (*gone)(const volatile void *))
    __attribute__((weak));
extern size_t __sanitizer_get_allocated_size(const volatile void *p) __attribute__((weak));

static void on_malloc(const volatile void *p, size_t n)
{
    (void)p;
    live += n;
    peak = live > peak ? live : peak;
}

static void on_free(const volatile void *p)
{
    size_t n = p ? __sanitizer_get_allocated_size(p) : 0;
    live -= n < live ? n : live;
}

__attribute__((constructor)) static void watch_memory(void)
{
    if (__sanitizer_install_malloc_and_free_hooks && __sanitizer_get_allocated_size) {
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    }
}

/* ---- a run ---- */

static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void fuzz_begin(struct fuzz *f, const uint8_t *data, size_t size)
{
    f->text = str_make((const char *)data, size);
    arena_init(&f->arena, 0);
    peak = live;
    f->live = live;
    f->more = 0;
    f->begun_ns = thread_ns();
}

static void say_bound(const char *what, uint64_t took, uint64_t bound, size_t size)
{
    fprintf(stderr, "an input of %zu bytes took %llu %s, and %llu are allowed\n", size,
            (unsigned long long)took, what, (unsigned long long)bound);
}

int fuzz_end(struct fuzz *f, const uint8_t *data, size_t size)
{
    static _Thread_local unsigned again;
    uint64_t took = thread_ns() - f->begun_ns, bound = NS_ANY + NS_BYTE * (size + f->more);
    size_t held = peak > f->live ? peak - f->live : 0,
           most = BYTES_ANY + BYTES_BYTE * (size + f->more);
    arena_finish(&f->arena);
    if (held > most) {
        say_bound("bytes", held, most, size);
        abort();
    }
    if (took <= bound) {
        return 0;
    }
    if (again == 2) {
        say_bound("ns", took, bound, size);
        abort();
    }
    again++;
    LLVMFuzzerTestOneInput(data, size);
    again--;
    return 0;
}

_Noreturn void fuzz_fail(const char *file, int line, const char *what, struct str a, struct str b)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    if (a.ptr || b.ptr) {
        fprintf(stderr, "  %.*s\n  %.*s\n", STR_FMT(a), STR_FMT(b));
    }
    abort();
}

/* ---- parts of the input ---- */

struct str fuzz_part(struct str *rest)
{
    return str_cut(*rest, '\0', rest);
}

unsigned fuzz_byte(struct str *rest)
{
    unsigned v = rest->len ? (unsigned char)rest->ptr[0] : 0;
    *rest = str_skip(*rest, 1);
    return v;
}

/* ---- trees ---- */

yyjson_mut_doc *fuzz_json(struct fuzz *f, struct str text)
{
    yyjson_mut_doc *d = NULL;
    return json_read(&f->arena, text, &d, NULL, NULL) == 0 ? d : NULL;
}

yyjson_mut_doc *fuzz_own_json(struct arena *a, const char *text)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = NULL;
    char *copy = arena_strdup(a, text);
    for (char *p = copy; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    if (json_read(a, str_from(copy), &d, NULL, &err) < 0) {
        fuzz_fail(__FILE__, __LINE__, "own JSON is read", str_from(err_message(&err)),
                  str_from(text));
    }
    return d;
}

struct str fuzz_text(struct fuzz *f, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    json_write(&b, v);
    return arena_str(&f->arena, buf_str(&b));
}

bool fuzz_tree_ok(const yyjson_mut_val *v, unsigned depth)
{
    if (json_is_str(v)) {
        return utf8_valid(json_str(v));
    }
    if (!json_is_obj(v) && !json_is_arr(v)) {
        return true;
    }
    if (!depth) {
        return false;
    }
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        if ((it.key && !utf8_valid(json_str(it.key))) || !fuzz_tree_ok(it.val, depth - 1)) {
            return false;
        }
    }
    return true;
}
