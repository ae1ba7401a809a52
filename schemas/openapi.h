/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI fragments made from an openAPIV3Schema: what /openapi/v3 and /openapi/v2 publish for one version of one type. They
 * are built on demand from the definition's document, never kept as trees. */
#ifndef SCHEMAS_OPENAPI_H
#define SCHEMAS_OPENAPI_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/str.h"

enum openapi_form { OPENAPI_V3, OPENAPI_V2 };

/* Appends the schema object of a kind as JSON: `{"description":...,"type":"object","properties":{...},
 * "x-kubernetes-group-version-kind":[...]}`. apiVersion, kind and metadata are added as the reference adds them (metadata refers to ObjectMeta
 * under the form's prefix). V2 leaves out what OpenAPI v2 cannot say (oneOf, anyOf, not, nullable...) and, where unknown fields are
 * preserved, the properties, exactly as the reference publishes it for kubectl. */
void openapi_schema(struct buf *b, enum openapi_form form, const yyjson_mut_val *schema, struct str group,
                    struct str version, struct str kind);
/* The name a kind's schema is published under: com.example.stable.v1.CronTab for stable.example.com/v1; io.k8s.api.core.v1.ConfigMap
 * style names of built-ins come from their document. */
void openapi_name(struct buf *b, struct str group, struct str version, struct str kind);

#endif
