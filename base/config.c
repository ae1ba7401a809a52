/* SPDX-License-Identifier: Apache-2.0 */
/* The server's settings: one table of options serves the flags and the keys of the file. */
#include "base/config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/yaml.h"

#define CONFIG_FILE_BYTES ((size_t)1 << 20)

enum option_type {
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_LEVEL,
    OPTION_FORMAT,
    OPTION_FD,
    OPTION_COUNT,
    OPTION_SECONDS,
};

static const struct option_row {
    const char *name;
    enum option_type type;
    size_t offset; /* of the member of struct config */
} options[] = {
    {"data", OPTION_TEXT, offsetof(struct config, data_dir)},
    {"store", OPTION_TEXT, offsetof(struct config, store)},
    {"etcd-cafile", OPTION_TEXT, offsetof(struct config, etcd_cafile)},
    {"etcd-certfile", OPTION_TEXT, offsetof(struct config, etcd_certfile)},
    {"etcd-keyfile", OPTION_TEXT, offsetof(struct config, etcd_keyfile)},
    {"etcd-prefix", OPTION_TEXT, offsetof(struct config, etcd_prefix)},
    {"listen", OPTION_LIST, offsetof(struct config, listen)},
    {"kubeconfig", OPTION_TEXT, offsetof(struct config, kubeconfig)},
    {"token-file", OPTION_TEXT, offsetof(struct config, token_file)},
    {"tls-cert", OPTION_TEXT, offsetof(struct config, tls_cert)},
    {"tls-key", OPTION_TEXT, offsetof(struct config, tls_key)},
    {"client-ca", OPTION_TEXT, offsetof(struct config, client_ca)},
    {"proxy-client-cert-file", OPTION_TEXT, offsetof(struct config, proxy_client_cert)},
    {"proxy-client-key-file", OPTION_TEXT, offsetof(struct config, proxy_client_key)},
    {"schemas", OPTION_LIST, offsetof(struct config, schemas)},
    {"provision", OPTION_LIST, offsetof(struct config, provision)},
    {"provision-interval", OPTION_SECONDS, offsetof(struct config, provision_interval_s)},
    {"max-connections", OPTION_COUNT, offsetof(struct config, max_connections)},
    {"max-connections-per-peer", OPTION_COUNT, offsetof(struct config, max_connections_per_peer)},
    {"event-ttl", OPTION_SECONDS, offsetof(struct config, event_ttl_s)},
    {"shorturl-ttl", OPTION_SECONDS, offsetof(struct config, shorturl_ttl_s)},
    {"log-level", OPTION_LEVEL, offsetof(struct config, log_level)},
    {"log-format", OPTION_FORMAT, offsetof(struct config, log_format)},
    {"ready-fd", OPTION_FD, offsetof(struct config, ready_fd)},
};
enum { N_OPTIONS = sizeof(options) / sizeof(*options) };

static const char help[] =
    "Usage: coracle serve [options]\n"
    "\n"
    "  --config FILE          settings as YAML; each flag below is a key of it, a flag wins\n"
    "  --data DIR             where everything is kept (./data)\n"
    "  --store KIND           sqlite, memory or etcd=URL,... (sqlite)\n"
    "  --etcd-cafile FILE     authority of etcd's servers (the system's)\n"
    "  --etcd-certfile FILE   certificate and key to show to etcd\n"
    "  --etcd-keyfile FILE\n"
    "  --etcd-prefix PREFIX   what every key in etcd begins with (/registry)\n"
    "  --listen ADDR:PORT     address to serve, or unix:PATH; may be repeated; port 0: any free "
    "one\n"
    "                         (127.0.0.1:6443)\n"
    "  --kubeconfig FILE      where the administrator's kubeconfig is written "
    "(DATA/admin.kubeconfig)\n"
    "  --token-file FILE      bearer tokens: lines of token,user,uid,\"group1,group2\"\n"
    "  --tls-cert FILE        certificate and key to serve with (made at first start)\n"
    "  --tls-key FILE\n"
    "  --client-ca FILE       authorities of client certificates, besides the server's own\n"
    "  --proxy-client-cert-file FILE\n"
    "  --proxy-client-key-file FILE\n"
    "                         certificate and key to show to the servers of APIServices (none)\n"
    "  --schemas DIR          definitions to load at start; may be repeated\n"
    "  --provision DIR        objects to keep as the files of a directory say; or NAME=DIR; may be "
    "repeated\n"
    "  --provision-interval TIME\n"
    "                         how often all of them are looked at, besides when they change (5m)\n"
    "  --max-connections N    connections at a time; further ones are closed at once (65536)\n"
    "  --max-connections-per-peer N\n"
    "                         of them, those of one address (40000)\n"
    "  --event-ttl TIME       how long events are kept after they were last written: 90s, 30m, "
    "1h30m (1h)\n"
    "  --shorturl-ttl TIME    how long short URLs are kept that nobody has used (168h)\n"
    "  --log-level LEVEL      debug, info, warn or error (info)\n"
    "  --log-format FORMAT    text or json (text)\n"
    "  --ready-fd N           a byte is written to this descriptor once requests are served\n"
    "  --help\n";

