/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that a file holds, made ready to be applied. */
#include "services/provisioning/documents_priv.h"

#include <ctype.h>

#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "resources/metadata.h"
#include "resources/registry.h"

#define DASHBOARD_GROUP "dashboard.grafana.app"
#define DASHBOARD_VERSION                                                                          \
    "v1beta1" /* what a dashboard without apiVersion is taken as, where it is served */
#define FOLDER_GROUP "folder.grafana.app"
#define FOLDER_VERSION "v1beta1"

enum { SLUG_MAX = 30 };

struct reading {
    struct documents *d;
    const struct document_source *from;
    struct json_duplicates duplicates;
    size_t document; /* the present one, from 1 */
};

enum stage stage_of(struct str group, struct str resource)
{
    if (str_is(group, "apiextensions.k8s.io") && (str_is(resource, "CustomResourceDefinition") ||
                                                  str_is(resource, "customresourcedefinitions"))) {
        return STAGE_DEFINITION;
    }
    if (!group.len && (str_is(resource, "Namespace") || str_is(resource, "namespaces"))) {
        return STAGE_NAMESPACE;
    }
    if (str_is(group, FOLDER_GROUP) &&
        (str_is(resource, "Folder") || str_is(resource, "folders"))) {
        return STAGE_FOLDER;
    }
    return STAGE_REST;
}

struct str object_label(struct arena *a, const struct client_ref *ref, struct str kind)
{
    struct str type = ref->resource.len ? ref->resource : kind;
    return str_from(arena_printf(a, "%.*s%s%.*s%s%.*s/%.*s", STR_FMT(type),
                                 ref->group.len ? "." : "", STR_FMT(ref->group),
                                 ref->ns.len ? "/" : "", STR_FMT(ref->ns), STR_FMT(ref->name)));
}

/* ---- names made of paths ---- */

static void add_slug(struct buf *b, struct str s)
{
    size_t begun = b->len;
    for (size_t i = 0; i < s.len && b->len - begun < SLUG_MAX; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (isascii(c) && isalnum(c)) {
            buf_addc(b, (char)tolower(c));
        } else if (b->len > begun && b->ptr[b->len - 1] != '-') {
            buf_addc(b, '-');
        }
    }
    while (b->len > begun && b->ptr[b->len - 1] == '-') {
        b->len--;
    }
}

static struct str last_part(struct str path)
{
    for (size_t i = path.len; i > 0; i--) {
        if (path.ptr[i - 1] == '/') {
            return str_skip(path, i);
        }
    }
    return path;
}

/* "a/b/" of "a/b/c", "" of "c". */
static struct str parent_of(struct str path)
{
    return str_make(path.ptr, path.len - last_part(path).len);
}

static struct str without_slash(struct str dir)
{
    return str_ends(dir, STR("/")) ? str_make(dir.ptr, dir.len - 1) : dir;
}

struct str folder_name(struct arena *a, struct str source, struct str dir)
{
    AUTO(buf_finish) struct buf b = {0};
    dir = without_slash(dir);
    uint64_t h = crypto_hash64_more(crypto_hash64_more(crypto_hash64(source), STR("/")), dir);
    add_slug(&b, last_part(dir));
    buf_printf(&b, "%s%08x", b.len ? "-" : "", (unsigned)(h ^ (h >> 32)));
    return arena_str(a, buf_str(&b));
}

/* ---- one object ---- */

static int refuse(struct reading *r, struct err *err, const char *why)
{
    return err_set(err, ERR_BAD_REQUEST, "document %zu: %s", r->document, why);
}

/* What only a server sets, as it is in what was exported from one. */
static void drop_servers(yyjson_mut_val *meta)
{
    static const char *const keys[] = {"creationTimestamp", "deletionGracePeriodSeconds",
                                       "deletionTimestamp", "generation",
                                       "managedFields",     "resourceVersion",
                                       "selfLink",          "uid"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        json_remove(meta, keys[i]);
    }
}

static void find_type(struct arena *a, const struct document_source *from, struct document *o)
{
    struct str version, group = str_cut(json_get_str(o->obj, "apiVersion"), '/', &version);
    if (!version.ptr) {
        version = group;
        group = STR("");
    }
    o->kind = json_get_str(o->obj, "kind");
    o->ref.group = group;
    o->ref.version = version;
    o->stage = stage_of(group, o->kind);
    const struct type *t = registry_find_kind(from->types, group, o->kind);
    bool served = t && type_served(t, version);
    yyjson_mut_val *meta = json_get(o->obj, "metadata");
    if (served) {
        o->ref.resource = arena_str(a, t->resource);
    }
    if (served && t->namespaced && !json_get_str(meta, "namespace").len) {
        json_set_str(o->doc, meta, "namespace", STR("default"));
    }
    o->ref.ns = served && !t->namespaced ? STR("") : json_get_str(meta, "namespace");
    o->ref.name = json_get_str(meta, "name");
}

