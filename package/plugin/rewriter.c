/* SPDX-License-Identifier: Apache-2.0 */
/* @name@: a rewriter. Made by `sinter plugin new`; it works as it stands: change the option and what it does to queries.
 *
 * Adds words to a query that has another: `also: {sofa: couch}` finds couches for who writes sofa. Every edit stands in the
 * answer's ledger. The whole contract is <sinter/plugin.h>. */
#include <sinter/plugin.h>

#include <stdio.h>
#include <string.h>

#define MOST 256u /* words in the option */

struct sinter_instance {
    const sinter_host *host;
    uint32_t n;
    const char *word[MOST], *also[MOST]; /* owned by the options, which live until close */
};

static const sinter_option options[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_MAP, .element = SINTER_OPTION_STRING, .key = "also",
     .doc = "Words that are searched as well, by the word that calls them; at most 256."},
};

static sinter_status fail(sinter_error *err, sinter_status status, const char *where, const char *fix, const char *what)
{
    err->status = status;
    snprintf(err->what, sizeof err->what, "%s", what);
    snprintf(err->where, sizeof err->where, "%s", where);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    return status;
}

static sinter_status open_instance(const sinter_open_args *args, sinter_instance **out, sinter_error *err)
{
    const sinter_host *host = args->host;
    uint32_t n = host->option_count(args->options, "also");
    if (n > MOST) return fail(err, SINTER_INVALID, "also", "name at most 256 words", "too many words");
    sinter_instance *me = host->alloc(host, sizeof *me);
    if (me == NULL) return fail(err, SINTER_EXHAUSTED, args->use, "give the server more memory", "no memory for an instance");
    memset(me, 0, sizeof *me);
    me->host = host;
    for (; me->n < n; me->n++) {
        char path[256];
        me->word[me->n] = host->option_key(args->options, "also", me->n);
        snprintf(path, sizeof path, "also.%s", me->word[me->n]);
        host->option_string(args->options, path, &me->also[me->n]);
    }
    *out = me;
    return SINTER_OK;
}

static void close_instance(sinter_instance *me)
{
    me->host->free(me->host, me);
}

/* [lane] Before recall. Edits are applied in the order given; the name of the rule is what people will read. */
static sinter_status rewrite(const sinter_instance *me, sinter_worker *worker, const sinter_request *request, sinter_sink *sink,
                             sinter_error *err)
{
    (void)worker;
    (void)err;
    for (uint32_t t = 0; t < request->query->n_terms; t++) {
        const sinter_term *term = &request->query->term[t];
        for (uint32_t k = 0; k < me->n; k++) {
            bool same = strlen(me->word[k]) == term->surface.size && memcmp(me->word[k], term->surface.data, term->surface.size) == 0;
            if (same && !term->excluded) me->host->rewrite_words(sink, me->word[k], me->also[k], false);
        }
    }
    return SINTER_OK;
}

static const sinter_rewriter rewriter = {.size = sizeof(sinter_rewriter), .rewrite = rewrite};

static const sinter_plugin plugin = {
    .size = sizeof(sinter_plugin), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .name = "@name@", .version = "0.1.0", .build = "",
    .summary = "Adds words to queries that have another.",
    .options = options, .n_options = sizeof options / sizeof *options,
    .open = open_instance, .close = close_instance,
    .rewriter = &rewriter,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    (void)host_major; /* the server compares versions, not the plugin */
    return &plugin;
}
