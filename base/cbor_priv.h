/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of CBOR (RFC 8949, section 3). */
#ifndef BASE_CBOR_PRIV_H
#define BASE_CBOR_PRIV_H

enum cbor_major {
    CBOR_UNSIGNED,
    CBOR_NEGATIVE,
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE,
};
/* What stands in the other five bits of an item's first byte: a number below, or its size. */
enum {
    CBOR_ONE_BYTE = 24,
    CBOR_TWO_BYTES,
    CBOR_FOUR_BYTES,
    CBOR_EIGHT_BYTES,
    CBOR_INDEFINITE = 31,
};
enum { CBOR_FALSE = 20, CBOR_TRUE, CBOR_NULL };
enum { CBOR_BREAK = 0xff };

#endif
