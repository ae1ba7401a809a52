/* SPDX-License-Identifier: Apache-2.0 */
/* Full text of objects: which fields a definition declares as text (its annotation coracle.dev/text-fields), what they hold in
 * an object, and how a list comes to hold only what words match (?q=). Who keeps the index is a service's business. */
#ifndef RESOURCES_TEXT_H
#define RESOURCES_TEXT_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/err.h"
#include "resources/type.h"

struct engine;
struct op;

#define TEXT_FIELDS "coracle.dev/text-fields"
/* The warning with an answer that may lack something. */
#define TEXT_LACKING "the search index is being built: the answer may lack objects"

/* A simple path. */
struct text_field {
    struct str path;   /* ".spec.title" */
    struct str *steps; /* "spec", "title" */
    size_t n_steps;
    int weight;        /* 1 to 100 */
    bool tags;         /* its last step is tags: what it holds can be filtered by */
};

/* Of a type, in the arena it was parsed in; the first field is the title. */
struct text_fields {
    struct text_field *items;
    size_t n;
    uint64_t generation; /* of the declaration */
};

/* Reads a declaration: paths of map keys as ".spec.title", each followed by a weight as "^8" or by none (1), separated by commas or
 * spaces. ERR_INVALID says what is wrong. */
int text_fields_parse(struct arena *a, struct str text, struct text_fields **ret, struct err *err);

/* Calls fn with each text that the field holds in the object: a string, or the strings of a list. */
typedef void text_visit_fn(void *arg, struct str text);
void text_visit(const struct text_field *f, const yyjson_mut_val *obj, text_visit_fn *fn, void *arg);

/* Finds objects by words. */
struct text_finder {
    /* The store keys of the objects of the op's type and scope (ns "": all) that match the words of its list, in order, in its
     * arena. May wait for LIMIT_TEXT_WAIT_MS. *ret_lacking: what was written lately may not be regarded. ERR_BAD_REQUEST;
     * ERR_TIMEOUT: after LIMIT_TEXT_SEARCH_MS, or whoever asked has gone; ERR_UNAVAILABLE. */
    int (*find)(void *self, struct op *op, struct str **ret_keys, size_t *ret_n, bool *ret_lacking, struct err *err);
    void *self;
};

/* Set at construction. */
void engine_find_text_by(struct engine *e, const struct text_finder *f);
/* Answers op->list.words, if it was not answered yet: into op->list.keys. Before list_open on an event loop, on a thread that may wait.
 * ERR_BAD_REQUEST where the type declares no text. */
int text_narrow(struct engine *e, struct op *op, struct err *err);

#endif
