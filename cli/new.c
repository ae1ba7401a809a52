/* SPDX-License-Identifier: Apache-2.0 */
/* `coracle new service NAME`: fills the templates of cli/templates/service into a temporary folder,
 * which then becomes services/NAME, so that a half-written service is never there. */
#include "cli/new.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/naming.h"
#include "cli/template.h"
#include "cli/tree.h"

#define TEMPLATE_BYTES ((size_t)1 << 20)

static const char usage[] =
    "Usage: coracle new service NAME [--type KIND] [--plural WORD] [--group GROUP]\n"
    "\n"
    "Writes services/NAME into the checkout that the working directory is in: a manifest, an\n"
    "interface with an implementation and a fake, a type with its schema, and a test. It builds\n"
    "and is served as it is; docs/services.md goes on from there.\n"
    "\n"
    "  NAME            lower-case letters, digits and _: recipes, cook_book\n"
    "  --type KIND     the kind of its type (made from NAME: Recipe, CookBook)\n"
    "  --plural WORD   the type's name in paths (made from the kind: recipes, cookbooks)\n"
    "  --group GROUP   its API group (NAME.coracle.dev)\n";

/* What is written: a template of cli/templates/service, and its path in the folder, both filled. */
static const struct {
    const char *source, *path, *what;
} files[] = {
    {"service.yaml.in", "service.yaml", "what it provides, requires and ships"},
    {"name.h.in", "${name}.h", "what other services may call"},
    {"name.c.in", "${name}.c", "the hooks of its type, its interface and its life"},
    {"name_fake.c.in", "${name}_fake.c", "stands in for it in other services' tests"},
    {"schemas/plural.yaml.in", "schemas/${plural}.yaml", "its type"},
    {"test_name.c.in", "test_${name}.c", "its tests"},
};
enum { FILES = sizeof(files) / sizeof(*files), WORDS = 6 };

struct job {
    struct arena *arena;
    const char *root, *temporary;
    struct naming names;
    struct template_word words[WORDS];
    const char *paths[FILES]; /* within the folder */
};

/* ---- the arguments ---- */

static int read_option(struct naming *n, const char *flag, const char *value, struct err *err)
{
    struct str *to = strcmp(flag, "--type") == 0     ? &n->kind
                     : strcmp(flag, "--plural") == 0 ? &n->plural
                     : strcmp(flag, "--group") == 0  ? &n->group
                                                     : NULL;
    if (!to) {
        return err_set(err, ERR_BAD_REQUEST, "%s: there is no such flag", flag);
    }
    if (!value) {
        return err_set(err, ERR_BAD_REQUEST, "%s wants a value", flag);
    }
    *to = str_from(value);
    return 0;
}

static int read_arguments(int argc, char *const *argv, struct naming *n, struct err *err)
{
    if (argc < 2 || strcmp(argv[1], "service") != 0) {
        return err_set(err, ERR_BAD_REQUEST, "what is new? There is: new service NAME");
    }
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] != '-' && !n->name.ptr) {
            n->name = str_from(argv[i]);
        } else if (argv[i][0] != '-') {
            return err_set(err, ERR_BAD_REQUEST, "%s: one name is enough", argv[i]);
        } else {
            int r = read_option(n, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err);
            if (r < 0) {
                return r;
            }
            i++;
        }
    }
    return n->name.ptr ? 0 : err_set(err, ERR_BAD_REQUEST, "a name is wanted: new service NAME");
}

/* ---- the files ---- */

static struct str upper(struct str s, struct arena *a)
{
    char *out = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        out[i] = (char)(s.ptr[i] >= 'a' && s.ptr[i] <= 'z' ? s.ptr[i] - 'a' + 'A' : s.ptr[i]);
    }
    return str_make(out, s.len);
}

static void set_words(struct job *j)
{
    const struct naming *n = &j->names;
    const struct template_word words[WORDS] = {
        {"name", n->name},     {"NAME", upper(n->name, j->arena)},
        {"Kind", n->kind},     {"singular", n->singular},
        {"plural", n->plural}, {"group", n->group}};
    memcpy(j->words, words, sizeof(words));
}

static int set_paths(struct job *j, struct err *err)
{
    for (size_t i = 0; i < FILES; i++) {
        AUTO(buf_finish) struct buf path = {0};
        int r = template_fill(&path, str_from(files[i].path), j->words, WORDS, err);
        if (r < 0) {
            return r;
        }
        j->paths[i] = arena_str(j->arena, buf_str(&path)).ptr;
    }
    return 0;
}

static bool is_c(const char *path)
{
    return str_ends(str_from(path), STR(".c")) || str_ends(str_from(path), STR(".h"));
}

