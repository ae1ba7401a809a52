/* SPDX-License-Identifier: Apache-2.0 */
/* The subresources of a folder, in Grafana's shapes: parents (from the root down to the folder),
 * children, counts and access. children and counts are those of the root under its uid "general".
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "resources/index.h"
#include "resources/status.h"
#include "services/folders/folders_priv.h"

/* An answer under way. */
struct view {
    struct folders *folders;
    struct op *op;
    yyjson_mut_doc *doc;
};

static yyjson_mut_val *begin(const struct view *v, const char *kind)
{
    yyjson_mut_val *answer = yyjson_mut_obj(v->doc);
    json_set_str(v->doc, answer, "kind", str_from(kind));
    json_set_str(v->doc, answer, "apiVersion", v->op->version->api_version);
    return answer;
}

static bool may(const struct op *op, const char *verb, struct str name)
{
    const struct attributes at = {.user = op->user,
                                  .verb = str_from(verb),
                                  .resource_request = true,
                                  .group = op->type->group,
                                  .version = op->version->name,
                                  .resource = op->type->resource,
                                  .ns = op->scope.ns,
                                  .name = name};
    const char *reason = NULL;
    return !op->user || access_authorize(engine_access(op->engine), &at, &reason) == DECISION_ALLOW;
}

/* The uid in the path: "" where it is the root's. ERR_NOT_FOUND where there is no such folder. */
static int asked_folder(const struct op *op, const yyjson_mut_val *obj, struct str *ret_uid,
                        struct err *err)
{
    bool root = folders_is_root(op->name);
    if (!obj && !root) {
        return status_not_found(err, op->type, op->name);
    }
    *ret_uid = root ? STR("") : op->name;
    return 0;
}

/* ---- parents ---- */

struct parents {
    const struct view *view;
    yyjson_mut_val *items;
};

static void add_rights(const struct op *op, yyjson_mut_doc *d, yyjson_mut_val *item, struct str uid)
{
    static const struct {
        const char *member, *verb;
    } rights[] = {{"canEdit", "update"}, {"canAdmin", "set_permissions"}, {"canDelete", "delete"}};
    json_set_bool(d, item, "canView", true);
    for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
        if (may(op, rights[i].verb, uid)) {
            json_set_bool(d, item, rights[i].member, true);
        }
    }
}

/* Of a folder that is not there, or that the user may not see, only the uid is told. */
static int add_parent(void *arg, const struct folders_step *step)
{
    const struct parents *p = arg;
    const struct op *op = p->view->op;
    yyjson_mut_doc *d = p->view->doc;
    yyjson_mut_val *item = yyjson_mut_obj(d);
    yyjson_mut_arr_prepend(p->items, item);
    json_set_str(d, item, "name", step->uid);
    bool hidden = step->missing || (!str_eq(step->uid, op->name) && !may(op, "get", step->uid));
    json_set_str(d, item, "title", hidden || !step->title.ptr ? STR("") : step->title);
    if (hidden) {
        json_set_bool(d, item, "detached", true);
        return 1;
    }
    if (step->description.len) {
        json_set_str(d, item, "description", step->description);
    }
    if (step->parent.len) {
        json_set_str(d, item, "parent", step->parent);
    }
    add_rights(op, d, item, step->uid);
    return 0;
}

static int get_parents(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                       yyjson_mut_val **ret, struct err *err)
{
    const struct view v = {self, op, d};
    const struct parents p = {&v, yyjson_mut_arr(d)};
    (void)obj;
    int rc = folders_climb(self, op->scope, op->name, add_parent, (void *)(uintptr_t)&p, err);
    if (rc < 0) {
        return rc;
    }
    *ret = begin(&v, "FolderInfoList");
    json_ensure_obj(d, *ret, "metadata");
    json_setz(d, *ret, "items", p.items);
    return 0;
}

/* ---- children ---- */

struct page {
    int64_t limit, skip; /* of the names that are left */
    const struct view *view;
    yyjson_mut_val *items;
    struct err *err;
};

static int parse_number(const struct op *op, const char *key, int64_t otherwise, int64_t *ret,
                        struct err *err)
{
    struct str s = op_param(op, key);
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || i > 9) {
            return err_set(err, ERR_BAD_REQUEST, "%s: a number is wanted", key);
        }
        n = n * 10 + (s.ptr[i] - '0');
    }
    *ret = s.len ? n : otherwise;
    return 0;
}

