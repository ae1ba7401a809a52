/* SPDX-License-Identifier: Apache-2.0 */
/* Owner references that stand twice in an object are taken out, with a warning (the reference's
 * dedupOwnerReferences). */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "resources/metadata.h"

enum { UIDS_SHOWN_BYTES = 1024 };

struct reference {
    yyjson_mut_val *val;
    struct str text; /* decoding has put its members in order: equal ones have equal texts */
    size_t at;       /* in the list */
    bool again;
};

static int compare(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    int order = str_cmp(x->text, y->text);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int compare_place(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static void read_references(struct reference *refs, yyjson_mut_val *list, struct buf *texts)
{
    size_t from = 0;
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        size_t begun = texts->len;
        json_write(texts, it.val);
        refs[it.index] =
            (struct reference){.val = it.val, .text = {NULL, texts->len - begun}, .at = it.index};
    }
    for (size_t i = 0; i < yyjson_mut_arr_size(list); i++) {
        refs[i].text.ptr = texts->ptr + from;
        from += refs[i].text.len;
    }
}

/* Marks those that equal an earlier one. How many. */
static size_t mark(struct reference *refs, size_t n)
{
    size_t found = 0;
    qsort(refs, n, sizeof(*refs), compare);
    for (size_t i = 1; i < n; i++) {
        refs[i].again = str_eq(refs[i].text, refs[i - 1].text);
        found += refs[i].again;
    }
    qsort(refs, n, sizeof(*refs), compare_place);
    return found;
}

void metadata_dedup_owners(yyjson_mut_doc *d, yyjson_mut_val *obj, bool after_admission,
                           struct warnings *w)
{
    yyjson_mut_val *meta = metadata_of(obj), *list = json_get(meta, "ownerReferences");
    size_t n = yyjson_mut_arr_size(list);
    if (n < 2) {
        return;
    }
    AUTO_FREE struct reference *refs = alloc_zero(n * sizeof(*refs));
    AUTO(buf_finish) struct buf texts = {0};
    read_references(refs, list, &texts);
    if (!mark(refs, n)) {
        return;
    }
    AUTO(buf_finish) struct buf uids = {0};
    yyjson_mut_val *kept = yyjson_mut_arr(d);
    for (size_t i = 0; i < n; i++) {
        if (refs[i].again && uids.len < UIDS_SHOWN_BYTES) {
            buf_addz(&uids, uids.len ? ", " : "");
            buf_add(&uids, json_get_str(refs[i].val, "uid"));
        } else if (!refs[i].again) {
            yyjson_mut_arr_append(kept, json_copy(d, refs[i].val));
        }
    }
    json_setz(d, meta, "ownerReferences", kept);
    warnings_add(w,
                 ".metadata.ownerReferences contains duplicate entries%s; API server dedups owner "
                 "references in 1.20+, and may reject such requests as early as 1.24; please fix "
                 "your requests; duplicate UID(s) observed: %.*s",
                 after_admission ? " after mutating admission happens" : "",
                 STR_FMT(buf_str(&uids)));
}
