/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a dataset twice: once to count, once to fill; and says in words what makes it useless. */
#include "data.h"

#include <stdio.h>
#include <string.h>

typedef struct reading {
    const sinter_train_args *args;
    const deep_spec *spec;
    const uint32_t *rows;
    deep_data *data;
    uint32_t *id;  /* room for one history */
    float *share;
    uint64_t n_rows, n_lists, n_events; /* filled so far */
} reading;

static void *take(const sinter_host *host, uint64_t n, size_t size)
{
    void *p = host->alloc(host, (size_t)(n + 1) * size);
    return p == NULL ? NULL : memset(p, 0, (size_t)(n + 1) * size);
}

static float label_of(const deep_spec *s, float label)
{
    return s->loss == LOSS_BCE ? label > 0 : label;
}

static void count_list(reading *r, const sinter_requests *q)
{
    deep_data *d = r->data;
    uint32_t n = q->batch->n;
    d->n_rows += n;
    d->n_lists++;
    d->n_events += history_read(r->spec, r->rows, q->batch->user, r->id, r->share);
    d->longest = n > d->longest ? n : d->longest;
    d->is_weighted |= q->weight != 1;
}

static sinter_status fill_list(reading *r, const sinter_requests *q, sinter_error *err)
{
    deep_data *d = r->data;
    const deep_spec *s = r->spec;
    const sinter_batch *b = q->batch;
    float side[DEEP_MOST_SIDE];
    uint32_t n_events = history_read(s, r->rows, b->user, r->id, r->share);
    side_read(s, b->user, side);
    if (r->n_lists == d->n_lists || r->n_rows + b->n > d->n_rows || r->n_events + n_events > d->n_events)
        return deep_fail(s, err, SINTER_INTERNAL, "report this", "the dataset brought other requests when it was read again");
    memcpy(d->event_id + r->n_events, r->id, n_events * sizeof *r->id);
    memcpy(d->event_share + r->n_events, r->share, n_events * sizeof *r->share);
    r->n_events += n_events;
    d->event[r->n_lists + 1] = r->n_events;
    d->weight[r->n_lists] = q->weight >= 0 && isfinite(q->weight) ? q->weight : 0;
    for (uint32_t i = 0; i < b->n; i++, r->n_rows++) {
        uint64_t row = r->n_rows;
        float label = q->label[0][i];
        if (!isfinite(label))
            return deep_fail(s, err, SINTER_INVALID, "look at the events of this type", "a label of target '%s' is not finite", s->target);
        inputs_read(s, r->rows, b, i, side, d->feature + row * s->n_features, d->id + row * s->n_embeddings);
        d->label[row] = label_of(s, label);
        d->position[row] = q->position == NULL ? 0 : q->position[i] > s->n_positions ? s->n_positions : q->position[i];
        d->list[row] = (uint32_t)r->n_lists;
    }
    d->first[++r->n_lists] = r->n_rows;
    return SINTER_OK;
}

static sinter_status read_pass(reading *r, sinter_dataset *set, bool fills, sinter_error *err)
{
    const sinter_dataset_table *t = r->args->data;
    sinter_status status = t->rewind(set, err);
    while (status == SINTER_OK) {
        sinter_requests q = {.size = sizeof q};
        status = t->next_requests(set, &q, err);
        if (status != SINTER_OK || q.batch == NULL || q.batch->n == 0)
            return status;
        if (q.n_targets < 1 || q.label == NULL || q.batch->n_features < r->spec->n_listed || q.batch->n_id_features < r->spec->n_ids)
            return deep_fail(r->spec, err, SINTER_INTERNAL, "report this", "the dataset lacks labels or features that were asked for");
        if (fills)
            status = fill_list(r, &q, err);
        else
            count_list(r, &q);
    }
    return status;
}

