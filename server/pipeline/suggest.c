/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Completions of what has been typed: a person's own queries, what people ask, values of fields, items. */
#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PREFIX 1024u
#define MAX_PAGE 100u
#define KINDS ((uint32_t)SUGGEST_KINDS)

typedef Sinter__V1__SuggestRequest request;
typedef Sinter__V1__Completion completion;

typedef struct offering {
    search s; /* collection, view and lane, as a search has them */
    const request *in;
    const suggest_set *set;
    suggest_typed typed;
    suggest_kind kind[SUGGEST_KINDS];
    uint32_t n_kinds, page_size;
    bool typos;
} offering;

static const struct {
    suggest_kind kind;
    Sinter__V1__CompletionKind said;
} KIND[] = {{SUGGEST_QUERY, SINTER__V1__COMPLETION_KIND__COMPLETION_KIND_QUERY},
            {SUGGEST_VALUE, SINTER__V1__COMPLETION_KIND__COMPLETION_KIND_VALUE},
            {SUGGEST_ITEM, SINTER__V1__COMPLETION_KIND__COMPLETION_KIND_ITEM}};

/* ---- the request --------------------------------------------------------------------------------------------------------- */

static sinter_status read_kinds(offering *o, sinter_error *e)
{
    char where[32];
    for (size_t i = 0; i < o->in->n_kinds; i++) {
        int said = (int)o->in->kinds[i];
        snprintf(where, sizeof where, "kinds[%zu]", i);
        if (said < 1 || said > (int)KINDS)
            return error_set(e, SINTER_INVALID, where, "COMPLETION_KIND_QUERY, _VALUE or _ITEM", "kind %d", said);
        for (size_t k = 0; k < i; k++)
            if ((int)o->in->kinds[k] == said) return error_set(e, SINTER_INVALID, where, "name each once", "a kind that is named twice");
        o->kind[o->n_kinds++] = KIND[said - 1].kind;
    }
    for (uint32_t k = 0; !o->in->n_kinds && k < KINDS; k++) o->kind[o->n_kinds++] = KIND[k].kind;
    return SINTER_OK;
}

static sinter_status read_limits(offering *o, sinter_error *e)
{
    const request *in = o->in;
    if (strlen(in->prefix) > MAX_PREFIX)
        return error_set(e, SINTER_INVALID, "prefix", "at most 1,024 bytes", "a prefix of %zu bytes", strlen(in->prefix));
    if (in->page_size > MAX_PAGE) return error_set(e, SINTER_INVALID, "page_size", "at most 100", "page_size is %u", in->page_size);
    if (in->typos > SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_ON)
        return error_set(e, SINTER_INVALID, "typos", "TYPOS_OFF or TYPOS_ON", "typos %d", (int)in->typos);
    if (in->request_id[0]) {
        const char *problem = id_problem(in->request_id, strlen(in->request_id));
        if (problem) return error_set(e, SINTER_INVALID, "request_id", "1 to 256 bytes of UTF-8 without control characters", "%s", problem);
    }
    o->page_size = in->page_size ? in->page_size : 10;
    return read_kinds(o, e);
}

static sinter_status read_request(offering *o, Sinter__V1__SearchRequest *fields, sinter_error *e)
{
    search *s = &o->s;
    sinter__v1__search_request__init(fields); /* what a search reads of one: collection and fields */
    fields->collection = o->in->collection;
    fields->fields = o->in->fields;
    fields->n_fields = o->in->n_fields;
    s->in = fields;
    sinter_status st = read_limits(o, e);
    if (!st) st = search_find_collection(s, e);
    if (st) return st;
    const config_collection *c = s->collection->schema;
    if (!c->suggest.declared)
        return error_set(e, SINTER_PRECONDITION, "collection", "write 'suggest: {fields: [title]}' into its YAML and reload",
                         "'%s' declares no suggest", c->name);
    o->typos = o->in->typos ? o->in->typos == SINTER__V1__QUERY_OPTIONS__TYPOS__TYPOS_ON : c->spelling;
    if ((st = search_check_mask(s, e))) return st;
    if (o->in->filter[0] && (st = filter_compile(s->collection->catalog, str_of(o->in->filter), s->a, &s->filter, e))) return st;
    o->set = suggest_current(s->lane->engine->suggest, catalog_number(s->collection->catalog));
    if (!o->set)
        return error_set(e, SINTER_UNAVAILABLE, "collection", "try again in a while", "completions of '%s' are being read from the journals", c->name);
    suggest_read(str_of(o->in->prefix), s->a, &o->typed);
    return SINTER_OK;
}

