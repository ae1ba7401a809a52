/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions in a definition's status. */
#include "base/clock.h"
#include "base/json.h"
#include "services/definitions/definitions_priv.h"

yyjson_mut_val *definition_condition(const yyjson_mut_val *obj, const char *type)
{
    struct json_iter it = json_iter(json_path(obj, "status", "conditions", NULL));
    while (json_next(&it)) {
        if (str_is(json_get_str(it.val, "type"), type)) {
            return it.val;
        }
    }
    return NULL;
}

bool definition_condition_is(const yyjson_mut_val *obj, const char *type, const char *status)
{
    return str_is(json_get_str(definition_condition(obj, type), "status"), status);
}

static bool says(const yyjson_mut_val *condition, const char *status, struct str reason,
                 struct str message)
{
    return condition && str_is(json_get_str(condition, "status"), status) &&
           str_eq(json_get_str(condition, "reason"), reason) &&
           str_eq(json_get_str(condition, "message"), message);
}

static yyjson_mut_val *condition_add(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *type)
{
    yyjson_mut_val *status = json_ensure_obj(d, obj, "status"),
                   *list = json_get(status, "conditions");
    if (!json_is_arr(list)) {
        list = yyjson_mut_arr(d);
        json_setz(d, status, "conditions", list);
    }
    yyjson_mut_val *condition = yyjson_mut_obj(d);
    json_set_str(d, condition, "type", str_from(type));
    yyjson_mut_arr_append(list, condition);
    return condition;
}

void definition_set_condition(yyjson_mut_doc *d, yyjson_mut_val *obj, const char *type,
                              const char *status, struct str reason, struct str message,
                              int64_t now_us)
{
    yyjson_mut_val *condition = definition_condition(obj, type);
    if (!condition) {
        condition = condition_add(d, obj, type);
    }
    if (!str_is(json_get_str(condition, "status"), status) ||
        !json_get_str(condition, "lastTransitionTime").len) {
        char now[CLOCK_TEXT];
        size_t n = clock_format(now_us, now);
        json_set_str(d, condition, "status", str_from(status));
        json_set_str(d, condition, "lastTransitionTime", str_make(now, n));
    }
    json_set_str(d, condition, "reason", reason);
    json_set_str(d, condition, "message", message);
}

/* ---- what the record says ---- */

struct wanted {
    const char *type, *status;
    struct str reason, message;
};

enum { WANTED_MAX = 3 };

static struct wanted wanted_established(const struct definition *f)
{
    if (f->established) {
        return (struct wanted){"Established", "True", STR("InitialNamesAccepted"),
                               STR("the initial names have been accepted")};
    }
    return (struct wanted){"Established", "False", STR("NotAccepted"),
                           STR("not all names are accepted")};
}

static struct wanted wanted_approval(enum approval approval, struct str reason)
{
    static const struct {
        const char *status;
        struct str reason;
    } by[] = {
        [APPROVAL_INVALID] = {"False", {"InvalidAnnotation", 17}},
        [APPROVAL_APPROVED] = {"True", {"ApprovedAnnotation", 18}},
        [APPROVAL_BYPASSED] = {"False", {"UnapprovedAnnotation", 20}},
        [APPROVAL_MISSING] = {"False", {"MissingAnnotation", 17}},
    };
    return (struct wanted){"KubernetesAPIApprovalPolicyConformant", by[approval].status,
                           by[approval].reason, reason};
}

static size_t wanted_all(const struct definition *f, const yyjson_mut_val *obj, struct arena *a,
                         struct wanted out[WANTED_MAX])
{
    size_t n = 0;
    out[n++] = (struct wanted){"NamesAccepted", f->names_accepted ? "True" : "False", f->reason,
                               f->message};
    out[n++] = wanted_established(f);
    if (approval_needed(f->group)) {
        struct str reason = STR_NULL;
        enum approval approval = approval_of(obj, a, &reason);
        out[n++] = wanted_approval(approval, reason);
    }
    return n;
}

/* A condition Established that is True stays as it is, whoever wrote it. */
static bool wanted_holds(const struct wanted *want, const yyjson_mut_val *obj)
{
    const yyjson_mut_val *condition = definition_condition(obj, want->type);
    if (str_is(str_from(want->type), "Established") && str_is(str_from(want->status), "True")) {
        return str_is(json_get_str(condition, "status"), "True");
    }
    return says(condition, want->status, want->reason, want->message);
}

bool definition_status_right(const struct definition *f, const yyjson_mut_val *obj)
{
    struct wanted want[WANTED_MAX];
    struct arena a;
    arena_init(&a, 0);
    bool right = json_equal(json_path(obj, "status", "acceptedNames", NULL), f->accepted);
    size_t n = wanted_all(f, obj, &a, want);
    for (size_t i = 0; i < n && right; i++) {
        right = wanted_holds(&want[i], obj);
    }
    arena_finish(&a);
    return right;
}

bool definition_put_status(const struct definition *f, yyjson_mut_doc *d, yyjson_mut_val *obj,
                           int64_t now_us)
{
    if (definition_status_right(f, obj)) {
        return false;
    }
    struct wanted want[WANTED_MAX];
    struct arena a;
    arena_init(&a, 0);
    json_setz(d, json_ensure_obj(d, obj, "status"), "acceptedNames", json_copy(d, f->accepted));
    size_t n = wanted_all(f, obj, &a, want);
    for (size_t i = 0; i < n; i++) {
        if (!wanted_holds(&want[i], obj)) {
            definition_set_condition(d, obj, want[i].type, want[i].status, want[i].reason,
                                     want[i].message, now_us);
        }
    }
    arena_finish(&a);
    return true;
}

/* ---- approval of the Kubernetes community ---- */

bool approval_needed(struct str group)
{
    return str_is(group, "k8s.io") || str_ends(group, STR(".k8s.io")) ||
           str_is(group, "kubernetes.io") || str_ends(group, STR(".kubernetes.io"));
}

/* scheme://host... */
static bool is_url(struct str s)
{
    struct str rest, scheme = str_cut(s, ':', &rest);
    if (!scheme.len || rest.len < 3 || !str_starts(rest, STR("//")) || rest.ptr[2] == '/') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

enum approval approval_of(const yyjson_mut_val *obj, struct arena *a, struct str *ret_reason)
{
    struct str s = json_str(json_path(obj, "metadata", "annotations", APPROVAL_ANNOTATION, NULL));
    const char *text;
    enum approval approval;
    if (!s.len) {
        approval = APPROVAL_MISSING;
        text = "protected groups must have approval annotation \"" APPROVAL_ANNOTATION
               "\", see https://github.com/kubernetes/enhancements/pull/1111";
    } else if (str_starts(s, STR("unapproved"))) {
        approval = APPROVAL_BYPASSED;
        text = arena_printf(a, "not approved: \"%.*s\"", STR_FMT(s));
    } else if (is_url(s)) {
        approval = APPROVAL_APPROVED;
        text = arena_printf(a, "approved in %.*s", STR_FMT(s));
    } else {
        approval = APPROVAL_INVALID;
        text = "protected groups must have approval annotation \"" APPROVAL_ANNOTATION
               "\" with either a URL or a reason starting with \"unapproved\", see "
               "https://github.com/kubernetes/enhancements/pull/1111";
    }
    *ret_reason = str_from(text);
    return approval;
}
