/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound release: a local declared AUTO(x_destroyp) is released on leaving scope; take() moves it out. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>

#define AUTO(fn) __attribute__((cleanup(fn)))

/* Moves a pointer out of *p, leaving NULL. */
#define take(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) take_p_ = (p);                                                               \
        __typeof__(*take_p_) take_v_ = *take_p_;                                                   \
        *take_p_ = NULL;                                                                           \
        take_v_;                                                                                   \
    })

static inline void cleanup_freep(void *p)
{
    free(*(void **)p);
}
#define AUTO_FREE AUTO(cleanup_freep)

#endif