/* ---- what is offered ------------------------------------------------------------------------------------------------------- */

static bool accept_item(void *ctx, const suggest_entry *x)
{
    const search *s = ctx;
    return catalog_is_live(s->set, x->item) && (!s->filter || filter_test(s->filter, s->set, x->item));
}

typedef struct offered {
    completion **c;
    uint32_t n;
} offered;

static completion *make(offering *o, suggest_kind kind, str text, bool typos)
{
    completion *c = ARENA_NEW(o->s.a, completion);
    const suggest_part *part;
    sinter__v1__completion__init(c);
    c->kind = KIND[kind].said;
    c->text = arena_strndup(o->s.a, text.s, text.n);
    uint32_t n = suggest_parts(text, &o->typed, typos, o->s.a, &part);
    c->parts = ARENA_ARRAY(o->s.a, Sinter__V1__TextPart *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        Sinter__V1__TextPart *p = ARENA_NEW(o->s.a, Sinter__V1__TextPart);
        sinter__v1__text_part__init(p);
        p->text = arena_strndup(o->s.a, part[i].text.s, part[i].text.n);
        p->matched = part[i].matched;
        c->parts[c->n_parts++] = p;
    }
    return c;
}

static void add_recent(offering *o, offered *out)
{
    const Sinter__V1__User *u = o->in->user;
    if (!u || (!u->user_id[0] && !u->session_id[0]) || !o->s.collection->schema->suggest.recent) return;
    str *own = ARENA_ARRAY(o->s.a, str, o->page_size);
    uint32_t n = suggest_recent(o->set, str_of(u->user_id), str_of(u->session_id), &o->typed, o->page_size, o->s.a, own);
    for (uint32_t i = 0; i < n; i++) {
        out->c[out->n] = make(o, SUGGEST_QUERY, own[i], false);
        out->c[out->n++]->recent = true;
    }
}

static bool is_there(const offered *o, str text)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (str_is(text, o->c[i]->text)) return true;
    return false;
}

static void fill(offering *o, suggest_kind kind, const suggest_entry *x, completion *c)
{
    search *s = &o->s;
    c->use = x->use;
    if (kind == SUGGEST_VALUE) {
        c->field = message_text(suggest_field(o->set, x->field));
        c->count = x->count;
    }
    if (kind != SUGGEST_ITEM) return;
    size_t n;
    const char *id = catalog_item_id(s->collection->catalog, x->item, &n);
    c->id = arena_strndup(s->a, id ? id : "", id ? n : 0);
}

/* A page of one kind: as much as the page could need of it. */
static void offer(offering *o, suggest_kind kind, offered *out)
{
    uint32_t limit = o->page_size;
    out->c = ARENA_ARRAY(o->s.a, completion *, 2 * limit);
    if (kind == SUGGEST_QUERY) add_recent(o, out);
    suggest_found *found = ARENA_ARRAY(o->s.a, suggest_found, limit + 1);
    uint32_t n = suggest_complete(o->set, kind, &o->typed, limit, o->typos, kind == SUGGEST_ITEM ? accept_item : NULL, &o->s, o->s.a, found);
    for (uint32_t i = 0; i < n; i++) {
        if (kind == SUGGEST_QUERY && is_there(out, found[i].entry->text)) continue;
        completion *c = make(o, kind, found[i].entry->text, found[i].edits > 0);
        c->edits = found[i].edits;
        fill(o, kind, found[i].entry, c);
        out->c[out->n++] = c;
    }
}