/* One that went since the names were read is left out. */
static int add_child(void *arg, struct str name)
{
    struct page *p = arg;
    struct op *op = p->view->op;
    AUTO(blob_unrefp) struct blob *blob = NULL;
    struct stored stored;
    yyjson_mut_doc *d = NULL;
    if (p->skip > 0) {
        p->skip--;
        return 0;
    }
    if (engine_get(op->engine, op->type, op->scope, name, &blob, &stored, NULL)) {
        return 0;
    }
    stored.value = arena_str(&op->arena, stored.value);
    int rc = represent_decode(op->type, op->version, &stored, &op->arena, &d, p->err);
    if (rc == 0) {
        yyjson_mut_arr_append(p->items, json_copy(p->view->doc, yyjson_mut_doc_get_root(d)));
    }
    return rc;
}

static void add_list_meta(const struct view *v, yyjson_mut_val *list, int64_t next, int64_t total)
{
    yyjson_mut_val *meta = json_ensure_obj(v->doc, list, "metadata");
    if (next < total) {
        const char *text = arena_printf(&v->op->arena, "%lld", (long long)next);
        json_set_str(v->doc, meta, "continue", str_from(text));
        json_set_int(v->doc, meta, "remainingItemCount", total - next);
    }
}

static int get_children(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                        yyjson_mut_val **ret, struct err *err)
{
    const struct view v = {self, op, d};
    struct page p = {.view = &v, .items = yyjson_mut_arr(d), .err = err};
    struct str uid;
    int64_t skip = 0, total = 0;
    int rc = asked_folder(op, obj, &uid, err);
    rc = rc ? rc : parse_number(op, "limit", LIMIT_FOLDER_CHILDREN, &p.limit, err);
    rc = rc ? rc : parse_number(op, "continue", 0, &skip, err);
    rc = rc ? rc
            : index_count(op->engine, op->type, op->scope, STR(FOLDERS_INDEX), uid, &total, err);
    if (rc) {
        return rc;
    }
    p.limit = p.limit && p.limit < LIMIT_FOLDER_CHILDREN ? p.limit : LIMIT_FOLDER_CHILDREN;
    p.skip = skip;
    rc = index_names(op->engine, op->type, op->scope, STR(FOLDERS_INDEX), uid,
                     (size_t)(skip + p.limit), add_child, &p, err);
    if (rc) {
        return rc;
    }
    *ret = begin(&v, "FolderList");
    add_list_meta(&v, *ret, skip + p.limit, total);
    json_setz(d, *ret, "items", p.items);
    return 0;
}

/* ---- counts ---- */

struct count {
    const struct type *type;
    int64_t n;
};

struct uid_item {
    struct uid_item *next;
    struct str uid;
};

struct counting {
    struct op *op;
    struct count *items;
    size_t n;
    struct uid_item *first, **last; /* folders still to be counted */
    int64_t until;                  /* of the monotonic clock, in ms */
};

/* The types whose objects may be in folders. */
static void find_types(struct counting *c, const struct registry_snapshot *types)
{
    c->items = arena_zero(&c->op->arena, (types->n_types + 1) * sizeof(*c->items));
    for (size_t g = 0; g < types->n_groups; g++) {
        for (size_t i = 0; i < types->groups[g].n_types; i++) {
            const struct type *t = types->groups[g].types[i];
            if (t->n_indexes && type_index(t, STR(FOLDERS_INDEX))) {
                c->items[c->n++].type = t;
            }
        }
    }
}

static int queue_folder(void *arg, struct str name)
{
    struct counting *c = arg;
    struct uid_item *i = ARENA_NEW(&c->op->arena, struct uid_item);
    i->uid = arena_str(&c->op->arena, name);
    *c->last = i;
    c->last = &i->next;
    return 0;
}

