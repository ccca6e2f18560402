/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a training run is shown while it goes on: one line that is drawn anew on a terminal, a line now and then elsewhere, JSON
 * lines where asked. Progress goes to standard error, JSON and the model to standard output. */
#ifndef SINTER_COMMANDS_TRAIN_SHOW_H
#define SINTER_COMMANDS_TRAIN_SHOW_H

#include "learn/learn.h"

typedef struct train_show train_show;
train_show *train_show_new(bool json, bool quiet);
void train_show_step(train_show *s, const train_progress *p, bool stopping);
void train_show_end(train_show *s); /* and frees it */
/* What was made, and the command that deploys it. */
void train_show_model(const train_result *r, const char *model, bool json, bool deploying);

#endif
