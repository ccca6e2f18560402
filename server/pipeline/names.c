/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which collection a name means in a snapshot: its aliases first, so that one may hide a collection of its own name; and
 * what a reload changes of collections. */
#include "snapshot.h"

#include <string.h>

static uint32_t own_name(const snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_collections; i++)
        if (s->collection[i].schema && strcmp(s->collection[i].schema->name, name) == 0) return i;
    return UINT32_MAX;
}

uint32_t snapshot_collection(const snapshot *s, const char *name)
{
    if (name[0] == '=') return own_name(s, name + 1);
    for (uint32_t i = 0; i < s->n_aliases; i++)
        if (strcmp(s->alias[i].name, name) == 0) return s->alias[i].collection;
    return own_name(s, name);
}

const config_collection *snapshot_schema(const snapshot *s, uint32_t collection)
{
    return s->collection[collection].schema;
}

const char *snapshot_default(const snapshot *s, uint32_t collection)
{
    uint32_t k = s->collection[collection].default_pipeline;
    return k == UINT32_MAX ? NULL : s->pipeline[k].config->name;
}

const char *snapshot_alias(const snapshot *s, uint32_t collection, uint32_t *at)
{
    while (*at < s->n_aliases) {
        const snap_alias *a = &s->alias[(*at)++];
        if (a->collection == collection) return a->name;
    }
    return NULL;
}

void snapshot_take_aliases(snapshot *s, const aliases *x)
{
    uint32_t room = 0;
    for (const alias *a = aliases_first(x); a; a = a->next) room++;
    s->alias = ARENA_ARRAY(s->memory, snap_alias, room);
    for (const alias *a = aliases_first(x); a; a = a->next) {
        uint32_t target = own_name(s, a->collection);
        if (target == UINT32_MAX)
            log_warn("alias.lost", "the alias '%s' means '%s', which the configuration does not declare", a->name, a->collection);
        else
            s->alias[s->n_aliases++] = (snap_alias){arena_strdup(s->memory, a->name), target};
    }
}

uint32_t snapshot_names(const snapshot *s, const char **out, uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_aliases && n < most; i++) out[n++] = s->alias[i].name;
    for (uint32_t i = 0; i < s->n_collections && n < most; i++) {
        const config_collection *c = s->collection[i].schema;
        if (c && snapshot_collection(s, c->name) == i) out[n++] = c->name;
    }
    return n;
}

/* ---- changes, for people ---- */

static const config_field *field_named(const config_collection *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_fields; i++)
        if (strcmp(c->field[i].name, name) == 0) return &c->field[i];
    return NULL;
}

static void field_changes(const config_collection *was, const config_collection *is, buffer *out)
{
    for (uint32_t i = 0; i < is->n_fields; i++)
        if (!field_named(was, is->field[i].name))
            buffer_printf(out, "collection %s: field %s is new: filled from the stored items in the background\n", is->name,
                          is->field[i].name);
    for (uint32_t i = 0; i < was->n_fields; i++)
        if (!field_named(is, was->field[i].name))
            buffer_printf(out, "collection %s: field %s is gone; items keep what they have of it\n", is->name, was->field[i].name);
}

static const char *alias_target(const snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_aliases; i++)
        if (strcmp(s->alias[i].name, name) == 0) return s->collection[s->alias[i].collection].schema->name;
    return NULL;
}

static void alias_changes(const snapshot *was, const snapshot *is, buffer *out)
{
    for (uint32_t i = 0; i < is->n_aliases; i++) {
        const char *name = is->alias[i].name, *now = alias_target(is, name), *then = alias_target(was, name);
        if (!then)
            buffer_printf(out, "alias %s: now %s\n", name, now);
        else if (strcmp(then, now) != 0)
            buffer_printf(out, "alias %s: now %s, was %s\n", name, now, then);
    }
    for (uint32_t i = 0; i < was->n_aliases; i++)
        if (!alias_target(is, was->alias[i].name))
            buffer_printf(out, "alias %s: gone, was %s\n", was->alias[i].name, alias_target(was, was->alias[i].name));
}

void snapshot_collection_changes(const snapshot *was, const snapshot *is, buffer *out)
{
    alias_changes(was, is, out);
    for (uint32_t i = 0; i < is->config->n_collections; i++) {
        const config_collection *c = &is->config->collection[i], *before = config_find_collection(was->config, c->name);
        if (before)
            field_changes(before, c, out);
        else
            buffer_printf(out, "collection %s: new\n", c->name);
    }
    for (uint32_t i = 0; i < was->config->n_collections; i++)
        if (!config_find_collection(is->config, was->config->collection[i].name))
            buffer_printf(out, "collection %s: served no more; its items and events stay in the journal\n",
                          was->config->collection[i].name);
}
