/* SPDX-License-Identifier: Apache-2.0 */
/* A type from its CustomResourceDefinition document. */
#include "resources/type.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "resources/jsonpath.h"
#include "resources/platform.h"
#include "resources/protobuf_body.h"
#include "resources/text.h"
#include "schemas/openapi.h"

#include <stdlib.h>
#include <string.h>

/* Part of each stamp: raised when what is written beside the schema's doing changes (the order of
 * the header, ...), so that values written before are looked at again. */
#define LAYOUT STR("layout 1")

#define AGE_DESCRIPTION                                                                            \
    "CreationTimestamp is a timestamp representing the server time when this object was created. " \
    "It is not guaranteed to be set in happens-before order across separate operations. Clients "  \
    "may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by "    \
    "the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/" \
    "devel/sig-architecture/api-conventions.md#metadata"

static const struct type_strategy no_strategy;

struct builder {
    struct type *t;
    const yyjson_mut_val *doc, *spec,
        *extra; /* extra: spec.coracle, NULL for documents that have none */
    struct err *err;
};

static struct str keep(const struct builder *b, struct str s)
{
    return s.ptr ? arena_str(&b->t->arena, s) : STR("");
}

static struct str keep_member(const struct builder *b, const yyjson_mut_val *obj, const char *key)
{
    return keep(b, json_get_str(obj, key));
}

static int fault(const struct builder *b, const char *what, struct str more)
{
    struct str name = json_str(json_path(b->doc, "metadata", "name", NULL));
    return err_set(b->err, ERR_INVALID, "definition %.*s: %s%.*s", STR_FMT(name), what,
                   STR_FMT(more));
}

static const struct str *keep_list(const struct builder *b, const yyjson_mut_val *list,
                                   size_t *ret_n)
{
    size_t n = yyjson_mut_arr_size((yyjson_mut_val *)(uintptr_t)list), i = 0;
    struct str *items = arena_alloc(&b->t->arena, (n ? n : 1) * sizeof(*items));
    struct json_iter it = json_iter(list);
    while (i < n && json_next(&it)) {
        items[i++] = keep(b, json_str(it.val));
    }
    *ret_n = n;
    return items;
}

static int parse_path(const struct builder *b, struct str text, struct jsonpath **ret)
{
    struct err e = {0};
    if (jsonpath_parse(&b->t->arena, text, ret, &e) == 0) {
        return 0;
    }
    int rc = err_set(b->err, ERR_INVALID, "path %.*s: %s", STR_FMT(text), err_message(&e));
    err_finish(&e);
    return rc;
}

/* ---- the parts of a version ---- */

/* Documents may spell out the Name column that is first in any case. */
static bool is_name_column(const struct builder *b, const yyjson_mut_val *column)
{
    return !b->t->custom && !b->t->strategy->row && !json_get_str(column, "jsonPath").len &&
           str_is(json_get_str(column, "name"), "Name");
}

