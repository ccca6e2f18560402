/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Made-up documents and queries. */
#include "bench_corpus.h"

#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 12 + 54, LEAST_RANK = 100, MOST_RANK = 5000 };

/* SplitMix64. */
double corpus_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static uint32_t between(uint64_t *state, uint32_t least, uint32_t most)
{
    return least + (uint32_t)(corpus_random(state) * (most - least + 1));
}

void corpus_word(uint16_t word, char out[8])
{
    static const char consonants[] = "bcdfghjklmnprstvz", vowels[] = "aeiou";
    uint32_t rest = word;
    for (int i = 0; i < 3; i++) {
        uint32_t syllable = rest % 85;
        rest /= 85;
        out[2 * i] = consonants[syllable / 5];
        out[2 * i + 1] = vowels[syllable % 5];
    }
    out[6] = 0;
}

static uint16_t zipf(const double *cumulative, uint64_t *state)
{
    double x = corpus_random(state) * cumulative[CORPUS_WORDS - 1];
    uint32_t low = 0, high = CORPUS_WORDS - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (cumulative[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint16_t)low;
}

static void make_documents(corpus *c, uint64_t *state)
{
    double *cumulative = xcalloc(CORPUS_WORDS, sizeof *cumulative), sum = 0;
    for (uint32_t r = 0; r < CORPUS_WORDS; r++) cumulative[r] = sum += 1.0 / (r + 1);
    c->words = xcalloc((size_t)c->n * MOST_WORDS, sizeof *c->words);
    c->document = xcalloc(c->n, sizeof *c->document);
    uint16_t *at = c->words;
    for (uint32_t i = 0; i < c->n; i++) {
        corpus_document *d = &c->document[i];
        d->word = at;
        d->n_title = between(state, 4, 12);
        d->n_body = between(state, 30, 54);
        for (uint32_t k = 0; k < d->n_title + d->n_body; k++) *at++ = zipf(cumulative, state);
        d->brand = between(state, 0, 49);
        d->stock = between(state, 0, 19);
        d->price = round(100 * pow(10, corpus_random(state) * 3)) / 100;
        d->rating = between(state, 10, 50) / 10.0;
    }
    free(cumulative);
}

/* Documents of each word, ascending. */
typedef struct lists {
    uint32_t start[CORPUS_WORDS + 1];
    uint32_t *document;
} lists;

static void make_lists(const corpus *c, lists *l)
{
    uint32_t *last = xcalloc(CORPUS_WORDS, sizeof *last), *at = xcalloc(CORPUS_WORDS + 1, sizeof *at);
    memset(l->start, 0, sizeof l->start);
    l->document = NULL;
    for (int pass = 0; pass < 2; pass++) {
        memset(last, 0, CORPUS_WORDS * sizeof *last);
        for (uint32_t i = 0; i < c->n; i++)
            for (uint32_t k = 0; k < c->document[i].n_title + c->document[i].n_body; k++) {
                uint16_t w = c->document[i].word[k];
                if (last[w] == i + 1) continue;
                last[w] = i + 1;
                if (pass)
                    l->document[at[w]++] = i;
                else
                    l->start[w + 1]++;
            }
        if (pass) continue;
        for (uint32_t w = 0; w < CORPUS_WORDS; w++) l->start[w + 1] += l->start[w];
        memcpy(at, l->start, sizeof l->start);
        l->document = xcalloc(l->start[CORPUS_WORDS] + 1, sizeof *l->document);
    }
    free(last);
    free(at);
}

static uint32_t count_matches(const lists *l, const corpus_query *q, uint32_t *seen, uint32_t stamp)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < q->n; k++)
        for (uint32_t i = l->start[q->word[k]]; i < l->start[q->word[k] + 1]; i++)
            if (seen[l->document[i]] != stamp) {
                seen[l->document[i]] = stamp;
                n++;
            }
    return n;
}

static bool is_new(const corpus *c, const corpus_query *q)
{
    for (uint32_t k = 0; k < q->n; k++)
        for (uint32_t j = 0; j < k; j++)
            if (q->word[k] == q->word[j]) return false;
    for (uint32_t i = 0; i < c->n_queries; i++)
        if (c->query[i].n == q->n && memcmp(c->query[i].word, q->word, sizeof q->word) == 0) return false;
    return true;
}

static void make_queries(corpus *c, uint32_t wanted, uint64_t *state)
{
    lists *l = xcalloc(1, sizeof *l);
    make_lists(c, l);
    uint32_t *seen = xcalloc(c->n, sizeof *seen), stamp = 0;
    c->query = xcalloc(wanted, sizeof *c->query);
    while (c->n_queries < wanted) {
        corpus_query q = {.n = between(state, 2, QUERY_WORDS)};
        for (uint32_t k = 0; k < q.n; k++)
            q.word[k] = (uint16_t)(LEAST_RANK * pow((double)MOST_RANK / LEAST_RANK, corpus_random(state)));
        q.matches = count_matches(l, &q, seen, ++stamp);
        if (q.matches >= CORPUS_MATCHES && is_new(c, &q)) c->query[c->n_queries++] = q;
    }
    free(seen);
    free(l->document);
    free(l);
}

void corpus_make(corpus *c, uint32_t documents, uint32_t queries, uint64_t seed)
{
    uint64_t state = seed;
    *c = (corpus){.n = documents};
    make_documents(c, &state);
    make_queries(c, queries, &state);
}

void corpus_free(corpus *c)
{
    free(c->document);
    free(c->words);
    free(c->query);
}
