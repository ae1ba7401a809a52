/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own certificate authority: the certificate it serves with, what client certificates
 * are verified by, and the administrator's kubeconfig. Kept in DATA/pki. */
#ifndef SERVICES_AUTHORITY_AUTHORITY_H
#define SERVICES_AUTHORITY_AUTHORITY_H

#include "base/err.h"

struct authority;

/* Paths of PEM files, for the HTTP server. They live as long as the authority. */
const char *authority_cert_file(const struct authority *a);
const char *authority_key_file(const struct authority *a);
const char *authority_client_ca_file(const struct authority *a);

/* Writes the administrator's kubeconfig (mode 0600) for the server at `address` ("127.0.0.1:6443")
 * with a new client certificate of the group system:masters. ERR_IO, ERR_NO_SPACE. */
int authority_write_kubeconfig(const struct authority *a, const char *address, struct err *err);
/* The absolute path of that file. */
const char *authority_kubeconfig(const struct authority *a);

#endif
