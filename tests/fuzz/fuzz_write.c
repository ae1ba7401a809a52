/* SPDX-License-Identifier: Apache-2.0 */
/* A whole write through the engine, without HTTP: first byte the type, second the verb (create,
 * update, merge patch, JSON patch, strategic merge patch, and whether fields are strict), then the
 * body, a NUL, and a body to follow it. What is stored is read as it was answered; everything is
 * deleted again. */
#include "base/yaml.h"
#include "resources/op.h"
#include "resources/represent.h"
#include "resources/status.h"
#include "services/wire.gen.h"
#include "tests/fuzz/world.h"

#define WIDGETS                                                                                    \
    "{'apiVersion':'apiextensions.k8s.io/"                                                         \
    "v1','kind':'CustomResourceDefinition','metadata':{'name':'widgets.example.com'},"             \
    "'spec':{'group':'example.com','scope':'Namespaced','names':{'plural':'widgets','kind':'"      \
    "Widget'},'versions':[{'name':'v1',"                                                           \
    "'served':true,'storage':true,'subresources':{'status':{},'scale':{'specReplicasPath':'.spec." \
    "n','statusReplicasPath':'.status.n'}},"                                                       \
    "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object','"         \
    "properties':{"                                                                                \
    "'n':{'type':'integer','default':1,'minimum':0},'s':{'type':'string','maxLength':5,'pattern':" \
    "'^a'},"                                                                                       \
    "'list':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],'"   \
    "items':{'type':'object',"                                                                     \
    "'required':['k'],'properties':{'k':{'type':'string'},'v':{'x-kubernetes-int-or-string':true}" \
    "}}},"                                                                                         \
    "'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true},'map':{'type':'object'," \
    "'additionalProperties':"                                                                      \
    "{'type':'object','properties':{'a':{'type':'number'}}}}}},'status':{'type':'object','"        \
    "properties':{'n':{'type':'integer'}}}}}}}]}}"

static const struct {
    const char *group, *resource;
    bool cluster;
} kinds[] = {{"", "configmaps", false},
             {"", "secrets", false},
             {"", "events", false},
             {"", "serviceaccounts", false},
             {"", "namespaces", true},
             {"events.k8s.io", "events", false},
             {"example.com", "widgets", false},
             {"coordination.k8s.io", "leases", false}};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };
static struct type *types[N_KINDS];

static struct op *ask(struct type *t, bool cluster, enum verb verb, const char *name)
{
    struct op *op = op_create(fuzz_world()->engine);
    op->verb = verb;
    op_set_type(op, t, type_storage(t));
    op->scope.ns = cluster ? STR("") : STR("default");
    op->name = str_from(name);
    op->subresource = STR("");
    op->user = user_ref(fuzz_world_user());
    op->del.grace = -1;
    return op;
}

static void add_answer(struct buf *b, struct op *op)
{
    const struct answer *w = &op->answer;
    if (op->code) {
        status_write(b, &op->err);
    } else if (w->deleted_status) {
        status_write_deleted(b, op->type, op->name, w->uid);
    } else if (w->stored) {
        const struct stored s = {blob_str(w->blob), w->rev, w->stamp};
        FUZZ_CHECK(represent_object(b, op->type, op->version, &s, &op->arena, NULL) == 0);
    } else {
        json_write(b, w->value);
    }
}

/* Runs it; the answer in the run's arena. */
static struct str run(struct fuzz *f, struct op *op, int *ret_code)
{
    AUTO(buf_finish) struct buf b = {0};
    engine_run(fuzz_world()->engine, op);
    add_answer(&b, op);
    FUZZ_CHECK(fuzz_json(f, buf_str(&b)));
    FUZZ_CHECK(op->code != ERR_INTERNAL && op->code != ERR_CORRUPT && op->code != ERR_TIMEOUT);
    *ret_code = op->code;
    struct str text = arena_str(&f->arena, buf_str(&b));
    op_unref(op);
    return text;
}

