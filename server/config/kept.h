/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a configuration consists of, gathered while it is read. Private to the room. */
#ifndef SINTER_CONFIG_KEPT_H
#define SINTER_CONFIG_KEPT_H

#include "config/config.h"

#define KEPT_ORIGIN ".origin" /* in a kept configuration's folder: the folder that it came from */

/* A YAML file that was read. */
void kept_note(config *c, const char *name, str bytes, const conf_node *root);
/* Adds the files that its values name, and sets the mark. */
void kept_mark(config *c);
/* Where `here` lies in a kept configuration: its root and what it came from, in `a`; false: it does not. */
bool kept_root(const char *here, arena *a, const char **root, const char **origin);

#endif
