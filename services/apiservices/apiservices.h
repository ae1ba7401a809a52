/* SPDX-License-Identifier: Apache-2.0 */
/* APIServices: which group-versions other servers serve, whether those are well, and what their
 * documents say. */
#ifndef SERVICES_APISERVICES_APISERVICES_H
#define SERVICES_APISERVICES_APISERVICES_H

#include "resources/aggregation.h"

struct apiservices;

/* The table that requests are handed on by; lives as long as the service. */
struct aggregation *apiservices_table(struct apiservices *s);

#endif
