/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Its ranker's struct is too short. */
#include "zoo.h"
static const sinter_ranker ranker = {.size = 8, .score = zoo_score};
ZOO_TABLE(.name = "short_ranker", .ranker = &ranker)
