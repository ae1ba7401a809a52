/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around the items of a list in encodings other than JSON. */
#include "resources/list_frame.h"

#include "base/cbor.h"
#include "base/limits.h"
#include "resources/protobuf_body.h"

void list_frame_finish(struct list_frame *f)
{
    buf_finish(&f->kept);
}

static int measure(struct list_frame *f, const struct list_source *s, size_t max, bool *ret_done,
                   struct err *err)
{
    size_t before = f->kept.len;
    int rc = s->next(s->list, &f->kept, max, ret_done, err);
    if (rc < 0) {
        return rc;
    }
    f->total += f->kept.len - before;
    /* one that ends with this piece stays: it may not be held at its revision */
    if (f->dropped || (!*ret_done && f->kept.len > LIMIT_LIST_MEASURED_BYTES)) {
        f->dropped = true;
        buf_finish(&f->kept);
    }
    return 0;
}

static int rewrite(struct list_frame *f, const struct list_source *s, struct buf *b, size_t max,
                   bool *ret_done, struct err *err)
{
    size_t before = b->len;
    int rc = s->next(s->list, b, max, ret_done, err);
    f->written += b->len - before;
    if (rc == 0 && *ret_done && f->written != f->total) {
        return err_set(err, ERR_INTERNAL, "the list came out with another length than measured");
    }
    return rc;
}

int list_frame_next(struct list_frame *f, const struct list_source *s, struct buf *b, size_t max,
                    bool *ret_done, struct err *err)
{
    bool done = false;
    int rc = f->writing ? rewrite(f, s, b, max, &done, err) : measure(f, s, max, &done, err);
    if (rc < 0) {
        return rc;
    }
    bool measured = done && !f->writing;
    if (measured) {
        protobuf_body_head(b, s->api_version, s->kind, f->total);
        buf_add(b, buf_str(&f->kept));
        buf_finish(&f->kept);
    }
    if (measured && f->dropped) {
        s->rewind(s->list);
        f->writing = true;
        done = false;
    }
    if (done) {
        protobuf_body_tail(b);
    }
    *ret_done = done;
    return 0;
}

void list_frame_items(struct buf *b, enum encoding e, struct str kind, struct str api_version)
{
    if (e == ENCODING_CBOR) {
        buf_add(b, CBOR_SELF_DESCRIBED);
        cbor_put_map(b, 4);
        cbor_put_text(b, STR("kind"));
        cbor_put_text(b, kind);
        cbor_put_text(b, STR("apiVersion"));
        cbor_put_text(b, api_version);
        cbor_put_text(b, STR("items"));
        cbor_put_list(b);
    }
}

void list_frame_metadata(struct buf *b, enum encoding e)
{
    if (e == ENCODING_CBOR) {
        cbor_put_end(b);
        cbor_put_text(b, STR("metadata"));
    }
}
