/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the full-text index share. text.c says how the file is laid out. */
#ifndef STORAGE_TEXT_PRIV_H
#define STORAGE_TEXT_PRIV_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/limits.h"
#include "storage/text.h"

enum text_stmt {
    TX_SCOPE_FIND,
    TX_SCOPE_INSERT,
    TX_SCOPE_COUNT,
    TX_SCOPE_BYTES,
    TX_SCOPE_DELETE,
    TX_TERM_FIND,
    TX_TERM_FIND_ANY,
    TX_TERM_INSERT,
    TX_TERM_DELETE,
    TX_TERMS_OF,
    TX_TALLY,
    TX_TALLY_EMPTY,
    TX_VALUE_INSERT,
    TX_VALUE_DELETE,
    TX_DOC_FIND,
    TX_DOC_GET,
    TX_DOC_INSERT,
    TX_DOC_UPDATE,
    TX_DOC_DELETE,
    TX_TITLE_INSERT,
    TX_TITLE_DELETE,
    TX_SHOWN_GET,
    TX_SHOWN_PUT,
    TX_SHOWN_DELETE,
    TX_WORDS_INSERT,
    TX_WORDS_DELETE,
    TX_OF_TYPE,
    TX_TYPE_SET,
    TX_TYPE_DELETE,
    TX_PLACE,
    TX_STMTS,
};

/* How the phrases of a question's expression are weighed against each other. */
struct text_ranking {
    bool weighed; /* by how rare each is: there is more than one word */
    bool frequent[LIMIT_TEXT_QUERY_TOKENS * 2]; /* a beginning too short to be rare */
    size_t n_phrases;
    double average; /* bytes of a document's texts */
};

/* One connection, used by one thread at a time. */
struct text_conn {
    struct text_conn *next;
    sqlite3 *db;
    sqlite3_stmt *stmts[TX_STMTS]; /* prepared on first use */
    fts5_tokenizer api;            /* of the words: unicode61 */
    Fts5Tokenizer *tokenizer;
    struct text_ranking *ranking; /* of the question under way */
};

struct text {
    char *path;            /* NULL: in memory */
    bool made;             /* the file is new, and nothing was committed */
    pthread_rwlock_t file; /* written while the file is replaced, read by what uses it */
    struct text_conn *writer;
    pthread_mutex_t only;         /* in memory: over the one connection */
    _Atomic int64_t count;        /* documents as of the last commit, */
    int64_t added;                /* and by how many the write under way makes them more */
    struct text_pending *pending; /* of the write under way: what it has yet to write */
    pthread_mutex_t idle_lock;    /* over: */
    struct text_conn *idle;       /* connections that read, and do not at the moment */
    size_t n_idle;
};

/* ---- text.c ---- */
/* A connection to read with, and what gives it back. */
int text_reader(struct text *t, struct text_conn **ret, struct err *err);
void text_reader_done(struct text *t, struct text_conn *c);
/* What is said where text_reset failed. */
int text_closed(struct err *err);
/* The connection's last error. */
int text_error(const struct text_conn *c, struct err *err);
int text_exec(struct text_conn *c, const char *sql, struct err *err);
/* 1: a row; 0: no more (reset); negative: failed (reset). st may be NULL: failed. */
int text_step(struct text_conn *c, sqlite3_stmt *st, struct err *err);
/* Steps a statement that gives no rows. */
int text_run(struct text_conn *c, sqlite3_stmt *st, struct err *err);
/* st may be NULL. */
void text_bind(sqlite3_stmt *st, int i, struct str s);
void text_bind_int(sqlite3_stmt *st, int i, int64_t v);
/* A column's text, in the arena. */
struct str text_column(sqlite3_stmt *st, int i, struct arena *a);

/* ---- text_write.c ---- */
sqlite3_stmt *text_statement(struct text_conn *c, enum text_stmt id);
/* Runs a statement with numbers; *ret (NULL allowed) is the number that it gives, 0 without one. */
int text_numbers(struct text_conn *c, enum text_stmt id, const int64_t *numbers, int n,
                 int64_t *ret, struct err *err);