const char *config_help(void)
{
    return help;
}

static void list_add(struct config_list *l, struct str s)
{
    if ((l->n & (l->n - 1)) == 0) { /* full at each power of two */
        l->items = alloc_resize(l->items, (l->n ? l->n * 2 : 1) * sizeof(*l->items));
    }
    l->items[l->n++] = alloc_str(s);
}

static void list_finish(struct config_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i]);
    }
    free(l->items);
    *l = (struct config_list){0};
}

static int parse_number(struct str s, size_t digits, int *ret)
{
    int v = 0;
    if (s.len == 0 || s.len > digits) {
        return ERR_BAD_REQUEST;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return ERR_BAD_REQUEST;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = v;
    return 0;
}

/* Hours, minutes and seconds in this order, each at most once: Go's form of whole seconds. */
static int parse_seconds(struct str s, int *ret)
{
    static const struct {
        char unit;
        int seconds;
    } units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
    int total = 0;
    for (size_t u = 0; u < 3; u++) {
        const char *at = s.len ? memchr(s.ptr, units[u].unit, s.len) : NULL;
        int n = 0;
        if (!at) {
            continue;
        }
        if (parse_number(str_make(s.ptr, (size_t)(at - s.ptr)), 5, &n) < 0) {
            return ERR_BAD_REQUEST;
        }
        total += n * units[u].seconds;
        s = str_skip(s, (size_t)(at + 1 - s.ptr));
    }
    if (s.len || total < 1) {
        return ERR_BAD_REQUEST;
    }
    *ret = total;
    return 0;
}

/* from: "--data" or "data in FILE", for the message. */
static int set_option(struct config *c, const struct option_row *o, struct str value,
                      const char *from, struct err *err)
{
    void *at = (char *)c + o->offset;
    AUTO_FREE char *text = alloc_str(value);
    if (!value.len || memchr(value.ptr, 0, value.len)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: the value is empty or holds a NUL", from);
    }
    int count;
    switch (o->type) {
    case OPTION_TEXT:
        free(*(char **)at);
        *(char **)at = take(&text);
        return 0;
    case OPTION_LIST:
        list_add(at, value);
        return 0;
    case OPTION_LEVEL:
        if (log_parse_level(text, at) < 0) {
            return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" is none of debug, info, warn, error",
                           from, text);
        }
        return 0;
    case OPTION_FORMAT:
        if (!str_is(value, "text") && !str_is(value, "json")) {
            return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" is neither text nor json", from, text);
        }
        *(enum log_format *)at = str_is(value, "json") ? LOG_JSON : LOG_TEXT;
        return 0;
    case OPTION_FD:
        if (parse_number(value, 5, at) < 0) {
            return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" is not a file descriptor", from, text);
        }
        return 0;
    case OPTION_COUNT:
        if (parse_number(value, 7, &count) < 0 || count < 1) {
            return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" is not a number from 1", from, text);
        }
        *(int *)at = count;
        return 0;
    case OPTION_SECONDS:
        if (parse_seconds(value, &count) < 0) {
            return err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" is not a time like 1h30m or 90s", from,
                           text);
        }
        *(int *)at = count;
        return 0;
    }
    return ERR_INTERNAL;
}

