/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that kubectl used to apply by itself: it left what it had applied in an annotation. When
 * it applies through the server as the manager `kubectl`, fields that the annotation names and that
 * still have that value are its own, whoever is on record. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/quote.h"
#include "resources/managed_priv.h"
#include "resources/metadata.h"

#include <stdlib.h>
#include <string.h>

static struct str annotation_of(const yyjson_mut_val *obj)
{
    return json_get_str(json_get(metadata_of(obj), "annotations"), MANAGED_LAST_APPLIED);
}

/* ---- excuses ---- */

/* Conflicts by field, and how many are left. */
struct excuse {
    struct cause **by_field;
    size_t n, left;
};

static const char *field_of(const struct cause *c)
{
    return c->field ? c->field : "";
}

static int compare_fields(const void *a, const void *b)
{
    return strcmp(field_of(*(struct cause *const *)a), field_of(*(struct cause *const *)b));
}

/* Takes the causes whose field this is out. */
static void excuse_one(void *arg, struct str path)
{
    struct excuse *e = arg;
    size_t from = 0, to = e->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (str_cmp(str_from(field_of(e->by_field[mid])), path) < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    for (; from < e->n && str_is(path, field_of(e->by_field[from])); from++) {
        struct cause *c = e->by_field[from];
        e->left -= c->reason != NULL;
        free(c->reason);
        c->reason = NULL;
    }
}

/* What of the last-applied configuration the object still is. */
static int still_applied(const struct managed *m, const yyjson_mut_val *live, struct fieldset **ret)
{
    struct str text = annotation_of(live);
    yyjson_mut_doc *d = NULL;
    if (!text.len || json_read(m->arena, text, &d, NULL, NULL)) {
        return ERR_NOT_FOUND;
    }
    const yyjson_mut_val *last = yyjson_mut_doc_get_root(d);
    const struct schema_node *n = m->scale ? NULL : schema_root(m->version->schema);
    struct str version = managed_api_version(m);
    if (!json_is_obj(last) || !str_eq(json_get_str(last, "apiVersion"), version) ||
        typed_check(n, last, false, m->arena, NULL) ||
        typed_check(n, live, false, m->arena, NULL)) {
        return ERR_NOT_FOUND;
    }
    struct fieldset *s = NULL;
    struct typed_diff diff = {0};
    int rc = typed_fields(n, last, m->arena, &s, NULL);
    rc = rc ? rc : typed_compare(n, last, live, m->arena, &diff, NULL);
    if (rc) {
        return rc;
    }
    s = fieldset_difference(m->arena, s, diff.modified);
    s = fieldset_difference(m->arena, s, diff.added);
    *ret = fieldset_difference(m->arena, s, diff.removed);
    return 0;
}

/* The message of the causes that are left, as the merge words it: grouped by manager, in their
 * order. */
static void say_again(const struct err *old, struct err *ret)
{
    AUTO(buf_finish) struct buf b = {0};
    size_t n = 0;
    for (size_t i = 0; i < old->n_causes; i++) {
        n += old->causes[i].reason != NULL;
    }
    const char *group = NULL;
    for (size_t i = 0; i < old->n_causes; i++) {
        const struct cause *c = &old->causes[i];
        if (!c->reason) {
            continue;
        }
        if (n == 1) {
            buf_printf(&b, "%s: %s", c->message, c->field);
            break;
        }
        if (!group || strcmp(group, c->message) != 0) {
            /* "conflict with X" of one becomes "conflicts with X:" of all of X's */
            buf_printf(&b, "%sconflicts%s:\n", group ? "\n" : "", c->message + strlen("conflict"));
            group = c->message;
        } else {
            buf_addc(&b, '\n');
        }
        buf_printf(&b, "- %s", c->field);
    }
    err_set(ret, ERR_CONFLICT, "Apply failed with %zu conflict%s: %.*s", n, n == 1 ? "" : "s",
            STR_FMT(buf_str(&b)));
    for (size_t i = 0; i < old->n_causes; i++) {
        const struct cause *c = &old->causes[i];
        if (c->reason) {
            err_cause(ret, c->reason, str_from(c->field), str_from(c->message));
        }
    }
}

bool managed_last_excuses(const struct managed *m, const yyjson_mut_val *live, struct err *err)
{
    struct fieldset *own = NULL;
    if (still_applied(m, live, &own)) {
        return false;
    }
    struct excuse e = {.n = err->n_causes, .left = err->n_causes};
    e.by_field = arena_alloc(m->arena, (e.n + 1) * sizeof(struct cause *));
    for (size_t i = 0; i < e.n; i++) {
        e.by_field[i] = &err->causes[i];
    }
    qsort(e.by_field, e.n, sizeof(struct cause *), compare_fields);
    fieldset_visit(own, excuse_one, &e);
    if (!e.left) {
        return true;
    }
    if (e.left < err->n_causes) {
        struct err fewer = {0};
        say_again(err, &fewer);
        err_move(err, &fewer);
    }
    return false;
}

/* ---- following ---- */

static size_t annotations_size(const yyjson_mut_val *annotations)
{
    size_t n = 0;
    struct json_iter it = json_iter(annotations);
    while (json_next(&it)) {
        n += json_str(it.key).len + json_str(it.val).len;
    }
    return n;
}

void managed_last_follow(const struct managed *m, yyjson_mut_val *obj,
                         const yyjson_mut_val *applied)
{
    if (!annotation_of(obj).len) {
        return;
    }
    yyjson_mut_val *last = json_copy(m->doc, applied);
    json_remove(json_get(metadata_of(last), "annotations"), MANAGED_LAST_APPLIED);
    AUTO(buf_finish) struct buf text = {0};
    quote_go_json(&text, last);
    buf_addc(&text, '\n');
    yyjson_mut_val *annotations = json_get(metadata_of(obj), "annotations");
    json_set_str(m->doc, annotations, MANAGED_LAST_APPLIED, buf_str(&text));
    if (annotations_size(annotations) > LIMIT_ANNOTATIONS_BYTES) {
        json_remove(annotations, MANAGED_LAST_APPLIED);
    }
}
