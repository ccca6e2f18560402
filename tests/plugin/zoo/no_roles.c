/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plays no role. */
#include "zoo.h"
ZOO_TABLE(.name = "no_roles")
