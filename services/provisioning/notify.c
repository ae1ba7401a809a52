/* SPDX-License-Identifier: Apache-2.0 */
/* Tells that something changed below a directory, by inotify. What changed is found by a walk:
 * events only wake it, and tell which files are still being written. The directory that the root
 * lies in is watched for the root's own name, so that a root that comes, goes, or is a symbolic
 * link led elsewhere is noticed. */
#include "services/provisioning/notify_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum { BUSY_MAX = 1000, BUSY_MS = 30 * 1000 };

#define MASK                                                                                       \
    (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |              \
     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_EXCL_UNLINK | IN_ONLYDIR)

struct watched {
    int wd;
    unsigned walk; /* the last one that named it */
    char *path;    /* below the root */
};

struct busy {
    char *path;
    int64_t changed_ms;
};

struct notify {
    int fd;
    char *root;
    struct watched *dirs; /* sorted by wd */
    size_t n_dirs, cap_dirs;
    int above;     /* watches the nearest directory above the root that is there; -1: none */
    char *awaited; /* the name in it that leads to the root */
    unsigned walk;
    bool complete;
    struct busy busy[BUSY_MAX];
    size_t n_busy;
};

struct notify *notify_create(const char *root)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    struct notify *n = ALLOC(struct notify);
    n->fd = fd;
    n->root = alloc_strdup(root);
    n->above = -1;
    return n;
}

void notify_destroy(struct notify *n)
{
    if (!n) {
        return;
    }
    close(n->fd);
    for (size_t i = 0; i < n->n_dirs; i++) {
        free(n->dirs[i].path);
    }
    for (size_t i = 0; i < n->n_busy; i++) {
        free(n->busy[i].path);
    }
    free(n->dirs);
    free(n->awaited);
    free(n->root);
    free(n);
}

int notify_fd(const struct notify *n)
{
    return n->fd;
}

/* ---- which directories are watched ---- */

/* Where wd stands, or would. */
static size_t find(const struct notify *n, int wd)
{
    size_t from = 0, to = n->n_dirs;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (n->dirs[mid].wd < wd) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

static struct watched *watched(struct notify *n, int wd)
{
    size_t i = find(n, wd);
    return i < n->n_dirs && n->dirs[i].wd == wd ? &n->dirs[i] : NULL;
}

static struct watched *insert(struct notify *n, int wd)
{
    size_t i = find(n, wd);
    if (n->n_dirs == n->cap_dirs) {
        n->cap_dirs = n->cap_dirs ? n->cap_dirs * 2 : 16;
        n->dirs = alloc_resize(n->dirs, n->cap_dirs * sizeof(*n->dirs));
    }
    memmove(&n->dirs[i + 1], &n->dirs[i], (n->n_dirs - i) * sizeof(*n->dirs));
    n->n_dirs++;
    n->dirs[i] = (struct watched){.wd = wd};
    return &n->dirs[i];
}

static void drop(struct notify *n, struct watched *w)
{
    size_t i = (size_t)(w - n->dirs);
    free(w->path);
    memmove(w, w + 1, (n->n_dirs - i - 1) * sizeof(*n->dirs));
    n->n_dirs--;
}

/* Watches the nearest directory above the root that is there. */
static void watch_above(struct notify *n)
{
    AUTO_FREE char *path = alloc_strdup(n->root);
    int wd = -1;
    while (wd < 0 && strcmp(path, "/") != 0) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            break;
        }
        free(n->awaited);
        n->awaited = alloc_strdup(slash + 1);
        slash[slash == path] = 0; /* "/a" lies in "/" */
        wd = inotify_add_watch(n->fd, path, MASK);
    }
    if (n->above >= 0 && n->above != wd && !watched(n, n->above)) {
        inotify_rm_watch(n->fd, n->above);
    }
    n->above = wd;
}

void notify_begin(struct notify *n)
{
    n->walk++;
    n->complete = true;
    watch_above(n);
}

void notify_dir(struct notify *n, const char *full, const char *path)
{
    int wd = inotify_add_watch(n->fd, full, MASK);
    if (wd < 0) {
        n->complete = n->complete && (errno == ENOENT || errno == ENOTDIR || errno == EACCES);
        return;
    }
    struct watched *w = watched(n, wd);
    w = w ? w : insert(n, wd);
    w->walk = n->walk;
    if (!w->path || strcmp(w->path, path) != 0) {
        free(w->path);
        w->path = alloc_strdup(path);
    }
}

