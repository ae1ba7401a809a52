/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in a directory: one walk over it, which reads no file. */
#ifndef SERVICES_PROVISIONING_TREE_PRIV_H
#define SERVICES_PROVISIONING_TREE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* What tells a changed file from one that is as it was. */
struct tree_stamp {
    uint64_t dev, ino;
    int64_t size, mtime_ns, ctime_ns;
};

struct tree_file {
    struct str path; /* below the root: "a/b.yaml" */
    struct tree_stamp stamp;
};

/* Something that is not read; path ends in a slash where everything below is unknown ("" or "a/"). */
struct tree_problem {
    struct str path, message;
    const char *reason;
    bool unknown; /* what lies there may be there still */
};

struct tree {
    struct arena arena;
    struct tree_file *files; /* sorted by path */
    size_t n_files, cap_files;
    struct tree_problem *problems;
    size_t n_problems, cap_problems;
    size_t n_dirs;
    bool bare;           /* the root has no entry at all */
    uint64_t dev, ino;   /* the root's */
};

/* Called for each directory before it is read; path: "", "a", "a/b". */
typedef void tree_dir_fn(void *arg, const char *full, const char *path);

/* Walks over the directory: files that end in .yaml, .yml or .json, symbolic links followed; hidden names are left out. A
 * directory that cannot be read, that is within itself by a link, or deeper than LIMIT_PROVISION_DEPTH is a problem of the
 * tree; so are files beyond LIMIT_PROVISION_FILES. ERR_NOT_FOUND, ERR_IO: the root itself cannot be read. tree_finish in any case. */
int tree_scan(struct tree *t, const char *root, tree_dir_fn *fn, void *arg, struct err *err);
void tree_finish(struct tree *t);
/* Whether a file of that path, which was not found, may be there all the same. */
bool tree_unknown(const struct tree *t, struct str path);

#endif
