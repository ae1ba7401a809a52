/* SPDX-License-Identifier: Apache-2.0 */
/* How well a document matches: BM25 as FTS5 has it, but for two things. How long a document is
 * comes with its row, in bytes. And how rare a phrase is FTS5 learns by looking for it once more,
 * which for the beginning of a word costs as much as the search: here one word alone needs no
 * weighing against others, and the beginning of a word of one or two letters counts as what
 * everything has. */
#include "storage/text_priv.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

#define K1 1.2
#define B 0.75
#define LEAST 1e-6 /* of what stands in more than half of all documents */

/* Of one question, made with its first row. */
struct scoring {
    int n;
    double worth[LIMIT_TEXT_QUERY_TOKENS * 2];
};

static int count_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *arg)
{
    int64_t *n = arg;
    (void)api;
    (void)fts;
    ++*n;
    return SQLITE_OK;
}

static int weigh(const Fts5ExtensionApi *api, Fts5Context *fts, int phrase, int64_t rows,
                 double *ret)
{
    int64_t n = 0;
    int rc = api->xQueryPhrase(fts, phrase, &n, count_row);
    double worth = log(((double)(rows - n) + 0.5) / ((double)n + 0.5));
    *ret = worth > LEAST ? worth : LEAST;
    return rc;
}

static int prepare(const Fts5ExtensionApi *api, Fts5Context *fts, const struct text_ranking *k,
                   struct scoring *s)
{
    sqlite3_int64 rows = 0;
    int rc = api->xRowCount(fts, &rows);
    s->n = api->xPhraseCount(fts);
    if ((size_t)s->n != k->n_phrases) {
        return SQLITE_MISUSE;
    }
    for (int i = 0; rc == SQLITE_OK && i < s->n; i++) {
        s->worth[i] = k->weighed ? LEAST : 1;
        if (k->weighed && !k->frequent[i]) {
            rc = weigh(api, fts, i, rows, &s->worth[i]);
        }
    }
    return rc;
}

/* What was made for the question; NULL: *ret_rc says why. */
static const struct scoring *scoring_of(const Fts5ExtensionApi *api, Fts5Context *fts, int *ret_rc)
{
    const struct text_conn *c = api->xUserData(fts);
    struct scoring *s = api->xGetAuxdata(fts, 0);
    if (s) {
        return s;
    }
    s = ALLOC(struct scoring);
    *ret_rc = prepare(api, fts, c->ranking, s);
    if (*ret_rc) {
        free(s);
        return NULL;
    }
    *ret_rc = api->xSetAuxdata(fts, s, free);
    return *ret_rc ? NULL : s;
}

/* How much of a phrase there is, by the columns it stands in. */
static int frequency(const Fts5ExtensionApi *api, Fts5Context *fts, int phrase, double *ret)
{
    Fts5PhraseIter it;
    int column, offset;
    int rc = api->xPhraseFirst(fts, phrase, &it, &column, &offset);
    for (; rc == SQLITE_OK && column >= 0; api->xPhraseNext(fts, &it, &column, &offset)) {
        *ret += column < TEXT_COLUMNS ? text_column_weights[column] : 1;
    }
    return rc;
}

static void score(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *answer, int n,
                  sqlite3_value **arguments)
{
    int rc = SQLITE_OK;
    double sum = 0, average = ((const struct text_conn *)api->xUserData(fts))->ranking->average;
    const struct scoring *s = scoring_of(api, fts, &rc);
    double length = n ? sqlite3_value_double(arguments[0]) / average : 1;
    for (int i = 0; rc == SQLITE_OK && i < s->n; i++) {
        double f = 0;
        rc = frequency(api, fts, i, &f);
        sum += s->worth[i] * f * (K1 + 1) / (f + K1 * (1 - B + B * length));
    }
    if (rc) {
        sqlite3_result_error_code(answer, rc);
    } else {
        sqlite3_result_double(answer, sum);
    }
}

int text_score_define(fts5_api *api, struct text_conn *c)
{
    return api->xCreateFunction(api, "text_score", c, score, NULL);
}
