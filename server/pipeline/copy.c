/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copying a collection into another one inside the journal: first the newest state of every item, then the log from its first
 * record on, events from the start and items from where the walk began. Each batch is one write with a Setting that says how far
 * it has come, so that whoever copies next goes on from there. */
#include "pipeline/pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;

enum { BATCH_RECORDS = 500, TAIL_RECORDS = 4096, BATCH_BYTES = 1 << 20, LEFT_OUT = 64 };

struct collection_copy {
    copy_options o;
    journal *journal;
    journal_reader *reader;
    arena *a; /* of a batch */
    char *key;
    uint64_t began;   /* newest record when the walk over the items began */
    uint32_t ordinal; /* the walk's next; UINT32_MAX: done */
    uint64_t at;      /* records of the log looked at */
    journal_op *op;   /* [n] of the batch; room for one more */
    uint32_t n;
    size_t bytes;
    copy_report told;
    char *left_out[LEFT_OUT];
    uint32_t n_left_out;
};

/* ---- where it stands ------------------------------------------------------------------------------------------------- */

static bool read_place(collection_copy *c, const char *text)
{
    return sscanf(text, "%" SCNu64 " %" SCNu32 " %" SCNu64, &c->began, &c->ordinal, &c->at) == 3;
}

/* The newest Setting of this pair. */
static sinter_status find_place(collection_copy *c, sinter_error *e)
{
    uint64_t last = journal_last_sequence(c->journal);
    sinter_status s = SINTER_OK;
    for (uint64_t i = last; i >= 1 && s == SINTER_OK && !c->told.resumed; i--) {
        str bytes;
        record *rec;
        s = journal_get_bytes(c->reader, i, &bytes, e);
        if (s == SINTER_NOT_FOUND) s = SINTER_OK;
        else if (s == SINTER_OK && journal_body(bytes) == SINTER__STORAGE__V1__RECORD__BODY_SETTING) {
            arena_reset(c->a);
            s = journal_get(c->reader, i, c->a, &rec, e);
            if (s == SINTER_OK && strcmp(rec->setting->key, c->key) == 0) {
                c->told.resumed = read_place(c, rec->setting->value);
                break;
            }
        }
    }
    return s;
}

static void add_place(collection_copy *c, uint32_t ordinal, uint64_t at)
{
    Sinter__Storage__V1__Setting m = SINTER__STORAGE__V1__SETTING__INIT;
    record rec = SINTER__STORAGE__V1__RECORD__INIT;
    m.key = c->key;
    m.value = arena_printf(c->a, "%" PRIu64 " %" PRIu32 " %" PRIu64, c->began, ordinal, at);
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_SETTING;
    rec.setting = &m;
    size_t n = sinter__storage__v1__record__get_packed_size(&rec);
    uint8_t *bytes = arena_alloc(c->a, n);
    sinter__storage__v1__record__pack(&rec, bytes);
    c->op[c->n++] = (journal_op){.kind = JOURNAL_RECORD, .bytes = {(const char *)bytes, n}};
}

/* ---- what is copied --------------------------------------------------------------------------------------------------- */

static void leave_out(collection_copy *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_left_out; i++)
        if (strcmp(c->left_out[i], name) == 0) return;
    if (c->n_left_out < LEFT_OUT) c->left_out[c->n_left_out++] = xstrdup(name);
}

static void add_op(collection_copy *c, journal_op_kind kind, const char *id, const uint8_t *bytes, size_t n)
{
    c->op[c->n++] = (journal_op){.kind = kind,
                                 .collection = catalog_number(c->o.destination),
                                 .id = str_of(arena_strdup(c->a, id)),
                                 .bytes = {(const char *)bytes, n}};
    c->bytes += n;
}

static void put_item(collection_copy *c, const Sinter__V1__Item *item)
{
    Sinter__V1__Item kept = *item, *normal;
    Sinter__V1__FieldViolation **violations;
    size_t n;
    kept.fields = ARENA_ARRAY(c->a, Sinter__V1__Item__FieldsEntry *, item->n_fields + 1);
    kept.n_fields = 0;
    for (size_t i = 0; i < item->n_fields; i++) {
        const char *name = item->fields[i]->key;
        if (catalog_find_field(c->o.destination, name) || catalog_declared(c->o.destination, name))
            kept.fields[kept.n_fields++] = item->fields[i];
        else
            leave_out(c, name);
    }
    if (catalog_check_item(c->o.destination, &kept, "", c->a, &normal, &violations, &n) != SINTER_OK) {
        c->told.refused++;
        c->o.refused(c->o.ctx, item->id, violations[0]);
        return;
    }
    size_t size = sinter__v1__item__get_packed_size(normal);
    uint8_t *bytes = arena_alloc(c->a, size + 1);
    sinter__v1__item__pack(normal, bytes);
    add_op(c, JOURNAL_PUT, normal->id, bytes, size);
    c->told.items++;
}

