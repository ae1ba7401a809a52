/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without libFuzzer: replays the given files and folders, and then, for as long
 * as -t says, mutates what they hold. Whatever ends the program leaves the input behind as a file.
 *
 *   fuzz_NAME [-t SECONDS] [-s SEED] [-m MOST_BYTES] [-x DICTIONARY] [-o FOLDER_FOR_CRASHES]
 * PATH... */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/fuzz/fuzz.h"

enum { HANG_SECONDS = 60, STACK_MOST = 8, WORD_BYTES = 64, BIG_EVERY = 64 };

struct input {
    uint8_t *data;
    size_t size;
    char *name;
};

struct inputs {
    struct input *items;
    size_t n, cap;
};

struct options {
    double seconds;
    uint64_t seed;
    size_t most;
    const char *folder, *dictionary, *target;
};

static struct {
    const uint8_t *data;
    size_t size;
    char path[4096];
} current; /* what a crash writes down */

/* ---- when it ends badly ---- */

extern void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void keep_current(void)
{
    static bool kept;
    if (kept || !current.data) {
        return;
    }
    kept = true;
    int fd = open(current.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t n = fd < 0 ? -1 : write(fd, current.data, current.size);
    if (n == (ssize_t)current.size) {
        fprintf(stderr, "the input is in %s (%zu bytes)\n", current.path, current.size);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void on_abort(int sig)
{
    keep_current();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_hang(int sig)
{
    (void)sig;
    fprintf(stderr, "an input of %zu bytes runs for %d s\n", current.size, HANG_SECONDS);
    abort();
}

static void set_traps(void)
{
    signal(SIGABRT, on_abort);
    signal(SIGPROF, on_hang);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(keep_current);
    } else {
        signal(SIGSEGV, on_abort);
        signal(SIGBUS, on_abort);
        signal(SIGFPE, on_abort);
    }
}

static void arm(int seconds)
{
    struct itimerval t = {.it_value = {.tv_sec = seconds}};
    setitimer(ITIMER_PROF, &t, NULL);
}

/* ---- inputs ---- */

static void inputs_add(struct inputs *in, uint8_t *data, size_t size, const char *name)
{
    if (in->n == in->cap) {
        in->cap = in->cap ? in->cap * 2 : 64;
        in->items = alloc_resize(in->items, in->cap * sizeof(*in->items));
    }
    in->items[in->n++] = (struct input){data, size, alloc_strdup(name)};
}

static void inputs_finish(struct inputs *in)
{
    for (size_t i = 0; i < in->n; i++) {
        free(in->items[i].data);
        free(in->items[i].name);
    }
    free(in->items);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

static bool read_file(struct inputs *in, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    size_t size = (size_t)st.st_size, at = 0;
    uint8_t *data = alloc_bytes(size + 1);
    ssize_t n;
    while (at < size && (n = read(fd, data + at, size - at)) > 0) {
        at += (size_t)n;
    }
    close(fd);
    inputs_add(in, data, at, path);
    return true;
}

static bool read_path(struct inputs *in, const char *path)
{
    DIR *d = opendir(path);
    if (!d) {
        return read_file(in, path);
    }
    bool ok = true;
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] != '.') {
            AUTO_FREE char *file = alloc_printf("%s/%s", path, e->d_name);
            ok &= read_path(in, file);
        }
    }
    closedir(d);
    return ok;
}

/* One word of a dictionary as libFuzzer has it: [NAME=]"TEXT", where \xHH, \\ and \" are escapes.
 */
static void read_word(struct inputs *words, const char *line)
{
    const char *p = strchr(line, '"'), *end = strrchr(line, '"');
    if (line[0] == '#' || !p || end == p) {
        return;
    }
    uint8_t *out = alloc_bytes(strlen(line));
    size_t n = 0;
    for (p++; p < end; p++) {
        if (p[0] == '\\' && p[1] == 'x' && end - p > 3) {
            char hex[3] = {p[2], p[3], 0};
            out[n++] = (uint8_t)strtoul(hex, NULL, 16);
            p += 3;
        } else {
            p += p[0] == '\\' && p + 1 < end;
            out[n++] = (uint8_t)*p;
        }
    }
    inputs_add(words, out, n, "word");
}

static bool read_dictionary(struct inputs *words, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[1024];
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof(line), f)) {
        read_word(words, line);
    }
    fclose(f);
    return true;
}

/* ---- mutations ---- */

static uint64_t rng;

