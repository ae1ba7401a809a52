/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: a code, a sentence for a person, and, for errors a client sees, what its Status will say.
 * Functions return 0 or a negative ERR_ code; on success *err is untouched; err may be NULL. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#include "base/str.h"

/* One line a kind of failure; resources/status.c maps each to an HTTP code and a reason. */
enum err_code {
    ERR_INTERNAL = -1,      /* 500 InternalError */
    ERR_BAD_REQUEST = -2,   /* 400 BadRequest */
    ERR_UNAUTHORIZED = -3,  /* 401 Unauthorized */
    ERR_FORBIDDEN = -4,     /* 403 Forbidden */
    ERR_NOT_FOUND = -5,     /* 404 NotFound */
    ERR_METHOD = -6,        /* 405 MethodNotAllowed */
    ERR_NOT_ACCEPTABLE = -7, /* 406 NotAcceptable */
    ERR_EXISTS = -8,        /* 409 AlreadyExists */
    ERR_CONFLICT = -9,      /* 409 Conflict */
    ERR_EXPIRED = -10,      /* 410 Expired */
    ERR_TOO_LARGE = -11,    /* 413 RequestEntityTooLarge */
    ERR_MEDIA_TYPE = -12,   /* 415 UnsupportedMediaType */
    ERR_INVALID = -13,      /* 422 Invalid, with causes */
    ERR_TOO_MANY = -14,     /* 429 TooManyRequests */
    ERR_UNAVAILABLE = -15,  /* 503 ServiceUnavailable */
    ERR_TIMEOUT = -16,      /* 504 Timeout */
    ERR_NO_SPACE = -17,     /* 507: the disk is full */
    ERR_IO = -18,           /* 500: the disk or the network failed */
    ERR_CORRUPT = -19,      /* 500: stored bytes are not what was written */
    ERR_CLOSED = -20,       /* 503: shutting down */
    ERR_UNKNOWN_500 = -21,  /* 500 without a reason, as the reference has for a few errors */
    ERR_HTTP = -22,         /* the HTTP code and reason are in err->http_code and err->reason */
    ERR_GONE = -23,         /* 410 Gone */
};

/* A field's error, as the reference's field.Error. */
enum cause_type {
    CAUSE_REQUIRED,      /* FieldValueRequired:     "Required value" [": detail"] */
    CAUSE_INVALID,       /* FieldValueInvalid:      "Invalid value: VALUE: detail" */
    CAUSE_DUPLICATE,     /* FieldValueDuplicate:    "Duplicate value: VALUE" */
    CAUSE_NOT_FOUND,     /* FieldValueNotFound:     "Not found: VALUE" */
    CAUSE_NOT_SUPPORTED, /* FieldValueNotSupported: "Unsupported value: VALUE: detail" */
    CAUSE_FORBIDDEN,     /* FieldValueForbidden:    "Forbidden: detail" */
    CAUSE_TOO_LONG,      /* FieldValueTooLong:      "Too long: detail" */
    CAUSE_TOO_MANY,      /* FieldValueTooMany:      "Too many: detail" */
    CAUSE_TYPE_INVALID,  /* FieldValueTypeInvalid:  "Invalid value: VALUE: detail" */
    CAUSE_INTERNAL,      /* InternalError:          "Internal error: detail" */
};

struct cause {
    char *reason;  /* "FieldValueInvalid", or another reason such as "FieldManagerConflict" */
    char *message; /* without the field in front */
    char *field;   /* "spec.versions[0].name"; NULL for none */
};

struct err {
    int code;      /* 0 or an err_code */
    char *message; /* for the Status and the log */
    /* What follows goes into a Status; all of it may be absent. */
    int http_code; /* ERR_HTTP only */
    char *reason;  /* ERR_HTTP only */
    char *name, *group, *kind, *uid;
    char *continue_token; /* metadata.continue */
    int retry_after; /* seconds, 0: none */
    struct cause *causes;
    size_t n_causes;
};

/* Sets *err (releasing what was in it) and returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_vset(struct err *err, int code, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
/* Puts "CONTEXT: " in front of the message and returns err->code (ERR_INTERNAL when err is NULL). */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Names what the error is about; NULL or empty leaves a part absent. Copies. */
void err_about(struct err *err, struct str group, struct str kind, struct str name);
/* Appends a cause with the given words. Copies. */
void err_cause(struct err *err, const char *reason, struct str field, struct str message);
/* Moves *from into *to (releasing what was there); *from is empty then. to may be NULL. Returns the code. */
int err_move(struct err *to, struct err *from);
void err_copy(struct err *to, const struct err *from);
void err_finish(struct err *err); /* for AUTO; leaves it empty and usable */

static inline const char *err_message(const struct err *err)
{
    return err && err->message ? err->message : "unknown error";
}

#endif
