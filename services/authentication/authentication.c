/* SPDX-License-Identifier: Apache-2.0 */
/* The authenticators: a client certificate that the HTTP server has verified, and the token file.
 */
#include "services/authentication/authentication.h"

#include "base/alloc.h"
#include "base/config.h"
#include "services/authentication/reviews_priv.h"
#include "services/authentication/tokens_priv.h"
#include "services/wire.gen.h"

struct authentication {
    struct tokens *tokens; /* NULL: no token file */
};

/* CN is the user, each O a group. */
static int by_certificate(void *self, const struct credentials *c, struct user **ret_user,
                          struct err *err)
{
    (void)self;
    if (!c->cert_user.len) {
        return err_set(err, ERR_NOT_FOUND, "no client certificate");
    }
    *ret_user = user_create(c->cert_user, STR_NULL, c->cert_groups, c->n_cert_groups);
    return 0;
}

static int by_token(void *self, const struct credentials *c, struct user **ret_user,
                    struct err *err)
{
    const struct authentication *a = self;
    struct user *u = c->bearer.len ? tokens_find(a->tokens, c->bearer) : NULL;
    if (!u) {
        return err_set(err, ERR_NOT_FOUND, "the token is not in the token file");
    }
    *ret_user = user_ref(u);
    return 0;
}

int authentication_provide(const struct authentication_deps *d, struct authentication **ret,
                           struct err *err)
{
    struct authentication *a = ALLOC(struct authentication);
    int r = d->config->token_file ? tokens_load(d->config->token_file, &a->tokens, err) : 0;
    if (r == 0) {
        r = reviews_publish(d->registry, d->documents, d->access, err);
    }
    if (r < 0) {
        authentication_release(a);
        return r;
    }
    const struct authenticator certificates = {
        .name = "x509", .authenticate = by_certificate, .self = a};
    const struct authenticator file = {.name = "tokenfile", .authenticate = by_token, .self = a};
    access_add_authenticator(d->access, &certificates);
    if (a->tokens) {
        access_add_authenticator(d->access, &file);
    }
    *ret = a;
    return 0;
}

void authentication_release(struct authentication *self)
{
    if (self) {
        tokens_destroy(self->tokens);
        free(self);
    }
}
