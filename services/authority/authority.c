/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own certificate authority. First start makes a self-signed P-256 certificate that is
 * both the authority and the serving certificate; later starts find it. */
#include "services/authority/authority.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/config.h"
#include "base/crypto.h"
#include "base/file.h"
#include "services/wire.gen.h"

#define CERT_DAYS 3650
#define PEM_BYTES ((size_t)1 << 20)
#define MAX_NAMES 64

struct authority {
    const struct config *config;
    char *cert_file, *key_file;       /* the authority's own */
    char *serving_cert, *serving_key; /* what is served with: the same, or the configuration's */
    char *client_ca_file;
    char *kubeconfig;
    struct crypto_keypair pair;
};

const char *authority_cert_file(const struct authority *a)
{
    return a->serving_cert;
}

const char *authority_key_file(const struct authority *a)
{
    return a->serving_key;
}

const char *authority_client_ca_file(const struct authority *a)
{
    return a->client_ca_file;
}

const char *authority_kubeconfig(const struct authority *a)
{
    return a->kubeconfig;
}

struct names {
    struct arena *arena;
    struct str items[MAX_NAMES];
    size_t n;
};

static void add_name(struct names *l, struct str s)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->items[i], s)) {
            return;
        }
    }
    if (l->n < MAX_NAMES && s.len) {
        l->items[l->n++] = arena_str(l->arena, s);
    }
}

/* The host of "ADDR:PORT", without brackets. */
static struct str host_of(const char *listen)
{
    struct str s = str_from(listen);
    const char *colon = strrchr(listen, ':');
    s.len = colon ? (size_t)(colon - listen) : s.len;
    if (s.len > 1 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']') {
        s = str_make(s.ptr + 1, s.len - 2);
    }
    return s;
}

static void add_interfaces(struct names *l)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) {
        return;
    }
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *at = NULL;
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
            at = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        } else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6) {
            at = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        }
        if (at && inet_ntop(i->ifa_addr->sa_family, at, text, sizeof(text))) {
            add_name(l, str_from(text));
        }
    }
    freeifaddrs(all);
}

/* What the certificate is valid for: the loopback names, this host's name, every address listened
 * on. */
static void gather_names(const struct config *c, struct names *l)
{
    static const char *const always[] = {"localhost",          "kubernetes",
                                         "kubernetes.default", "kubernetes.default.svc",
                                         "127.0.0.1",          "::1"};
    char host[HOST_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++) {
        add_name(l, str_from(always[i]));
    }
    if (gethostname(host, sizeof(host)) == 0) {
        host[HOST_NAME_MAX] = 0;
        add_name(l, str_from(host));
    }
    for (size_t i = 0; i < c->listen.n; i++) {
        struct str h = host_of(c->listen.items[i]);
        if (str_is(h, "0.0.0.0") || str_is(h, "::") || !h.len) {
            add_interfaces(l);
        } else if (!str_is(h, "unix")) {
            add_name(l, h);
        }
    }
}

static int make_pair(struct authority *a, struct err *err)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct names names = {.arena = &arena};
    gather_names(a->config, &names);
    int r = crypto_self_signed("coracle", names.items, names.n, CERT_DAYS, &a->pair, err);
    arena_finish(&arena);
    if (r == 0) {
        r = file_write(a->key_file, buf_str(&a->pair.key_pem), 0600, err);
    }
    return r == 0 ? file_write(a->cert_file, buf_str(&a->pair.cert_pem), 0644, err) : r;
}

static int load_pair(struct authority *a, struct err *err)
{
    AUTO(err_finish) struct err e = {0};
    int r = file_read(a->cert_file, PEM_BYTES, &a->pair.cert_pem, &e);
    if (r == ERR_NOT_FOUND) {
        return make_pair(a, err);
    }
    return r < 0 ? err_move(err, &e) : file_read(a->key_file, PEM_BYTES, &a->pair.key_pem, err);
}

/* One file of all authorities whose client certificates count: the own one, and the
 * configuration's. */
