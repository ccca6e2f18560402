/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The documents and queries of the search benches: made by a seed, the same on every machine.
 *
 * Words are numbers 0 … CORPUS_WORDS - 1, drawn by Zipf's law (the r-th with a probability of 1/r), written as six letters. A
 * document has a title of about 8 words and a body of about 42. Queries are 2 or 3 words of middling frequency whose union
 * matches CORPUS_MATCHES documents or more; no two are the same. */
#ifndef BENCH_CORPUS_H
#define BENCH_CORPUS_H

#include <stdint.h>

enum { CORPUS_WORDS = 20000, CORPUS_MATCHES = 1000, QUERY_WORDS = 3 };

typedef struct corpus_document {
    uint16_t *word;             /* [n_title + n_body] */
    uint32_t n_title, n_body;
    uint32_t brand, stock;      /* what rules filter by */
    double price, rating;
} corpus_document;

typedef struct corpus_query {
    uint16_t word[QUERY_WORDS];
    uint32_t n, matches;
} corpus_query;

typedef struct corpus {
    corpus_document *document; /* [n] */
    uint32_t n;
    corpus_query *query; /* [n_queries] */
    uint32_t n_queries;
    uint16_t *words;
} corpus;

void corpus_make(corpus *c, uint32_t documents, uint32_t queries, uint64_t seed);
void corpus_free(corpus *c);
void corpus_word(uint16_t word, char out[8]);
/* Uniform in [0, 1). */
double corpus_random(uint64_t *state);

#endif
