/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP/1.1 beside gRPC: /metrics, /healthz, /readyz, every method as JSON.
 *
 * libmicrohttpd speaks the protocol, driven by the main loop; it never blocks, and nothing is computed here that takes long: reads
 * run on lanes like any call, a scrape adds figures up. A request's head, its body, its time and the number of connections are
 * bounded (`http` and `limits` of sinter.yaml). Calls from pages of other sites are refused unless `http.origins` names them. */
#ifndef SINTER_HTTP_H
#define SINTER_HTTP_H

#include "rpc/rpc.h"

/* What rpc_serve opens where the configuration has `http`. */
extern const rpc_front HTTP_FRONT;

#endif
