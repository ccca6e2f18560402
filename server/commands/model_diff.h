/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What differs between two models of a server. */
#ifndef SINTER_COMMANDS_MODEL_DIFF_H
#define SINTER_COMMANDS_MODEL_DIFF_H

#include <sinter/v1/admin.pb-c.h>

/* A line each for people; nothing: they are the same but for their version. Returns how many lines. */
int model_diff(const Sinter__V1__ModelInfo *a, const Sinter__V1__ModelInfo *b);

#endif
