/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter plugin check`: the child's side. It writes one line a finding: kind, tab, name, tab, text. The kinds are
 * "begin" (what it is about to try, so that a crash can be named), "ok", "fail" and "note". */
#ifndef SINTER_COMMANDS_PLUGIN_CHECK_H
#define SINTER_COMMANDS_PLUGIN_CHECK_H

/* `options` and `model` may be NULL. */
int plugin_check_inside(const char *file, const char *options, const char *model);

#endif
