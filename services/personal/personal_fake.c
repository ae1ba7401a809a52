/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for the tests of other services: everybody may touch and see everything but the names
 * that a test sets apart, whoever asks. What is asked of names alone (names.c) is the service's
 * own. */
#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "resources/selector.h"
#include "resources/status.h"
#include "services/personal/personal.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { MAX_NAMES = 16 };

struct personal {
    const struct personal_rule *rules[MAX_NAMES];
    size_t n_rules;
    const char *refused[MAX_NAMES], *shown[MAX_NAMES];
    size_t n_refused, n_shown;
};

/* The one that was made last: what the interface asks of rules comes without the service. */
static _Thread_local struct personal *current;

void personal_fake_refuse(struct personal *p, const char *name)
{
    assert(p->n_refused < MAX_NAMES);
    p->refused[p->n_refused++] = name;
}

void personal_fake_show(struct personal *p, const char *name)
{
    assert(p->n_shown < MAX_NAMES);
    p->shown[p->n_shown++] = name;
}

bool personal_fake_has(const struct personal *p, const char *group, const char *resource)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        if (str_is(p->rules[i]->group, group) && str_is(p->rules[i]->resource, resource)) {
            return true;
        }
    }
    return false;
}

void personal_add(struct personal *p, const struct personal_rule *rule)
{
    assert(p->n_rules < MAX_NAMES);
    p->rules[p->n_rules++] = rule;
}

const char *personal_refuses(const struct personal_rule *rule, const struct user *u,
                             struct str name, bool read)
{
    (void)rule;
    (void)u;
    (void)read;
    for (size_t i = 0; i < current->n_refused; i++) {
        if (str_is(name, current->refused[i])) {
            return "the fake refuses it";
        }
    }
    return NULL;
}

void personal_narrow(const struct personal_rule *rule, struct op *op)
{
    struct str *names = arena_alloc(&op->arena, MAX_NAMES * sizeof(*names));
    (void)rule;
    for (size_t i = 0; i < current->n_shown; i++) {
        names[i] = str_from(current->shown[i]);
    }
    if (current->n_shown) {
        op->list.fields = selector_among(&op->arena, op->list.fields, names, current->n_shown);
    }
}

int personal_check_create(const struct personal_rule *rule, const struct op *op, struct str name,
                          struct err *err)
{
    const char *why = personal_refuses(rule, op->user, name, false);
    return why ? status_forbidden(err, op->type, name, "%s", why) : 0;
}

int personal_provide(const struct personal_deps *d, struct personal **ret, struct err *err)
{
    (void)d;
    (void)err;
    current = *ret = ALLOC(struct personal);
    return 0;
}

void personal_release(struct personal *self)
{
    free(self);
}
