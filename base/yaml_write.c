/* SPDX-License-Identifier: Apache-2.0 */
/* The mutable tree as YAML, by libyaml's emitter; the choices of style are those of Go's yaml
 * package. */
#include "base/yaml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "base/json_priv.h"
#include "base/utf8.h"
#include "base/yaml_priv.h"

static int to_buf(void *b, unsigned char *data, size_t n)
{
    buf_add(b, str_make((const char *)data, n));
    return 1;
}

/* The emitter fails only without memory, or when events come in a wrong order. */
static void emit(yaml_emitter_t *out, yaml_event_t *e, int made)
{
    if (!made || !yaml_emitter_emit(out, e)) {
        abort();
    }
}

static void emit_scalar(yaml_emitter_t *out, struct str s, yaml_scalar_style_t style)
{
    yaml_event_t e;
    AUTO(buf_finish) struct buf valid = {0};
    if (!utf8_valid(s)) {
        utf8_repair(&valid, s);
        s = buf_str(&valid);
    }
    const yaml_char_t *text = (const yaml_char_t *)(s.ptr ? s.ptr : "");
    emit(out, &e, yaml_scalar_event_initialize(&e, NULL, NULL, text, (int)s.len, 1, 1, style));
}

static void emit_string(yaml_emitter_t *out, struct str s)
{
    yaml_scalar_style_t style = s.len && memchr(s.ptr, '\n', s.len) ? YAML_LITERAL_SCALAR_STYLE
                                : yaml_must_quote(s) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                     : YAML_PLAIN_SCALAR_STYLE;
    emit_scalar(out, s, style);
}

static void emit_value(yaml_emitter_t *out, const yyjson_mut_val *v);

static int by_yaml_order(const void *a, const void *b)
{
    return yaml_key_order(json_str(*(yyjson_mut_val *const *)a),
                          json_str(*(yyjson_mut_val *const *)b));
}

static void emit_map(yaml_emitter_t *out, const yyjson_mut_val *v)
{
    yaml_event_t e;
    size_t n = unsafe_yyjson_get_len(json_unconst(v));
    AUTO_FREE yyjson_mut_val **keys = json_sorted_keys(v);
    qsort(keys, n, sizeof(yyjson_mut_val *), by_yaml_order);
    emit(out, &e, yaml_mapping_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (size_t i = 0; i < n; i++) {
        emit_string(out, json_str(keys[i]));
        emit_value(out, keys[i]->next);
    }
    emit(out, &e, yaml_mapping_end_event_initialize(&e));
}

static void emit_list(yaml_emitter_t *out, const yyjson_mut_val *v)
{
    yaml_event_t e;
    emit(out, &e,
         yaml_sequence_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
    for (struct json_iter it = json_iter(v); json_next(&it);) {
        emit_value(out, it.val);
    }
    emit(out, &e, yaml_sequence_end_event_initialize(&e));
}

static void emit_value(yaml_emitter_t *out, const yyjson_mut_val *v)
{
    AUTO(buf_finish) struct buf b = {0};
    switch (unsafe_yyjson_get_type(json_unconst(v))) {
    case YYJSON_TYPE_OBJ:
        emit_map(out, v);
        return;
    case YYJSON_TYPE_ARR:
        emit_list(out, v);
        return;
    case YYJSON_TYPE_STR:
        emit_string(out, json_str(v));
        return;
    default:
        break;
    }
    if (unsafe_yyjson_is_real(json_unconst(v)) && isfinite(v->uni.f64)) {
        json_write_g(&b, v->uni.f64);
    } else {
        json_write(&b, v);
    }
    emit_scalar(out, buf_str(&b), YAML_PLAIN_SCALAR_STYLE);
}

void yaml_write(struct buf *b, const yyjson_mut_val *v)
{
    yaml_emitter_t out;
    yaml_event_t e;
    if (!yaml_emitter_initialize(&out)) {
        abort();
    }
    yaml_emitter_set_output(&out, to_buf, b);
    yaml_emitter_set_unicode(&out, 1);
    emit(&out, &e, yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING));
    emit(&out, &e, yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1));
    emit_value(&out, v);
    emit(&out, &e, yaml_document_end_event_initialize(&e, 1));
    emit(&out, &e, yaml_stream_end_event_initialize(&e));
    yaml_emitter_delete(&out);
    if (str_ends(buf_str(b), STR("\n...\n"))) {
        b->len -= 4; /* libyaml ends the document aloud after a text with open end; nothing follows
                        here */
    }
}
