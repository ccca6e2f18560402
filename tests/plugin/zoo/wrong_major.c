/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Made for another major. */
#include "zoo.h"
static const sinter_plugin table = {
    .size = sizeof(sinter_plugin), .abi_major = 9, .abi_minor = 3, .name = "wrong_major"};
const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    UNUSED(host_major), UNUSED(zoo_open), UNUSED(zoo_close);
    return &table;
}
