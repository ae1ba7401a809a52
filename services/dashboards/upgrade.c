/* SPDX-License-Identifier: Apache-2.0 */
/* Older models that are written: as in Grafana, v0alpha1 keeps them, the later classic versions
 * take them for what they come to be. */
#include "base/cleanup.h"
#include "resources/metadata.h"
#include "services/dashboards/dashboards_priv.h"
#include "services/dashboards/migrate_priv.h"

/* The model, if it is one that is not to stay as it is; NULL: it is none. */
static yyjson_mut_val *older(const yyjson_mut_val *obj)
{
    struct str api_version = json_get_str(obj, "apiVersion");
    yyjson_mut_val *spec = json_get(obj, "spec");
    bool migrates = version_is_classic(api_version) && !version_is_as_written(api_version);
    return migrates && migrate_needed(spec) ? spec : NULL;
}

static bool is_strict(struct write *w)
{
    return write_op(w)->validation == FIELD_VALIDATION_STRICT;
}

/* Whoever applies or patches a model with rows over what came of it before does not mean the panels
 * that came of them. */
static void forget_panels(yyjson_mut_val *spec, const yyjson_mut_val *old)
{
    const yyjson_mut_val *was = json_get(old, "spec"), *panels = json_get(spec, "panels");
    if (panels && json_size(json_get(spec, "rows")) && !json_get(was, "rows") &&
        json_equal(panels, json_get(was, "panels"))) {
        json_remove(spec, "panels");
    }
}

void upgrade_model(struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   const yyjson_mut_val *old)
{
    AUTO(err_finish) struct err why = {0};
    yyjson_mut_val *spec = older(obj);
    if (spec && !migrate_check(spec, NULL)) {
        forget_panels(spec, old);
    }
    if (spec && migrate_model(d, spec, &why) && !is_strict(w)) {
        write_warn(w, "%s", err_message(&why));
    }
}

void upgrade_check(void *self, struct write *w, yyjson_mut_val *obj, yyjson_mut_val *old,
                   struct causes *c)
{
    AUTO(err_finish) struct err why = {0};
    struct str name = metadata_name(obj);
    (void)self;
    (void)old;
    if (older(obj) && is_strict(w) && migrate_check(older(obj), &why)) {
        yyjson_mut_doc *d = json_doc(write_arena(w));
        causes_add(c, CAUSE_INVALID, PATH_FIELD(NULL, STR("spec")),
                   yyjson_mut_strn(d, name.ptr ? name.ptr : "", name.len), "%s", err_message(&why));
    }
}