static uint64_t rand64(void)
{
    uint64_t z = (rng += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return n ? (size_t)(rand64() % n) : 0;
}

struct draft {
    uint8_t *data;
    size_t size, cap;
};

/* Puts n bytes in at `at`, as many as fit. The source may lie in the draft's own bytes only where
 * it is a copy. */
static void put(struct draft *d, size_t at, const uint8_t *from, size_t n)
{
    n = n < d->cap - d->size ? n : d->cap - d->size;
    memmove(d->data + at + n, d->data + at, d->size - at);
    memcpy(d->data + at, from, n);
    d->size += n;
}

static void cut(struct draft *d, size_t at, size_t n)
{
    memmove(d->data + at, d->data + at + n, d->size - at - n);
    d->size -= n;
}

static void flip(struct draft *d)
{
    if (d->size) {
        d->data[below(d->size)] ^= (uint8_t)(1u << below(8));
    }
}

static void set_byte(struct draft *d)
{
    static const char telling[] =
        "\0\"\\{}[]:,'-+.&*!|>%@`#?= \t\r\n0919azAZ/()$<\x7f\x80\xc2\xe2\xed\xf4\xff";
    if (d->size) {
        d->data[below(d->size)] =
            below(2) ? (uint8_t)telling[below(sizeof(telling) - 1)] : (uint8_t)rand64();
    }
}

static void remove_run(struct draft *d)
{
    size_t at = below(d->size + 1), n = below(d->size - at + 1);
    cut(d, at, below(2) && n > 8 ? 8 : n);
}

/* A run of the draft or of another input, to be freed. */
static uint8_t *some_run(const struct draft *d, const struct inputs *in, size_t most, size_t *ret_n)
{
    const struct input *other = in->n ? &in->items[below(in->n)] : NULL;
    const uint8_t *from = other && below(2) ? other->data : d->data;
    size_t size = from == d->data ? d->size : other->size;
    size_t at = below(size + 1), n = below((size - at < most ? size - at : most) + 1);
    uint8_t *copy = alloc_bytes(n + 1);
    memcpy(copy, from + at, n);
    *ret_n = n;
    return copy;
}

static void splice_run(struct draft *d, const struct inputs *in)
{
    size_t n;
    AUTO_FREE uint8_t *run = some_run(d, in, d->cap, &n);
    put(d, below(d->size + 1), run, n);
}

static void put_word(struct draft *d, const struct inputs *words)
{
    if (words->n) {
        const struct input *w = &words->items[below(words->n)];
        size_t at = below(d->size + 1);
        if (below(2)) {
            cut(d, at, w->size < d->size - at ? w->size : d->size - at);
        }
        put(d, at, w->data, w->size);
    }
}

static void put_number(struct draft *d)
{
    static const char *const numbers[] = {"0",
                                          "-1",
                                          "-0",
                                          "1e400",
                                          "1e-400",
                                          "2147483648",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "-9223372036854775808",
                                          "18446744073709551616",
                                          "0.1",
                                          "1e21",
                                          "1E6",
                                          "007",
                                          "0x10",
                                          "1_000",
                                          "NaN",
                                          ".inf"};
    const char *s = numbers[below(sizeof(numbers) / sizeof(*numbers))];
    put(d, below(d->size + 1), (const uint8_t *)s, strlen(s));
}

/* The same again and again, with a counter in it or without: what is quadratic shows by this. */
static void repeat(struct draft *d, const struct inputs *in, size_t most)
{
    size_t n, made = 0, at = below(d->size + 1);
    AUTO_FREE uint8_t *run = some_run(d, in, WORD_BYTES, &n);
    size_t mark = below(2) ? below(n + 1) : n + 1, room = d->cap - d->size;
    size_t total = below((most < room ? most : room) + 1);
    AUTO_FREE uint8_t *all = alloc_bytes(total + 32 + n);
    for (unsigned i = 0; n && made < total; i++) {
        char digits[16];
        size_t len = mark > n ? 0 : (size_t)snprintf(digits, sizeof(digits), "%u", i),
               head = len ? mark : n;
        memcpy(all + made, run, head);
        memcpy(all + made + head, digits, len);
        memcpy(all + made + head + len, run + head, n - head);
        made += n + len;
    }
    put(d, at, all, made < total ? made : total);
}

/* Puts a run between brackets of some kind, many times over. */
static void nest(struct draft *d)
{
    static const struct {
        const char *open, *close;
    } kinds[] = {{"[", "]"},
                 {"{\"a\":", "}"},
                 {"(", ")"},
                 {"{", "}"},
                 {"- ", ""},
                 {"\"", "\""},
                 {"{\"properties\":{\"a\":", "}}"}};
    size_t kind = below(sizeof(kinds) / sizeof(*kinds)), times = below(2) ? below(8) : below(300);
    size_t at = below(d->size + 1), end = at + below(d->size - at + 1);
    for (size_t i = 0; i < times; i++) {
        size_t before = d->size;
        put(d, end, (const uint8_t *)kinds[kind].close, strlen(kinds[kind].close));
        put(d, at, (const uint8_t *)kinds[kind].open, strlen(kinds[kind].open));
        end += strlen(kinds[kind].open);
        if (d->size == before || end > d->size) {
            return;
        }
    }
}

static void mutate(struct draft *d, const struct inputs *in, const struct inputs *words, bool big)
{
    size_t times = 1 + below(STACK_MOST);
    for (size_t i = 0; i < times; i++) {
        switch (below(9)) {
        case 0:
            flip(d);
            break;
        case 1:
        case 2:
            set_byte(d);
            break;
        case 3:
            remove_run(d);
            break;
        case 4:
            splice_run(d, in);
            break;
        case 5:
            put_word(d, words);
            break;
        case 6:
            put_number(d);
            break;
        case 7:
            repeat(d, in, 256);
            break;
        case 8:
            nest(d);
            break;
        }
    }
    if (big) {
        repeat(d, in, d->cap);
    }
}

/* ---- runs ---- */

static void run_one(const struct options *o, const uint8_t *data, size_t size)
{
    /* a copy of exactly that size, so that reading past its end is seen */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    current.data = copy;
    current.size = size;
    (void)o;
    arm(HANG_SECONDS);
    LLVMFuzzerTestOneInput(copy, size);
    current.data = NULL;
    free(copy);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t mutate_for(const struct options *o, const struct inputs *in,
                         const struct inputs *words)
{
    double end = seconds_now() + o->seconds;
    size_t n = 0;
    struct draft d = {.data = alloc_bytes(o->most), .cap = o->most};
    while (seconds_now() < end) {
        const struct input *from = &in->items[below(in->n)];
        bool big = below(BIG_EVERY) == 0;
        size_t small = from->size * 2 + 1024;
        d.cap = big || small > o->most ? o->most : small;
        d.size = from->size < d.cap ? from->size : d.cap;
        memcpy(d.data, from->data, d.size);
        mutate(&d, in, words, big);
        run_one(o, d.data, d.size);
        n++;
    }
    free(d.data);
    return n;
}

static int usage(void)
{
    fputs("usage: fuzz_NAME [-t SECONDS] [-s SEED] [-m MOST_BYTES] [-x DICTIONARY] [-o FOLDER] "
          "PATH...\n",
          stderr);
    return 2;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    int c;
    while ((c = getopt(argc, argv, "t:s:m:x:o:")) != -1) {
        switch (c) {
        case 't':
            o->seconds = strtod(optarg, NULL);
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            o->most = strtoull(optarg, NULL, 10);
            break;
        case 'x':
            o->dictionary = optarg;
            break;
        case 'o':
            o->folder = optarg;
            break;
        default:
            return false;
        }
    }
    return optind < argc;
}

static int run_all(const struct options *o, const struct inputs *in, const struct inputs *words)
{
    double begun = seconds_now();
    for (size_t i = 0; i < in->n; i++) {
        run_one(o, in->items[i].data, in->items[i].size);
    }
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) {
        fprintf(stderr, "the corpus leaks\n");
        return 1;
    }
    size_t n = o->seconds > 0 && in->n ? mutate_for(o, in, words) : 0;
    arm(0);
    printf("%s: %zu inputs, %zu mutations, %.1f s, seed %" PRIu64 "\n", o->target, in->n, n,
           seconds_now() - begun, o->seed);
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    struct options o = {
        .most = 65536, .seed = 1, .folder = ".", .target = slash ? slash + 1 : argv[0]};
    struct inputs in = {0}, words = {0};
    if (!read_options(argc, argv, &o)) {
        return usage();
    }
    bool ok = !o.dictionary || read_dictionary(&words, o.dictionary);
    for (int i = optind; i < argc; i++) {
        ok &= read_path(&in, argv[i]);
    }
    qsort(in.items, in.n, sizeof(*in.items), by_name);
    snprintf(current.path, sizeof(current.path), "%s/crash-%s-%" PRIu64, o.folder, o.target,
             o.seed);
    rng = o.seed;
    set_traps();
    int code = ok ? run_all(&o, &in, &words) : 2;
    inputs_finish(&in);
    inputs_finish(&words);
    return code;
}
