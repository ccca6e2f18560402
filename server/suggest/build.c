/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A set made of a store: entries sorted by use, their words sorted, who holds which and the other way round. */
#include "inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An entry before it has its place. */
typedef struct drafted {
    const phrase *text;
    double use;
    uint32_t item, field, count;
} drafted;

typedef struct drafts {
    drafted *d;
    uint32_t n, cap;
} drafts;

static void draft(drafts *l, const drafted *d)
{
    if (l->n == l->cap) l->d = xrealloc(l->d, (l->cap = l->cap ? 2 * l->cap : 256) * sizeof *l->d);
    l->d[l->n++] = *d;
}

/* ---- what there is ------------------------------------------------------------------------------------------------------- */

static void draft_items(const store *s, drafts *items, double *value_use, uint32_t *value_count)
{
    for (uint32_t i = 0; i < s->n_ids; i++) {
        const item_row *r = &s->item[i];
        if (r->ordinal == UINT32_MAX) continue;
        double used = use_at(&r->use, s->newest_ms, s->set.half_life_ms);
        for (uint32_t f = 0; f < s->set.n_fields; f++)
            if (r->text && r->text[f].text) draft(items, &(drafted){&r->text[f], used, r->ordinal, f, 0});
        for (uint32_t k = 0; k < r->n_values; k++) {
            value_use[r->value[k]] += 1 + used;
            value_count[r->value[k]]++;
        }
    }
}

static void draft_values(const store *s, drafts *values, const double *value_use, const uint32_t *value_count)
{
    for (uint32_t i = 0; i < s->n_values; i++)
        if (value_count[i] && s->value[i].text.text)
            draft(values, &(drafted){&s->value[i].text, value_use[i], UINT32_MAX, s->value[i].field, value_count[i]});
}

static bool is_offered(const store *s, const query_row *r)
{
    return r && !r->corrected && r->n_users >= s->set.min_users && r->text.text;
}

static void draft_queries(const store *s, drafts *queries)
{
    for (uint32_t i = 0; i < s->slots_queries; i++)
        if (is_offered(s, s->query[i]))
            draft(queries, &(drafted){&s->query[i]->text, use_at(&s->query[i]->use, s->newest_ms, s->set.half_life_ms), UINT32_MAX, 0, 0});
}

/* ---- an index of them ------------------------------------------------------------------------------------------------------ */

static int by_use(const void *x, const void *y)
{
    const drafted *p = x, *q = y;
    if (p->use != q->use) return p->use > q->use ? -1 : 1;
    int c = strcmp(p->text->text, q->text->text);
    if (c) return c;
    return p->item != q->item ? (p->item < q->item ? -1 : 1) : p->field < q->field ? -1 : p->field > q->field;
}

typedef struct numbered {
    const char *s;
    uint32_t n, number;
} numbered;

static int by_bytes(const void *x, const void *y)
{
    const numbered *p = x, *q = y;
    int c = memcmp(p->s, q->s, p->n < q->n ? p->n : q->n);
    return c ? c : p->n < q->n ? -1 : p->n > q->n;
}

/* The words that the entries use, sorted; rank[number in the store]: place among them. */
static void sort_words(const store *s, const drafts *l, arena *a, index_of *x, uint32_t *rank)
{
    uint32_t n = 0;
    memset(rank, 0xff, (s->n_words + 1) * sizeof *rank);
    for (uint32_t i = 0; i < l->n; i++)
        for (uint32_t k = 0; k < l->d[i].text->n; k++)
            if (rank[l->d[i].text->word[k]] == UINT32_MAX) rank[l->d[i].text->word[k]] = n++;
    numbered *w = xmalloc((n + 1) * sizeof *w);
    for (uint32_t i = 0; i < s->n_words; i++) {
        if (rank[i] == UINT32_MAX) continue;
        const dictionary_text *t = dictionary_get(&s->words, i);
        w[rank[i]] = (numbered){t->s, t->n, i};
    }
    if (n) qsort(w, n, sizeof *w, by_bytes);
    x->n_words = n;
    x->word = ARENA_ARRAY(a, str, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        rank[w[i].number] = i;
        x->word[i] = (str){arena_strndup(a, w[i].s, w[i].n), w[i].n};
    }
    free(w);
    words_compare(x, a);
}