/* A scalar of the file as text: numbers too ("ready-fd: 3"). */
static int scalar_text(const yyjson_mut_val *v, struct buf *b, const char *from, struct err *err)
{
    if (json_is_str(v)) {
        buf_add(b, json_str(v));
    } else if (yyjson_mut_is_num(json_mut(v))) {
        json_write(b, v);
    } else {
        return err_set(err, ERR_BAD_REQUEST, "%s: a text or a number is wanted", from);
    }
    return 0;
}

static int set_scalar(struct config *c, const struct option_row *o, const yyjson_mut_val *v,
                      const char *from, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    int r = scalar_text(v, &text, from, err);
    return r < 0 ? r : set_option(c, o, buf_str(&text), from, err);
}

static int set_from_file(struct config *c, const struct option_row *o, const yyjson_mut_val *v,
                         const char *from, struct err *err)
{
    if (o->type != OPTION_LIST || !json_is_arr(v)) {
        return set_scalar(c, o, v, from, err);
    }
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        int r = set_scalar(c, o, it.val, from, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* services: {NAME: {enabled: false}} */
static int set_services(struct config *c, const yyjson_mut_val *v, const char *from,
                        struct err *err)
{
    if (!json_is_obj(v)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: a map of services is wanted", from);
    }
    struct json_iter it = json_iter(v);
    while (json_next(&it)) {
        const yyjson_mut_val *enabled = json_get(it.val, "enabled");
        if (!json_is_obj(it.val) || json_size(it.val) != (enabled != NULL) ||
            (enabled && !yyjson_mut_is_bool(json_mut(enabled)))) {
            return err_set(err, ERR_BAD_REQUEST,
                           "%s: %.*s: a map with enabled: true or false is wanted", from,
                           STR_FMT(json_str(it.key)));
        }
        if (enabled && !yyjson_mut_get_bool(json_mut(enabled))) {
            list_add(&c->disabled, json_str(it.key));
        }
    }
    return 0;
}

static int set_key(struct config *c, struct str key, const yyjson_mut_val *v, const char *file,
                   struct err *err)
{
    AUTO_FREE char *from = alloc_printf("%s: %.*s", file, STR_FMT(key));
    if (str_is(key, "services")) {
        return set_services(c, v, from, err);
    }
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (str_is(key, options[i].name)) {
            return set_from_file(c, &options[i], v, from, err);
        }
    }
    return err_set(err, ERR_BAD_REQUEST, "%s: there is no such setting", from);
}

static int read_tree(struct config *c, struct arena *a, const char *file, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0};
    yyjson_mut_doc *d = NULL;
    struct json_duplicates twice = {0};
    int r = file_read(file, CONFIG_FILE_BYTES, &text, err);
    if (r < 0) {
        return r;
    }
    if ((r = yaml_read(a, buf_str(&text), &d, &twice, err)) < 0) {
        return err_wrap(err, "%s", file);
    }
    if (twice.n) {
        return err_set(err, ERR_BAD_REQUEST, "%s: %.*s: it is set twice", file,
                       STR_FMT(twice.paths[0]));
    }
    if (yyjson_mut_is_null(d->root)) {
        return 0;
    }
    if (!yyjson_mut_is_obj(d->root)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: a map of settings is wanted", file);
    }
    struct json_iter it = json_iter(d->root);
    while (json_next(&it)) {
        if ((r = set_key(c, json_str(it.key), it.val, file, err)) < 0) {
            return r;
        }
    }
    return 0;
}

static int read_file(struct config *c, const char *file, struct err *err)
{
    struct arena a;
    arena_init(&a, 0);
    int r = read_tree(c, &a, file, err);
    arena_finish(&a);
    return r;
}

/* A flag as it stands in the arguments: "--name value" or "--name=value". */
struct flag {
    const char *value;
    size_t option; /* N_OPTIONS: --config */
};

static bool flag_find(struct str name, size_t *ret)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (str_is(name, options[i].name)) {
            *ret = i;
            return true;
        }
    }
    *ret = N_OPTIONS;
    return str_is(name, "config");
}

