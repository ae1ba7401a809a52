/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Patch (RFC 6902) with the leniences of the reference's library: an index may be negative and
 * count from the end, replace of a member that is not there adds it, a missing member tests and
 * copies as null. The steps of all operations together are bounded, as lists and objects are
 * searched. */
#include "resources/patch.h"

#include "base/json.h"
#include "base/limits.h"
#include "resources/status.h"
#include "resources/tree_priv.h"

#include <string.h>

enum { FAILED = ERR_INVALID, STEPS_SPENT = ERR_TOO_LARGE };

struct patcher {
    yyjson_mut_doc *d;
    struct arena scratch; /* decoded tokens of paths */
    yyjson_mut_val *root;
    int64_t steps;  /* left */
    int64_t copied; /* bytes that copy operations have added */
};

/* A place: a member of an object or an item of a list. */
struct place {
    yyjson_mut_val *container;
    struct str token;
};

static int spend(struct patcher *p, size_t steps)
{
    p->steps -= (int64_t)steps + 1;
    return p->steps < 0 ? STEPS_SPENT : 0;
}

/* ~1 is /, ~0 is ~. */
static struct str decode_token(struct patcher *p, struct str raw)
{
    if (!raw.len || !memchr(raw.ptr, '~', raw.len)) {
        return raw;
    }
    char *out = arena_alloc(&p->scratch, raw.len);
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        bool escape = raw.ptr[i] == '~' && i + 1 < raw.len &&
                      (raw.ptr[i + 1] == '0' || raw.ptr[i + 1] == '1');
        out[n++] = !escape ? raw.ptr[i] : raw.ptr[i + 1] == '1' ? '/' : '~';
        i += escape;
    }
    return str_make(out, n);
}

/* As strconv.Atoi. */
static bool parse_index(struct str s, int64_t *ret)
{
    bool negative = s.len && s.ptr[0] == '-';
    int64_t v = 0;
    s = str_skip(s, s.len && (s.ptr[0] == '-' || s.ptr[0] == '+') ? 1 : 0);
    if (!s.len || s.len > 15) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = negative ? -v : v;
    return true;
}

/* The index of an item that is there; `room` more are allowed at the end (an add). */
static int resolve_index(const struct place *at, size_t room, size_t *ret)
{
    int64_t i, n = (int64_t)(yyjson_mut_arr_size(at->container) + room);
    if (!parse_index(at->token, &i) || i >= n || i < -n) {
        return FAILED;
    }
    *ret = (size_t)(i < 0 ? i + n : i);
    return 0;
}

/* What is there. A member that is not gives NULL; an item that is not fails. */
static int get(struct patcher *p, const struct place *at, yyjson_mut_val **ret)
{
    size_t i;
    if (yyjson_mut_is_obj(at->container)) {
        *ret = json_getn(at->container, at->token);
        return spend(p, yyjson_mut_obj_size(at->container));
    }
    int rc = resolve_index(at, 0, &i);
    if (rc == 0) {
        rc = spend(p, i);
    }
    if (rc == 0) {
        *ret = yyjson_mut_arr_get(at->container, i);
    }
    return rc;
}

static int find(struct patcher *p, struct str path, struct place *ret)
{
    struct str rest;
    str_cut(path, '/', &rest);
    if (!rest.ptr) {
        return FAILED;
    }
    struct place at = {.container = p->root};
    for (;;) {
        at.token = decode_token(p, str_cut(rest, '/', &rest));
        if (!rest.ptr) {
            *ret = at;
            return 0;
        }
        yyjson_mut_val *next = NULL;
        int rc = get(p, &at, &next);
        if (rc) {
            return rc;
        }
        if (!yyjson_mut_is_ctn(next)) {
            return FAILED;
        }
        at.container = next;
    }
}

static int add(struct patcher *p, const struct place *at, yyjson_mut_val *v)
{
    size_t i;
    if (yyjson_mut_is_obj(at->container)) {
        /* The key may point into the patch. */
        struct str key = at->token;
        yyjson_mut_val *name = yyjson_mut_strncpy(p->d, key.ptr, key.len);
        json_set(p->d, at->container, json_str(name), v);
        return spend(p, yyjson_mut_obj_size(at->container));
    }
    if (str_is(at->token, "-")) {
        yyjson_mut_arr_append(at->container, v);
        return 0;
    }
    int rc = resolve_index(at, 1, &i);
    if (rc == 0) {
        rc = spend(p, i);
    }
    if (rc == 0) {
        yyjson_mut_arr_insert(at->container, v, i);
    }
    return rc;
}

