/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Having a running server deploy a model: what `sinter model deploy` and `sinter train --deploy` share. */
#ifndef SINTER_COMMANDS_DEPLOY_MODEL_H
#define SINTER_COMMANDS_DEPLOY_MODEL_H

#include "client.h"

#define DEPLOY_WITHIN_NS UINT64_C(600000000000)

typedef struct deploy_order {
    const char *command, *model; /* command: for messages */
    const char *who, *why;       /* who: NULL: $USER */
    uint64_t timeout_ns;
    bool dry_run, force, json;
    bool tell_golden; /* how many golden cases were checked */
} deploy_order;

/* Calls and prints the answer; an exit_code. */
int deploy_model(client *c, const deploy_order *o);

#endif
