/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a network's YAML. */
#include "spec.h"

/* Type, key, doc; then what else the table says of it. */
#define OPTION(t, k, ...) {.size = sizeof(sinter_option), .type = SINTER_OPTION_##t, .key = (k), .doc = __VA_ARGS__}
#define STRINGS .element = SINTER_OPTION_STRING
#define NESTED(table) .nested = (table), .n_nested = sizeof(table) / sizeof((table)[0])
#define DEFAULT(text) .default_text = (text)
#define WITHIN(a, b) .least = (a), .most = (b)

static const char *const activations[] = {"none", "relu", "sigmoid", "tanh", NULL};
static const char *const pools[] = {"recent", "mean", NULL};
static const char *const losses[] = {"bce", "mse", "softmax", NULL};
static const char *const stops[] = {"loss", "auc", "ndcg", NULL};
static const char *const optimisers[] = {"adam", NULL};

static const sinter_option embedding_options[] = {
    OPTION(STRING, "feature", "An id feature such as user.id or item.brand, hashed; or item: the candidate itself.", .required = true),
    OPTION(INTEGER, "buckets", "Vectors in the table, shared by ids with equal hashes; not for item. Default 10000.",
           WITHIN(1, 1 << 24)),
    OPTION(INTEGER, "dimension", "Length of a vector.", .required = true, WITHIN(1, DEEP_MOST_DIMENSION)),
};

static const sinter_option history_options[] = {
    OPTION(INTEGER, "events", "The user's latest events that are read; default 50.", DEFAULT("50"), WITHIN(1, DEEP_MOST_HISTORY)),
    OPTION(LIST, "features", "Features of the items, such as item.price, whose means over the events are inputs too.", STRINGS),
    OPTION(STRING, "pool", "recent (an event's weight halves with every half_life) or mean; default recent.", .choices = pools,
           DEFAULT("recent")),
    OPTION(DURATION, "half_life", "Age at which an event counts half (pool: recent); default 30d.", DEFAULT("30d")),
    OPTION(BOOLEAN, "weighted", "Whether an event counts the weight declared for its type; default true.", DEFAULT("true")),
};

static const sinter_option product_options[] = {
    OPTION(STRING, "of", "An embedding's feature, or history.", .required = true),
    OPTION(STRING, "with", "Another one, of the same dimension.", .required = true),
};

static const sinter_option layer_options[] = {
    OPTION(INTEGER, "dense", "Units of a dense layer; the last has 1.", WITHIN(1, DEEP_MOST_UNITS)),
    OPTION(BOOLEAN, "layer_norm", "Whether units are brought to mean 0 and variance 1, then scaled; default false.", DEFAULT("false")),
    OPTION(STRING, "activation", "none, relu, sigmoid or tanh; default none.", .choices = activations, DEFAULT("none")),
    OPTION(NUMBER, "dropout", "Share of units left out at random in training; default 0.", DEFAULT("0"), WITHIN(0, 0.95)),
};

static const sinter_option training_options[] = {
    OPTION(STRING, "optimiser", "adam.", .choices = optimisers, DEFAULT("adam")),
    OPTION(NUMBER, "learning_rate", "Adam's step; default 0.001.", DEFAULT("0.001"), WITHIN(1e-9, 10)),
    OPTION(NUMBER, "beta1", "Adam's memory of gradients; default 0.9.", DEFAULT("0.9"), WITHIN(0, 0.99999)),
    OPTION(NUMBER, "beta2", "Adam's memory of their squares; default 0.999.", DEFAULT("0.999"), WITHIN(0, 0.9999999)),
    OPTION(NUMBER, "epsilon", "Adam's least divisor; default 1e-8.", DEFAULT("1e-8"), WITHIN(1e-12, 1)),
    OPTION(NUMBER, "weight_decay", "Share of weights and vectors lost a step, times learning_rate; default 0.", DEFAULT("0"), WITHIN(0, 100)),
    OPTION(INTEGER, "batch", "Hits of a step (softmax: lists); default 128.", DEFAULT("128"), WITHIN(1, 1 << 20)),
    OPTION(INTEGER, "epochs", "Most rounds through the data; default 100.", DEFAULT("100"), WITHIN(1, 100000)),
    OPTION(INTEGER, "patience", "Rounds in a row without a better figure after which it stops; default 2.", DEFAULT("2"),
           WITHIN(1, 100000)),
    OPTION(STRING, "stop_on", "That figure, of the validation data: loss, auc or ndcg; default loss.", .choices = stops, DEFAULT("loss")),
};

/* Those at the top have no default in the table: whether they are given beside a network's file must be seen. */
const sinter_option deep_options[DEEP_OPTIONS] = {
    OPTION(FILE, "network", "A YAML file that holds the keys below, instead of them."),
    OPTION(LIST, "features", "Numbers that the network reads, by their names in docs/features.md.", STRINGS),
    OPTION(LIST, "log", "Those of the features that are read as log(1 + value): prices, counts.", STRINGS),
    OPTION(BOOLEAN, "missing_indicators", "Whether each feature gets an input more, 1 where it is missing; default false."),
    OPTION(LIST, "embeddings", "Vectors learnt for ids.", NESTED(embedding_options)),
    OPTION(MAP, "history", "The items of the user's latest events, pooled into one vector of the embedding of item, if there is one.",
           NESTED(history_options)),
    OPTION(LIST, "products", "Element-wise products of two vectors, as further inputs.", NESTED(product_options)),
    OPTION(LIST, "layers", "The network, first layer first; in each: dense, layer_norm, activation, dropout, in this order.",
           NESTED(layer_options)),
    OPTION(STRING, "loss", "bce (binary cross-entropy), mse (squared error) or softmax (over the request's list); default bce.",
           .choices = losses),
    OPTION(STRING, "target", "Event type that labels a hit, or weight: the largest weight of its events; default click."),
    OPTION(INTEGER, "positions",
           "Positions that get a bias of their own in training, left out in serving, so that clicks are not mistaken for taste; default "
           "50, 0: none.",
           WITHIN(0, DEEP_MOST_POSITIONS)),
    OPTION(MAP, "training", "How it is trained.", NESTED(training_options)),
};
_Static_assert(sizeof deep_options / sizeof *deep_options == DEEP_OPTIONS, "spec.h counts the keys");
