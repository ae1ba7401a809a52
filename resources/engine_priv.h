/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's files share: the engine itself, one write with its attempts, and the stages
 * that a decision is made of. */
#ifndef RESOURCES_ENGINE_PRIV_H
#define RESOURCES_ENGINE_PRIV_H

#include <pthread.h>

#include "base/cleanup.h"
#include "resources/engine.h"
#include "resources/managed.h"
#include "resources/status.h"
#include "resources/text.h"
#include "resources/write.h"

enum { ENGINE_GATES = 64 };

/* Writes that lost a race for an object queue here, one running at a time a gate, so that N writers
 * of one object need about 2 N attempts and not N squared. */
struct gate {
    pthread_mutex_t lock;
    bool busy;
    struct write *head, *tail;
};

/* Barriers of a shared store (resources/sync.c): one is under way at a time, for all that came
 * before it. */
struct engine_syncs {
    pthread_mutex_t lock;
    struct engine_waiter *running, *waiting;
};

struct engine_listener {
    engine_changes_fn *fn;
    void *arg;
};

struct engine {
    struct store *store;
    struct registry *registry;
    struct access *access;
    struct metrics *metrics;
    struct pool *pool;
    pthread_mutex_t waiting_lock; /* over the making of it: */
    struct pool *waiting;         /* resources/convert.h; NULL until something waits */
    struct watch_hub *watches;
    struct admission_plugin *plugins; /* by order */
    size_t n_plugins, cap_plugins;
    pthread_mutex_t listeners_lock; /* over the two; held while they are told */
    struct engine_listener *listeners;
    size_t n_listeners;
    struct gate gates[ENGINE_GATES];
    struct engine_syncs syncs;
    _Atomic uint64_t waits_until;              /* engine_reads_wait: till then; ns */
    _Atomic size_t flying;                     /* operations begun and not ended */
    struct metric *writes, *refused, *retries; /* NULL without metrics */
    struct metric *pool_depth, *index_lists;
    struct object_counts *objects;
    struct text_finder text; /* of nothing where nobody keeps an index */
};

/* Around what reads, on any thread: whether it waited for the disk is remembered for
 * engine_reads_wait. */
uint64_t engine_wait_begin(void);
void engine_wait_end(struct engine *e, uint64_t begun);

/* What engine_run waits on. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    struct write *resume; /* an attempt for the waiting thread to run */
};

enum write_effect { WRITE_NOTHING, WRITE_PUT, WRITE_DELETE };

/* An object that the decision read. */
struct write_record {
    struct write_record *next;
    struct str key;
    int64_t rev; /* 0: absent */
    yyjson_mut_val *obj;
};

/* One write: the state of its present attempt. Belongs to whoever runs the attempt, then to the
 * store until done is called. */
struct write {
    struct op *op;
    struct engine *e;
    struct arena arena; /* of the attempt; the last one's lives as long as the op */
    unsigned attempts;
    uint64_t begun_ns, submitted_ns;
    bool gated; /* holds its gate */
    struct write *next_gated;
    size_t n_warnings;     /* that the op had before the attempts */
    struct waiter *waiter; /* NULL: retries go to the pool */

    struct registry_snapshot *types;
    int64_t now_us;
    struct str operation; /* "create", "update", "delete" */
    struct str name, key;
    struct blob *current; /* what the key held when it was read; NULL: nothing */
    int64_t rev;          /* its revision */
    uint64_t stamp;
    yyjson_mut_doc *doc;       /* of obj */
    /* In the request's version, in which everything is decided; `stored` is obj in the storage version, once it is
     * encoded. A delete has them in the version the object is stored in. */
    yyjson_mut_val *obj, *old, *stored;
    struct managed_before owners;
    yyjson_mut_val *old_owners; /* out of old for the moment */
    struct write_record *records;
    struct store_cmp *cmps;
    size_t n_cmps, cap_cmps;
    struct store_op *ops;
    size_t n_ops, cap_ops;
    struct blob **blobs; /* references that the attempt holds beside current and value */
    size_t n_blobs, cap_blobs;
    struct blob *value; /* the object serialised */
    uint64_t put_stamp; /* of value, once it is to be put */
    enum write_effect effect;
    bool removes; /* a change has asked that the object go */
    /* Fills the op's answer; rev: the object's revision after the write (0: none, a dry run of a
     * create). */
    void (*answer)(struct write *w, int64_t rev);
    struct store_txn txn;
    int64_t txn_rev; /* its revision, once it is committed */
};