static int write_one(struct job *j, size_t i, struct err *err)
{
    AUTO(buf_finish) struct buf text = {0}, filled = {0}, wrapped = {0};
    const char *from =
        arena_printf(j->arena, "%s/cli/templates/service/%s", j->root, files[i].source);
    int r = file_read(from, TEMPLATE_BYTES, &text, err);
    if (r < 0) {
        return r;
    }
    if ((r = template_fill(&filled, buf_str(&text), j->words, WORDS, err)) < 0) {
        return err_wrap(err, "%s", from);
    }
    if (is_c(j->paths[i])) {
        template_wrap(&wrapped, buf_str(&filled));
    } else {
        buf_add(&wrapped, buf_str(&filled));
    }
    const char *to = arena_printf(j->arena, "%s/%s", j->temporary, j->paths[i]);
    return file_write(to, buf_str(&wrapped), 0644, err);
}

static int write_all(struct job *j, struct err *err)
{
    const char *schemas = arena_printf(j->arena, "%s/schemas", j->temporary);
    int r = chmod(j->temporary, 0755) == 0 && mkdir(schemas, 0755) == 0
                ? 0
                : err_set(err, ERR_IO, "cannot make %s: %s", schemas, strerrordesc_np(errno));
    for (size_t i = 0; i < FILES && r == 0; i++) {
        r = write_one(j, i, err);
    }
    return r;
}

static void remove_all(struct job *j)
{
    for (size_t i = 0; i < FILES; i++) {
        unlink(arena_printf(j->arena, "%s/%s", j->temporary, j->paths[i]));
    }
    rmdir(arena_printf(j->arena, "%s/schemas", j->temporary));
    rmdir(j->temporary);
}

static int put_in_place(struct job *j, struct err *err)
{
    const char *to = arena_printf(j->arena, "%s/services/%.*s", j->root, STR_FMT(j->names.name));
    return rename(j->temporary, to) == 0
               ? 0
               : err_set(err, ERR_IO, "cannot make %s: %s", to, strerrordesc_np(errno));
}

static int write_service(struct job *j, struct err *err)
{
    char *temporary = arena_printf(j->arena, "%s/.new-service-XXXXXX", j->root);
    set_words(j);
    int r = set_paths(j, err);
    if (r < 0) {
        return r;
    }
    if (!mkdtemp(temporary)) {
        return err_set(err, ERR_IO, "cannot make a folder in %s: %s", j->root,
                       strerrordesc_np(errno));
    }
    j->temporary = temporary;
    if ((r = write_all(j, err)) == 0) {
        r = put_in_place(j, err);
    }
    if (r < 0) {
        remove_all(j);
    }
    return r;
}

static void tell(const struct job *j)
{
    const struct naming *n = &j->names;
    printf("services/%.*s: a service with the type %.*s (%.*s.%.*s)\n", STR_FMT(n->name),
           STR_FMT(n->kind), STR_FMT(n->plural), STR_FMT(n->group));
    for (size_t i = 0; i < FILES; i++) {
        printf("  %-32s %s\n", j->paths[i], files[i].what);
    }
    printf("Next:\n"
           "  cmake --preset debug\n"
           "  cmake --build build/debug --target coracle %.*s_test_%.*s\n"
           "  build/debug/%.*s_test_%.*s\n"
           "  build/debug/coracle serve\n"
           "docs/services.md goes on from there.\n",
           STR_FMT(n->name), STR_FMT(n->name), STR_FMT(n->name), STR_FMT(n->name));
}

static int make(struct job *j, struct err *err)
{
    int r = tree_find(j->arena, &j->root, err);
    if (r == 0 && (r = tree_check(j->arena, j->root, &j->names, err)) == 0) {
        r = write_service(j, err);
    }
    return r;
}

int new_command(int argc, char *const *argv)
{
    struct arena a;
    AUTO(err_finish) struct err err = {0};
    arena_init(&a, 0);
    struct job j = {.arena = &a};
    if (argc > 1 && strcmp(argv[argc - 1], "--help") == 0) {
        fputs(usage, stdout);
        arena_finish(&a);
        return 0;
    }
    bool understood =
        read_arguments(argc, argv, &j.names, &err) == 0 && naming_complete(&j.names, &a, &err) == 0;
    int r = understood ? make(&j, &err) : ERR_BAD_REQUEST;
    if (r == 0) {
        tell(&j);
    } else {
        fprintf(stderr, "coracle: %s\n", err_message(&err));
    }
    arena_finish(&a);
    return r == 0 ? 0 : understood ? 1 : 2;
}
