/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network side: gRPC lanes, services, limits, health, reflection, drain.
 *
 * rpc_serve owns the libuv main loop, the lanes and the control thread; it returns when SIGINT or SIGTERM has been
 * answered and everything is drained, or when it could not start. */
#ifndef SINTER_RPC_H
#define SINTER_RPC_H

#include "base/base.h"
#include "config/config.h"
#include "pipeline/pipeline.h"

typedef struct rpc_options {
    const char *exe;       /* path of this binary, for child processes */
    const char *port_file; /* NULL, or a file that gets "HOST:PORT\n" once listening */
    bool rebuild_index;
} rpc_options;

/* Takes over `c`. Blocks until drained. */
sinter_status rpc_serve(config *c, const rpc_options *o, sinter_error *e);

#endif
