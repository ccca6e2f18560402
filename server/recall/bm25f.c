/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BM25F and the text features, computed from packed postings alone.
 *
 *   score = Σ words idf · (coverage_bonus + (k1 + 1) · tf ÷ (k1 + tf)),  over the words that occur
 *   tf    = Σ groups weight · count ÷ (1 − b + b · length ÷ average length)
 *   idf   = ln(1 + (N − n + ½) ÷ (n + ½)) · boost
 *
 * A count that a synonym brought is taken synonym_weight times.
 *
 * One function adds them up, so that recall's score, the feature and the explanation agree bit for bit. */
#include "text_private.h"

#include <math.h>
#include <string.h>

bool text_word_scores(const text_word *w)
{
    return !w->excluded && !w->stop;
}

void text_weights_of(const config_collection *schema, text_weights *out)
{
    *out = (text_weights){.k1 = schema->k1, .n_groups = schema->n_groups, .coverage_bonus = schema->coverage_bonus};
    for (uint32_t g = 0; g < schema->n_groups; g++) {
        out->weight[g] = schema->group[g].weight;
        out->b[g] = schema->group[g].b;
    }
}

text_scorer *text_scorer_make(const text_layout *l, const text_statistics *st, const text_weights *w, uint32_t n_words,
                              const double *frequency, const double *boost, arena *a)
{
    text_scorer *s = ARENA_NEW(a, text_scorer);
    s->layout = l;
    s->weights = *w;
    s->n_words = n_words;
    s->idf = ARENA_ARRAY(a, double, n_words + 1);
    for (uint32_t i = 0; i < n_words; i++) {
        double n = fmin(frequency[i], st->documents);
        s->idf[i] = log1p((st->documents - n + 0.5) / (n + 0.5)) * boost[i];
        s->idf_total += s->idf[i];
    }
    for (uint32_t g = 0; g < l->n_groups; g++) {
        uint32_t levels = 1u << l->length_bits[g];
        double average = st->average[g] > 0 ? st->average[g] : 1;
        s->average[g] = (float)average;
        s->norm[g] = ARENA_ARRAY(a, float, levels);
        for (uint32_t i = 0; i < levels; i++) {
            double n = 1 - w->b[g] + w->b[g] * (double)l->length[g][i] / average;
            s->norm[g][i] = (float)(w->weight[g] / fmax(n, 1e-6));
        }
    }
    return s;
}

static inline double frequency_of(const text_scorer *s, uint32_t packed, uint32_t group)
{
    double tf = (double)text_count(s->layout, group, packed) * (double)s->norm[group][text_level(s->layout, group, packed)];
    return text_of_synonym(packed, group) ? tf * s->synonym_weight : tf;
}

static inline double word_part(const text_scorer *s, uint32_t word, double tf)
{
    double k1 = s->weights.k1;
    return s->idf[word] * (s->weights.coverage_bonus + (tf > 0 ? (k1 + 1) * tf / (k1 + tf) : 0));
}

/* The layout in registers: bytes read through the scorer would be read again after each score written. */
typedef struct reading {
    uint32_t shift, count_bits, count_mask, level_mask;
    const float *norm;
} reading;

/* `groups` and `synonyms` are constants where this is called, so that the loop over groups unrolls. */
static inline __attribute__((always_inline)) void add_up(const text_scorer *s, const uint32_t *packed, uint32_t n, float *restrict out,
                                                         uint32_t stride, const uint32_t groups, const bool synonyms)
{
    reading r[CONFIG_MAX_GROUPS];
    const text_layout *l = s->layout;
    for (uint32_t g = 0; g < groups; g++)
        r[g] = (reading){l->shift[g], l->count_bits[g], (1u << l->count_bits[g]) - 1, (1u << l->length_bits[g]) - 1, s->norm[g]};
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t w = 0; w < s->n_words; w++) {
            uint32_t p = packed[(size_t)w * n + i];
            double tf = 0;
            if (!p)
                continue;
            for (uint32_t g = 0; g < groups; g++) {
                uint32_t field = p >> r[g].shift;
                double part = (double)(field & r[g].count_mask) * (double)r[g].norm[field >> r[g].count_bits & r[g].level_mask];
                tf += synonyms && text_of_synonym(p, g) ? part * s->synonym_weight : part;
            }
            sum += word_part(s, w, tf);
        }
        out[(size_t)i * stride] = (float)sum;
    }
}

void text_bm25f(const text_scorer *s, const uint32_t *packed, uint32_t n, float *out, uint32_t stride)
{
    uint32_t groups = s->layout->n_groups;
    if (s->synonyms)
        add_up(s, packed, n, out, stride, groups, true);
    else
        switch (groups) {
        case 1: add_up(s, packed, n, out, stride, 1, false); break;
        case 2: add_up(s, packed, n, out, stride, 2, false); break;
        case 3: add_up(s, packed, n, out, stride, 3, false); break;
        default: add_up(s, packed, n, out, stride, groups, false); break;
        }
}

static float group_score(const text_scorer *s, const uint32_t *packed, uint32_t n, uint32_t i, uint32_t g)
{
    double sum = 0;
    for (uint32_t w = 0; w < s->n_words; w++) {
        uint32_t p = packed[(size_t)w * n + i];
        if (text_count(s->layout, g, p))
            sum += word_part(s, w, frequency_of(s, p, g));
    }
    return (float)sum;
}

static float group_number(const text_scorer *s, const uint32_t *packed, uint32_t n, uint32_t i, uint32_t g,
                          text_group_feature f)
{
    uint32_t count = 0, words = 0, level = 0;
    for (uint32_t w = 0; w < s->n_words; w++) {
        uint32_t p = packed[(size_t)w * n + i], c = text_count(s->layout, g, p);
        count += c;
        words += c > 0;
        level |= text_level(s->layout, g, p); /* the same for every word that occurs in the group */
    }
    return f == TEXT_GROUP_COUNT ? (float)count : f == TEXT_GROUP_WORDS ? (float)words : s->layout->length[g][level];
}

void text_group(const text_scorer *s, const uint32_t *packed, uint32_t n, uint32_t group, text_group_feature f, float *out,
                uint32_t stride)
{
    for (uint32_t i = 0; i < n; i++)
        out[(size_t)i * stride] = group >= s->layout->n_groups ? 0
                                  : f == TEXT_GROUP_SCORE      ? group_score(s, packed, n, i, group)
                                                               : group_number(s, packed, n, i, group, f);
}

void text_coverage(const text_scorer *s, const uint32_t *packed, uint32_t n, float *out, uint32_t stride)
{
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t w = 0; w < s->n_words; w++)
            sum += packed[(size_t)w * n + i] ? s->idf[w] : 0;
        out[(size_t)i * stride] = s->idf_total > 0 ? (float)(sum / s->idf_total) : 0;
    }
}