/* ---- op.c, engine.c ---- */
/* Takes the engine's reference to an op that begins. */
void op_begin(struct op *op);
/* Ends the op with op->err (code set) or successfully, and gives the engine's reference back. */
void op_finish(struct op *op, int code);
/* The same with the answer as it is. */
void op_end(struct op *op);
/* Begins an op (again) on the threads that may wait for conversions; false: the server stops. */
bool engine_start_waiting(struct op *op);
/* Reads the text of a resourceVersion: digits, at most 2^63-1. NULL, or what strconv.ParseUint
 * would say of it. */
const char *op_parse_rv(struct str text, int64_t *ret);
/* Whether the op's type or subresource takes the verb. ERR_METHOD, ERR_NOT_FOUND. */
int op_check_verb(const struct op *op, struct err *err);
/* Tells the listeners of changes; on the committer's thread. */
void engine_tell(struct engine *e, const struct store_event *events, size_t n);

/* ---- admission.c ---- */
int admission_mutate(struct engine *e, struct admission_request *r, struct err *err);
int admission_complete(struct engine *e, struct admission_request *r, struct err *err);
int admission_validate(struct engine *e, struct admission_request *r, struct err *err);

/* ---- read.c ---- */
/* The newest revision that reads see. What a client was shown may be ahead of store_revision for a
 * moment, which is asked first: wanted is the revision that must not be taken for a future one. */
int64_t read_revision(struct engine *e, int64_t wanted);
/* A get: the answer is set on success. */
int read_object(struct op *op, struct err *err);
/* Whether a service's function answers the get. */
bool read_is_computed(const struct op *op);

/* ---- write.c: the machine ---- */
void write_start(struct op *op, struct waiter *waiter);
/* Runs one attempt to its end or to its submit. */
void write_attempt(struct write *w);
void write_free(struct write *w); /* NULL allowed */

/* ---- write_context.c: what a decision reads and does ---- */
void write_compare(struct write *w, enum store_cmp_kind kind, struct str key, int64_t rev);
/* Reads the op's object: current, rev, stamp, its compare. ERR_NOT_FOUND as the reference words it.
 */
int write_load(struct write *w, struct err *err);
/* Whether showing the current object in version v converts it. */
bool write_converts(const struct write *w, const struct type_version *v);
/* The current object as a tree in version v, each call a new one in document *ret_doc; without what
 * the conversion of a type stored as written adds for readers. */
int write_current(struct write *w, const struct type_version *v, yyjson_mut_doc **ret_doc,
                  struct err *err);
/* Serialises obj as the type stores it. ERR_TOO_LARGE. *ret is a reference that the attempt holds.
 */
int write_encode(struct write *w, const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj,
                 struct blob **ret, struct err *err);
/* The op's object into w->stored and w->value. One that is too large only with its managedFields loses them, as
 * the reference has it for all but applies. */
int write_encode_object(struct write *w, struct err *err);
/* Puts the op's object or takes it away with this transaction. */
void write_put_object(struct write *w);
void write_delete_object(struct write *w);
/* Answers: the object as written; the Success Status. */
void write_answer_object(struct write *w, int64_t rev);
/* The same of an object that stays as it is, shown in another version than it lies in: converted
 * here and now. */
void write_answer_kept(struct write *w, int64_t rev);
void write_answer_deleted(struct write *w, int64_t rev);
/* The object as it was, at the revision that took it away. */
void write_answer_gone(struct write *w, int64_t rev);

/* ---- write_decode.c: from a body to an object ---- */
enum decode_as { DECODE_BODY, DECODE_PATCHED, DECODE_APPLIED };
/* Takes obj (in w->doc, in the request's version by its claim) through decoding: type meta,
 * metadata, types, unknown fields, defaults, namespace. *ret_rv: the resourceVersion it carried,
 * taken out of it, as its managedFields are (into w->owners). */
int write_decode(struct write *w, yyjson_mut_val *obj, enum decode_as as, struct str *ret_rv,
                 struct err *err);
/* w->obj as the storage version has it: itself, or a converted copy. */
int write_to_storage(struct write *w, yyjson_mut_val **ret, struct err *err);
/* `the name of the object (x) does not match the name on the URL (y)`. */
int write_check_name(const struct op *op, const yyjson_mut_val *obj, struct err *err);
/* Go's text of a body that does not decode: `Widget in version "v1" cannot be handled as a Widget:
 * ...`; for a patched object the 422 about field patch. The error's own message is the detail. */
int write_decode_error(struct write *w, enum decode_as as, struct str api_version, struct str kind,
                       const yyjson_mut_val *obj, const char *detail, struct err *err);

/* ---- write_owners.c: managedFields ---- */
/* One write as its owners see it; w->doc is set. */
struct managed write_managed(struct write *w);
/* w->old (NULL: a create) without its managedFields, which go to w->owners where those are not there
 * yet. */
