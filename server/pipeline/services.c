/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a plugin may ask about items: the catalogue and the filter language behind the host's table. */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

/* During open there is no request: the newest published set answers. */
static const catalog_set *set_of(const services_context *s, void *view)
{
    return view ? view : s->catalog ? catalog_current(s->catalog) : NULL;
}

static const sinter_column *service_column(void *ctx, void *view, const char *field)
{
    const catalog_set *set = set_of(ctx, view);
    return set ? catalog_column(set, field) : NULL;
}

static const char *service_keyword_text(void *ctx, void *view, const char *field, uint32_t id)
{
    (void)view;
    const services_context *s = ctx;
    const catalog_field *f = s->catalog ? catalog_find_field(s->catalog, field) : NULL;
    size_t len;
    return f ? catalog_keyword_text(s->catalog, f, id, &len) : NULL;
}

static uint32_t service_keyword_id(void *ctx, void *view, const char *field, const char *text)
{
    (void)view;
    const services_context *s = ctx;
    const catalog_field *f = s->catalog ? catalog_find_field(s->catalog, field) : NULL;
    return f ? catalog_keyword_id(s->catalog, f, str_of(text)) : 0;
}

static const char *service_item_id(void *ctx, void *view, uint32_t ordinal)
{
    const services_context *s = ctx;
    const catalog_set *set = set_of(s, view);
    size_t len;
    return set && catalog_is_live(set, ordinal) ? catalog_item_id(s->catalog, ordinal, &len) : NULL;
}

static uint32_t service_item_ordinal(void *ctx, void *view, const char *id)
{
    const services_context *s = ctx;
    if (!s->catalog) return UINT32_MAX;
    uint32_t ordinal = catalog_item_ordinal(s->catalog, str_of(id));
    return ordinal != UINT32_MAX && catalog_is_live(set_of(s, view), ordinal) ? ordinal : UINT32_MAX;
}

static sinter_status service_filter_compile(void *ctx, const char *text, void **out, sinter_error *e)
{
    const services_context *s = ctx;
    filter *f;
    if (!s->catalog)
        return error_set(e, SINTER_UNIMPLEMENTED, NULL, NULL, "filters cannot be used before the dataset has been built");
    sinter_status st = filter_compile(s->catalog, str_of(text), NULL, &f, e);
    if (st == SINTER_OK) *out = f;
    return st;
}

static void service_filter_free(void *ctx, void *f)
{
    (void)ctx;
    filter_free(f);
}

static sinter_status service_filter_match(void *ctx, void *view, const void *f, const uint32_t *item, uint32_t n,
                                          uint8_t *out, sinter_error *e)
{
    (void)e;
    filter_match(f, set_of(ctx, view), item, n, out);
    return SINTER_OK;
}

static sinter_status service_filter_scan(void *ctx, void *view, const void *f, uint32_t limit, uint32_t *item, uint32_t *n,
                                         sinter_error *e)
{
    (void)e;
    *n = filter_scan(f, set_of(ctx, view), 0, limit, item, NULL);
    return SINTER_OK;
}

/* While a snapshot is built its own collection says which types there are; reload may have added some. */
static const config_collection *schema_of(const services_context *s)
{
    return s->schema || !s->catalog ? s->schema : catalog_schema(s->catalog);
}

static uint32_t service_event_type(void *ctx, const char *name)
{
    return config_event_id(schema_of(ctx), str_of(name));
}

static const char *service_event_name(void *ctx, uint32_t id, double *weight)
{
    const config_collection *c = schema_of(ctx);
    if (!id || id > c->n_events) return NULL;
    *weight = c->event[id - 1].weight;
    return c->event[id - 1].name;
}

static void services_table(services_context *s)
{
    s->table = (plugin_services){.ctx = s,
                                 .column = service_column,
                                 .keyword_text = service_keyword_text,
                                 .keyword_id = service_keyword_id,
                                 .item_id = service_item_id,
                                 .item_ordinal = service_item_ordinal,
                                 .filter_compile = service_filter_compile,
                                 .filter_free = service_filter_free,
                                 .filter_match = service_filter_match,
                                 .filter_scan = service_filter_scan,
                                 .event_type = service_event_type,
                                 .event_name = service_event_name};
}

void services_init(services_context *s, catalog_collection *c, const config_collection *schema)
{
    memset(s, 0, sizeof *s);
    s->catalog = c;
    s->schema = schema;
    services_table(s);
    if (!c) return;
    s->public = (sinter_collection){.size = sizeof s->public,
                                    .name = catalog_name(c),
                                    .uuid = catalog_uuid(c),
                                    .n_items = catalog_current(c)->n_items};
}

/* ---- outside of a server ---- */

struct pipeline_services {
    services_context context;
};

pipeline_services *pipeline_services_new(const config_collection *schema)
{
    pipeline_services *s = xcalloc(1, sizeof *s);
    services_init(&s->context, NULL, schema);
    return s;
}

void pipeline_services_catalog(pipeline_services *s, catalog_collection *c)
{
    s->context.catalog = c;
}

const plugin_services *pipeline_services_table(const pipeline_services *s)
{
    return &s->context.table;
}

void pipeline_services_free(pipeline_services *s)
{
    free(s);
}