static sinter_status make_room(reading *r, const char *what, uint64_t *used, sinter_error *err)
{
    deep_data *d = r->data;
    const deep_spec *s = r->spec;
    uint64_t row = (s->n_features + s->n_embeddings + 3ull) * 4;
    *used += d->n_rows * row + d->n_lists * 20 + d->n_events * 8;
    if (*used > r->args->memory_limit)
        return deep_fail(s, err, SINTER_EXHAUSTED, "train on a shorter range, with fewer features, or with a higher memory limit",
                         "the %s data of %llu hits of %llu requests needs %llu MiB; the limit is %llu MiB", what,
                         (unsigned long long)d->n_rows, (unsigned long long)d->n_lists, (unsigned long long)(*used >> 20),
                         (unsigned long long)(r->args->memory_limit >> 20));
    d->feature = take(d->host, d->n_rows * s->n_features, sizeof *d->feature);
    d->id = take(d->host, d->n_rows * s->n_embeddings, sizeof *d->id);
    d->label = take(d->host, d->n_rows, sizeof *d->label);
    d->position = take(d->host, d->n_rows, sizeof *d->position);
    d->list = take(d->host, d->n_rows, sizeof *d->list);
    d->first = take(d->host, d->n_lists, sizeof *d->first);
    d->weight = take(d->host, d->n_lists, sizeof *d->weight);
    d->event = take(d->host, d->n_lists, sizeof *d->event);
    d->event_id = take(d->host, d->n_events, sizeof *d->event_id);
    d->event_share = take(d->host, d->n_events, sizeof *d->event_share);
    bool good = d->feature != NULL && d->id != NULL && d->label != NULL && d->position != NULL && d->list != NULL && d->first != NULL &&
                d->weight != NULL && d->event != NULL && d->event_id != NULL && d->event_share != NULL;
    return good ? SINTER_OK : deep_no_memory(s->use, err);
}

sinter_status data_read(deep_data *d, const sinter_train_args *args, const deep_spec *s, const uint32_t *rows, sinter_dataset *set,
                        const char *what, uint64_t *used, sinter_error *err)
{
    uint32_t id[DEEP_MOST_HISTORY];
    float share[DEEP_MOST_HISTORY];
    *d = (deep_data){.host = args->host};
    reading r = {.args = args, .spec = s, .rows = rows, .data = d, .id = id, .share = share};
    sinter_status status = read_pass(&r, set, false, err);
    if (status == SINTER_OK && (d->n_rows == 0 || d->n_lists > UINT32_MAX || d->n_rows > UINT32_MAX))
        status = deep_fail(s, err, SINTER_PRECONDITION, d->n_rows == 0 ? "let people search first, or choose a wider range" : "choose a shorter range",
                           "%llu hits in the %s data", (unsigned long long)d->n_rows, what);
    if (status == SINTER_OK)
        status = make_room(&r, what, used, err);
    if (status == SINTER_OK)
        status = read_pass(&r, set, true, err);
    if (status == SINTER_OK && r.n_rows != d->n_rows)
        status = deep_fail(s, err, SINTER_INTERNAL, "report this", "the dataset brought fewer requests when it was read again");
    return status;
}

void data_free(deep_data *d)
{
    void *const all[] = {d->feature, d->id, d->label, d->position, d->list, d->first, d->weight, d->event, d->event_id, d->event_share};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            d->host->free(d->host, all[i]);
    *d = (deep_data){0};
}

/* ---- is there anything to learn? ---- */

