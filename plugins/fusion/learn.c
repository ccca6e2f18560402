/* SPDX-License-Identifier: Apache-2.0 */
/* The gate network's loss and gradient, one request at a time, in doubles and without tricks: lists are short. */
#include "learn.h"

#include <math.h>
#include <stddef.h>

/* Where the parts of p begin. */
typedef struct parts {
    uint32_t request_weight, request_bias, gate_weight, gate_bias, temperature, n;
} parts;

static parts parts_of(uint32_t rankers, uint32_t inputs, uint32_t units)
{
    parts at = {0};
    at.request_bias = inputs * units;
    at.gate_weight = at.request_bias + units;
    at.gate_bias = at.gate_weight + rankers * units;
    at.temperature = at.gate_bias + rankers;
    at.n = at.temperature + 1;
    return at;
}

static parts parts_of_net(const net *m)
{
    return parts_of(m->n_rankers, m->n_inputs, m->n_units);
}

uint32_t net_count(uint32_t n_rankers, uint32_t n_inputs, uint32_t n_units)
{
    return parts_of(n_rankers, n_inputs, n_units).n;
}

void net_start(net *m, const sinter_host *host, uint64_t seed)
{
    parts at = parts_of_net(m);
    double width = sqrt(6.0 / m->n_inputs); /* He and others, 2015 */
    for (uint32_t i = 0; i < at.n; i++)
        m->p[i] = i < at.request_bias ? width * (2 * host->random(seed, i) - 1) : 0;
}

/* ---- the gates of a request ---- */

typedef struct request_gates {
    double hidden[NETWORK_MOST_UNITS];
    double gate[SINTER_MAX_RANKERS], slope[SINTER_MAX_RANKERS]; /* d gate × sum / d what soft reads */
    double sum; /* of the gates before they are made to sum to 1; 0: none is open, the middles stand */
} request_gates;

static void read_request(const net *m, const lists *l, uint32_t request, request_gates *o)
{
    parts at = parts_of_net(m);
    const float *x = l->x + (size_t)request * m->n_inputs;
    for (uint32_t h = 0; h < m->n_units; h++) {
        double sum = m->p[at.request_bias + h];
        for (uint32_t k = 0; k < m->n_inputs; k++)
            sum += (double)x[k] * m->p[at.request_weight + k * m->n_units + h];
        o->hidden[h] = sum > 0 ? sum : 0;
    }
    o->sum = 0;
    for (uint32_t r = 0; r < m->n_rankers; r++) {
        double d = m->p[at.gate_bias + r];
        for (uint32_t h = 0; h < m->n_units; h++)
            d += o->hidden[h] * m->p[at.gate_weight + r * m->n_units + h];
        double gate = m->middle[r] + m->reach[r] * d / (1 + fabs(d));
        o->gate[r] = gate > 0 ? gate : 0;
        o->slope[r] = gate > 0 ? m->reach[r] / ((1 + fabs(d)) * (1 + fabs(d))) : 0;
        o->sum += o->gate[r];
    }
    for (uint32_t r = 0; r < m->n_rankers; r++)
        o->gate[r] = o->sum > 0 ? o->gate[r] / o->sum : m->middle[r];
}

static double score_item(const net *m, const request_gates *o, const float *z)
{
    double score = 0;
    for (uint32_t r = 0; r < m->n_rankers; r++)
        score += o->gate[r] * (double)z[r];
    return score;
}

void net_score(const net *m, const lists *l, uint32_t request, double *score)
{
    request_gates o;
    read_request(m, l, request, &o);
    for (uint32_t i = l->begin[request]; i < l->begin[request + 1]; i++)
        score[i - l->begin[request]] = score_item(m, &o, l->z + (size_t)i * l->n_rankers);
}

/* ---- the loss ---- */

