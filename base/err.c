/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: a code, a sentence for a person, and what a Status will say. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

void err_finish(struct err *err)
{
    free(err->message);
    free(err->reason);
    free(err->name);
    free(err->group);
    free(err->kind);
    free(err->uid);
    free(err->continue_token);
    for (size_t i = 0; i < err->n_causes; i++) {
        free(err->causes[i].reason);
        free(err->causes[i].message);
        free(err->causes[i].field);
    }
    free(err->causes);
    *err = (struct err){0};
}

int err_vset(struct err *err, int code, const char *fmt, va_list ap)
{
    if (err) {
        char *message = NULL;
        if (vasprintf(&message, fmt, ap) < 0) {
            abort();
        }
        err_finish(err);
        err->code = code;
        err->message = message;
    }
    return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(err, code, fmt, ap);
    va_end(ap);
    return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err) {
        return ERR_INTERNAL;
    }
    char *context = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&context, fmt, ap) < 0) {
        abort();
    }
    va_end(ap);
    char *message = alloc_printf("%s: %s", context, err_message(err));
    free(context);
    free(err->message);
    err->message = message;
    return err->code ? err->code : (err->code = ERR_INTERNAL);
}

static void replace(char **field, struct str s)
{
    char *former = *field; /* s may lie in it */
    *field = s.len ? alloc_str(s) : NULL;
    free(former);
}

void err_about(struct err *err, struct str group, struct str kind, struct str name)
{
    if (err) {
        replace(&err->group, group);
        replace(&err->kind, kind);
        replace(&err->name, name);
    }
}

void err_cause(struct err *err, const char *reason, struct str field, struct str message)
{
    if (!err) {
        return;
    }
    err->causes = alloc_resize(err->causes, (err->n_causes + 1) * sizeof(*err->causes));
    err->causes[err->n_causes++] = (struct cause){
        .reason = reason ? alloc_strdup(reason) : NULL,
        .message = alloc_str(message),
        .field = field.ptr ? alloc_str(field) : NULL,
    };
}

int err_move(struct err *to, struct err *from)
{
    int code = from->code;
    if (to) {
        err_finish(to);
        *to = *from;
        *from = (struct err){0};
    } else {
        err_finish(from);
    }
    return code;
}

static char *dup_or_null(const char *s)
{
    return s ? alloc_strdup(s) : NULL;
}

void err_copy(struct err *to, const struct err *from)
{
    if (!to) {
        return;
    }
    struct err e = *from;
    e.message = dup_or_null(from->message);
    e.reason = dup_or_null(from->reason);
    e.name = dup_or_null(from->name);
    e.group = dup_or_null(from->group);
    e.kind = dup_or_null(from->kind);
    e.uid = dup_or_null(from->uid);
    e.continue_token = dup_or_null(from->continue_token);
    e.causes = NULL;
    e.n_causes = 0;
    for (size_t i = 0; i < from->n_causes; i++) {
        const struct cause *c = &from->causes[i];
        err_cause(&e, c->reason, str_from(c->field), str_from(c->message));
    }
    err_finish(to);
    *to = e;
}
