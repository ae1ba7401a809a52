/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in a directory: one walk over it, which reads no file. */
#include "services/provisioning/tree_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"

struct walk {
    struct tree *t;
    const char *root;
    tree_dir_fn *fn;
    void *arg;
    struct {
        dev_t dev;
        ino_t ino;
    } above[LIMIT_PROVISION_DEPTH]; /* the directories that the present one is in */
    bool full;
};

static void close_dirp(DIR **d)
{
    if (*d) {
        closedir(*d);
    }
}

static void *grow(struct arena *a, void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return items;
    }
    *cap = *cap ? *cap * 2 : 64;
    void *more = arena_alloc(a, *cap * size);
    if (n) {
        memcpy(more, items, n * size);
    }
    return more;
}

static void add_problem(struct tree *t, const char *path, bool dir, const char *reason,
                        bool unknown, const char *message)
{
    t->problems =
        grow(&t->arena, t->problems, t->n_problems, &t->cap_problems, sizeof(*t->problems));
    t->problems[t->n_problems++] = (struct tree_problem){
        .path = str_from(arena_printf(&t->arena, "%s%s", path, dir && *path ? "/" : "")),
        .message = str_from(arena_strdup(&t->arena, message)),
        .reason = reason,
        .unknown = unknown,
    };
}

static int64_t time_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void add_file(struct walk *w, const char *path, const struct stat *st)
{
    struct tree *t = w->t;
    if (t->n_files >= LIMIT_PROVISION_FILES) {
        if (!w->full) {
            AUTO_FREE char *text = alloc_printf(
                "there are more than %d files; the rest is left out", LIMIT_PROVISION_FILES);
            add_problem(t, "", true, "TooManyFiles", true, text);
        }
        w->full = true;
        return;
    }
    t->files = grow(&t->arena, t->files, t->n_files, &t->cap_files, sizeof(*t->files));
    t->files[t->n_files++] = (struct tree_file){
        .path = str_from(arena_strdup(&t->arena, path)),
        .stamp = {.dev = st->st_dev,
                  .ino = st->st_ino,
                  .size = st->st_size,
                  .mtime_ns = time_ns(st->st_mtim),
                  .ctime_ns = time_ns(st->st_ctim)},
    };
}

static bool has_suffix(const char *name)
{
    struct str s = str_from(name);
    return str_ends(s, STR(".yaml")) || str_ends(s, STR(".yml")) || str_ends(s, STR(".json"));
}

static int walk(struct walk *w, const char *path, size_t depth, struct err *err);

/* A directory below another, which may be there again above itself. */
static void walk_below(struct walk *w, const char *path, const struct stat *st, size_t depth)
{
    AUTO(err_finish) struct err why = {0};
    for (size_t i = 0; i < depth; i++) {
        if (w->above[i].dev == st->st_dev && w->above[i].ino == st->st_ino) {
            add_problem(w->t, path, true, "Loop", false,
                        "a symbolic link leads to a directory that it is in");
            return;
        }
    }
    if (depth >= LIMIT_PROVISION_DEPTH) {
        add_problem(w->t, path, true, "TooDeep", true,
                    "the directory is nested too deeply and is not read");
        return;
    }
    if (walk(w, path, depth, &why) < 0) {
        add_problem(w->t, path, true, "Unreadable", why.code != ERR_NOT_FOUND, err_message(&why));
    }
}

static void visit(struct walk *w, const char *path, const char *name, size_t depth)
{
    struct stat st;
    AUTO_FREE char *full = alloc_printf("%s/%s", w->root, path);
    bool suffix = has_suffix(name);
    if (stat(full, &st) < 0) {
        AUTO_FREE char *text = alloc_printf("cannot be read: %s", strerrordesc_np(errno));
        if (lstat(full, &st) == 0 && (suffix || S_ISLNK(st.st_mode))) {
            add_problem(w->t, path, !suffix, "Unreadable", true, text);
        }
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        walk_below(w, path, &st, depth + 1);
    } else if (suffix && S_ISREG(st.st_mode)) {
        add_file(w, path, &st);
    } else if (suffix) {
        add_problem(w->t, path, false, "NotAFile", false, "is neither a file nor a directory");
    }
}

static int cannot(struct err *err, const char *what)
{
    return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", what,
                   strerrordesc_np(errno));
}

/* Reads the directory of that depth and what is below. */
static int walk(struct walk *w, const char *path, size_t depth, struct err *err)
{
    AUTO_FREE char *full = *path ? alloc_printf("%s/%s", w->root, path) : alloc_strdup(w->root);
    struct stat st;
    w->fn(w->arg, full, path);
    AUTO(close_dirp) DIR *d = opendir(full);
    if (!d || fstat(dirfd(d), &st) < 0) {
        return cannot(err, "the directory cannot be opened");
    }
    w->above[depth].dev = st.st_dev;
    w->above[depth].ino = st.st_ino;
    w->t->n_dirs++;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) {
            return errno ? cannot(err, "the directory cannot be read") : 0;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        w->t->bare = false;
        if (e->d_name[0] != '.') {
            AUTO_FREE char *below = alloc_printf("%s%s%s", path, *path ? "/" : "", e->d_name);
            visit(w, below, e->d_name, depth);
        }
    }
}

static int by_path(const void *a, const void *b)
{
    const struct tree_file *x = a, *y = b;
    return str_cmp(x->path, y->path);
}

int tree_scan(struct tree *t, const char *root, tree_dir_fn *fn, void *arg, struct err *err)
{
    struct walk w = {.t = t, .root = root, .fn = fn, .arg = arg};
    *t = (struct tree){.bare = true};
    arena_init(&t->arena, 0);
    int rc = walk(&w, "", 0, err);
    if (!rc) {
        t->dev = w.above[0].dev;
        t->ino = w.above[0].ino;
        if (t->n_files) {
            qsort(t->files, t->n_files, sizeof(*t->files), by_path);
        }
    }
    return rc;
}

void tree_finish(struct tree *t)
{
    arena_finish(&t->arena);
    *t = (struct tree){0};
}

bool tree_unknown(const struct tree *t, struct str path)
{
    for (size_t i = 0; i < t->n_problems; i++) {
        const struct tree_problem *p = &t->problems[i];
        bool dir = !p->path.len || str_ends(p->path, STR("/"));
        if (p->unknown && (dir ? str_starts(path, p->path) : str_eq(path, p->path))) {
            return true;
        }
    }
    return false;
}
