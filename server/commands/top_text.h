/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One look of `sinter top`, for people or as JSON. */
#ifndef SINTER_COMMANDS_TOP_TEXT_H
#define SINTER_COMMANDS_TOP_TEXT_H

#include "base/base.h"
#include "top_figures.h"

void top_text(const top_view *v, const char *server, buffer *out);
void top_json(const top_view *v, buffer *out); /* one line */

#endif