static int count_in(struct counting *c, struct str uid, bool recursive, struct err *err)
{
    struct op *op = c->op;
    int64_t folders = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct type *t = c->items[i].type;
        int64_t n = 0;
        int rc = index_count(op->engine, t, op->scope, STR(FOLDERS_INDEX), uid, &n, err);
        if (rc) {
            return rc;
        }
        c->items[i].n += n;
        folders = t == op->type ? n : folders;
    }
    if (!recursive || !folders) {
        return 0;
    }
    return index_names(op->engine, op->type, op->scope, STR(FOLDERS_INDEX), uid, 0, queue_folder, c,
                       err);
}

static int count_all(struct counting *c, struct str uid, bool recursive, struct err *err)
{
    struct uid_item self = {.uid = uid};
    int rc = 0;
    c->last = &self.next;
    for (const struct uid_item *i = &self; i && rc == 0; i = i->next) {
        rc = clock_mono_ms() > c->until
                 ? err_set(err, ERR_TIMEOUT, "the folders could not be counted in time")
                 : count_in(c, i->uid, recursive, err);
    }
    return rc;
}

static int get_counts(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                      yyjson_mut_val **ret, struct err *err)
{
    const struct view v = {self, op, d};
    struct counting c = {.op = op, .until = clock_mono_ms() + LIMIT_FOLDER_COUNT_MS};
    struct str uid, recursive = op_param(op, "recursive");
    int rc = asked_folder(op, obj, &uid, err);
    if (rc) {
        return rc;
    }
    struct registry_snapshot *types = registry_ref(v.folders->registry);
    find_types(&c, types);
    bool deep = recursive.ptr && !str_is(recursive, "false") && !str_is(recursive, "0");
    rc = count_all(&c, uid, deep, err);
    yyjson_mut_val *counts = yyjson_mut_arr(d);
    for (size_t i = 0; i < c.n; i++) {
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(d, counts);
        json_set_str(d, item, "group", c.items[i].type->group);
        json_set_str(d, item, "resource", c.items[i].type->resource);
        json_set_int(d, item, "count", c.items[i].n);
    }
    registry_snapshot_unref(types);
    if (rc == 0) {
        *ret = begin(&v, "DescendantCounts");
        json_setz(d, *ret, "counts", counts);
    }
    return rc;
}

/* ---- access ---- */

/* What Grafana calls the rights, for those that the user has. */
static void add_actions(const struct op *op, yyjson_mut_doc *d, yyjson_mut_val *answer)
{
    static const struct {
        const char *action, *verb;
    } actions[] = {
        {"folders:read", "get"},
        {"folders:create", "create"},
        {"folders:write", "update"},
        {"folders:delete", "delete"},
        {"folders.permissions:read", "get_permissions"},
        {"folders.permissions:write", "set_permissions"},
    };
    yyjson_mut_val *granted = yyjson_mut_obj(d);
    for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
        bool create = strcmp(actions[i].verb, "create") == 0;
        if (may(op, actions[i].verb, create ? STR("") : op->name)) {
            json_set_bool(d, granted, actions[i].action, true);
        }
    }
    if (json_size(granted)) {
        json_setz(d, answer, "accessControl", granted);
    }
}

static int get_access(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
                      yyjson_mut_val **ret, struct err *err)
{
    const struct view v = {self, op, d};
    bool edit = may(op, "update", op->name);
    (void)obj;
    (void)err;
    *ret = begin(&v, "FolderAccessInfo");
    json_set_bool(d, *ret, "canSave", edit);
    json_set_bool(d, *ret, "canEdit", edit);
    json_set_bool(d, *ret, "canAdmin", may(op, "set_permissions", op->name));
    json_set_bool(d, *ret, "canDelete", may(op, "delete", op->name));
    add_actions(op, d, *ret);
    return 0;
}

const struct type_subresource folders_subresources[4] = {
    {.name = {"parents", 7},
     .kind = {"FolderInfoList", 14},
     .verbs = VERB_BIT(VERB_GET),
     .get = get_parents},
    {.name = {"children", 8},
     .kind = {"FolderList", 10},
     .verbs = VERB_BIT(VERB_GET),
     .get = get_children,
     .absent = true},
    {.name = {"counts", 6},
     .kind = {"DescendantCounts", 16},
     .verbs = VERB_BIT(VERB_GET),
     .get = get_counts,
     .absent = true},
    {.name = {"access", 6},
     .kind = {"FolderAccessInfo", 16},
     .verbs = VERB_BIT(VERB_GET),
     .get = get_access},
};
