/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An item as the index holds it: per word one packed posting with its positions, keyword terms, words for spelling. */
#include "text_private.h"

#include <string.h>

/* A term while its document is read: weighted counts per group, positions in a chain of blocks. */
typedef struct draft {
    str term;
    uint64_t hash;
    double count[CONFIG_MAX_GROUPS];
    uint32_t *position;
    uint32_t n, cap;
} draft;

typedef struct builder {
    const text_analyzer *t;
    const text_layout *l;
    arena *a;
    draft *d;
    uint32_t n, cap;
    uint32_t *slot; /* [slots] index + 1 */
    uint32_t slots;
    uint32_t next[CONFIG_MAX_GROUPS]; /* position in each group */
    uint64_t *seen; /* [slots_seen] hashes of surfaces */
    uint32_t n_seen, cap_seen;
    text_document *out;
} builder;

static void rehash(builder *b)
{
    b->slots = b->slots ? b->slots * 2 : 256;
    b->slot = ARENA_ARRAY(b->a, uint32_t, b->slots);
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t at = (uint32_t)b->d[i].hash & (b->slots - 1);
        while (b->slot[at])
            at = (at + 1) & (b->slots - 1);
        b->slot[at] = i + 1;
    }
}

static draft *draft_of(builder *b, str term)
{
    if (b->n * 2 >= b->slots)
        rehash(b);
    uint64_t hash = hash64(term.s, term.n);
    uint32_t at = (uint32_t)hash & (b->slots - 1);
    for (; b->slot[at]; at = (at + 1) & (b->slots - 1)) {
        draft *d = &b->d[b->slot[at] - 1];
        if (d->hash == hash && str_eq(d->term, term))
            return d;
    }
    if (b->n == b->cap) {
        uint32_t cap = b->cap * 2 + 128;
        draft *fresh = arena_alloc(b->a, cap * sizeof *fresh);
        if (b->n)
            memcpy(fresh, b->d, b->n * sizeof *fresh);
        b->d = fresh;
        b->cap = cap;
    }
    b->slot[at] = b->n + 1;
    b->d[b->n] = (draft){.term = term, .hash = hash};
    return &b->d[b->n++];
}

static void add_position(builder *b, draft *d, uint32_t position)
{
    if (d->n && d->position[d->n - 1] == position)
        return;
    if (d->n == d->cap) {
        uint32_t cap = d->cap * 2 + 2;
        uint32_t *fresh = arena_alloc(b->a, cap * sizeof *fresh);
        if (d->n)
            memcpy(fresh, d->position, d->n * sizeof *fresh);
        d->position = fresh;
        d->cap = cap;
    }
    d->position[d->n++] = position;
}

/* Distinct words as written, so that spelling can offer them. */
static void add_surface(builder *b, str word)
{
    text_document *o = b->out;
    if (word.n < 3 || word.n > 40)
        return;
    uint64_t hash = hash64(word.s, word.n) | 1;
    if (b->n_seen * 2 >= b->cap_seen) {
        uint32_t cap = b->cap_seen ? b->cap_seen * 2 : 256;
        uint64_t *fresh = ARENA_ARRAY(b->a, uint64_t, cap);
        for (uint32_t i = 0; i < b->cap_seen; i++)
            for (uint32_t at = (uint32_t)(b->seen[i] >> 8) & (cap - 1); b->seen[i]; at = (at + 1) & (cap - 1))
                if (!fresh[at]) {
                    fresh[at] = b->seen[i];
                    break;
                }
        str *words = arena_alloc(b->a, (cap / 2 + 1) * sizeof *words);
        if (o->n_surfaces)
            memcpy(words, o->surface, o->n_surfaces * sizeof *words);
        b->seen = fresh;
        b->cap_seen = cap;
        o->surface = words;
    }
    uint32_t at = (uint32_t)(hash >> 8) & (b->cap_seen - 1);
    for (; b->seen[at]; at = (at + 1) & (b->cap_seen - 1))
        if (b->seen[at] == hash)
            return;
    b->seen[at] = hash;
    b->n_seen++;
    o->surface[o->n_surfaces++] = word;
}

