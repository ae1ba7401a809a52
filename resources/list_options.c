/* SPDX-License-Identifier: Apache-2.0 */
/* The options of lists and watches: which go together, and what a field selector narrows. */
#include "resources/engine_priv.h"

int list_check_options(const struct list_options *o, bool watch, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    struct causes c;
    causes_init(&c, &a);
    const struct path *match = PATH_FIELD(NULL, STR("resourceVersionMatch"));
    if (watch) {
        if (o->send_initial_events_given && o->match != RV_MATCH_NOT_OLDER) {
            causes_add(&c, CAUSE_FORBIDDEN, match, NULL,
                       "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if (o->match != RV_MATCH_UNSET && !o->send_initial_events_given) {
            causes_add(
                &c, CAUSE_FORBIDDEN, match, NULL,
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
        if (o->match == RV_MATCH_EXACT) {
            yyjson_mut_doc *d = json_doc(&a);
            causes_add_unsupported(&c, match, yyjson_mut_str(d, "Exact"),
                                   (const struct str[]){STR("NotOlderThan")}, 1);
        }
    } else if (o->match != RV_MATCH_UNSET && !o->resource_version.len) {
        causes_add(&c, CAUSE_FORBIDDEN, match, NULL,
                   "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (o->match != RV_MATCH_UNSET && o->continue_token.len) {
        causes_add(&c, CAUSE_FORBIDDEN, match, NULL,
                   "resourceVersionMatch is forbidden when continue is provided");
    }
    if (!watch && o->match == RV_MATCH_EXACT && str_is(o->resource_version, "0")) {
        causes_add(&c, CAUSE_FORBIDDEN, match, NULL,
                   "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    if (!watch && o->send_initial_events_given) {
        causes_add(&c, CAUSE_FORBIDDEN, PATH_FIELD(NULL, STR("sendInitialEvents")), NULL,
                   "sendInitialEvents is forbidden for list");
    }
    int rc = causes_to_err(&c, STR("meta.k8s.io"), STR("ListOptions"), STR(""), err);
    arena_finish(&a);
    return rc;
}

void list_narrow_user(struct op *op)
{
    const struct type_strategy *s = op->type->strategy;
    if (s->narrow && op->user) {
        s->narrow(op->type->self, op);
    }
}

void list_narrow(const struct op *op, struct scope *ret_scope, struct str *ret_name)
{
    *ret_scope = op->scope;
    *ret_name = STR_NULL;
    if (!op->list.fields) {
        return;
    }
    if (op->type->namespaced && !op->scope.ns.len) {
        struct str ns = selector_required(op->list.fields, "metadata.namespace");
        if (ns.len && name_is_dns1123_label(ns)) {
            ret_scope->ns = ns;
        }
    }
    struct str name = selector_required(op->list.fields, "metadata.name");
    if (name.len && (!op->type->namespaced || ret_scope->ns.len)) {
        *ret_name = name;
    }
}
