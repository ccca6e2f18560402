/* SPDX-License-Identifier: Apache-2.0 */
/* Fusion: the scores of a stage's rankers become one, by a weighted sum (weighted.c), by voting (voting.c) or by a gate network
 * (network.c). This file reads the options, checks them against the stage's rankers, keeps a lane's memory, and rounds totals to
 * scores. Training is in train.c. */
#include "network.h"
#include "near.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_WEIGHT 1e9 /* keeps every sum of weights and floats a finite double */

static const char *const methods[] = {"weighted", "voting", "network", NULL};
static const char *const calibrations[] = {"minmax", "zscore", "none", NULL};
static const char *const missings[] = {"mean", "lowest", "zero", "renormalise", NULL};
static const char *const rules[] = {"rrf", "borda", NULL};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "method", .choices = methods, .default_text = "weighted",
     .doc = "weighted (a sum of calibrated scores), voting (by ranks only) or network (weights by query, person and item, once trained); default weighted."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_MAP, .key = "weights", .element = SINTER_OPTION_NUMBER,
     .doc = "A weight of at least 0 for each of the stage's rankers, by name; without it all count the same."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_FILE, .key = "fit",
     .doc = "Instead of weights (method weighted): a TSV of calibrated scores by ranker and their target, to which weights are fitted."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "calibrate", .choices = calibrations,
     .doc = "How a ranker's scores are made comparable over the list (weighted, network): minmax, zscore or none; default minmax, of a network zscore."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "missing", .choices = missings, .default_text = "mean",
     .doc = "What a missing score counts (weighted, network): the ranker's mean, its lowest, zero, or renormalise the weights; default mean."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "rule", .choices = rules, .default_text = "rrf",
     .doc = "How ranks vote (voting): rrf (reciprocal rank) or borda; default rrf."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_NUMBER, .key = "k", .default_text = "60", .least = 0, .most = 1000000,
     .doc = "Reciprocal rank's constant: weight / (k + rank); default 60."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_LIST, .key = "gate", .element = SINTER_OPTION_STRING,
     .doc = "Per-request features that the gates read (network): query.words, user.events and the like; default none."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_INTEGER, .key = "units", .default_text = "16", .least = 1, .most = 64,
     .doc = "Hidden units of the gates, for training (network); default 16."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "target", .default_text = "weight",
     .doc = "What training takes for a success (weighted, network): an event type, or weight, the largest declared weight of the item's events; default weight."},
};

sinter_status fusion_fail(const sinter_instance *me, sinter_error *err, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = SINTER_INVALID;
    vsnprintf(err->what, sizeof err->what, format, args);
    if (me->mark.file != NULL)
        snprintf(err->where, sizeof err->where, "%s:%u:%u: %s", me->mark.file, me->mark.line, me->mark.column, me->use);
    else
        snprintf(err->where, sizeof err->where, "%s", me->use);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    va_end(args);
    return SINTER_INVALID;
}

sinter_status fusion_no_memory(const char *where, sinter_error *err)
{
    err->status = SINTER_EXHAUSTED;
    snprintf(err->what, sizeof err->what, "no memory for fusion");
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->fix, sizeof err->fix, "give the server more memory");
    return SINTER_EXHAUSTED;
}

/* ---- open ---- */

/* Which of the choices an option says; the host has checked that it is one of them. */
static uint32_t choice(const sinter_open_args *args, const char *key, const char *const *choices)
{
    const char *text = choices[0];
    args->host->option_string(args->options, key, &text);
    for (uint32_t i = 0; choices[i] != NULL; i++)
        if (strcmp(choices[i], text) == 0)
            return i;
    return 0;
}

static sinter_status read_weights(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    const sinter_host *host = args->host;
    uint32_t n = host->option_count(args->options, "weights");
    double sum = 0;
    if (n > SINTER_MAX_RANKERS)
        return fusion_fail(me, err, "name only the stage's rankers", "%u weights; a stage has at most %u rankers", n, SINTER_MAX_RANKERS);
    for (uint32_t i = 0; i < n; i++) {
        char path[FUSION_NAME + 16];
        const char *name = host->option_key(args->options, "weights", i);
        fusion_weight *w = &me->weight[i];
        if (name == NULL || strlen(name) >= FUSION_NAME)
            return fusion_fail(me, err, "use the ranker's name", "weight %u has no usable name", i + 1);
        snprintf(w->ranker, sizeof w->ranker, "%s", name);
        snprintf(path, sizeof path, "weights.%s", name);
        if (!host->option_number(args->options, path, &w->weight) || !(w->weight >= 0 && w->weight <= MOST_WEIGHT))
            return fusion_fail(me, err, "to turn a ranker around, negate its score", "the weight of '%s' is not within 0 and %g", name,
                        MOST_WEIGHT);
        sum += w->weight;
    }
    if (n > 0 && !(sum > 0))
        return fusion_fail(me, err, "give at least one ranker a weight above 0", "all weights are 0");
    me->n_weights = n;
    return SINTER_OK;
}