static int make_columns(const struct builder *b, const yyjson_mut_val *v, struct type_version *ret)
{
    yyjson_mut_val *list = json_get(v, "additionalPrinterColumns");
    size_t n = yyjson_mut_arr_size(list);
    ret->columns = arena_zero(&b->t->arena, (n ? n : 1) * sizeof(*ret->columns));
    if (!n) {
        ret->n_columns = 1;
        ret->columns[0] = (struct type_column){
            .name = STR("Age"),
            .type = STR("date"),
            .format = STR(""),
            .description = STR(AGE_DESCRIPTION),
        };
        return parse_path(b, STR(".metadata.creationTimestamp"), &ret->columns[0].path);
    }
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        struct str path = json_get_str(it.val, "jsonPath");
        if (is_name_column(b, it.val)) {
            continue;
        }
        struct type_column *c = &ret->columns[ret->n_columns++];
        *c = (struct type_column){
            .name = keep_member(b, it.val, "name"),
            .type = keep_member(b, it.val, "type"),
            .format = keep_member(b, it.val, "format"),
            .description = keep_member(b, it.val, "description"),
            .priority = json_get_int(it.val, "priority", 0),
        };
        if (!c->description.len && b->t->custom) {
            c->description = str_from(arena_printf(
                &b->t->arena, "Custom resource definition column (in JSONPath format): %.*s",
                STR_FMT(path)));
        }
        int rc = path.len ? parse_path(b, path, &c->path) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int add_field(const struct builder *b, struct type_version *ret, struct str label,
                     struct str path)
{
    struct type_field *f = &ret->fields[ret->n_fields++];
    f->label = keep(b, label);
    return parse_path(b, path, &f->path);
}

static int make_bound(const struct builder *b, const yyjson_mut_val *entry, struct type_field *f)
{
    struct str compare = json_get_str(entry, "compare"), other = json_get_str(entry, "elsePath");
    f->test = str_is(compare, "atLeast")  ? TYPE_FIELD_AT_LEAST
              : str_is(compare, "atMost") ? TYPE_FIELD_AT_MOST
                                          : TYPE_FIELD_EQUAL;
    return other.len ? parse_path(b, other, &f->other) : 0;
}

static int make_fields(const struct builder *b, const yyjson_mut_val *v, struct type_version *ret)
{
    yyjson_mut_val *selectable = json_get(v, "selectableFields"), *own = json_get(v, "fields");
    size_t n = yyjson_mut_arr_size(selectable) + yyjson_mut_arr_size(own);
    ret->fields = arena_zero(&b->t->arena, (n ? n : 1) * sizeof(*ret->fields));
    int rc = 0;
    struct json_iter it = json_iter(selectable);
    while (it.container && rc == 0 && json_next(&it)) {
        struct str path = json_get_str(it.val, "jsonPath");
        rc = add_field(b, ret, str_skip(path, str_starts(path, STR(".")) ? 1 : 0), path);
    }
    it = json_iter(own);
    while (it.container && rc == 0 && json_next(&it)) {
        rc = add_field(b, ret, json_get_str(it.val, "label"), json_get_str(it.val, "jsonPath"));
        rc = rc ? rc : make_bound(b, it.val, &ret->fields[ret->n_fields - 1]);
    }
    return rc;
}

static void make_subresources(const struct builder *b, const yyjson_mut_val *v,
                              struct type_version *ret)
{
    yyjson_mut_val *status = json_path(v, "subresources", "status", NULL);
    yyjson_mut_val *scale = json_path(v, "subresources", "scale", NULL);
    ret->status = yyjson_mut_is_obj(status);
    ret->has_scale = yyjson_mut_is_obj(scale);
    if (ret->has_scale) {
        struct str selector = json_get_str(scale, "labelSelectorPath");
        ret->scale = (struct type_scale){
            .spec_path = keep_member(b, scale, "specReplicasPath"),
            .status_path = keep_member(b, scale, "statusReplicasPath"),
            .selector_path = selector.len ? keep(b, selector) : STR_NULL,
        };
    }
}

static struct str make_openapi_name(const struct builder *b, struct str given, struct str version)
{
    if (given.len) {
        return keep(b, given);
    }
    AUTO(buf_finish) struct buf name = {0};
    openapi_name(&name, b->t->group, version, b->t->kind);
    return keep(b, buf_str(&name));
}

static int make_version(const struct builder *b, const yyjson_mut_val *v, struct type_version *ret)
{
    const struct schema_options options = {.builtin = !b->t->custom};
    ret->name = keep_member(b, v, "name");
    ret->served = json_get_bool(v, "served");
    ret->storage = json_get_bool(v, "storage");
    ret->deprecated = json_get_bool(v, "deprecated");
    ret->published = type_published(b->doc, v);
    if (!ret->name.len) {
        return fault(b, "a version has no name", STR_NULL);
    }
    int rc = schema_create(json_path(v, "schema", "openAPIV3Schema", NULL), &options, &ret->schema,
                           b->err);
    if (rc) {
        return rc;
    }
    struct str group = b->t->group;
    ret->api_version =
        group.len
            ? str_from(arena_printf(&b->t->arena, "%.*s/%.*s", STR_FMT(group), STR_FMT(ret->name)))
            : ret->name;
    ret->openapi_name = make_openapi_name(b, json_get_str(v, "openapiName"), ret->name);
    make_subresources(b, v, ret);
    rc = make_columns(b, v, ret);
    return rc ? rc : make_fields(b, v, ret);
}

/* The newest version that is of higher priority than v, served and not deprecated; NULL: none. */
static const struct type_version *successor(const struct type *t, const struct type_version *v)
{
    const struct type_version *best = NULL;
    for (size_t i = 0; i < t->n_versions; i++) {
        const struct type_version *o = &t->versions[i];
        if (o->served && !o->deprecated && type_version_compare(o->name, v->name) < 0 &&
            (!best || type_version_compare(o->name, best->name) < 0)) {
            best = o;
        }
    }
    return best;
}

static void make_warning(const struct builder *b, const yyjson_mut_val *doc, struct type_version *v)
{
    struct type *t = b->t;
    struct str own = json_get_str(doc, "deprecationWarning");
    if (!v->deprecated) {
        return;
    }
    if (own.ptr) {
        v->warning = keep(b, own);
        return;
    }
    const struct type_version *next = successor(t, v);
    const char *text = next ? arena_printf(&t->arena, "%.*s %.*s is deprecated; use %.*s %.*s",
                                           STR_FMT(v->api_version), STR_FMT(t->kind),
                                           STR_FMT(next->api_version), STR_FMT(t->kind))
                            : arena_printf(&t->arena, "%.*s %.*s is deprecated",
                                           STR_FMT(v->api_version), STR_FMT(t->kind));
    v->warning = str_from(text);
}

/* Insertion sort: definitions have a few versions. */
static void order_versions(struct type *t)
{
    t->ordered = arena_alloc(&t->arena, t->n_versions * sizeof(*t->ordered));
    for (size_t i = 0; i < t->n_versions; i++) {
        if (!t->versions[i].served) {
            continue;
        }
        size_t at = t->n_served++;
        while (at > 0 && !t->in_order &&
               type_version_compare(t->versions[i].name, t->versions[t->ordered[at - 1]].name) <
                   0) {
            t->ordered[at] = t->ordered[at - 1];
            at--;
        }
        t->ordered[at] = i;
    }
}

enum { VERSIONS_MAX = 1000 }; /* insertion sort; the document itself is limited in bytes */

static int make_versions(const struct builder *b)
{
    struct type *t = b->t;
    yyjson_mut_val *list = json_get(b->spec, "versions");
    size_t n = yyjson_mut_arr_size(list), storage = 0;
    if (!n || n > VERSIONS_MAX) {
        return fault(b, n ? "too many versions" : "no versions", STR_NULL);
    }
    t->versions = arena_zero(&t->arena, n * sizeof(*t->versions));
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        struct type_version *v = &t->versions[t->n_versions++];
        int rc = make_version(b, it.val, v);
        if (rc) {
            return rc;
        }
        if (v->storage) {
            t->storage = t->n_versions - 1;
            storage++;
        }
    }
    if (storage != 1) {
        return fault(b, "exactly one version must be the storage version", STR_NULL);
    }
    size_t i = 0;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        make_warning(b, it.val, &t->versions[i++]);
    }
    order_versions(t);
    return 0;
}

