/* SPDX-License-Identifier: Apache-2.0 */
/* A sqlite VFS over the real one, each of whose calls can be made to fail: once, or from some call
 * on. Registered as the default. */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_FULL,     /* a write finds no room */
    FAULT_WRITE,    /* a write fails */
    FAULT_SHORT,    /* a write finds no room when half of it is done */
    FAULT_SYNC,     /* a sync fails */
    FAULT_READ,     /* a read fails */
    FAULT_TRUNCATE, /* a truncation fails */
    FAULT_SIZE,     /* the size cannot be had */
    FAULT_LOCK,     /* a lock on the file fails */
    FAULT_SHM_MAP,  /* the log's index cannot be mapped */
    FAULT_SHM_LOCK, /* a lock on it fails */
    FAULT_OPEN,     /* a file cannot be opened */
    FAULT_DELETE,   /* a file cannot be removed */
    FAULT_ACCESS,   /* it cannot be seen whether a file is there */
    FAULT_READONLY, /* the disk takes no write of any kind any more */
    FAULT_KINDS,
};

/* Which call fails: the one after `after` more; with `all`, every one from there on. */
struct fault {
    _Atomic int kind;
    _Atomic int after;
    _Atomic bool all;
    _Atomic int hits;
};

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static struct fault fault;
static sqlite3_vfs fault_vfs;

static inline sqlite3_file *fault_real(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
}

/* Whether the call, which is of that kind, is to fail. */
static inline bool fault_strikes(enum fault_kind call)
{
    int kind = atomic_load(&fault.kind);
    bool write = call == FAULT_WRITE && (kind == FAULT_FULL || kind == FAULT_SHORT);
    bool change = kind == FAULT_READONLY &&
                  (call == FAULT_WRITE || call == FAULT_TRUNCATE || call == FAULT_DELETE);
    if (kind == FAULT_NONE || (kind != (int)call && !write && !change)) {
        return false;
    }
    int left = atomic_fetch_sub(&fault.after, 1);
    if (left > 0 || (left < 0 && !atomic_load(&fault.all))) {
        return false;
    }
    atomic_fetch_add(&fault.hits, 1);
    return true;
}

static inline void fault_set(enum fault_kind kind, int after, bool all)
{
    atomic_store(&fault.kind, FAULT_NONE);
    atomic_store(&fault.after, after);
    atomic_store(&fault.all, all);
    atomic_store(&fault.hits, 0);
    atomic_store(&fault.kind, kind);
}

static int fault_close(sqlite3_file *f)
{
    return fault_real(f)->pMethods ? fault_real(f)->pMethods->xClose(fault_real(f)) : SQLITE_OK;
}

static int fault_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return fault_strikes(FAULT_READ) ? SQLITE_IOERR_READ
                                     : fault_real(f)->pMethods->xRead(fault_real(f), p, n, at);
}

static int fault_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (!fault_strikes(FAULT_WRITE)) {
        return fault_real(f)->pMethods->xWrite(fault_real(f), p, n, at);
    }
    switch (atomic_load(&fault.kind)) {
    case FAULT_SHORT:
        fault_real(f)->pMethods->xWrite(fault_real(f), p, n / 2, at);
        return SQLITE_FULL;
    case FAULT_FULL:
        return SQLITE_FULL;
    default:
        return SQLITE_IOERR_WRITE;
    }
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return fault_strikes(FAULT_TRUNCATE) ? SQLITE_IOERR_TRUNCATE
                                         : fault_real(f)->pMethods->xTruncate(fault_real(f), n);
}

static int fault_sync(sqlite3_file *f, int flags)
{
    return fault_strikes(FAULT_SYNC) ? SQLITE_IOERR_FSYNC
                                     : fault_real(f)->pMethods->xSync(fault_real(f), flags);
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return fault_strikes(FAULT_SIZE) ? SQLITE_IOERR_FSTAT
                                     : fault_real(f)->pMethods->xFileSize(fault_real(f), ret);
}