static void put_event(collection_copy *c, const Sinter__Storage__V1__EventPut *event)
{
    Sinter__Storage__V1__EventPut p = *event;
    Sinter__V1__Event copy = *event->event;
    copy.collection = (char *)(uintptr_t)catalog_name(c->o.destination);
    p.collection = catalog_number(c->o.destination);
    p.event = &copy;
    size_t n = sinter__storage__v1__event_put__get_packed_size(&p);
    uint8_t *bytes = arena_alloc(c->a, n);
    sinter__storage__v1__event_put__pack(&p, bytes);
    add_op(c, JOURNAL_EVENT, copy.event_id, bytes, n);
    c->told.events++;
}

static bool walk_item(void *ctx, const record *rec)
{
    collection_copy *c = ctx;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) put_item(c, rec->item_put->item);
    return c->n < BATCH_RECORDS && c->bytes < BATCH_BYTES;
}

static bool walk_record(void *ctx, const record *rec)
{
    collection_copy *c = ctx;
    uint32_t source = catalog_number(c->o.source);
    bool item = rec->sequence > c->began;
    if (item && rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT && rec->item_put->collection == source) {
        put_item(c, rec->item_put->item);
    } else if (item && rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE && rec->item_delete->collection == source) {
        add_op(c, JOURNAL_DELETE, rec->item_delete->id, NULL, 0);
        c->told.deleted++;
    } else if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT && rec->event_put->collection == source &&
               !c->o.without_events) {
        put_event(c, rec->event_put);
    }
    return c->n < BATCH_RECORDS && c->bytes < BATCH_BYTES;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------- */

static sinter_status store(collection_copy *c, uint32_t ordinal, uint64_t at, sinter_error *e)
{
    journal_write w = {.op = c->op, .fence = UINT64_MAX};
    add_place(c, ordinal, at);
    w.n = c->n;
    return journal_append_wait(c->journal, &w, NULL, e);
}

sinter_status copy_step(collection_copy *c, bool *more, sinter_error *e)
{
    uint32_t ordinal = c->ordinal;
    uint64_t at = c->at, last = journal_last_sequence(c->journal);
    sinter_status s;
    arena_reset(c->a);
    c->op = ARENA_ARRAY(c->a, journal_op, BATCH_RECORDS + 2);
    c->n = 0;
    c->bytes = 0;
    if (ordinal != UINT32_MAX)
        s = journal_items(c->reader, catalog_number(c->o.source), ordinal, BATCH_RECORDS, walk_item, c, &ordinal, e);
    else
        s = journal_tail(c->reader, at, TAIL_RECORDS, walk_record, c, &at, e);
    bool walked = ordinal == UINT32_MAX && c->ordinal != UINT32_MAX;
    if (s == SINTER_OK && (c->n || walked)) s = store(c, ordinal, at, e);
    if (s != SINTER_OK) return s;
    c->ordinal = ordinal;
    c->at = at;
    *more = walked || ordinal != UINT32_MAX || at < last;
    if (c->ordinal == UINT32_MAX && at >= c->began) c->told.sequence = at;
    c->told.behind = last > at ? last - at : 0;
    return SINTER_OK;
}

void copy_tell(const collection_copy *c, copy_report *out)
{
    uint32_t ordinals = 0, live = 0;
    journal_count(c->reader, catalog_number(c->o.source), &ordinals, &live, NULL);
    *out = c->told;
    out->total = live;
}

char **copy_left_out(const collection_copy *c, arena *a, size_t *n)
{
    char **out = ARENA_ARRAY(a, char *, c->n_left_out + 1);
    for (*n = 0; *n < c->n_left_out; ++*n) out[*n] = arena_strdup(a, c->left_out[*n]);
    return out;
}

sinter_status copy_begin(journal *j, const copy_options *o, collection_copy **out, sinter_error *e)
{
    collection_copy *c = xcalloc(1, sizeof *c);
    c->o = *o;
    c->journal = j;
    c->a = arena_new(1 << 16);
    c->key = xasprintf("copy/%s/%s", catalog_uuid(o->source), catalog_uuid(o->destination));
    sinter_status s = journal_reader_open(j, &c->reader, e);
    if (s == SINTER_OK && !o->restart) s = find_place(c, e);
    if (s == SINTER_OK && !c->told.resumed) {
        c->began = journal_last_sequence(j);
        c->ordinal = 0;
        c->at = 0;
    }
    if (s == SINTER_OK)
        *out = c;
    else
        copy_end(c);
    return s;
}

void copy_end(collection_copy *c)
{
    if (!c) return;
    journal_reader_close(c->reader);
    arena_free(c->a);
    for (uint32_t i = 0; i < c->n_left_out; i++) free(c->left_out[i]);
    free(c->key);
    free(c);
}