/* ---- the type ---- */

static int make_names(const struct builder *b)
{
    struct type *t = b->t;
    yyjson_mut_val *names = json_get(b->spec, "names");
    t->group = keep_member(b, b->spec, "group");
    t->resource = keep_member(b, names, "plural");
    t->kind = keep_member(b, names, "kind");
    t->list_kind = keep_member(b, names, "listKind");
    t->singular = keep_member(b, names, "singular");
    if (!t->resource.len || !t->kind.len) {
        return fault(b, "spec.names needs plural and kind", STR_NULL);
    }
    if (!t->list_kind.len) {
        t->list_kind = str_from(arena_printf(&t->arena, "%.*sList", STR_FMT(t->kind)));
    }
    t->group_resource = t->group.len
                            ? str_from(arena_printf(&t->arena, "%.*s.%.*s", STR_FMT(t->resource),
                                                    STR_FMT(t->group)))
                            : t->resource;
    t->short_names = keep_list(b, json_get(names, "shortNames"), &t->n_short_names);
    t->categories = keep_list(b, json_get(names, "categories"), &t->n_categories);
    t->namespaced = str_is(json_get_str(b->spec, "scope"), "Namespaced");
    t->uid = keep(b, json_str(json_path(b->doc, "metadata", "uid", NULL)));
    t->terminating = json_path(b->doc, "metadata", "deletionTimestamp", NULL) != NULL;
    return 0;
}

