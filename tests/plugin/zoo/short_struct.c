/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Its table ends before the roles. */
#include "zoo.h"
static const sinter_plugin table = {
    .size = 64, .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR, .name = "short_struct"};
const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    UNUSED(host_major), UNUSED(zoo_open), UNUSED(zoo_close);
    return &table;
}