/* Weights fitted to a file, if the option is there. */
static sinter_status read_fit(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    const char *path = NULL;
    if (!args->host->option_string(args->options, "fit", &path) || path == NULL)
        return SINTER_OK;
    if (me->n_weights > 0)
        return fusion_fail(me, err, "remove one of them", "both weights and fit are given");
    if (me->method != FUSION_WEIGHTED)
        return fusion_fail(me, err, "use method: weighted, or remove fit", "fit belongs to method weighted");
    sinter_status status = fit_weights(path, me->weight, &me->n_weights, err);
    for (uint32_t i = 0; status == SINTER_OK && i < me->n_weights; i++) {
        char message[FUSION_NAME + 256];
        snprintf(message, sizeof message, "%s: fitted weight of %s: %.6f", me->use, me->weight[i].ranker, me->weight[i].weight);
        me->host->log(me->host, SINTER_LOG_INFO, message);
    }
    return status;
}

/* The names of per-request features that the gates read. */
static sinter_status read_gate(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    const sinter_host *host = args->host;
    uint32_t n = host->option_count(args->options, "gate");
    if (n > 0 && me->method != FUSION_NETWORK)
        return fusion_fail(me, err, "use method: network, or remove gate", "gate belongs to method network");
    if (n > NETWORK_MOST_CONTEXT)
        return fusion_fail(me, err, "name the few that matter", "%u features for the gates; at most %u", n, NETWORK_MOST_CONTEXT);
    me->gate = host->alloc(host, (n + 1) * sizeof *me->gate);
    if (me->gate == NULL)
        return fusion_no_memory(me->use, err);
    for (uint32_t i = 0; i < n; i++) {
        char path[32];
        snprintf(path, sizeof path, "gate.%u", i);
        if (!host->option_string(args->options, path, &me->gate[i]) || strlen(me->gate[i]) >= FUSION_NAME)
            return fusion_fail(me, err, "name a per-request feature, such as query.words", "feature %u of gate has no usable name", i + 1);
    }
    me->n_gate = n;
    return SINTER_OK;
}

/* The model, where the use names one; to be trained, or without it where none is needed. */
static sinter_status read_model(sinter_instance *me, const sinter_open_args *args, sinter_error *err)
{
    if (me->method == FUSION_NETWORK && me->calibrate == CALIBRATE_NONE)
        return fusion_fail(me, err, "use calibrate: zscore or minmax", "a network reads calibrated scores only");
    if (me->method == FUSION_NETWORK && me->missing == MISSING_RENORMALISE)
        return fusion_fail(me, err, "use missing: mean, lowest or zero", "a network does not renormalise: its gates share out themselves");
    if (me->n_weights > 0 && (me->method == FUSION_NETWORK || args->model_dir != NULL))
        return fusion_fail(me, err, "remove weights and fit", "weights are given, and the model has its own");
    if (args->model_dir != NULL && me->method == FUSION_VOTING)
        return fusion_fail(me, err, "use method: weighted or network, or remove model", "voting has no model");
    if (args->model_dir != NULL)
        return model_read(me, args->model_dir, err);
    if (me->method == FUSION_NETWORK && strcmp(args->role, "trainer") != 0) {
        char message[256];
        snprintf(message, sizeof message, "%s: not trained yet, so all rankers count the same; sinter train PIPELINE.fuse", me->use);
        me->host->log(me->host, SINTER_LOG_WARN, message);
    }
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    if (me->network != NULL)
        me->host->free(me->host, me->network);
    if (me->gate != NULL)
        me->host->free(me->host, me->gate);
    me->host->free(me->host, me);
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL)
        return fusion_no_memory(args->use, err);
    memset(me, 0, sizeof *me);
    me->host = host;
    snprintf(me->use, sizeof me->use, "%s", args->use);
    me->mark = host->option_mark(args->options, "weights");
    me->method = (fusion_method)choice(args, "method", methods);
    me->calibrate = (fusion_calibrate)choice(args, "calibrate", calibrations);
    const char *text = NULL;
    int64_t units = 16;
    if (me->method == FUSION_NETWORK && !host->option_string(args->options, "calibrate", &text))
        me->calibrate = CALIBRATE_ZSCORE;
    text = "weight";
    host->option_string(args->options, "target", &text);
    snprintf(me->target, sizeof me->target, "%s", text);
    me->targets[0] = me->target;
    host->option_integer(args->options, "units", &units);
    me->units = units < 1 ? 1 : units > NETWORK_MOST_UNITS ? NETWORK_MOST_UNITS : (uint32_t)units;
    me->missing = (fusion_missing)choice(args, "missing", missings);
    me->rule = (fusion_rule)choice(args, "rule", rules);
    me->k = 60;
    host->option_number(args->options, "k", &me->k);
    sinter_status status = read_weights(me, args, err);
    if (status == SINTER_OK)
        status = read_fit(me, args, err);
    if (status == SINTER_OK)
        status = read_gate(me, args, err);
    if (status == SINTER_OK)
        status = read_model(me, args, err);
    if (status != SINTER_OK) {
        close_instance(me);
        return status;
    }
    *out = me;
    return SINTER_OK;
}

