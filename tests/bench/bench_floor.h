/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The floor: stock Xapian in this process as it comes, and a bare echo over gRPC in a child. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "bench_corpus.h"

/* ---- Xapian (bench_floor.cc): default BM25, no positions, compacted ---- */
typedef struct floor_index floor_index;
/* Builds the index in `dir`, unless it is there. NULL: it says why on standard error. */
floor_index *floor_open(const char *dir, const corpus *c);
/* Best `limit` documents of the OR of a query's words; their ids are read. Returns how many. */
uint32_t floor_search(floor_index *f, const corpus_query *q, uint32_t limit, uint32_t *item);
void floor_close(floor_index *f);
const char *floor_version(void);

/* ---- gRPC (bench_rpc.c) ---- */
typedef struct rpc rpc;
rpc *rpc_connect(const char *address);
void rpc_close(rpc *r);
typedef struct rpc_answer {
    uint8_t *bytes; /* free() */
    size_t size;
} rpc_answer;
/* One unary call, both ways in one batch; ends the process with a message where it fails. */
rpc_answer rpc_call(rpc *r, const char *method, const uint8_t *bytes, size_t size);
/* Serves ECHO_METHOD in this process until standard input ends: prints its port, answers each message with as many bytes
 * as its first four say. */
int echo_serve(void);
#define ECHO_METHOD "/bench.Echo/Call"

#ifdef __cplusplus
}
#endif
#endif
