/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to base: end the process when going on is impossible (no memory, a broken invariant). */
#ifndef SINTER_BASE_DIE_H
#define SINTER_BASE_DIE_H

#include "base/base.h"

/* Writes "sinter: …" to standard error without allocating and leaves with abort(). */
_Noreturn void base_die(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
