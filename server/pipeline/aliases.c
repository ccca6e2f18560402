/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names that mean a collection, newest record each: read from the journal at start, added to by SetAlias. Control thread only. */
#include "pipeline/pipeline.h"

#include <stdlib.h>
#include <string.h>

struct aliases {
    arena *memory;
    alias *first;
};

aliases *aliases_new(void)
{
    aliases *x = xcalloc(1, sizeof *x);
    x->memory = arena_new(1 << 10);
    return x;
}

void aliases_free(aliases *x)
{
    if (!x) return;
    arena_free(x->memory);
    free(x);
}

const alias *aliases_first(const aliases *x)
{
    return x ? x->first : NULL;
}

const char *aliases_target(const aliases *x, const char *name)
{
    if (name[0] == '=') return name + 1;
    for (const alias *a = aliases_first(x); a; a = a->next)
        if (strcmp(a->name, name) == 0) return a->collection;
    return name;
}

void aliases_add(aliases *x, const Sinter__Storage__V1__AliasSet *m, uint64_t sequence, int64_t time_ms)
{
    alias **at = &x->first;
    while (*at && strcmp((*at)->name, m->alias) < 0) at = &(*at)->next;
    if (*at && strcmp((*at)->name, m->alias) == 0) *at = (*at)->next;
    if (!m->collection[0]) return;
    alias *a = ARENA_NEW(x->memory, alias);
    *a = (alias){.name = arena_strdup(x->memory, m->alias),
                 .collection = arena_strdup(x->memory, m->collection),
                 .who = arena_strdup(x->memory, m->who),
                 .why = arena_strdup(x->memory, m->why),
                 .sequence = sequence,
                 .time_ms = time_ms,
                 .next = *at};
    *at = a;
}

sinter_status aliases_read(aliases *x, journal_reader *r, uint64_t last, sinter_error *e)
{
    arena *a = arena_new(1 << 10);
    sinter_status s = SINTER_OK;
    for (uint64_t i = 1; i <= last && s == SINTER_OK; i++) {
        str bytes;
        Sinter__Storage__V1__Record *rec;
        s = journal_get_bytes(r, i, &bytes, e);
        if (s == SINTER_NOT_FOUND) { /* sequences may have holes */
            s = SINTER_OK;
            continue;
        }
        if (s != SINTER_OK || journal_body(bytes) != SINTER__STORAGE__V1__RECORD__BODY_ALIAS_SET) continue;
        s = journal_get(r, i, a, &rec, e);
        if (s == SINTER_OK && rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ALIAS_SET)
            aliases_add(x, rec->alias_set, i, rec->time_ms);
        arena_reset(a);
    }
    arena_free(a);
    return s;
}
