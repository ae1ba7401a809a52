/* SPDX-License-Identifier: Apache-2.0 */
/* The type Annotation: what a schema cannot say of its times, and its rows. Grafana keeps when and
 * where an annotation is as it was made, and so does this. */
#include "services/annotations/annotations.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "resources/index.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "services/annotations/annotations_priv.h"
#include "services/service.h"
#include "services/wire.gen.h"

enum { TEXT_SHOWN = 80 };

/* ---- the type ---- */

static void check_fixed(const yyjson_mut_val *spec, const yyjson_mut_val *old, const char *member,
                        const struct path *at, struct causes *c)
{
    yyjson_mut_val *v = json_get(spec, member), *was = json_get(old, member);
    if ((v || was) && !json_equal(v, was)) {
        yyjson_mut_doc *d = json_doc(c->arena);
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, str_from(member)), v ? v : yyjson_mut_null(d),
                   "field is immutable");
    }
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    static const char *const fixed[] = {"time", "timeEnd", "dashboardUID", "panelID"};
    const yyjson_mut_val *spec = json_get(obj, "spec"), *was = json_get(old, "spec");
    const struct path *at = PATH_FIELD(NULL, STR("spec"));
    yyjson_mut_val *end = json_get(spec, "timeEnd");
    (void)self;
    (void)w;
    if (yyjson_mut_is_int(end) &&
        json_get_int(spec, "timeEnd", 0) < json_get_int(spec, "time", 0)) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, STR("timeEnd")), end,
                   "must not be before spec.time");
    }
    for (size_t i = 0; old && i < sizeof(fixed) / sizeof(*fixed); i++) {
        check_fixed(spec, was, fixed[i], at, c);
    }
}

static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    name_grafana(name, is_prefix, at, c);
}

/* The beginning of the text in one line. */
static void row_text(yyjson_mut_doc *d, struct str text, yyjson_mut_val *cells)
{
    AUTO(buf_finish) struct buf b = {0};
    while (text.len && b.len < TEXT_SHOWN) {
        size_t n = utf8_length(text);
        bool control = (unsigned char)text.ptr[0] < ' ';
        buf_add(&b, control ? STR(" ") : str_make(text.ptr, n));
        text = str_skip(text, n);
    }
    buf_addz(&b, text.len ? "..." : "");
    row_str(d, buf_str(&b), cells);
}

static void row_time(yyjson_mut_doc *d, int64_t ms, yyjson_mut_val *cells)
{
    char text[CLOCK_TEXT];
    if (ms > INT64_C(253402300799999)) { /* the year 9999 */
        row_int(d, ms, cells);
    } else {
        row_str(d, str_make(text, clock_format(ms * 1000, text)), cells);
    }
}

static void row_tags(yyjson_mut_doc *d, const yyjson_mut_val *tags, yyjson_mut_val *cells)
{
    AUTO(buf_finish) struct buf b = {0};
    struct json_iter it = json_iter(tags);
    while (it.container && json_next(&it)) {
        buf_addz(&b, b.len ? "," : "");
        buf_add(&b, json_str(it.val));
    }
    row_str(d, b.len ? buf_str(&b) : STR(""), cells);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_text(d, json_get_str(spec, "text"), cells);
    row_time(d, json_get_int(spec, "time", 0), cells);
    row_str(d, json_get_str(spec, "dashboardUID"), cells);
    row_tags(d, json_get(spec, "tags"), cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {.validate = validate, .name = check_name, .row = row};

/* ---- what both queries share ---- */

struct type *annotations_type(const struct annotations *self)
{
    struct registry_snapshot *types = registry_ref(self->registry);
    struct type *t =
        type_ref(registry_find(types, STR("annotation.grafana.app"), STR("annotations")));
    registry_snapshot_unref(types);
    return t;
}

int annotations_number(const struct op *op, const char *key, int64_t least, int64_t *ret,
                       struct err *err)
{
    struct str text = op_param(op, key);
    int64_t v = 0;
    if (!text.len) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (digit < 0 || digit > 9 || v > (INT64_MAX - digit) / 10) {
            return err_set(err, ERR_BAD_REQUEST, "%s: \"%.*s\" is not a whole number from %lld up",
                           key, STR_FMT(text), (long long)least);
        }
        v = 10 * v + digit;
    }
    if (v < least) {
        return err_set(err, ERR_BAD_REQUEST, "%s: must be at least %lld", key, (long long)least);
    }
    *ret = v;
    return 0;
}

int annotations_namespace(const struct op *op, struct err *err)
{
    return op->scope.ns.len ? 0
                            : err_set(err, ERR_BAD_REQUEST,
                                      "this is asked of one namespace: .../namespaces/NAME/%.*s",
                                      STR_FMT(op->type->resource));
}

/* ---- life ---- */

static int publish_query(struct annotations *self, const struct annotations_deps *d,
                         const char *name, const struct type_query *q, struct err *err)
{
    const struct type_extras extras = {.self = self, .queries = q, .n_queries = 1};
    return service_publish(d->registry, service_document(d->documents, name), &extras, err);
}

static int publish(struct annotations *self, const struct annotations_deps *d, struct err *err)
{
    static const struct type_query search = {.name = {"", 0}, .get = annotations_search},
                                   tags = {.name = {"", 0}, .get = annotations_tags};
    const struct type_extras extras = {.strategy = &strategy, .self = self};
    int rc = service_publish(d->registry,
                             service_document(d->documents, "annotations.annotation.grafana.app"),
                             &extras, err);
    rc = rc ? rc : publish_query(self, d, "search.annotation.grafana.app", &search, err);
    rc = rc ? rc : publish_query(self, d, "tags.annotation.grafana.app", &tags, err);
    if (rc) {
        return rc;
    }
    struct type *t = annotations_type(self);
    rc = index_define(d->engine, t, err);
    type_unref(t);
    return rc;
}

int annotations_provide(const struct annotations_deps *d, struct annotations **ret, struct err *err)
{
    struct annotations *self = ALLOC(struct annotations);
    *self = (struct annotations){.engine = d->engine, .registry = d->registry};
    int rc = publish(self, d, err);
    if (rc) {
        free(self);
        return rc;
    }
    *ret = self;
    return 0;
}

void annotations_release(struct annotations *self)
{
    free(self);
}
