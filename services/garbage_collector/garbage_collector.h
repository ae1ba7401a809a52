/* SPDX-License-Identifier: Apache-2.0 */
/* The garbage collector. Nothing calls it. */
#ifndef SERVICES_GARBAGE_COLLECTOR_GARBAGE_COLLECTOR_H
#define SERVICES_GARBAGE_COLLECTOR_GARBAGE_COLLECTOR_H

struct garbage_collector;

#endif
