/* SPDX-License-Identifier: Apache-2.0 */
/* Names of objects that say whose they are. */
#include "services/personal/personal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define USER "user-"
#define TEAM "team-"
#define ID_MAX 240 /* a name has at most 253 */
#define NAME_MAX_BYTES 253

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

enum personal_owner personal_parse(struct str name, struct str *ret_id)
{
    const struct str user = STR(USER), team = STR(TEAM);
    enum personal_owner owner = str_starts(name, user)   ? PERSONAL_USER
                                : str_starts(name, team) ? PERSONAL_TEAM
                                                         : PERSONAL_NOBODY;
    if (str_is(name, "namespace")) {
        *ret_id = STR("");
        return PERSONAL_NAMESPACE;
    }
    if (owner == PERSONAL_NOBODY || name.len == user.len) {
        return PERSONAL_NOBODY;
    }
    *ret_id = str_skip(name, user.len);
    return owner;
}

static void add_digest(struct buf *b, struct str id)
{
    unsigned char digest[32];
    crypto_sha256(id, digest);
    b->len = 0;
    buf_addz(b, "::");
    crypto_hex(b, digest, sizeof(digest));
}

struct str personal_encode(struct str id, struct arena *a)
{
    AUTO(buf_finish) struct buf b = {0};
    for (size_t i = 0; i < id.len && b.len <= ID_MAX; i++) {
        unsigned char c = (unsigned char)id.ptr[i];
        if (plain((char)c)) {
            buf_addc(&b, (char)c);
        } else {
            buf_addc(&b, ':');
            crypto_hex(&b, &c, 1);
        }
    }
    if (b.len > ID_MAX) {
        add_digest(&b, id);
    }
    return arena_str(a, buf_str(&b));
}

static struct str with_prefix(const char *prefix, struct str id, struct arena *a)
{
    struct str encoded = personal_encode(id, a);
    return str_from(arena_printf(a, "%s%.*s", prefix, STR_FMT(encoded)));
}

static bool anonymous(const struct user *u)
{
    return !u->name.len || str_is(u->name, "system:anonymous") ||
           user_in_group(u, "system:unauthenticated");
}

struct str personal_name(const struct user *u, struct arena *a)
{
    return anonymous(u) ? STR_NULL : with_prefix(USER, u->uid.len ? u->uid : u->name, a);
}

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

size_t personal_teams(const struct user *u, struct arena *a, struct str **ret)
{
    struct str *names = arena_alloc(a, (u->n_groups + 1) * sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < u->n_groups; i++) {
        if (!str_starts(u->groups[i], STR("system:")) && u->groups[i].len) {
            names[n++] = with_prefix(TEAM, u->groups[i], a);
        }
    }
    qsort(names, n, sizeof(*names), compare);
    *ret = names;
    return n < LIMIT_PERSONAL_TEAMS ? n : LIMIT_PERSONAL_TEAMS;
}

/* What the names may be, in words. */
static const char *forms(unsigned owners)
{
    return owners == PERSONAL_USER
               ? "must be user-ID, the ID of the user whose it is"
               : "must be user-ID, team-ID or namespace, which says whose it is";
}

void personal_check_name(const struct personal_rule *rule, struct str name, bool is_prefix,
                         const struct path *at, struct causes *c)
{
    yyjson_mut_doc *d = json_doc(c->arena);
    yyjson_mut_val *value = yyjson_mut_strncpy(d, name.ptr, name.len);
    struct str id;
    size_t bad = 0;
    for (size_t i = 0; i < name.len; i++) {
        bad += !plain(name.ptr[i]) && name.ptr[i] != ':';
    }
    if (name.len > NAME_MAX_BYTES) {
        causes_add(c, CAUSE_INVALID, at, value, "must be no more than %d bytes", NAME_MAX_BYTES);
    } else if (bad) {
        causes_add(c, CAUSE_INVALID, at, value,
                   "must consist of letters, digits, '-', '_', '.' and ':'");
    } else if (!is_prefix && !(personal_parse(name, &id) & rule->owners)) {
        causes_add(c, CAUSE_INVALID, at, value, "%s", forms(rule->owners));
    }
}
