/* SPDX-License-Identifier: Apache-2.0 */
/* A network: layers one after another, from a row of inputs to one number. One definition for training and serving.
 *
 * All parameters stand in one array: a dense layer's weights [in][stride(out)] and biases [stride(out)], a layer norm's gains
 * and biases [stride(n)]. Where the last layer is a sigmoid, the network ends before it, in the logit, and `head_sigmoid` says so:
 * losses are exact there, and whoever wants the score applies it. */
#ifndef SINTER_DEEP_NETWORK_H
#define SINTER_DEEP_NETWORK_H

#include "kernels.h"

enum { DEEP_MOST_LAYERS = 64, DEEP_MOST_UNITS = 16384 };

typedef enum layer_kind { LAYER_DENSE, LAYER_RELU, LAYER_SIGMOID, LAYER_TANH, LAYER_DROPOUT, LAYER_NORM } layer_kind;

typedef struct layer {
    layer_kind kind;
    uint32_t in, out; /* units */
    bool relu;        /* dense: with a ReLU that follows it at once */
    double rate;      /* dropout: share of units left out */
    size_t weight, bias; /* places among the parameters */
} layer;

typedef struct network {
    uint32_t inputs, n_layers;
    layer layer[DEEP_MOST_LAYERS];
    bool head_sigmoid;
    size_t n_parameters; /* a multiple of 16 */
} network;

/* Appends a layer: units of a dense one, rate of dropout. false: too many layers. */
bool network_add(network *, layer_kind, uint32_t units, double rate);
/* After the last: merges ReLUs and the last sigmoid. */
void network_finish(network *);
static inline uint32_t network_outputs(const network *n)
{
    return n->n_layers == 0 ? n->inputs : n->layer[n->n_layers - 1].out;
}

/* Uniform within ±1 / √in for weights and biases, gains 1. */
void network_start(const network *, uint64_t seed, real *parameter);

/* The memory of passes over at most `rows` rows. */
typedef struct trace {
    uint32_t rows;
    real *value[DEEP_MOST_LAYERS + 1]; /* value[l] [rows][stride(in of layer l)]: its inputs; the last: the network's output */
    real *moment[DEEP_MOST_LAYERS];    /* layer norm: [rows][2] mean and 1 / deviation */
    real *delta[2];                    /* [rows][widest]: slopes on their way back; NULL where trace_place was told none */
    real *room;                        /* the widest weights turned round */
} trace;

size_t trace_size(const network *, uint32_t rows, bool back); /* in reals */
void trace_place(trace *, const network *, uint32_t rows, bool back, real *memory /* 64-byte aligned */);

/* value[0] → the last value. dropout: NULL where nothing is left out (serving), else the seed of this batch. */
void network_forward(const network *, const real *parameter, trace *, uint32_t rows, const uint64_t *dropout);

/* From delta[0] [rows][stride(outputs)], the slopes of the loss by the outputs. Fills gradient [n_parameters] (NULL: none) and
 * returns the slopes by the inputs [rows][stride(inputs)] (NULL where not wanted). */
real *network_back(const network *, const real *parameter, trace *, uint32_t rows, const uint64_t *dropout, real *gradient,
                         bool by_inputs);

#endif
