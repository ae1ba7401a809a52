/* SPDX-License-Identifier: Apache-2.0 */
/* What a dashboard may be, by Grafana's rules and with its messages, and how large. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "resources/metadata.h"
#include "resources/status.h"
#include "services/dashboards/dashboards_priv.h"

#define MESSAGE "grafana.app/message"

enum { REFRESH_MIN_MS = 5000 }; /* Grafana's min_refresh_interval as it is shipped */

static int refuse(struct err *err, const char *field, const char *message)
{
    err_set(err, ERR_BAD_REQUEST, "%s", message);
    err_cause(err, "FieldValueInvalid", str_from(field), str_from(message));
    return ERR_BAD_REQUEST;
}

/* ---- names and texts ---- */

static bool is_uid(struct str uid)
{
    for (size_t i = 0; i < uid.len; i++) {
        char c = uid.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

static bool is_blank(struct str s)
{
    while (s.len && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r'))) {
        s = str_skip(s, 1);
    }
    return !s.len;
}

static int check_texts(const yyjson_mut_val *obj, const yyjson_mut_val *spec, struct err *err)
{
    struct str uid = metadata_name(obj), title = json_get_str(spec, "title");
    struct str message = json_get_str(json_path(obj, "metadata", "annotations", NULL), MESSAGE);
    bool other = json_get(spec, "title") && !json_is_str(json_get(spec, "title"));
    if (!other && is_blank(title)) {
        return refuse(err, "spec.title", "Dashboard title cannot be empty");
    }
    if (title.len > LIMIT_DASHBOARD_TITLE) {
        return refuse(err, "spec.title",
                      "Dashboard title cannot contain more than 5 000 characters");
    }
    if (message.len > LIMIT_DASHBOARD_MESSAGE) {
        return refuse(err, "metadata.annotations[" MESSAGE "]",
                      "Dashboard message cannot contain more than 500 characters");
    }
    if (!is_uid(uid)) {
        return refuse(err, "metadata.name", "uid contains illegal characters");
    }
    return uid.len > LIMIT_DASHBOARD_UID
               ? refuse(err, "metadata.name", "uid too long, max 40 characters")
               : 0;
}

/* ---- how often it is loaded anew ---- */

/* The unit that s begins with, in ms; *ret_len: its bytes. 0: none. */
static double unit_ms(struct str s, size_t *ret_len)
{
    static const struct {
        struct str name;
        double ms;
    } units[] = {
        {{"ns", 2}, 1e-6},    {{"us", 2}, 1e-3},     {{"\xc2\xb5s", 3}, 1e-3}, {{"ms", 2}, 1},
        {{"s", 1}, 1000},     {{"m", 1}, 60000},     {{"h", 1}, 3600e3},       {{"d", 1}, 86400e3},
        {{"w", 1}, 604800e3}, {{"M", 1}, 2629800e3}, {{"y", 1}, 31557600e3},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (str_starts(s, units[i].name)) {
            *ret_len = units[i].name.len;
            return units[i].ms;
        }
    }
    return 0;
}

/* A number without sign; *ret_len 0: there is none. */
static double number_at(struct str s, size_t *ret_len)
{
    double n = 0, unit = 1;
    bool point = false, digits = false;
    size_t i = 0;
    for (; i < s.len && ((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] == '.' && !point));
         i++) {
        if (s.ptr[i] == '.') {
            point = true;
            continue;
        }
        digits = true;
        unit = point ? unit / 10 : 1;
        n = point ? n + unit * (s.ptr[i] - '0') : n * 10 + (s.ptr[i] - '0');
    }
    *ret_len = digits ? i : 0;
    return n;
}

/* "30s", "1h30m", "1d"; negative: it is none. */
static double interval_ms(struct str s)
{
    double sum = 0;
    while (s.len) {
        size_t n = 0, u = 0;
        double number = number_at(s, &n), ms = n ? unit_ms(str_skip(s, n), &u) : 0;
        if (!n || !u) {
            return -1;
        }
        sum += number * ms;
        s = str_skip(s, n + u);
    }
    return sum;
}

static int check_refresh(const yyjson_mut_val *spec, bool classic, struct err *err)
{
    const char *field = classic ? "spec.refresh" : "spec.timeSettings.autoRefresh";
    struct str refresh = classic ? json_get_str(spec, "refresh")
                                 : json_get_str(json_get(spec, "timeSettings"), "autoRefresh");
    if (!refresh.len || str_is(refresh, "auto")) {
        return 0;
    }
    double ms = interval_ms(refresh);
    if (ms < 0) {
        AUTO_FREE char *text =
            alloc_printf("parsing refresh duration \"%.*s\" failed: invalid duration",
                         (int)(refresh.len < 100 ? refresh.len : 100), refresh.ptr);
        return refuse(err, field, text);
    }
    return ms < REFRESH_MIN_MS ? refuse(err, field, "Dashboard refresh interval is too low") : 0;
}

/* ---- sizes ---- */

struct parts {
    size_t panels, all;
};

static size_t listed(const yyjson_mut_val *obj, const char *key)
{
    const yyjson_mut_val *v = json_get(obj, key);
    return json_is_arr(v) ? json_size(v) : 0;
}

static void count_panels(const yyjson_mut_val *panels, struct parts *n)
{
    struct json_iter it = json_iter(json_is_arr(panels) ? panels : NULL);
    while (json_next(&it)) {
        n->panels++;
        n->all += 1 + listed(it.val, "targets") + listed(it.val, "transformations") +
                  listed(it.val, "links");
        count_panels(json_get(it.val, "panels"), n);
    }
}

static void count_elements(const yyjson_mut_val *spec, struct parts *n)
{
    const yyjson_mut_val *elements = json_get(spec, "elements");
    struct json_iter it = json_iter(json_is_obj(elements) ? elements : NULL);
    while (json_next(&it)) {
        const yyjson_mut_val *panel = json_get(it.val, "spec"),
                             *data = json_path(panel, "data", "spec", NULL);
        n->panels++;
        n->all +=
            1 + listed(data, "queries") + listed(data, "transformations") + listed(panel, "links");
    }
}

/* Before schemaVersion 16; rows come to be panels too. */
static void count_rows(const yyjson_mut_val *rows, struct parts *n)
{
    struct json_iter it = json_iter(json_is_arr(rows) ? rows : NULL);
    while (json_next(&it)) {
        n->panels++;
        n->all++;
        count_panels(json_get(it.val, "panels"), n);
    }
}

/* Rows and tabs, which come to be panels. */
static void count_layout(const yyjson_mut_val *layout, struct parts *n)
{
    static const char *const lists[] = {"rows", "tabs"};
    const yyjson_mut_val *spec = json_get(layout, "spec");
    n->all += listed(spec, "items");
    for (size_t i = 0; i < 2; i++) {
        const yyjson_mut_val *list = json_get(spec, lists[i]);
        struct json_iter it = json_iter(json_is_arr(list) ? list : NULL);
        while (json_next(&it)) {
            n->panels++;
            n->all++;
            count_layout(json_path(it.val, "spec", "layout", NULL), n);
        }
    }
}

static int check_size(const yyjson_mut_val *spec, bool classic, struct err *err)
{
    struct parts n = {0};
    n.all = listed(spec, "links");
    if (classic) {
        n.all += listed(json_get(spec, "templating"), "list") +
                 listed(json_get(spec, "annotations"), "list");
        count_panels(json_get(spec, "panels"), &n);
        count_rows(json_get(spec, "rows"), &n);
    } else {
        n.all += listed(spec, "variables") + listed(spec, "annotations");
        count_elements(spec, &n);
        count_layout(json_get(spec, "layout"), &n);
    }
    if (n.panels > LIMIT_DASHBOARD_PANELS) {
        return status_too_large(err, "the dashboard has %zu panels and rows, limit is %d", n.panels,
                                LIMIT_DASHBOARD_PANELS);
    }
    return n.all > LIMIT_DASHBOARD_PARTS
               ? status_too_large(err,
                                  "the dashboard has %zu panels, queries, transformations, links, "
                                  "variables and annotations, limit is %d",
                                  n.all, LIMIT_DASHBOARD_PARTS)
               : 0;
}

/* ---- the whole ---- */

int check_dashboard(const yyjson_mut_val *obj, struct err *err)
{
    bool classic = version_is_classic(json_get_str(obj, "apiVersion"));
    const yyjson_mut_val *spec = json_get(obj, "spec");
    if (!json_is_obj(spec)) {
        return 0;
    }
    int rc = check_texts(obj, spec, err);
    rc = rc ? rc : check_refresh(spec, classic, err);
    return rc ? rc : check_size(spec, classic, err);
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static size_t gather_ids(const yyjson_mut_val *list, bool classic, int64_t *ids, size_t n)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        const yyjson_mut_val *panel = classic ? it.val : json_get(it.val, "spec"),
                             *id = json_get(panel, "id"), *inner = json_get(panel, "panels");
        if (yyjson_mut_is_int(json_mut(id)) && n < LIMIT_DASHBOARD_PANELS) {
            ids[n++] = yyjson_mut_get_sint(json_mut(id));
        }
        n = classic && json_is_arr(inner) ? gather_ids(inner, classic, ids, n) : n;
    }
    return n;
}

void check_ids(struct write *w, const yyjson_mut_val *obj)
{
    bool classic = version_is_classic(json_get_str(obj, "apiVersion"));
    const yyjson_mut_val *list = json_get(json_get(obj, "spec"), classic ? "panels" : "elements");
    if (!(classic ? json_is_arr(list) : json_is_obj(list))) {
        return;
    }
    AUTO_FREE int64_t *ids = alloc_bytes(LIMIT_DASHBOARD_PANELS * sizeof(*ids));
    size_t n = gather_ids(list, classic, ids, 0);
    qsort(ids, n, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < n; i++) {
        if (ids[i] == ids[i - 1] && (i == 1 || ids[i] != ids[i - 2])) {
            write_warn(w, "several panels have the id %lld", (long long)ids[i]);
        }
    }
}