static int make_verbs(const struct builder *b)
{
    struct type *t = b->t;
    yyjson_mut_val *list = json_get(b->extra, "verbs");
    t->verbs = t->virtual_ ? VERB_BIT(VERB_CREATE) : VERBS_ALL;
    if (!yyjson_mut_is_arr(list)) {
        return 0;
    }
    t->verbs = 0;
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        enum verb v;
        if (!verb_parse(json_str(it.val), &v)) {
            return fault(b, "no such verb: ", json_str(it.val));
        }
        t->verbs |= VERB_BIT(v);
    }
    return 0;
}

/* What of the document is only for types shipped with the server. */
static int make_kind_of_type(const struct builder *b)
{
    struct type *t = b->t;
    yyjson_mut_val *generation = json_get(b->extra, "generation");
    t->custom = !json_get_bool(b->extra, "builtin");
    t->virtual_ = json_get_bool(b->extra, "virtual");
    t->unconditional_update = json_get_bool(b->extra, "unconditionalUpdate");
    t->returns_deleted = json_get_bool(b->extra, "returnsDeleted");
    t->platform = platform_group(t->group) || json_get_bool(b->extra, "platform");
    t->hidden = json_get_bool(b->extra, "hidden");
    t->as_written = json_get_bool(b->extra, "storedAsWritten");
    t->in_order = json_get_bool(b->extra, "versionsInOrder");
    t->generation = generation ? yyjson_mut_get_bool(generation) : t->custom;
    return make_verbs(b);
}

static void make_prefix(const struct builder *b)
{
    struct type *t = b->t;
    struct str given = json_get_str(b->extra, "storagePrefix");
    const char *text;
    if (given.len) {
        text =
            arena_printf(&t->arena, "%.*s%s", STR_FMT(given), str_ends(given, STR("/")) ? "" : "/");
    } else if (t->group.len) {
        text = arena_printf(&t->arena, "/registry/%.*s/%.*s/", STR_FMT(t->group),
                            STR_FMT(t->resource));
    } else {
        text = arena_printf(&t->arena, "/registry/%.*s/", STR_FMT(t->resource));
    }
    t->prefix = str_from(text);
}

/* How values in a version begin that call themselves so. */
static struct str make_header(const struct builder *b, struct str api_version, struct str kind)
{
    AUTO(buf_finish) struct buf header = {0};
    buf_addz(&header, "{\"apiVersion\":");
    buf_add_json(&header, api_version);
    buf_addz(&header, ",\"kind\":");
    buf_add_json(&header, kind);
    buf_addz(&header, ",\"metadata\":{");
    return keep(b, buf_str(&header));
}

static uint64_t make_stamp(const struct type_version *v, struct str header)
{
    uint64_t shape = schema_shape(v->schema), stamp = crypto_hash64(header);
    char digits[8];
    for (size_t i = 0; i < sizeof(digits); i++) {
        digits[i] = (char)(shape >> 8 * i);
    }
    stamp = crypto_hash64_more(stamp, str_make(digits, sizeof(digits)));
    return crypto_hash64_more(stamp, LAYOUT);
}

static void make_stored_form(const struct builder *b)
{
    struct type *t = b->t;
    const struct type_version *v = type_storage(t);
    yyjson_mut_val *as = json_get(b->extra, "storedAs");
    t->stored_api_version = as ? keep_member(b, as, "apiVersion") : v->api_version;
    t->stored_kind = as ? keep_member(b, as, "kind") : t->kind;
    t->header = make_header(b, t->stored_api_version, t->stored_kind);
    t->stamp = make_stamp(v, t->header);
    for (size_t i = 0; i < t->n_versions; i++) {
        struct type_version *each = &t->versions[i];
        each->header = make_header(b, each->api_version, t->kind);
        each->stamp = make_stamp(each, each->header);
    }
}

