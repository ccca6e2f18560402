/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CatalogService's reads: GetItems, ListItems (a page a message, the next one when the last has left), ListCollections.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define MOST_IDS     1000u
#define PAGE_DEFAULT 100u
#define PAGE_MOST    1000u
#define PAGE_BYTES   (1u << 20) /* a message ends here even when it holds fewer items: clients take 4 MiB */
#define GET_BYTES    (64u << 20)

/* ---- GetItems ---- */

static const char *const EVERY_FIELD[] = {"*"};

static sinter_status read_items(worker *w, const Sinter__V1__GetItemsRequest *q, const view_collection *v,
                                Sinter__V1__GetItemsResponse *r, sinter_error *e)
{
    uint32_t number = catalog_number(v->catalog);
    char *const *fields = q->n_fields ? q->fields : (char *const *)(uintptr_t)EVERY_FIELD;
    size_t n_fields = q->n_fields ? q->n_fields : 1;
    for (size_t i = 0; i < q->n_ids; i++) {
        uint64_t sequence;
        Sinter__V1__Item *item = NULL;
        sinter_status status =
            journal_item(pipeline_lane_journal(w->lane), number, str_of(q->ids[i]), NULL, &sequence, e);
        if (status == SINTER_OK) status = item_read(w, sequence, &item, e);
        if (status == SINTER_NOT_FOUND) {
            r->not_found[r->n_not_found++] = q->ids[i];
            continue;
        }
        if (status != SINTER_OK) return status;
        fields_mask(v, item, fields, n_fields, false);
        r->sequences[r->n_sequences++] = sequence;
        r->items[r->n_items++] = item;
        if (arena_used(w->memory) > GET_BYTES)
            return error_set(e, SINTER_EXHAUSTED, "ids", "ask for fewer items, or for fewer fields",
                             "the answer would be larger than %u MiB", GET_BYTES >> 20);
    }
    return SINTER_OK;
}

void get_run(worker *w, call *c, const ProtobufCMessage *request)
{
    const Sinter__V1__GetItemsRequest *q = (const Sinter__V1__GetItemsRequest *)request;
    Sinter__V1__GetItemsResponse r = SINTER__V1__GET_ITEMS_RESPONSE__INIT;
    const view_collection *v;
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status status = collection_find(w, q->collection, &v, &e);
    if (status == SINTER_OK) status = ids_check(q->ids, q->n_ids, MOST_IDS, "ids", &e);
    if (status == SINTER_OK) status = fields_check(v, q->fields, q->n_fields, &e);
    if (status == SINTER_OK) {
        r.request_id = request_id_make(w->memory);
        r.items = ARENA_ARRAY(w->memory, Sinter__V1__Item *, q->n_ids + 1);
        r.sequences = ARENA_ARRAY(w->memory, uint64_t, q->n_ids + 1);
        r.not_found = ARENA_ARRAY(w->memory, char *, q->n_ids + 1);
        status = read_items(w, q, v, &r, &e);
    }
    call_answer(c, status, &r.base, &e);
}

/* ---- ListItems ---- */

typedef struct list_state {
    uint32_t next; /* ordinal */
    uint64_t left; /* of the limit */
    bool ended;
} list_state;

void list_dispose(void *state)
{
    free(state);
}

typedef struct page {
    worker *w;
    const view_collection *v;
    const Sinter__V1__ListItemsRequest *q;
    list_state *at;
    uint32_t size;
    Sinter__V1__ListItemsResponse r;
    uint32_t *ordinal;  /* [size] of the items to come */
    uint64_t *sequence; /* [size] their records; 0: to be looked up */
    uint32_t n;
} page;

static bool collect(void *ctx, const Sinter__Storage__V1__Record *rec)
{
    page *p = ctx;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) return true;
    p->ordinal[p->n] = rec->item_put->ordinal;
    p->sequence[p->n++] = rec->sequence;
    return p->n < p->size;
}

/* Which items come next: by the journal, or by the columns where there is a filter. */
static sinter_status choose(page *p, sinter_error *e)
{
    filter *f = NULL;
    uint32_t next;
    p->ordinal = ARENA_ARRAY(p->w->memory, uint32_t, p->size);
    p->sequence = ARENA_ARRAY(p->w->memory, uint64_t, p->size);
    if (!*p->q->filter) {
        return journal_items(pipeline_lane_journal(p->w->lane), catalog_number(p->v->catalog), p->at->next, p->size,
                             collect, p, &next, e);
    }
    sinter_status status = filter_compile(p->v->catalog, str_of(p->q->filter), p->w->memory, &f, e);
    if (status != SINTER_OK) return status;
    p->n = filter_scan(f, p->v->columns, p->at->next, p->size, p->ordinal, NULL);
    return SINTER_OK;
}

