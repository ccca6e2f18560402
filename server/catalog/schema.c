/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Collections and their fields: declared ones from the start, a pattern's when an item first brings a name.
 *
 * Fields are found by name without locks in a table of fixed size (never more than half full); they are made under one
 * lock, which is taken only when a name is new. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static bool matches(const char *pattern, const char *name) {
    const char *star = NULL, *back = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            back = name;
        } else if (*pattern == *name) {
            pattern++, name++;
        } else if (star) {
            pattern = star;
            name = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static const config_field *declared_by(const config_collection *s, const char *name) {
    const config_field *found = NULL;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        const config_field *f = &s->field[i];
        if (!f->pattern && strcmp(f->name, name) == 0) return f; /* a whole name beats a pattern */
        if (!found && f->pattern && matches(f->name, name)) found = f;
    }
    return found;
}

const config_field *catalog_declared(const catalog_collection *c, const char *name) {
    return declared_by(c->schema, name);
}

/* Also one that is gone. */
static const catalog_field *find_any(const catalog_collection *c, const char *name) {
    uint64_t h = hash64(name, strlen(name));
    for (uint32_t i = (uint32_t)h & (FIELD_SLOTS - 1);; i = (i + 1) & (FIELD_SLOTS - 1)) {
        const catalog_field *f = atomic_load_explicit(&c->by_name[i], memory_order_acquire);
        if (!f || strcmp(f->name, name) == 0) return f;
    }
}

const catalog_field *catalog_find_field(const catalog_collection *c, const char *name) {
    const catalog_field *f = find_any(c, name);
    return f && !f->gone ? f : NULL;
}

/* Under the lock; the name is new and there is room. */
static const catalog_field *make_field(catalog_collection *c, const char *name, const config_field *declared) {
    uint32_t number = atomic_load_explicit(&c->n_fields, memory_order_relaxed);
    catalog_field *f = ARENA_NEW(c->names, catalog_field);
    *f = (catalog_field){.name = arena_strdup(c->names, name),
                         .declared = declared,
                         .type = declared->type,
                         .number = number,
                         .column = NO_COLUMN,
                         .from_pattern = declared->pattern};
    if (f->type != FIELD_TEXT) {
        f->column = atomic_load_explicit(&c->n_columns, memory_order_relaxed);
        atomic_store_explicit(&c->by_column[f->column], f, memory_order_release);
        atomic_store_explicit(&c->n_columns, f->column + 1, memory_order_release);
    }
    atomic_store_explicit(&c->by_number[number], f, memory_order_release);
    atomic_store_explicit(&c->n_fields, number + 1, memory_order_release);
    uint32_t i = (uint32_t)hash64(name, strlen(name)) & (FIELD_SLOTS - 1);
    while (atomic_load_explicit(&c->by_name[i], memory_order_relaxed))
        i = (i + 1) & (FIELD_SLOTS - 1);
    atomic_store_explicit(&c->by_name[i], f, memory_order_release);
    return f;
}

bool schema_make_fields(catalog_collection *c, const char *const *name, const config_field *const *declared, uint32_t n) {
    pthread_mutex_lock(&c->lock);
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < n; i++)
        fresh += !find_any(c, name[i]);
    bool room = atomic_load_explicit(&c->n_fields, memory_order_relaxed) + fresh <= CATALOG_MAX_FIELDS;
    for (uint32_t i = 0; room && i < n; i++) {
        if (!find_any(c, name[i])) make_field(c, name[i], declared[i]);
    }
    pthread_mutex_unlock(&c->lock);
    return room;
}

/* ---- another declaration -------------------------------------------------------------------------------------------- */

static sinter_status refuse_type(const catalog_field *f, const config_field *is, sinter_error *e) {
    conf_error(e, is->at, "take another name, or restart with 'sinter serve --rebuild-index'",
               "the field '%s' is of type %s, and its column of type %s", f->name, FIELD_TYPE_NAMES[is->type], FIELD_TYPE_NAMES[f->type]);
    if (e) e->status = SINTER_PRECONDITION;
    return SINTER_PRECONDITION;
}

sinter_status catalog_adoptable(const catalog_collection *c, const config_collection *schema, sinter_error *e) {
    uint32_t n = atomic_load_explicit(&c->n_fields, memory_order_acquire), fresh = 0;
    for (uint32_t i = 0; i < n; i++) {
        const catalog_field *f = atomic_load_explicit(&c->by_number[i], memory_order_acquire);
        const config_field *was = f->declared, *is = declared_by(schema, f->name);
        if (is && (is->type != f->type || (f->type == FIELD_VECTOR && is->dimension != was->dimension))) return refuse_type(f, is, e);
    }
    for (uint32_t i = 0; i < schema->n_fields; i++)
        fresh += !schema->field[i].pattern && !find_any(c, schema->field[i].name);
    if (n + fresh <= CATALOG_MAX_FIELDS) return SINTER_OK;
    return error_set(e, SINTER_PRECONDITION, schema->file, "declare fewer, or restart the server, which drops fields that are no longer used",
                     "the collection has %u fields, and %u more are declared; at most %u fit", n, fresh, CATALOG_MAX_FIELDS);
}

