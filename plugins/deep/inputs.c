/* SPDX-License-Identifier: Apache-2.0 */
/* From a candidate to a row of inputs: features, [indicators,] embeddings, history, products, in this order. Training and
 * serving go through these lines. */
#include "model.h"

#include <string.h>

/* A value as the network reads it, before its normalisation. */
static float read_value(const deep_spec *s, uint32_t feature, float x)
{
    float v = isfinite(x) ? x : NAN;
    return s->is_log[feature] ? copysignf(log1pf(fabsf(v)), v) : v;
}

void inputs_read(const deep_spec *s, const uint32_t *rows, const sinter_batch *b, uint32_t row, const float *side, float *feature,
                 uint32_t *id)
{
    const float *x = b->feature + (size_t)row * b->stride;
    for (uint32_t i = 0; i < s->n_listed; i++)
        feature[i] = read_value(s, i, x[i]);
    memcpy(feature + s->n_listed, side, (s->n_features - s->n_listed) * sizeof *feature);
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

/* What an event counts; 0: nothing, also where it is no number. */
static double event_weight(const deep_spec *s, const sinter_user *user, uint32_t i)
{
    double w = 1;
    if (s->half_life_days > 0 && user->age != NULL)
        w = exp2(-fmax((double)user->age[i], 0) / s->half_life_days);
    if (s->history_weighted && SINTER_HAS(user, sinter_user, weight) && user->weight != NULL)
        w *= (double)user->weight[i];
    return w > 1e-30 && w < 1e30 ? w : 0;
}

void side_read(const deep_spec *s, const sinter_user *user, float *side)
{
    for (uint32_t k = 0; k < s->n_features - s->n_listed; k++) {
        double sum = 0, weight = 0;
        for (uint32_t i = 0; user != NULL && k < user->n_side && i < user->n_history && i < s->n_history; i++) {
            double v = (double)read_value(s, s->n_listed + k, user->side[k][i]), w = event_weight(s, user, i);
            if (isnan(v))
                continue;
            sum += w * v;
            weight += w;
        }
        side[k] = weight > 0 ? (float)(sum / weight) : NAN;
    }
}

uint32_t history_read(const deep_spec *s, const uint32_t *rows, const sinter_user *user, uint32_t *id, float *share)
{
    uint32_t n = 0;
    double sum = 0;
    if (!s->has_pool || user == NULL)
        return 0;
    for (uint32_t i = 0; i < user->n_history && n < s->n_history; i++) {
        double w = user->item[i] < rows[s->item] - 1 ? event_weight(s, user, i) : 0;
        if (w == 0)
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
    if (s->has_pool)
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
