/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions from files: each document of a directory's YAML and JSON files becomes an object, or
 * renews the one of its name. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/yaml.h"
#include "resources/client.h"
#include "resources/metadata.h"
#include "services/definitions/definitions_priv.h"

#define FILE_MAX ((size_t)64 << 20)
enum { APPLY_ATTEMPTS = 5 };

static const struct client_ref of_definition = {
    .group = {"apiextensions.k8s.io", 20},
    .version = {"v1", 2},
    .resource = {"customresourcedefinitions", 25},
};

/* ---- one document ---- */

/* Adds the members of from[key] to to[key]. */
static void merge_map(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *from,
                      const char *key)
{
    struct json_iter it = json_iter(json_get(from, key));
    while (json_next(&it)) {
        json_set(d, json_ensure_obj(d, to, key), json_str(it.key), json_copy(d, it.val));
    }
}

static bool holds_map(const yyjson_mut_val *all, const yyjson_mut_val *some, const char *key)
{
    const yyjson_mut_val *map = json_get(all, key);
    struct json_iter it = json_iter(json_get(some, key));
    while (json_next(&it)) {
        const yyjson_mut_val *v = json_getn(map, json_str(it.key));
        if (!v || !json_equal(v, it.val)) {
            return false;
        }
    }
    return true;
}

/* Whether the stored object says what the file's says already. Decides for the usual start, where
 * nothing changed; what does not even decode is left for the write to refuse. */
static bool says_the_same(struct definitions *s, const yyjson_mut_val *now,
                          const yyjson_mut_val *obj, struct arena *a)
{
    const struct schema *schema = type_storage(s->type)->schema;
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *copy = json_copy(d, obj);
    if (schema_decode(schema, d, copy, s->type->kind, NULL) < 0) {
        return false;
    }
    schema_prune(schema, copy, NULL);
    schema_default(schema, d, copy);
    definition_fill_spec(d, copy, NULL);
    const yyjson_mut_val *meta = json_get(now, "metadata"), *wanted = json_get(copy, "metadata");
    return json_equal(json_get(now, "spec"), json_get(copy, "spec")) &&
           holds_map(meta, wanted, "labels") && holds_map(meta, wanted, "annotations");
}

/* The stored object with the file's spec, and its labels and annotations added; what others set
 * stays. */
static int renew(struct definitions *s, const struct client_ref *ref, yyjson_mut_doc *d,
                 const yyjson_mut_val *obj, struct arena *a, struct err *err)
{
    yyjson_mut_doc *answer = NULL;
    yyjson_mut_val *now = yyjson_mut_doc_get_root(d), *meta = json_ensure_obj(d, now, "metadata");
    if (says_the_same(s, now, obj, a)) {
        return 0;
    }
    json_setz(d, now, "spec", json_copy(d, json_get(obj, "spec")));
    merge_map(d, meta, json_get(obj, "metadata"), "labels");
    merge_map(d, meta, json_get(obj, "metadata"), "annotations");
    return client_update(s->client, ref, now, NULL, a, &answer, err);
}

static int apply_once(struct definitions *s, yyjson_mut_val *obj, struct err *err)
{
    struct client_ref ref = of_definition;
    struct arena a;
    struct err e = {0};
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    ref.name = metadata_name(obj);
    int r = ref.name.len ? client_get(s->client, &ref, &a, &d, &e) : ERR_NOT_FOUND;
    if (r == 0) {
        r = renew(s, &ref, d, obj, &a, &e);
    } else if (r == ERR_NOT_FOUND) {
        err_finish(&e);
        r = client_create(s->client, &ref, obj, NULL, &a, &d, &e);
    }
    arena_finish(&a);
    return r < 0 ? err_move(err, &e) : 0;
}

/* Other kinds of objects, which published sets of definitions hold too, are left out. */
static int apply(struct definitions *s, const char *path, yyjson_mut_val *obj, struct err *err)
{
    struct str kind = json_get_str(obj, "kind"), version = json_get_str(obj, "apiVersion");
    if (kind.len && version.len && !str_is(kind, "CustomResourceDefinition")) {
        log_warn("an object that is no definition is left out", LOG_Z("file", path),
                 LOG_S("kind", kind), LOG_S("name", metadata_name(obj)));
        return 0;
    }
    if (!str_is(kind, "CustomResourceDefinition") || !str_is(version, "apiextensions.k8s.io/v1")) {
        return err_set(
            err, ERR_BAD_REQUEST,
            "a CustomResourceDefinition of apiextensions.k8s.io/v1 is wanted, not %.*s %.*s",
            STR_FMT(version), STR_FMT(kind));
    }
    struct err e = {0};
    int r = ERR_CONFLICT;
    for (int i = 0; i < APPLY_ATTEMPTS && (r == ERR_CONFLICT || r == ERR_EXISTS); i++) {
        err_finish(&e);
        r = apply_once(s, obj, &e);
    }
    return r < 0 ? err_move(err, &e) : 0;
}

/* ---- one file ---- */

struct file {
    struct definitions *s;
    const char *path;
    size_t documents;
};

/* A document is a definition or a List of them. */
static int apply_document(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct file *f = arg;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    f->documents++;
    if (!str_is(json_get_str(root, "kind"), "List")) {
        int r = apply(f->s, f->path, root, err);
        return r < 0 ? err_wrap(err, "document %zu", f->documents) : 0;
    }
    struct json_iter it = json_iter(json_get(root, "items"));
    while (json_next(&it)) {
        if (apply(f->s, f->path, it.val, err) < 0) {
            return err_wrap(err, "document %zu: items[%zu]", f->documents, it.index);
        }
    }
    return 0;
}

static int apply_text(struct file *f, bool is_json, struct str text, struct err *err)
{
    struct arena a;
    arena_init(&a, text.len * 2);
    yyjson_mut_doc *d = NULL;
    int r = is_json ? json_read(&a, text, &d, NULL, err)
                    : yaml_read_all(&a, text, apply_document, f, err);
    if (r == 0 && is_json) {
        r = apply_document(f, d, err);
    }
    arena_finish(&a);
    return r;
}

static int apply_file(struct definitions *s, const char *path, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    struct file f = {.s = s, .path = path};
    int r = file_read(path, FILE_MAX, &text, err);
    if (r == 0) {
        r = apply_text(&f, str_ends(str_from(path), STR(".json")), buf_str(&text), err);
    }
    if (r < 0) {
        return err_wrap(err, "%s", path);
    }
    log_info("definitions were read", LOG_Z("file", path), LOG_I("documents", f.documents));
    return 0;
}

/* ---- the directory ---- */

static int wanted(const struct dirent *e)
{
    struct str name = str_from(e->d_name);
    return name.ptr[0] != '.' && (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) ||
                                  str_ends(name, STR(".json")));
}

int definition_apply_dir(struct definitions *s, const char *dir, struct err *err)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, wanted, alphasort), r = 0;
    if (n < 0) {
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "--schemas %s: %s", dir,
                       strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        if (r == 0) {
            AUTO_FREE char *path = alloc_printf("%s/%s", dir, entries[i]->d_name);
            r = apply_file(s, path, err);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}