/* Takes out what is there. */
static int remove_at(struct patcher *p, const struct place *at)
{
    size_t i;
    if (yyjson_mut_is_obj(at->container)) {
        size_t n = yyjson_mut_obj_size(at->container);
        return json_removen(at->container, at->token) ? spend(p, n) : FAILED;
    }
    int rc = resolve_index(at, 0, &i);
    if (rc == 0) {
        rc = spend(p, i);
    }
    if (rc == 0) {
        yyjson_mut_arr_remove(at->container, i);
    }
    return rc;
}

/* About how long the value is as JSON; more than any object may be where it nests deeper than `levels`. */
static int64_t size_of(yyjson_mut_val *v, int levels)
{
    int64_t n = 2;
    if (!yyjson_mut_is_ctn(v)) {
        return yyjson_mut_is_str(v) ? n + (int64_t)yyjson_mut_get_len(v) : 4;
    }
    if (!levels) {
        return (int64_t)LIMIT_OBJECT_BYTES + 1;
    }
    for (struct json_iter it = json_iter(v); n <= LIMIT_OBJECT_BYTES && json_next(&it);) {
        n += size_of(it.val, levels - 1) + (it.key ? (int64_t)yyjson_mut_get_len(it.key) + 4 : 1);
    }
    return n;
}

/* ---- the operations ---- */

static yyjson_mut_val *value_of(struct patcher *p, const yyjson_mut_val *op)
{
    yyjson_mut_val *v = json_get(op, "value");
    return v ? json_copy(p->d, v) : yyjson_mut_null(p->d);
}

static int op_add(struct patcher *p, const yyjson_mut_val *op, struct str path)
{
    struct place at;
    int rc = find(p, path, &at);
    return rc ? rc : add(p, &at, value_of(p, op));
}

static int op_remove(struct patcher *p, const yyjson_mut_val *op, struct str path)
{
    (void)op;
    struct place at;
    int rc = find(p, path, &at);
    return rc ? rc : remove_at(p, &at);
}

static int op_replace(struct patcher *p, const yyjson_mut_val *op, struct str path)
{
    struct place at;
    size_t i;
    if (!path.len) {
        yyjson_mut_val *v = value_of(p, op);
        if (!yyjson_mut_is_ctn(v)) {
            return FAILED;
        }
        p->root = v;
        return 0;
    }
    int rc = find(p, path, &at);
    if (rc || yyjson_mut_is_obj(at.container)) {
        return rc ? rc : add(p, &at, value_of(p, op));
    }
    rc = resolve_index(&at, 0, &i);
    if (rc == 0) {
        rc = spend(p, i);
    }
    if (rc == 0) {
        yyjson_mut_arr_replace(at.container, i, value_of(p, op));
    }
    return rc;
}

static int op_move(struct patcher *p, const yyjson_mut_val *op, struct str path)
{
    struct place from, to;
    yyjson_mut_val *v = NULL;
    int rc = find(p, json_get_str(op, "from"), &from);
    rc = rc ? rc : get(p, &from, &v);
    rc = rc ? rc : remove_at(p, &from);
    rc = rc ? rc : find(p, path, &to);
    return rc ? rc : add(p, &to, v);
}

static int op_copy(struct patcher *p, const yyjson_mut_val *op, struct str path)
{
    struct place from, to;
    yyjson_mut_val *v = NULL;
    int rc = find(p, json_get_str(op, "from"), &from);
    rc = rc ? rc : get(p, &from, &v);
    rc = rc ? rc : find(p, path, &to);
    if (rc) {
        return rc;
    }
    p->copied += v ? size_of(v, LIMIT_DEPTH) : 4;
    if (p->copied > LIMIT_OBJECT_BYTES) {
        return FAILED;
    }
    return add(p, &to, v ? json_copy(p->d, v) : yyjson_mut_null(p->d));
}

