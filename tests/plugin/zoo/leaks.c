/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Forgets its instance at close. */
#include "zoo.h"
static void my_close(sinter_instance *me)
{
    UNUSED(me), UNUSED(zoo_close);
}
ZOO_TABLE(.name = "leaks", .ranker = &zoo_ranker, .close = my_close)
