/* SPDX-License-Identifier: Apache-2.0 */
/* The two forms of an event, seen as one. */
#ifndef SERVICES_EVENTS_FORM_PRIV_H
#define SERVICES_EVENTS_FORM_PRIV_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/causes.h"
#include "base/err.h"
#include "base/str.h"

/* The fields whose names differ. */
struct event_form {
    const char *object, *message, *source, *first, *last, *count, *controller;
};
extern const struct event_form event_core, event_new;

/* Adds the members that the form always shows: empty structs, null times, empty names. */
void event_fill(const struct event_form *f, yyjson_mut_doc *d, yyjson_mut_val *obj);
/* Renames the members from one form to the other. */
void event_convert(const struct event_form *from, const struct event_form *to, yyjson_mut_doc *d,
                   yyjson_mut_val *obj);

/* Validates, with the core form's field names, as the reference does for both. */
void event_check(const struct event_form *f, const yyjson_mut_val *obj, struct causes *c);
/* What only events.k8s.io asks of a create and of an update. */
void event_check_create(const struct event_form *f, const yyjson_mut_val *obj, struct causes *c);
void event_check_update(const struct event_form *f, const yyjson_mut_val *obj,
                        const yyjson_mut_val *old, struct causes *c);

#endif
