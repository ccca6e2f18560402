/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The service manager that started the server, where there is one. */
#ifndef SINTER_RPC_NOTIFY_H
#define SINTER_RPC_NOTIFY_H

/* Sends a state such as "READY=1" to $NOTIFY_SOCKET (sd_notify(3)); nothing where the variable is not set. [main thread] */
void notify_manager(const char *state);

#endif
