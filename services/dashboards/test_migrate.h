/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of migrations say of models. */
#ifndef DASHBOARDS_TEST_MIGRATE_H
#define DASHBOARDS_TEST_MIGRATE_H

#include "services/dashboards/migrate_priv.h"

#include "services/dashboards/test_values.h"

static inline void assert_none(struct arena *a, const yyjson_mut_val *v, const char *path)
{
    const yyjson_mut_val *found = at(v, path);
    if (found) {
        fail_msg("at %s there is %s", path, show(a, found));
    }
}

/* Migrated; a second time changes nothing. */
static inline yyjson_mut_val *migrated(struct arena *a, const yyjson_mut_val *v)
{
    AUTO(err_finish) struct err err = {0};
    yyjson_mut_doc *d = json_doc(a);
    yyjson_mut_val *made = json_copy(d, v);
    if (migrate_model(d, made, &err)) {
        fail_msg("%s: %s", err_message(&err), show(a, v));
    }
    yyjson_mut_val *again = json_copy(d, made);
    assert_int_equal(migrate_model(d, again, &err), 0);
    assert_same(a, again, made);
    return made;
}

static inline yyjson_mut_val *of(struct arena *a, int version, const char *members)
{
    return migrated(
        a, parse(a, arena_printf(a, "{'schemaVersion': %d, 'title': 'T', %s}", version, members)));
}

/* One panel, migrated from that version. */
static inline yyjson_mut_val *panel_of(struct arena *a, int version, const char *panel)
{
    return at(of(a, version, arena_printf(a, "'panels': [%s]", panel)), "panels/0");
}

#endif
