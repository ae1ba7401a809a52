/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that loses its power: the system calls that change files in one directory are done and
 * also noted, and at any moment a second directory can be made that holds what a power loss then
 * might leave: what was synced, and of what was not any part, in sectors. Names last when the
 * directory was synced. Syncs can be made to fail as Linux's do: what was to be written is
 * forgotten, stays readable, and the next sync succeeds; each open file is told once.
 *
 * The calls are caught by being defined in the test's program, so that the store's own and
 * sqlite's are. What is written through shared mappings (sqlite's index of the log) is not kept: it
 * is made anew at start. */
#ifndef TESTS_POWER_H
#define TESTS_POWER_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"

enum { POWER_FDS = 1024, POWER_FILES = 256, POWER_NAMES = 256, POWER_SECTOR = 512 };

/* How much of what was not synced is left. */
enum power_left { POWER_NONE, POWER_ALL, POWER_PREFIX, POWER_SECTORS, POWER_LEFT_KINDS };

struct power_change {
    bool truncate;
    size_t at, len;
    char *data;
};

struct power_file {
    char *synced;
    size_t size;
    struct power_change *changes;
    size_t n, cap;
    int failures; /* of syncs */
};

struct power_name {
    char name[40];
    struct power_file *file; /* NULL: the name was removed */
};

struct power_fd {
    struct power_file *file;
    bool dir;
    int failures; /* seen */
};

struct power {
    char dir[64];  /* empty: nothing is noted */
    char base[64]; /* where what is synced of files that are there already is; empty: all of it */
    pthread_mutex_t lock;
    struct power_fd fds[POWER_FDS];
    struct power_file files[POWER_FILES];
    size_t n_files;
    struct power_name names[POWER_NAMES], fresh[POWER_NAMES]; /* synced; not synced, in order */
    size_t n_names, n_fresh;
    uint64_t random;
    size_t calls, syncs;
    int fail_every; /* a sync in so many fails; 0: none */
    size_t failed;
    _Atomic size_t cut_at;  /* the call after which the power goes; 0: never */
    bool cut_unsynced;      /* and that before the next sync of what was written */
    void (*cut)(void *arg); /* then, under the lock */
    void *cut_arg;
};

static struct power power = {.lock = PTHREAD_MUTEX_INITIALIZER, .random = 88172645463325252u};

/* An assertion on any thread. */
static inline void power_need(bool holds)
{
    if (!holds) {
        perror("the disk that loses its power");
        abort();
    }
}

static inline uint64_t power_random(void)
{
    power.random ^= power.random << 13;
    power.random ^= power.random >> 7;
    power.random ^= power.random << 17;
    return power.random;
}

#define POWER_REAL(ret, name, ...)                                                                 \
    static ret (*real)(__VA_ARGS__);                                                               \
    if (!real) {                                                                                   \
        *(void **)&real = dlsym(RTLD_NEXT, name);                                                  \
    }

/* ---- files ---- */

static inline void power_apply(char **data, size_t *size, const struct power_change *c, size_t from,
                               size_t to)
{
    if (c->truncate && c->at <= *size) {
        *size = c->at;
        return;
    }
    size_t end = c->truncate ? c->at : c->at + to;
    if (end > *size) {
        *data = alloc_resize(*data, end);
        memset(*data + *size, 0, end - *size);
        *size = end;
    }
    if (!c->truncate) {
        memcpy(*data + c->at + from, c->data + from, to - from);
    }
}

static inline void power_forget(struct power_file *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->changes[i].data);
    }
    f->n = 0;
}

static inline void power_note(struct power_file *f, bool truncate, size_t at, const void *data,
                              size_t len)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 64;
        f->changes = alloc_resize(f->changes, f->cap * sizeof(*f->changes));
    }
    struct power_change *c = &f->changes[f->n++];
    *c = (struct power_change){.truncate = truncate, .at = at, .len = len};
    if (len) {
        c->data = alloc_bytes(len);
        memcpy(c->data, data, len);
    }
}

