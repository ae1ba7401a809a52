/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target shares: checks that end the program, bounds on time and memory for each
 * input, and trees from text. A target is one file with LLVMFuzzerTestOneInput, linked with
 * libFuzzer or with driver.c. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"

/* The name libFuzzer wants. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One input's run. */
struct fuzz {
    struct str text;
    struct arena arena; /* lives as long as the run */
    uint64_t begun_ns;  /* of the thread's processor time */
    size_t live;        /* bytes allocated when it began */
    size_t more; /* the target's: bytes that the input came to by what it asked for, which count as
                    its own */
};

/* Begins a run; what is made once and kept (types, schemas) is made before. */
void fuzz_begin(struct fuzz *f, const uint8_t *data, size_t size);
/* Ends it: releases the arena, and aborts when the input took more processor time or memory than
 * its size allows. Time over the bound is measured again twice before it counts. Returns 0, for the
 * target to return. */
int fuzz_end(struct fuzz *f, const uint8_t *data, size_t size);

/* Says what failed and aborts. */
_Noreturn void fuzz_fail(const char *file, int line, const char *what, struct str a, struct str b);
#define FUZZ_CHECK(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fuzz_fail(__FILE__, __LINE__, #cond, STR_NULL, STR_NULL);                              \
        }                                                                                          \
    } while (0)
/* Two texts are the same. */
#define FUZZ_SAME(a, b)                                                                            \
    do {                                                                                           \
        struct str same_a_ = (a), same_b_ = (b);                                                   \
        if (!str_eq(same_a_, same_b_)) {                                                           \
            fuzz_fail(__FILE__, __LINE__, #a " is " #b, same_a_, same_b_);                         \
        }                                                                                          \
    } while (0)
/* A failed call has a code below 0 and says why. */
#define FUZZ_REFUSED(code, e)                                                                      \
    FUZZ_CHECK((code) < 0 && (e).code == (code) && (e).message && *(e).message)

/* The part of the input up to the next NUL; *rest goes on behind it. */
struct str fuzz_part(struct str *rest);
/* The next byte of the input; 0 at its end. */
unsigned fuzz_byte(struct str *rest);
/* A tree of JSON text; NULL: it is none. In the run's arena. */
yyjson_mut_doc *fuzz_json(struct fuzz *f, struct str text);
/* The same of text that is written in the program: it must be good. `'` stands for `"`. */
yyjson_mut_doc *fuzz_own_json(struct arena *a, const char *text);
/* A value as JSON, in the run's arena. */
struct str fuzz_text(struct fuzz *f, const yyjson_mut_val *v);
/* Whether every string of the tree, keys included, is UTF-8, and no container is deeper than
 * `depth`. */
bool fuzz_tree_ok(const yyjson_mut_val *v, unsigned depth);

#endif