/* An even share each; what one kind leaves goes to the others, first ones first. */
static void share_out(const offering *o, const offered *found, uint32_t *take)
{
    uint32_t left = o->page_size;
    for (uint32_t k = 0; k < o->n_kinds; k++) {
        uint32_t share = o->page_size / o->n_kinds + (k < o->page_size % o->n_kinds);
        take[k] = found[k].n < share ? found[k].n : share;
        left -= take[k];
    }
    for (uint32_t k = 0; k < o->n_kinds; k++) {
        uint32_t more = found[k].n - take[k] < left ? found[k].n - take[k] : left;
        take[k] += more;
        left -= more;
    }
}

static sinter_status hydrate(offering *o, completion *c, sinter_error *e)
{
    Sinter__V1__Hit hit;
    sinter__v1__hit__init(&hit);
    uint32_t item = catalog_item_ordinal(o->s.collection->catalog, str_of(c->id));
    sinter_status st = search_read_fields(&o->s, item, &hit, e);
    c->fields = ARENA_ARRAY(o->s.a, Sinter__V1__Completion__FieldsEntry *, hit.n_fields + 1);
    for (size_t i = 0; i < hit.n_fields && !st; i++) {
        Sinter__V1__Completion__FieldsEntry *f = ARENA_NEW(o->s.a, Sinter__V1__Completion__FieldsEntry);
        sinter__v1__completion__fields_entry__init(f);
        f->key = hit.fields[i]->key;
        f->value = hit.fields[i]->value;
        c->fields[c->n_fields++] = f;
    }
    return st;
}

static sinter_status answer(offering *o, Sinter__V1__SuggestResponse *out, sinter_error *e)
{
    offered found[SUGGEST_KINDS] = {0};
    uint32_t take[SUGGEST_KINDS];
    for (uint32_t k = 0; k < o->n_kinds; k++) offer(o, o->kind[k], &found[k]);
    share_out(o, found, take);
    out->completions = ARENA_ARRAY(o->s.a, completion *, o->page_size + 1);
    out->suggestions = ARENA_ARRAY(o->s.a, char *, o->page_size + 1);
    for (uint32_t k = 0; k < o->n_kinds; k++)
        for (uint32_t i = 0; i < take[k]; i++) {
            completion *c = found[k].c[i];
            sinter_status st = o->kind[k] == SUGGEST_ITEM && o->in->n_fields ? hydrate(o, c, e) : SINTER_OK;
            if (st) return st;
            out->suggestions[out->n_suggestions++] = c->text;
            out->completions[out->n_completions++] = c;
        }
    return SINTER_OK;
}

sinter_status pipeline_suggest(pipeline_lane *l, const request *in, Sinter__V1__SuggestResponse **out, sinter_error *e)
{
    offering *o = ARENA_NEW(l->memory, offering);
    Sinter__V1__SearchRequest fields;
    char made[37];
    o->in = in;
    o->s.lane = l;
    o->s.a = l->memory;
    o->s.snapshot = engine_snapshot(l->engine);
    o->s.views = views_current(l->engine->views);
    sinter_status st = read_request(o, &fields, e);
    if (st) return st;
    *out = ARENA_NEW(l->memory, Sinter__V1__SuggestResponse);
    sinter__v1__suggest_response__init(*out);
    if (!in->request_id[0]) uuid_make(made);
    (*out)->request_id = arena_strdup(l->memory, in->request_id[0] ? in->request_id : made);
    return answer(o, *out, e);
}

/* ---- the engine's part ------------------------------------------------------------------------------------------------------ */

void engine_configure_suggest(engine *g, const snapshot *s)
{
    suggest_source *source = xcalloc(s->n_collections + 1, sizeof *source);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_collections; i++)
        if (s->collection[i].schema) source[n++] = (suggest_source){catalog_number(s->collection[i].catalog), s->collection[i].schema};
    suggest_configure(g->suggest, source, n);
    free(source);
}

void engine_forget_suggestions(engine *g)
{
    suggest_forget(g->suggest);
}
