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

/* The element's text, made in b, as a key of d. */
static yyjson_mut_val *element_key(struct buf *b, yyjson_mut_doc *d, const struct element *e)
{
    b->len = 0;
    element_write(b, e);
    return yyjson_mut_strncpy(d, b->ptr, b->len);
}

static void write_level(const struct fieldset *s, struct buf *b, yyjson_mut_doc *d,
                        yyjson_mut_val *obj)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct fieldset_item *item = &s->items[i];
        yyjson_mut_val *v = yyjson_mut_obj(d);
        if (item->children) {
            if (item->member) {
                yyjson_mut_obj_add(v, yyjson_mut_str(d, "."), yyjson_mut_obj(d));
            }
            write_level(item->children, b, d, v);
        }
        yyjson_mut_obj_add(obj, element_key(b, d, &item->e), v);
    }
}

yyjson_mut_val *fieldset_write(const struct fieldset *s, yyjson_mut_doc *d)
{
    AUTO(buf_finish) struct buf b = {0};
    yyjson_mut_val *obj = yyjson_mut_obj(d);
    if (s) {
        write_level(s, &b, d, obj);
    }
    return obj;
}
