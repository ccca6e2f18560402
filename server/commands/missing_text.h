/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService.ExplainMissing from the shell: `sinter search … --missing ID`. */
#ifndef SINTER_COMMANDS_MISSING_TEXT_H
#define SINTER_COMMANDS_MISSING_TEXT_H

#include "client.h"
#include <sinter/v1/search.pb-c.h>

/* Calls and prints the answer; an exit_code. */
int explain_missing(client *c, Sinter__V1__SearchRequest *request, const char *item, uint64_t timeout_ns, bool json);

#endif
