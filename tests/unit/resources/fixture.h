/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of resources/ share: trees from text, text from trees, types from definitions. */
#ifndef TESTS_RESOURCES_FIXTURE_H
#define TESTS_RESOURCES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "resources/type.h"

#define WIDGET_VERSION                                                                             \
    "{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"          \
    "\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"           \
    "\"size\":{\"type\":\"integer\"},\"color\":{\"type\":\"string\"}}}}}}}"
#define WIDGET_NAMES                                                                               \
    "\"group\":\"example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\","        \
    "\"singular\":\"widget\",\"kind\":\"Widget\",\"listKind\":\"WidgetList\"}"
#define WIDGET                                                                                     \
    "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{" WIDGET_NAMES                     \
    ",\"versions\":[" WIDGET_VERSION "]}}"
#define CONFIGMAP                                                                                  \
    "{\"metadata\":{\"name\":\"configmaps\"},\"spec\":{\"group\":\"\",\"scope\":\"Namespaced\","   \
    "\"names\":{\"plural\":\"configmaps\",\"kind\":\"ConfigMap\"},\"coracle\":{\"builtin\":true,"  \
    "\"storagePrefix\":\"/registry/configmaps\",\"unconditionalUpdate\":true},\"versions\":[{"     \
    "\"name\":\"v1\",\"served\":true,\"storage\":true,\"openapiName\":"                            \
    "\"io.k8s.api.core.v1.ConfigMap\",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","       \
    "\"properties\":{\"data\":{\"type\":\"object\",\"additionalProperties\":{\"type\":"            \
    "\"string\"}}}}}}]}}"

static inline yyjson_mut_doc *tree(struct arena *a, const char *text)
{
    yyjson_mut_doc *d = NULL;
    struct err err = {0};
    if (json_read(a, str_from(text), &d, NULL, &err)) {
        fail_msg("%s: %s", err_message(&err), text);
    }
    return d;
}

/* The value as JSON, in the arena. */
static inline const char *text_of(struct arena *a, const yyjson_mut_val *v)
{
    struct buf b = {0};
    json_write(&b, v);
    const char *text = arena_str(a, buf_str(&b)).ptr;
    buf_finish(&b);
    return text;
}

static inline const char *buf_text(struct arena *a, struct buf *b)
{
    const char *text = b->len ? arena_str(a, buf_str(b)).ptr : "";
    buf_finish(b);
    return text;
}

/* The caller unrefs. */
static inline struct type *make_type(const char *document, const struct type_extras *extras)
{
    struct arena a;
    struct type *t = NULL;
    struct err err = {0};
    arena_init(&a, 0);
    if (type_create(tree(&a, document)->root, extras, &t, &err)) {
        fail_msg("%s", err_message(&err));
    }
    arena_finish(&a);
    return t;
}

#endif
