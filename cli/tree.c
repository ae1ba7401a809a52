/* SPDX-License-Identifier: Apache-2.0 */
/* The checkout that a new service is written into. */
#include "cli/tree.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/yaml.h"

#define FILE_BYTES ((size_t)4 << 20)

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool is_root(struct arena *a, const char *dir)
{
    static const char *const marks[] = {"CMakeLists.txt", "services/service.h",
                                        "cli/templates/service"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        if (!exists(arena_printf(a, "%s/%s", dir, marks[i]))) {
            return false;
        }
    }
    return true;
}

int tree_find(struct arena *a, const char **ret_root, struct err *err)
{
    AUTO_FREE char *here = getcwd(NULL, 0);
    if (!here) {
        return err_set(err, ERR_IO, "cannot tell the working directory: %s",
                       strerrordesc_np(errno));
    }
    char *dir = arena_strdup(a, here);
    while (!is_root(a, dir)) {
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir) {
            return err_set(
                err, ERR_NOT_FOUND,
                "neither %s nor a folder above it is a checkout of Coracle: a service is "
                "written into its services/",
                here);
        }
        *slash = 0;
    }
    *ret_root = dir;
    return 0;
}

/* ---- what is taken ---- */

struct look {
    struct arena *arena;
    const char *root;
    const struct naming *names;
};

typedef int file_fn(const struct look *l, const char *path, struct err *err);

/* Calls fn with each file that matches, as its path from the root. */
static int each_file(const struct look *l, const char *pattern, file_fn *fn, struct err *err)
{
    glob_t g;
    int r = 0;
    size_t skip = strlen(l->root) + 1;
    if (glob(arena_printf(l->arena, "%s/%s", l->root, pattern), 0, NULL, &g) != 0) {
        return 0;
    }
    for (size_t i = 0; i < g.gl_pathc && r == 0; i++) {
        r = fn(l, g.gl_pathv[i] + skip, err);
    }
    globfree(&g);
    return r;
}

static int read_file(const struct look *l, const char *path, struct buf *ret, struct err *err)
{
    return file_read(arena_printf(l->arena, "%s/%s", l->root, path), FILE_BYTES, ret, err);
}

static int read_yaml(const struct look *l, const char *path, yyjson_mut_val **ret, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    yyjson_mut_doc *d = NULL;
    int r = read_file(l, path, &text, err);
    if (r < 0) {
        return r;
    }
    if ((r = yaml_read(l->arena, arena_str(l->arena, buf_str(&text)), &d, NULL, err)) < 0) {
        return err_wrap(err, "%s", path);
    }
    *ret = d->root;
    return 0;
}

static int check_manifest(const struct look *l, const char *path, struct err *err)
{
    yyjson_mut_val *m = NULL;
    int r = read_yaml(l, path, &m, err);
    if (r < 0) {
        return r;
    }
    struct str provides = json_get_str(json_get(m, "provides"), "name");
    if (str_eq(provides.len ? provides : json_get_str(m, "name"), l->names->name)) {
        return err_set(err, ERR_EXISTS, "%s provides %.*s already", path, STR_FMT(l->names->name));
    }
    return 0;
}

static int check_document(const struct look *l, const char *path, struct err *err)
{
    yyjson_mut_val *doc = NULL;
    int r = read_yaml(l, path, &doc, err);
    const struct naming *n = l->names;
    const yyjson_mut_val *spec = json_get(doc, "spec"), *names = json_get(spec, "names");
    if (r < 0 || !str_eq(json_get_str(spec, "group"), n->group)) {
        return r;
    }
    if (str_eq(json_get_str(names, "plural"), n->plural) ||
        str_eq(json_get_str(names, "kind"), n->kind)) {
        return err_set(err, ERR_EXISTS, "%s has %.*s or its kind %.*s in the group %.*s already",
                       path, STR_FMT(n->plural), STR_FMT(n->kind), STR_FMT(n->group));
    }
    return 0;
}

/* Whether the text declares or defines what `words` says: "struct NAME". */
static bool has_struct(struct str text, const char *words)
{
    size_t n = strlen(words);
    while (text.len) {
        const char *at = memmem(text.ptr, text.len, words, n);
        if (!at) {
            return false;
        }
        text = str_skip(text, (size_t)(at - text.ptr) + n);
        if (str_starts(text, STR(";")) || str_starts(text, STR(" {"))) {
            return true;
        }
    }
    return false;
}

static int check_header(const struct look *l, const char *path, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    const char *words = arena_printf(l->arena, "struct %.*s", STR_FMT(l->names->name));
    int r = read_file(l, path, &text, err);
    if (r == 0 && has_struct(buf_str(&text), words)) {
        return err_set(err, ERR_EXISTS, "%s has a %s already", path, words);
    }
    return r;
}

int tree_check(struct arena *a, const char *root, const struct naming *n, struct err *err)
{
    static const char *const headers[] = {"base/*.h",      "storage/*.h",     "schemas/*.h",
                                          "resources/*.h", "controllers/*.h", "apiserver/*.h",
                                          "services/*.h",  "services/*/*.h"};
    const struct look l = {a, root, n};
    const char *folder = arena_printf(a, "services/%.*s", STR_FMT(n->name));
    if (exists(arena_printf(a, "%s/%s", root, folder))) {
        return err_set(err, ERR_EXISTS, "%s is there already", folder);
    }
    int r = each_file(&l, "services/*/service.yaml", check_manifest, err);
    if (r == 0) {
        r = each_file(&l, "services/*/schemas/*.yaml", check_document, err);
    }
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers) && r == 0; i++) {
        r = each_file(&l, headers[i], check_header, err);
    }
    return r;
}