static void make_widgets(void)
{
    struct fuzz f;
    int code;
    fuzz_begin(&f, NULL, 0);
    struct type *t = fuzz_world_type("apiextensions.k8s.io", "customresourcedefinitions");
    struct op *op = ask(t, true, VERB_CREATE, "widgets.example.com");
    op->body = fuzz_own_json(&op->arena, WIDGETS);
    struct str said = run(&f, op, &code);
    if (code) {
        fuzz_fail(__FILE__, __LINE__, "the definition is taken", said, STR_NULL);
    }
    type_unref(t);
    arena_finish(&f.arena);
}

static void release_types(void)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        type_unref(types[i]);
    }
}

static void make_types(void)
{
    if (types[0]) {
        return;
    }
    fuzz_world();
    make_widgets();
    for (size_t i = 0; i < N_KINDS; i++) {
        types[i] = fuzz_world_type(kinds[i].group, kinds[i].resource);
    }
    atexit(release_types);
}

static bool read_body(struct op *op, struct str text)
{
    struct str copy = arena_str(&op->arena, text);
    return json_read(&op->arena, copy, &op->body, &op->duplicates, NULL) == 0;
}

static struct str write_body(struct fuzz *f, size_t kind, enum verb verb, enum patch_type patch,
                             unsigned how, const char *name, struct str text, int *ret_code)
{
    struct op *op = ask(types[kind], kinds[kind].cluster, verb, name);
    op->patch = patch;
    op->validation = how & 1 ? FIELD_VALIDATION_STRICT : FIELD_VALIDATION_WARN;
    op->dry_run = how & 2;
    if (!read_body(op, text)) {
        op_unref(op);
        *ret_code = ERR_BAD_REQUEST;
        return STR_NULL;
    }
    return run(f, op, ret_code);
}

static void remove_object(struct fuzz *f, size_t kind, const char *name)
{
    for (size_t i = 0; i < 2; i++) {
        int code;
        struct op *op = ask(types[kind], kinds[kind].cluster, VERB_PATCH, name);
        op->patch = PATCH_MERGE;
        op->body = fuzz_own_json(&op->arena, "{'metadata':{'finalizers':null}}");
        if (i) {
            op_unref(op);
            op = ask(types[kind], kinds[kind].cluster, VERB_DELETE, name);
        }
        run(f, op, &code);
    }
}

static void check_created(struct fuzz *f, size_t kind, unsigned how, struct str answer,
                          struct str next)
{
    static const enum patch_type patches[] = {PATCH_NONE, PATCH_MERGE, PATCH_JSON, PATCH_STRATEGIC};
    int code;
    yyjson_mut_doc *d = fuzz_json(f, answer);
    struct str found = json_str(json_path(d->root, "metadata", "name", NULL));
    FUZZ_CHECK(found.len);
    char *name = arena_printf(&f->arena, "%.*s", STR_FMT(found));
    struct str got = run(f, ask(types[kind], kinds[kind].cluster, VERB_GET, name), &code);
    FUZZ_CHECK(code == 0);
    FUZZ_CHECK(json_equal(fuzz_json(f, got)->root, d->root));
    /* what was answered can be written back, and nothing changes */
    struct str same = write_body(f, kind, VERB_UPDATE, PATCH_NONE, 0, name, got, &code);
    if (code) {
        fuzz_fail(__FILE__, __LINE__, "an object is put back as it was read", got, same);
    }
    FUZZ_CHECK(json_equal(fuzz_json(f, same)->root, d->root));
    if (next.len) {
        enum patch_type patch = patches[how / 4 % 4];
        write_body(f, kind, patch == PATCH_NONE ? VERB_UPDATE : VERB_PATCH, patch, how, name, next,
                   &code);
    }
    remove_object(f, kind, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    make_types();
    fuzz_begin(&f, data, size);
    struct str next = f.text;
    size_t kind = fuzz_byte(&next) % N_KINDS;
    unsigned how = fuzz_byte(&next);
    struct str body = fuzz_part(&next);
    int code = 0;
    struct str answer = write_body(&f, kind, VERB_CREATE, PATCH_NONE, how & 1, "", body, &code);
    if (code == 0) {
        check_created(&f, kind, how, answer, next);
    }
    return fuzz_end(&f, data, size);
}
