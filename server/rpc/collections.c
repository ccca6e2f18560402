/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the catalogue's handlers share: finding a collection, checking ids and field names, masking fields, ids of
 * requests and writes. */
#include "server.h"

#include <stdio.h>
#include <string.h>

sinter_status collection_find(worker *w, const char *name, const view_collection **out, sinter_error *e)
{
    const snapshot *s = engine_snapshot(w->s->engine);
    if (!*name) {
        return error_set(e, SINTER_INVALID, "collection", "ListCollections names them", "no collection is named");
    }
    uint32_t number = snapshot_collection(s, name);
    if (number != UINT32_MAX) { /* the set is loaded after the snapshot, and so never older */
        *out = &views_current(engine_views(w->s->engine))->collection[number];
        return SINTER_OK;
    }
    const char *names[256];
    const char *near = near_name(name, names, snapshot_names(s, names, ARRAY_LEN(names)));
    error_set(e, SINTER_NOT_FOUND, "collection", "ListCollections names them", "no collection '%.256s'", name);
    if (near) error_fix(e, "did you mean '%s'?", near);
    return SINTER_NOT_FOUND;
}

sinter_status ids_check(char *const *ids, size_t n, size_t most, const char *field, sinter_error *e)
{
    if (n > most)
        return error_set(e, SINTER_INVALID, field, "send them in several requests", "%zu ids; at most %zu fit", n,
                         most);
    for (size_t i = 0; i < n; i++) {
        char where[64];
        const char *problem = id_problem(ids[i], strlen(ids[i]));
        if (!problem) continue;
        snprintf(where, sizeof where, "%s[%zu]", field, i);
        return error_set(e, SINTER_INVALID, where, "an id is 1 to 256 bytes of UTF-8 without control characters", "%s",
                         problem);
    }
    return SINTER_OK;
}

static bool is_prefix(const char *mask)
{
    size_t n = strlen(mask);
    return n && mask[n - 1] == '*';
}

/* A name that is no field is a mistake worth telling; a prefix with * may match nothing. */
sinter_status fields_check(const view_collection *v, char *const *fields, size_t n, sinter_error *e)
{
    for (size_t i = 0; i < n; i++) {
        char where[64];
        if (is_prefix(fields[i]) || catalog_declared(v->catalog, fields[i])) continue;
        snprintf(where, sizeof where, "fields[%zu]", i);
        const char *near = catalog_near_field(v->catalog, fields[i]);
        error_set(e, SINTER_INVALID, where, "ListCollections names the fields; \"*\" returns all", "no field '%.256s'",
                  fields[i]);
        if (near) error_fix(e, "did you mean '%s'?", near);
        return SINTER_INVALID;
    }
    return SINTER_OK;
}

static bool wanted(const char *name, char *const *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i], name) == 0) return true;
        if (is_prefix(fields[i]) && strncmp(fields[i], name, strlen(fields[i]) - 1) == 0) return true;
    }
    return false;
}

void fields_mask(const view_collection *v, Sinter__V1__Item *item, char *const *fields, size_t n, bool unstored)
{
    size_t kept = 0;
    for (size_t i = 0; i < item->n_fields; i++) {
        const catalog_field *f = catalog_find_field(v->catalog, item->fields[i]->key);
        if ((!f || unstored || f->declared->stored) && wanted(item->fields[i]->key, fields, n))
            item->fields[kept++] = item->fields[i];
    }
    item->n_fields = kept;
}

Sinter__V1__Rejected *item_rejected(arena *a, uint32_t index, char *id, Sinter__V1__Rejected__Code code)
{
    Sinter__V1__Rejected *r = ARENA_NEW(a, Sinter__V1__Rejected);
    sinter__v1__rejected__init(r);
    r->index = index;
    r->id = strlen(id) <= 256 ? id : arena_strdup(a, "");
    r->code = code;
    return r;
}

Sinter__V1__FieldViolation *item_violation(arena *a, char *field, char *description)
{
    Sinter__V1__FieldViolation *v = ARENA_NEW(a, Sinter__V1__FieldViolation);
    sinter__v1__field_violation__init(v);
    v->field = field;
    v->description = description;
    return v;
}

char *request_id_make(arena *a)
{
    char *id = arena_alloc(a, 37);
    uuid_make(id);
    return id;
}

str write_id_scope(arena *a, const char *verb, const char *collection, const char *write_id)
{
    if (!*write_id) return (str){"", 0};
    char *s = arena_printf(a, "%s/%s/%s", verb, collection, write_id);
    size_t n = strlen(s);
    if (n <= 256) return (str){s, n};
    uint64_t h[2];
    hash128(s, n, h);
    s = arena_printf(a, "%s/#%016llx%016llx", verb, (unsigned long long)h[1], (unsigned long long)h[0]);
    return (str){s, strlen(s)};
}

sinter_status item_read(worker *w, uint64_t sequence, Sinter__V1__Item **out, sinter_error *e)
{
    Sinter__Storage__V1__Record *rec;
    sinter_status status = journal_get(pipeline_lane_journal(w->lane), sequence, w->memory, &rec, e);
    if (status != SINTER_OK) return status;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT || !rec->item_put->item) return SINTER_NOT_FOUND;
    *out = rec->item_put->item;
    return SINTER_OK;
}