bool notify_end(struct notify *n)
{
    for (size_t i = n->n_dirs; i > 0; i--) {
        struct watched *w = &n->dirs[i - 1];
        if (w->walk != n->walk) {
            if (w->wd != n->above) {
                inotify_rm_watch(n->fd, w->wd);
            }
            drop(n, w);
        }
    }
    return n->complete;
}

/* ---- which files are being written ---- */

static struct busy *busy_find(struct notify *n, struct str path)
{
    for (size_t i = 0; i < n->n_busy; i++) {
        if (str_is(path, n->busy[i].path)) {
            return &n->busy[i];
        }
    }
    return NULL;
}

static void busy_drop(struct notify *n, struct busy *b)
{
    free(b->path);
    *b = n->busy[--n->n_busy];
}

static void busy_add(struct notify *n, const char *path)
{
    struct busy *b = busy_find(n, str_from(path));
    int64_t now = clock_mono_ms();
    for (size_t i = n->n_busy; !b && n->n_busy == BUSY_MAX && i > 0; i--) {
        if (now - n->busy[i - 1].changed_ms >= BUSY_MS) {
            busy_drop(n, &n->busy[i - 1]);
        }
    }
    if (!b && n->n_busy < BUSY_MAX) {
        b = &n->busy[n->n_busy++];
        b->path = alloc_strdup(path);
    }
    if (b) {
        b->changed_ms = now;
    }
}

bool notify_busy(struct notify *n, struct str path)
{
    const struct busy *b = busy_find(n, path);
    return b && clock_mono_ms() - b->changed_ms < BUSY_MS;
}

/* ---- events ---- */

/* Names that no walk looks at, but for the links that ConfigMap volumes are swapped by ("..data").
 */
static bool is_noise(const char *name)
{
    struct str s = str_from(name);
    return (name[0] == '.' && name[1] != '.') || str_ends(s, STR("~")) || str_ends(s, STR(".swp"));
}

/* A file that was made by being opened will be closed; a link will not. */
static bool will_be_closed(const struct notify *n, const char *path)
{
    AUTO_FREE char *full = alloc_printf("%s/%s", n->root, path);
    struct stat st;
    return lstat(full, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static bool on_name(struct notify *n, const struct watched *w, const struct inotify_event *e)
{
    AUTO_FREE char *path = alloc_printf("%s%s%s", w->path, *w->path ? "/" : "", e->name);
    bool opened = !(e->mask & IN_ISDIR) &&
                  ((e->mask & IN_MODIFY) || ((e->mask & IN_CREATE) && will_be_closed(n, path)));
    if (opened) {
        busy_add(n, path);
        return false;
    }
    struct busy *b = busy_find(n, str_from(path));
    if (b && !(e->mask & IN_ATTRIB)) {
        busy_drop(n, b);
    }
    return !is_noise(e->name);
}

static bool on_event(struct notify *n, const struct inotify_event *e)
{
    struct watched *w = watched(n, e->wd);
    bool changed = (e->mask & IN_Q_OVERFLOW) != 0;
    if (e->mask & IN_Q_OVERFLOW) { /* who has closed what is not known any more */
        while (n->n_busy) {
            busy_drop(n, &n->busy[0]);
        }
    }
    if (e->wd == n->above && e->len) {
        changed = changed || (strcmp(e->name, n->awaited) == 0 && !(e->mask & IN_MODIFY));
    } else if (e->wd == n->above) {
        changed = true; /* the directory above went or was moved itself */
    }
    if (w && e->len) {
        changed = on_name(n, w, e) || changed;
    } else if (w) {
        changed = changed || !(e->mask & IN_IGNORED);
    }
    if (e->mask & IN_IGNORED) {
        n->above = e->wd == n->above ? -1 : n->above;
        if (w) {
            drop(n, w);
        }
    }
    return changed;
}

bool notify_read(struct notify *n)
{
    _Alignas(struct inotify_event) char buffer[16384];
    bool changed = false;
    for (;;) {
        ssize_t got = read(n->fd, buffer, sizeof(buffer));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return changed;
        }
        for (ssize_t at = 0; at < got;) {
            struct inotify_event e;
            memcpy(&e, buffer + at, sizeof(e));
            changed =
                on_event(n, (const struct inotify_event *)(const void *)(buffer + at)) || changed;
            at += (ssize_t)(sizeof(e) + e.len);
        }
    }
}
