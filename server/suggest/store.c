/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What can be completed, as the journal's records tell it: items with their texts and values, and what they are worth. */
#include "inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

/* ---- settings ---------------------------------------------------------------------------------------------------------- */

static void mix(settings *s, const void *p, size_t n)
{
    s->hash = hash64_seed(p, n, s->hash);
}

static bool is_text_field(const config_collection *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_fields; i++)
        if (strcmp(c->field[i].name, name) == 0) return c->field[i].type == FIELD_TEXT;
    return false;
}

bool settings_of(const suggest_source *from, settings *out)
{
    const config_collection *c = from->schema;
    *out = (settings){.number = from->number};
    if (!c->suggest.declared) return false;
    for (uint32_t i = 0; i < c->suggest.n_fields && i < MOST_FIELDS; i++) {
        out->field[out->n_fields] = xstrdup(c->suggest.field[i]);
        out->is_text[out->n_fields] = is_text_field(c, c->suggest.field[i]);
        mix(out, out->field[i], strlen(out->field[i]) + 1);
        mix(out, &out->is_text[out->n_fields++], sizeof(bool));
    }
    for (uint32_t i = 0; i < c->n_events; i++) {
        out->event[i] = xstrdup(c->event[i].name);
        out->weight[i] = c->event[i].by_value ? NAN : c->event[i].weight;
        mix(out, out->event[i], strlen(out->event[i]) + 1);
        mix(out, &out->weight[i], sizeof out->weight[i]);
    }
    out->n_events = c->n_events;
    out->queries = c->suggest.queries;
    out->recent = c->suggest.recent;
    out->min_users = c->suggest.min_users;
    out->half_life_ms = c->suggest.half_life_days * 86400e3;
    mix(out, &out->queries, sizeof out->queries);
    mix(out, &out->recent, sizeof out->recent);
    mix(out, &out->min_users, sizeof out->min_users);
    mix(out, &out->half_life_ms, sizeof out->half_life_ms);
    return true;
}

void settings_free(settings *s)
{
    for (uint32_t i = 0; i < s->n_fields; i++) free(s->field[i]);
    for (uint32_t i = 0; i < s->n_events; i++) free(s->event[i]);
}

/* ---- use --------------------------------------------------------------------------------------------------------------- */

void use_add(use *u, double weight, int64_t time_ms, double half_life_ms)
{
    if (time_ms >= u->time_ms) {
        u->value = use_at(u, time_ms, half_life_ms) + weight;
        u->time_ms = time_ms;
    } else {
        u->value += weight * exp2((double)(time_ms - u->time_ms) / half_life_ms);
    }
}

double use_at(const use *u, int64_t now_ms, double half_life_ms)
{
    return u->value == 0 || now_ms <= u->time_ms ? u->value : u->value * exp2((double)(u->time_ms - now_ms) / half_life_ms);
}

/* ---- words ------------------------------------------------------------------------------------------------------------- */

static uint32_t number_of(store *s, dictionary *d, uint32_t *count, str text)
{
    uint32_t number = dictionary_find(d, text);
    if (number != DICTIONARY_NONE) return number;
    dictionary_put(d, (*count)++, text, s->texts);
    return *count - 1;
}

uint32_t store_word(store *s, str word)
{
    return number_of(s, &s->words, &s->n_words, word);
}

void phrase_free(phrase *p)
{
    free(p->text);
    free(p->word);
    *p = (phrase){0};
}

/* A longer text ends at a word, and says so. */
static char *shown(str text)
{
    size_t n = text.n;
    if (n > MOST_TEXT) {
        n = MOST_TEXT - 3;
        while (n && text.s[n] != ' ' && (text.s[n] & 0xc0) != 0x80) n--;
        while (n && (text.s[n] & 0xc0) == 0x80) n--;
        return xasprintf("%.*s…", (int)n, text.s);
    }
    return xstrndup(text.s, n);
}

void phrase_set(store *s, phrase *p, str text, bool joined)
{
    str word[MOST_WORDS];
    phrase_free(p);
    arena_reset(s->scratch);
    uint32_t n = text_words(s->scratch, text, joined, word, MOST_WORDS);
    if (!n) return;
    p->text = shown(text);
    p->word = xmalloc(n * sizeof *p->word);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t w = store_word(s, word[i]), k = 0;
        while (k < p->n && p->word[k] != w) k++;
        if (k == p->n) p->word[p->n++] = w;
    }
}

/* ---- items ------------------------------------------------------------------------------------------------------------- */

static void *grown(void *rows, uint32_t *cap, uint32_t at, size_t width)
{
    if (at < *cap) return rows;
    uint32_t n = *cap ? *cap : 256;
    while (n <= at) n *= 2;
    rows = xrealloc(rows, n * width);
    memset((char *)rows + *cap * width, 0, (n - *cap) * width);
    *cap = n;
    return rows;
}

