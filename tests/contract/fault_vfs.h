/* SPDX-License-Identifier: Apache-2.0 */
/* A sqlite VFS over the real one whose writes and syncs can be made to fail. Registered as the
 * default. */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_FULL,  /* a write finds no room */
    FAULT_WRITE, /* a write fails */
    FAULT_SYNC,  /* a sync fails */
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

static inline bool fault_strikes(bool sync)
{
    int kind = atomic_load(&fault.kind);
    if (kind == FAULT_NONE || sync != (kind == FAULT_SYNC)) {
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
    return fault_real(f)->pMethods->xRead(fault_real(f), p, n, at);
}

static int fault_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (fault_strikes(false)) {
        return atomic_load(&fault.kind) == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    return fault_real(f)->pMethods->xWrite(fault_real(f), p, n, at);
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return fault_real(f)->pMethods->xTruncate(fault_real(f), n);
}

static int fault_sync(sqlite3_file *f, int flags)
{
    return fault_strikes(true) ? SQLITE_IOERR_FSYNC
                               : fault_real(f)->pMethods->xSync(fault_real(f), flags);
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return fault_real(f)->pMethods->xFileSize(fault_real(f), ret);
}

static int fault_lock(sqlite3_file *f, int level)
{
    return fault_real(f)->pMethods->xLock(fault_real(f), level);
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
    return fault_real(f)->pMethods->xShmMap(fault_real(f), page, size, extend, ret);
}

static int fault_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return fault_real(f)->pMethods->xShmLock(fault_real(f), at, n, flags);
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
    int rc = real->xOpen(real, name, file->real, flags, ret_flags);
    if (rc == SQLITE_OK) {
        file->base.pMethods = &fault_methods;
    }
    return rc;
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
    sqlite3_vfs_register(&fault_vfs, 1);
}

#endif
