/* SPDX-License-Identifier: Apache-2.0 */
/* A full-text index over documents, beside the store and made from it: SQLite's FTS5 in a file of
 * its own. It can be thrown away: a file that is missing, damaged or of another layout is made
 * anew, and whoever fills it sees that by its position. It knows words, not objects.
 *
 * What matches. Words are separated by white space, and a document must match each. A word matches
 * where its tokens (runs of letters and digits, without case and diacritics) follow each other in
 * one of the texts, the last token of the last word as a beginning of one ("clus" finds "cluster");
 * and where each of its tokens, of three bytes or more, stands anywhere within a token of the title
 * ("metheus" finds "kube-prometheus"). Nothing in the words is an operator. */
#ifndef STORAGE_TEXT_H
#define STORAGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct text;

/* path NULL: in memory. Makes the file where there is none that can be used. ERR_IO, ERR_NO_SPACE.
 */
int text_open(const char *path, struct text **ret, struct err *err);
/* NULL allowed. No other thread may be inside a call. */
void text_close(struct text *t);
/* Whether the file was made when it was opened, and nothing was committed since. */
bool text_is_new(const struct text *t);
/* Throws everything away and begins anew: what to do after ERR_CORRUPT. No write may be under way.
 */
int text_reset(struct text *t, struct err *err);

/* ---- writing: one thread at a time ---- */

/* Columns of text weigh 8, 4, 2 and 1 when documents are ranked. */
enum { TEXT_COLUMNS = 4 };
extern const double text_column_weights[TEXT_COLUMNS];

struct text_value {
    struct str name, value;
};

struct text_document {
    struct str key; /* ends in the name; what stands before it is the same for all of the type and
                       namespace */
    struct str type, ns, name; /* one that is put again is replaced */
    struct str folder;
    struct str title; /* shown, sorted by, and found by its parts; where it shall be found as text
                         it stands in texts too */
    struct str texts[TEXT_COLUMNS]; /* each is cut to LIMIT_TEXT_BYTES */
    const struct text_value
        *values; /* to filter and count by, LIMIT_TEXT_VALUES of them: tags are called "tags" */
    size_t n_values;
    int64_t created_us, updated_us;
};

/* A write: all of it becomes visible, and the position with it, or nothing. After an error only
 * text_rollback may follow. */
int text_begin(struct text *t, struct err *err);
int text_put(struct text *t, const struct text_document *d, struct err *err);
/* One that is not there: nothing happens. */
int text_remove(struct text *t, struct str type, struct str ns, struct str name, struct err *err);
/* Removes up to `limit` documents of the type. *ret_more: there may be others. */
int text_remove_some(struct text *t, struct str type, size_t limit, bool *ret_more,
                     struct err *err);
/* Notes that the documents of a type are made as `generation` says, and whether all are there;
 * text_forget_type: of none. */
int text_note_type(struct text *t, struct str type, uint64_t generation, bool complete,
                   struct err *err);
int text_forget_type(struct text *t, struct str type, struct err *err);
/* rev: the revision of the store that the documents are at now. origin: what tells the store from
 * others. */
int text_commit(struct text *t, struct str origin, int64_t rev, struct err *err);
void text_rollback(struct text *t);

/* ---- reading: any thread ---- */

/* What the last commit gave; rev 0: a new file. *ret_origin is in the arena. */
int text_position(struct text *t, struct arena *a, struct str *ret_origin, int64_t *ret_rev,
                  struct err *err);

struct text_type {
    struct str name;
    uint64_t generation;
    bool complete;
};
/* All that were noted, in the arena. */
int text_types(struct text *t, struct arena *a, struct text_type **ret, size_t *ret_n,
               struct err *err);

enum text_sort { TEXT_BY_RELEVANCE, TEXT_BY_TITLE, TEXT_BY_NAME, TEXT_BY_CREATED, TEXT_BY_UPDATED };

struct text_query {
    struct str words;        /* empty or "*": every document */
    const struct str *types; /* any of them; none: nothing is found */
    size_t n_types;
    struct str ns; /* STR_NULL: all */
    const struct str *folders, *names,
        *tags; /* any of the folders, any of the names, all of the tags; n 0: whatever they are */
    size_t n_folders, n_names, n_tags;
    enum text_sort sort; /* without words, relevance is: by type, the last first, then by title */
    bool descending;     /* not for relevance, whose best come first */
    int64_t limit, offset;
    const struct str *facets; /* names of values to count; "folder" too */
    size_t n_facets;
    int64_t facet_limit; /* terms a facet */
    uint64_t until_ns;   /* of clock_mono_ns: it is given up then; 0: never */
    bool (*is_given_up)(
        void *arg); /* asked now and then, in the thread that asked; NULL: nobody does */
    void *arg;
};

struct text_hit {
    struct str key, type, ns, name, title, folder;
    struct str *tags;
    size_t n_tags;
    int64_t created_us, updated_us;
    double score; /* 0 without words */
};

struct text_facet {
    struct str name;
    int64_t total, missing; /* values counted; documents found that have none */
    struct text_term {
        struct str term;
        int64_t count;
    } *terms; /* the most frequent first */
    size_t n_terms;
};

struct text_found {
    struct text_hit *hits;
    size_t n_hits;
    int64_t total;
    double max_score;
    struct text_facet *facets;
    size_t n_facets;
};

/* Everything of *ret is in the arena. ERR_BAD_REQUEST: more than LIMIT_TEXT_QUERY_BYTES or _TOKENS,
 * or LIMIT_TEXT_FACETS; ERR_TIMEOUT: given up; ERR_CORRUPT, ERR_IO. */
int text_find(struct text *t, const struct text_query *q, struct arena *a, struct text_found *ret,
              struct err *err);
/* The keys of all that match, in bytewise order. Limit, offset, sort and facets are not looked at.
 */
int text_find_keys(struct text *t, const struct text_query *q, struct arena *a, struct str **ret,
                   size_t *ret_n, struct err *err);

/* How many documents there are; any thread, lock-free. */
int64_t text_count(const struct text *t);

#endif
