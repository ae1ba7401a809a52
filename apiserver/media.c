/* SPDX-License-Identifier: Apache-2.0 */
/* The media types of answers. */
#include "apiserver/media.h"

struct str media_accepted(const struct clause *k)
{
    return clause_takes(k, "json")                      ? STR(JSON_TYPE)
           : clause_takes(k, "yaml")                    ? STR(YAML_TYPE)
           : clause_takes(k, "vnd.kubernetes.protobuf") ? STR(PROTOBUF_TYPE)
           : clause_takes(k, "cbor")                    ? STR(CBOR_TYPE)
                                                        : STR_NULL;
}

enum encoding media_encoding(struct str type)
{
    return str_is(type, PROTOBUF_TYPE) ? ENCODING_PROTOBUF
           : str_is(type, CBOR_TYPE)   ? ENCODING_CBOR
                                       : ENCODING_JSON;
}

struct str media_stream(enum encoding e)
{
    return e == ENCODING_PROTOBUF ? STR(PROTOBUF_TYPE ";stream=watch")
           : e == ENCODING_CBOR   ? STR(CBOR_TYPE "-seq")
                                  : STR(JSON_TYPE);
}
