/* SPDX-License-Identifier: GPL-3.0-or-later */
/* open refuses, with a message that names the place of an option. */
#include "zoo.h"
static const sinter_option options[] = {{.size = sizeof(sinter_option),
                                         .type = SINTER_OPTION_STRING,
                                         .key = "formula",
                                         .doc = "Any text.",
                                         .required = true}};
static sinter_status my_open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    sinter_mark m = a->host->option_mark(a->options, "formula");
    UNUSED(out), UNUSED(zoo_open);
    err->status = SINTER_INVALID;
    snprintf(err->what, sizeof err->what, "I do not like it");
    snprintf(err->where, sizeof err->where, "%s:%u:%u", m.file, m.line, m.column);
    snprintf(err->fix, sizeof err->fix, "write another");
    return SINTER_INVALID;
}
ZOO_TABLE(.name = "open_fails", .ranker = &zoo_ranker, .options = options, .n_options = 1, .open = my_open)