static sinter_status read_page(page *p, sinter_error *e)
{
    journal_reader *reader = pipeline_lane_journal(p->w->lane);
    size_t before = arena_used(p->w->memory);
    p->r.items = ARENA_ARRAY(p->w->memory, Sinter__V1__Item *, p->n + 1);
    p->r.ordinals = ARENA_ARRAY(p->w->memory, uint32_t, p->n + 1);
    for (uint32_t i = 0; i < p->n; i++) {
        Sinter__V1__Item *item = NULL;
        sinter_status status = SINTER_OK;
        if (arena_used(p->w->memory) - before > PAGE_BYTES) return SINTER_OK;
        p->at->next = p->ordinal[i] + 1;
        if (!p->sequence[i])
            status = journal_ordinal(reader, catalog_number(p->v->catalog), p->ordinal[i], &p->sequence[i], e);
        if (status == SINTER_OK) status = item_read(p->w, p->sequence[i], &item, e);
        if (status == SINTER_NOT_FOUND) continue; /* deleted since it was chosen */
        if (status != SINTER_OK) return status;
        fields_mask(p->v, item, p->q->fields, p->q->n_fields, p->q->unstored);
        p->r.ordinals[p->r.n_ordinals++] = p->ordinal[i];
        p->r.items[p->r.n_items++] = item;
    }
    if (p->n < p->size) p->at->ended = true;
    return SINTER_OK;
}

static sinter_status list_begin(worker *w, const Sinter__V1__ListItemsRequest *q, const view_collection *v,
                                list_state *at, sinter_error *e)
{
    at->left = q->limit ? q->limit : UINT64_MAX;
    if (q->page_size > PAGE_MOST)
        return error_set(e, SINTER_INVALID, "page_size", "0 means 100", "%u; at most %u", q->page_size, PAGE_MOST);
    sinter_status status = fields_check(v, q->fields, q->n_fields, e);
    if (status != SINTER_OK || !*q->after_id) return status;
    uint32_t ordinal;
    status = ids_check(&q->after_id, 1, 1, "after_id", e);
    if (status == SINTER_OK)
        status = journal_item(pipeline_lane_journal(w->lane), catalog_number(v->catalog), str_of(q->after_id), &ordinal,
                              NULL, e);
    if (status == SINTER_NOT_FOUND)
        return error_set(e, SINTER_NOT_FOUND, "after_id", "begin with an item that lives", "no item '%s'", q->after_id);
    at->next = ordinal + 1;
    return status;
}

static sinter_status list_page(worker *w, call *c, const Sinter__V1__ListItemsRequest *q, page *p, sinter_error *e)
{
    sinter_status status = collection_find(w, q->collection, &p->v, e);
    if (status == SINTER_OK && !c->state) {
        c->state = xcalloc(1, sizeof(list_state));
        status = list_begin(w, q, p->v, c->state, e);
    }
    p->at = c->state;
    if (status == SINTER_OK && !p->at->ended) {
        p->size = q->page_size ? q->page_size : PAGE_DEFAULT;
        if (p->size > p->at->left) p->size = (uint32_t)p->at->left;
        do { /* a page of items that are all gone says nothing: the next one */
            p->n = 0;
            status = choose(p, e);
            if (status == SINTER_OK) status = read_page(p, e);
        } while (status == SINTER_OK && !p->at->ended && !p->r.n_items);
    }
    return status;
}

void list_run(worker *w, call *c, const ProtobufCMessage *request)
{
    sinter_error e = SINTER_ERROR_INIT;
    page p = {.w = w, .q = (const Sinter__V1__ListItemsRequest *)request, .r = SINTER__V1__LIST_ITEMS_RESPONSE__INIT};
    sinter_status status = list_page(w, c, p.q, &p, &e);
    if (status != SINTER_OK) {
        call_fail(c, status, &e);
    } else if (!p.r.n_items) {
        call_end(c);
    } else {
        p.r.request_id = request_id_make(w->memory);
        p.at->left -= p.r.n_items;
        if (!p.at->left) p.at->ended = true;
        call_send(c, &p.r.base);
    }
}

/* ---- ListCollections ---- */

static Sinter__V1__Field *describe_field(arena *a, const catalog_field *f, const char *name, const config_field *d)
{
    Sinter__V1__Field *out = ARENA_NEW(a, Sinter__V1__Field);
    sinter__v1__field__init(out);
    out->name = arena_strdup(a, name);
    out->type = arena_strdup(a, FIELD_TYPE_NAMES[d->type]);
    if (d->group) out->group = arena_strdup(a, d->group);
    if (d->language) out->language = arena_strdup(a, d->language);
    out->weight = d->weight;
    out->searchable = d->searchable;
    out->filterable = d->filterable;
    out->sortable = d->sortable;
    out->stored = d->stored;
    out->required = d->required;
    out->from_pattern = f && f->from_pattern;
    out->dimension = d->dimension;
    return out;
}