sinter_status data_check(const deep_data *d, const deep_spec *s, sinter_error *err)
{
    uint64_t positives = 0, mixed = 0;
    float least = d->label[0], most = d->label[0];
    for (uint64_t i = 0; i < d->n_rows; i++) {
        positives += d->label[i] > 0;
        least = fminf(least, d->label[i]);
        most = fmaxf(most, d->label[i]);
    }
    for (uint64_t l = 0; l < d->n_lists; l++) {
        uint32_t n = (uint32_t)(d->first[l + 1] - d->first[l]), above = 0;
        for (uint32_t i = 0; i < n; i++)
            above += d->label[d->first[l] + i] > 0;
        mixed += above > 0 && above < n;
    }
    if (positives == 0 && s->loss != LOSS_MSE)
        return deep_fail(s, err, SINTER_PRECONDITION, "check the target's name, send events with the request's id, or choose a wider range",
                         "none of %llu hits of %llu requests has an event of target '%s': there is nothing to learn from",
                         (unsigned long long)d->n_rows, (unsigned long long)d->n_lists, s->target);
    if (least == most)
        return deep_fail(s, err, SINTER_PRECONDITION, "choose another target, or a wider range",
                         "all %llu hits have the same label %g of target '%s': there is nothing to tell apart",
                         (unsigned long long)d->n_rows, (double)least, s->target);
    if (s->loss == LOSS_SOFTMAX && mixed == 0)
        return deep_fail(s, err, SINTER_PRECONDITION, "use loss: bce, or a wider range",
                         "no list of %llu has hits with and without target '%s': softmax compares hits of one list",
                         (unsigned long long)d->n_lists, s->target);
    return SINTER_OK;
}

static void warn(const deep_data *d, const deep_spec *s, uint32_t feature, const char *what)
{
    char message[2 * DEEP_NAME + 100];
    snprintf(message, sizeof message, "%s: feature %s %s; it is left out", s->use, s->feature[feature], what);
    d->host->log(d->host, SINTER_LOG_WARN, message);
}

sinter_status data_normalise(const deep_data *d, deep_model *m, sinter_error *err)
{
    const deep_spec *s = m->spec;
    uint32_t lost = 0;
    for (uint32_t f = 0; f < s->n_features; f++) {
        uint64_t n = 0;
        double sum = 0, squares = 0;
        for (uint64_t i = 0; i < d->n_rows; i++) {
            float v = d->feature[i * s->n_features + f];
            n += !isnan(v);
            sum += isnan(v) ? 0 : (double)v;
        }
        double mean = n > 0 ? sum / (double)n : 0;
        for (uint64_t i = 0; i < d->n_rows; i++) {
            double v = (double)d->feature[i * s->n_features + f] - mean;
            squares += isnan(v) ? 0 : v * v;
        }
        double deviation = n > 0 ? sqrt(squares / (double)n) : 0;
        bool varies = deviation > 1e-30 && deviation > 1e-6 * fabs(mean); /* a float holds no more */
        m->mean[f] = (float)mean;
        m->scale[f] = varies ? (float)(1 / deviation) : 0;
        if (!varies)
            warn(d, s, f, n == 0 ? "is missing in all of the training data" : "is the same in all of the training data");
        lost += !varies && (n == 0 || n == d->n_rows || !s->has_indicators);
    }
    if (lost == s->n_features && s->n_embeddings == 0)
        return deep_fail(s, err, SINTER_PRECONDITION, "name features that differ between items",
                         "each of the %u features is missing, or the same for all of %llu hits", s->n_features, (unsigned long long)d->n_rows);
    return SINTER_OK;
}

/* ---- */

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
    const uint32_t *x = data;
    for (size_t i = 0; i < n; i++)
        h = (h ^ x[i]) * 0x9e3779b97f4a7c15u ^ h >> 29;
    return h;
}

uint64_t data_hash(const deep_data *d, const deep_spec *s)
{
    uint64_t h = d->n_rows ^ d->n_lists << 32;
    h = mix(h, d->feature, d->n_rows * s->n_features);
    h = mix(h, d->id, d->n_rows * s->n_embeddings);
    h = mix(h, d->label, d->n_rows);
    h = mix(h, d->position, d->n_rows);
    h = mix(h, d->list, d->n_rows);
    h = mix(h, d->weight, d->n_lists);
    h = mix(h, d->event_id, d->n_events);
    return mix(h, d->event_share, d->n_events);
}
