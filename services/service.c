/* SPDX-License-Identifier: Apache-2.0 */
/* What every service has in common: embedded documents, identities, the printed graph. */
#include "services/service.h"

#include <assert.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "resources/client.h"

const struct service_document *service_document(const struct service_documents *d,
                                                const char *resource)
{
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->items[i].resource, resource) == 0) {
            return &d->items[i];
        }
    }
    assert(!"a service asks for a document its manifest does not name");
    return NULL;
}

int service_publish(struct registry *r, const struct service_document *d,
                    const struct type_extras *extras, struct err *err)
{
    struct arena a;
    yyjson_mut_doc *doc = NULL;
    struct type *t = NULL;
    arena_init(&a, 0);
    int code = json_read_own(&a, d->json, &doc, err);
    if (code == 0) {
        code = type_create(doc->root, extras, &t, err);
    }
    if (code == 0) {
        t->document = d->json;
        registry_put(r, t);
        type_unref(t);
    } else {
        err_wrap(err, "%s", d->file);
    }
    arena_finish(&a);
    return code;
}

int service_publish_all(struct registry *r, const struct service_documents *d, struct err *err)
{
    for (size_t i = 0; i < d->n; i++) {
        int code = service_publish(r, &d->items[i], NULL, err);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

struct client *service_client(struct engine *e, const char *name)
{
    static const struct str groups[] = {{"system:coracle", 14}, {"system:authenticated", 20}};
    AUTO(buf_finish) struct buf user = {0};
    buf_printf(&user, "system:coracle:%s", name);
    struct user *u = user_create(buf_str(&user), STR_NULL, groups, 2);
    struct client *c = client_local_create(e, u);
    user_unref(u);
    return c;
}

static void print_list(struct buf *b, const char *label, const char *const *items, size_t n)
{
    if (n) {
        buf_printf(b, "  %-10s", label);
        for (size_t i = 0; i < n; i++) {
            buf_printf(b, "%s%s", i ? ", " : "", items[i]);
        }
        buf_addc(b, '\n');
    }
}

void service_print(struct buf *b, const struct service_info *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct service_info *s = &table[i];
        buf_printf(b, "%s%s\n  %s\n  %-10s%s\n", s->name, s->background ? " (background)" : "",
                   s->description, "theme", s->theme);
        if (strcmp(s->name, s->provides) != 0) {
            print_list(b, "provides", &s->provides, 1);
        }
        print_list(b, "requires", s->requires, s->n_requires);
        for (size_t j = 0; j < s->documents->n; j++) {
            buf_printf(b, "  %-10s%s\n", j ? "" : "types", s->documents->items[j].resource);
        }
    }
}

void service_print_dot(struct buf *b, const struct service_info *table, size_t n)
{
    buf_addz(b, "digraph services {\n  rankdir=LR;\n  node [shape=box];\n");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "  \"%s\" [label=\"%s\"%s];\n", table[i].provides, table[i].name,
                   table[i].background ? ", style=bold" : "");
        for (size_t j = 0; j < table[i].n_requires; j++) {
            buf_printf(b, "  \"%s\" -> \"%s\";\n", table[i].provides, table[i].requires[j]);
        }
    }
    buf_addz(b, "}\n");
}
