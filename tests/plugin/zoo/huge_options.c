/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Says that it has a million options. */
#include "zoo.h"
static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_NUMBER, .key = "x", .doc = "X."}};
ZOO_TABLE(.name = "huge_options", .ranker = &zoo_ranker, .options = options, .n_options = 1000000)
