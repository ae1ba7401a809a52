/* SPDX-License-Identifier: Apache-2.0 */
/* GET /version. The Kubernetes version is the one whose API this server speaks: clients decide by
 * it what they may ask for. */
#include "apiserver/call.h"

#define VERSION_MAJOR "1"
#define VERSION_MINOR "37"
#define VERSION_PATCH "2"

#if defined(__x86_64__)
#define PLATFORM "linux/amd64"
#elif defined(__aarch64__)
#define PLATFORM "linux/arm64"
#elif defined(__riscv) && __riscv_xlen == 64
#define PLATFORM "linux/riscv64"
#else
#define PLATFORM "linux/unknown"
#endif

/* Some clients parse buildDate and fail on an empty one; this is Go's own word for "not known". */
static const char text[] = "{\n"
                           "  \"major\": \"" VERSION_MAJOR "\",\n"
                           "  \"minor\": \"" VERSION_MINOR "\",\n"
                           "  \"gitVersion\": \"v" VERSION_MAJOR "." VERSION_MINOR "." VERSION_PATCH
                           "+coracle-" CORACLE_VERSION "\",\n"
                           "  \"gitCommit\": \"\",\n"
                           "  \"gitTreeState\": \"\",\n"
                           "  \"buildDate\": \"1970-01-01T00:00:00Z\",\n"
                           "  \"goVersion\": \"\",\n"
                           "  \"compiler\": \"cc " __VERSION__ "\",\n"
                           "  \"platform\": \"" PLATFORM "\"\n"
                           "}";

void version_serve(struct call *c)
{
    if (!str_is(c->http->method, "GET")) {
        struct err err = {0};
        err_set(&err, ERR_METHOD,
                "the server does not allow this method on the requested resource");
        call_answer_err(c, &err);
        return;
    }
    struct buf b = {0};
    buf_addz(&b, text);
    call_answer(c, 200, STR("application/json"), &b);
}
