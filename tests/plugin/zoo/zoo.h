/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts that the plugins of the zoo share: each file here is a plugin with one fault, which the host must bear.
 *
 * An animal defines what is wrong with it before or after including this, and ends with ZOO_TABLE(.ranker = …). */
#ifndef SINTER_ZOO_H
#define SINTER_ZOO_H

#include <sinter/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sinter_instance {
    const sinter_host *host;
};

static sinter_status zoo_open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    sinter_instance *me = a->host->alloc(a->host, sizeof *me);
    (void)err;
    me->host = a->host;
    *out = me;
    return SINTER_OK;
}

static void zoo_close(sinter_instance *me)
{
    me->host->free(me->host, me);
}

#define UNUSED(x) ((void)(x))

/* score = the item's ordinal */
static sinter_status zoo_score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *score,
                               sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(err);
    for (uint32_t i = 0; i < b->n; i++)
        score[i] = (float)b->item[i];
    return SINTER_OK;
}

__attribute__((unused)) static const sinter_ranker zoo_ranker = {.size = sizeof(sinter_ranker), .score = zoo_score};

#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define ZOO_TABLE(...)                                                                                                 \
    static const sinter_plugin table = {.size = sizeof(sinter_plugin),                                                 \
                                        .abi_major = SINTER_ABI_MAJOR,                                                 \
                                        .abi_minor = SINTER_ABI_MINOR,                                                 \
                                        .version = "1.0.0",                                                            \
                                        .build = "",                                                                   \
                                        .summary = "One of the zoo.",                                                  \
                                        .open = zoo_open,                                                              \
                                        .close = zoo_close,                                                            \
                                        __VA_ARGS__};                                                                  \
    const sinter_plugin *sinter_plugin_entry(uint32_t host_major)                                                      \
    {                                                                                                                  \
        UNUSED(host_major);                                                                                            \
        return &table;                                                                                                 \
    }

#endif
