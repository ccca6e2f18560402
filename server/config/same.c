/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a text index built for one declaration serves another: weights, k1 and b act at query time, the rest stands
 * in the postings. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

static sinter_status differs(sinter_error *e, const conf_node *at, const char *what, const char *was, const char *is)
{
    conf_error(e, at, "undo the change, or restart with 'sinter serve --rebuild-index'",
               "%s was %s and is %s: the text index does not serve both", what, was, is);
    if (e) e->status = SINTER_PRECONDITION;
    return SINTER_PRECONDITION;
}

static const config_field *find(const config_collection *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_fields; i++) {
        if (strcmp(c->field[i].name, name) == 0) return &c->field[i];
    }
    return NULL;
}

static const char *yes(bool b)
{
    return b ? "true" : "false";
}

static sinter_status same_field(const config_field *was, const config_field *is, sinter_error *e)
{
    char what[300];
    const struct {
        const char *key, *was, *is;
    } PAIRS[] = {
        {"type", FIELD_TYPE_NAMES[was->type], FIELD_TYPE_NAMES[is->type]},
        {"searchable", yes(was->searchable), yes(is->searchable)},
        {"filterable", yes(was->filterable), yes(is->filterable)},
        {"group", was->searchable ? was->group : "", is->searchable ? is->group : ""},
        {"language", was->searchable ? was->language : "", is->searchable ? is->language : ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(PAIRS); i++) {
        if (strcmp(PAIRS[i].was, PAIRS[i].is) == 0) continue;
        snprintf(what, sizeof what, "%s of '%s'", PAIRS[i].key, is->name);
        return differs(e, is->at, what, PAIRS[i].was, PAIRS[i].is);
    }
    if (is->searchable && was->weight != is->weight) {
        char a[32], b[32];
        snprintf(what, sizeof what, "the weight of '%s' within its group", is->name);
        snprintf(a, sizeof a, "%g", was->weight);
        snprintf(b, sizeof b, "%g", is->weight);
        return differs(e, is->at, what, a, b);
    }
    return SINTER_OK;
}

static sinter_status same_groups(const config_collection *was, const config_collection *is, sinter_error *e)
{
    char a[16], b[16];
    snprintf(a, sizeof a, "%u", was->n_groups);
    snprintf(b, sizeof b, "%u", is->n_groups);
    if (was->n_groups != is->n_groups) return differs(e, is->at, "the number of field groups", a, b);
    for (uint32_t i = 0; i < is->n_groups; i++) {
        const config_group *x = &was->group[i], *y = &is->group[i];
        if (strcmp(x->name, y->name) != 0) return differs(e, is->at, "a field group", x->name, y->name);
        if (x->count_bits != y->count_bits || x->length_bits != y->length_bits)
            return differs(e, is->at, "the width of a field group", x->name, "another");
    }
    return SINTER_OK;
}

sinter_status config_same_index(const config_collection *was, const config_collection *is, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < was->n_fields && s == SINTER_OK; i++) {
        const config_field *f = find(is, was->field[i].name);
        if (f)
            s = same_field(&was->field[i], f, e);
        else if (was->field[i].searchable)
            s = differs(e, is->at, was->field[i].name, "searchable", "gone");
    }
    if (s == SINTER_OK) s = same_groups(was, is, e);
    if (s == SINTER_OK && was->units != is->units) s = differs(e, is->at, "units", yes(was->units), yes(is->units));
    return s;
}

static bool same_string(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool config_same_fields(const config_collection *was, const config_collection *is)
{
    if (was->n_fields != is->n_fields || was->n_languages != is->n_languages) return false;
    for (uint32_t i = 0; i < was->n_languages; i++)
        if (strcmp(was->language[i], is->language[i]) != 0) return false;
    for (uint32_t i = 0; i < was->n_fields; i++) {
        const config_field *a = &was->field[i], *b = &is->field[i];
        bool flags = a->searchable == b->searchable && a->filterable == b->filterable && a->sortable == b->sortable &&
                     a->stored == b->stored && a->required == b->required;
        if (strcmp(a->name, b->name) != 0 || a->type != b->type || !flags || a->group_index != b->group_index ||
            a->weight != b->weight || a->dimension != b->dimension || !same_string(a->language, b->language))
            return false;
    }
    return true;
}

/* ---- stages ------------------------------------------------------------------------------------------------------------------ */

static bool same_node(const conf_node *a, const conf_node *b)
{
    if (a->kind != b->kind || a->n != b->n) return false;
    if (a->kind == CONF_SCALAR) return a->quoted == b->quoted && same_string(a->text, b->text);
    for (uint32_t i = 0; i < a->n; i++) {
        const conf_node *other = a->kind == CONF_MAP ? conf_get(b, a->key[i]->text) : b->value[i];
        if (!other || !same_node(a->value[i], other)) return false;
    }
    return true;
}

static bool is_budget(const conf_node *key)
{
    return strcmp(key->text, "budget") == 0;
}

/* All that the YAML says of a use but its budget. */
static bool same_options(const conf_node *a, const conf_node *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) n += !is_budget(b->key[i]);
    for (uint32_t i = 0; i < a->n; i++) {
        if (is_budget(a->key[i])) continue;
        const conf_node *other = conf_get(b, a->key[i]->text);
        if (!other || !same_node(a->value[i], other)) return false;
        n--;
    }
    return n == 0;
}

bool config_same_rankers(const config_stage *a, const config_stage *b)
{
    if (a->n_rank != b->n_rank) return false;
    for (uint32_t i = 0; i < a->n_rank; i++) {
        const config_use *x = &a->rank[i], *y = &b->rank[i];
        if (!same_string(x->name, y->name) || !same_string(x->path, y->path) || !x->options != !y->options) return false;
        if (x->options && !same_options(x->options, y->options)) return false;
    }
    return true;
}
