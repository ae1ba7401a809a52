/* SPDX-License-Identifier: Apache-2.0 */
/* What the server sets in an object's metadata, and the accessors. */
#include "resources/metadata.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "resources/metadata_priv.h"

#include <string.h>

enum { GENERATED_MAX = 63, GENERATED_RANDOM = 5 }; /* of generated names, as the reference */
enum { MADE_NAME = 14 };                            /* as long as Grafana's uids */

struct str metadata_name(const yyjson_mut_val *obj)
{
    return json_get_str(metadata_of(obj), "name");
}

struct str metadata_namespace(const yyjson_mut_val *obj)
{
    return json_get_str(metadata_of(obj), "namespace");
}

struct str metadata_uid(const yyjson_mut_val *obj)
{
    return json_get_str(metadata_of(obj), "uid");
}

bool metadata_deleting(const yyjson_mut_val *obj)
{
    return yyjson_mut_is_str(json_get(metadata_of(obj), "deletionTimestamp"));
}

bool metadata_has_finalizer(const yyjson_mut_val *obj, struct str name)
{
    struct json_iter it = json_iter(json_get(metadata_of(obj), "finalizers"));
    while (it.container && json_next(&it)) {
        if (str_eq(json_str(it.val), name)) {
            return true;
        }
    }
    return false;
}

size_t metadata_finalizers(const yyjson_mut_val *obj)
{
    return yyjson_mut_arr_size(json_get(metadata_of(obj), "finalizers"));
}

static void generate_name(yyjson_mut_doc *d, yyjson_mut_val *meta)
{
    struct str base = json_get_str(meta, "generateName");
    if (json_get_str(meta, "name").len || !base.len) {
        return;
    }
    char name[GENERATED_MAX + 1];
    size_t n =
        base.len < GENERATED_MAX - GENERATED_RANDOM ? base.len : GENERATED_MAX - GENERATED_RANDOM;
    memcpy(name, base.ptr, n);
    crypto_name_suffix(name + n, GENERATED_RANDOM);
    json_set_str(d, meta, "name", str_make(name, n + GENERATED_RANDOM));
}

static void make_name(yyjson_mut_doc *d, yyjson_mut_val *meta)
{
    char name[MADE_NAME + 1];
    if (!json_get_str(meta, "name").len && !json_get_str(meta, "generateName").len) {
        crypto_name_suffix(name, MADE_NAME);
        json_set_str(d, meta, "name", str_make(name, MADE_NAME));
    }
}

void metadata_begin(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj, struct str ns,
                    int64_t now_us)
{
    yyjson_mut_val *meta = json_ensure_obj(d, obj, "metadata");
    json_remove(meta, "selfLink");
    json_remove(meta, "deletionTimestamp");
    json_remove(meta, "deletionGracePeriodSeconds");
    generate_name(d, meta);
    if (t->strategy->makes_names) {
        make_name(d, meta);
    }
    if (t->namespaced) {
        json_set_str(d, meta, "namespace", ns);
    } else {
        json_remove(meta, "namespace");
    }
    char uid[37], time[CLOCK_TEXT];
    crypto_uuid(uid);
    json_set_str(d, meta, "uid", str_make(uid, 36));
    json_set_str(d, meta, "creationTimestamp", str_make(time, clock_format(now_us, time)));
    if (t->generation) {
        json_set_int(d, meta, "generation", 1);
    }
    metadata_arrange(meta);
}

/* Makes the member what it is in `from`: a copy, or absent. */
static void take_member(yyjson_mut_doc *d, yyjson_mut_val *meta, const yyjson_mut_val *from,
                        const char *key)
{
    yyjson_mut_val *v = json_get(from, key);
    if (v) {
        json_setz(d, meta, key, json_copy(d, v));
    } else {
        json_remove(meta, key);
    }
}

void metadata_carry(const struct type *t, yyjson_mut_doc *d, yyjson_mut_val *obj,
                    const yyjson_mut_val *old)
{
    (void)t;
    yyjson_mut_val *meta = json_ensure_obj(d, obj, "metadata");
    const yyjson_mut_val *was = metadata_of(old);
    json_remove(meta, "selfLink");
    take_member(d, meta, was, "generation");
    if (!json_get(meta, "uid")) {
        take_member(d, meta, was, "uid");
    }
    /* What the old object lacks is left for validation to refuse. */
    static const char *const kept[] = {"creationTimestamp", "deletionTimestamp"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        if (json_get(was, kept[i])) {
            take_member(d, meta, was, kept[i]);
        }
    }
    if (!json_get(meta, "deletionGracePeriodSeconds")) {
        take_member(d, meta, was, "deletionGracePeriodSeconds");
    }
    metadata_arrange(meta);
}