static item_row *row_of(store *s, str id)
{
    uint32_t known = s->n_ids, number = number_of(s, &s->ids, &s->n_ids, id);
    s->item = grown(s->item, &s->cap_items, number, sizeof *s->item);
    if (number >= known) s->item[number].ordinal = UINT32_MAX;
    return &s->item[number];
}

static void clear_row(const store *s, item_row *r)
{
    for (uint32_t i = 0; r->text && i < s->set.n_fields; i++) phrase_free(&r->text[i]);
    free(r->text);
    free(r->value);
    r->text = NULL;
    r->value = NULL;
    r->n_values = 0;
    r->ordinal = UINT32_MAX;
}

static void add_value(store *s, item_row *r, uint32_t field, const char *text)
{
    size_t n = strlen(text);
    if (!n || n > MOST_TEXT) return;
    char key[MOST_TEXT + 1];
    key[0] = (char)(field + 1);
    memcpy(key + 1, text, n);
    uint32_t known = s->n_values, number = number_of(s, &s->values, &s->n_values, (str){key, n + 1});
    s->value = grown(s->value, &s->cap_values, number, sizeof *s->value);
    if (number >= known) {
        s->value[number].field = field;
        phrase_set(s, &s->value[number].text, (str){text, n}, true);
    }
    for (uint32_t i = 0; i < r->n_values; i++)
        if (r->value[i] == number) return;
    r->value = xrealloc(r->value, (r->n_values + 1) * sizeof *r->value);
    r->value[r->n_values++] = number;
}

static void read_field(store *s, item_row *r, uint32_t field, const Sinter__V1__Value *v)
{
    if (!v) return;
    if (s->set.is_text[field]) {
        if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE) phrase_set(s, &r->text[field], str_of(v->string_value), true);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE) {
        add_value(s, r, field, v->string_value);
    } else if (v->kind_case == SINTER__V1__VALUE__KIND_STRINGS_VALUE && v->strings_value) {
        for (size_t i = 0; i < v->strings_value->n_values; i++) add_value(s, r, field, v->strings_value->values[i]);
    }
}

void store_put(store *s, uint32_t ordinal, const Sinter__V1__Item *item)
{
    if (!item || !item->id[0]) return;
    item_row *r = row_of(s, str_of(item->id));
    clear_row(s, r);
    r->ordinal = ordinal;
    r->text = xcalloc(s->set.n_fields + 1, sizeof *r->text);
    for (uint32_t f = 0; f < s->set.n_fields; f++)
        for (size_t i = 0; i < item->n_fields; i++)
            if (strcmp(item->fields[i]->key, s->set.field[f]) == 0) read_field(s, r, f, item->fields[i]->value);
    s->of_ordinal = grown(s->of_ordinal, &s->cap_ordinals, ordinal, sizeof *s->of_ordinal);
    s->of_ordinal[ordinal] = (uint32_t)(r - s->item) + 1;
    s->dirty = true;
}

void store_delete(store *s, uint32_t ordinal)
{
    uint32_t number = ordinal < s->cap_ordinals ? s->of_ordinal[ordinal] : 0;
    if (!number || s->item[number - 1].ordinal != ordinal) return;
    clear_row(s, &s->item[number - 1]);
    s->dirty = true;
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

void store_event(store *s, const Sinter__Storage__V1__Record *rec)
{
    const Sinter__V1__Event *event = rec->event_put->event;
    uint32_t type = 0;
    if (!event) return;
    while (type < s->set.n_events && strcmp(s->set.event[type], event->type) != 0) type++;
    if (type == s->set.n_events) return;
    int64_t time_ms = profile_event_time(rec);
    double weight = isnan(s->set.weight[type]) ? event->value : s->set.weight[type];
    if (time_ms > s->newest_ms) s->newest_ms = time_ms;
    for (size_t i = 0; i < event->n_item_ids && isfinite(weight) && weight > 0; i++) {
        str id = str_of(event->item_ids[i]);
        if (id.n && id.n <= 256) use_add(&row_of(s, id)->use, weight, time_ms, s->set.half_life_ms);
    }
    if (event->query[0] && event->n_item_ids)
        store_asked(s, &(asking){.query = str_of(event->query),
                                 .user_id = str_of(event->user_id),
                                 .session_id = str_of(event->session_id),
                                 .time_ms = time_ms,
                                 .weight = 1});
    s->dirty = true;
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

store *store_new(const settings *set)
{
    store *s = xcalloc(1, sizeof *s);
    s->set = *set;
    s->texts = arena_new(1u << 16);
    s->scratch = arena_new(1u << 12);
    s->dirty = true;
    return s;
}

void store_free(store *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->n_ids; i++) clear_row(s, &s->item[i]);
    for (uint32_t i = 0; i < s->n_values; i++) phrase_free(&s->value[i].text);
    queries_free(s);
    dictionary_free(&s->words);
    dictionary_free(&s->ids);
    dictionary_free(&s->values);
    free(s->item);
    free(s->value);
    free(s->of_ordinal);
    settings_free(&s->set);
    arena_free(s->texts);
    arena_free(s->scratch);
    free(s);
}
