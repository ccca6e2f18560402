/* SPDX-License-Identifier: Apache-2.0 */
/* Training a fusion from logged clicks: the best single ranker, the best weighted sum in closed form, and a gate network that starts at
 * that sum and is pulled back to it. Each richer one must beat the simpler ones on requests that it was not fitted to, beyond chance;
 * else the simpler one is what is written, exactly. */
#include "fit.h"
#include "learn.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    INFORMATIVE_LEAST = 40, /* requests with both clicked and other items, of the training part */
    BATCH = 64,
    EPOCHS = 24,
    PATIENCE = 3,
    FOLDS = 5,
};
#define RIDGE 1e-3          /* of the mean variance of a ranker's scores */
#define CHANCE 2.0          /* standard errors by which clicks must follow a ranker at all */
#define SURE 1.0            /* by which validation must improve: the rule of one standard error, Breiman and others, 1984 */
#define WORTH 0.02          /* of what the simpler one explains of the clicks: what a richer one must add to it */
#define SLACK 1.0           /* standard errors by which clicks may stand lower for all that */
#define REACH 0.25          /* of an even share: how far a gate may go for a ranker that the sum leaves out */
#define RATE 0.01
static const double strengths[] = {0.3, 0.1, 0.03, 0.01, 0.003, 0.001}; /* of the pull back to the weighted sum */
enum { STRENGTHS = sizeof strengths / sizeof *strengths };

/* How one way of fusing does, request by request; the means are the validation part's. */
typedef struct verdict {
    double *loss, *gain; /* [train.n_requests + valid.n_requests] the training part first */
    double mean_loss, mean_gain;
} verdict;

typedef struct training {
    const sinter_train_args *args;
    const sinter_instance *me;
    const sinter_host *host;
    sinter_error *err;
    sinter_worker *worker;
    lists train, valid;
    examine seen;
    float mean[NETWORK_MOST_INPUTS], scale[NETWORK_MOST_INPUTS];
    double weight[SINTER_MAX_RANKERS]; /* the sum's */
    double fold_weight[FOLDS][SINTER_MAX_RANKERS]; /* fitted without the fold's requests */
    uint32_t single;                   /* the best ranker alone */
    curve curve;                       /* the sum's */
    verdict by_chance, by_single, by_weights, by_network;
    net net;      /* being trained */
    double *best; /* parameters of the best so far */
    double best_loss, best_strength;
    void *memory[32]; /* to free */
    uint32_t n_memory;
    uint64_t done, total;
    bool stopped;
} training;

static void *keep(training *t, size_t n, size_t size)
{
    void *p = t->host->alloc(t->host, (n + 1) * size);
    if (p != NULL) {
        memset(p, 0, (n + 1) * size);
        t->memory[t->n_memory++] = p;
    }
    return p;
}

__attribute__((format(printf, 3, 4))) static sinter_status hopeless(training *t, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->err->status = SINTER_PRECONDITION;
    vsnprintf(t->err->what, sizeof t->err->what, format, args);
    snprintf(t->err->where, sizeof t->err->where, "training %s", t->me->use);
    snprintf(t->err->fix, sizeof t->err->fix, "%s", fix);
    va_end(args);
    return SINTER_PRECONDITION;
}

