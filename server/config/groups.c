/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Field groups: at most four, because a posting packs one count and one length for each into 28 bits.
 *
 * A field that names a group is in it. The others get a group each, named like the field, while there is room; beyond,
 * the lightest share the last, "others". A group that the rule made takes its weight from its fields. */
#include "collection.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const walk_key GROUP_KEYS[] = {
    {"weight", WALK_DOUBLE, offsetof(config_group, weight), "1", 0, 1000, NULL, false,
     "of the group's words in the text score"},
    {"b", WALK_DOUBLE, offsetof(config_group, b), NULL, 0, 1, NULL, false,
     "length normalisation; default: the collection's"},
    {"count_bits", WALK_U32, offsetof(config_group, count_bits), "0", 0, 12, NULL, false,
     "of a posting for the count of a word; default: by the number of groups"},
    {"length_bits", WALK_U32, offsetof(config_group, length_bits), "0", 0, 8, NULL, false,
     "of a posting for the length; all groups' bits together: at most 28"},
};
const walk_table WALK_GROUP = {"a group", GROUP_KEYS, ARRAY_LEN(GROUP_KEYS), false};

static int find_group(const config_collection *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_groups; i++) {
        if (strcmp(c->group[i].name, name) == 0) return (int)i;
    }
    return -1;
}

static bool valid_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return n > 0 && !s[n] && n <= 64;
}

static sinter_status add_named(const collection_raw *raw, config_collection *c, const config_field *f,
                               const conf_node *at, sinter_error *e)
{
    if (find_group(c, f->group) >= 0) return SINTER_OK;
    if (!valid_name(f->group))
        return conf_error(e, at, "use letters, digits and _", "'%s' is not a group name", f->group);
    if (c->n_groups == CONFIG_MAX_GROUPS)
        return conf_error(e, at, "put it into one of them", "'%s' is the fifth group, after %s, %s, %s and %s",
                          f->group, c->group[0].name, c->group[1].name, c->group[2].name, c->group[3].name);
    c->group[c->n_groups++] = (config_group){.name = f->group, .weight = 1, .b = raw->b};
    return SINTER_OK;
}

static sinter_status collect_named(const collection_raw *raw, config_collection *c, config_field *field,
                                   sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < c->n_fields && s == SINTER_OK; i++) {
        if (field[i].searchable && field[i].group)
            s = add_named(raw, c, &field[i], conf_get(raw->fields->value[i], "group"), e);
    }
    return s;
}

static sinter_status check_bits(const conf_node *at, const config_collection *c, sinter_error *e)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < c->n_groups; i++)
        bits += c->group[i].count_bits + c->group[i].length_bits;
    if (bits <= 28) return SINTER_OK;
    return conf_error(e, at, "give fewer to some", "the groups ask for %u bits of a posting; there are 28", bits);
}

static sinter_status read_settings(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e)
{
    if (!raw->groups) return SINTER_OK;
    sinter_status s = walk_is(raw->groups, CONF_MAP, "groups", e);
    for (uint32_t i = 0; s == SINTER_OK && i < raw->groups->n; i++) {
        const conf_node *key = raw->groups->key[i];
        int g = find_group(c, key->text);
        if (g < 0) {
            const char *names[CONFIG_MAX_GROUPS];
            for (uint32_t k = 0; k < c->n_groups; k++)
                names[k] = c->group[k].name;
            return walk_unknown(key, "group", key->text, names, c->n_groups, e);
        }
        const char *name = c->group[g].name;
        double weight = c->group[g].weight;
        s = walk_map(raw->groups->value[i], &WALK_GROUP, &c->group[g], a, e);
        if (!conf_get(raw->groups->value[i], "weight")) c->group[g].weight = weight;
        c->group[g].name = name;
    }
    return s == SINTER_OK ? check_bits(raw->groups, c, e) : s;
}

/* Heavier first; of equal weight the earlier declared. */
static int by_weight(const void *a, const void *b)
{
    const config_field *x = *(config_field *const *)a, *y = *(config_field *const *)b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x < y ? -1 : x > y;
}
static int by_place(const void *a, const void *b)
{
    const config_field *x = *(config_field *const *)a, *y = *(config_field *const *)b;
    return x < y ? -1 : x > y;
}

/* Pattern names are no names for a group ("text.attributes.t_*" is no feature). */
static const char *group_name(const config_field *f, arena *a)
{
    char *s = arena_strdup(a, f->name);
    for (char *p = s; *p; p++) {
        if (*p == '.' || *p == '-') *p = '_';
        if (*p == '*') *p = p[1] ? '_' : '\0';
    }
    for (size_t n = strlen(s); n > 1 && s[n - 1] == '_'; n--)
        s[n - 1] = '\0';
    return s;
}

static sinter_status place_rest(const collection_raw *raw, config_collection *c, config_field **rest, uint32_t n,
                                arena *a, sinter_error *e)
{
    uint32_t room = CONFIG_MAX_GROUPS - c->n_groups, own = n <= room ? n : room ? room - 1 : 0;
    if (n && !room)
        return conf_error(e, rest[0]->at, "name one of them: 'group: …'",
                          "'%s' names no group, and the four are taken: %s, %s, %s, %s", rest[0]->name,
                          c->group[0].name, c->group[1].name, c->group[2].name, c->group[3].name);
    qsort(rest, n, sizeof *rest, by_weight);
    qsort(rest, own, sizeof *rest, by_place);
    for (uint32_t i = 0; i < n; i++) {
        config_field *f = rest[i];
        const char *name = i < own ? group_name(f, a) : "others";
        if (i <= own) {
            if (find_group(c, name) >= 0)
                return conf_error(e, f->at, "name another group: 'group: …'",
                                  "'%s' would get a group '%s', which is taken", f->name, name);
            c->group[c->n_groups++] = (config_group){.name = name, .weight = f->weight, .b = raw->b};
        }
        f->group = name;
        double whole = c->group[c->n_groups - 1].weight;
        f->weight = whole > 0 ? f->weight / whole : 1;
    }
    return SINTER_OK;
}

sinter_status groups_resolve(const collection_raw *raw, config_collection *c, arena *a, sinter_error *e)
{
    config_field *field = ARENA_ARRAY(a, config_field, c->n_fields);
    config_field **rest = ARENA_ARRAY(a, config_field *, c->n_fields);
    memcpy(field, c->field, c->n_fields * sizeof *field);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_fields; i++) {
        if (field[i].searchable && !field[i].group) rest[n++] = &field[i];
    }
    sinter_status s = collect_named(raw, c, field, e);
    if (s == SINTER_OK) s = place_rest(raw, c, rest, n, a, e);
    if (s == SINTER_OK) s = read_settings(raw, c, a, e);
    for (uint32_t i = 0; i < c->n_fields && s == SINTER_OK; i++) {
        if (field[i].searchable) field[i].group_index = (uint32_t)find_group(c, field[i].group);
    }
    c->field = field;
    return s;
}
