/* SPDX-License-Identifier: Apache-2.0 */
/* Dashboards' search as Grafana's clients know it: GET
 * .../dashboard.grafana.app/V/namespaces/NS/search, over dashboards and folders of the namespace,
 * as far as the user may list them, and search/sortable. Parameters: query, type, folder
 * ("general": the root), tag, name, sort, limit, offset, page, facet, facetLimit, field. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "services/search/search_priv.h"

enum { LIMIT_DEFAULT = 50, FACET_LIMIT = 50 };

/* What can be searched, the first two unless a type is asked for. */
struct kind {
    const char *singular;
    struct str group, resource, name;
};

static const struct kind kinds[] = {
    {"dashboard",
     {"dashboard.grafana.app", 21},
     {"dashboards", 10},
     {"dashboards.dashboard.grafana.app", 32}},
    {"folder", {"folder.grafana.app", 18}, {"folders", 7}, {"folders.folder.grafana.app", 26}},
    {"playlist",
     {"playlist.grafana.app", 20},
     {"playlists", 9},
     {"playlists.playlist.grafana.app", 30}},
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds), KINDS_DEFAULT = 2 };

struct sort_name {
    const char *name;
    enum text_sort sort;
};

static const struct sort_name sorts[] = {
    {"title", TEXT_BY_TITLE},     {"name", TEXT_BY_NAME},       {"created", TEXT_BY_CREATED},
    {"updated", TEXT_BY_UPDATED}, {"score", TEXT_BY_RELEVANCE}, {"name_sort", TEXT_BY_NAME},
};

/* ---- parameters ---- */

/* All the values of a parameter that are not empty. */
static struct str *values_of(struct op *op, const char *key, size_t *ret_n)
{
    struct str *values = arena_alloc(&op->arena, (op->n_params + 1) * sizeof(*values));
    size_t n = 0;
    for (size_t i = 0; i < op->n_params; i++) {
        if (str_is(op->params[i].key, key) && op->params[i].value.len) {
            values[n++] = op->params[i].value;
        }
    }
    *ret_n = n;
    return values;
}

static int read_number(const struct op *op, const char *key, int64_t fallback, int64_t *ret,
                       struct err *err)
{
    struct str s = op_param(op, key);
    int64_t v = 0;
    *ret = fallback;
    if (!s.len) {
        return 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || s.len > 9) {
            return err_set(err, ERR_BAD_REQUEST, "%s: %.*s is not a number from 0 to 999999999",
                           key, STR_FMT(s));
        }
        v = v * 10 + s.ptr[i] - '0';
    }
    *ret = v;
    return 0;
}

static int read_place(const struct op *op, struct text_query *q, struct err *err)
{
    int64_t page = 0;
    int rc = read_number(op, "limit", LIMIT_DEFAULT, &q->limit, err);
    rc = rc < 0 ? rc : read_number(op, "offset", 0, &q->offset, err);
    rc = rc < 0 ? rc : read_number(op, "page", 0, &page, err);
    rc = rc < 0 ? rc : read_number(op, "facetLimit", FACET_LIMIT, &q->facet_limit, err);
    q->limit = q->limit < LIMIT_SEARCH_HITS ? q->limit : LIMIT_SEARCH_HITS;
    q->facet_limit = q->facet_limit < LIMIT_SEARCH_HITS ? q->facet_limit : LIMIT_SEARCH_HITS;
    if (page > 1 && !op_param(op, "offset").len) {
        q->offset = (page - 1) * q->limit;
    }
    return rc;
}

static int read_sort(const struct op *op, struct text_query *q, struct err *err)
{
    struct str s = op_param(op, "sort");
    q->sort = TEXT_BY_RELEVANCE;
    if (!s.len) {
        return 0;
    }
    q->descending = s.ptr[0] == '-';
    struct str name = str_skip(s, q->descending);
    for (size_t i = 0; i < sizeof(sorts) / sizeof(*sorts); i++) {
        if (str_is(name, sorts[i].name)) {
            q->sort = sorts[i].sort;
            return 0;
        }
    }
    return err_set(err, ERR_BAD_REQUEST,
                   "sort: there is no sorting by %.*s; title, name, created, updated and score are "
                   "known, with - in front for the other way round",
                   STR_FMT(name));
}