static const fusion_weight *find_weight(const sinter_instance *me, const char *ranker)
{
    for (uint32_t i = 0; i < me->n_weights; i++)
        if (strcmp(me->weight[i].ranker, ranker) == 0)
            return &me->weight[i];
    return NULL;
}

/* A model serves the rankers that it was trained for, in whatever order. */
static sinter_status check_trained(const sinter_instance *me, const char *const *ranker, uint32_t n, sinter_error *err)
{
    static const char fix[] = "train it for this stage: sinter train PIPELINE.fuse";
    for (uint32_t r = 0; r < n; r++)
        if (find_weight(me, ranker[r]) == NULL)
            return fusion_fail(me, err, fix, "the model was not trained with ranker '%.128s'", ranker[r]);
    for (uint32_t i = 0; i < me->n_weights; i++) {
        bool known = false;
        for (uint32_t r = 0; r < n; r++)
            known |= strcmp(ranker[r], me->weight[i].ranker) == 0;
        if (!known)
            return fusion_fail(me, err, fix, "the model was trained with '%.128s', which is no ranker of this stage", me->weight[i].ranker);
    }
    return SINTER_OK;
}

/* Every weight names a ranker of the stage, and every ranker has one: a ranker that silently counts for nothing would be a
 * mistake that nobody sees. */
static sinter_status check_rankers(const sinter_instance *me, const char *const *ranker, uint32_t n, sinter_error *err)
{
    char fix[384];
    if (me->trained)
        return check_trained(me, ranker, n, err);
    for (uint32_t i = 0; i < me->n_weights; i++) {
        bool known = false;
        for (uint32_t r = 0; r < n; r++)
            known |= strcmp(ranker[r], me->weight[i].ranker) == 0;
        if (known)
            continue;
        const char *near = nearest_name(me->weight[i].ranker, ranker, n);
        snprintf(fix, sizeof fix, near != NULL ? "did you mean %.100s?" : "the stage's first ranker is %.100s",
                 near != NULL ? near : n > 0 ? ranker[0] : "missing");
        return fusion_fail(me, err, fix, "a weight for '%s', which is no ranker of this stage", me->weight[i].ranker);
    }
    for (uint32_t r = 0; me->n_weights > 0 && r < n; r++)
        if (find_weight(me, ranker[r]) == NULL) {
            snprintf(fix, sizeof fix, "add %.100s: 0.1 (or 0) to the weights", ranker[r]);
            return fusion_fail(me, err, fix, "ranker '%.128s' has no weight", ranker[r]);
        }
    return SINTER_OK;
}

/* ---- a lane's memory ---- */

sinter_status fusion_worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err)
{
    sinter_worker *w = me->host->alloc(me->host, sizeof *w);
    if (w == NULL)
        return fusion_no_memory(me->use, err);
    memset(w, 0, sizeof *w);
    w->instance = me;
    *out = w;
    return SINTER_OK;
}

void fusion_worker_close(sinter_worker *w)
{
    const sinter_host *host = w->instance->host;
    if (w->memory != NULL)
        host->free(host, w->memory);
    host->free(host, w);
}

