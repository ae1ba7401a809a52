/* SPDX-License-Identifier: Apache-2.0 */
/* Lists over an index: the same list as a look at every object gives, of the same revision, in the
 * same order and with the same tokens. A page that goes on at an old revision asks the index too;
 * where it has no answer, all is looked at from there on. */
#include "resources/list_priv.h"

bool list_wants_index(struct list *l)
{
    const struct op *op = l->op;
    return !l->waits &&
           index_query_plan(op->type, op->version, l->scope, op->list.fields, &l->query);
}

/* The present, if no revision was asked for. *ret_was_open: so it was. */
static int fix_revision(struct list *l, bool *ret_was_open, struct err *err)
{
    *ret_was_open = !l->rev;
    l->rev = l->rev ? l->rev : read_revision(l->e, INT64_MAX);
    return l->hold ? 0 : list_hold(l, err);
}

static void reopen_revision(struct list *l)
{
    store_release(l->hold);
    l->hold = NULL;
    l->rev = 0;
}

int list_index_fill(struct list *l, struct err *err)
{
    if (l->keys.n || l->keys.whole) {
        return 0;
    }
    bool was_open, first = !l->begun_index;
    int rc = fix_revision(l, &was_open, err);
    if (rc) {
        return rc;
    }
    size_t most = l->limit > 0 ? (size_t)l->limit : 0;
    AUTO(err_finish) struct err why = {0};
    rc = index_query_keys(l->e, l->op->type, l->scope, &l->query, buf_str(&l->from), l->rev, most,
                          &l->keys, &why);
    if (rc == INDEX_QUERY_SCAN) {
        l->way = LIST_RANGE;
        if (was_open) {
            reopen_revision(l);
        }
        return 0;
    }
    if (rc) {
        return rc == ERR_EXPIRED ? list_expired(l, err) : err_move(err, &why);
    }
    l->begun_index = true;
    if (first && l->e->index_lists) {
        metric_add(l->e->index_lists, 1);
    }
    return 0;
}
