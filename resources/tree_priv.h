/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers on the value tree that several files of resources/ need. */
#ifndef RESOURCES_TREE_PRIV_H
#define RESOURCES_TREE_PRIV_H

#include <stdint.h>
#include <yyjson.h>

/* yyjson's readers take pointers that are not const; they change nothing. */
static inline yyjson_mut_val *tree_unconst(const yyjson_mut_val *v)
{
    return (yyjson_mut_val *)(uintptr_t)v;
}

/* A string value on the stack, for messages; it belongs to no document. */
static inline yyjson_mut_val tree_text(const char *ptr, size_t len)
{
    yyjson_mut_val v = {0};
    unsafe_yyjson_set_strn(&v, ptr ? ptr : "", len);
    return v;
}

/* What Go's JSON decoder calls the kind of a value that is not null. */
static inline const char *tree_go_kind(const yyjson_mut_val *v)
{
    switch (yyjson_mut_get_type(tree_unconst(v))) {
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_NUM:
        return "number";
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_ARR:
        return "array";
    default:
        return "object";
    }
}

#endif
