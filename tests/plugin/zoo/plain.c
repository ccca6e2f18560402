/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nothing is wrong with this one: the control. */
#include "zoo.h"
ZOO_TABLE(.name = "plain", .ranker = &zoo_ranker)
