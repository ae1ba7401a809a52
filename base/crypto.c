/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, random names, base64 and UUIDs. Certificates are in crypto_cert.c. */
/* SHA256() looks its algorithm up at each call, at seven times the cost of these. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

uint64_t crypto_hash64_more(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3ULL;
    }
    return h;
}

uint64_t crypto_hash64(struct str s)
{
    return crypto_hash64_more(0xcbf29ce484222325ULL, s);
}

void crypto_sha256(struct str s, unsigned char out[32])
{
    SHA256_CTX c;
    SHA256_Init(&c);
    SHA256_Update(&c, s.len ? s.ptr : "", s.len);
    SHA256_Final(out, &c);
}

void crypto_sha512(struct str s, unsigned char out[64])
{
    SHA512((const unsigned char *)(s.len ? s.ptr : ""), s.len, out);
}

void crypto_hex(struct buf *b, const unsigned char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *out = buf_reserve(b, n * 2);
    for (size_t i = 0; i < n; i++) {
        out[i * 2] = digits[p[i] >> 4];
        out[i * 2 + 1] = digits[p[i] & 15];
    }
    b->len += n * 2;
}

void crypto_random(void *out, size_t n)
{
    char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno != EINTR) {
            abort();
        }
        p += got < 0 ? 0 : got;
        n -= got < 0 ? 0 : (size_t)got;
    }
}

/* Random bytes fetched ahead, a thread each, so that a UUID is no system call. A child of fork
 * starts anew. */
struct ahead {
    unsigned char bytes[1024];
    size_t left;
    pid_t pid;
};

static void random_ahead(void *out, size_t n)
{
    static _Thread_local struct ahead a;
    if (a.left < n || a.pid != getpid()) {
        crypto_random(a.bytes, sizeof(a.bytes));
        a.left = sizeof(a.bytes);
        a.pid = getpid();
    }
    a.left -= n;
    memcpy(out, a.bytes + a.left, n);
    memset(a.bytes + a.left, 0, n); /* handed out once */
}

static void uuid_text(unsigned char r[16], int version, char out[37])
{
    static const char digits[] = "0123456789abcdef";
    r[6] = (unsigned char)((r[6] & 0x0f) | version << 4);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }
        *p++ = digits[r[i] >> 4];
        *p++ = digits[r[i] & 15];
    }
    *p = 0;
}

void crypto_uuid(char out[37])
{
    unsigned char r[16];
    random_ahead(r, sizeof(r));
    uuid_text(r, 4, out);
}

void crypto_uuid_of(struct str text, char out[37])
{
    static const unsigned char oids[16] = {0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1,
                                           0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA_CTX c;
    SHA1_Init(&c);
    SHA1_Update(&c, oids, sizeof(oids));
    SHA1_Update(&c, text.len ? text.ptr : "", text.len);
    SHA1_Final(digest, &c);
    uuid_text(digest, 5, out);
}

void crypto_name_suffix(char *out, size_t n)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    const unsigned count = sizeof(letters) - 1;
    for (size_t i = 0; i < n;) {
        unsigned char r;
        random_ahead(&r, 1);
        if (r < 256 / count * count) { /* what is above would favour the first letters */
            out[i++] = letters[r % count];
        }
    }
    out[n] = 0;
}

bool crypto_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void encode64(struct buf *b, struct str s, const char *alphabet, bool pad)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    char *out = buf_reserve(b, s.len / 3 * 4 + 4), *start = out;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t have = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= have > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= have > 2 ? p[i + 2] : 0;
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        if (have > 1 || pad) {
            *out++ = have > 1 ? alphabet[v >> 6 & 63] : '=';
        }
        if (have > 2 || pad) {
            *out++ = have > 2 ? alphabet[v & 63] : '=';
        }
    }
    b->len += (size_t)(out - start);
}

void crypto_base64(struct buf *b, struct str s)
{
    encode64(b, s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

void crypto_base64url(struct buf *b, struct str s)
{
    encode64(b, s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

static int value64(char c, bool url)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == (url ? '-' : '+') ? 62 : c == (url ? '_' : '/') ? 63 : -1;
}

/* Newlines are skipped as Go's decoders do; everything else must be right, the padding above all.
 */
static bool decode64(struct buf *b, struct str s, bool url)
{
    char *start = buf_reserve(b, s.len / 4 * 3 + 3), *out = start;
    uint32_t v = 0;
    int digits = 0, pads = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\r' || c == '\n') {
            continue;
        }
        int d = value64(c, url);
        if (c == '=' && !url && digits >= 2 && digits + pads < 4) {
            pads++;
            continue;
        }
        if (d < 0 || pads) {
            return false;
        }
        v = v << 6 | (uint32_t)d;
        if (++digits == 4) {
            *out++ = (char)(v >> 16);
            *out++ = (char)(v >> 8 & 255);
            *out++ = (char)(v & 255);
            digits = 0;
            v = 0;
        }
    }
    if (digits == 1 || (!url && digits && digits + pads != 4)) {
        return false;
    }
    if (digits >= 2) {
        v <<= 6 * (4 - digits);
        *out++ = (char)(v >> 16);
    }
    if (digits == 3) {
        *out++ = (char)(v >> 8 & 255);
    }
    b->len += (size_t)(out - start);
    return true;
}

bool crypto_unbase64(struct buf *b, struct str s)
{
    return decode64(b, s, false);
}

bool crypto_unbase64url(struct buf *b, struct str s)
{
    return decode64(b, s, true);
}
