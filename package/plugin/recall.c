/* SPDX-License-Identifier: Apache-2.0 */
/* @name@: a recall source. Made by `sinter plugin new`; it works as it stands: change the option and what it brings.
 *
 * A shelf: the items that pass a filter of its own ("campaign = spring"), smallest ordinals first, whatever the words. The
 * whole contract is <sinter/plugin.h>. */
#include <sinter/plugin.h>

#include <stdio.h>
#include <string.h>

#define SHELF 4096u /* items looked at for one request */

struct sinter_instance {
    const sinter_host *host;
    sinter_filter *shelf; /* NULL: all items */
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_FILTER, .key = "shelf",
     .doc = "The items that it brings, such as 'price < 20'; without it: all."},
};

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    const char *shelf;
    sinter_status s = SINTER_OK;
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL) {
        err->status = SINTER_EXHAUSTED;
        snprintf(err->what, sizeof err->what, "no memory for an instance");
        snprintf(err->where, sizeof err->where, "%s", args->use);
        return SINTER_EXHAUSTED;
    }
    memset(me, 0, sizeof *me);
    me->host = host;
    if (host->option_string(args->options, "shelf", &shelf)) s = host->filter_compile(host, shelf, &me->shelf, err);
    if (s == SINTER_OK)
        *out = me;
    else
        host->free(host, me);
    return s;
}

static void close_instance(sinter_instance *me)
{
    if (me->shelf) me->host->filter_free(me->shelf);
    me->host->free(me->host, me);
}

static bool holds(const uint32_t *item, uint32_t n, uint32_t wanted)
{
    for (uint32_t i = 0; i < n; i++)
        if (item[i] == wanted) return true;
    return false;
}

/* [lane] At most `limit` items that pass the request's filter, each once, best first. The filter acts here, inside, so that a
 * limit of 200 means 200. Scratch memory ends with the request. */
static sinter_status recall(const sinter_instance *me, sinter_worker *worker, const sinter_request *request, const sinter_filter *filter,
                            const uint32_t *exclude, uint32_t n_exclude, uint32_t limit, uint32_t *item /* [limit] */,
                            float *score /* [limit] */, uint32_t *n, sinter_error *err)
{
    const sinter_host *host = me->host;
    uint32_t *found = host->scratch(host, SHELF * sizeof *found), n_found = 0;
    uint8_t *passes = host->scratch(host, SHELF);
    (void)worker;
    (void)request;
    *n = 0;
    if (found == NULL || passes == NULL) {
        err->status = SINTER_EXHAUSTED;
        snprintf(err->what, sizeof err->what, "no scratch memory");
        return SINTER_EXHAUSTED;
    }
    sinter_status s = host->filter_scan(host, me->shelf, SHELF, found, &n_found, err);
    memset(passes, 1, SHELF);
    if (s == SINTER_OK && filter) s = host->filter_match(host, filter, found, n_found, passes, err);
    for (uint32_t i = 0; s == SINTER_OK && i < n_found && *n < limit; i++) {
        if (!passes[i] || holds(exclude, n_exclude, found[i])) continue;
        item[*n] = found[i];
        score[*n] = 1.0f / (float)(1 + *n);
        ++*n;
    }
    return s;
}

static const sinter_recall source = {.size = sizeof(sinter_recall), .recall = recall};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "@name@", .version = "0.1.0", .build = "",
    .summary = "Brings the items of a shelf: those that pass a filter of its own.",
    .options = options, .n_options = sizeof options / sizeof *options,
    .open = open_instance, .close = close_instance,
    .recall = &source,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the server compares versions, not the plugin */
    return &plugin;
}
