/* SPDX-License-Identifier: Apache-2.0 */
/* From the options of one use to a spec: the inputs in their order, the layers, the training; and what is wrong with them. */
#include "spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARAMETERS ((size_t)1 << 28)

typedef struct reader {
    deep_spec *spec;
    const sinter_host *host;
    const sinter_options *options; /* the use's, or the network file's */
    uint32_t n_inputs;
    sinter_error *err;
} reader;

sinter_status deep_fail(const deep_spec *spec, sinter_error *err, sinter_status status, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = status;
    vsnprintf(err->what, sizeof err->what, format, args);
    if (spec->mark.file != NULL)
        snprintf(err->where, sizeof err->where, "%s:%u:%u: %s", spec->mark.file, spec->mark.line, spec->mark.column, spec->use);
    else
        snprintf(err->where, sizeof err->where, "%s", spec->use);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    va_end(args);
    return status;
}

sinter_status deep_no_memory(const char *use, sinter_error *err)
{
    err->status = SINTER_EXHAUSTED;
    snprintf(err->what, sizeof err->what, "no memory for the network");
    snprintf(err->where, sizeof err->where, "%s", use);
    snprintf(err->fix, sizeof err->fix, "give the server more memory, or the network smaller layers and embeddings");
    return SINTER_EXHAUSTED;
}

/* ---- getters with the defaults of the table ---- */

__attribute__((format(printf, 2, 3))) static const char *string_at(const reader *r, const char *path, ...)
{
    char full[DEEP_NAME];
    const char *text = "";
    va_list args;
    va_start(args, path);
    vsnprintf(full, sizeof full, path, args);
    va_end(args);
    r->host->option_string(r->options, full, &text);
    return text;
}

__attribute__((format(printf, 2, 3))) static double number_at(const reader *r, const char *path, ...)
{
    char full[DEEP_NAME];
    double x = 0;
    va_list args;
    va_start(args, path);
    vsnprintf(full, sizeof full, path, args);
    va_end(args);
    r->host->option_number(r->options, full, &x);
    return x;
}

__attribute__((format(printf, 2, 3))) static bool boolean_at(const reader *r, const char *path, ...)
{
    char full[DEEP_NAME];
    bool x = false;
    va_list args;
    va_start(args, path);
    vsnprintf(full, sizeof full, path, args);
    va_end(args);
    r->host->option_boolean(r->options, full, &x);
    return x;
}

__attribute__((format(printf, 3, 4))) static bool integer_at(const reader *r, uint32_t *out, const char *path, ...)
{
    char full[DEEP_NAME];
    int64_t x;
    va_list args;
    va_start(args, path);
    vsnprintf(full, sizeof full, path, args);
    va_end(args);
    if (!r->host->option_integer(r->options, full, &x))
        return false;
    *out = (uint32_t)x;
    return true;
}

static uint32_t count(const reader *r, const char *path)
{
    return r->host->option_count(r->options, path);
}

#define FAIL(r, fix, ...) deep_fail((r)->spec, (r)->err, SINTER_INVALID, fix, __VA_ARGS__)

static void *take(const reader *r, size_t size)
{
    void *p = r->host->alloc(r->host, size > 0 ? size : 1);
    return p == NULL ? NULL : memset(p, 0, size);
}

/* ---- inputs ---- */

/* Among features first .. n_features. */
static uint32_t find_feature(const deep_spec *s, uint32_t first, const char *name)
{
    while (first < s->n_features && strcmp(s->feature_name[first], name) != 0)
        first++;
    return first;
}

/* One of the candidate's features, or one of its history's. */
static sinter_status add_feature(reader *r, const char *name, bool of_history)
{
    deep_spec *s = r->spec;
    uint32_t i = s->n_features;
    const char *prefix = of_history ? DEEP_HISTORY " " : "";
    if (snprintf(s->feature[i], DEEP_NAME, "%s%s", prefix, name) >= DEEP_NAME)
        return FAIL(r, "see docs/features.md", "the name of feature %u is %zu bytes long", i + 1, strlen(name));
    if (find_feature(s, of_history ? s->n_listed : 0, name) < i)
        return FAIL(r, "name it once", "feature '%s' is named twice", name);
    s->feature_name[i] = s->feature[i] + strlen(prefix);
    s->n_features++;
    return SINTER_OK;
}

