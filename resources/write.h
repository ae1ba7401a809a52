/* SPDX-License-Identifier: Apache-2.0 */
/* The recording context of one attempt at a write: everything the decision reads goes through it and becomes a compare of
 * the transaction; when one fails the decision runs again. */
#ifndef RESOURCES_WRITE_H
#define RESOURCES_WRITE_H

#include "resources/op.h"
#include "resources/registry.h"

struct write;

struct op *write_op(struct write *w);
struct engine *write_engine(struct write *w);
/* The registry as it is for this attempt. */
const struct registry_snapshot *write_types(struct write *w);
struct arena *write_arena(struct write *w); /* lives as long as the attempt */
int64_t write_now_us(struct write *w);      /* wall clock, the same throughout the attempt */
/* "create", "update", "delete": what this write comes to (an apply or update may create). */
struct str write_operation(struct write *w);

/* Reads another object; its revision (or absence) becomes a compare. *ret_obj: in the storage version, NULL when absent. */
int write_read(struct write *w, const struct type *t, struct scope s, struct str name, yyjson_mut_val **ret_obj, struct err *err);
/* The same without a compare, where a stale answer does no harm. */
int write_peek(struct write *w, const struct type *t, struct scope s, struct str name, yyjson_mut_val **ret_obj, struct err *err);
/* Whether no object of the type is in the scope (ns "": of any namespace); becomes a compare where true. */
int write_range_empty(struct write *w, const struct type *t, struct scope s, bool *ret_empty, struct err *err);
/* Visits the objects of the type in the scope; that the range stays unchanged becomes a compare. */
typedef int write_visit_fn(void *arg, yyjson_mut_val *obj);
int write_range(struct write *w, const struct type *t, struct scope s, write_visit_fn *visit, void *arg, struct err *err);

/* Visits the objects of the scope whose value in that index of the type (it must have it) is `value`; that nothing of the scope changes becomes
 * a compare, or, where there is none, that none comes to be. ns must not be "". */
int write_indexed(struct write *w, const struct type *t, struct scope s, struct str index, struct str value, write_visit_fn *visit, void *arg,
                  struct err *err);
/* Whether there is one. Where there is none, that none comes to be becomes a compare; where there is one, nothing does. */
int write_indexed_any(struct write *w, const struct type *t, struct scope s, struct str index, struct str value, bool *ret_any, struct err *err);

/* In a subresource's change: nothing is left of the object, so it goes, as by a delete of it (finalizers hold it, admission is asked); where there
 * is none, that is no error. */
void write_remove(struct write *w);

/* Also puts or deletes another object in this transaction (after a write_read of it). The object is in storage form; obj NULL: delete. */
void write_also(struct write *w, const struct type *t, struct scope s, struct str name, yyjson_mut_val *obj);
void write_warn(struct write *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
