/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ranker without score. */
#include "zoo.h"
static const sinter_ranker ranker = {.size = sizeof ranker};
ZOO_TABLE(.name = "no_score", .ranker = &ranker)