static void set_owner(struct document *o, const struct document_source *from)
{
    yyjson_mut_val *meta = json_get(o->obj, "metadata");
    yyjson_mut_val *notes = json_ensure_obj(o->doc, meta, "annotations");
    o->adopt = str_is(json_get_str(notes, ANNOTATION_ADOPT), "true");
    json_set_str(o->doc, notes, ANNOTATION_MANAGER, STR(OWNER_KIND));
    json_set_str(o->doc, notes, ANNOTATION_MANAGER_ID, from->source);
    json_set_str(o->doc, notes, ANNOTATION_PATH, from->path);
    json_set_str(o->doc, notes, ANNOTATION_CHECKSUM, str_from(o->checksum));
}

static void take_checksum(struct document *o, const yyjson_mut_val *what)
{
    AUTO(buf_finish) struct buf text = {0}, hex = {0};
    unsigned char sum[32];
    json_write(&text, what);
    crypto_sha256(buf_str(&text), sum);
    crypto_hex(&hex, sum, sizeof(sum));
    memcpy(o->checksum, hex.ptr, 64);
}

static struct document *add(struct documents *d, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4;
        struct document *more = arena_alloc(&d->arena, cap * sizeof(*more));
        if (d->n) {
            memcpy(more, d->items, d->n * sizeof(*more));
        }
        d->items = more;
        d->cap = cap;
    }
    d->items[d->n] = (struct document){.doc = doc, .obj = obj};
    return &d->items[d->n++];
}

/* Ownership and what else does not stand in the file; the checksum is taken already. */
static void complete(struct arena *a, struct document *o, const struct document_source *from)
{
    AUTO(buf_finish) struct buf text = {0};
    yyjson_mut_val *meta = json_ensure_obj(o->doc, o->obj, "metadata");
    drop_servers(meta);
    set_owner(o, from);
    find_type(a, from, o);
    json_write(&text, o->obj);
    o->sum = crypto_hash64(buf_str(&text));
}

static int take_object(struct reading *r, yyjson_mut_doc *doc, yyjson_mut_val *obj, struct err *err)
{
    yyjson_mut_val *meta = json_get(obj, "metadata");
    if (r->d->n >= LIMIT_PROVISION_DOCUMENTS) {
        return err_set(err, ERR_TOO_LARGE, "the file holds more than %d objects",
                       LIMIT_PROVISION_DOCUMENTS);
    }
    if (!json_get_str(obj, "apiVersion").len || !json_get_str(obj, "kind").len) {
        return refuse(r, err, "an object with apiVersion and kind is wanted, or a dashboard");
    }
    if (!json_get_str(meta, "name").len) {
        return refuse(r, err, "metadata.name is wanted");
    }
    if (json_get(meta, "annotations") && !json_is_obj(json_get(meta, "annotations"))) {
        return refuse(r, err, "metadata.annotations is no map");
    }
    struct document *o = add(r->d, doc, obj);
    take_checksum(o, obj);
    complete(&r->d->arena, o, r->from);
    return 0;
}

/* ---- dashboards without apiVersion and kind ---- */

static bool is_dashboard(const yyjson_mut_val *v)
{
    return !json_get(v, "apiVersion") && !json_get(v, "kind") &&
           (json_is_arr(json_get(v, "panels")) || json_get(v, "schemaVersion"));
}

/* group/version as it is served: the version wanted, or else the first. */
static struct str served_version(struct arena *a, const struct registry_snapshot *types,
                                 const char *group, const char *kind, const char *version)
{
    const struct type *t = registry_find_kind(types, str_from(group), str_from(kind));
    struct str v = str_from(version);
    if (t && t->n_served && !type_served(t, v)) {
        v = t->versions[t->ordered[0]].name;
    }
    return str_from(arena_printf(a, "%s/%.*s", group, STR_FMT(v)));
}

static struct str dashboard_name(struct arena *a, const yyjson_mut_val *spec, struct str path)
{
    struct str uid = json_get_str(spec, "uid"), suffix;
    AUTO(buf_finish) struct buf b = {0};
    if (uid.len) {
        return uid;
    }
    add_slug(&b, str_cut(last_part(path), '.', &suffix));
    return arena_str(a, buf_str(&b));
}