static sinter_status read_features(reader *r)
{
    deep_spec *s = r->spec;
    uint32_t n_listed = count(r, "features"), n_side = count(r, "history.features"), n_log = count(r, "log"), n = n_listed + n_side;
    sinter_status status = SINTER_OK;
    if (n_listed > DEEP_MOST_FEATURES || n_side > DEEP_MOST_SIDE)
        return FAIL(r, "keep those that tell candidates apart", "%u features; a network reads at most %d, and %d of the history", n,
                    DEEP_MOST_FEATURES, DEEP_MOST_SIDE);
    s->feature = take(r, n * sizeof *s->feature);
    s->is_log = take(r, n * sizeof *s->is_log);
    s->feature_name = take(r, n * sizeof *s->feature_name);
    if (s->feature == NULL || s->is_log == NULL || s->feature_name == NULL)
        return deep_no_memory(s->use, r->err);
    for (uint32_t i = 0; i < n_listed && status == SINTER_OK; i++)
        status = add_feature(r, string_at(r, "features.%u", i), false);
    s->n_listed = s->n_features;
    for (uint32_t i = 0; i < n_side && status == SINTER_OK; i++)
        status = add_feature(r, string_at(r, "history.features.%u", i), true);
    if (status != SINTER_OK)
        return status;
    for (uint32_t i = 0; i < n_log; i++) {
        const char *name = string_at(r, "log.%u", i);
        uint32_t f = find_feature(s, 0, name);
        if (f == n)
            return FAIL(r, "name it among the features too", "log: '%s' is none of the features", name);
        for (; f < n; f = find_feature(s, f + 1, name))
            s->is_log[f] = true;
    }
    s->has_indicators = boolean_at(r, "missing_indicators");
    r->n_inputs = n * (s->has_indicators ? 2 : 1);
    return SINTER_OK;
}

static sinter_status read_embedding(reader *r, uint32_t i)
{
    deep_spec *s = r->spec;
    embedding *e = &s->embedding[i];
    const char *name = string_at(r, "embeddings.%u.feature", i);
    if (strlen(name) >= DEEP_NAME || strcmp(name, DEEP_HISTORY) == 0)
        return FAIL(r, "use an id feature, such as user.id", "'%.64s' is no name of an id feature", name);
    for (uint32_t j = 0; j < i; j++)
        if (strcmp(s->embedding[j].name, name) == 0)
            return FAIL(r, "name it once", "the embedding of '%s' is named twice", name);
    snprintf(e->name, sizeof e->name, "%s", name);
    e->is_item = strcmp(name, "item") == 0;
    bool has_buckets = integer_at(r, &e->buckets, "embeddings.%u.buckets", i);
    if (e->is_item && has_buckets)
        return FAIL(r, "leave buckets out, or embed item.id", "the embedding of item has a vector for each item, no buckets");
    if (!e->is_item) {
        e->buckets = has_buckets ? e->buckets : 10000;
        e->id = s->n_ids;
        s->id_name[s->n_ids++] = e->name;
    } else {
        s->item = i;
    }
    integer_at(r, &e->dimension, "embeddings.%u.dimension", i);
    if ((size_t)e->buckets * e->dimension > MOST_PARAMETERS)
        return FAIL(r, "use fewer buckets or dimensions", "the embedding of '%s' has %u × %u numbers; at most %zu", name, e->buckets,
                    e->dimension, MOST_PARAMETERS);
    e->column = r->n_inputs;
    r->n_inputs += e->dimension;
    return SINTER_OK;
}

