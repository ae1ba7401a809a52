/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the service. */
#ifndef DASHBOARDS_DASHBOARDS_PRIV_H
#define DASHBOARDS_DASHBOARDS_PRIV_H

#include "resources/op.h"
#include "resources/write.h"

struct dashboards {
    struct access *access;
};

/* Whether the version has the classic model. */
bool version_is_classic(struct str api_version);
/* The strategy's convert: it never fails; what cannot be converted says so in status.conversion,
 * with what is stored. */
int dashboard_convert(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str to_api_version,
                      struct err *err);

/* The strategy's decoded: what status.conversion says of a conversion that went well is for readers
 * alone. */
void form_decoded(void *self, yyjson_mut_doc *d, yyjson_mut_val *obj);
/* Makes of what was sent what is stored: uid, version and id leave the model. ERR_BAD_REQUEST: what
 * was sent is what stands for a dashboard that could not be converted. */
int form_settle(yyjson_mut_doc *d, yyjson_mut_val *obj, struct err *err);
/* Grafana's rules with its messages: ERR_BAD_REQUEST, ERR_TOO_LARGE. What is of the wrong type is
 * the schema's to say. */
int check_dashboard(const yyjson_mut_val *obj, struct err *err);
/* Warns of ids that several panels have. */
void check_ids(struct write *w, const yyjson_mut_val *obj);

/* The subresources: the dashboard with what the user may do to it, and that alone. */
int dto_get(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
            yyjson_mut_val **ret_answer, struct err *err);
int access_get(void *self, struct op *op, yyjson_mut_doc *d, yyjson_mut_val *obj,
               yyjson_mut_val **ret_answer, struct err *err);

#endif