static int fault_lock(sqlite3_file *f, int level)
{
    return fault_strikes(FAULT_LOCK) ? SQLITE_IOERR_LOCK
                                     : fault_real(f)->pMethods->xLock(fault_real(f), level);
}

static int fault_unlock(sqlite3_file *f, int level)
{
    return fault_real(f)->pMethods->xUnlock(fault_real(f), level);
}

static int fault_reserved(sqlite3_file *f, int *ret)
{
    return fault_real(f)->pMethods->xCheckReservedLock(fault_real(f), ret);
}

static int fault_control(sqlite3_file *f, int op, void *arg)
{
    return fault_real(f)->pMethods->xFileControl(fault_real(f), op, arg);
}

static int fault_sector(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xSectorSize(fault_real(f));
}

static int fault_device(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xDeviceCharacteristics(fault_real(f));
}

static int fault_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    if (fault_strikes(FAULT_SHM_MAP)) {
        *ret = NULL;
        return SQLITE_IOERR_SHMMAP;
    }
    return fault_real(f)->pMethods->xShmMap(fault_real(f), page, size, extend, ret);
}

/* Giving back a lock does not fail. */
static int fault_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return (flags & SQLITE_SHM_LOCK) && fault_strikes(FAULT_SHM_LOCK)
               ? SQLITE_IOERR_SHMLOCK
               : fault_real(f)->pMethods->xShmLock(fault_real(f), at, n, flags);
}

static void fault_shm_barrier(sqlite3_file *f)
{
    fault_real(f)->pMethods->xShmBarrier(fault_real(f));
}

static int fault_shm_unmap(sqlite3_file *f, int del)
{
    return fault_real(f)->pMethods->xShmUnmap(fault_real(f), del);
}

static int fault_fetch(sqlite3_file *f, sqlite3_int64 at, int n, void **ret)
{
    return fault_real(f)->pMethods->xFetch(fault_real(f), at, n, ret);
}

static int fault_unfetch(sqlite3_file *f, sqlite3_int64 at, void *p)
{
    return fault_real(f)->pMethods->xUnfetch(fault_real(f), at, p);
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 3,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_device,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
    .xFetch = fault_fetch,
    .xUnfetch = fault_unfetch,
};

static int fault_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    sqlite3_vfs *real = v->pAppData;
    struct fault_file *file = (struct fault_file *)f;
    file->real = (sqlite3_file *)(file + 1);
    file->base.pMethods = NULL;
    if (fault_strikes(FAULT_OPEN)) {
        return SQLITE_CANTOPEN;
    }
    int rc = real->xOpen(real, name, file->real, flags, ret_flags);
    if (rc == SQLITE_OK) {
        file->base.pMethods = &fault_methods;
    }
    return rc;
}

static int fault_delete(sqlite3_vfs *v, const char *name, int sync)
{
    sqlite3_vfs *real = v->pAppData;
    return fault_strikes(FAULT_DELETE) ? SQLITE_IOERR_DELETE : real->xDelete(real, name, sync);
}

static int fault_access(sqlite3_vfs *v, const char *name, int flags, int *ret)
{
    sqlite3_vfs *real = v->pAppData;
    return fault_strikes(FAULT_ACCESS) ? SQLITE_IOERR_ACCESS
                                       : real->xAccess(real, name, flags, ret);
}

static inline void fault_register(void)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    fault_vfs = *real;
    fault_vfs.pNext = NULL;
    fault_vfs.zName = "fault";
    fault_vfs.pAppData = real;
    fault_vfs.szOsFile = (int)sizeof(struct fault_file) + real->szOsFile;
    fault_vfs.xOpen = fault_open;
    fault_vfs.xDelete = fault_delete;
    fault_vfs.xAccess = fault_access;
    sqlite3_vfs_register(&fault_vfs, 1);
}

#endif
