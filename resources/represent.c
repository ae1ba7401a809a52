/* SPDX-License-Identifier: Apache-2.0 */
/* Objects between their stored form and what a client is shown. */
#include "resources/represent.h"

#include "base/json.h"
#include "resources/convert.h"
#include "resources/metadata.h"
#include "resources/tree_priv.h"

#include <string.h>

#define VERSION_KEY "\"resourceVersion\":\""

/* How the value begins, given that its stamp is a current one. */
static struct str header_of(const struct type *t, const struct stored *s)
{
    for (size_t i = 0; t->as_written && i < t->n_versions; i++) {
        if (t->versions[i].stamp == s->stamp) {
            return t->versions[i].header;
        }
    }
    return t->header;
}

bool represent_is_splice(const struct type *t, const struct type_version *v, const struct stored *s)
{
    if (t->as_written) {
        return s->stamp == v->stamp && str_starts(s->value, v->header);
    }
    return s->stamp == t->stamp && v == type_storage(t) &&
           str_eq(t->stored_api_version, v->api_version) && str_eq(t->stored_kind, t->kind) &&
           str_starts(s->value, t->header);
}

/* The decimal digits of rev, from the end of room. */
static struct str digits(int64_t rev, char room[24])
{
    char *p = room + 24;
    uint64_t v = rev < 0 ? 0 : (uint64_t)rev;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return str_make(p, (size_t)(room + 24 - p));
}

void represent_splice(struct buf *b, const struct type *t, const struct stored *s)
{
    char room[24];
    struct str header = header_of(t, s);
    struct str rv = digits(s->rev, room), rest = str_skip(s->value, header.len);
    size_t key = sizeof(VERSION_KEY) - 1;
    char *p = buf_reserve(b, s->value.len + key + rv.len + 2);
    char *start = p;
    memcpy(p, s->value.ptr, header.len);
    p += header.len;
    memcpy(p, VERSION_KEY, key);
    p += key;
    memcpy(p, rv.ptr, rv.len);
    p += rv.len;
    *p++ = '"';
    if (rest.len && rest.ptr[0] != '}') {
        *p++ = ',';
    }
    memcpy(p, rest.ptr, rest.len);
    p += rest.len;
    b->len += (size_t)(p - start);
}

int represent_converted(const struct type *t, const struct type_version *v, yyjson_mut_doc *d,
                        yyjson_mut_val *obj, struct err *err)
{
    (void)err;
    json_set_str(d, obj, "apiVersion", v->api_version);
    json_set_str(d, obj, "kind", t->kind);
    /* As the reference: what the other version does not know goes, but its defaults are not filled
     * in. */
    schema_prune(v->schema, obj, NULL);
    return 0;
}

int represent_convert(const struct type *t, const struct type_version *v, yyjson_mut_doc *d,
                      yyjson_mut_val *obj, struct err *err)
{
    int rc = 0;
    if (str_eq(json_get_str(obj, "apiVersion"), v->api_version) &&
        str_eq(json_get_str(obj, "kind"), t->kind)) {
        return 0;
    }
    if (t->strategy->convert) {
        rc = t->strategy->convert(t->self, d, obj, v->api_version, err);
    } else if (t->converter && type_version_of(t, json_get_str(obj, "apiVersion")) != v) {
        rc = convert_objects(t, v, d, &obj, 1, err);
    }
    return rc ? rc : represent_converted(t, v, d, obj, err);
}

/* Brings a value that was stored under another shape up to its own version's present schema. */
static void refresh(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    const struct type_version *v = type_version_of(t, json_get_str(obj, "apiVersion"));
    if (v) {
        schema_prune(v->schema, obj, NULL);
        schema_default(v->schema, d, obj);
    }
}

static void set_version(yyjson_mut_doc *d, yyjson_mut_val *obj, int64_t rev)
{
    char room[24];
    struct str rv = digits(rev, room);
    yyjson_mut_val *meta = json_ensure_obj(d, obj, "metadata");
    json_set_first(d, meta, "resourceVersion", yyjson_mut_strncpy(d, rv.ptr, rv.len));
}

int represent_own(const struct type *t, const struct stored *s, struct arena *a,
                  yyjson_mut_doc **ret, struct err *err)
{
    yyjson_mut_doc *d;
    struct err e = {0};
    if (json_read_own(a, s->value, &d, &e) || !yyjson_mut_is_obj(d->root)) {
        err_set(err, ERR_CORRUPT, "a stored object of %.*s cannot be read: %s",
                STR_FMT(t->group_resource), e.message ? e.message : "it is no JSON object");
        err_finish(&e);
        return ERR_CORRUPT;
    }
    if (!type_is_current(t, s->stamp) && s->stamp != REPRESENT_SHOWN) {
        refresh(t, d, d->root);
    }
    *ret = d;
    return 0;
}

int represent_decode(const struct type *t, const struct type_version *v, const struct stored *s,
                     struct arena *a, yyjson_mut_doc **ret, struct err *err)
{
    yyjson_mut_doc *d;
    int rc = represent_own(t, s, a, &d, err);
    if (rc) {
        return rc;
    }
    struct err why = {0};
    if (s->stamp != REPRESENT_SHOWN && represent_convert(t, v, d, d->root, &why)) {
        return t->converter ? convert_corrupt(t, d->root, s->rev, &why, err) : err_move(err, &why);
    }
    set_version(d, d->root, s->rev);
    *ret = d;
    return 0;
}

int represent_object(struct buf *b, const struct type *t, const struct type_version *v,
                     const struct stored *s, struct arena *a, struct err *err)
{
    if (represent_is_splice(t, v, s)) {
        represent_splice(b, t, s);
        return 0;
    }
    yyjson_mut_doc *d;
    int rc = represent_decode(t, v, s, a, &d, err);
    if (rc == 0) {
        json_write(b, d->root);
    }
    return rc;
}

static void put_member(struct buf *b, const struct json_iter *it, bool first)
{
    buf_addz(b, first ? "" : ",");
    buf_add_json(b, json_str(it->key));
    buf_addc(b, ':');
    json_write(b, it->val);
}

void represent_encode(struct buf *b, const struct type *t, yyjson_mut_val *obj)
{
    bool first = true;
    const struct type_version *own =
        t->as_written ? type_version_of(t, json_get_str(obj, "apiVersion")) : NULL;
    buf_add(b, own ? own->header : t->header);
    struct json_iter it = json_iter(metadata_of(obj));
    while (it.container && json_next(&it)) {
        struct str key = json_str(it.key);
        if (!str_is(key, "resourceVersion") && !str_is(key, "selfLink")) {
            put_member(b, &it, first);
            first = false;
        }
    }
    buf_addc(b, '}');
    it = json_iter(obj);
    while (it.container && json_next(&it)) {
        struct str key = json_str(it.key);
        if (!str_is(key, "apiVersion") && !str_is(key, "kind") && !str_is(key, "metadata")) {
            put_member(b, &it, false);
        }
    }
    buf_addc(b, '}');
}
