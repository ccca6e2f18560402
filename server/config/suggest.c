/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a collection completes: suggest: {fields: [title, brand, category], queries: true}. */
#include "collection.h"

#include <stddef.h>
#include <string.h>

enum { FIELDS_MOST = 16, USERS_MOST = 16 };

typedef struct suggest_raw {
    config_suggest s;
    const conf_node *fields;
    uint64_t half_life_ns;
} suggest_raw;

#define AT(f) offsetof(suggest_raw, f)
static const walk_key SUGGEST_KEYS[] = {
    {"fields", WALK_NODE, AT(fields), NULL, 0, 0, NULL, true, "a list of at most 16 text, keyword or keywords fields: '[title, brand]'"},
    {"queries", WALK_BOOL, AT(s.queries), "true", 0, 0, NULL, false, "what was asked and found something is completed too"},
    {"min_users", WALK_U32, AT(s.min_users), "3", 1, USERS_MOST, NULL, false, "people who must have asked a query before others are offered it"},
    {"recent", WALK_BOOL, AT(s.recent), "false", 0, 0, NULL, false, "a person's own latest queries come first; the last 10 are kept"},
    {"half_life", WALK_DURATION, AT(half_life_ns), "30d", 60e9, 3650 * 86400e9, NULL, false, "time after which a use counts half"},
};
const walk_table WALK_SUGGEST = {"suggest", SUGGEST_KEYS, ARRAY_LEN(SUGGEST_KEYS), false};

static sinter_status read_field(const conf_node *at, config_collection *c, const char **field, sinter_error *e)
{
    sinter_status s = walk_is(at, CONF_SCALAR, "an entry of fields", e);
    if (s != SINTER_OK) return s;
    const config_field *f = collection_field(c, at, at->text, e);
    if (!f) return SINTER_INVALID;
    if (strchr(at->text, '*') || f->pattern)
        return conf_error(e, at, "declare the field by itself", "suggest takes no pattern: '%s'", at->text);
    if (f->type != FIELD_TEXT && f->type != FIELD_KEYWORD && f->type != FIELD_KEYWORDS)
        return conf_error(e, at, "name text, keyword and keywords fields", "suggest has '%s', a %s field", at->text, FIELD_TYPE_NAMES[f->type]);
    for (uint32_t i = 0; i < c->suggest.n_fields; i++)
        if (strcmp(field[i], at->text) == 0) return conf_error(e, at, "remove one", "suggest names '%s' twice", at->text);
    field[c->suggest.n_fields++] = at->text;
    return SINTER_OK;
}

sinter_status suggest_resolve(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e)
{
    suggest_raw r = {0};
    if (!raw->suggest) return SINTER_OK;
    sinter_status s = walk_map(raw->suggest, &WALK_SUGGEST, &r, a, e);
    if (s == SINTER_OK) s = walk_is(r.fields, CONF_LIST, "fields", e);
    if (s != SINTER_OK) return s;
    if (r.fields->n > FIELDS_MOST)
        return conf_error(e, r.fields, "keep those that people type", "%u fields are completed; at most %d", r.fields->n, FIELDS_MOST);
    const char **field = ARENA_ARRAY(a, const char *, r.fields->n + 1);
    c->suggest = r.s;
    c->suggest.declared = true;
    c->suggest.half_life_days = (double)r.half_life_ns / 86400e9;
    for (uint32_t i = 0; i < r.fields->n && s == SINTER_OK; i++) s = read_field(r.fields->value[i], c, field, e);
    c->suggest.field = field;
    return s;
}