void catalog_adopt(catalog_collection *c, const config_collection *schema) {
    pthread_mutex_lock(&c->lock);
    c->schema = schema;
    uint32_t n = atomic_load_explicit(&c->n_fields, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        catalog_field *f = (catalog_field *)(uintptr_t)atomic_load_explicit(&c->by_number[i], memory_order_acquire);
        const config_field *is = declared_by(schema, f->name);
        if (is) f->declared = is;
        if (is) f->from_pattern = is->pattern;
        f->gone = !is;
    }
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const config_field *f = &schema->field[i];
        if (!f->pattern && !find_any(c, f->name)) make_field(c, f->name, f);
    }
    pthread_mutex_unlock(&c->lock);
}

const catalog_field *schema_resolve(catalog_collection *c, const char *name, bool *full) {
    *full = false;
    const catalog_field *f = catalog_find_field(c, name);
    if (f) return f;
    const config_field *declared = catalog_declared(c, name);
    if (!declared) return NULL;
    *full = !schema_make_fields(c, &name, &declared, 1);
    return *full ? NULL : catalog_find_field(c, name);
}

uint32_t catalog_fields(const catalog_collection *c, const catalog_field **out) {
    uint32_t n = atomic_load_explicit(&c->n_fields, memory_order_acquire), live = 0;
    for (uint32_t i = 0; i < n; i++) {
        const catalog_field *f = atomic_load_explicit(&c->by_number[i], memory_order_acquire);
        if (!f->gone) out[live++] = f;
    }
    return live;
}

const char *catalog_near_field(const catalog_collection *c, const char *name) {
    uint32_t n = atomic_load_explicit(&c->n_fields, memory_order_acquire);
    const char **names = xcalloc(n + 1, sizeof *names);
    uint32_t live = 0;
    for (uint32_t i = 0; i < n; i++) {
        const catalog_field *f = atomic_load_explicit(&c->by_number[i], memory_order_acquire);
        if (!f->gone) names[live++] = f->name;
    }
    const char *near = near_name(name, names, live);
    free(names);
    return near;
}

sinter_status catalog_open(const config_collection *schema, uint32_t number, const char *uuid, epoch_domain *epochs,
                           catalog_collection **out, sinter_error *e) {
    uint32_t plain = 0;
    for (uint32_t i = 0; i < schema->n_fields; i++)
        plain += !schema->field[i].pattern;
    if (plain > CATALOG_MAX_FIELDS)
        return error_set(e, SINTER_INVALID, schema->file, "declare at most 2,000 fields a collection",
                         "collection \"%s\" declares %u fields", schema->name, plain);
    catalog_collection *c = xcalloc(1, sizeof *c);
    c->schema = schema;
    c->number = number;
    for (size_t i = 0; uuid && uuid[i] && i + 1 < sizeof c->uuid; i++)
        c->uuid[i] = uuid[i];
    c->epochs = epochs;
    pthread_mutex_init(&c->lock, NULL);
    c->names = arena_new(4096);
    c->texts = arena_new(64 << 10);
    c->scratch = arena_new(16 << 10);
    c->alive.words = CHUNK_WORDS;
    c->record.words = SINTER_CHUNK_ROWS;
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const config_field *f = &schema->field[i];
        if (!f->pattern && !find_any(c, f->name)) make_field(c, f->name, f);
    }
    catalog_publish(c, 0);
    *out = c;
    return SINTER_OK;
}

void catalog_close(catalog_collection *c) {
    if (!c) return;
    for (uint32_t i = 0; i < c->n_live_columns; i++)
        column_free(c->live[i]);
    word_rows_free(&c->alive);
    word_rows_free(&c->record);
    for (size_t i = 0; i < c->n_replaced; i++)
        c->replaced[i].free_fn(c->replaced[i].p, NULL);
    free(c->replaced);
    free(c->list.id);
    free((void *)atomic_load(&c->current));
    dictionaries_free(c);
    arena_free(c->names);
    arena_free(c->texts);
    arena_free(c->scratch);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const config_collection *catalog_schema(const catalog_collection *c) {
    return c->schema;
}

uint32_t catalog_number(const catalog_collection *c) {
    return c->number;
}

const char *catalog_uuid(const catalog_collection *c) {
    return c->uuid;
}

const char *catalog_name(const catalog_collection *c) {
    const config_collection *s = c->schema;
    return s->name;
}
