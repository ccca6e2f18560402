/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exports another symbol than the entry (the linker script lets only the entry out, so: none). */
#define sinter_plugin_entry another_entry
#include "zoo.h"
ZOO_TABLE(.name = "missing_entry", .ranker = &zoo_ranker)