static double log_sum(const double *logit, uint32_t n)
{
    double most = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        most = fmax(most, logit[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += exp(logit[i] - most);
    return most + log(sum);
}

double listwise_loss(const lists *l, uint32_t request, const double *logit)
{
    uint32_t from = l->begin[request], n = l->begin[request + 1] - from;
    double all = log_sum(logit, n), loss = 0;
    for (uint32_t i = 0; i < n; i++)
        loss += (double)l->gain[from + i] * (all - logit[i]);
    return loss;
}

double discounted_gain(const lists *l, uint32_t request, const double *score)
{
    uint32_t from = l->begin[request], n = l->begin[request + 1] - from;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double rank = 1;
        if (!(l->gain[from + i] > 0))
            continue;
        for (uint32_t k = 0; k < n; k++)
            rank += k == i ? 0 : score[k] > score[i] ? 1 : score[k] < score[i] ? 0 : 0.5;
        sum += (double)l->gain[from + i] / log2(1 + rank);
    }
    return sum;
}

/* Adds what the gates do to every parameter; push: d loss / d gate. */
static void push_gates(const net *m, const lists *l, uint32_t request, const request_gates *o, const double *push, double *gradient)
{
    parts at = parts_of_net(m);
    const float *x = l->x + (size_t)request * m->n_inputs;
    double back[NETWORK_MOST_UNITS] = {0}, mean = 0;
    for (uint32_t r = 0; r < m->n_rankers; r++)
        mean += push[r] * o->gate[r];
    for (uint32_t r = 0; o->sum > 0 && r < m->n_rankers; r++) {
        double d = (push[r] - mean) / o->sum * o->slope[r];
        gradient[at.gate_bias + r] += d;
        for (uint32_t h = 0; h < m->n_units; h++) {
            gradient[at.gate_weight + r * m->n_units + h] += d * o->hidden[h];
            back[h] += d * m->p[at.gate_weight + r * m->n_units + h];
        }
    }
    for (uint32_t h = 0; h < m->n_units; h++) {
        if (!(o->hidden[h] > 0))
            continue;
        gradient[at.request_bias + h] += back[h];
        for (uint32_t k = 0; k < m->n_inputs; k++)
            gradient[at.request_weight + k * m->n_units + h] += back[h] * (double)x[k];
    }
}

double net_loss(const net *m, const lists *l, uint32_t request, double *gradient)
{
    uint32_t from = l->begin[request], n = l->begin[request + 1] - from;
    double score[EXAMINE_PLACES] = {0}, logit[EXAMINE_PLACES] = {0}, push[SINTER_MAX_RANKERS] = {0}, total = 0, loss = 0;
    double temperature = exp(m->p[parts_of_net(m).temperature]);
    request_gates o;
    read_request(m, l, request, &o);
    for (uint32_t i = 0; i < n; i++) {
        score[i] = score_item(m, &o, l->z + (size_t)(from + i) * l->n_rankers);
        logit[i] = temperature * (m->curve != NULL ? curve_at(m->curve, score[i]) : score[i]);
        total += (double)l->gain[from + i];
    }
    double all = log_sum(logit, n);
    for (uint32_t i = 0; i < n; i++) {
        const float *z = l->z + (size_t)(from + i) * l->n_rankers;
        loss += (double)l->gain[from + i] * (all - logit[i]);
        if (gradient == NULL)
            continue;
        double d = total * exp(logit[i] - all) - (double)l->gain[from + i]; /* d loss / d logit */
        gradient[parts_of_net(m).temperature] += d * logit[i];
        d *= temperature * (m->curve != NULL ? curve_slope(m->curve, score[i]) : 1);
        for (uint32_t r = 0; r < m->n_rankers; r++)
            push[r] += d * (double)z[r];
    }
    if (gradient != NULL)
        push_gates(m, l, request, &o, push, gradient);
    return loss;
}

double net_pull(const net *m, double strength, double *gradient)
{
    parts at = parts_of_net(m);
    double sum = 0;
    for (uint32_t i = 0; i < at.temperature; i++) {
        double rate = i >= at.gate_weight ? 1 : i < at.request_bias ? 0.1 : 0;
        sum += 0.5 * strength * rate * m->p[i] * m->p[i];
        if (gradient != NULL)
            gradient[i] += strength * rate * m->p[i];
    }
    return sum;
}
