/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the full-text index share. text.c says how the file is laid out. */
#ifndef STORAGE_TEXT_PRIV_H
#define STORAGE_TEXT_PRIV_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "storage/text.h"

enum text_stmt {
    TX_FIND,
    TX_DOC_INSERT,
    TX_DOC_DELETE,
    TX_BODY_GET,
    TX_BODY_INSERT,
    TX_BODY_DELETE,
    TX_WORDS_INSERT,
    TX_WORDS_DELETE,
    TX_VALUE_INSERT,
    TX_VALUE_DELETE,
    TX_OF_TYPE,
    TX_TYPE_SET,
    TX_TYPE_DELETE,
    TX_PLACE,
    TX_STMTS,
};

/* One connection, used by one thread at a time. */
struct text_conn {
    struct text_conn *next;
    sqlite3 *db;
    sqlite3_stmt *stmts[TX_STMTS]; /* prepared on first use */
    fts5_tokenizer api;            /* of the words: unicode61 */
    Fts5Tokenizer *tokenizer;
};

struct text {
    char *path;            /* NULL: in memory */
    pthread_rwlock_t file; /* written while the file is replaced, read by what uses it */
    struct text_conn *writer;
    pthread_mutex_t only;      /* in memory: over the one connection */
    _Atomic int64_t count;     /* documents as of the last commit, */
    int64_t added;             /* and by how many the write under way makes them more */
    pthread_mutex_t idle_lock; /* over: */
    struct text_conn *idle;    /* connections that read, and do not at the moment */
    size_t n_idle;
};

/* ---- text.c ---- */
/* A connection to read with, and what gives it back. */
int text_reader(struct text *t, struct text_conn **ret, struct err *err);
void text_reader_done(struct text *t, struct text_conn *c);
/* The connection's last error. */
int text_error(const struct text_conn *c, struct err *err);
int text_exec(struct text_conn *c, const char *sql, struct err *err);
/* 1: a row; 0: no more (reset); negative: failed (reset). st may be NULL: failed. */
int text_step(struct text_conn *c, sqlite3_stmt *st, struct err *err);
/* Steps a statement that gives no rows. */
int text_run(struct text_conn *c, sqlite3_stmt *st, struct err *err);
void text_bind(sqlite3_stmt *st, int i, struct str s); /* as text; st may be NULL */
/* A column's text, in the arena. */
struct str text_column(sqlite3_stmt *st, int i, struct arena *a);

/* ---- text_words.c ---- */
/* The tokens of s, folded; at most max. *ret is in the arena. */
size_t text_tokens(const struct text_conn *c, struct str s, size_t max, struct arena *a,
                   struct str **ret);
/* Appends what the column of parts holds of a title: each token and each of its ends. */
void text_parts(const struct text_conn *c, struct str title, struct arena *a, struct buf *ret);
/* Appends a title as it is sorted by. */
void text_sorted(const struct text_conn *c, struct str title, struct arena *a, struct buf *ret);

enum text_meaning { TEXT_ALL, TEXT_NONE, TEXT_SOME };
/* Appends FTS5's expression for a user's words (TEXT_SOME); TEXT_ALL: they ask for everything;
 * TEXT_NONE: nothing can match them. ERR_BAD_REQUEST. */
int text_expression(const struct text_conn *c, struct str words, struct arena *a, struct buf *ret,
                    enum text_meaning *ret_meaning, struct err *err);

#endif
