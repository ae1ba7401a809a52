/* SPDX-License-Identifier: Apache-2.0 */
/* What the sqlite engine does when the disk is full or fails.
 *
 * A failure of writing is said once in the log, told by store_writable, and tried again while it
 * lasts, so that it ends by itself.
 *
 * After a failed sync the system has forgotten that pages were to be written, and the next sync
 * succeeds without them (Rebello et al., Can Applications Recover from fsync Failures?, 2020). A
 * transaction whose sync failed is written anew, but the unsynced commits of housekeeping before it
 * are not: what is acknowledged later would hang on frames that are not on the disk. A log found at
 * start may be of that kind as well, or hold a commit whose sync the last process did not live to
 * see. In both cases the log is written once more as it stands, and synced, before anything else is
 * committed or read. */
#include "storage/sqlite_priv.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    PROBE_MS = 1000,       /* between two attempts to write while writing fails */
    QUIET_MS = 60000,      /* the same trouble is said again after so long */
    ROOM_BYTES = 1 << 20,  /* so much must be free before it is tried on a disk that was full */
    PIECE_BYTES = 1 << 16, /* of the log, rewritten at a time */
};

/* ---- telling ---- */

void sqlite_trouble_note(struct sqlite_store *s, int code, const char *text)
{
    struct sqlite_trouble *t = &s->trouble;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&t->lock);
    snprintf(t->text, sizeof(t->text), "%s", text);
    pthread_mutex_unlock(&t->lock);
    int before = atomic_exchange(&t->code, code);
    if (!before) {
        t->begun_ms = now;
        t->probe_ms = now + PROBE_MS;
    }
    if (before != code && (code != t->said || now >= t->quiet_ms)) {
        log_error(code == ERR_NO_SPACE
                      ? "the store's disk is full: writes are refused until there is room"
                      : "the store cannot write: writes are refused until it can",
                  LOG_Z("store", s->dir), LOG_Z("error", text));
        t->said = code;
        t->quiet_ms = now + QUIET_MS;
        t->said_begin = true;
    }
}

void sqlite_trouble_over(struct sqlite_store *s)
{
    struct sqlite_trouble *t = &s->trouble;
    if (!atomic_load_explicit(&t->code, memory_order_relaxed)) {
        return;
    }
    atomic_store(&t->code, 0);
    if (t->said_begin) {
        log_info("the store can write again", LOG_Z("store", s->dir),
                 LOG_I("seconds", (clock_mono_ms() - t->begun_ms) / 1000));
        t->said_begin = false;
    }
}

int sqlite_writable(struct store *st, struct err *err)
{
    struct sqlite_trouble *t = &((struct sqlite_store *)st)->trouble;
    int code = atomic_load(&t->code);
    if (code) {
        pthread_mutex_lock(&t->lock);
        err_set(err, code, "%s%s", code == ERR_NO_SPACE ? "the store's disk is full: " : "",
                t->text);
        pthread_mutex_unlock(&t->lock);
    }
    return code;
}

/* ---- trying again ---- */

static bool has_room(const struct sqlite_store *s)
{
    struct statvfs v;
    return statvfs(s->dir, &v) || (uint64_t)v.f_bavail * v.f_frsize >= ROOM_BYTES;
}

static int probe(struct sqlite_store *s, struct err *err)
{
    int code = sqlite_present(s, err);
    code = code ? code : sqlite_begin(s->writer, err);
    code = code ? code : sqlite_meta_set(s->writer, "probe", s->rev, err);
    code = code ? code : sqlite_commit(s->writer, err);
    if (code) {
        sqlite_failed(s, s->writer);
        sqlite_rollback(s->writer);
    }
    return code;
}

int64_t sqlite_trouble_probe(struct sqlite_store *s)
{
    struct sqlite_trouble *t = &s->trouble;
    int code = atomic_load_explicit(&t->code, memory_order_relaxed);
    if (!code) {
        return -1;
    }
    int64_t now = clock_mono_ms();
    if (now < t->probe_ms) {
        return t->probe_ms - now;
    }
    t->probe_ms = now + PROBE_MS;
    if (code == ERR_NO_SPACE && !has_room(s)) {
        return PROBE_MS;
    }
    AUTO(err_finish) struct err err = {0};
    code = probe(s, &err);
    if (code) {
        sqlite_trouble_note(s, code, err_message(&err));
        return PROBE_MS;
    }
    sqlite_trouble_over(s);
    return -1;
}

/* ---- what is written must be where it is thought to be ---- */

int sqlite_present(struct sqlite_store *s, struct err *err)
{
    struct stat lock;
    if (!fstat(s->lock_fd, &lock) && lock.st_nlink > 0 && !access(s->path, F_OK)) {
        return 0;
    }
    return err_set(err, ERR_IO, "the directory %s was removed beneath the server", s->dir);
}

/* ---- after failed syncs ---- */

void sqlite_failed(struct sqlite_store *s, const struct sqlite_conn *c)
{
    int what = sqlite3_extended_errcode(c->db);
    if (what == SQLITE_IOERR_FSYNC || what == SQLITE_IOERR_DIR_FSYNC) {
        atomic_store(&s->unsure, true);
    }
}

static int rewrite(sqlite3_file *f, int64_t size, char *piece)
{
    for (int64_t at = 0; at < size; at += PIECE_BYTES) {
        int n = (int)(size - at < PIECE_BYTES ? size - at : PIECE_BYTES);
        int rc = f->pMethods->xRead(f, piece, n, at);
        rc = rc ? rc : f->pMethods->xWrite(f, piece, n, at);
        if (rc) {
            return rc;
        }
    }
    return f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
}

int sqlite_secure_log(struct sqlite_store *s, struct err *err)
{
    sqlite3_file *f = NULL;
    sqlite3_file_control(s->writer->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f);
    sqlite3_int64 size = 0;
    if (!f || !f->pMethods || f->pMethods->xFileSize(f, &size) || size == 0) {
        atomic_store(&s->unsure, false);
        return 0;
    }
    AUTO_FREE char *piece = alloc_bytes(PIECE_BYTES);
    int rc = rewrite(f, size, piece);
    if (rc) {
        return err_set(err, ERR_IO, "the write-ahead log cannot be made safe: %s (%d)",
                       sqlite3_errstr(rc), rc);
    }
    atomic_store(&s->unsure, false);
    return 0;
}
