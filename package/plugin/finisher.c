/* SPDX-License-Identifier: Apache-2.0 */
/* @name@: a finisher. Made by `sinter plugin new`; it works as it stands: change the options and what it does to the list.
 *
 * Lifts the best item that passes a filter to a position of the page, and says so. The server applies the edits in order and
 * writes each into the ledger. The whole contract is <sinter/plugin.h>. */
#include <sinter/plugin.h>

#include <stdio.h>
#include <string.h>

struct sinter_instance {
    const sinter_host *host;
    sinter_filter *which; /* NULL: nothing to do */
    const char *text;
    int64_t position;
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_FILTER, .key = "which", .doc = "The items that may be lifted, such as 'in_stock'."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_INTEGER, .key = "position", .default_text = "1", .least = 1, .most = 200,
     .doc = "Where the best of them comes to stand; default 1."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "text", .default_text = "lifted", .doc = "What people read about it."},
};

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    const char *which;
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
    host->option_string(args->options, "text", &me->text);
    host->option_integer(args->options, "position", &me->position);
    if (host->option_string(args->options, "which", &which)) s = host->filter_compile(host, which, &me->which, err);
    if (s == SINTER_OK)
        *out = me;
    else
        host->free(host, me);
    return s;
}

static void close_instance(sinter_instance *me)
{
    if (me->which) me->host->filter_free(me->which);
    me->host->free(me->host, me);
}

/* [lane] The list has at most 200 items, best first. */
static sinter_status finish(const sinter_instance *me, sinter_worker *worker, const sinter_request *request, const sinter_list *list,
                            sinter_sink *sink, sinter_error *err)
{
    uint8_t *passes = me->host->scratch(me->host, list->n + 1);
    (void)worker;
    (void)request;
    if (me->which == NULL || list->n == 0) return SINTER_OK;
    if (passes == NULL) {
        err->status = SINTER_EXHAUSTED;
        snprintf(err->what, sizeof err->what, "no scratch memory");
        return SINTER_EXHAUSTED;
    }
    sinter_status s = me->host->filter_match(me->host, me->which, list->item, list->n, passes, err);
    for (uint32_t i = 0; s == SINTER_OK && i < list->n; i++) {
        if (!passes[i]) continue;
        if (i + 1 > (uint64_t)me->position) me->host->edit_move(sink, "@name@", list->item[i], (uint32_t)me->position, me->text);
        break; /* the best one stands there or higher already */
    }
    return s;
}

static const sinter_finisher finisher = {.size = sizeof(sinter_finisher), .finish = finish};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "@name@", .version = "0.1.0", .build = "",
    .summary = "Lifts the best item that passes a filter to a position.",
    .options = options, .n_options = sizeof options / sizeof *options,
    .open = open_instance, .close = close_instance,
    .finisher = &finisher,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the server compares versions, not the plugin */
    return &plugin;
}
