/* SPDX-License-Identifier: Apache-2.0 */
/* The types Event of the core group and of events.k8s.io: two forms of the same stored objects. */
#ifndef SERVICES_EVENTS_EVENTS_H
#define SERVICES_EVENTS_EVENTS_H

struct events;

#endif