static void add_text(builder *b, const config_field *f, str text)
{
    uint32_t g = f->group_index;
    const char *code = text_field_code(b->t->schema, f);
    text_tokens tokens = {0};
    text_tokenise(b->a, text_normalise(b->a, text), b->t->schema->units, &tokens);
    for (uint32_t i = 0; i < tokens.n; i++) {
        const text_token *k = &tokens.token[i];
        bool stemmed = k->kind == TOKEN_WORD || (k->kind == TOKEN_JOINED && !k->unit);
        str term = stemmed ? text_term(b->a, code, text_stem(code, k->text, b->a)) : text_term(b->a, TEXT_NO_LANGUAGE, k->text);
        draft *d = draft_of(b, term);
        d->count[g] += f->weight;
        uint64_t position = (uint64_t)b->next[g] + k->position;
        if (position < TEXT_GROUP_POSITIONS)
            add_position(b, d, g * TEXT_GROUP_POSITIONS + (uint32_t)position);
        if (stemmed && !k->unit)
            add_surface(b, k->text);
    }
    b->out->length[g] += f->weight * tokens.positions;
    uint64_t next = (uint64_t)b->next[g] + tokens.positions + TEXT_FIELD_GAP;
    b->next[g] = next < TEXT_GROUP_POSITIONS ? (uint32_t)next : TEXT_GROUP_POSITIONS;
}

static void add_keyword(builder *b, const char *field, str value)
{
    text_document *o = b->out;
    if ((o->n_keywords & (o->n_keywords + 1)) == 0) { /* grows at 0, 1, 3, 7 … */
        str *fresh = arena_alloc(b->a, (o->n_keywords * 2 + 2) * sizeof *fresh);
        if (o->n_keywords)
            memcpy(fresh, o->keyword, o->n_keywords * sizeof *fresh);
        o->keyword = fresh;
    }
    o->keyword[o->n_keywords++] = text_keyword_term(b->a, field, value);
}

static void add_value(builder *b, const config_field *f, const char *name, const char *text)
{
    str s = str_of(text);
    if (f->searchable)
        add_text(b, f, s);
    if (f->filterable && (f->type == FIELD_KEYWORD || f->type == FIELD_KEYWORDS))
        add_keyword(b, name, s);
}

static void add_field(builder *b, const char *name, const Sinter__V1__Value *v)
{
    const config_field *f = v ? text_field_of(b->t->schema, name) : NULL;
    if (!f || (f->type != FIELD_TEXT && f->type != FIELD_KEYWORD && f->type != FIELD_KEYWORDS))
        return;
    if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE)
        add_value(b, f, name, v->string_value);
    else if (v->kind_case == SINTER__V1__VALUE__KIND_STRINGS_VALUE && v->strings_value)
        for (size_t i = 0; i < v->strings_value->n_values; i++)
            add_value(b, f, name, v->strings_value->values[i]);
}

void text_document_of(const text_analyzer *t, const text_layout *l, const Sinter__V1__Item *item, arena *a, text_document *out)
{
    *out = (text_document){0};
    builder b = {.t = t, .l = l, .a = a, .out = out};
    for (size_t i = 0; i < item->n_fields; i++)
        add_field(&b, item->fields[i]->key, item->fields[i]->value);
    uint32_t level[CONFIG_MAX_GROUPS] = {0};
    for (uint32_t g = 0; g < l->n_groups; g++)
        level[g] = text_length_level(l, g, out->length[g]);
    out->posting = ARENA_ARRAY(a, text_posting, b.n + 1);
    for (uint32_t i = 0; i < b.n; i++) {
        draft *d = &b.d[i];
        text_posting *p = &out->posting[out->n++];
        *p = (text_posting){.term = d->term, .n_positions = d->n, .position = d->position};
        for (uint32_t g = 0; g < l->n_groups; g++)
            if (d->count[g] > 0)
                p->packed |= text_pack(l, g, d->count[g], level[g]);
    }
}
