/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions: the type CustomResourceDefinition, and the types that its objects make. A type is in
 * the registry before the create of its definition is answered; the background part writes the
 * definitions' status. */
#ifndef SERVICES_DEFINITIONS_DEFINITIONS_H
#define SERVICES_DEFINITIONS_DEFINITIONS_H

#include "base/err.h"

struct definitions;

/* Writes the status of every definition whose status is not what it should be; what the background
 * service does when something changed. Waits for the writes. */
int definitions_sync(struct definitions *s, struct err *err);

/* The finalizer that holds a definition until its objects are gone. */
#define DEFINITIONS_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

#endif
