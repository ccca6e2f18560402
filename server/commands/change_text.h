/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a change of a server came to, for people: what `reload`, `plugin swap`, `model deploy` and `snapshots` share. */
#ifndef SINTER_COMMANDS_CHANGE_TEXT_H
#define SINTER_COMMANDS_CHANGE_TEXT_H

#include "base/base.h"
#include <sinter/v1/admin.pb-c.h>

/* The rehearsal's figures, two lines; nothing where there was none. */
void print_rehearsal(const Sinter__V1__Rehearsal *r);
/* Recorded requests whose first 10 change, an item a line: out, in, moved. */
void print_answers(Sinter__V1__ChangedAnswer *const *answer, size_t n);
void print_moved(const Sinter__V1__MovedItem *m);
/* One line; nothing where there is no watch. */
void print_watch(const char *indent, const Sinter__V1__Watch *w);
/* --who, else $USER. */
char *who_or_user(const char *who);

#endif