static inline const char *power_name_of(const char *path)
{
    size_t n = strlen(power.dir);
    return n && !strncmp(path, power.dir, n) && path[n] == '/' && path[n + 1] != '.' &&
                   !strchr(path + n + 1, '/')
               ? path + n + 1
               : NULL;
}

static inline struct power_name *power_find(struct power_name *names, size_t n, const char *name)
{
    for (size_t i = n; i > 0; i--) {
        if (!strcmp(names[i - 1].name, name)) {
            return &names[i - 1];
        }
    }
    return NULL;
}

static inline void power_name_set(struct power_name *names, size_t *n, const char *name,
                                  struct power_file *f)
{
    power_need(*n < POWER_NAMES);
    names[*n] = (struct power_name){.file = f};
    snprintf(names[*n].name, sizeof(names[*n].name), "%s", name);
    ++*n;
}

static inline struct power_file *power_current(const char *name)
{
    struct power_name *at = power_find(power.fresh, power.n_fresh, name);
    at = at ? at : power_find(power.names, power.n_names, name);
    return at ? at->file : NULL;
}

static inline void power_call(void)
{
    power.calls++;
    if (power.calls == atomic_load(&power.cut_at) && !power.cut_unsynced) {
        power.cut(power.cut_arg);
    }
}

static inline char *power_whole(const char *path, size_t size)
{
    char *data = alloc_bytes(size + 1);
    FILE *in = fopen(path, "rb");
    power_need(in && fread(data, 1, size, in) == size);
    fclose(in);
    return data;
}

static inline size_t power_read(int fd, char **ret)
{
    struct stat st;
    power_need(!fstat(fd, &st));
    *ret = alloc_bytes((size_t)st.st_size + 1);
    power_need(pread(fd, *ret, (size_t)st.st_size, 0) == (ssize_t)st.st_size);
    return (size_t)st.st_size;
}

/* A file that was there before is taken to be on the disk as it is, or as it is in the base. */
static inline void power_found(struct power_file *f, int fd, const char *name)
{
    char *now = NULL;
    size_t size = power_read(fd, &now);
    if (!power.base[0]) {
        f->synced = now;
        f->size = size;
        power_name_set(power.names, &power.n_names, name, f);
        return;
    }
    AUTO_FREE char *path = alloc_printf("%s/%s", power.base, name);
    struct stat st;
    if (stat(path, &st)) {
        power_name_set(power.fresh, &power.n_fresh, name, f);
    } else {
        power_name_set(power.names, &power.n_names, name, f);
        f->size = (size_t)st.st_size;
        f->synced = power_whole(path, f->size);
    }
    power_note(f, true, 0, NULL, 0);
    power_note(f, false, 0, now, size);
    free(now);
}

static inline void power_opened(int fd, const char *path, bool created)
{
    const char *name = power_name_of(path);
    if (fd < 0 || fd >= POWER_FDS || (!name && strcmp(path, power.dir) != 0)) {
        return;
    }
    pthread_mutex_lock(&power.lock);
    power.fds[fd] = (struct power_fd){.dir = !name};
    if (name && strcmp(name, "store.db-shm") != 0) {
        struct power_file *f = created ? NULL : power_current(name);
        if (!f) {
            power_need(power.n_files < POWER_FILES);
            f = &power.files[power.n_files++];
            if (created) {
                power_name_set(power.fresh, &power.n_fresh, name, f);
            } else {
                power_found(f, fd, name);
            }
        }
        power.fds[fd].file = f;
        power.fds[fd].failures = f->failures;
        power_call();
    }
    pthread_mutex_unlock(&power.lock);
}

/* Not locked: whoever is given one finds it empty, once it has the lock, where the watch ended
 * meanwhile. */
