/* SPDX-License-Identifier: Apache-2.0 */
/* The hash by which a published document knows whether a definition changed. */
#include "resources/type.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/crypto.h"
#include "base/json.h"

static void add(struct buf *b, const yyjson_mut_val *obj, const char *key)
{
    const yyjson_mut_val *v = json_get(obj, key);
    buf_addz(b, key);
    if (v) {
        json_write(b, v);
    }
    buf_addc(b, '\n');
}

uint64_t type_published(const yyjson_mut_val *document, const yyjson_mut_val *entry)
{
    static const char *const of_spec[] = {"group", "names", "scope", "coracle"};
    static const char *const of_entry[] = {"name", "schema", "subresources", "selectableFields",
                                           "openapiName"};
    const yyjson_mut_val *spec = json_get(document, "spec");
    AUTO(buf_finish) struct buf text = {0};
    for (size_t i = 0; i < sizeof(of_spec) / sizeof(*of_spec); i++) {
        add(&text, spec, of_spec[i]);
    }
    for (size_t i = 0; i < sizeof(of_entry) / sizeof(*of_entry); i++) {
        add(&text, entry, of_entry[i]);
    }
    return crypto_hash64(buf_str(&text));
}