static int write_client_ca(const struct authority *a, struct err *err)
{
    AUTO(buf_finish) struct buf pem = {0};
    buf_add(&pem, buf_str(&a->pair.cert_pem));
    if (a->config->client_ca) {
        size_t own = pem.len;
        int r = file_read(a->config->client_ca, PEM_BYTES, &pem, err);
        r = r < 0 ? r : crypto_check_certs(str_skip(buf_str(&pem), own), a->config->client_ca, err);
        if (r < 0) {
            return err_wrap(err, "--client-ca");
        }
    }
    return file_write(a->client_ca_file, buf_str(&pem), 0644, err);
}

static char *absolute(const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/' || !getcwd(here, sizeof(here))) {
        return alloc_strdup(path);
    }
    return alloc_printf("%s/%s", here, strncmp(path, "./", 2) == 0 ? path + 2 : path);
}

int authority_provide(const struct authority_deps *d, struct authority **ret, struct err *err)
{
    struct authority *a = ALLOC(struct authority);
    AUTO_FREE char *dir = alloc_printf("%s/pki", d->config->data_dir);
    a->config = d->config;
    a->cert_file = alloc_printf("%s/server.crt", dir);
    a->key_file = alloc_printf("%s/server.key", dir);
    a->client_ca_file = alloc_printf("%s/client-ca.crt", dir);
    a->serving_cert = alloc_strdup(d->config->tls_cert ? d->config->tls_cert : a->cert_file);
    a->serving_key = alloc_strdup(d->config->tls_key ? d->config->tls_key : a->key_file);
    a->kubeconfig = absolute(d->config->kubeconfig);
    int r = file_mkdirs(dir, 0700, err);
    if (r == 0) {
        r = load_pair(a, err);
    }
    if (r == 0) {
        r = write_client_ca(a, err);
    }
    if (r < 0) {
        authority_release(a);
        return r;
    }
    *ret = a;
    return 0;
}

void authority_release(struct authority *a)
{
    if (!a) {
        return;
    }
    crypto_keypair_finish(&a->pair);
    free(a->cert_file);
    free(a->key_file);
    free(a->serving_cert);
    free(a->serving_key);
    free(a->client_ca_file);
    free(a->kubeconfig);
    free(a);
}

static void add_base64(struct buf *b, const char *key, struct str pem)
{
    buf_printf(b, "    %s: ", key);
    crypto_base64(b, pem);
    buf_addc(b, '\n');
}

/* An address that listens everywhere is reached through loopback. */
static void add_server(struct buf *b, const char *address)
{
    struct str host = host_of(address);
    const char *port = strrchr(address, ':');
    buf_addz(b, "    server: https://");
    if (!host.len || str_is(host, "0.0.0.0")) {
        buf_addz(b, "127.0.0.1");
    } else if (str_is(host, "::")) {
        buf_addz(b, "[::1]");
    } else {
        buf_add(b, str_make(address, port ? (size_t)(port - address) : strlen(address)));
    }
    buf_addz(b, port ? port : "");
    buf_addc(b, '\n');
}

int authority_write_kubeconfig(const struct authority *a, const char *address, struct err *err)
{
    static const struct str masters[] = {{"system:masters", 14}};
    struct crypto_keypair admin = {0};
    AUTO(buf_finish) struct buf ca = {0}, text = {0};
    int r = file_read(a->serving_cert, PEM_BYTES, &ca, err);
    if (r == 0) {
        r = crypto_client_cert(&a->pair, STR("coracle-admin"), masters, 1, CERT_DAYS, &admin, err);
    }
    if (r == 0) {
        buf_addz(&text, "apiVersion: v1\nkind: Config\nclusters:\n- name: coracle\n  cluster:\n");
        add_server(&text, address);
        add_base64(&text, "certificate-authority-data", buf_str(&ca));
        buf_addz(&text, "users:\n- name: coracle-admin\n  user:\n");
        add_base64(&text, "client-certificate-data", buf_str(&admin.cert_pem));
        add_base64(&text, "client-key-data", buf_str(&admin.key_pem));
        buf_addz(&text, "contexts:\n- name: coracle\n  context:\n    cluster: coracle\n    user: "
                        "coracle-admin\n    namespace: "
                        "default\ncurrent-context: coracle\n");
        r = file_write(a->kubeconfig, buf_str(&text), 0600, err);
    }
    crypto_keypair_finish(&admin);
    return r;
}
