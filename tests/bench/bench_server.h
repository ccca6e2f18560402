/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A child process of the bench that tells its address (a `sinter serve`, or the echo), and what the bench asks the server. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "bench_corpus.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct child {
    pid_t pid;
    int input; /* of the echo: closed, it ends */
    char address[64];
} child;

/* Each ends the process with a message where it fails. */
void child_serve(child *c, const char *sinter, const char *config, const char *port_file);
void child_echo(child *c, const char *self);
void child_end(child *c);
/* CPU seconds that the process has used. */
double child_cpu(const child *c);

/* Puts all documents into collection `docs` over gRPC and waits until they are found. */
void server_fill(const char *address, const corpus *c);
/* A packed SearchRequest: a page of 10 with title and body, the same with facets of three fields over all matches, or 1,000 hits
 * with everything explained. */
typedef enum { REQUEST_PLAIN, REQUEST_FACETS, REQUEST_EXPLAINED } request_kind;
size_t server_request(const corpus_query *q, const char *pipeline, request_kind kind, uint8_t *out, size_t room);
#define SEARCH_METHOD "/sinter.v1.SearchService/Search"

#endif