/* What makes an index one of spans or of each text (resources/index_span.h). */
static int make_span(const struct builder *b, const yyjson_mut_val *entry, struct type_index *i)
{
    struct str end = json_get_str(entry, "endPath"), by = json_get_str(entry, "byPath");
    i->each = json_get_bool(entry, "each");
    if (i->each) {
        i->generation = crypto_hash64_more(i->generation, STR("each"));
    }
    if (!end.len) {
        return 0;
    }
    i->generation = crypto_hash64_more(i->generation, end);
    int rc = parse_path(b, end, &i->end);
    if (!rc && by.len) {
        i->generation = crypto_hash64_more(i->generation, by);
        rc = parse_path(b, by, &i->by);
    }
    return rc;
}

static int make_indexes(const struct builder *b)
{
    struct type *t = b->t;
    yyjson_mut_val *list = json_get(b->extra, "indexes");
    t->indexes = arena_zero(&t->arena, (json_size(list) + 1) * sizeof(*t->indexes));
    struct json_iter it = json_iter(list);
    while (list && json_next(&it)) {
        struct type_index *i = &t->indexes[t->n_indexes++];
        struct str path = json_get_str(it.val, "jsonPath");
        i->name = keep_member(b, it.val, "name");
        i->store_name = str_from(
            arena_printf(&t->arena, "%.*s:%.*s", STR_FMT(t->group_resource), STR_FMT(i->name)));
        i->generation = crypto_hash64(path);
        int rc = parse_path(b, path, &i->path);
        rc = rc ? rc : make_span(b, it.val, i);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* A declaration that is no good was not accepted by this server: nothing is searched then. */
static void make_text(const struct builder *b)
{
    struct str text = json_str(json_path(b->doc, "metadata", "annotations", TEXT_FIELDS, NULL));
    if (text.ptr && !b->t->virtual_) {
        text_fields_parse(&b->t->arena, text, &b->t->text, NULL);
    }
}

static int make_protobuf(const struct builder *b)
{
    const yyjson_mut_val *tables = json_get(b->extra, "protobuf");
    return tables ? protobuf_tables(&b->t->arena, tables, &b->t->protobuf, b->err) : 0;
}

static void take_extras(struct type *t, const struct type_extras *extras)
{
    static const struct type_extras none = {0};
    extras = extras ? extras : &none;
    t->strategy = extras->strategy ? extras->strategy : &no_strategy;
    t->self = extras->self;
    t->n_subresources = extras->n_subresources;
    t->subresources = arena_zero(&t->arena, (t->n_subresources + 1) * sizeof(*t->subresources));
    for (size_t i = 0; i < t->n_subresources; i++) {
        struct type_subresource *s = &t->subresources[i];
        *s = extras->subresources[i];
        s->name = arena_str(&t->arena, s->name);
        s->group = arena_str(&t->arena, s->group);
        s->version = arena_str(&t->arena, s->version);
        s->kind = arena_str(&t->arena, s->kind);
    }
    t->n_queries = extras->n_queries;
    t->queries = arena_zero(&t->arena, (t->n_queries + 1) * sizeof(*t->queries));
    for (size_t i = 0; i < t->n_queries; i++) {
        t->queries[i] = extras->queries[i];
        t->queries[i].name = arena_str(&t->arena, t->queries[i].name);
    }
}

static int build(const struct builder *b, const struct type_extras *extras)
{
    if (!b->spec) {
        return fault(b, "no spec", STR_NULL);
    }
    take_extras(b->t, extras);
    int rc = make_names(b);
    rc = rc ? rc : make_kind_of_type(b);
    rc = rc ? rc : make_versions(b);
    if (rc == 0) {
        make_prefix(b);
        make_stored_form(b);
        make_text(b);
        rc = make_indexes(b);
        rc = rc ? rc : make_protobuf(b);
    }
    return rc;
}

int type_create(const yyjson_mut_val *document, const struct type_extras *extras, struct type **ret,
                struct err *err)
{
    struct type *t = ALLOC(struct type);
    atomic_init(&t->refs, 1);
    arena_init(&t->arena, 2048);
    yyjson_mut_val *spec = json_get(document, "spec");
    const struct builder b = {
        .t = t, .doc = document, .spec = spec, .extra = json_get(spec, "coracle"), .err = err};
    int rc = build(&b, extras);
    if (rc) {
        type_unref(t);
        return rc;
    }
    *ret = t;
    return 0;
}