static sinter_status read_embeddings(reader *r)
{
    deep_spec *s = r->spec;
    uint32_t n = count(r, "embeddings");
    if (n > DEEP_MOST_EMBEDDINGS)
        return FAIL(r, "use fewer", "%u embeddings; at most %d", n, DEEP_MOST_EMBEDDINGS);
    s->id_name = take(r, n * sizeof *s->id_name);
    if (s->id_name == NULL)
        return deep_no_memory(s->use, r->err);
    s->item = n;
    for (uint32_t i = 0; i < n; i++) {
        sinter_status status = read_embedding(r, i);
        if (status != SINTER_OK)
            return status;
        s->n_embeddings = i + 1;
    }
    return SINTER_OK;
}

static sinter_status read_history(reader *r)
{
    deep_spec *s = r->spec;
    if (count(r, "history") == 0)
        return SINTER_OK;
    s->has_pool = s->item < s->n_embeddings;
    if (!s->has_pool && s->n_features == s->n_listed)
        return FAIL(r, "add {feature: item, dimension: 16} to the embeddings, or history: {features: [item.price]}",
                    "history needs an embedding of item, whose vectors it pools, or features");
    integer_at(r, &s->n_history, "history.events");
    s->history_weighted = boolean_at(r, "history.weighted");
    if (strcmp(string_at(r, "history.pool"), "recent") == 0) {
        s->half_life_days = number_at(r, "history.half_life") / 86400;
        if (!(s->half_life_days > 0))
            return FAIL(r, "such as half_life: 720h, or pool: mean", "history: half_life is not above 0");
    }
    if (s->has_pool) {
        s->history_column = r->n_inputs;
        r->n_inputs += s->embedding[s->item].dimension;
    }
    return SINTER_OK;
}

/* The vector that a product names. */
static bool find_vector(const deep_spec *s, const char *name, uint32_t *which, uint32_t *dimension)
{
    if (strcmp(name, DEEP_HISTORY) == 0 && s->has_pool) {
        *which = DEEP_MOST_EMBEDDINGS;
        *dimension = s->embedding[s->item].dimension;
        return true;
    }
    for (*which = 0; *which < s->n_embeddings; (*which)++)
        if (strcmp(s->embedding[*which].name, name) == 0) {
            *dimension = s->embedding[*which].dimension;
            return true;
        }
    return false;
}

static sinter_status read_products(reader *r)
{
    deep_spec *s = r->spec;
    uint32_t n = count(r, "products");
    if (n > DEEP_MOST_PRODUCTS)
        return FAIL(r, "use fewer", "%u products; at most %d", n, DEEP_MOST_PRODUCTS);
    for (uint32_t i = 0; i < n; i++) {
        product *p = &s->product[i];
        const char *of = string_at(r, "products.%u.of", i), *with = string_at(r, "products.%u.with", i);
        uint32_t dimension = 0;
        if (!find_vector(s, of, &p->of, &p->dimension))
            return FAIL(r, "add it, or name another", "products: '%s' is no embedding of this network", of);
        if (!find_vector(s, with, &p->with, &dimension))
            return FAIL(r, "add it, or name another", "products: '%s' is no embedding of this network", with);
        if (dimension != p->dimension)
            return FAIL(r, "give them the same dimension", "products: '%s' has %u dimensions, '%s' %u", of, p->dimension, with, dimension);
        p->column = r->n_inputs;
        r->n_inputs += dimension;
        s->n_products = i + 1;
    }
    return SINTER_OK;
}

/* ---- layers ---- */

