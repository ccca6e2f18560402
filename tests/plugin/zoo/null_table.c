/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Returns no table. */
#include "zoo.h"
const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    UNUSED(host_major), UNUSED(zoo_open), UNUSED(zoo_close);
    return NULL;
}
