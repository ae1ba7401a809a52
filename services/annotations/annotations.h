/* SPDX-License-Identifier: Apache-2.0 */
/* The type Annotation (annotation.grafana.app), and its group's search and tags. */
#ifndef SERVICES_ANNOTATIONS_ANNOTATIONS_H
#define SERVICES_ANNOTATIONS_ANNOTATIONS_H

struct annotations;

#endif
