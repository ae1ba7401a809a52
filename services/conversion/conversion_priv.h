/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this service share. */
#ifndef SERVICES_CONVERSION_CONVERSION_PRIV_H
#define SERVICES_CONVERSION_CONVERSION_PRIV_H

#include <pthread.h>

#include "base/buf.h"
#include "base/httpc.h"
#include "base/metrics.h"
#include "resources/convert.h"
#include "services/conversion/conversion.h"

/* A call under way. */
struct conversion_call {
    struct conversion_call *next, *prev;
    uint64_t id; /* for httpc_cancel */
};

/* Converters keep it beyond the service's end; they then find it closed. */
struct conversion {
    _Atomic unsigned refs;
    struct metrics *metrics;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t idle;
    struct httpc *http; /* NULL until the first webhook */
    struct conversion_call *calls;
    bool closed;
};

void conversion_ref(struct conversion *c);
void conversion_unref(struct conversion *c);

/* ---- webhook.c ---- */
int webhook_create(struct conversion *c, const yyjson_mut_val *definition, struct converter **ret,
                   struct err *err);

/* ---- review.c: the body of a review, there and back ---- */
enum review_fault { REVIEW_MALFORMED, REVIEW_PARTIAL, REVIEW_INVALID_OBJECT };

/* Appends the ConversionReview that asks for the objects in a version. */
void review_write(struct buf *b, bool v1beta1, struct str uid, struct str api_version,
                  yyjson_mut_val *const *objs, size_t n);
/* Reads the answer (any bytes) to a review of n objects and rewrites them in place, with their
 * metadata restored but for labels and annotations. Nothing is changed on failure, whose error is
 * worded as the reference's; *ret_fault says of which kind it is. */
int review_read(struct str body, bool v1beta1, struct str uid, const struct type *t,
                struct str api_version, yyjson_mut_doc *d, yyjson_mut_val **objs, size_t n,
                enum review_fault *ret_fault, struct err *err);

#endif
