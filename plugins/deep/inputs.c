/* SPDX-License-Identifier: Apache-2.0 */
/* From a candidate to a row of inputs: features, [indicators,] embeddings, history, products, in this order. Training and
 * serving go through these lines. */
#include "model.h"

#include <string.h>

void inputs_read(const deep_spec *s, const uint32_t *rows, const sinter_batch *b, uint32_t row, float *feature, uint32_t *id)
{
    const float *x = b->feature + (size_t)row * b->stride;
    for (uint32_t i = 0; i < s->n_features; i++) {
        float v = isfinite(x[i]) ? x[i] : NAN;
        feature[i] = s->is_log[i] ? copysignf(log1pf(fabsf(v)), v) : v;
    }
    for (uint32_t i = 0; i < s->n_embeddings; i++) {
        const embedding *e = &s->embedding[i];
        if (e->is_item) {
            id[i] = b->item[row] < rows[i] - 1 ? b->item[row] + 1 : 0;
        } else {
            uint32_t hash = b->id_feature[e->id][row];
            id[i] = hash == 0 ? 0 : 1 + hash % e->buckets;
        }
    }
}

uint32_t history_read(const deep_spec *s, const uint32_t *rows, const sinter_user *user, uint32_t *id, float *share)
{
    uint32_t n = 0;
    double sum = 0;
    if (s->n_history == 0 || user == NULL)
        return 0;
    for (uint32_t i = 0; i < user->n_history && n < s->n_history; i++) {
        double w = 1;
        if (user->item[i] >= rows[s->item] - 1)
            continue;
        if (s->half_life_days > 0 && user->age != NULL)
            w = exp2(-fmax((double)user->age[i], 0) / s->half_life_days);
        if (s->history_weighted && SINTER_HAS(user, sinter_user, weight) && user->weight != NULL)
            w *= (double)user->weight[i];
        if (!(w > 1e-30 && w < 1e30)) /* an event that counts nothing, or NaN */
            continue;
        id[n] = user->item[i] + 1;
        share[n++] = (float)w;
        sum += (double)(float)w;
    }
    for (uint32_t i = 0; i < n; i++)
        share[i] = (float)((double)share[i] / sum);
    return n;
}

void history_pool(const deep_model *m, uint32_t n, const uint32_t *id, const float *share, real *pooled)
{
    const deep_spec *s = m->spec;
    uint32_t d = s->embedding[s->item].dimension;
    memset(pooled, 0, d * sizeof *pooled);
    for (uint32_t i = 0; i < n; i++)
        add_scaled(d, share[i], m->vectors[s->item] + (size_t)id[i] * d, pooled);
}

static uint32_t vector_column(const deep_spec *s, uint32_t which)
{
    return which == DEEP_MOST_EMBEDDINGS ? s->history_column : s->embedding[which].column;
}

void inputs_fill(const deep_model *m, const float *feature, const uint32_t *id, const real *pooled, real *x)
{
    const deep_spec *s = m->spec;
    for (uint32_t i = 0; i < s->n_features; i++) {
        bool missing = isnan(feature[i]);
        float v = missing || m->scale[i] == 0 ? 0 : (feature[i] - m->mean[i]) * m->scale[i];
        x[i] = fminf(fmaxf(v, -DEEP_CLIP), DEEP_CLIP);
        if (s->has_indicators)
            x[s->n_features + i] = missing;
    }
    for (uint32_t i = 0; i < s->n_embeddings; i++) {
        uint32_t d = s->embedding[i].dimension;
        memcpy(x + s->embedding[i].column, m->vectors[i] + (size_t)id[i] * d, d * sizeof *x);
    }
    if (s->n_history > 0)
        memcpy(x + s->history_column, pooled, s->embedding[s->item].dimension * sizeof *x);
    for (uint32_t i = 0; i < s->n_products; i++) {
        const product *p = &s->product[i];
        const real *a = x + vector_column(s, p->of), *b = x + vector_column(s, p->with);
        for (uint32_t j = 0; j < p->dimension; j++)
            x[p->column + j] = a[j] * b[j];
    }
    for (uint32_t i = s->net.inputs; i < stride(s->net.inputs); i++)
        x[i] = 0;
}

bool inputs_known(const deep_spec *s, const uint32_t *id)
{
    if (s->n_features > 0 || s->n_embeddings == 0)
        return true;
    for (uint32_t i = 0; i < s->n_embeddings; i++)
        if (id[i] != 0 && (s->embedding[i].is_item || strncmp(s->embedding[i].name, "item.", 5) == 0))
            return true;
    return false;
}
