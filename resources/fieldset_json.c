/* SPDX-License-Identifier: Apache-2.0 */
/* FieldsV1: {"f:data":{".":{},"f:a":{}}}. An element whose value has no elements is a member; one
 * with elements is a member where "." stands among them. */
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "resources/fieldset_priv.h"

/* *ret_member: the element that `fields` stands at is a member. */
static int read_level(struct arena *a, const yyjson_mut_val *fields, int depth,
                      struct fieldset **ret, bool *ret_member, struct err *err)
{
    if (depth > LIMIT_DEPTH) {
        return err_set(err, ERR_BAD_REQUEST, "fields are nested deeper than %d levels",
                       LIMIT_DEPTH);
    }
    if (!json_is_obj(fields) && !json_is_null(fields)) {
        return err_set(err, ERR_BAD_REQUEST, "ReadMapCB: expect { or n, but found %s",
                       yyjson_mut_get_type_desc(json_mut(fields)));
    }
    struct fieldset_builder b = {0};
    bool member = false;
    for (struct json_iter it = json_iter(fields); json_is_obj(fields) && json_next(&it);) {
        struct str text = json_str(it.key);
        struct element e;
        struct fieldset *children = NULL;
        bool child_member = false;
        if (str_is(text, ".")) {
            member = true;
            continue;
        }
        int r = element_read(a, text, &e, err);
        if (r > 0) {
            r = read_level(a, it.val, depth + 1, &children, &child_member, err);
            fieldset_add(&b, a, &e, child_member, children);
        }
        if (r < 0) {
            return r;
        }
    }
    *ret = fieldset_finish(&b, a);
    *ret_member = member || !*ret;
    return 0;
}

int fieldset_read(struct arena *a, const yyjson_mut_val *fields, struct fieldset **ret,
                  struct err *err)
{
    bool member;
    if (!fields) {
        *ret = NULL;
        return 0;
    }
    return read_level(a, fields, 1, ret, &member, err);
}

static void put(yyjson_mut_doc *d, yyjson_mut_val *obj, struct str name, yyjson_mut_val *v)
{
    yyjson_mut_obj_add(obj, yyjson_mut_strn(d, name.ptr, name.len), v);
}

/* The element's text in d. */
static struct str element_name(yyjson_mut_doc *d, const struct element *e)
{
    if (e->kind == ELEMENT_FIELD) {
        char *p = unsafe_yyjson_mut_str_alc(d, e->name.len + 2);
        p[0] = 'f';
        p[1] = ':';
        if (e->name.len) {
            memcpy(p + 2, e->name.ptr, e->name.len);
        }
        p[e->name.len + 2] = '\0';
        return str_make(p, e->name.len + 2);
    }
    AUTO(buf_finish) struct buf b = {0};
    element_write(&b, e);
    char *p = unsafe_yyjson_mut_str_alc(d, b.len);
    memcpy(p, b.ptr, b.len);
    p[b.len] = '\0';
    return str_make(p, b.len);
}

static void write_level(const struct fieldset *s, yyjson_mut_doc *d, yyjson_mut_val *obj)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct fieldset_item *item = &s->items[i];
        yyjson_mut_val *v = yyjson_mut_obj(d);
        if (item->children) {
            if (item->member) {
                put(d, v, STR("."), yyjson_mut_obj(d));
            }
            write_level(item->children, d, v);
        }
        put(d, obj, element_name(d, &item->e), v);
    }
}

yyjson_mut_val *fieldset_write(const struct fieldset *s, yyjson_mut_doc *d)
{
    yyjson_mut_val *obj = yyjson_mut_obj(d);
    if (s) {
        write_level(s, d, obj);
    }
    return obj;
}
