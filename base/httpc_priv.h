/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libcurl that the client uses, found when the first client is made. */
#ifndef BASE_HTTPC_PRIV_H
#define BASE_HTTPC_PRIV_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
/* In this table's calls they are members. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#include "base/err.h"

#define HTTPC_FUNCTIONS(X)                                                                         \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_pause) X(easy_setopt) X(easy_getinfo) X(easy_strerror) X(slist_append)                  \
        X(slist_free_all) X(multi_init) X(multi_cleanup) X(multi_setopt) X(multi_add_handle)       \
            X(multi_remove_handle) X(multi_perform) X(multi_poll) X(multi_wakeup)                  \
                X(multi_info_read)

struct httpc_curl {
#define X(name) __typeof__(curl_##name) *name;
    HTTPC_FUNCTIONS(X)
#undef X
};

/* ERR_UNAVAILABLE. What is loaded stays loaded. */
int httpc_load(struct httpc_curl *ret, struct err *err);

#endif