static void place_words(const drafts *l, const uint32_t *rank, arena *a, index_of *x)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < l->n; i++) total += l->d[i].text->n;
    x->word_begin = ARENA_ARRAY(a, uint32_t, l->n + 1);
    x->words = arena_alloc(a, (total + 1) * sizeof *x->words);
    x->begin = ARENA_ARRAY(a, uint32_t, x->n_words + 2);
    x->posting = arena_alloc(a, (total + 1) * sizeof *x->posting);
    for (uint32_t i = 0, at = 0; i < l->n; i++) {
        x->word_begin[i] = at;
        for (uint32_t k = 0; k < l->d[i].text->n; k++) {
            x->words[at] = rank[l->d[i].text->word[k]];
            x->begin[x->words[at++] + 2]++;
        }
        x->word_begin[i + 1] = at;
    }
    for (uint32_t w = 0; w < x->n_words; w++) x->begin[w + 2] += x->begin[w + 1];
    for (uint32_t i = 0; i < l->n; i++) /* begin[w + 1] walks from where w begins to where it ends */
        for (uint32_t k = x->word_begin[i]; k < x->word_begin[i + 1]; k++) x->posting[x->begin[x->words[k] + 1]++] = i;
}

static void index_build(const store *s, drafts *l, arena *a, index_of *x, uint32_t *rank)
{
    if (l->n) qsort(l->d, l->n, sizeof *l->d, by_use);
    x->n = l->n;
    x->entry = ARENA_ARRAY(a, suggest_entry, l->n + 1);
    for (uint32_t i = 0; i < l->n; i++) {
        const drafted *d = &l->d[i];
        x->entry[i] = (suggest_entry){.text = str_of(arena_strdup(a, d->text->text)), .use = d->use, .item = d->item, .field = d->field, .count = d->count};
    }
    sort_words(s, l, a, x, rank);
    place_words(l, rank, a, x);
    free(l->d);
}

/* ---- people's own -------------------------------------------------------------------------------------------------------------- */

static int by_hash(const void *x, const void *y)
{
    uint64_t p = ((const recent_person *)x)->hash, q = ((const recent_person *)y)->hash;
    return p < q ? -1 : p > q;
}

static void build_recent(const store *s, suggest_set *out)
{
    uint32_t n = 0;
    out->person = ARENA_ARRAY(out->memory, recent_person, s->n_people + 1);
    out->recent_query = ARENA_ARRAY(out->memory, str, (size_t)s->n_people * RECENT + 1);
    for (uint32_t i = 0; i < s->slots_people; i++) {
        const person_row *p = s->person[i];
        if (!p) continue;
        recent_person *to = &out->person[out->n_people++];
        *to = (recent_person){.hash = p->hash, .first = n};
        for (uint32_t k = 0; k < p->n; k++) {
            const query_row *q = store_query(s, p->recent[k].query);
            if (q && q->text.text) out->recent_query[n++] = str_of(arena_strdup(out->memory, q->text.text));
        }
        to->n = n - to->first;
    }
    if (out->n_people) qsort(out->person, out->n_people, sizeof *out->person, by_hash);
}

suggest_set *set_build(const store *s)
{
    drafts l[SUGGEST_KINDS] = {0};
    double *value_use = xcalloc(s->n_values + 1, sizeof *value_use);
    uint32_t *value_count = xcalloc(s->n_values + 1, sizeof *value_count), *rank = xmalloc((s->n_words + 1) * sizeof *rank);
    draft_items(s, &l[SUGGEST_ITEM], value_use, value_count);
    draft_values(s, &l[SUGGEST_VALUE], value_use, value_count);
    draft_queries(s, &l[SUGGEST_QUERY]);
    arena *a = arena_new(1u << 16);
    suggest_set *out = ARENA_NEW(a, suggest_set);
    out->memory = a;
    for (int k = 0; k < SUGGEST_KINDS; k++) index_build(s, &l[k], a, &out->index[k], rank);
    for (uint32_t f = 0; f < s->set.n_fields; f++) out->field[f] = arena_strdup(a, s->set.field[f]);
    build_recent(s, out);
    out->bytes = arena_used(a);
    free(value_use);
    free(value_count);
    free(rank);
    return out;
}

void set_free(suggest_set *s)
{
    if (s) arena_free(s->memory);
}

const char *suggest_field(const suggest_set *s, uint32_t field)
{
    return field < MOST_FIELDS && s->field[field] ? s->field[field] : "";
}

uint64_t suggest_bytes(const suggest_set *s)
{
    return s->bytes;
}