static const struct kind *kind_asked(struct str s)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (str_is(s, kinds[i].singular) || str_eq(s, kinds[i].resource)) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* Whether the user may list them in the namespace. */
static bool may_list(const struct op *op, const struct kind *k)
{
    struct registry_snapshot *types = registry_ref(engine_registry(op->engine));
    const struct type *t = registry_find(types, k->group, k->resource);
    const struct attributes at = {.user = op->user,
                                  .verb = STR("list"),
                                  .resource_request = true,
                                  .group = k->group,
                                  .version = t ? type_storage(t)->name : STR(""),
                                  .resource = k->resource,
                                  .ns = op->scope.ns};
    const char *reason = NULL;
    bool may = t && access_authorize(engine_access(op->engine), &at, &reason) == DECISION_ALLOW;
    registry_snapshot_unref(types);
    return may;
}

static int read_types(struct op *op, struct text_query *q, struct err *err)
{
    size_t n;
    struct str *asked = values_of(op, "type", &n),
               *names = arena_alloc(&op->arena, KINDS * sizeof(*names));
    if (n > KINDS_DEFAULT) {
        return err_set(err, ERR_BAD_REQUEST, "too many type requests, two at most");
    }
    for (size_t i = 0; i < (n ? n : KINDS_DEFAULT); i++) {
        const struct kind *k = n ? kind_asked(asked[i]) : &kinds[i];
        if (!k) {
            return err_set(err, ERR_BAD_REQUEST,
                           "unknown resource type: dashboard, folder and playlist are known");
        }
        if (may_list(op, k)) {
            names[q->n_types++] = k->name;
        }
    }
    q->types = names;
    return 0;
}

static int read_query(struct op *op, struct text_query *q, struct err *err)
{
    struct str *folders = values_of(op, "folder", &q->n_folders);
    for (size_t i = 0; i < q->n_folders; i++) {
        folders[i] = str_is(folders[i], "general") ? STR("") : folders[i];
    }
    q->words = op_param(op, "query");
    q->is_given_up = op->is_gone;
    q->arg = op->gone_arg;
    q->ns = op->scope.ns;
    q->folders = folders;
    q->tags = values_of(op, "tag", &q->n_tags);
    q->names = values_of(op, "name", &q->n_names);
    q->facets = values_of(op, "facet", &q->n_facets);
    int rc = read_types(op, q, err);
    rc = rc < 0 ? rc : read_place(op, q, err);
    return rc < 0 ? rc : read_sort(op, q, err);
}

/* ---- the answer ---- */

static yyjson_mut_val *text_val(yyjson_mut_doc *d, struct str s)
{
    return yyjson_mut_strncpy(d, s.ptr ? s.ptr : "", s.len);
}

static bool is_asked(const struct op *op, const char *field)
{
    for (size_t i = 0; i < op->n_params; i++) {
        if (str_is(op->params[i].key, "field") && str_is(op->params[i].value, field)) {
            return true;
        }
    }
    return false;
}

/* Times in milliseconds, as Grafana has them there. */
static void add_fields(yyjson_mut_doc *d, const struct op *op, const struct text_hit *h,
                       yyjson_mut_val *hit)
{
    yyjson_mut_val *fields = yyjson_mut_obj(d);
    if (is_asked(op, "created")) {
        json_set_int(d, fields, "created", h->created_us / 1000);
    }
    if (is_asked(op, "updated")) {
        json_set_int(d, fields, "updated", h->updated_us / 1000);
    }
    if (json_size(fields)) {
        json_setz(d, hit, "field", fields);
    }
}

static void add_hit(yyjson_mut_doc *d, const struct op *op, const struct text_hit *h,
                    yyjson_mut_val *hits)
{
    yyjson_mut_val *hit = yyjson_mut_obj(d), *tags = yyjson_mut_arr(d);
    struct str rest;
    json_set_str(d, hit, "resource", str_cut(h->type, '.', &rest));
    json_set_str(d, hit, "name", h->name);
    json_set_str(d, hit, "title", h->title);
    for (size_t i = 0; i < h->n_tags; i++) {
        yyjson_mut_arr_append(tags, text_val(d, h->tags[i]));
    }
    if (h->n_tags) {
        json_setz(d, hit, "tags", tags);
    }
    if (h->folder.len) {
        json_set_str(d, hit, "folder", h->folder);
    }
    add_fields(d, op, h, hit);
    if (h->score > 0) {
        json_setz(d, hit, "score", yyjson_mut_real(d, h->score));
    }
    yyjson_mut_arr_append(hits, hit);
}

/* Folders come before dashboards on a page of what is not sorted, each by relevance. */
static yyjson_mut_val *hits_of(yyjson_mut_doc *d, const struct op *op, const struct text_query *q,
                               const struct text_found *f)
{
    yyjson_mut_val *hits = yyjson_mut_arr(d);
    bool sorted = q->sort != TEXT_BY_RELEVANCE;
    for (size_t k = sorted ? 1 : KINDS; k > 0; k--) {
        for (size_t i = 0; i < f->n_hits; i++) {
            if (sorted || str_eq(f->hits[i].type, kinds[k - 1].name)) {
                add_hit(d, op, &f->hits[i], hits);
            }
        }
    }
    return hits;
}

