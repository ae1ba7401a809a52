/* SPDX-License-Identifier: Apache-2.0 */
/* The value type into CBOR. */
#include <math.h>
#include <string.h>

#include "base/cbor.h"
#include "base/cbor_priv.h"
#include "base/json.h"

/* The head of an item in its shortest form. */
static void put_head(struct buf *b, enum cbor_major major, uint64_t n)
{
    unsigned size = n < CBOR_ONE_BYTE ? 0
                    : n <= 0xff       ? 1
                    : n <= 0xffff     ? 2
                    : n <= 0xffffffff ? 4
                                      : 8;
    unsigned info = size == 0   ? (unsigned)n
                    : size == 1 ? CBOR_ONE_BYTE
                    : size == 2 ? CBOR_TWO_BYTES
                    : size == 4 ? CBOR_FOUR_BYTES
                                : CBOR_EIGHT_BYTES;
    char *p = buf_reserve(b, 9);
    *p++ = (char)((unsigned)major << 5 | info);
    for (unsigned i = size; i-- > 0;) {
        *p++ = (char)(n >> (8 * i));
    }
    b->len += 1 + size;
}

static void put_bits(struct buf *b, unsigned info, uint64_t bits, unsigned size)
{
    buf_addc(b, (char)((unsigned)CBOR_SIMPLE << 5 | info));
    for (unsigned i = size; i-- > 0;) {
        buf_addc(b, (char)(bits >> (8 * i)));
    }
}

/* Whether a float has the value of one of 16 bits; which. */
static bool half_of(float f, uint16_t *ret)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    uint32_t sign = bits >> 16 & 0x8000, fraction = bits & 0x7fffff;
    int exponent = (int)(bits >> 23 & 0xff) - 127;
    if (exponent == -127 && !fraction) {
        *ret = (uint16_t)sign;
        return true;
    }
    if (exponent >= -14 && exponent <= 15 && !(fraction & 0x1fff)) {
        *ret = (uint16_t)(sign | (uint32_t)(exponent + 15) << 10 | fraction >> 13);
        return true;
    }
    if (exponent < -14 && exponent >= -24) { /* subnormal: 2^-24 times an integer */
        unsigned shift = (unsigned)(-exponent - 1);
        uint32_t whole = fraction | 0x800000;
        if (!(whole & ((1u << shift) - 1))) {
            *ret = (uint16_t)(sign | whole >> shift);
            return true;
        }
    }
    return false;
}

static void put_real(struct buf *b, double d)
{
    float f = (float)d;
    uint64_t bits64;
    uint32_t bits32;
    uint16_t bits16;
    memcpy(&bits64, &d, sizeof(bits64));
    memcpy(&bits32, &f, sizeof(bits32));
    if ((double)f != d) {
        put_bits(b, CBOR_EIGHT_BYTES, bits64, 8);
    } else if (half_of(f, &bits16)) {
        put_bits(b, CBOR_TWO_BYTES, bits16, 2);
    } else {
        put_bits(b, CBOR_FOUR_BYTES, bits32, 4);
    }
}

static void put_number(struct buf *b, yyjson_mut_val *v)
{
    if (yyjson_mut_is_real(v)) {
        put_real(b, yyjson_mut_get_real(v));
    } else if (yyjson_mut_is_sint(v) && yyjson_mut_get_sint(v) < 0) {
        put_head(b, CBOR_NEGATIVE, (uint64_t)(-(yyjson_mut_get_sint(v) + 1)));
    } else {
        put_head(b, CBOR_UNSIGNED, yyjson_mut_get_uint(v));
    }
}

void cbor_put_map(struct buf *b, size_t n)
{
    put_head(b, CBOR_MAP, n);
}

void cbor_put_text(struct buf *b, struct str s)
{
    put_head(b, CBOR_BYTES, s.len);
    buf_add(b, s);
}

void cbor_put_list(struct buf *b)
{
    buf_addc(b, (char)(CBOR_ARRAY << 5 | CBOR_INDEFINITE));
}

void cbor_put_end(struct buf *b)
{
    buf_addc(b, (char)CBOR_BREAK);
}

void cbor_write(struct buf *b, const yyjson_mut_val *v)
{
    if (json_is_obj(v) || json_is_arr(v)) {
        struct json_iter it = json_iter(v);
        put_head(b, json_is_obj(v) ? CBOR_MAP : CBOR_ARRAY, json_size(v));
        while (json_next(&it)) {
            if (it.key) {
                cbor_put_text(b, json_str(it.key));
            }
            cbor_write(b, it.val);
        }
    } else if (json_is_str(v)) {
        cbor_put_text(b, json_str(v));
    } else if (yyjson_mut_is_num(json_mut(v))) {
        put_number(b, json_mut(v));
    } else {
        put_head(b, CBOR_SIMPLE,
                 !yyjson_mut_is_bool(json_mut(v))   ? CBOR_NULL
                 : yyjson_mut_get_bool(json_mut(v)) ? CBOR_TRUE
                                                    : CBOR_FALSE);
    }
}