__attribute__((format(printf, 3, 4))) static void say(training *t, sinter_log_level level, const char *format, ...)
{
    char text[512], line[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s: %s", t->me->use, text);
    t->host->log(t->host, level, line);
}

static void report(training *t, const char *metric, double value)
{
    if (isfinite(value))
        t->stopped |= t->args->progress(t->args->progress_ctx, t->done, t->total, metric, value);
}

/* ---- the data ---- */

/* Requests in which some items were clicked and others not: no other says anything about order. */
static uint32_t informative(const lists *l)
{
    uint32_t n = 0;
    for (uint32_t q = 0; q < l->n_requests; q++) {
        float least = INFINITY, most = 0;
        for (uint32_t i = l->begin[q]; i < l->begin[q + 1]; i++) {
            least = fminf(least, l->label[i]);
            most = fmaxf(most, l->label[i]);
        }
        n += most > least;
    }
    return n;
}

static sinter_status check_part(training *t, const lists *l, const char *part, uint32_t least)
{
    if (l->n_requests == 0)
        return hopeless(t, "record whole requests (record: 1 in the pipeline), let people search, then train on that range",
                        "the %s part has no recorded request with two shown items (%llu had one, %llu none)", part,
                        (unsigned long long)l->n_short, (unsigned long long)l->n_unseen);
    if (l->n_clicks == 0)
        return hopeless(t, "take a range in which people click, or name another event type as target",
                        "in the %s part nobody clicked: no event '%s' on the items of its %u requests", part, t->me->target, l->n_requests);
    if (informative(l) < least)
        return hopeless(t, "take a longer range", "in the %s part only %u of %u requests have both clicked items and others; %u are needed",
                        part, informative(l), l->n_requests, least);
    return SINTER_OK;
}

static sinter_status read_data(training *t)
{
    if (t->args->n_rankers < 2)
        return hopeless(t, "add a ranker to the stage", "the stage has one ranker: there is nothing to fuse");
    sinter_status status = lists_read(&t->train, t->args, t->args->train, t->worker, t->err);
    if (status == SINTER_OK)
        status = lists_read(&t->valid, t->args, t->args->valid, t->worker, t->err);
    if (status == SINTER_OK)
        status = check_part(t, &t->train, "training", INFORMATIVE_LEAST);
    if (status == SINTER_OK)
        status = check_part(t, &t->valid, "validation", INFORMATIVE_LEAST / 4);
    if (status == SINTER_OK && t->train.scored == 0)
        status = hopeless(t, "see why they are degraded: sinter search --explain", "no ranker of the stage scored anything");
    if (status != SINTER_OK)
        return status;
    examine_estimate(&t->train, &t->seen);
    examine_apply(&t->seen, &t->train);
    examine_apply(&t->seen, &t->valid);
    if (!t->seen.known)
        say(t, SINTER_LOG_WARN, "%llu clicks in shuffled requests do not tell how far people look: clicks are taken at face value; add {explore: shuffle} to finish",
            (unsigned long long)t->seen.n_clicks);
    for (uint32_t r = 0; r < t->args->n_rankers; r++)
        if ((t->train.scored >> r & 1) == 0)
            say(t, SINTER_LOG_WARN, "ranker %s scored nothing in the training part: it gets no weight", t->args->ranker[r]);
    return SINTER_OK;
}

/* Centres and scales what is read of requests, by the training part's mean and deviation. */
static void standardise(training *t)
{
    lists *const parts[] = {&t->train, &t->valid};
    uint32_t inputs = t->train.n_inputs;
    for (uint32_t k = 0; k < inputs; k++) {
        double sum = 0, squares = 0;
        uint32_t n = 0;
        for (uint32_t q = 0; q < t->train.n_requests; q++) {
            double x = (double)t->train.x[(size_t)q * inputs + k];
            if (!isfinite(x))
                continue;
            sum += x;
            squares += x * x;
            n++;
        }
        double mean = n > 0 ? sum / n : 0, variance = n > 0 ? squares / n - mean * mean : 0;
        bool varies = variance > 1e-8 * (1 + mean * mean);
        t->mean[k] = isfinite(mean) ? (float)mean : 0;
        t->scale[k] = varies && isfinite(variance) ? (float)(1 / sqrt(variance)) : 0;
    }
    for (uint32_t part = 0; part < 2; part++)
        for (uint32_t q = 0; q < parts[part]->n_requests; q++)
            for (uint32_t k = 0; k < inputs; k++) {
                float *x = &parts[part]->x[(size_t)q * inputs + k];
                *x = network_standard(*x, t->mean[k], t->scale[k]);
            }
}

/* ---- sums of scores ---- */

/* Least squares of the gains on the scores, both around their means in each request: between requests there is no order to learn. */
static void add_request(const lists *l, uint32_t q, fit_sums *sums)
{
    uint32_t from = l->begin[q], n = l->begin[q + 1] - from, rankers = l->n_rankers;
    double mean[SINTER_MAX_RANKERS] = {0}, gain = 0;
    for (uint32_t i = from; i < from + n; i++) {
        gain += (double)l->gain[i] / n;
        for (uint32_t r = 0; r < rankers; r++)
            mean[r] += (double)l->z[(size_t)i * rankers + r] / n;
    }
    for (uint32_t i = from; gain > 0 && i < from + n; i++)
        for (uint32_t r = 0; r < rankers; r++) {
            double d = (double)l->z[(size_t)i * rankers + r] - mean[r];
            sums->product[r] += d * ((double)l->gain[i] - gain);
            for (uint32_t k = 0; k < rankers; k++)
                sums->square[r][k] += d * ((double)l->z[(size_t)i * rankers + k] - mean[k]);
        }
}

/* Weights from the sums of all folds but one (FOLDS: of all). */
static void solve_without(const fit_sums *fold, uint32_t without, fit_sums *all, double *weight)
{
    uint32_t n = fold->n_rankers;
    double trace = 0, total = 0;
    memset(all, 0, sizeof *all);
    all->n_rankers = n;
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t f = 0; f < FOLDS; f++) {
            all->product[r] += f == without ? 0 : fold[f].product[r];
            for (uint32_t k = 0; k < n; k++)
                all->square[r][k] += f == without ? 0 : fold[f].square[r][k];
        }
    for (uint32_t r = 0; r < n; r++)
        trace += all->square[r][r];
    for (uint32_t r = 0; r < n; r++)
        all->square[r][r] += RIDGE * trace / n;
    fit_nonnegative(all, weight);
    for (uint32_t r = 0; r < n; r++)
        total += weight[r];
    for (uint32_t r = 0; r < n; r++) /* none goes with the clicks: all the same */
        weight[r] = total > 0 ? weight[r] / total : 1.0 / n;
}

