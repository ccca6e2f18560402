/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells ThreadSanitizer the order that gRPC gives: what was written before an operation was started has happened before
 * its completion is taken. libgrpc is not instrumented, so that without these two each completion looks like a race. */
#ifndef SINTER_RPC_ORDER_H
#define SINTER_RPC_ORDER_H

#ifdef SINTER_SANITIZE_thread
#include <sanitizer/tsan_interface.h>
#define order_before(tag) __tsan_release(tag)
#define order_after(tag)  __tsan_acquire(tag)
#else
#define order_before(tag) ((void)(tag))
#define order_after(tag)  ((void)(tag))
#endif

#endif
