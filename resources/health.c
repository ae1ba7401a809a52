/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks that services add and apiserver answers. */
#include "resources/health.h"

#include <stdlib.h>

#include "base/alloc.h"

struct health {
    struct health_check *checks;
    size_t n;
};

struct health *health_create(void)
{
    return ALLOC(struct health);
}

void health_destroy(struct health *h)
{
    if (h) {
        free(h->checks);
        free(h);
    }
}

void health_add(struct health *h, const struct health_check *c)
{
    h->checks = alloc_resize(h->checks, (h->n + 1) * sizeof(*h->checks));
    h->checks[h->n++] = *c;
}

void health_each(const struct health *h, health_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < h->n; i++) {
        visit(arg, &h->checks[i]);
    }
}