static bool fit_weights_to(training *t)
{
    fit_sums *fold = keep(t, FOLDS + 1, sizeof *fold);
    if (fold == NULL)
        return false;
    for (uint32_t f = 0; f < FOLDS; f++)
        fold[f].n_rankers = t->args->n_rankers;
    for (uint32_t q = 0; q < t->train.n_requests; q++)
        add_request(&t->train, q, &fold[q % FOLDS]);
    for (uint32_t f = 0; f < FOLDS; f++)
        solve_without(fold, f, &fold[FOLDS], t->fold_weight[f]);
    solve_without(fold, FOLDS, &fold[FOLDS], t->weight);
    return true;
}

/* ---- judging ---- */

static bool judge_room(training *t, verdict *v)
{
    uint32_t n = t->train.n_requests + t->valid.n_requests;
    v->loss = keep(t, n, sizeof *v->loss);
    v->gain = keep(t, n, sizeof *v->gain);
    return v->loss != NULL && v->gain != NULL;
}

static double gain_of(const lists *l)
{
    double total = 0;
    for (uint32_t i = 0; i < l->n_rows; i++)
        total += (double)l->gain[i];
    return total;
}

/* Request q by way[q % n_ways]. */
static void judge_part(const lists *l, const way *w, uint32_t n_ways, const curve *c, double temperature, double *loss, double *gain)
{
    for (uint32_t q = 0; q < l->n_requests; q++) {
        double score[EXAMINE_PLACES];
        way_score(l, &w[q % n_ways], q, score);
        gain[q] = discounted_gain(l, q, score);
        for (uint32_t i = 0; i < l->begin[q + 1] - l->begin[q]; i++)
            score[i] = temperature * curve_at(c, score[i]);
        loss[q] = listwise_loss(l, q, score);
    }
}

/* The validation part; means per unit of gain, so that a mean loss of 1 is one nat a click. */
static void judge(const training *t, verdict *v, const way *w, const curve *c, double temperature)
{
    double total = gain_of(&t->valid), *loss = v->loss + t->train.n_requests, *gain = v->gain + t->train.n_requests;
    judge_part(&t->valid, w, 1, c, temperature, loss, gain);
    v->mean_loss = v->mean_gain = 0;
    for (uint32_t q = 0; q < t->valid.n_requests; q++) {
        v->mean_loss += loss[q] / total;
        v->mean_gain += gain[q] / total;
    }
}

/* The sum of differences over its standard error, request by request. */
static double certainty(const double *from, const double *to, uint32_t n)
{
    double sum = 0, squares = 0;
    for (uint32_t q = 0; q < n; q++) {
        double d = from[q] - to[q];
        sum += d;
        squares += d * d;
    }
    double error = sqrt(squares - sum * sum / n);
    return error > 0 ? sum / error : 0;
}

/* Clicks must be likelier by a standard error. They must also be likelier by a part that is worth it of what the simpler way explains, or
 * stand higher by a standard error: so the truth is not mixed with others for a hundredth part of a nat. And they may not stand lower by
 * more than SLACK standard errors. Likelihood is the sharper of the two: it weighs every pair of the shown items, where the gain by rank
 * mostly tells what stood first anyway. From request `from` on: the validation part, or from 0, where weights were fitted without the
 * requests that they are judged on. */
