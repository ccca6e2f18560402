/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An option whose default it would not accept itself. */
#include "zoo.h"
static const sinter_option options[] = {{.size = sizeof(sinter_option),
                                         .type = SINTER_OPTION_NUMBER,
                                         .key = "share",
                                         .doc = "A share; default 2.",
                                         .default_text = "2",
                                         .least = 0,
                                         .most = 1}};
ZOO_TABLE(.name = "bad_default", .ranker = &zoo_ranker, .options = options, .n_options = 1)
