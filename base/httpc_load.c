/* SPDX-License-Identifier: Apache-2.0 */
/* Loading libcurl on first use. */
#include "base/httpc_priv.h"

#include <dlfcn.h>

int httpc_load(struct httpc_curl *ret, struct err *err)
{
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!lib) {
        return err_set(err, ERR_UNAVAILABLE, "libcurl cannot be loaded: %s", dlerror());
    }
    const char *missing = NULL;
    struct httpc_curl c;
#define X(name)                                                                                    \
    *(void **)&c.name = dlsym(lib, "curl_" #name);                                                 \
    missing = c.name ? missing : "curl_" #name;
    HTTPC_FUNCTIONS(X)
#undef X
    dlclose(lib);
    if (missing) {
        return err_set(err, ERR_UNAVAILABLE, "libcurl has no %s", missing);
    }
    if (c.global_init(CURL_GLOBAL_DEFAULT)) {
        return err_set(err, ERR_UNAVAILABLE, "libcurl cannot be initialised");
    }
    *ret = c;
    return 0;
}
