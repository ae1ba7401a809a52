/* SPDX-License-Identifier: Apache-2.0 */
/* The string formats that definitions may ask for (the reference's supported set), and the formats
 * of built-in types. */
#ifndef SCHEMAS_FORMAT_H
#define SCHEMAS_FORMAT_H

#include <stdbool.h>

#include "base/str.h"

enum schema_format {
    FORMAT_NONE,
    FORMAT_INT32, /* integers and numbers */
    FORMAT_INT64,
    FORMAT_FLOAT,
    FORMAT_DOUBLE,
    FORMAT_BSON_OBJECT_ID, /* strings, from here on */
    FORMAT_URI,
    FORMAT_EMAIL,
    FORMAT_HOSTNAME,
    FORMAT_IPV4,
    FORMAT_IPV6,
    FORMAT_CIDR,
    FORMAT_MAC,
    FORMAT_UUID,
    FORMAT_UUID3,
    FORMAT_UUID4,
    FORMAT_UUID5,
    FORMAT_ISBN,
    FORMAT_ISBN10,
    FORMAT_ISBN13,
    FORMAT_CREDIT_CARD,
    FORMAT_SSN,
    FORMAT_HEX_COLOR,
    FORMAT_RGB_COLOR,
    FORMAT_BYTE,
    FORMAT_PASSWORD,
    FORMAT_DATE,
    FORMAT_DURATION,
    FORMAT_DATE_TIME,
    FORMAT_SHORT_NAME,
    FORMAT_LONG_NAME,
    FORMAT_MICRO_TIME, /* of built-in types only */
    FORMAT_QUANTITY,
    FORMAT_COUNT
};

/* The string format of a name, dashes ignored; FORMAT_NONE: not one that is checked. */
enum schema_format format_parse(struct str name);
/* The pattern of a format that is a regular expression; NULL for the others. */
const char *format_pattern(enum schema_format f);
/* Whether s is of a string format. FORMAT_HOSTNAME: what its pattern leaves to be checked. */
bool format_matches(enum schema_format f, struct str s);

/* format_net.c */
bool format_is_uri(struct str s);
bool format_is_email(struct str s);
bool format_is_ip(struct str s, bool lenient); /* lenient: octets may have leading zeros */
bool format_is_cidr(struct str s);
bool format_is_mac(struct str s);
/* quantity.c: resource.Quantity's syntax. */
bool format_is_quantity(struct str s);

#endif
