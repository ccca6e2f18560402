/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter plugin new`: a folder that builds against the installed headers alone and passes its own tests. */
#ifndef SINTER_COMMANDS_PLUGIN_NEW_H
#define SINTER_COMMANDS_PLUGIN_NEW_H

/* argv[0] is "new"; the answer is an exit_code. */
int plugin_new(int argc, char **argv);

#endif
