/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hits of the page: ids, scores, and stored fields and highlights read from the very journal records that the view set reflects. */
#include "highlight.h"

#include <stdio.h>
#include <string.h>

static bool has_prefix_mask(const char *mask, const char *name)
{
    size_t n = strlen(mask);
    return n > 1 && mask[n - 1] == '*' && strncmp(mask, name, n - 1) == 0;
}

static bool wanted(const Sinter__V1__SearchRequest *in, const char *name)
{
    for (size_t i = 0; i < in->n_fields; i++)
        if (strcmp(in->fields[i], "*") == 0 || strcmp(in->fields[i], name) == 0 || has_prefix_mask(in->fields[i], name))
            return true;
    return false;
}

/* A name that is no field of the collection is a mistake worth telling; a prefix with * may match nothing. */
sinter_status search_check_mask(const search *s, sinter_error *e)
{
    for (size_t i = 0; i < s->in->n_fields; i++) {
        const char *name = s->in->fields[i];
        size_t n = strlen(name);
        if ((n && name[n - 1] == '*') || catalog_declared(s->collection->catalog, name)) continue;
        char where[32];
        snprintf(where, sizeof where, "fields[%zu]", i);
        const char *near = catalog_near_field(s->collection->catalog, name);
        error_set(e, SINTER_INVALID, where, "ListCollections names the fields; \"*\" returns all", "no field '%s'", name);
        if (near) error_fix(e, "did you mean '%s'?", near);
        return SINTER_INVALID;
    }
    return SINTER_OK;
}

static void copy_fields(search *s, const Sinter__V1__Item *item, Sinter__V1__Hit *hit)
{
    hit->fields = ARENA_ARRAY(s->a, Sinter__V1__Hit__FieldsEntry *, item->n_fields + 1);
    for (size_t i = 0; i < item->n_fields; i++) {
        const Sinter__V1__Item__FieldsEntry *from = item->fields[i];
        if (!wanted(s->in, from->key)) continue;
        const catalog_field *f = catalog_find_field(s->collection->catalog, from->key);
        if (f && !f->declared->stored) continue;
        Sinter__V1__Hit__FieldsEntry *to = ARENA_NEW(s->a, Sinter__V1__Hit__FieldsEntry);
        sinter__v1__hit__fields_entry__init(to);
        to->key = from->key;
        to->value = from->value;
        hit->fields[hit->n_fields++] = to;
    }
}

sinter_status search_read_fields(search *s, uint32_t item, Sinter__V1__Hit *hit, sinter_error *e)
{
    uint64_t sequence = catalog_record_of(s->set, item);
    Sinter__Storage__V1__Record *rec;
    sinter_status st = sequence ? journal_get(s->lane->reader, sequence, s->a, &rec, e) : SINTER_NOT_FOUND;
    if (st == SINTER_NOT_FOUND) return SINTER_OK; /* compacted away since: a newer record will be visible in the next set */
    if (st) return st;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT || !rec->item_put->item) return SINTER_OK;
    if (s->in->n_fields) copy_fields(s, rec->item_put->item, hit);
    if (s->highlights) search_highlight(s, rec->item_put->item, hit);
    return SINTER_OK;
}

sinter_status search_hydrate(search *s, sinter_error *e)
{
    sinter_status st = search_check_mask(s, e);
    if (st) return st;
    s->out->hits = ARENA_ARRAY(s->a, Sinter__V1__Hit *, s->n_page + 1);
    for (uint32_t i = 0; i < s->n_page; i++) {
        Sinter__V1__Hit *hit = ARENA_NEW(s->a, Sinter__V1__Hit);
        sinter__v1__hit__init(hit);
        size_t len;
        const char *id = catalog_item_id(s->collection->catalog, s->page[i].item, &len);
        hit->id = id ? arena_strndup(s->a, id, len) : (char *)(uintptr_t)"";
        hit->score = s->page[i].score;
        if ((s->in->n_fields || s->highlights) && (st = search_read_fields(s, s->page[i].item, hit, e))) return st;
        s->out->hits[s->out->n_hits++] = hit;
    }
    search_end_highlights(s);
    return SINTER_OK;
}
