/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on strategic merge patches share. */
#ifndef RESOURCES_STRATEGIC_PRIV_H
#define RESOURCES_STRATEGIC_PRIV_H

#include "base/arena.h"
#include "base/err.h"
#include "resources/keys_priv.h"
#include "resources/patch.h"

/* Where in the object a value stands: its schema, or a part whose rules are built in. */
struct spot {
    const struct schema_node *node;
    enum { SPOT_PLAIN, SPOT_ROOT, SPOT_METADATA } part;
};

/* How a field is patched. */
struct field_rule {
    struct str strategy;  /* "merge", "replace" or "" */
    struct str merge_key; /* of a list of objects; "" none */
    struct spot inside;   /* the value of an object, an item of a list */
    struct str name;      /* for messages */
};

struct strategic {
    yyjson_mut_doc *d;
    struct arena scratch;
    struct err *err;
};

struct value_list {
    yyjson_mut_val **items;
    size_t n;
};

/* Merges the patch, which it may take apart, into the object: *ret is obj, or another object where a directive says so. */
int strategic_merge_map(struct strategic *s, yyjson_mut_val *obj, yyjson_mut_val *patch, struct spot at, yyjson_mut_val **ret);
/* Merges lists by the rule; is_delete: the patch's items are taken away. */
int strategic_merge_list(struct strategic *s, struct value_list original, struct value_list patch, const struct field_rule *rule,
                         bool is_delete, struct value_list *ret);
/* $setElementOrder: the merged list in the order wanted. */
int strategic_order_list(struct strategic *s, struct value_list original, struct value_list patch, struct value_list wanted,
                         const struct field_rule *rule, bool in_original, bool in_patch, struct value_list *ret);

/* The items of a list value. */
struct value_list strategic_items(struct strategic *s, const yyjson_mut_val *list);
/* A new list value of the items. */
yyjson_mut_val *strategic_list(struct strategic *s, struct value_list l);
/* Takes out every object that holds $patch, at any depth. False: v is one itself. */
bool strategic_drop_directives(yyjson_mut_val *v);

/* 500 without a reason: what the reference answers to most misuse. */
int strategic_fault(struct strategic *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The value as Go's %v prints it, in the scratch arena. */
const char *strategic_go_text(struct strategic *s, const yyjson_mut_val *v);
/* "expected a []interface {}, but received a string". */
int strategic_bad_type(struct strategic *s, const char *expected, const yyjson_mut_val *v);

#endif
