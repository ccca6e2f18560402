/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A name that no pipeline could write. */
#include "zoo.h"
ZOO_TABLE(.name = "Bad Name", .ranker = &zoo_ranker)
