/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table that plugins call: log, memory, clock, randomness, and the items by way of plugin_services. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

_Thread_local running plugin_running;

void plugin_call_begin(plugin_call *c)
{
    c->outer = plugin_running.call;
    plugin_running = (running){.call = c, .scratch = c->memory};
}

void plugin_call_end(plugin_call *c)
{
    plugin_running = (running){.call = c->outer, .scratch = c->outer ? c->outer->memory : NULL};
}

static plugin_instance *of(const sinter_host *host)
{
    return (plugin_instance *)host;
}

static void *view(void)
{
    return plugin_running.call ? plugin_running.call->view : NULL;
}

static void host_log(const sinter_host *host, sinter_log_level level, const char *message)
{
    static const log_level LEVELS[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    log_level l = (unsigned)level < ARRAY_LEN(LEVELS) ? LEVELS[level] : LOG_ERROR;
    const plugin_instance *i = of(host);
    log_write(l, "plugin.says", "%s (%s): %.1000s", i->plugin->name, i->use, message ? message : "");
}

/* The size stands before what is handed out, so that free can take it off the plugin's account. */
enum { HEAD = 16 };

static void *host_alloc(const sinter_host *host, size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    char *p = malloc(size + HEAD);
    if (!p) return NULL;
    memcpy(p, &size, sizeof size);
    atomic_fetch_add_explicit(&of(host)->lib->counters.bytes, (int64_t)size, memory_order_relaxed);
    return p + HEAD;
}

static void host_free(const sinter_host *host, void *given)
{
    if (!given) return;
    char *p = (char *)given - HEAD;
    size_t size;
    memcpy(&size, p, sizeof size);
    atomic_fetch_sub_explicit(&of(host)->lib->counters.bytes, (int64_t)size, memory_order_relaxed);
    free(p);
}

static void *host_scratch(const sinter_host *host, size_t size)
{
    (void)host;
    return plugin_running.scratch ? arena_alloc(plugin_running.scratch, size) : NULL;
}

static double host_random(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u; /* splitmix64 at position i */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* ---- items
 * ------------------------------------------------------------------------------------------------------------ */

static const sinter_column *host_column(const sinter_host *host, const char *field)
{
    const plugin_services *s = &of(host)->services;
    return s->column && field ? s->column(s->ctx, view(), field) : NULL;
}

static const char *host_keyword_text(const sinter_host *host, const char *field, uint32_t id)
{
    const plugin_services *s = &of(host)->services;
    return s->keyword_text && field ? s->keyword_text(s->ctx, view(), field, id) : NULL;
}

static uint32_t host_keyword_id(const sinter_host *host, const char *field, const char *text)
{
    const plugin_services *s = &of(host)->services;
    return s->keyword_id && field && text ? s->keyword_id(s->ctx, view(), field, text) : 0;
}

static const char *host_item_id(const sinter_host *host, uint32_t ordinal)
{
    const plugin_services *s = &of(host)->services;
    return s->item_id ? s->item_id(s->ctx, view(), ordinal) : NULL;
}

static uint32_t host_item_ordinal(const sinter_host *host, const char *id)
{
    const plugin_services *s = &of(host)->services;
    return s->item_ordinal && id ? s->item_ordinal(s->ctx, view(), id) : UINT32_MAX;
}

static uint32_t host_event_type(const sinter_host *host, const char *name)
{
    const plugin_services *s = &of(host)->services;
    return s->event_type && name ? s->event_type(s->ctx, name) : 0;
}

static const char *host_event_name(const sinter_host *host, uint32_t id, double *weight)
{
    const plugin_services *s = &of(host)->services;
    double ignored;
    return s->event_name ? s->event_name(s->ctx, id, weight ? weight : &ignored) : NULL;
}

/* ---- filters
 * ------------------------------------------------------------------------------------------------------------ */

static sinter_status no_filters(sinter_error *e)
{
    return error_set(e, SINTER_UNIMPLEMENTED, NULL, NULL,
                     "filters cannot be used here: the host was given no collection");
}

static sinter_status host_filter_compile(const sinter_host *host, const char *text, sinter_filter **out,
                                         sinter_error *e)
{
    plugin_instance *i = of(host);
    void *compiled;
    if (!i->services.filter_compile) return no_filters(e);
    sinter_status s = i->services.filter_compile(i->services.ctx, text ? text : "", &compiled, e);
    if (s != SINTER_OK) return s;
    sinter_filter *f = xcalloc(1, sizeof *f);
    *f = (sinter_filter){.owner = i, .services = &i->services, .compiled = compiled};
    atomic_fetch_add(&i->filters, 1);
    *out = f;
    return SINTER_OK;
}

static void host_filter_free(sinter_filter *f)
{
    if (!f || !f->owner) return;
    const plugin_services *s = f->services;
    if (s->filter_free) s->filter_free(s->ctx, (void *)f->compiled);
    atomic_fetch_sub(&f->owner->filters, 1);
    free(f);
}

static sinter_status host_filter_match(const sinter_host *host, const sinter_filter *f, const uint32_t *item,
                                       uint32_t n, uint8_t *out, sinter_error *e)
{
    const plugin_services *s = &of(host)->services;
    if (!s->filter_match) return no_filters(e);
    if (f) return s->filter_match(s->ctx, view(), f->compiled, item, n, out, e);
    memset(out, 1, n);
    return SINTER_OK;
}

static sinter_status host_filter_scan(const sinter_host *host, const sinter_filter *f, uint32_t limit, uint32_t *item,
                                      uint32_t *n, sinter_error *e)
{
    const plugin_services *s = &of(host)->services;
    *n = 0;
    return s->filter_scan ? s->filter_scan(s->ctx, view(), f ? f->compiled : NULL, limit, item, n, e) : no_filters(e);
}

void host_table_fill(sinter_host *t)
{
    *t = (sinter_host){
        .size = sizeof *t,
        .abi_major = SINTER_ABI_MAJOR,
        .abi_minor = SINTER_ABI_MINOR,
        .log = host_log,
        .alloc = host_alloc,
        .free = host_free,
        .scratch = host_scratch,
        .clock_ns = clock_mono_ns,
        .random = host_random,
        .column = host_column,
        .keyword_text = host_keyword_text,
        .keyword_id = host_keyword_id,
        .item_id = host_item_id,
        .item_ordinal = host_item_ordinal,
        .filter_compile = host_filter_compile,
        .filter_free = host_filter_free,
        .filter_match = host_filter_match,
        .filter_scan = host_filter_scan,
        .event_type = host_event_type,
        .event_name = host_event_name,
    };
    options_table_fill(t);
    sink_table_fill(t);
    tensors_table_fill(t);
}
