/* SPDX-License-Identifier: Apache-2.0 */
/* Members of an object of the classic model (v0, v1) and what they are called in the second one
 * (v2): a table serves both directions. What a table does not know, or what has another type there
 * than it should, is kept beside the rest. */
#ifndef DASHBOARDS_MEMBERS_PRIV_H
#define DASHBOARDS_MEMBERS_PRIV_H

#include "base/json.h"

/* Where an object of one model keeps what the other one had and it has no place for. */
#define MEMBERS_OF_V1 "__v1"
#define MEMBERS_OF_V2 "__v2"

enum member_kind {
    MEMBER_TAKEN, /* seen to by the caller */
    MEMBER_TEXT,
    MEMBER_BOOL,
    MEMBER_NUMBER,
    MEMBER_OBJECT,
    MEMBER_LIST,
    MEMBER_FLAG, /* v1: 0, 1 or a bool; v2: a bool */
    MEMBER_HIDE, /* the rest: numbers in v1, words in v2 */
    MEMBER_REFRESH,
    MEMBER_SORT,
    MEMBER_CURSOR,
};

/* What v2 has where v1 has nothing. */
enum member_or {
    OR_NOTHING,
    OR_TEXT, /* "" */
    OR_FALSE,
    OR_TRUE,
    OR_ZERO,
    OR_LIST,
    OR_OBJECT,
    OR_WORD,      /* the first of the kind's words */
    OR_OPTION,    /* {text: "", value: ""} */
    OR_FIELDS,    /* {defaults: {}, overrides: []} */
    OR_INTERVALS, /* of the refresh picker */
    OR_FROM,      /* now-6h */
    OR_TO,        /* now */
};

struct member {
    const char *v1, *v2; /* either may be NULL: of one model alone, and TAKEN */
    enum member_kind kind;
    enum member_or or_else;
    bool lean; /* left out of v1 where it is what v2 would have without it */
};

struct members {
    const struct member *items;
    size_t n;
    bool all; /* no other member belongs to the object */
};
#define MEMBERS(array_, all_)                                                                      \
    {                                                                                              \
        (array_), sizeof(array_) / sizeof(*(array_)), (all_)                                       \
    }

/* Another node for the same value: v may stay where it is as long as neither is changed. NULL:
 * NULL. */
yyjson_mut_val *members_lift(yyjson_mut_doc *d, const yyjson_mut_val *v);
/* Adds a member that is not there yet; v NULL: does nothing. The key is not copied. */
void members_put(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v);
void members_put_text(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, struct str text);
void members_put_int(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, int64_t v);
/* {kind: kind, spec: spec}. */
yyjson_mut_val *members_kind(yyjson_mut_doc *d, const char *kind, yyjson_mut_val *spec);
/* Adds to *rest, which is made when it is needed. */
void members_rest(yyjson_mut_doc *d, yyjson_mut_val **rest, struct str key,
                  const yyjson_mut_val *v);

/* Adds to `to` what the table knows of `from`. What it does not (all), or what is of another type,
 * goes to *rest, if asked for. */
void members_to_v2(yyjson_mut_doc *d, const struct members *t, const yyjson_mut_val *from,
                   yyjson_mut_val *to, yyjson_mut_val **rest);
/* The other way. kept: what was put aside when the v2 object was made from v1, which counts where
 * v2 only has what stands for nothing; may be NULL. */
void members_to_v1(yyjson_mut_doc *d, const struct members *t, const yyjson_mut_val *from,
                   yyjson_mut_val *to, const yyjson_mut_val *kept, yyjson_mut_val **rest);
/* Adds those members of kept that `to` has not. */
void members_restore(yyjson_mut_doc *d, yyjson_mut_val *to, const yyjson_mut_val *kept);

#endif
