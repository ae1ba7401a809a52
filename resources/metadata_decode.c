/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of ObjectMeta: what the reference's JSON decoder does with its Go struct, its words for
 * values of another type included, and the order in which its encoder writes the members. */
#include "resources/metadata_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/quote.h"
#include "resources/tree_priv.h"

#include <stdio.h>

enum form {
    FORM_TEXT,    /* string; empty: left out */
    FORM_NEEDED,  /* string; always there */
    FORM_INT,     /* int64; 0: left out */
    FORM_INT_PTR, /* *int64 */
    FORM_BOOL,    /* *bool */
    FORM_TIME,
    FORM_MAP,  /* map[string]string */
    FORM_LIST, /* []string */
    FORM_OWNERS,
    FORM_MANAGED,
    FORM_ANY,
};

struct member {
    const char *name;
    enum form form;
    const char *go_type;
};

static const struct member meta_members[] = {
    {"name", FORM_TEXT, "string"},
    {"generateName", FORM_TEXT, "string"},
    {"namespace", FORM_TEXT, "string"},
    {"selfLink", FORM_TEXT, "string"},
    {"uid", FORM_TEXT, "types.UID"},
    {"resourceVersion", FORM_TEXT, "string"},
    {"generation", FORM_INT, "int64"},
    {"creationTimestamp", FORM_TIME, NULL},
    {"deletionTimestamp", FORM_TIME, NULL},
    {"deletionGracePeriodSeconds", FORM_INT_PTR, "int64"},
    {"labels", FORM_MAP, "map[string]string"},
    {"annotations", FORM_MAP, "map[string]string"},
    {"ownerReferences", FORM_OWNERS, "[]v1.OwnerReference"},
    {"finalizers", FORM_LIST, "[]string"},
    {"managedFields", FORM_MANAGED, "[]v1.ManagedFieldsEntry"},
};
static const struct member owner_members[] = {
    {"apiVersion", FORM_NEEDED, "string"}, {"kind", FORM_NEEDED, "string"},
    {"name", FORM_NEEDED, "string"},       {"uid", FORM_NEEDED, "types.UID"},
    {"controller", FORM_BOOL, "bool"},     {"blockOwnerDeletion", FORM_BOOL, "bool"},
};
static const struct member managed_members[] = {
    {"manager", FORM_TEXT, "string"},     {"operation", FORM_TEXT, "v1.ManagedFieldsOperationType"},
    {"apiVersion", FORM_TEXT, "string"},  {"time", FORM_TIME, NULL},
    {"fieldsType", FORM_TEXT, "string"},  {"fieldsV1", FORM_ANY, NULL},
    {"subresource", FORM_TEXT, "string"},
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
enum { MEMBERS_MAX = 16 };

/* A Go struct that is being decoded. */
struct level {
    const struct member *members;
    size_t n;
    const char *go_struct; /* "ObjectMeta" */
    const char *go_path;   /* in Go's words: "metadata.ownerReferences."; "" at the root of a custom
                              resource's metadata */
    const struct path *at; /* for unknown fields */
};

struct decoder {
    yyjson_mut_doc *doc;
    struct schema_unknown *unknown;
    struct err *err;
};

static int type_error(struct decoder *dc, const struct level *l, const char *name,
                      const char *go_type, const yyjson_mut_val *v)
{
    return err_set(dc->err, ERR_BAD_REQUEST,
                   "json: cannot unmarshal %s into Go struct field %s.%s%s of type %s",
                   tree_go_kind(v), l->go_struct, l->go_path, name, go_type);
}

/* As time.Parse of RFC 3339 complains, where the fault is one of form. */
static int time_error(struct decoder *dc, struct str s)
{
    static const struct {
        const char *layout;
        size_t digits;
        char sign; /* what follows; 0: anything */
    } parts[] = {{"2006", 4, '-'}, {"01", 2, '-'}, {"02", 2, 'T'},
                 {"15", 2, ':'},   {"04", 2, ':'}, {"05", 2, 0}};
    AUTO(buf_finish) struct buf whole = {0}, rest = {0};
    struct str left = s;
    const char *want = "Z07:00";
    char sign[2] = "";
    quote_go(&whole, s);
    for (size_t i = 0; i < COUNT(parts); i++) {
        size_t n = 0;
        while (n < parts[i].digits && n < left.len && left.ptr[n] >= '0' && left.ptr[n] <= '9') {
            n++;
        }
        if (n < parts[i].digits) {
            want = parts[i].layout;
            break;
        }
        left = str_skip(left, n);
        if (parts[i].sign && (!left.len || left.ptr[0] != parts[i].sign)) {
            sign[0] = parts[i].sign;
            want = sign;
            break;
        }
        left = str_skip(left, parts[i].sign ? 1 : 0);
    }
    quote_go(&rest, left);
    return err_set(
        dc->err, ERR_BAD_REQUEST,
        "parsing time %.*s as \"2006-01-02T15:04:05Z07:00\": cannot parse %.*s as \"%s\"",
        STR_FMT(buf_str(&whole)), STR_FMT(buf_str(&rest)), want);
}

static int decode_time(struct decoder *dc, yyjson_mut_val *v)
{
    struct str s = json_str(v);
    int64_t us;
    if (!s.ptr) {
        return err_set(dc->err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type string", tree_go_kind(v));
    }
    if (!clock_parse(s, &us)) {
        return time_error(dc, s);
    }
    char text[CLOCK_TEXT];
    size_t n = clock_format(us, text);
    if (!str_eq(s, str_make(text, n))) {
        json_assign(v, yyjson_mut_strncpy(dc->doc, text, n));
    }
    return 0;
}

/* A null is Go's empty string. */
static int decode_text(struct decoder *dc, const struct level *l, const struct member *m,
                       yyjson_mut_val *v, const char *go_type)
{
    if (yyjson_mut_is_null(v)) {
        json_assign(v, yyjson_mut_str(dc->doc, ""));
        return 0;
    }
    return yyjson_mut_is_str(v) ? 0 : type_error(dc, l, m->name, go_type, v);
}

static int decode_int(struct decoder *dc, const struct level *l, const struct member *m,
                      const yyjson_mut_val *v)
{
    yyjson_mut_val *w = tree_unconst(v);
    if (!yyjson_mut_is_num(w)) {
        return type_error(dc, l, m->name, m->go_type, v);
    }
    if (yyjson_mut_is_real(w) || (yyjson_mut_is_uint(w) && w->uni.u64 > INT64_MAX)) {
        AUTO(buf_finish) struct buf b = {0};
        json_write(&b, v);
        return err_set(dc->err, ERR_BAD_REQUEST,
                       "json: cannot unmarshal number %.*s into Go struct field %s.%s%s of type %s",
                       STR_FMT(buf_str(&b)), l->go_struct, l->go_path, m->name, m->go_type);
    }
    return 0;
}

static int decode_strings(struct decoder *dc, const struct level *l, const struct member *m,
                          yyjson_mut_val *v, bool right_kind)
{
    if (!right_kind) {
        return type_error(dc, l, m->name, m->go_type, v);
    }
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        int rc = decode_text(dc, l, m, it.val, "string");
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int decode_struct(struct decoder *dc, const struct level *l, yyjson_mut_val *obj);

/* A list of structs. */
static int decode_list(struct decoder *dc, const struct level *l, const struct member *m,
                       yyjson_mut_val *v)
{
    if (!yyjson_mut_is_arr(v)) {
        return type_error(dc, l, m->name, m->go_type, v);
    }
    bool owners = m->form == FORM_OWNERS;
    char go_path[64];
    snprintf(go_path, sizeof(go_path), "%s%s.", l->go_path, m->name);
    const struct path *list = PATH_FIELD(l->at, str_from(m->name));
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        if (yyjson_mut_is_null(it.val)) {
            json_assign(it.val, yyjson_mut_obj(dc->doc));
        }
        if (!yyjson_mut_is_obj(it.val)) {
            return type_error(dc, l, m->name, m->go_type + 2, it.val);
        }
        const struct level in = {
            .members = owners ? owner_members : managed_members,
            .n = owners ? COUNT(owner_members) : COUNT(managed_members),
            .go_struct = owners ? "OwnerReference" : "ManagedFieldsEntry",
            .go_path = go_path,
            .at = PATH_INDEX(list, it.index),
        };
        int rc = decode_struct(dc, &in, it.val);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int decode_member(struct decoder *dc, const struct level *l, const struct member *m,
                         yyjson_mut_val *v)
{
    switch (m->form) {
    case FORM_TEXT:
    case FORM_NEEDED:
        return decode_text(dc, l, m, v, m->go_type);
    case FORM_INT:
    case FORM_INT_PTR:
        return decode_int(dc, l, m, v);
    case FORM_BOOL:
        return yyjson_mut_is_bool(v) ? 0 : type_error(dc, l, m->name, m->go_type, v);
    case FORM_TIME:
        return decode_time(dc, v);
    case FORM_MAP:
        return decode_strings(dc, l, m, v, yyjson_mut_is_obj(v));
    case FORM_LIST:
        return decode_strings(dc, l, m, v, yyjson_mut_is_arr(v));
    case FORM_OWNERS:
    case FORM_MANAGED:
        return decode_list(dc, l, m, v);
    case FORM_ANY:
        break;
    }
    return 0;
}

/* Whether Go's encoder leaves the value out ("omitempty"). */
static bool is_empty(enum form form, yyjson_mut_val *v)
{
    switch (form) {
    case FORM_TEXT:
        return !yyjson_mut_get_len(v);
    case FORM_INT:
        return yyjson_mut_get_num(v) == 0;
    case FORM_MAP:
    case FORM_LIST:
    case FORM_OWNERS:
    case FORM_MANAGED:
        return !unsafe_yyjson_get_len(v);
    default:
        return false;
    }
}

static size_t find_member(const struct level *l, struct str name)
{
    size_t i = 0;
    while (i < l->n && !str_is(name, l->members[i].name)) {
        i++;
    }
    return i;
}

static void report_unknown(struct decoder *dc, const struct level *l, struct str name)
{
    schema_unknown_add(dc->unknown, PATH_FIELD(l->at, name));
}

/* Links the members kept back into obj, in the struct's order. */
static void relink(struct decoder *dc, const struct level *l, yyjson_mut_val *obj,
                   yyjson_mut_val *const *keys, yyjson_mut_val *const *vals)
{
    yyjson_mut_obj_clear(obj);
    for (size_t i = 0; i < l->n; i++) {
        if (keys[i]) {
            yyjson_mut_obj_add(obj, keys[i], vals[i]);
        } else if (l->members[i].form == FORM_NEEDED) {
            yyjson_mut_obj_add(obj, yyjson_mut_str(dc->doc, l->members[i].name),
                               yyjson_mut_str(dc->doc, ""));
        }
    }
}

static int decode_struct(struct decoder *dc, const struct level *l, yyjson_mut_val *obj)
{
    yyjson_mut_val *keys[MEMBERS_MAX] = {NULL}, *vals[MEMBERS_MAX] = {NULL};
    for (struct json_iter it = json_iter(obj); json_next(&it);) {
        size_t i = find_member(l, json_str(it.key));
        if (i == l->n) {
            report_unknown(dc, l, json_str(it.key));
            continue;
        }
        if (yyjson_mut_is_null(it.val)) {
            continue;
        }
        int rc = decode_member(dc, l, &l->members[i], it.val);
        if (rc) {
            return rc;
        }
        if (!is_empty(l->members[i].form, it.val)) {
            keys[i] = it.key;
            vals[i] = it.val;
        }
    }
    relink(dc, l, obj, keys, vals);
    return 0;
}

int metadata_decode(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj,
                    struct schema_unknown *unknown, struct err *err)
{
    yyjson_mut_val *meta = metadata_of(obj);
    if (!meta || yyjson_mut_is_null(meta)) {
        json_setz(d, obj, "metadata", yyjson_mut_obj(d));
        return 0;
    }
    if (!yyjson_mut_is_obj(meta)) {
        return t->custom
                   ? err_set(err, ERR_BAD_REQUEST,
                             "json: cannot unmarshal %s into Go value of type v1.ObjectMeta",
                             tree_go_kind(meta))
                   : err_set(err, ERR_BAD_REQUEST,
                             "json: cannot unmarshal %s into Go struct field %.*s.metadata of "
                             "type v1.ObjectMeta",
                             tree_go_kind(meta), STR_FMT(t->kind));
    }
    struct decoder dc = {.doc = d, .unknown = unknown, .err = err};
    const struct level l = {
        .members = meta_members,
        .n = COUNT(meta_members),
        .go_struct = "ObjectMeta",
        .go_path = t->custom ? "" : "metadata.",
        .at = PATH_FIELD(NULL, STR("metadata")),
    };
    return decode_struct(&dc, &l, meta);
}

void metadata_arrange(yyjson_mut_val *meta)
{
    const struct level l = {.members = meta_members, .n = COUNT(meta_members)};
    yyjson_mut_val *keys[MEMBERS_MAX] = {NULL}, *vals[MEMBERS_MAX] = {NULL};
    for (struct json_iter it = json_iter(meta); json_next(&it);) {
        size_t i = find_member(&l, json_str(it.key));
        if (i < l.n) {
            keys[i] = it.key;
            vals[i] = it.val;
        }
    }
    relink(NULL, &l, meta, keys, vals);
}
