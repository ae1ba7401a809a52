/* SPDX-License-Identifier: Apache-2.0 */
/* One mapping of the store's file for all connections. Sqlite would map the file once a connection,
 * which makes a process look as many times larger. The mapping reaches beyond the end of the file,
 * so it stands still while the file grows; sqlite is given pointers into it where it would have
 * read a page, and writes as it always does.
 *
 * A page that was touched counts as the process's own until it is given back, and a long scan
 * touches all of them (each fault maps the neighbours too). So whoever reads looks now and then how
 * much that is, and gives everything back when it is more than LIMIT_STORE_MAPPED_BYTES; what is
 * still wanted comes back from the system's cache with the next fault. */
#include "storage/sqlite_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"

/* Pages that a thread is given between two looks. */
enum { LOOK_FETCHES = 32 };

#define MAP_BYTES ((size_t)16 << 30) /* of address space; what lies beyond is read */

struct sqlite_map {
    sqlite3_io_methods methods; /* first: a file's methods pointer leads here */
    const sqlite3_io_methods *plain;
    int fd;
    char *at;
    _Atomic int64_t size; /* of the file, at least */
    _Atomic bool touched;
    int64_t page;         /* bytes */
    int statm;            /* the process's memory in pages, -1: the system does not tell */
    _Atomic int64_t rest; /* of what statm says: resident although nothing here is */
};

/* Resident pages that other processes might share, in bytes: those of this mapping, of programs and
 * libraries. */
static int64_t shared_bytes(const struct sqlite_map *m)
{
    char text[128];
    ssize_t n = m->statm < 0 ? -1 : pread(m->statm, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = 0;
    char *third = text; /* "SIZE RESIDENT SHARED ..." */
    for (int i = 0; i < 2 && third; i++) {
        third = strchr(third + (i > 0), ' ');
    }
    return third ? strtoll(third, NULL, 10) * m->page : 0;
}

static void give_back(struct sqlite_map *m)
{
    madvise(m->at, MAP_BYTES, MADV_DONTNEED);
    atomic_store_explicit(&m->rest, shared_bytes(m), memory_order_relaxed);
}

static void look(struct sqlite_map *m)
{
    int64_t rest = atomic_load_explicit(&m->rest, memory_order_relaxed);
    if (shared_bytes(m) - rest > (int64_t)LIMIT_STORE_MAPPED_BYTES) {
        give_back(m);
    }
}

static bool within(struct sqlite_map *m, int64_t end)
{
    if (end <= atomic_load_explicit(&m->size, memory_order_relaxed)) {
        return true;
    }
    struct stat st;
    if ((uint64_t)end > MAP_BYTES || fstat(m->fd, &st) || end > st.st_size) {
        return false;
    }
    atomic_store_explicit(&m->size, st.st_size, memory_order_relaxed);
    return true;
}

static int fetch(sqlite3_file *f, sqlite3_int64 at, int n, void **ret)
{
    struct sqlite_map *m = (struct sqlite_map *)(uintptr_t)f->pMethods;
    bool ok = within(m, at + n);
    static _Thread_local unsigned fetches;
    *ret = ok ? m->at + at : NULL;
    if (ok && !atomic_load_explicit(&m->touched, memory_order_relaxed)) {
        atomic_store_explicit(&m->touched, true, memory_order_relaxed);
    }
    if (++fetches % LOOK_FETCHES == 0) {
        look(m);
    }
    return SQLITE_OK;
}

static int unfetch(sqlite3_file *f, sqlite3_int64 at, void *p)
{
    (void)f;
    (void)at;
    (void)p;
    return SQLITE_OK;
}

/* Keeps the plain methods from mapping the file as well, which they do when it grows. */
static int control(sqlite3_file *f, int op, void *arg)
{
    const struct sqlite_map *m = (const struct sqlite_map *)f->pMethods;
    return op == SQLITE_FCNTL_MMAP_SIZE ? SQLITE_OK : m->plain->xFileControl(f, op, arg);
}

static sqlite3_file *file_of(struct sqlite_conn *c)
{
    sqlite3_file *f = NULL;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    return f;
}

struct sqlite_map *sqlite_map_create(const char *path, struct sqlite_conn *c)
{
    sqlite3_file *f = file_of(c);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, MAP_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED || !f || !f->pMethods || f->pMethods->iVersion < 3) {
        if (at != MAP_FAILED) {
            munmap(at, MAP_BYTES);
        }
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    struct sqlite_map *m = ALLOC(struct sqlite_map);
    m->plain = f->pMethods;
    m->methods = *f->pMethods;
    m->methods.xFetch = fetch;
    m->methods.xUnfetch = unfetch;
    m->methods.xFileControl = control;
    m->fd = fd;
    m->at = at;
    m->page = sysconf(_SC_PAGESIZE);
    m->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    atomic_init(&m->rest, shared_bytes(m));
    return m;
}

void sqlite_map_attach(struct sqlite_map *m, struct sqlite_conn *c)
{
    sqlite3_file *f = m ? file_of(c) : NULL;
    if (f && f->pMethods == m->plain) {
        f->pMethods = &m->methods;
        sqlite_conn_exec(c, "PRAGMA mmap_size=1073741824", NULL);
    }
}

bool sqlite_map_trim(struct sqlite_map *m)
{
    if (!m || !atomic_exchange(&m->touched, false)) {
        return false;
    }
    give_back(m);
    return true;
}

void sqlite_map_destroy(struct sqlite_map *m)
{
    if (m) {
        munmap(m->at, MAP_BYTES);
        close(m->fd);
        if (m->statm >= 0) {
            close(m->statm);
        }
        free(m);
    }
}
