/* SPDX-License-Identifier: Apache-2.0 */
/* What every service has in common: embedded documents, identities, the printed graph. */
#include "services/service.h"

#include <assert.h>

#include "base/cleanup.h"
#include "base/config.h"
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

/* ---- the graph, printed ---- */

enum { LABEL_COLUMNS = 12 };

/* A line under a service; only the first of several has the label. */
static void begin_line(struct buf *b, const char *label, bool first)
{
    buf_printf(b, "  %-*s", LABEL_COLUMNS, first ? label : "");
}

static void print_list(struct buf *b, const char *label, const char *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            begin_line(b, label, true);
        }
        buf_printf(b, "%s%s", i ? ", " : "", items[i]);
    }
    buf_addz(b, n ? "\n" : "");
}

static bool requires_it(const struct service_info *s, const char *what)
{
    for (size_t i = 0; i < s->n_requires; i++) {
        if (strcmp(s->requires[i], what) == 0) {
            return true;
        }
    }
    return false;
}

static void print_required_by(struct buf *b, const struct service_info *s,
                              const struct service_info *table, size_t n)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (!requires_it(&table[i], s->provides)) {
            continue;
        }
        if (!found) {
            begin_line(b, "required by", true);
        }
        buf_printf(b, "%s%s", found ? ", " : "", table[i].name);
        found = true;
    }
    buf_addz(b, found ? "\n" : "");
}

static void print_types(struct buf *b, const struct service_documents *d)
{
    for (size_t i = 0; i < d->n; i++) {
        begin_line(b, "types", i == 0);
        buf_printf(b, "%s\n", d->items[i].resource);
    }
}

static void add_texts(struct buf *b, const yyjson_mut_val *list, const char *empty)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        struct str s = json_str(it.val);
        buf_printf(b, "%s%.*s", it.index ? ", " : "", STR_FMT(s.len ? s : str_from(empty)));
    }
}

static void print_rights(struct buf *b, const char *rights)
{
    struct arena a;
    yyjson_mut_doc *d = NULL;
    arena_init(&a, 0);
    if (rights && json_read_own(&a, str_from(rights), &d, NULL) == 0) {
        struct json_iter it = json_iter(d->root);
        while (json_next(&it)) {
            begin_line(b, "rights", it.index == 0);
            add_texts(b, json_get(it.val, "resources"), "");
            buf_addz(b, " of ");
            add_texts(b, json_get(it.val, "groups"), "the core group");
            buf_addz(b, ": ");
            add_texts(b, json_get(it.val, "verbs"), "");
            buf_addc(b, '\n');
        }
    }
    arena_finish(&a);
}

static bool is_disabled(const struct service_info *s, const struct config *c)
{
    return s->background && !config_enabled(c, s->name);
}

static void print_one(struct buf *b, const struct config *c, const struct service_info *s)
{
    const char *mark = is_disabled(s, c) ? " (background, disabled)" : " (background)";
    buf_printf(b, "%s%s\n  %s\n", s->name, s->background ? mark : "", s->description);
    begin_line(b, "theme", true);
    buf_printf(b, "%s\n", s->theme);
    if (strcmp(s->name, s->provides) != 0) {
        print_list(b, "provides", &s->provides, 1);
    }
    print_list(b, "requires", s->requires, s->n_requires);
}

void service_print(struct buf *b, const struct config *c, const struct service_info *table,
                   size_t n)
{
    for (size_t i = 0; i < n; i++) {
        print_one(b, c, &table[i]);
        print_required_by(b, &table[i], table, n);
        print_types(b, table[i].documents);
        print_rights(b, table[i].rights);
    }
}

void service_print_dot(struct buf *b, const struct config *c, const struct service_info *table,
                       size_t n)
{
    buf_addz(b, "digraph services {\n  rankdir=LR;\n  node [shape=box];\n");
    for (size_t i = 0; i < n; i++) {
        const char *style = is_disabled(&table[i], c) ? ", style=dashed"
                            : table[i].background     ? ", style=bold"
                                                      : "";
        buf_printf(b, "  \"%s\" [label=\"%s\"%s];\n", table[i].provides, table[i].name, style);
        for (size_t j = 0; j < table[i].n_requires; j++) {
            buf_printf(b, "  \"%s\" -> \"%s\";\n", table[i].provides, table[i].requires[j]);
        }
    }
    buf_addz(b, "}\n");
}
