/* SPDX-License-Identifier: Apache-2.0 */
/* For what a machine that stands still for a moment can spoil, such as how soon something happens:
 * one of several whole attempts has to come out right. */
#ifndef TESTS_UNIT_BEST_OF_H
#define TESTS_UNIT_BEST_OF_H

#include <stdbool.h>

static inline bool best_of(int attempts, bool (*attempt)(void))
{
    for (int i = 0; i < attempts; i++) {
        if (attempt()) {
            return true;
        }
    }
    return false;
}

#endif