static bool is_null(const yyjson_mut_val *v)
{
    return !v || yyjson_mut_is_null(tree_unconst(v));
}

static int op_test(struct patcher *p, const yyjson_mut_val *op, struct str path)
{
    struct place at;
    yyjson_mut_val *v = p->root, *wanted = json_get(op, "value");
    int rc = path.len ? find(p, path, &at) : 0;
    if (rc == 0 && path.len) {
        rc = get(p, &at, &v);
    }
    if (rc) {
        return rc;
    }
    if (is_null(v) || is_null(wanted)) {
        return is_null(v) && is_null(wanted) ? 0 : FAILED;
    }
    return json_equal(v, wanted) ? 0 : FAILED;
}

static const struct {
    const char *name;
    int (*apply)(struct patcher *p, const yyjson_mut_val *op, struct str path);
    bool from;
} operations[] = {
    {"add", op_add, false},  {"remove", op_remove, false}, {"replace", op_replace, false},
    {"move", op_move, true}, {"copy", op_copy, true},      {"test", op_test, false},
};

static int apply(struct patcher *p, const yyjson_mut_val *op)
{
    struct str name = json_get_str(op, "op"), path = json_get_str(op, "path");
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        if (str_is(name, operations[i].name)) {
            if (!path.ptr || (operations[i].from && !json_get_str(op, "from").ptr)) {
                return FAILED;
            }
            return operations[i].apply(p, op, path);
        }
    }
    return FAILED;
}

/* ---- the patch itself ---- */

#define DECODING "error decoding patch: json: cannot unmarshal %s into Go "

static int check_operation(const yyjson_mut_val *op, struct err *err)
{
    static const char *const texts[] = {"op", "path", "from"};
    if (is_null(op)) {
        return 0; /* decodes to an operation without a name, which fails when it is applied */
    }
    if (!yyjson_mut_is_obj(tree_unconst(op))) {
        return err_set(err, ERR_BAD_REQUEST, DECODING "value of type handlers.jsonPatchOp",
                       tree_go_kind(op));
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        yyjson_mut_val *v = json_get(op, texts[i]);
        if (!is_null(v) && !yyjson_mut_is_str(v)) {
            return err_set(err, ERR_BAD_REQUEST,
                           DECODING "struct field jsonPatchOp.%s of type string", tree_go_kind(v),
                           texts[i]);
        }
    }
    return 0;
}

static int check_patch(const yyjson_mut_val *patch, struct err *err)
{
    if (is_null(patch)) {
        return 0; /* as an empty one */
    }
    if (!yyjson_mut_is_arr(tree_unconst(patch))) {
        return err_set(err, ERR_BAD_REQUEST, DECODING "value of type []handlers.jsonPatchOp",
                       tree_go_kind(patch));
    }
    for (struct json_iter it = json_iter(patch); json_next(&it);) {
        int rc = check_operation(it.val, err);
        if (rc) {
            return rc;
        }
    }
    size_t n = yyjson_mut_arr_size(tree_unconst(patch));
    if (n > LIMIT_JSON_PATCH_OPS) {
        return status_too_large(err,
                                "The allowed maximum operations in a JSON patch is %d, got %zu",
                                LIMIT_JSON_PATCH_OPS, n);
    }
    return 0;
}

int patch_json(yyjson_mut_doc *d, yyjson_mut_val *obj, const yyjson_mut_val *patch,
               yyjson_mut_val **ret, struct err *err)
{
    int rc = check_patch(patch, err);
    if (rc) {
        return rc;
    }
    struct patcher p = {.d = d, .root = obj, .steps = LIMIT_JSON_PATCH_STEPS};
    arena_init(&p.scratch, 0);
    struct json_iter it = json_iter(patch);
    while (rc == 0 && yyjson_mut_is_arr(it.container) && json_next(&it)) {
        rc = apply(&p, it.val);
    }
    arena_finish(&p.scratch);
    if (rc == STEPS_SPENT) {
        return status_too_large(err, "the operations of the patch search through too many items");
    }
    if (rc || !json_depth_ok(p.root)) {
        return status_generic(err, ERR_INVALID, NULL);
    }
    *ret = p.root;
    return 0;
}