#define TEXT_RUN(c, id, ret, err, ...)                                                             \
    text_numbers((c), (id), (const int64_t[]){__VA_ARGS__},                                        \
                 (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (ret), (err))
/* No more than LIMIT_TEXT_BYTES of it. */
struct str text_cut(struct str s);

/* ---- text_terms.c ---- */
/* The terms of a document, and those that stand for any value of their names. */
struct text_terms {
    struct {
        int64_t id;
        bool any;
    } items[2 * (LIMIT_TEXT_VALUES + 1)];
    size_t n;
};

/* In place of a term: the documents of a scope, and the bytes of their texts. */
enum { TEXT_DOCUMENTS = 0, TEXT_BYTES = -1 };

/* The terms of what is to be put; those that are new get numbers. *ret_folder: 0 for none. */
int text_terms_take(struct text *t, const struct text_document *d, struct text_terms *ret,
                    int64_t *ret_folder, struct err *err);
/* Those that a document has. */
int text_terms_read(struct text_conn *c, int64_t doc, struct text_terms *ret, struct err *err);
int text_terms_change(struct text *t, int64_t scope, int64_t doc, const struct text_terms *from,
                      const struct text_terms *to, struct err *err);
/* So many documents more have the term; written with the rest of what is pending. */
void text_tally(struct text *t, int64_t scope, int64_t term, int64_t n);
int text_pending_write(struct text *t, struct err *err);
void text_pending_forget(struct text *t);

/* ---- text_words.c ---- */
/* The tokens of s, folded; at most max. *ret is in the arena. */
size_t text_tokens(const struct text_conn *c, struct str s, size_t max, struct arena *a,
                   struct str **ret);
/* Appends what the column of parts holds of a title: each token and each of its ends. */
void text_parts(const struct text_conn *c, struct str title, struct arena *a, struct buf *ret);
/* Appends a title as it is sorted by. */
void text_sorted(const struct text_conn *c, struct str title, struct arena *a, struct buf *ret);

enum text_meaning { TEXT_ALL, TEXT_NONE, TEXT_SOME };
/* Appends FTS5's expression for a user's words (TEXT_SOME), and says what its phrases are worth;
 * TEXT_ALL: they ask for everything; TEXT_NONE: nothing can match them. ERR_BAD_REQUEST. */
int text_expression(const struct text_conn *c, struct str words, struct arena *a, struct buf *ret,
                    struct text_ranking *ret_ranking, enum text_meaning *ret_meaning,
                    struct err *err);

/* ---- text_score.c ---- */
/* Makes the function text_score(words, bytes) known to the connection: how well a document of that
 * size matches, by its ranking. SQLite's code. */
int text_score_define(fts5_api *api, struct text_conn *c);

/* ---- questions: text_find.c, text_match.c, text_order.c, text_facets.c ---- */

struct text_scope {
    int64_t id, n; /* n: its documents */
    struct str type, ns, prefix;
};

/* A document that is found. */
struct text_match {
    int64_t id, time; /* time: of what it is sorted by */
    double score;
    struct str name; /* where it is sorted or shown by it */
    uint32_t scope;  /* of asking.scopes */
    uint32_t rank;   /* among titles */
};

struct text_asking {
    struct text_conn *conn;
    const struct text_query *q;
    struct arena *arena;
    struct text_ranking ranking;
    struct str expression; /* empty: no words */
    struct text_scope *scopes;
    size_t n_scopes;
    int64_t there;            /* documents in all scopes of the index */
    bool filtered;            /* by more than scopes */
    bool names;               /* matches need their names */
    struct text_match *found; /* by id; released with free() */
    size_t n, cap;
    struct err *err;
};

/* Prepares a statement for this question. NULL: it could not be. */
sqlite3_stmt *text_prepare(struct text_asking *k, const char *sql);
/* Fills in found: all that match. */
int text_match(struct text_asking *k);
/* How many match where that is known without looking: neither words nor filters. */
int64_t text_everything(const struct text_asking *k);
/* Whether what is asked for can be read in order from the titles, without text_match. */
bool text_is_ordered(const struct text_asking *k);
/* The part of the answer that limit and offset ask for; in the arena. Found is in another order
 * after. */
int text_window(struct text_asking *k, struct text_match **ret, size_t *ret_n);
/* Counts over found, or over everything. */
int text_count_facets(struct text_asking *k, struct text_facet *facets, size_t n);

#endif