static inline struct power_fd *power_fd(int fd)
{
    return power.dir[0] && fd >= 0 && fd < POWER_FDS && (power.fds[fd].file || power.fds[fd].dir)
               ? &power.fds[fd]
               : NULL;
}

static inline void power_sync_names(void)
{
    for (size_t i = 0; i < power.n_fresh; i++) {
        struct power_name *at = power_find(power.names, power.n_names, power.fresh[i].name);
        if (at) {
            at->file = power.fresh[i].file;
        } else {
            power.names[power.n_names++] = power.fresh[i];
        }
    }
    power.n_fresh = 0;
}

static inline int power_sync(struct power_fd *d)
{
    int code = 0;
    pthread_mutex_lock(&power.lock);
    power.syncs++;
    if (d->dir) {
        power_sync_names();
    } else if (d->file) {
        struct power_file *f = d->file;
        size_t at = atomic_load(&power.cut_at);
        if (power.cut_unsynced && f->n && at && power.calls >= at) {
            power.cut(power.cut_arg);
        }
        if (power.fail_every && f->n && power_random() % (uint64_t)power.fail_every == 0) {
            power.failed++;
            f->failures++;
            power_forget(f);
        }
        for (size_t i = 0; i < f->n; i++) {
            power_apply(&f->synced, &f->size, &f->changes[i], 0, f->changes[i].len);
        }
        power_forget(f);
        code = d->failures != f->failures ? -1 : 0;
        d->failures = f->failures;
    }
    power_call();
    pthread_mutex_unlock(&power.lock);
    errno = code ? EIO : errno;
    return code;
}

/* ---- the calls ---- */

static inline int power_open(int (*real)(const char *, int, ...), const char *path, int flags,
                             mode_t mode)
{
    bool created = (flags & O_CREAT) && power_name_of(path) && access(path, F_OK) != 0;
    int fd = real(path, flags, mode);
    if (power.dir[0]) {
        power_opened(fd, path, created);
    }
    return fd;
}

int open(const char *path, int flags, ...)
{
    POWER_REAL(int, "open", const char *, int, ...)
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return power_open(real, path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    POWER_REAL(int, "open64", const char *, int, ...)
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return power_open(real, path, flags, mode);
}

int close(int fd)
{
    POWER_REAL(int, "close", int)
    if (power_fd(fd)) {
        pthread_mutex_lock(&power.lock);
        power.fds[fd] = (struct power_fd){.file = NULL};
        pthread_mutex_unlock(&power.lock);
    }
    return real(fd);
}

static inline ssize_t power_write(ssize_t (*real)(int, const void *, size_t, off_t), int fd,
                                  const void *p, size_t n, off_t at)
{
    struct power_fd *d = power_fd(fd);
    if (!d) {
        return real(fd, p, n, at);
    }
    pthread_mutex_lock(&power.lock);
    ssize_t done = real(fd, p, n, at);
    if (done > 0 && d->file) {
        power_note(d->file, false, (size_t)at, p, (size_t)done);
    }
    power_call();
    pthread_mutex_unlock(&power.lock);
    return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    POWER_REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)
    return power_write(real, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    POWER_REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t)
    return power_write(real, fd, p, n, at);
}

static inline int power_truncate(int (*real)(int, off_t), int fd, off_t size)
{
    struct power_fd *d = power_fd(fd);
    if (!d) {
        return real(fd, size);
    }
    pthread_mutex_lock(&power.lock);
    int code = real(fd, size);
    if (!code && d->file) {
        power_note(d->file, true, (size_t)size, NULL, 0);
    }
    power_call();
    pthread_mutex_unlock(&power.lock);
    return code;
}

int ftruncate(int fd, off_t size)
{
    POWER_REAL(int, "ftruncate", int, off_t)
    return power_truncate(real, fd, size);
}

int ftruncate64(int fd, off_t size);
int ftruncate64(int fd, off_t size)
{
    POWER_REAL(int, "ftruncate64", int, off_t)
    return power_truncate(real, fd, size);
}