const yyjson_mut_val *write_live(struct write *w);
/* Gives w->old its managedFields back after write_live. */
void write_live_done(struct write *w);
/* The owners of w->obj, still in the request's version, after any write but an apply. */
int write_own(struct write *w, struct err *err);
/* Before a patch is applied to base: its managedFields, which few patches touch, are set apart. */
void write_own_base(struct write *w, yyjson_mut_val *base);
/* A write that changes nothing but its owners' times does not change those either. */
void write_keep_times(struct write *w);

/* ---- write_create.c, write_update.c, write_apply.c, write_delete.c ---- */
int write_create(struct write *w, struct err *err);
int write_update(struct write *w, struct err *err);
/* The create that a PUT turned out to be, its body decoded. */
int write_create_put(struct write *w, struct err *err);
/* An update by server-side apply, which may create. */
int write_apply(struct write *w, struct err *err);
/* The rest of a create or update once w->obj is decoded and in the storage version. generated: the
 * name is, so that a taken one is another try. */
int write_create_rest(struct write *w, struct str rv, bool generated, struct err *err);
int write_update_rest(struct write *w, struct str rv, struct err *err);
int write_delete(struct write *w, struct err *err);
int write_delete_loaded(struct write *w, struct err *err); /* after write_load */
/* All validation of obj (old NULL: a create) in one list of causes. */
int write_validate(struct write *w, struct err *err);
/* Asks the plugins; obj may be NULL (delete). */
int write_admit(struct write *w, bool mutate, struct err *err);
/* Their last word on obj before it is validated. */
int write_complete(struct write *w, struct err *err);
/* Calls the strategy's last hook, which may add other objects. */
int write_also_hook(struct write *w, struct err *err);
/* Whether nothing holds the object any more. */
bool write_unheld(const struct type *t, const yyjson_mut_val *obj);

/* ---- write_patch.c ---- */
/* ERR_MEDIA_TYPE where the type does not take the op's kind of patch. */
int write_patch_supported(const struct op *op, struct err *err);
/* Applies the op's patch to base (in w->doc). */
int write_patch(struct write *w, yyjson_mut_val *base, const struct schema *s, yyjson_mut_val **ret,
                struct err *err);
/* `json patch ` before what is said of duplicate keys in a JSON patch. */
const char *write_patch_prefix(const struct op *op);

/* ---- scale.c ---- */
bool scale_asked(const struct op *op);
/* The Scale of an object (a tree with resourceVersion) in d. ERR_INTERNAL where spec.replicas is
 * not there. */
int scale_of(const struct op *op, yyjson_mut_doc *d, const yyjson_mut_val *obj, struct str rv,
             yyjson_mut_val **ret, struct err *err);
/* An update or patch of the Scale: makes w->obj from w->old. *ret_rv as write_decode. */
int scale_update(struct write *w, struct str *ret_rv, struct err *err);
void scale_answer(struct write *w, int64_t rev);
void scale_validate(const struct type_version *v, const yyjson_mut_val *obj, bool status_only,
                    struct causes *c);

/* ---- deletecollection.c ---- */
void collection_start(struct op *op);

/* ---- list.c ---- */
/* The checks of list options that answer 422 together; watch: those of a watch. */
int list_check_options(const struct list_options *o, bool watch, struct err *err);
/* Asks the type what of it the op's user may see. */
void list_narrow_user(struct op *op);
/* The scope and the single name (STR_NULL: none) that a list or watch comes down to, selectors
 * regarded. */
void list_narrow(const struct op *op, struct scope *ret_scope, struct str *ret_name);

/* A list without paging or versions, from what is there when its first piece is read: for watches.
 */
struct list *list_begin(struct engine *e, struct op *op);
/* Visits the next piece, some hundred KB, at the list's one revision, *ret_rev. The visitor may
 * call the store. */
int list_step(struct list *l, list_visit_fn *visit, void *arg, bool *ret_done, int64_t *ret_rev,
              struct err *err);

/* ---- continue.c ---- */
/* The token for going on at key `start` (relative to the prefix) at revision rev; appended. left: how
 * many objects there are from there on; 0: not known. */
void continue_encode(struct buf *b, struct str start, int64_t rev, int64_t left);
/* ERR_BAD_REQUEST. *ret_start is in the arena. rev -1: at any revision. What *ret_left says is the
 * client's word. */
int continue_decode(struct arena *a, struct str token, struct str *ret_start, int64_t *ret_rev,
                    int64_t *ret_left, struct err *err);

#endif
