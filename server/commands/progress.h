/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The line of a long run on a terminal's standard error. */
#ifndef SINTER_COMMANDS_PROGRESS_H
#define SINTER_COMMANDS_PROGRESS_H

#include <stdint.h>

/* Draws the line anew: a bar, how much of the whole (0 to 1) is done, how many of what, their rate, the time left. */
void progress_draw(double share, uint64_t done, const char *noun, double seconds);

#endif
