/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, random names, base64, UUIDs and the server's own certificate. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* 64 bits, stable over versions of this program (it is stored): FNV-1a. */
uint64_t crypto_hash64(struct str s);
uint64_t crypto_hash64_more(uint64_t h, struct str s);
void crypto_sha256(struct str s, unsigned char out[32]);
void crypto_sha512(struct str s, unsigned char out[64]);
/* Lower-case hexadecimal. */
void crypto_hex(struct buf *b, const unsigned char *p, size_t n);
/* Random bytes from the operating system; aborts when there are none. */
void crypto_random(void *out, size_t n);
/* A random (version 4) UUID as text, from a generator seeded by crypto_random a thread. */
void crypto_uuid(char out[37]);
/* The name-based (version 5) UUID of a text in the name space of OIDs: always the same. */
void crypto_uuid_of(struct str text, char out[37]);
/* n characters of "bcdfghjklmnpqrstvwxz2456789", as generateName has them; out gets a NUL. */
void crypto_name_suffix(char *out, size_t n);
/* Comparison whose time does not depend on where the strings differ. */
bool crypto_equal(struct str a, struct str b);

void crypto_base64(struct buf *b, struct str s);     /* standard, padded */
void crypto_base64url(struct buf *b, struct str s);  /* URL alphabet, no padding */
/* Strict standard base64 (newlines allowed, as Go's decoder); false when s is not. */
bool crypto_unbase64(struct buf *b, struct str s);
bool crypto_unbase64url(struct buf *b, struct str s);

struct crypto_keypair {
    struct buf cert_pem, key_pem;
};
/* A self-signed P-256 certificate authority and server certificate in one, for the given DNS names and IP addresses (text),
 * valid for `days`. */
int crypto_self_signed(const char *common_name, const struct str *names, size_t n_names, int days,
                       struct crypto_keypair *ret, struct err *err);
/* A client certificate for CN=user, O=groups, signed by the authority given. */
int crypto_client_cert(const struct crypto_keypair *ca, struct str user, const struct str *groups, size_t n_groups,
                       int days, struct crypto_keypair *ret, struct err *err);
/* Whether pem, whose place is named in the message, holds certificates and nothing broken. ERR_BAD_REQUEST. */
int crypto_check_certs(struct str pem, const char *from, struct err *err);
void crypto_keypair_finish(struct crypto_keypair *k);

#endif
