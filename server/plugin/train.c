/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calling a trainer: in a process of its own, with an instance that was opened for it. */
#include "call.h"

#include <stdio.h>

sinter_status plugin_train(plugin_instance *i, plugin_call *c, const sinter_train_args *args, sinter_error *e)
{
    sinter_train_args a = *args;
    sinter_error own = SINTER_ERROR_INIT;
    if (!e) e = &own;
    if (i->role != PLUGIN_TRAINER) return error_set(e, SINTER_INTERNAL, i->use, NULL, "the instance was not opened to train");
    a.size = sizeof a;
    a.host = &i->table;
    a.options = i->options;
    a.instance = i->self;
    if (!a.collection) a.collection = &i->collection;
    plugin_call_begin(c);
    sinter_status s = i->plugin->trainer->train(&a, e);
    plugin_call_end(c);
    return s == SINTER_OK ? s : error_tidy(e, s, i);
}