static bool add_activation(network *net, const char *name)
{
    static const struct {
        const char *name;
        layer_kind kind;
    } kinds[] = {{"relu", LAYER_RELU}, {"sigmoid", LAYER_SIGMOID}, {"tanh", LAYER_TANH}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (strcmp(kinds[k].name, name) == 0)
            return network_add(net, kinds[k].kind, 0, 0);
    return true;
}

static sinter_status read_layer(reader *r, uint32_t i)
{
    network *net = &r->spec->net;
    uint32_t units;
    uint32_t before = net->n_layers;
    bool fits = true;
    double dropout = number_at(r, "layers.%u.dropout", i);
    if (integer_at(r, &units, "layers.%u.dense", i))
        fits = network_add(net, LAYER_DENSE, units, 0);
    if (boolean_at(r, "layers.%u.layer_norm", i))
        fits = fits && network_add(net, LAYER_NORM, 0, 0);
    fits = fits && add_activation(net, string_at(r, "layers.%u.activation", i));
    if (dropout > 0)
        fits = fits && network_add(net, LAYER_DROPOUT, 0, dropout);
    if (!fits)
        return FAIL(r, "use fewer", "more than %d layers", DEEP_MOST_LAYERS);
    if (net->n_layers == before)
        return FAIL(r, "such as {dense: 64, activation: relu}", "layer %u does nothing", i + 1);
    return SINTER_OK;
}

static sinter_status read_layers(reader *r)
{
    deep_spec *s = r->spec;
    network *net = &s->net;
    uint32_t n = count(r, "layers");
    size_t weights = 0;
    if (n == 0)
        return FAIL(r, "such as layers: [{dense: 64, activation: relu}, {dense: 1, activation: sigmoid}], or network: FILE",
                    "the network has no layers");
    if (r->n_inputs == 0)
        return FAIL(r, "name features or embeddings", "the network has no inputs");
    if (r->n_inputs > DEEP_MOST_UNITS)
        return FAIL(r, "use fewer or shorter ones", "the network has %u inputs; at most %d", r->n_inputs, DEEP_MOST_UNITS);
    net->inputs = r->n_inputs;
    for (uint32_t i = 0; i < n; i++) {
        sinter_status status = read_layer(r, i);
        if (status != SINTER_OK)
            return status;
    }
    for (uint32_t i = 0; i < net->n_layers; i++)
        weights += net->layer[i].kind == LAYER_DENSE ? (size_t)net->layer[i].in * stride(net->layer[i].out) : 0;
    if (weights > MOST_PARAMETERS)
        return FAIL(r, "use fewer units", "the layers have %zu weights; at most %zu", weights, MOST_PARAMETERS);
    if (network_outputs(net) != 1 || weights == 0)
        return FAIL(r, "end with {dense: 1} or {dense: 1, activation: sigmoid}", "the last layer has %u units; a score is one number",
                    network_outputs(net));
    if (net->layer[net->n_layers - 1].kind == LAYER_DROPOUT)
        return FAIL(r, "leave it out", "dropout after the last layer would leave out scores");
    network_finish(net);
    return SINTER_OK;
}

/* ---- training ---- */

static uint32_t choice(const char *text, const char *const *choices)
{
    uint32_t i = 0;
    while (choices[i] != NULL && strcmp(choices[i], text) != 0)
        i++;
    return i;
}

static sinter_status read_training(reader *r)
{
    deep_spec *s = r->spec;
    const char *target = string_at(r, "target"), *loss = string_at(r, "loss");
    target = *target == 0 ? "click" : target;
    s->loss = *loss == 0 ? LOSS_BCE : (loss_kind)choice(loss, (const char *const[]){"bce", "mse", "softmax", NULL});
    s->stop = (stop_on)choice(string_at(r, "training.stop_on"), (const char *const[]){"loss", "auc", "ndcg", NULL});
    if (strlen(target) >= DEEP_NAME)
        return FAIL(r, "use an event type of the collection", "target '%.64s' is no name of an event type", target);
    snprintf(s->target, sizeof s->target, "%s", target);
    s->target_name[0] = s->target;
    s->n_positions = 50;
    integer_at(r, &s->n_positions, "positions");
    s->adam = (adam){.learning_rate = number_at(r, "training.learning_rate"), .beta1 = number_at(r, "training.beta1"),
                     .beta2 = number_at(r, "training.beta2"), .epsilon = number_at(r, "training.epsilon"),
                     .decay = number_at(r, "training.weight_decay")};
    integer_at(r, &s->batch, "training.batch");
    integer_at(r, &s->epochs, "training.epochs");
    integer_at(r, &s->patience, "training.patience");
    if (s->loss == LOSS_SOFTMAX && s->net.head_sigmoid)
        return FAIL(r, "end with {dense: 1}", "loss softmax compares the list's scores as they are; the last layer has a sigmoid");
    if (s->adam.learning_rate * s->adam.decay >= 1)
        return FAIL(r, "such as weight_decay: 0.01", "weight_decay × learning_rate is %g: a step would lose all weights",
                    s->adam.learning_rate * s->adam.decay);
    return SINTER_OK;
}

/* ---- what a model depends on, in words ---- */

static void describe_layers(const network *net, FILE *out)
{
    static const char *const names[] = {"dense", "relu", "sigmoid", "tanh", "dropout", "layer_norm"};
    for (uint32_t i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layer[i];
        if (l->kind == LAYER_DROPOUT)
            continue; /* leaves no trace in the weights */
        fprintf(out, " %s %u%s", names[l->kind], l->out, l->relu ? " relu" : "");
    }
    fputs(net->head_sigmoid ? " sigmoid" : "", out);
}

static const char *vector_name(const deep_spec *s, uint32_t which)
{
    return which == DEEP_MOST_EMBEDDINGS ? DEEP_HISTORY : s->embedding[which].name;
}

static sinter_status describe(reader *r)
{
    deep_spec *s = r->spec;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return deep_no_memory(s->use, r->err);
    fputs("features:", out);
    for (uint32_t i = 0; i < s->n_features; i++)
        fprintf(out, " %s%s", s->feature[i], s->is_log[i] ? " (log)" : "");
    fputs(s->has_indicators ? " indicators; embeddings:" : "; embeddings:", out);
    for (uint32_t i = 0; i < s->n_embeddings; i++)
        fprintf(out, " %s %u x %u", s->embedding[i].name, s->embedding[i].buckets, s->embedding[i].dimension);
    if (s->n_history > 0)
        fprintf(out, "; history: %u events, half_life %g days%s", s->n_history, s->half_life_days, s->history_weighted ? ", weighted" : "");
    for (uint32_t i = 0; i < s->n_products; i++)
        fprintf(out, "; product: %s x %s", vector_name(s, s->product[i].of), vector_name(s, s->product[i].with));
    fputs("; layers:", out);
    describe_layers(&s->net, out);
    bool good = fclose(out) == 0;
    s->text = good ? take(r, size + 1) : NULL;
    if (s->text != NULL)
        memcpy(s->text, text, size);
    free(text);
    return s->text == NULL ? deep_no_memory(s->use, r->err) : SINTER_OK;
}

/* ---- all of it ---- */

static sinter_status choose_options(reader *r, const sinter_options *given)
{
    const char *file = NULL, *text;
    r->options = given;
    r->spec->mark = r->host->option_mark(given, "layers");
    if (!r->host->option_string(given, "network", &file) || file == NULL)
        return SINTER_OK;
    r->spec->mark = r->host->option_mark(given, "network");
    for (uint32_t i = 0; i < DEEP_OPTIONS; i++) {
        const char *key = deep_options[i].key;
        if (strcmp(key, "network") != 0 && (r->host->option_count(given, key) > 0 || r->host->option_string(given, key, &text)))
            return FAIL(r, "keep one of them", "both network: FILE and %s are given", key);
    }
    sinter_status status = r->host->options_read(r->host, file, deep_options, DEEP_OPTIONS, &r->options, r->err);
    if (status != SINTER_OK)
        return status;
    r->spec->mark = r->host->option_mark(r->options, "layers");
    if (r->host->option_string(r->options, "network", &file))
        return FAIL(r, "put the network itself there", "a network's file names another file");
    return SINTER_OK;
}

sinter_status spec_read(deep_spec *s, const sinter_open_args *args, sinter_error *err)
{
    sinter_status (*const parts[])(reader *) = {read_features, read_embeddings, read_history, read_products,
                                                read_layers,   read_training,   describe};
    reader r = {.spec = s, .host = args->host, .err = err};
    memset(s, 0, sizeof *s);
    snprintf(s->use, sizeof s->use, "%s", args->use);
    sinter_status status = choose_options(&r, args->options);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == SINTER_OK; i++)
        status = parts[i](&r);
    return status;
}

void spec_free(deep_spec *s, const sinter_host *host)
{
    void *const all[] = {s->feature, s->is_log, s->feature_name, s->id_name, s->text};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            host->free(host, all[i]);
}