static int take_dashboard(struct reading *r, yyjson_mut_doc *doc, yyjson_mut_val *spec,
                          struct err *err)
{
    struct arena *a = &r->d->arena;
    const struct document_source *from = r->from;
    struct str name = dashboard_name(a, spec, from->path), dir = parent_of(from->path);
    if (!name.len) {
        return refuse(r, err, "the dashboard has no uid, and the file's name gives no name");
    }
    yyjson_mut_val *obj = yyjson_mut_obj(doc), *meta = json_ensure_obj(doc, obj, "metadata");
    json_set_str(doc, meta, "name", name);
    if (dir.len) {
        json_set_str(doc, json_ensure_obj(doc, meta, "annotations"), ANNOTATION_FOLDER,
                     folder_name(a, from->source, dir));
        r->d->folders = true;
    }
    struct document *o = add(r->d, doc, obj);
    take_checksum(o, spec);
    json_remove(spec, "id"); /* a number in the database of the server it comes from */
    json_setz(doc, obj, "spec", spec);
    json_set_first(doc, obj, "kind", yyjson_mut_str(doc, "Dashboard"));
    json_set_first(doc, obj, "apiVersion", yyjson_mut_null(doc));
    json_set_str(doc, obj, "apiVersion",
                 served_version(a, from->types, DASHBOARD_GROUP, "Dashboard", DASHBOARD_VERSION));
    complete(a, o, from);
    return 0;
}

/* ---- a file ---- */

static bool is_list(const yyjson_mut_val *v)
{
    return str_ends(json_get_str(v, "kind"), STR("List")) && json_is_arr(json_get(v, "items")) &&
           json_get_str(v, "apiVersion").len;
}

static int take_document(void *arg, yyjson_mut_doc *doc, struct err *err)
{
    struct reading *r = arg;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    r->document++;
    if (r->duplicates.n) {
        struct str line = r->duplicates.lines ? r->duplicates.lines[0] : STR_NULL;
        return err_set(err, ERR_BAD_REQUEST, "document %zu: %.*s is set twice%s%.*s%s", r->document,
                       STR_FMT(r->duplicates.paths[0]), line.len ? " (" : "", STR_FMT(line),
                       line.len ? ")" : "");
    }
    if (!json_is_obj(root)) {
        return refuse(r, err, "an object is wanted");
    }
    if (is_dashboard(root)) {
        return take_dashboard(r, doc, root, err);
    }
    if (!is_list(root)) {
        return take_object(r, doc, root, err);
    }
    struct json_iter it = json_iter(json_get(root, "items"));
    while (json_next(&it)) {
        int rc = take_object(r, doc, it.val, err);
        if (rc) {
            return err_wrap(err, "items[%zu]", it.index);
        }
    }
    return 0;
}

int documents_read(struct documents *d, const struct document_source *from, struct str text,
                   struct err *err)
{
    struct reading r = {.d = d, .from = from};
    yyjson_mut_doc *doc = NULL;
    *d = (struct documents){0};
    arena_init(&d->arena, 0);
    if (!str_ends(from->path, STR(".json"))) {
        return yaml_read_each(&d->arena, text, &r.duplicates, take_document, &r, err);
    }
    int rc = json_read(&d->arena, text, &doc, &r.duplicates, err);
    return rc ? rc : take_document(&r, doc, err);
}

void documents_folder(struct documents *d, const struct document_source *from)
{
    *d = (struct documents){0};
    arena_init(&d->arena, 0);
    struct arena *a = &d->arena;
    struct str dir = without_slash(from->path), above = parent_of(dir);
    yyjson_mut_doc *doc = json_doc(a);
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    json_set_str(doc, obj, "apiVersion",
                 served_version(a, from->types, FOLDER_GROUP, "Folder", FOLDER_VERSION));
    json_set_str(doc, obj, "kind", STR("Folder"));
    yyjson_mut_val *meta = json_ensure_obj(doc, obj, "metadata");
    json_set_str(doc, meta, "name", folder_name(a, from->source, dir));
    if (above.len) {
        json_set_str(doc, json_ensure_obj(doc, meta, "annotations"), ANNOTATION_FOLDER,
                     folder_name(a, from->source, above));
    }
    json_set_str(doc, json_ensure_obj(doc, obj, "spec"), "title", last_part(dir));
    struct document *o = add(d, doc, obj);
    take_checksum(o, obj);
    complete(a, o, from);
}

void documents_finish(struct documents *d)
{
    arena_finish(&d->arena);
    *d = (struct documents){0};
}
