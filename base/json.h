/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text in and out of the value type, which is yyjson's mutable tree (yyjson_mut_val); every helper on that tree that
 * more than one folder needs. Numbers follow Go, as clients expect: an integer that fits int64 is one, any other number
 * is a double, and a double with an integral value prints as Go prints it (1, not 1.0; 1e+21). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Paths ("spec.a[0].b") of keys that stood twice in one object, each once, at most 100; in the arena. All zero is empty. */
struct json_duplicates {
    struct str *paths;
    size_t n, cap;
    bool merge; /* asked by the caller: objects under a repeated key are merged, as Go decodes them into typed fields (JSON only) */
    struct str *lines; /* as many; from YAML: `line 7: key "b" already set in map`; from JSON: STR_NULL */
};

/* Reads one JSON text into a mutable tree in the arena. The last of duplicate keys wins; *duplicates, if not NULL, is
 * given where they stood. Refuses with ERR_BAD_REQUEST: not JSON, trailing text, invalid UTF-8, deeper than LIMIT_DEPTH.
 * 1.0 and 1e3 become integers 1 and 1000, as they print in Go; numbers beyond int64 become doubles. */
int json_read(struct arena *a, struct str text, yyjson_mut_doc **ret, struct json_duplicates *duplicates,
              struct err *err);
/* The same without the checks, for bytes that this program wrote itself (still safe on any bytes). */
int json_read_own(struct arena *a, struct str text, yyjson_mut_doc **ret, struct err *err);
/* Appends the value as compact JSON. */
void json_write(struct buf *b, const yyjson_mut_val *v);
/* Appends `"key":value`, after a comma where b holds something already: for the members of one object. */
void json_write_member(struct buf *b, struct str key, const yyjson_mut_val *v);
/* The same indented by two spaces, as ?pretty=true asks for. */
void json_write_pretty(struct buf *b, const yyjson_mut_val *v);
/* Appends a double as Go's encoding/json does. */
void json_write_double(struct buf *b, double d);
/* Appends d as Go's %g has it in its shortest form (1.5, 1e+06), "+Inf" and "NaN" too. */
void json_write_g(struct buf *b, double d);

/* A new, empty document in the arena. */
yyjson_mut_doc *json_doc(struct arena *a);

/* yyjson's own functions take no const: this is the one place where it is taken off. */
static inline yyjson_mut_val *json_mut(const yyjson_mut_val *v)
{
    return (yyjson_mut_val *)(uintptr_t)v;
}
static inline bool json_is_obj(const yyjson_mut_val *v)
{
    return yyjson_mut_is_obj(json_mut(v));
}
static inline bool json_is_arr(const yyjson_mut_val *v)
{
    return yyjson_mut_is_arr(json_mut(v));
}
static inline bool json_is_str(const yyjson_mut_val *v)
{
    return yyjson_mut_is_str(json_mut(v));
}
static inline bool json_is_null(const yyjson_mut_val *v)
{
    return yyjson_mut_is_null(json_mut(v));
}
static inline size_t json_size(const yyjson_mut_val *v) /* members or elements; 0 for anything else */
{
    return json_is_obj(v) ? yyjson_mut_obj_size(json_mut(v)) : yyjson_mut_arr_size(json_mut(v));
}

/* ---- reading a tree; NULL in gives NULL, "" or false out ---- */
/* Member `key` of an object. */
yyjson_mut_val *json_get(const yyjson_mut_val *obj, const char *key);
yyjson_mut_val *json_getn(const yyjson_mut_val *obj, struct str key);
/* Walks object members: json_path(o, "metadata", "name", NULL). */
yyjson_mut_val *json_path(const yyjson_mut_val *v, ...) __attribute__((sentinel));
/* The text of a string value; STR_NULL for anything else. Points into the tree. */
struct str json_str(const yyjson_mut_val *v);
struct str json_get_str(const yyjson_mut_val *obj, const char *key);
bool json_get_bool(const yyjson_mut_val *obj, const char *key);
/* The integer at key, or otherwise `fallback`. */
int64_t json_get_int(const yyjson_mut_val *obj, const char *key, int64_t fallback);
/* Numbers compare by value, objects without regard to order, lists in order. */
bool json_equal(const yyjson_mut_val *a, const yyjson_mut_val *b);
/* A fast hash of a key that nobody can aim at: its seed is the thread's own, so it is good only within one thread and one run. */
uint64_t json_key_hash(const char *p, size_t n);
/* Whether v nests no deeper than LIMIT_DEPTH. What is read never does; what was patched together may. Deeper trees must go no
 * further: json_equal and json_copy are recursive. */
bool json_depth_ok(const yyjson_mut_val *v);

/* ---- changing a tree; the strings are not copied and must live as long as the document ---- */
/* Sets a member, replacing the value where the key exists (it keeps its place). */
void json_set(yyjson_mut_doc *d, yyjson_mut_val *obj, struct str key, yyjson_mut_val *v);
void json_setz(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v);
void json_set_str(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, struct str v); /* copies v */
void json_set_int(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, int64_t v);
void json_set_bool(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, bool v);
/* Puts the member first in the object. */
void json_set_first(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key, yyjson_mut_val *v);
/* Removes a member; true if it was there. */
bool json_remove(yyjson_mut_val *obj, const char *key);
bool json_removen(yyjson_mut_val *obj, struct str key);
/* The object at key, made (empty) where there is none or something else. */
yyjson_mut_val *json_ensure_obj(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *key);
/* obj[key] becomes a copy of what it is in `from`, or goes where that has none. */
void json_carry(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *from, const char *key);
/* A deep copy into d, whose arena holds everything (strings too). */
yyjson_mut_val *json_copy(yyjson_mut_doc *d, const yyjson_mut_val *v);
/* Puts other values where v stands, in place, keeping v's siblings: a shallow overwrite of v with the content of `from`. */
void json_assign(yyjson_mut_val *v, const yyjson_mut_val *from);

/* Iteration: struct json_iter it = json_iter(obj); while (json_next(&it)) { it.key, it.val } — of an object or a list (key
 * NULL, index set). The current entry may be removed by json_iter_remove. */
struct json_iter {
    yyjson_mut_val *container, *key, *val;
    yyjson_mut_obj_iter obj;
    yyjson_mut_arr_iter arr;
    size_t index;
};
struct json_iter json_iter(const yyjson_mut_val *container);
bool json_next(struct json_iter *it);
void json_iter_remove(struct json_iter *it);

/* RFC 6901 pointer text for diagnostics is not here: field paths are base/causes.h's struct path. */

#endif
