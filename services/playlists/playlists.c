/* SPDX-License-Identifier: Apache-2.0 */
/* The type Playlist: what a schema cannot say of its intervals and items, and its rows. Its two
 * versions differ in name alone. */
#include "services/playlists/playlists.h"

#include "base/alloc.h"
#include "base/json.h"
#include "resources/metadata.h"
#include "resources/row.h"
#include "services/service.h"
#include "services/wire.gen.h"

#define INTERVAL_WORDS "must be a time longer than nothing, such as \"30s\", \"5m\" or \"1h30m\""

struct playlists {
    struct registry *registry;
};

/* ---- intervals ---- */

static size_t digits_of(struct str s, bool *some)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9') {
        *some = *some || s.ptr[n] != '0';
        n++;
    }
    return n;
}

static size_t unit_of(struct str s)
{
    if (str_starts(s, STR("ms"))) {
        return 2;
    }
    return s.len && memchr("smhdwMy", s.ptr[0], 7) ? 1 : 0;
}

bool playlists_is_interval(struct str s)
{
    bool some = false;
    if (!s.len) {
        return false;
    }
    while (s.len) {
        size_t n = digits_of(s, &some);
        size_t unit = unit_of(str_skip(s, n));
        if (!n || !unit) {
            return false;
        }
        s = str_skip(s, n + unit);
    }
    return some;
}

/* An empty text was told of by the schema where one is wanted. */
static void check_interval(yyjson_mut_val *v, const struct path *at, struct causes *c)
{
    if (json_str(v).len && !playlists_is_interval(json_str(v))) {
        causes_add(c, CAUSE_INVALID, at, v, "%s", INTERVAL_WORDS);
    }
}

/* ---- items ---- */

static bool is_number(struct str s)
{
    bool some = false;
    return digits_of(s, &some) == s.len && some;
}

static void check_item(const yyjson_mut_val *item, const struct path *at, struct causes *c)
{
    yyjson_mut_val *value = json_get(item, "value");
    check_interval(json_get(item, "interval"), PATH_FIELD(at, STR("interval")), c);
    if (str_is(json_get_str(item, "type"), "dashboard_by_id") && json_str(value).len &&
        !is_number(json_str(value))) {
        causes_add(c, CAUSE_INVALID, PATH_FIELD(at, STR("value")), value,
                   "must be the number of a dashboard, as the type is dashboard_by_id");
    }
}

static void validate(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                     struct causes *c)
{
    const struct path *spec = PATH_FIELD(NULL, STR("spec")),
                      *items = PATH_FIELD(spec, STR("items"));
    (void)self;
    (void)w;
    (void)old;
    check_interval(json_path(obj, "spec", "interval", NULL), PATH_FIELD(spec, STR("interval")), c);
    struct json_iter it = json_iter(json_path(obj, "spec", "items", NULL));
    while (it.container && json_next(&it)) {
        check_item(it.val, PATH_INDEX(items, it.index), c);
    }
}

static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    name_grafana(name, is_prefix, at, c);
}

static void row(void *self, const struct type_version *v, yyjson_mut_doc *d,
                const yyjson_mut_val *obj, yyjson_mut_val *cells)
{
    const yyjson_mut_val *spec = json_get(obj, "spec");
    (void)self;
    (void)v;
    row_name(d, obj, cells);
    row_str(d, json_get_str(spec, "title"), cells);
    row_str(d, json_get_str(spec, "interval"), cells);
    row_int(d, (int64_t)json_size(json_get(spec, "items")), cells);
    row_age(d, obj, cells);
}

static const struct type_strategy strategy = {.validate = validate, .name = check_name, .row = row};

int playlists_provide(const struct playlists_deps *d, struct playlists **ret, struct err *err)
{
    const struct type_extras extras = {.strategy = &strategy};
    int rc = service_publish(d->registry,
                             service_document(d->documents, "playlists.playlist.grafana.app"),
                             &extras, err);
    if (rc < 0) {
        return rc;
    }
    *ret = ALLOC(struct playlists);
    (*ret)->registry = d->registry;
    return 0;
}

void playlists_release(struct playlists *self)
{
    free(self);
}
