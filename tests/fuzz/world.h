/* SPDX-License-Identifier: Apache-2.0 */
/* The whole graph of services over a store in memory, without HTTP and with nothing in the
 * background: made once and kept. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "resources/engine.h"
#include "tests/fuzz/fuzz.h"

struct wire;

/* Made on first sight; never released before the program ends. */
struct wire *fuzz_world(void);
/* A reference to a type of the server's own. */
struct type *fuzz_world_type(const char *group, const char *resource);
/* The user that may do everything; borrowed. */
struct user *fuzz_world_user(void);

#endif
