/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trying a build in a child process before it is loaded. Private to the room. */
#ifndef SINTER_PIPELINE_TRIAL_H
#define SINTER_PIPELINE_TRIAL_H

#include "base/base.h"
#include "config/config.h"

/* PRECONDITION, at the use's place, where it crashes or hangs with the use's options. `model_dir` may be NULL; `scratch`: a folder for
 * a file that is gone when this returns. */
sinter_status trial_run(const char *exe, const char *file, const config_use *use, const char *model_dir, const char *scratch, arena *a,
                        sinter_error *e);

#endif
