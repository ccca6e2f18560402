/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Diversity by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): pick by (1 - strength) × relevance -
 * strength × greatest similarity to what was picked. Relevance is the score scaled to 0-1 over the list; similarity is equality
 * of a keyword, Jaccard's index of keywords, cosine of vectors. */
#include "search.h"

#include <math.h>
#include <string.h>

static double keywords_similarity(const sinter_column *c, uint32_t x, uint32_t y)
{
    uint32_t nx, ny, both = 0;
    const uint32_t *a = column_keywords(c, x, &nx), *b = column_keywords(c, y, &ny);
    for (uint32_t i = 0; i < nx; i++)
        for (uint32_t k = 0; k < ny; k++) both += a[i] == b[k];
    return nx + ny - both ? (double)both / (nx + ny - both) : 0;
}

static double vector_similarity(const sinter_column *c, uint32_t x, uint32_t y)
{
    const float *a = column_vector(c, x), *b = column_vector(c, y);
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t d = 0; d < c->dimension; d++) {
        ab += (double)a[d] * b[d];
        aa += (double)a[d] * a[d];
        bb += (double)b[d] * b[d];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Items without the field are like nothing. */
static double similarity(const sinter_column *c, uint32_t x, uint32_t y)
{
    if (!c || !column_has(c, x) || !column_has(c, y)) return 0;
    if (c->type == SINTER_COLUMN_KEYWORDS) return keywords_similarity(c, x, y);
    if (c->type == SINTER_COLUMN_VECTOR) return vector_similarity(c, x, y);
    return column_keyword(c, x) == column_keyword(c, y);
}

sinter_status search_diversity(search *s, const snap_finish *f, entry *list, uint32_t n, sinter_error *e)
{
    (void)e;
    uint32_t top = 0; /* scores of lower tiers are of another scale: they keep their order behind */
    while (top < n && list[top].tier == list[0].tier) top++;
    const sinter_column *c = catalog_column(s->set, f->field);
    double *closest = ARENA_ARRAY(s->a, double, top + 1), *relevance = ARENA_ARRAY(s->a, double, top + 1);
    double low = INFINITY, high = -INFINITY;
    for (uint32_t i = 0; i < top; i++) {
        low = fmin(low, list[i].score);
        high = fmax(high, list[i].score);
    }
    for (uint32_t i = 0; i < top; i++) relevance[i] = high > low ? (list[i].score - low) / (high - low) : 1;
    for (uint32_t k = 0; k < top; k++) {
        uint32_t best = k;
        double most = -INFINITY;
        for (uint32_t i = k; i < top; i++) {
            double value = (1 - f->strength) * relevance[i] - f->strength * closest[i];
            if (value > most) {
                most = value;
                best = i;
            }
        }
        /* Rotate instead of swap: among equals the old order stands. */
        entry picked = list[best];
        double picked_relevance = relevance[best];
        memmove(&list[k + 1], &list[k], (best - k) * sizeof *list);
        memmove(&relevance[k + 1], &relevance[k], (best - k) * sizeof *relevance);
        memmove(&closest[k + 1], &closest[k], (best - k) * sizeof *closest);
        list[k] = picked;
        relevance[k] = picked_relevance;
        for (uint32_t i = k + 1; i < top; i++) closest[i] = fmax(closest[i], similarity(c, picked.item, list[i].item));
    }
    return SINTER_OK;
}