static yyjson_mut_val *facet_of(yyjson_mut_doc *d, const struct text_facet *f)
{
    yyjson_mut_val *facet = yyjson_mut_obj(d), *terms = yyjson_mut_arr(d);
    json_set_str(d, facet, "field", f->name);
    json_set_int(d, facet, "total", f->total);
    json_set_int(d, facet, "missing", f->missing);
    for (size_t i = 0; i < f->n_terms; i++) {
        yyjson_mut_val *term = yyjson_mut_obj(d);
        json_set_str(d, term, "term", f->terms[i].term);
        json_set_int(d, term, "count", f->terms[i].count);
        yyjson_mut_arr_append(terms, term);
    }
    if (f->n_terms) {
        json_setz(d, facet, "terms", terms);
    }
    return facet;
}

static void add_facets(yyjson_mut_doc *d, const struct text_found *f, yyjson_mut_val *answer)
{
    yyjson_mut_val *facets = yyjson_mut_obj(d);
    for (size_t i = 0; i < f->n_facets; i++) {
        json_set(d, facets, f->facets[i].name, facet_of(d, &f->facets[i]));
    }
    if (f->n_facets) {
        json_setz(d, answer, "facets", facets);
    }
}

static void add_sort(yyjson_mut_doc *d, const struct op *op, const struct text_query *q,
                     yyjson_mut_val *answer)
{
    struct str s = op_param(op, "sort");
    yyjson_mut_val *by = yyjson_mut_obj(d);
    if (!s.len) {
        return;
    }
    json_set_str(d, by, "field", str_skip(s, q->descending));
    if (q->descending) {
        json_set_bool(d, by, "desc", true);
    }
    json_setz(d, answer, "sortBy", by);
}

static yyjson_mut_val *answer_of_kind(yyjson_mut_doc *d, const struct op *op, const char *kind)
{
    yyjson_mut_val *answer = yyjson_mut_obj(d);
    json_set_str(d, answer, "kind", str_from(kind));
    json_set_str(d, answer, "apiVersion", op->version->api_version);
    return answer;
}

int search_answer(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val **ret_answer,
                  struct err *err)
{
    struct text_query q = {0};
    struct text_found f;
    bool lacking = false;
    uint64_t begun = clock_mono_ns();
    int rc = read_query(op, &q, err);
    rc = rc < 0 ? rc : search_find(self, &q, &op->arena, &f, &lacking, err);
    if (rc < 0) {
        return rc;
    }
    if (lacking) {
        warnings_add(&op->warnings, TEXT_LACKING);
    }
    yyjson_mut_val *answer = answer_of_kind(d, op, "SearchResults");
    if (q.offset) {
        json_set_int(d, answer, "offset", q.offset);
    }
    json_set_int(d, answer, "totalHits", f.total);
    json_setz(d, answer, "hits", hits_of(d, op, &q, &f));
    /* A whole number, of microseconds: gcx reads no other. */
    json_set_int(d, answer, "queryCost", (int64_t)((clock_mono_ns() - begun) / 1000));
    if (f.max_score > 0) {
        json_setz(d, answer, "maxScore", yyjson_mut_real(d, f.max_score));
    }
    add_sort(d, op, &q, answer);
    add_facets(d, &f, answer);
    *ret_answer = answer;
    return 0;
}

int search_answer_sortable(void *self, struct op *op, yyjson_mut_doc *d,
                           yyjson_mut_val **ret_answer, struct err *err)
{
    static const char *const fields[][3] = {
        {"title", "Title (A-Z)", "string"},        {"-title", "Title (Z-A)", "string"},
        {"created", "Created (Oldest)", "number"}, {"-created", "Created (Newest)", "number"},
        {"updated", "Updated (Oldest)", "number"}, {"-updated", "Updated (Newest)", "number"},
    };
    yyjson_mut_val *answer = answer_of_kind(d, op, "SortableFields"), *list = yyjson_mut_arr(d);
    (void)self;
    (void)err;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        yyjson_mut_val *field = yyjson_mut_obj(d);
        json_set_str(d, field, "string", str_from(fields[i][0]));
        json_set_str(d, field, "display", str_from(fields[i][1]));
        json_set_str(d, field, "type", str_from(fields[i][2]));
        yyjson_mut_arr_append(list, field);
    }
    json_setz(d, answer, "fields", list);
    *ret_answer = answer;
    return 0;
}
