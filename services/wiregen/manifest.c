/* SPDX-License-Identifier: Apache-2.0 */
/* A service's manifest, read and checked. */
#include "services/wiregen/manifest.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/yaml.h"

#define MANIFEST_BYTES ((size_t)4 << 20)

static int read_tree(struct arena *a, const char *path, yyjson_mut_val **ret, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    struct json_duplicates twice = {0};
    yyjson_mut_doc *d = NULL;
    int r = file_read(path, MANIFEST_BYTES, &text, err);
    if (r < 0) {
        return r;
    }
    if ((r = yaml_read(a, arena_str(a, buf_str(&text)), &d, &twice, err)) < 0) {
        return err_wrap(err, "%s", path);
    }
    if (twice.n) {
        return err_set(err, ERR_BAD_REQUEST, "%s: %.*s stands twice", path,
                       STR_FMT(twice.paths[0]));
    }
    if (!json_is_obj(d->root)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: a map is wanted", path);
    }
    *ret = d->root;
    return 0;
}

/* Names become C identifiers. */
static bool is_identifier(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return s.len > 0;
}

static int read_strings(struct arena *a, const char *path, const yyjson_mut_val *list,
                        const char *key, struct str **ret, size_t *ret_n, struct err *err)
{
    size_t n = 0;
    if (list && !json_is_arr(list)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: %s: a list is wanted", path, key);
    }
    *ret = arena_alloc(a, (json_size(list) + 1) * sizeof(**ret));
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (!json_is_str(it.val)) {
            return err_set(err, ERR_BAD_REQUEST, "%s: %s[%zu]: a text is wanted", path, key,
                           it.index);
        }
        (*ret)[n++] = json_str(it.val);
    }
    *ret_n = n;
    return 0;
}

static int read_resource(struct arena *a, const char *dir, const char *path,
                         struct manifest_resource *res, struct err *err)
{
    yyjson_mut_val *tree = NULL;
    const char *file = arena_printf(a, "%s/%.*s", dir, STR_FMT(res->file));
    int r = read_tree(a, file, &tree, err);
    if (r < 0) {
        return err_wrap(err, "%s: resources", path);
    }
    res->name = json_str(json_path(tree, "metadata", "name", NULL));
    if (!str_is(json_get_str(tree, "kind"), "CustomResourceDefinition") || !res->name.len) {
        return err_set(err, ERR_BAD_REQUEST, "%s: a CustomResourceDefinition with a name is wanted",
                       file);
    }
    AUTO(buf_finish) struct buf json = {0};
    json_write(&json, tree);
    res->json = arena_str(a, buf_str(&json));
    return 0;
}

static int read_resources(struct arena *a, const char *dir, struct manifest *m,
                          const yyjson_mut_val *list, struct err *err)
{
    struct str *files = NULL;
    int r = read_strings(a, m->path, list, "resources", &files, &m->n_resources, err);
    if (r < 0) {
        return r;
    }
    m->resources = arena_zero(a, (m->n_resources + 1) * sizeof(*m->resources));
    for (size_t i = 0; i < m->n_resources; i++) {
        m->resources[i].file = files[i];
        if ((r = read_resource(a, dir, m->path, &m->resources[i], err)) < 0) {
            return r;
        }
    }
    return 0;
}

static struct str or_else(struct str s, const char *fallback)
{
    return s.len ? s : str_from(fallback);
}

static int check_keys(const struct manifest *m, const yyjson_mut_val *tree, struct err *err)
{
    static const char *const known[] = {"name",     "theme",     "description", "provides",
                                        "requires", "resources", "rights",      "background"};
    struct json_iter it = json_iter(tree);
    while (json_next(&it)) {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
            found = found || str_is(json_str(it.key), known[i]);
        }
        if (!found) {
            return err_set(err, ERR_BAD_REQUEST, "%s: %.*s: there is no such key", m->path,
                           STR_FMT(json_str(it.key)));
        }
    }
    return 0;
}

static int check_names(const char *dir, const struct manifest *m, struct err *err)
{
    const char *base = strrchr(dir, '/');
    base = base ? base + 1 : dir;
    if (!is_identifier(m->name) || !is_identifier(m->provides)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: names are lower-case letters, digits and _",
                       m->path);
    }
    if (!str_is(m->name, base)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: the name %.*s is not its folder's", m->path,
                       STR_FMT(m->name));
    }
    if (!m->theme.len || !m->description.len) {
        return err_set(err, ERR_BAD_REQUEST, "%s: theme and description are wanted", m->path);
    }
    return 0;
}

int manifest_read(struct arena *a, const char *dir, struct manifest *ret, struct err *err)
{
    struct manifest m = {.path = arena_printf(a, "%s/service.yaml", dir)};
    yyjson_mut_val *tree = NULL;
    int r = read_tree(a, m.path, &tree, err);
    if (r < 0) {
        return r;
    }
    yyjson_mut_val *provides = json_get(tree, "provides");
    m.name = json_get_str(tree, "name");
    m.theme = json_get_str(tree, "theme");
    m.description = json_get_str(tree, "description");
    m.provides = or_else(json_get_str(provides, "name"), arena_printf(a, "%.*s", STR_FMT(m.name)));
    m.type =
        or_else(json_get_str(provides, "type"), arena_printf(a, "struct %.*s", STR_FMT(m.name)));
    m.header = or_else(json_get_str(provides, "header"),
                       arena_printf(a, "services/%.*s/%.*s.h", STR_FMT(m.name), STR_FMT(m.name)));
    m.background = json_get_bool(tree, "background");
    if (json_get(tree, "rights")) {
        AUTO(buf_finish) struct buf rights = {0};
        json_write(&rights, json_get(tree, "rights"));
        m.rights = arena_str(a, buf_str(&rights));
    }
    if ((r = check_keys(&m, tree, err)) < 0 || (r = check_names(dir, &m, err)) < 0 ||
        (r = read_strings(a, m.path, json_get(tree, "requires"), "requires", &m.requires,
                          &m.n_requires, err)) < 0 ||
        (r = read_resources(a, dir, &m, json_get(tree, "resources"), err)) < 0) {
        return r;
    }
    *ret = m;
    return 0;
}