/* Reads the flag at argv[*at] and moves on behind it. */
static int flag_read(int argc, char *const *argv, int *at, struct flag *ret, struct err *err)
{
    const char *text = argv[(*at)++];
    struct str s = str_from(text), value, name;
    if (s.len < 2 || s.ptr[0] != '-') {
        return err_set(err, ERR_BAD_REQUEST, "%s: no argument is wanted here", text);
    }
    name = str_cut(s, '=', &value);
    if (!str_starts(name, STR("--")) || !flag_find(str_skip(name, 2), &ret->option)) {
        return err_set(err, ERR_BAD_REQUEST, "%s: there is no such flag", text);
    }
    if (!value.ptr && *at == argc) {
        return err_set(err, ERR_BAD_REQUEST, "%s wants a value", text);
    }
    ret->value = value.ptr ? value.ptr : argv[(*at)++];
    return 0;
}

/* Flags in two passes: the first (c NULL) finds --config, the second sets the rest over what the
 * file said. */
static int read_flags(struct config *c, int argc, char *const *argv, const char **file,
                      struct err *err)
{
    bool fresh[N_OPTIONS] = {false}; /* lists: the first flag replaces what the file had */
    struct flag f = {0};
    for (int at = 1; at < argc;) {
        int r = flag_read(argc, argv, &at, &f, err);
        if (r == 0 && f.option == N_OPTIONS) {
            *file = f.value;
        } else if (r == 0 && c) {
            const struct option_row *o = &options[f.option];
            AUTO_FREE char *from = alloc_printf("--%s", o->name);
            if (o->type == OPTION_LIST && !fresh[f.option]) {
                list_finish((struct config_list *)(void *)((char *)c + o->offset));
                fresh[f.option] = true;
            }
            r = set_option(c, o, str_from(f.value), from, err);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check(const struct config *c, struct err *err)
{
    if (!c->tls_cert != !c->tls_key) {
        return err_set(err, ERR_BAD_REQUEST, "--tls-cert and --tls-key go together");
    }
    if (!c->proxy_client_cert != !c->proxy_client_key) {
        return err_set(err, ERR_BAD_REQUEST,
                       "--proxy-client-cert-file and --proxy-client-key-file go together");
    }
    if (strcmp(c->store, "sqlite") != 0 && strcmp(c->store, "memory") != 0 &&
        strncmp(c->store, "etcd=", 5) != 0) {
        return err_set(err, ERR_BAD_REQUEST,
                       "--store: \"%s\" is none of sqlite, memory, etcd=URL,...", c->store);
    }
    return 0;
}

static void set_defaults(struct config *c)
{
    if (!c->data_dir) {
        c->data_dir = alloc_strdup("./data");
    }
    if (!c->store) {
        c->store = alloc_strdup("sqlite");
    }
    if (!c->listen.n) {
        list_add(&c->listen, STR("127.0.0.1:6443"));
    }
    if (!c->kubeconfig) {
        c->kubeconfig = alloc_printf("%s/admin.kubeconfig", c->data_dir);
    }
}

int config_parse(int argc, char *const *argv, struct config *ret, struct err *err)
{
    struct config c = {.log_level = LOG_INFO, .ready_fd = -1};
    const char *file = NULL;
    int r = read_flags(NULL, argc, argv, &file, err);
    if (r == 0 && file) {
        r = read_file(&c, file, err);
    }
    if (r == 0) {
        r = read_flags(&c, argc, argv, &file, err);
    }
    if (r == 0) {
        set_defaults(&c);
        r = check(&c, err);
    }
    if (r < 0) {
        config_finish(&c);
        return r;
    }
    *ret = c;
    return 0;
}

void config_finish(struct config *c)
{
    free(c->data_dir);
    free(c->store);
    free(c->etcd_cafile);
    free(c->etcd_certfile);
    free(c->etcd_keyfile);
    free(c->etcd_prefix);
    free(c->kubeconfig);
    free(c->token_file);
    free(c->tls_cert);
    free(c->tls_key);
    free(c->client_ca);
    free(c->proxy_client_cert);
    free(c->proxy_client_key);
    list_finish(&c->listen);
    list_finish(&c->schemas);
    list_finish(&c->provision);
    list_finish(&c->disabled);
    *c = (struct config){0};
}

bool config_enabled(const struct config *c, const char *service)
{
    for (size_t i = 0; i < c->disabled.n; i++) {
        if (strcmp(c->disabled.items[i], service) == 0) {
            return false;
        }
    }
    return true;
}
