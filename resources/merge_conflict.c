/* SPDX-License-Identifier: Apache-2.0 */
/* The refusal of an apply that would take others' fields (apimachinery,
 * managedfields/internal/conflict.go). */
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/quote.h"
#include "resources/merge_priv.h"

/* As a manager's identity is sorted: the JSON of its entry. */
static void put_identity(struct buf *b, const struct owner *w)
{
    buf_addz(b, "{\"manager\":");
    buf_add_json(b, w->manager);
    buf_addz(b, w->applied ? ",\"operation\":\"Apply\"" : ",\"operation\":\"Update\"");
    if (!w->applied) {
        buf_addz(b, ",\"apiVersion\":");
        buf_add_json(b, w->api_version);
    }
    if (w->subresource.len) {
        buf_addz(b, ",\"subresource\":");
        buf_add_json(b, w->subresource);
    }
    buf_addc(b, '}');
}

static int compare_conflicts(const void *a, const void *b)
{
    AUTO(buf_finish) struct buf x = {0};
    AUTO(buf_finish) struct buf y = {0};
    put_identity(&x, ((const struct conflict *)a)->owner);
    put_identity(&y, ((const struct conflict *)b)->owner);
    return str_cmp(buf_str(&x), buf_str(&y));
}

static void put_owner(struct buf *b, const struct owner *w)
{
    quote_go(b, w->manager);
    if (w->subresource.len) {
        buf_addz(b, " with subresource ");
        quote_go(b, w->subresource);
    }
    if (!w->applied) {
        buf_addz(b, " using ");
        buf_add(b, w->api_version);
    }
}

/* The paths of one owner's conflicts, as lines of the message or as causes. */
struct refusal {
    struct err *err; /* NULL: lines */
    struct buf *lines;
    struct str cause; /* conflict with OWNER */
    size_t bytes;     /* of all together */
};

static void put_path(void *arg, struct str path)
{
    struct refusal *r = arg;
    if (r->bytes > LIMIT_CAUSES_BYTES) {
        return;
    }
    r->bytes += path.len + r->cause.len;
    if (r->err) {
        err_cause(r->err, "FieldManagerConflict", path, r->cause);
    } else {
        buf_addz(r->lines, "\n- ");
        buf_add(r->lines, path);
    }
}

static void put_lines(struct buf *b, const struct conflict *all, size_t n)
{
    struct refusal r = {.lines = b};
    for (size_t i = 0; i < n; i++) {
        buf_addz(b, i ? "\nconflicts with " : "conflicts with ");
        put_owner(b, all[i].owner);
        buf_addc(b, ':');
        fieldset_visit(all[i].fields, put_path, &r);
    }
}

static void put_one(void *arg, struct str path)
{
    buf_add(arg, path);
}

static void set_message(const struct conflict *all, size_t n, struct err *err)
{
    AUTO(buf_finish) struct buf b = {0};
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += fieldset_size(all[i].fields);
    }
    if (count == 1) {
        buf_addz(&b, "conflict: conflict with ");
        put_owner(&b, all->owner);
        buf_addz(&b, ": ");
        fieldset_visit(all->fields, put_one, &b);
    } else {
        buf_addz(&b, "conflicts: ");
        put_lines(&b, all, n);
    }
    err_set(err, ERR_CONFLICT, "Apply failed with %zu %.*s", count, STR_FMT(buf_str(&b)));
}

int merge_refuse(struct conflict *all, size_t n, struct err *err)
{
    struct refusal r = {.err = err};
    qsort(all, n, sizeof(*all), compare_conflicts);
    set_message(all, n, err);
    for (size_t i = 0; err && i < n; i++) {
        AUTO(buf_finish) struct buf cause = {0};
        buf_addz(&cause, "conflict with ");
        put_owner(&cause, all[i].owner);
        r.cause = buf_str(&cause);
        fieldset_visit(all[i].fields, put_path, &r);
    }
    return ERR_CONFLICT;
}
