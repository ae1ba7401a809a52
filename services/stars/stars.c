/* SPDX-License-Identifier: Apache-2.0 */
/* The type Stars, and its subresource that sets and takes back one star. */
#include "services/stars/stars.h"

#include "base/alloc.h"
#include "base/json.h"
#include "resources/write.h"
#include "services/personal/personal.h"
#include "services/service.h"
#include "services/wire.gen.h"

struct stars {
    struct registry *registry;
};

static const struct personal_rule rule = {
    .group = {"collections.grafana.app", 23},
    .resource = {"stars", 5},
    .owners = PERSONAL_USER,
    .computed = {"", 0},
};

static int prepare(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                   yyjson_mut_val *old, struct err *err)
{
    (void)self;
    int rc = old ? 0 : personal_check_create(&rule, write_op(w), metadata_name(obj), err);
    if (rc == 0) {
        stars_normalize(d, obj, write_arena(w));
    }
    return rc;
}

static void check_name(void *self, struct str name, bool is_prefix, const struct path *at,
                       struct causes *c)
{
    (void)self;
    personal_check_name(&rule, name, is_prefix, at, c);
}

static void narrow(void *self, struct op *op)
{
    (void)self;
    personal_narrow(&rule, op);
}

/* ---- update/GROUP/KIND/NAME ---- */

struct star {
    struct str group, kind, name;
};

static int parse_star(struct str path, struct star *ret, struct err *err)
{
    struct str rest, more;
    struct star s = {.group = str_cut(path, '/', &rest)};
    s.kind = str_cut(rest, '/', &more);
    s.name = str_cut(more, '/', &rest);
    if (!s.group.len || !s.kind.len || !s.name.len || rest.ptr) {
        return err_set(err, ERR_BAD_REQUEST, "expected {group}/{kind}/{id}");
    }
    *ret = s;
    return 0;
}

/* An entry more, which is joined with that of its kind. */
static void add(yyjson_mut_doc *d, yyjson_mut_val *obj, const struct star *s)
{
    yyjson_mut_val *spec = json_ensure_obj(d, obj, "spec");
    if (!json_is_arr(json_get(spec, "resource"))) {
        json_setz(d, spec, "resource", yyjson_mut_arr(d));
    }
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(d, json_get(spec, "resource"));
    json_set_str(d, entry, "group", s->group);
    json_set_str(d, entry, "kind", s->kind);
    yyjson_mut_arr_add_strncpy(d, yyjson_mut_obj_add_arr(d, entry, "names"), s->name.ptr,
                               s->name.len);
}

static void take_back(yyjson_mut_val *obj, const struct star *s)
{
    struct json_iter it = json_iter(json_path(obj, "spec", "resource", NULL));
    while (json_next(&it)) {
        if (!str_eq(json_get_str(it.val, "group"), s->group) ||
            !str_eq(json_get_str(it.val, "kind"), s->kind)) {
            continue;
        }
        for (struct json_iter name = json_iter(json_get(it.val, "names")); json_next(&name);) {
            if (str_eq(json_str(name.val), s->name)) {
                json_iter_remove(&name);
            }
        }
    }
}

static int change(void *self, struct write *w, yyjson_mut_doc *d, yyjson_mut_val *obj,
                  struct err *err)
{
    const struct op *op = write_op(w);
    struct star star = {0};
    (void)self;
    int rc = parse_star(op->subpath, &star, err);
    if (rc) {
        return rc;
    }
    if (op->change_verb == VERB_DELETE) {
        take_back(obj, &star);
    } else {
        add(d, obj, &star);
    }
    stars_normalize(d, obj, write_arena(w));
    if (!json_size(
            json_path(obj, "spec", "resource", NULL))) { /* with the last star the object goes */
        write_remove(w);
    }
    return 0;
}

static const struct type_strategy strategy = {
    .prepare = prepare,
    .name = check_name,
    .narrow = narrow,
    .create_on_update = true,
};

static const struct type_subresource subresources[] = {
    {.name = {"update", 6},
     .verbs = VERB_BIT(VERB_UPDATE) | VERB_BIT(VERB_DELETE),
     .change = change,
     .makes = true,
     .path = true},
};

int stars_provide(const struct stars_deps *d, struct stars **ret, struct err *err)
{
    const struct type_extras extras = {
        .strategy = &strategy,
        .subresources = subresources,
        .n_subresources = sizeof(subresources) / sizeof(*subresources),
    };
    int r = service_publish(
        d->registry, service_document(d->documents, "stars.collections.grafana.app"), &extras, err);
    if (r < 0) {
        return r;
    }
    personal_add(d->personal, &rule);
    *ret = ALLOC(struct stars);
    (*ret)->registry = d->registry;
    return 0;
}

void stars_release(struct stars *self)
{
    free(self);
}