static void describe_fields(arena *a, const config_collection *s, const view_collection *v, Sinter__V1__Collection *out)
{
    const catalog_field **seen = ARENA_ARRAY(a, const catalog_field *, CATALOG_MAX_FIELDS);
    uint32_t n = catalog_fields(v->catalog, seen);
    out->fields = ARENA_ARRAY(a, Sinter__V1__Field *, s->n_fields + n);
    for (uint32_t i = 0; i < s->n_fields; i++)
        out->fields[out->n_fields++] = describe_field(a, NULL, s->field[i].name, &s->field[i]);
    for (uint32_t i = 0; i < n; i++)
        if (seen[i]->from_pattern)
            out->fields[out->n_fields++] = describe_field(a, seen[i], seen[i]->name, seen[i]->declared);
}

static void describe_groups(arena *a, const config_collection *s, Sinter__V1__Collection *out)
{
    out->groups = ARENA_ARRAY(a, Sinter__V1__Group *, s->n_groups + 1);
    for (uint32_t g = 0; g < s->n_groups; g++) {
        Sinter__V1__Group *group = ARENA_NEW(a, Sinter__V1__Group);
        sinter__v1__group__init(group);
        group->name = arena_strdup(a, s->group[g].name);
        group->fields = ARENA_ARRAY(a, char *, s->n_fields + 1);
        for (uint32_t i = 0; i < s->n_fields; i++)
            if (s->field[i].searchable && s->field[i].group_index == g)
                group->fields[group->n_fields++] = arena_strdup(a, s->field[i].name);
        out->groups[out->n_groups++] = group;
    }
}

static void describe_names(arena *a, const snapshot *snap, uint32_t place, const config_collection *s, Sinter__V1__Collection *out)
{
    const config *c = snapshot_config(snap);
    const char *pipeline = snapshot_default(snap, place), *named;
    uint32_t at = 0, n = 0;
    if (pipeline) out->default_pipeline = arena_strdup(a, pipeline);
    while (snapshot_alias(snap, place, &at)) n++;
    out->aliases = ARENA_ARRAY(a, char *, n);
    for (at = 0; (named = snapshot_alias(snap, place, &at));) out->aliases[out->n_aliases++] = arena_strdup(a, named);
    out->hidden = snapshot_collection(snap, s->name) != place;
    out->languages = ARENA_ARRAY(a, char *, s->n_languages + 1);
    for (uint32_t i = 0; i < s->n_languages; i++)
        out->languages[out->n_languages++] = arena_strdup(a, s->language[i]);
    out->pipelines = ARENA_ARRAY(a, char *, c->n_pipelines + 1);
    for (uint32_t i = 0; i < c->n_pipelines; i++)
        if (snapshot_collection(snap, c->pipeline[i].collection) == place)
            out->pipelines[out->n_pipelines++] = arena_strdup(a, c->pipeline[i].name);
}

static sinter_status describe(worker *w, const snapshot *snap, uint32_t place, const config_collection *s, const view_collection *v,
                              Sinter__V1__Collection *out, sinter_error *e)
{
    arena *a = w->memory;
    uint32_t ordinals = 0, live = 0;
    sinter_status status =
        journal_count(pipeline_lane_journal(w->lane), catalog_number(v->catalog), &ordinals, &live, e);
    if (status != SINTER_OK && status != SINTER_NOT_FOUND) return status;
    out->name = arena_strdup(a, s->name);
    out->uuid = arena_strdup(a, catalog_uuid(v->catalog));
    out->items = live;
    out->ordinals = ordinals;
    if (s->title_field) out->title_field = arena_strdup(a, s->title_field);
    describe_fields(a, s, v, out);
    describe_groups(a, s, out);
    describe_names(a, snap, place, s, out);
    return SINTER_OK;
}

void list_collections_run(worker *w, call *c, const ProtobufCMessage *request)
{
    (void)request;
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__ListCollectionsResponse r = SINTER__V1__LIST_COLLECTIONS_RESPONSE__INIT;
    const snapshot *s = engine_snapshot(w->s->engine);
    const config *conf = snapshot_config(s);
    views *v = engine_views(w->s->engine);
    r.request_id = request_id_make(w->memory);
    r.collections = ARENA_ARRAY(w->memory, Sinter__V1__Collection *, conf->n_collections + 1);
    for (uint32_t i = 0; i < conf->n_collections; i++) {
        uint32_t number = snapshot_collection(s, arena_printf(w->memory, "=%s", conf->collection[i].name));
        if (number == UINT32_MAX) continue;
        Sinter__V1__Collection *out = ARENA_NEW(w->memory, Sinter__V1__Collection);
        sinter__v1__collection__init(out);
        sinter_status status = describe(w, s, number, &conf->collection[i], &views_current(v)->collection[number], out, &e);
        if (status != SINTER_OK) {
            call_fail(c, status, &e);
            return;
        }
        r.collections[r.n_collections++] = out;
    }
    call_reply(c, &r.base);
}
