/* SPDX-License-Identifier: Apache-2.0 */
/* The decision of a delete: at once, or by marking an object that finalizers still hold. */
#include "base/clock.h"
#include "resources/engine_priv.h"
#include "resources/metadata_priv.h"

#define FINALIZER_ORPHAN "orphan"
#define FINALIZER_FOREGROUND "foregroundDeletion"

/* The reference names the kind, not the resource, in these two. */
static int precondition_failed(struct write *w, const char *why, struct err *err)
{
    const struct type *t = w->op->type;
    err_set(err, ERR_CONFLICT, "Operation cannot be fulfilled on %.*s%s%.*s \"%.*s\": %s",
            STR_FMT(t->kind), t->group.len ? "." : "", STR_FMT(t->group), STR_FMT(w->op->name),
            why);
    err_about(err, t->group, t->kind, w->op->name);
    return ERR_CONFLICT;
}

static int check_preconditions(struct write *w, struct err *err)
{
    const struct delete_options *o = &w->op->del;
    struct str uid = metadata_uid(w->old),
               rv = json_get_str(metadata_of(w->old), "resourceVersion");
    if (o->uid.ptr && !str_eq(o->uid, uid)) {
        return precondition_failed(
            w,
            arena_printf(
                &w->arena,
                "the UID in the precondition (%.*s) does not match the UID in record (%.*s). "
                "The object might have been deleted and then recreated",
                STR_FMT(o->uid), STR_FMT(uid)),
            err);
    }
    if (o->resource_version.ptr && !str_eq(o->resource_version, rv)) {
        return precondition_failed(
            w,
            arena_printf(&w->arena,
                         "the ResourceVersion in the precondition (%.*s) does not match the "
                         "ResourceVersion in record (%.*s). The object might have been modified",
                         STR_FMT(o->resource_version), STR_FMT(rv)),
            err);
    }
    return 0;
}

/* The finalizer that the garbage collector acts on; STR_NULL: none. An explicit policy counts, else
 * what the object has. */
static struct str dependents_finalizer(const struct write *w)
{
    switch (w->op->del.propagation) {
    case PROPAGATION_ORPHAN:
        return STR(FINALIZER_ORPHAN);
    case PROPAGATION_FOREGROUND:
        return STR(FINALIZER_FOREGROUND);
    case PROPAGATION_BACKGROUND:
        return STR_NULL;
    case PROPAGATION_DEFAULT:
        break;
    }
    struct json_iter it = json_iter(json_get(metadata_of(w->obj), "finalizers"));
    while (json_next(&it)) {
        struct str f = json_str(it.val);
        if (str_is(f, FINALIZER_ORPHAN) || str_is(f, FINALIZER_FOREGROUND)) {
            return f;
        }
    }
    return STR_NULL;
}

/* Takes both finalizers off and puts the wanted one on, unless that leaves the same set. */
static void set_dependents_finalizer(struct write *w)
{
    struct str wanted = dependents_finalizer(w);
    yyjson_mut_val *meta = metadata_of(w->obj), *old = json_get(meta, "finalizers");
    bool orphan = metadata_has_finalizer(w->obj, STR(FINALIZER_ORPHAN));
    bool foreground = metadata_has_finalizer(w->obj, STR(FINALIZER_FOREGROUND));
    if (orphan == str_is(wanted, FINALIZER_ORPHAN) &&
        foreground == str_is(wanted, FINALIZER_FOREGROUND)) {
        return;
    }
    yyjson_mut_val *list = yyjson_mut_arr(w->doc);
    struct json_iter it = json_iter(old);
    while (json_next(&it)) {
        struct str f = json_str(it.val);
        if (!str_is(f, FINALIZER_ORPHAN) && !str_is(f, FINALIZER_FOREGROUND)) {
            yyjson_mut_arr_append(list, yyjson_mut_strncpy(w->doc, f.ptr, f.len));
        }
    }
    if (wanted.ptr) {
        yyjson_mut_arr_append(list, yyjson_mut_strncpy(w->doc, wanted.ptr, wanted.len));
    }
    if (yyjson_mut_arr_size(list)) {
        json_setz(w->doc, meta, "finalizers", list);
    } else {
        json_remove(meta, "finalizers");
    }
}

static void mark_deleting(struct write *w)
{
    yyjson_mut_val *meta = metadata_of(w->obj);
    if (!metadata_deleting(w->obj)) {
        char now[CLOCK_TEXT];
        int64_t generation = json_get_int(meta, "generation", 0);
        json_set_str(w->doc, meta, "deletionTimestamp",
                     str_make(now, clock_format(w->now_us, now)));
        if (generation > 0) {
            json_set_int(w->doc, meta, "generation", generation + 1);
        }
    }
    if (metadata_finalizers(
            w->obj)) { /* an object held by its strategy alone shows no grace period */
        json_set_int(w->doc, meta, "deletionGracePeriodSeconds", 0);
    }
    metadata_arrange(meta);
}

static int mark(struct write *w, struct err *err)
{
    mark_deleting(w);
    int rc = write_complete(w, err);
    rc = rc ? rc : write_encode(w, w->op->type, w->doc, w->obj, &w->value, err);
    if (rc) {
        return rc;
    }
    w->answer = write_answer_object;
    if (str_eq(blob_str(w->current), blob_str(w->value))) {
        w->value = w->current;
        return 0;
    }
    write_put_object(w);
    return write_also_hook(w, err);
}

/* The version in which the object lies in the store. */
static const struct type_version *stored_in(const struct write *w)
{
    const struct type *t = w->op->type;
    for (size_t i = 0; t->as_written && i < t->n_versions; i++) {
        if (str_starts(blob_str(w->current), t->versions[i].header)) {
            return &t->versions[i];
        }
    }
    return type_storage(t);
}

int write_delete(struct write *w, struct err *err)
{
    int rc = write_load(w, err);
    return rc ? rc : write_delete_loaded(w, err);
}

int write_delete_loaded(struct write *w, struct err *err)
{
    const struct type *t = w->op->type;
    w->operation = STR("delete");
    yyjson_mut_doc *old = NULL;
    int rc = write_current(w, stored_in(w), &old, err);
    if (rc) {
        return rc;
    }
    w->old = yyjson_mut_doc_get_root(old);
    rc = check_preconditions(w, err);
    rc = rc ? rc : write_admit(w, false, err);
    if (rc) {
        return rc;
    }
    w->doc = json_doc(&w->arena);
    w->obj = json_copy(w->doc, w->old);
    rc = t->strategy->before_delete ? t->strategy->before_delete(t->self, w, w->doc, w->obj, err)
                                    : 0;
    if (rc) {
        return rc;
    }
    set_dependents_finalizer(w);
    if (!write_unheld(t, w->obj)) {
        return mark(w, err);
    }
    w->answer = t->returns_deleted ? write_answer_gone : write_answer_deleted;
    write_delete_object(w);
    return write_also_hook(w, err);
}
