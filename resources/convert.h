/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of a type's objects between its versions by what its definition says (a webhook, rules of its own), and the
 * threads on which a conversion that waits is allowed. Event loops, the engine's pool and the committer never wait for one: what
 * needs such a conversion is handed to a few threads of its own, a bounded number for each type. */
#ifndef RESOURCES_CONVERT_H
#define RESOURCES_CONVERT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/pool.h"
#include "resources/represent.h"
#include "resources/type.h"

struct converter;
struct converter_task;
struct engine;
struct op;

struct converter_ops {
    /* Rewrites each of the n objects, none of which is in version `to`, in place (json_assign). d: a document in whose arena
     * what is made may live. The error is what a client is told, without a reason (ERR_UNKNOWN_500). */
    int (*convert)(struct converter *c, const struct type *t, const struct type_version *to, yyjson_mut_doc *d,
                   yyjson_mut_val **objs, size_t n, struct err *err);
    void (*destroy)(struct converter *c);
    bool waits; /* convert may take seconds */
};

/* The first member of each implementation. Made for one type and kept by it (type->converter). */
struct converter {
    const struct converter_ops *ops;
    _Atomic unsigned refs;
    _Atomic bool mixed;   /* what is stored may be in another version than the storage version */
    pthread_mutex_t lock; /* over what follows: tasks of this type on the threads that may wait */
    size_t running, queued;
    struct converter_task *first, **last;
};

/* One reference. */
void converter_init(struct converter *c, const struct converter_ops *ops);
struct converter *converter_ref(struct converter *c);
void converter_unref(struct converter *c); /* NULL allowed */

/* Converts objects of the type to version v by its converter; none is in v already. ERR_UNAVAILABLE where that would wait and this
 * thread may not; ERR_TIMEOUT where the task waited too long for its turn. */
int convert_objects(const struct type *t, const struct type_version *v, yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n,
                    struct err *err);
/* Brings stored objects into version v with one call for many (LIMIT_CONVERSION_OBJECTS): where an object needed conversion its value becomes the
 * converted one (in the arena) and its stamp REPRESENT_SHOWN. On failure *ret_bad is the first object that could not be had; the
 * error is the converter's own. */
int convert_stored(const struct type *t, const struct type_version *v, struct stored *items, size_t n, struct arena *a,
                   size_t *ret_bad, struct err *err);

/* Whether showing the stored object in v takes more than another apiVersion. */
bool convert_needed(const struct type *t, const struct type_version *v, const struct stored *s);
/* Whether it calls something that waits. */
bool convert_waits(const struct type *t, const struct type_version *v, const struct stored *s);
/* The same of anything that reads objects of the type in v, as far as can be told beforehand. */
bool convert_type_waits(const struct type *t, const struct type_version *v);
/* The same of an operation that is to begin (a get is begun anywhere: its answer is converted after). */
bool convert_op_waits(const struct op *op);

/* Whether this thread may wait for conversions from now on; returns what held before. */
bool convert_may_wait(bool may);

/* Queues a task that needs waiting conversions of the type on the threads for that. False: too many wait for this type, or the server
 * stops; `must` as pool_submit's. */
bool convert_submit(struct engine *e, const struct type *t, struct pool_task *task, bool must);
/* Where the op's answer needs a conversion that waits: has it done on those threads (or here, where it may be) and then calls
 * op_end. False: nothing is to be done, or it was done. */
bool convert_answer(struct op *op);

/* An operation begins on this thread. */
void convert_begin(void);
/* Where a write failed because it needed a conversion that this thread may not wait for: begins it anew on the threads that may. False: it did not,
 * or cannot. */
bool convert_again(struct op *op);

/* What the reference says of a stored object that cannot be converted: ERR_CORRUPT. Takes `why` over. */
int convert_corrupt(const struct type *t, const yyjson_mut_val *obj, int64_t rev, struct err *why, struct err *err);
/* The same of n objects of a list, keys in full: a Status with reason StorageReadError. */
int convert_unreadable(const struct type *t, const struct str *keys, const int64_t *revs, size_t n, const struct err *why,
                       struct err *err);

#endif