static bool beats(const training *t, const verdict *rich, const verdict *simple, uint32_t from)
{
    uint32_t n = t->train.n_requests + t->valid.n_requests - from;
    double explained = 0, added = 0;
    for (uint32_t q = from; q < from + n; q++) {
        explained += t->by_chance.loss[q] - simple->loss[q];
        added += simple->loss[q] - rich->loss[q];
    }
    double higher = certainty(rich->gain + from, simple->gain + from, n);
    if (!(added > WORTH * explained || higher > SURE))
        return false;
    return certainty(simple->loss + from, rich->loss + from, n) > SURE && higher > -SLACK;
}

static double sum_of_losses(const training *t, const verdict *v)
{
    double sum = 0;
    for (uint32_t q = 0; q < t->train.n_requests + t->valid.n_requests; q++)
        sum += v->loss[q];
    return sum;
}

/* One ranker alone has nothing to fit but its curve, and the sum is judged on each fold by weights of the others: both parts count. */
static bool fit_sums_and_judge(training *t)
{
    const double nothing[SINTER_MAX_RANKERS] = {0};
    curve c;
    verdict one = {0};
    way fold[FOLDS];
    if (!fit_weights_to(t) || !judge_room(t, &t->by_chance) || !judge_room(t, &t->by_single) || !judge_room(t, &t->by_weights) || !judge_room(t, &one))
        return false;
    for (uint32_t r = 0; r < t->args->n_rankers; r++) {
        double alone[SINTER_MAX_RANKERS] = {0};
        alone[r] = 1;
        const way single = {.weight = alone};
        curve_fit(&t->train, &single, &c);
        judge(t, &one, &single, &c, 1);
        judge_part(&t->train, &single, 1, &c, 1, one.loss, one.gain);
        if (r == 0 || sum_of_losses(t, &one) < sum_of_losses(t, &t->by_single)) {
            verdict swap = t->by_single;
            t->by_single = one;
            one = swap;
            t->single = r;
        }
    }
    const way sum = {.weight = t->weight}, chance = {.weight = nothing};
    judge(t, &t->by_chance, &chance, &c, 1);
    judge_part(&t->train, &chance, 1, &c, 1, t->by_chance.loss, t->by_chance.gain);
    curve_fit(&t->train, &sum, &t->curve);
    judge(t, &t->by_weights, &sum, &t->curve, 1);
    for (uint32_t f = 0; f < FOLDS; f++)
        fold[f] = (way){.weight = t->fold_weight[f]};
    judge_part(&t->train, fold, FOLDS, &t->curve, 1, t->by_weights.loss, t->by_weights.gain);
    return true;
}

/* ---- the network ---- */

typedef struct adam {
    double *gradient, *first, *second;
    uint64_t step;
} adam;

/* Kingma and Ba, 2015. */
static void adam_step(adam *a, net *m, double rate)
{
    a->step++;
    double unbias1 = 1 - pow(0.9, (double)a->step), unbias2 = 1 - pow(0.999, (double)a->step);
    for (uint32_t i = 0; i < m->n_parameters; i++) {
        double g = a->gradient[i];
        a->first[i] = 0.9 * a->first[i] + 0.1 * g;
        a->second[i] = 0.999 * a->second[i] + 0.001 * g * g;
        m->p[i] -= rate * (a->first[i] / unbias1) / (sqrt(a->second[i] / unbias2) + 1e-8);
        a->gradient[i] = 0;
    }
}

