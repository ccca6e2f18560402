/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The truth of a demo shop as a ranker, for one figure only: what fusion makes of a stage where one ranker knows everything.
 *
 *     {name: truth, plugin: build/release/rankers/truth.so, world: DIR/truth/world.json}
 *
 * The score is the utility of `sinter demo generate`'s world for this person, these words and this item, noise included. Where several
 * queries of the world have the same words, the mean of theirs. Unknown people, words or items have no score. */
#include <sinter/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/demo_world.h"

struct sinter_instance {
    const sinter_host *host;
    demo_world *world;
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_FILE, .key = "world", .required = true,
     .doc = "truth/world.json in the folder that sinter demo generate wrote."},
};

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    static const char tail[] = "/truth/world.json";
    const char *file = "";
    char dir[4096];
    sinter_instance *me = calloc(1, sizeof *me);
    if (!me) return err->status = SINTER_EXHAUSTED;
    me->host = args->host;
    args->host->option_string(args->options, "world", &file);
    size_t n = strlen(file), cut = strlen(tail);
    snprintf(dir, sizeof dir, "%.*s", (int)(n > cut && strcmp(file + n - cut, tail) == 0 ? n - cut : n), file);
    sinter_status s = demo_world_open(dir, &me->world, err);
    if (s) {
        free(me);
        return s;
    }
    *out = me;
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    demo_world_free(me->world);
    free(me);
}

/* "u000123" is number 122; DEMO_NONE: no such id. */
static uint32_t number_of(const char *id, size_t n, char letter, uint32_t most)
{
    char text[16];
    if (n < 2 || n >= sizeof text || id[0] != letter) return DEMO_NONE;
    memcpy(text, id + 1, n - 1);
    text[n - 1] = 0;
    char *end;
    unsigned long at = strtoul(text, &end, 10);
    return *end || at == 0 || at > most ? DEMO_NONE : (uint32_t)at - 1;
}

static sinter_status score(const sinter_instance *me, sinter_worker *worker, const sinter_batch *b, float *out, sinter_error *err)
{
    (void)worker;
    (void)err;
    const demo_world *w = me->world;
    uint32_t meant[16], n = 0, user = number_of(b->user->user_id.data, b->user->user_id.size, 'u', w->options.users);
    for (uint32_t q = 0; q < w->options.queries && n < 16; q++)
        if (strlen(w->queries[q].text) == b->query->text.size && memcmp(w->queries[q].text, b->query->text.data, b->query->text.size) == 0)
            meant[n++] = q;
    if (n == 0 || user == DEMO_NONE) return SINTER_DECLINED;
    for (uint32_t i = 0; i < b->n; i++) {
        const char *id = me->host->item_id(me->host, b->item[i]);
        uint32_t item = id ? number_of(id, strlen(id), 'i', w->options.items) : DEMO_NONE;
        double sum = 0;
        for (uint32_t k = 0; k < n && item != DEMO_NONE; k++) {
            demo_parts parts = demo_utility_parts(w, user, meant[k], item);
            sum += demo_utility(&parts) / n;
        }
        out[i] = item == DEMO_NONE ? SINTER_MISSING : (float)sum;
    }
    return SINTER_OK;
}

static const sinter_ranker ranker = {.size = sizeof(sinter_ranker), .score = score};
static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "truth", .version = "1.0.0", .build = "", .summary = "The truth of a demo shop, for a test.",
    .options = options, .n_options = 1, .open = open_instance, .close = close_instance, .ranker = &ranker,
};

SINTER_EXPORT const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major;
    return &plugin;
}
