/* SPDX-License-Identifier: Apache-2.0 */
/* The walk that validates, shared by its parts. */
#ifndef SCHEMAS_VALIDATE_PRIV_H
#define SCHEMAS_VALIDATE_PRIV_H

#include "schemas/schema_priv.h"

struct walk {
    struct causes *out;      /* NULL: only the verdict is wanted */
    const struct path *base; /* the field where the walk began */
    unsigned match;          /* checks passed, as the reference counts them */
};

/* ---- tell.c: how errors are told; all of it does nothing when w->out is NULL ---- */

/* No more causes are kept. */
bool tell_full(const struct walk *w);
/* The path within the value, as the texts have it. */
struct str tell_path(const struct walk *w, const struct path *at);
/* The cause's field: that path after base. */
#define TELL_FIELD(w, rel) ((rel).len ? PATH_FIELD((w)->base, rel) : (w)->base)
/* Tells "PATH in body DETAIL". Always false. */
bool tell(struct walk *w, enum cause_type type, const struct path *at, struct str value,
          const char *detail, ...) __attribute__((format(printf, 5, 6)));
/* Tells a sentence that stands for itself; its field is where the walk began. Always false. */
bool tell_whole(struct walk *w, const char *detail, ...) __attribute__((format(printf, 2, 3)));
/* Takes the last cause back if it stood before. */
void tell_once(struct causes *c);
/* What a walk found in a list of its own joins the main one. */
void tell_merge(struct causes *to, const struct causes *from);
/* s as %q, v as %v prints it; STR_NULL when nobody is told. */
struct str tell_quoted(struct walk *w, struct str s);
struct str tell_number(struct walk *w, const yyjson_mut_val *v);
struct str tell_float(struct walk *w, double d);
struct str tell_size(struct walk *w, size_t n);

/* ---- scalar.c: checks of one value without its parts; true: it passes ---- */
bool scalar_type(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                 const struct path *at);
bool scalar_null(struct walk *w, const struct schema_node *n, const struct path *at);
bool scalar_string(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                   const struct path *at);
bool scalar_number(struct walk *w, const struct schema_node *n, const yyjson_mut_val *v,
                   const struct path *at);
bool scalar_enum(struct walk *w, const struct schema_limits *l, yyjson_mut_val *v,
                 const struct path *at);

#endif
