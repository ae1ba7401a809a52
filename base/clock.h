/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and RFC 3339 time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

int64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
int64_t clock_wall_us(void); /* microseconds since 1970 UTC */

enum { CLOCK_TEXT = 40 };
/* "2026-01-31T12:00:00Z"; returns its length. */
size_t clock_format(int64_t wall_us, char out[CLOCK_TEXT]);
/* "2026-01-31T12:00:00.000000Z", Kubernetes' MicroTime. */
size_t clock_format_micro(int64_t wall_us, char out[CLOCK_TEXT]);
/* Parses RFC 3339 with any fraction and offset. False when s is not one. */
bool clock_parse(struct str s, int64_t *ret_wall_us);
/* kubectl's short age: "5s", "3m2s", "4h", "12d", "3y10d" (duration.HumanDuration); "<invalid>" when negative. */
size_t clock_age(int64_t us, char out[CLOCK_TEXT]);

#endif