static void shuffle(const sinter_host *host, uint32_t *order, uint32_t n, uint64_t seed)
{
    for (uint32_t i = n; i-- > 1;) {
        uint32_t k = (uint32_t)(host->random(seed, i) * (i + 1.0));
        uint32_t swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

/* One pass over the training part; `unit`: the mean gain of a request, so that strengths mean the same for any labels. */
static void run_epoch(training *t, adam *a, const uint32_t *order, uint32_t n, double unit, double strength, double rate)
{
    for (uint32_t from = 0; from < n; from += BATCH) {
        uint32_t count = n - from < BATCH ? n - from : BATCH;
        for (uint32_t i = 0; i < count; i++)
            net_loss(&t->net, &t->train, order[from + i], a->gradient);
        for (uint32_t k = 0; k < t->net.n_parameters; k++)
            a->gradient[k] /= count * unit;
        net_pull(&t->net, strength, a->gradient);
        adam_step(a, &t->net, rate);
    }
}

static void train_once(training *t, adam *a, uint32_t *order, uint32_t n, double unit, double strength, verdict *v)
{
    double least = INFINITY;
    uint32_t since = 0;
    net_start(&t->net, t->host, t->args->seed);
    memset(a->first, 0, t->net.n_parameters * sizeof *a->first);
    memset(a->second, 0, t->net.n_parameters * sizeof *a->second);
    a->step = 0;
    for (uint32_t epoch = 0; epoch < EPOCHS && since < PATIENCE && !t->stopped; epoch++, t->done++) {
        shuffle(t->host, order, n, t->args->seed + 1 + epoch);
        run_epoch(t, a, order, n, unit, strength, RATE / (1 + epoch / 4.0));
        judge(t, v, &(way){.net = &t->net}, &t->curve, exp(t->net.p[t->net.n_parameters - 1]));
        since = v->mean_loss < least - 1e-5 ? 0 : since + 1;
        least = fmin(least, v->mean_loss);
        if (v->mean_loss < t->best_loss) {
            t->best_loss = v->mean_loss;
            t->best_strength = strength;
            memcpy(t->best, t->net.p, t->net.n_parameters * sizeof *t->best);
        }
        report(t, "loss", v->mean_loss);
    }
}

static bool train_network(training *t)
{
    net *m = &t->net;
    m->n_rankers = t->args->n_rankers;
    m->n_inputs = t->train.n_inputs;
    m->n_units = t->me->units;
    m->curve = &t->curve;
    m->n_parameters = net_count(m->n_rankers, m->n_inputs, m->n_units);
    for (uint32_t r = 0; r < m->n_rankers; r++) {
        m->middle[r] = t->weight[r];
        m->reach[r] = (t->train.scored >> r & 1) != 0 ? t->weight[r] + REACH / m->n_rankers : 0;
    }
    adam a = {keep(t, m->n_parameters, 8), keep(t, m->n_parameters, 8), keep(t, m->n_parameters, 8), 0};
    m->p = keep(t, m->n_parameters, sizeof *m->p);
    t->best = keep(t, m->n_parameters, sizeof *t->best);
    uint32_t *order = keep(t, t->train.n_requests, sizeof *order), n = 0;
    if (a.gradient == NULL || a.first == NULL || a.second == NULL || m->p == NULL || t->best == NULL || order == NULL
        || !judge_room(t, &t->by_network))
        return false;
    double unit = 0;
    for (uint32_t q = 0; q < t->train.n_requests; q++) {
        double gain = 0;
        for (uint32_t i = t->train.begin[q]; i < t->train.begin[q + 1]; i++)
            gain += (double)t->train.gain[i];
        if (gain > 0)
            order[n++] = q;
        unit += gain;
    }
    t->best_loss = INFINITY;
    for (uint32_t s = 0; s < STRENGTHS && !t->stopped; s++) {
        t->done = (uint64_t)s * EPOCHS;
        train_once(t, &a, order, n, unit / n, strengths[s], &t->by_network);
    }
    t->done = t->total;
    if (!isfinite(t->best_loss))
        return true;
    memcpy(m->p, t->best, m->n_parameters * sizeof *m->p);
    const way gates = {.net = m};
    curve c;
    curve_fit(&t->train, &gates, &c);
    judge(t, &t->by_network, &gates, &c, 1);
    return true;
}

/* ---- the choice ---- */

static sinter_status write_network(training *t, trained *out)
{
    const net *m = &t->net;
    uint32_t inputs = m->n_inputs, units = m->n_units, rankers = m->n_rankers, n = m->n_parameters;
    float *p = keep(t, n, sizeof *p), *middle = keep(t, rankers, sizeof *middle), *reach = keep(t, rankers, sizeof *reach);
    if (p == NULL || middle == NULL || reach == NULL)
        return fusion_no_memory(t->me->use, t->err);
    for (uint32_t i = 0; i < n; i++)
        p[i] = (float)m->p[i];
    for (uint32_t r = 0; r < rankers; r++) {
        middle[r] = (float)m->middle[r];
        reach[r] = (float)m->reach[r];
    }
    network served = {.n_rankers = rankers, .n_context = t->me->n_gate, .n_units = units, .n_inputs = inputs,
                      .mean = t->mean, .scale = t->scale, .middle = middle, .reach = reach};
    served.request_weight = p;
    served.request_bias = p + (size_t)inputs * units;
    served.gate_weight = served.request_bias + units;
    served.gate_bias = served.gate_weight + (size_t)rankers * units;
    out->network = &served;
    return model_write(t->me, t->args->out_dir, out, t->err);
}

static void report_all(training *t, double kept)
{
    report(t, "requests", t->train.n_requests);
    report(t, "clicks", (double)t->train.n_clicks);
    report(t, "shuffled_clicks", (double)t->seen.n_clicks);
    report(t, "looked_at_5", t->seen.chance[4]);
    report(t, "loss_single", t->by_single.mean_loss);
    report(t, "loss_weighted", t->by_weights.mean_loss);
    report(t, "gain_single", t->by_single.mean_gain);
    report(t, "gain_weighted", t->by_weights.mean_gain);
    if (t->by_network.loss != NULL) {
        report(t, "loss_network", t->by_network.mean_loss);
        report(t, "gain_network", t->by_network.mean_gain);
        report(t, "pull", t->best_strength);
    }
    report(t, "kept", kept); /* 0: one ranker alone, 1: the weighted sum, 2: the network */
}

static sinter_status choose_and_write(training *t)
{
    uint32_t valid = t->train.n_requests;
    bool sum = beats(t, &t->by_weights, &t->by_single, 0);
    bool gates = t->by_network.loss != NULL && isfinite(t->best_loss) && beats(t, &t->by_network, &t->by_single, valid)
                 && beats(t, &t->by_network, &t->by_weights, valid);
    trained out = {.ranker = t->args->ranker, .n_rankers = t->args->n_rankers, .weight = t->weight};
    double loss = gates ? t->by_network.mean_loss : sum ? t->by_weights.mean_loss : t->by_single.mean_loss;
    report_all(t, gates ? 2 : sum ? 1 : 0);
    report(t, "loss", loss);
    if (!sum && !gates) {
        for (uint32_t r = 0; r < out.n_rankers; r++)
            t->weight[r] = r == t->single;
        say(t, SINTER_LOG_INFO, "no sum of rankers is better than %s alone, beyond chance: it alone counts", t->args->ranker[t->single]);
    } else if (!gates && t->by_network.loss != NULL) {
        say(t, SINTER_LOG_INFO, "the network is not better than the weighted sum, beyond chance: the sum stands");
    }
    for (uint32_t r = 0; r < out.n_rankers; r++)
        say(t, SINTER_LOG_INFO, "weight of %s: %.4f", t->args->ranker[r], t->weight[r]);
    return gates ? write_network(t, &out) : model_write(t->me, t->args->out_dir, &out, t->err);
}

static sinter_status run(training *t)
{
    sinter_status status = read_data(t);
    if (status != SINTER_OK)
        return status;
    standardise(t);
    t->total = t->me->method == FUSION_NETWORK ? STRENGTHS * EPOCHS : 1;
    if (!fit_sums_and_judge(t))
        return fusion_no_memory(t->me->use, t->err);
    if (!(certainty(t->by_chance.loss, t->by_single.loss, t->train.n_requests + t->valid.n_requests) > CHANCE))
        return hopeless(t, "take a longer range; is this the stage that people were served by?",
                        "what people click follows none of the %u rankers beyond chance (%s comes closest)", t->args->n_rankers,
                        t->args->ranker[t->single]);
    if ((t->me->method == FUSION_NETWORK && !train_network(t)))
        return fusion_no_memory(t->me->use, t->err);
    t->done = t->total;
    return choose_and_write(t);
}

sinter_status fusion_train(const sinter_train_args *args, sinter_error *err)
{
    const sinter_host *host = args->host;
    training *t = host->alloc(host, sizeof *t);
    if (t == NULL)
        return fusion_no_memory(args->instance->use, err);
    memset(t, 0, sizeof *t);
    t->args = args;
    t->me = args->instance;
    t->host = host;
    t->err = err;
    t->train.host = t->valid.host = host;
    sinter_status status = SINTER_OK;
    if (t->me->method == FUSION_VOTING)
        status = hopeless(t, "use method: weighted or network", "voting has nothing to train");
    if (status == SINTER_OK)
        status = fusion_worker_open(t->me, &t->worker, err);
    if (status == SINTER_OK) {
        status = run(t);
        fusion_worker_close(t->worker);
    }
    for (uint32_t i = 0; i < t->n_memory; i++)
        host->free(host, t->memory[i]);
    lists_free(&t->train);
    lists_free(&t->valid);
    host->free(host, t);
    return status;
}
