/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter plugin swap`: its own options, unlike list and check, which speak to no server. */
#ifndef SINTER_COMMANDS_PLUGIN_SWAP_H
#define SINTER_COMMANDS_PLUGIN_SWAP_H

/* argv[0] is "swap"; an exit_code. */
int plugin_swap(int argc, char **argv);

#endif
