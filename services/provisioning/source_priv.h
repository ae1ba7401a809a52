/* SPDX-License-Identifier: Apache-2.0 */
/* A directory and what is made of it. One thread, but for turns. */
#ifndef SERVICES_PROVISIONING_SOURCE_PRIV_H
#define SERVICES_PROVISIONING_SOURCE_PRIV_H

#include "controllers/leader.h"
#include "resources/registry.h"
#include "services/provisioning/documents_priv.h"
#include "services/provisioning/inventory_priv.h"
#include "services/provisioning/notify_priv.h"
#include "services/provisioning/tree_priv.h"
#include "services/service.h"

enum { SETTLE_MS = 200 }; /* a file that changed is read, and one that is gone is believed, when it has been so for so long */

/* Something that could not be done. */
struct failure {
    char *object; /* NULL: the file itself */
    const char *reason; /* a literal */
    char *message;
    bool fresh; /* no event was made of it */
};

enum unit_state {
    UNIT_UNREAD,  /* new or changed: nothing is known of what it holds */
    UNIT_BROKEN,  /* what it holds cannot be read; `wants` is from when it could */
    UNIT_READ,    /* to be applied, or failed to be */
    UNIT_APPLIED,
};

/* A file, or a directory that becomes a Folder (its path ends in a slash). */
struct unit {
    char *path;
    struct tree_stamp stamp; /* as it was read */
    uint64_t text;           /* a hash of it */
    enum unit_state state;
    bool seen, needed;       /* in this walk; a directory: a dashboard is below */
    bool doubted;            /* it could not be read once, and is read once more before that is told */
    bool twice;              /* it wants an object twice */
    bool contested;          /* it wants one that another has */
    int64_t unsettled_ms;    /* since when it changes all the time; 0: it does not */
    int64_t gone_ms;         /* since when it is not there; 0: it is */
    bool folders;            /* its directories become folders */
    enum stage stage;        /* the first that it has objects of */
    size_t unserved;         /* documents whose type is not served */
    struct item **wants;
    size_t n_wants;
    int tries;
    int64_t due_ms;          /* when to try again */
    struct failure *failures;
    size_t n_failures;
};

struct source {
    const char *name;
    char *root;
    struct client *client;
    struct registry *registry;
    struct service_stop *stop;
    struct leader *leader; /* NULL: it needs none */
    uint64_t term;         /* under which it works */
    int64_t interval_ms;
    struct notify *notify; /* NULL: there is none */
    bool watching, warned; /* whether all of it is watched; that it is not was logged */
    struct unit **units; /* sorted by path */
    size_t n_units, cap_units;
    struct inventory inventory;
    bool loaded;
    uint64_t dev, ino;   /* of the root at the last walk; 0: there was none */
    struct failure root_failure; /* message NULL: none */
    struct tree tree;    /* of the last walk */
    int64_t next_ms;     /* when to look again */
    int64_t all_ms;      /* when to look at all objects again */
    bool dirty;          /* the stored inventory lags behind */
    bool waits_for_type;
    int removal_tries;
    int64_t removal_due_ms;
    int64_t pending_ms;  /* since when files are still to be read or applied; 0: they are not */
    uint64_t told;       /* a hash of the status as it was written; 0: none was */
    uint64_t problems_told; /* a hash of the tree's problems that there are events of */
    size_t told_files, told_objects, told_failures; /* the numbers in it */
    struct {
        size_t created, changed, removed;
    } done;              /* in this run */
};

/* name lives as long as the source. */
struct source *source_create(const char *name, const char *root, struct client *c, struct registry *r,
                             int64_t interval_ms);
void source_destroy(struct source *s); /* NULL allowed */
/* Looks at the directory and does what is to be done now; s->next_ms says when the next call is due. */
void source_run(struct source *s);
/* A type has come or gone. */
void source_types_changed(struct source *s);
/* Whether it is to change nothing any more: the server stops, or another one has taken over. Any thread. */
static inline bool source_stopping(const struct source *s)
{
    return (s->stop && service_stopping(s->stop)) || (s->leader && leader_term(s->leader) != s->term);
}
/* Asks for a run so many milliseconds from now, if none is due before. */
void source_again(struct source *s, int64_t ms);

/* ---- unit.c ---- */
struct unit *unit_create(const char *path);
void unit_destroy(struct unit *u);
static inline bool unit_is_dir(const struct unit *u)
{
    return str_ends(str_from(u->path), STR("/"));
}
/* Reads the file and takes down what it wants. */
void unit_read(struct source *s, struct unit *u);
/* The file's documents as they are now. *ret_changed: it is not the file any more that the walk found. *ret_reason: of a
 * failure. Any thread, one at a time for a unit. documents_finish in any case. */
int unit_load(const struct source *s, struct unit *u, struct documents *d, bool *ret_changed, const char **ret_reason,
              struct err *err);
void unit_forget_failures(struct unit *u);
/* Takes the message from err; wait: milliseconds until it is tried again double with each time. */
void unit_fail(struct unit *u, const char *object, const char *reason, const char *message);
void unit_try_later(struct source *s, struct unit *u);
int64_t retry_ms(int tries);

/* ---- turn.c ---- */
/* Checks everything that each of the files holds, then applies it, up to LIMIT_PROVISION_PARALLEL files at a time: none may
 * need what another of them makes, or it fails. True: something was changed, or is now as it should be. A file stays UNIT_READ
 * where it failed. */
bool turns_have(struct source *s, struct unit *const *units, size_t n);

/* ---- apply.c: one object ---- */
const char *reason_of(int code);
/* Applies the document, or only asks what would come of it. ERR_EXISTS: the object is not this source's. */
int object_apply(struct source *s, const struct document *o, bool dry, struct arena *a, int64_t *ret_rev, bool *ret_created,
                 struct err *err);
/* Deletes the object if it is this source's; 0 too where there is none. */
int object_remove(struct source *s, const struct item *i, struct err *err);
/* The object's resourceVersion; 0: there is none. */
int object_revision(struct source *s, const struct item *i, int64_t *ret_rev, struct err *err);

/* ---- report.c ---- */
/* Writes what has changed into the Source object, and events of what failed newly. */
void source_report(struct source *s);
/* Says in a Source object that nothing is provisioned by it any more. */
int source_disown(struct client *c, struct str name, struct err *err);

#endif
