/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exports a second symbol (it is linked without the map). */
#include "zoo.h"
SINTER_EXPORT int zoo_leaked_helper(void);
int zoo_leaked_helper(void)
{
    return 1;
}
ZOO_TABLE(.name = "extra_symbol", .ranker = &zoo_ranker)