static sinter_status make_room(sinter_worker *w, uint32_t n, sinter_error *err)
{
    const sinter_host *host = w->instance->host;
    enum { EIGHTS = 5, FOURS = 6 }; /* arrays of eight and of four bytes an item */
    if (n <= w->room)
        return SINTER_OK;
    size_t room = w->room == 0 ? 1024 : w->room;
    while (room < n)
        room *= 2;
    char *memory = host->alloc(host, room * (EIGHTS * 8 + FOURS * 4));
    if (memory == NULL || room > UINT32_MAX / 2) {
        if (memory != NULL)
            host->free(host, memory);
        return fusion_no_memory(w->instance->use, err);
    }
    if (w->memory != NULL)
        host->free(host, w->memory);
    w->memory = memory;
    w->room = (uint32_t)room;
    w->total = (double *)memory;
    w->present_weight = w->total + room;
    w->reciprocal = w->present_weight + room;
    w->key[0] = (uint64_t *)(w->reciprocal + room);
    w->key[1] = w->key[0] + room;
    for (uint32_t i = 0; i < 3; i++)
        w->entry[i] = (uint32_t *)(w->key[1] + room) + i * room;
    w->by_ordinal = w->entry[2] + room;
    w->packed = (float *)(w->by_ordinal + room);
    w->score = w->packed + room;
    for (size_t j = 0; j < room; j++)
        w->reciprocal[j] = 1 / (w->instance->k + (double)(j + 1));
    return SINTER_OK;
}

/* The weights in the order of this stage's rankers; none given: equal, summing to one (weighted) or one each (voting). */
static sinter_status take_weights(sinter_worker *w, const sinter_fusion_batch *b, sinter_error *err)
{
    const sinter_instance *me = w->instance;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        const fusion_weight *given = me->n_weights > 0 ? find_weight(me, b->ranker[r]) : NULL;
        if (me->n_weights > 0 && given == NULL)
            return fusion_fail(me, err, "check_rankers comes before fuse", "ranker '%.128s' has no weight", b->ranker[r]);
        w->weight[r] = given != NULL ? given->weight : me->method == FUSION_VOTING ? 1 : 1.0 / b->n_rankers;
    }
    return SINTER_OK;
}

sinter_status fusion_calibrate_list(sinter_worker *w, const sinter_fusion_batch *b, sinter_error *err)
{
    sinter_status status = make_room(w, b->n, err);
    if (status != SINTER_OK)
        return status;
    w->dense = b->n > 0 ? common_bits(b->present, b->n) : 0;
    for (uint32_t r = 0; r < b->n_rankers; r++) /* one that scored nothing is left out of the sum, for every item alike */
        w->calibration[r] = b->n > 0 ? calibrate_ranker(w, b, r) : (fusion_calibration){.scale = 1};
    return SINTER_OK;
}

/* ---- fuse and explain ---- */

static sinter_status fuse(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, float *out /* [n] */,
                          sinter_error *err)
{
    w->n = 0;
    sinter_status status = me->method == FUSION_VOTING ? make_room(w, b->n, err) : fusion_calibrate_list(w, b, err);
    if (status == SINTER_OK)
        status = me->network != NULL ? network_gates(w, b, err) : take_weights(w, b, err);
    if (status != SINTER_OK || b->n == 0)
        return status;
    w->dense = common_bits(b->present, b->n);
    (me->method == FUSION_VOTING ? voting_fuse : weighted_fuse)(w, b);
    round_totals(w->score, w->total, b->n);
    memcpy(out, w->score, b->n * sizeof *out);
    w->n = b->n;
    return SINTER_OK;
}

static sinter_status explain(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, uint32_t row,
                             sinter_share *share /* [n_rankers] */, double *bias, sinter_error *err)
{
    if (row >= w->n || b->n != w->n)
        return fusion_fail(me, err, "explain follows fuse of the same list", "row %u of a list that was not fused", row);
    (me->method == FUSION_VOTING ? voting_explain : weighted_explain)(w, b, row, share, bias);
    double sum = *bias;
    for (uint32_t r = 0; r < b->n_rankers; r++)
        sum += share[r].contribution;
    *bias += (double)w->score[row] - sum; /* what rounding to a float took, below 1e-7 of the terms */
    return SINTER_OK;
}

/* What the gates read when serving is what the dataset brings for training. */
static sinter_status inputs(const sinter_instance *me, sinter_inputs *in, sinter_error *err)
{
    (void)err;
    in->context = me->gate;
    in->n_context = me->n_gate;
    in->dataset = SINTER_DATASET_WHOLE_REQUESTS;
    in->target = me->targets;
    in->n_targets = 1;
    return SINTER_OK;
}

static const sinter_trainer trainer = {.size = sizeof(sinter_trainer), .train = fusion_train};

static const sinter_fusion fusion = {.size = sizeof(sinter_fusion), .check_rankers = check_rankers, .fuse = fuse, .explain = explain};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin),
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "fusion",
    .version = "1.0.0",
    .build = "",
    .summary = "Fuses rankers' scores: a weighted sum of calibrated scores, votes by rank, or a gate network; the first and last are trained.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .open = open_instance,
    .close = close_instance,
    .worker_open = fusion_worker_open,
    .worker_close = fusion_worker_close,
    .inputs = inputs,
    .fusion = &fusion,
    .trainer = &trainer,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &plugin;
}