/* Nothing here needs the machine's own disk to be synced. */
int fsync(int fd)
{
    struct power_fd *d = power_fd(fd);
    return d ? power_sync(d) : 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int unlink(const char *path)
{
    POWER_REAL(int, "unlink", const char *)
    int code = real(path);
    const char *name = power_name_of(path);
    if (!code && name) {
        pthread_mutex_lock(&power.lock);
        power_name_set(power.fresh, &power.n_fresh, name, NULL);
        power_call();
        pthread_mutex_unlock(&power.lock);
    }
    return code;
}

/* ---- the power goes ---- */

static inline void power_write_file(const char *path, const char *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    power_need(fd >= 0);
    power_need(write(fd, data, n) == (ssize_t)n);
    close(fd);
}

/* Each sector of a change is there or not. */
static inline void power_apply_some(char **data, size_t *size, const struct power_change *c)
{
    for (size_t from = 0; from < c->len;) {
        size_t to = (c->at + from) / POWER_SECTOR * POWER_SECTOR + POWER_SECTOR - c->at;
        to = to < c->len ? to : c->len;
        if (power_random() % 2) {
            power_apply(data, size, c, from, to);
        }
        from = to;
    }
}

static inline void power_leave(const struct power_file *f, const char *path, enum power_left left)
{
    size_t size = f->size, n = left == POWER_NONE ? 0 : f->n;
    char *data = alloc_bytes(size + 1);
    if (size) {
        memcpy(data, f->synced, size);
    }
    if (left == POWER_PREFIX && n) {
        n = power_random() % (n + 1);
    }
    for (size_t i = 0; i < n; i++) {
        const struct power_change *c = &f->changes[i];
        if (left == POWER_SECTORS && !c->truncate) {
            power_apply_some(&data, &size, c);
        } else if (left != POWER_SECTORS || power_random() % 2) {
            power_apply(&data, &size, c, 0, c->len);
        }
    }
    /* The last one torn. */
    if (left == POWER_PREFIX && n < f->n && !f->changes[n].truncate) {
        power_apply_some(&data, &size, &f->changes[n]);
    }
    power_write_file(path, data, size);
    free(data);
}

/* Makes what may be left in the directory `to`, which is empty. Under the lock. */
static inline void power_image(const char *to, enum power_left left)
{
    struct power_name names[2 * POWER_NAMES];
    size_t n = power.n_names;
    memcpy(names, power.names, n * sizeof(*names));
    size_t fresh = left == POWER_NONE  ? 0
                   : left == POWER_ALL ? power.n_fresh
                                       : power_random() % (power.n_fresh + 1);
    memcpy(names + n, power.fresh, fresh * sizeof(*names));
    n += fresh;
    for (size_t i = 0; i < n; i++) {
        if (names[i].file && power_find(names, n, names[i].name) == &names[i]) {
            AUTO_FREE char *path = alloc_printf("%s/%s", to, names[i].name);
            power_leave(names[i].file, path, left);
        }
    }
}

/* Notes what is done in dir from now on; NULL: ends that, and forgets. */
static inline void power_watch(const char *dir)
{
    pthread_mutex_lock(&power.lock);
    for (size_t i = 0; i < power.n_files; i++) {
        power_forget(&power.files[i]);
        free(power.files[i].changes);
        free(power.files[i].synced);
        power.files[i] = (struct power_file){.n = 0};
    }
    memset(power.fds, 0, sizeof(power.fds));
    power.n_files = power.n_names = power.n_fresh = power.calls = 0;
    atomic_store(&power.cut_at, 0);
    power.base[0] = 0;
    power.cut_unsynced = false;
    snprintf(power.dir, sizeof(power.dir), "%s", dir ? dir : "");
    pthread_mutex_unlock(&power.lock);
}

#endif
