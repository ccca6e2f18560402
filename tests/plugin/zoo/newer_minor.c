/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Made for a minor that this host does not know. */
#include "zoo.h"
static const sinter_plugin table = {.size = sizeof(sinter_plugin) + 64, .abi_major = SINTER_ABI_MAJOR, .abi_minor = 7};
const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    UNUSED(host_major), UNUSED(zoo_open), UNUSED(zoo_close);
    return &table;
}
