/* SPDX-License-Identifier: Apache-2.0 */
/* How the cache of documents answers calls. */
#ifndef APISERVER_DOCUMENT_PRIV_H
#define APISERVER_DOCUMENT_PRIV_H

#include "apiserver/document_cache.h"

/* Answers with the document as the query says. Finishes the call. */
void document_answer(struct call *c, const struct document_query *q, struct document *d);

#endif
