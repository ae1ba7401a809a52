/* SPDX-License-Identifier: Apache-2.0 */
/* A digit for the version, then the spec of a dashboard: it converts into every version or says why
 * not; what came back from another model does not change on that way again. */
#include "services/dashboards/dashboards_priv.h"
#include "tests/fuzz/fuzz.h"

static const char *const versions[] = {"v0alpha1", "v1beta1", "v1", "v2alpha1", "v2beta1", "v2"};
enum { VERSIONS = sizeof(versions) / sizeof(*versions) };

static struct str api_version(struct fuzz *f, size_t i)
{
    return str_from(arena_printf(&f->arena, "dashboard.grafana.app/%s", versions[i]));
}

/* A copy of the object in another version. */
static yyjson_mut_val *converted(struct fuzz *f, const yyjson_mut_val *obj, size_t to)
{
    yyjson_mut_doc *d = json_doc(&f->arena);
    yyjson_mut_val *v = json_copy(d, obj);
    FUZZ_CHECK(dashboard_convert(NULL, d, v, api_version(f, to), NULL) == 0);
    FUZZ_CHECK(json_is_obj(json_path(v, "status", "conversion", NULL)));
    FUZZ_CHECK(json_is_obj(json_get(v, "spec")));
    json_set_str(d, v, "apiVersion", api_version(f, to));
    struct str text = fuzz_text(f, v);
    f->more += text.len;
    return v;
}

static bool failed(const yyjson_mut_val *v)
{
    return json_get_bool(json_path(v, "status", "conversion", NULL), "failed");
}

/* By way of the other model and back. */
static yyjson_mut_val *round_trip(struct fuzz *f, const yyjson_mut_val *obj, size_t from)
{
    const yyjson_mut_val *other = converted(f, obj, from < 3 ? 5 : 2);
    yyjson_mut_val *back = failed(other) ? NULL : converted(f, other, from);
    return back && !failed(back) ? back : NULL;
}

static void run(struct fuzz *f, yyjson_mut_doc *d, yyjson_mut_val *spec, size_t from)
{
    yyjson_mut_val *obj = yyjson_mut_obj(d);
    json_set_str(d, obj, "apiVersion", api_version(f, from));
    json_setz(d, obj, "spec", spec);
    json_set_str(d, json_ensure_obj(d, obj, "metadata"), "name", STR("d"));
    if (form_settle(d, obj, NULL) || check_dashboard(obj, NULL)) {
        return;
    }
    struct str before = fuzz_text(f, obj);
    for (size_t to = 0; to < VERSIONS; to++) {
        converted(f, obj, to);
    }
    FUZZ_SAME(fuzz_text(f, obj), before);
    const yyjson_mut_val *once = round_trip(f, obj, from);
    const yyjson_mut_val *twice = once ? round_trip(f, once, from) : NULL;
    if (twice) {
        FUZZ_CHECK(json_equal(json_get(once, "spec"), json_get(twice, "spec")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    fuzz_begin(&f, data, size);
    struct str text = f.text;
    size_t from = fuzz_byte(&text) % VERSIONS;
    yyjson_mut_doc *d = fuzz_json(&f, text);
    if (d && json_is_obj(d->root)) {
        run(&f, d, d->root, from);
    }
    return fuzz_end(&f, data, size);
}
