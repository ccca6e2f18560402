/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of groups from the final order. A group stands where its best item stands; its other items follow it, in their order.
 * How many items of it match is counted in the walk over all matches, so it does not depend on what recall brought. */
#include "groups.h"

#include <stdio.h>
#include <string.h>

#define UNKEYED_SEED 0x616c6f6e65u

/* ---- the request ----------------------------------------------------------------------------------------------------- */

static sinter_status refuse_field(search *s, const char *what, sinter_error *e)
{
    const char *name = s->in->group_by, *near = catalog_near_field(s->collection->catalog, name);
    error_set(e, SINTER_INVALID, "group_by", "a keyword or integer field", "'%.200s' %s", name, what);
    if (near && !catalog_declared(s->collection->catalog, name)) error_fix(e, "did you mean '%s'?", near);
    return SINTER_INVALID;
}

sinter_status search_read_groups(search *s, sinter_error *e)
{
    const char *name = s->in->group_by;
    uint32_t size = s->in->group_size;
    if (!*name && size) return error_set(e, SINTER_INVALID, "group_size", "set group_by", "the size of no group");
    if (!*name) return SINTER_OK;
    const config_field *declared = catalog_declared(s->collection->catalog, name);
    if (!declared || strchr(name, '*')) return refuse_field(s, "is no field", e);
    if (declared->type == FIELD_KEYWORDS) return refuse_field(s, "may have several values", e);
    if (declared->type != FIELD_KEYWORD && declared->type != FIELD_INTEGER) return refuse_field(s, "has no values to group by", e);
    if (size > GROUP_MAX_SIZE) return error_set(e, SINTER_INVALID, "group_size", "at most 100", "group_size is %u", size);
    if (size > 1 && size * s->page_size > SEARCH_MAX_PAGE)
        return error_set(e, SINTER_INVALID, "group_size", "page_size × group_size is at most 1000", "%u lines of %u hits", s->page_size, size);
    grouping *g = s->groups = ARENA_NEW(s->a, grouping);
    g->field = catalog_find_field(s->collection->catalog, name);
    g->column = catalog_column(s->set, name);
    g->words = declared->type == FIELD_KEYWORD;
    g->size = size ? size : 1;
    tally_init(&g->number, s->a);
    return SINTER_OK;
}

/* ---- counting -------------------------------------------------------------------------------------------------------- */

static void grow(search *s, grouping *g)
{
    uint32_t cap = 2 * g->cap + 256;
    uint64_t *key = arena_alloc(s->a, cap * sizeof *key);
    uint32_t *matches = arena_alloc(s->a, cap * sizeof *matches), *best = arena_alloc(s->a, cap * sizeof *best);
    if (g->n) {
        memcpy(key, g->key, g->n * sizeof *key);
        memcpy(matches, g->matches, g->n * sizeof *matches);
        memcpy(best, g->best, g->n * sizeof *best);
    }
    g->key = key;
    g->matches = matches;
    g->best = best;
    g->cap = cap;
}

uint32_t group_of(search *s, uint32_t item)
{
    grouping *g = s->groups;
    uint64_t key;
    if (!group_key(g, item, &key)) return UINT32_MAX;
    uint32_t at = tally_slot(&g->number, key);
    if (g->number.count[at]) return g->number.count[at] - 1;
    if (g->n == g->cap) grow(s, g);
    g->key[g->n] = key;
    g->matches[g->n] = 0;
    g->best[g->n] = item;
    g->number.count[at] = ++g->n;
    return g->n - 1;
}

uint32_t group_known(const grouping *g, uint32_t item)
{
    uint64_t key;
    return group_key(g, item, &key) ? tally_of(&g->number, key) - 1 : UINT32_MAX; /* 0 - 1: unknown */
}

void search_count_groups(search *s, const uint32_t *item, uint32_t n)
{
    grouping *g = s->groups;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = group_of(s, item[i]);
        if (k == UINT32_MAX)
            g->alone++;
        else
            g->matches[k]++;
    }
}

uint64_t group_mark(const search *s, uint32_t item)
{
    const grouping *g = s->groups;
    uint64_t key;
    if (!group_key(g, item, &key)) return hash64_seed(&item, sizeof item, UNKEYED_SEED);
    if (!g->words) return hash64(&key, sizeof key);
    size_t n;
    const char *text = catalog_keyword_text(s->collection->catalog, g->field, (uint32_t)key, &n);
    return hash64(text, n);
}

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

typedef struct line {
    entry *member; /* [size] */
    uint32_t n, group;
    uint64_t mark;
} line;

typedef struct lines {
    search *s;
    line *line; /* of this page, [page_size] */
    uint32_t n, skip, passed; /* lines before the page that were to be passed by, and were */
    tally at;   /* of a group: the place of its line + 1; PASSED: before the page; BEHIND: after it */
    tally marks; /* of the cursor */
    bool more;
} lines;

#define PASSED (UINT32_MAX - 1)
#define BEHIND UINT32_MAX

static bool shown_before(const lines *l, uint64_t mark)
{
    return l->s->n_group_marks && tally_of(&l->marks, mark) > 0;
}

/* Where the line of a new group goes. */
static uint32_t open_line(lines *l, const entry *e, uint32_t group)
{
    search *s = l->s;
    uint64_t mark = group_mark(s, e->item);
    if (shown_before(l, mark)) return PASSED;
    if (l->passed < l->skip) {
        l->passed++;
        return PASSED;
    }
    if (l->n == s->page_size) {
        l->more = true;
        return BEHIND;
    }
    l->line[l->n] = (line){ARENA_ARRAY(s->a, entry, s->groups->size), 0, group, mark};
    return ++l->n;
}

static void add_entry(lines *l, const entry *e)
{
    uint32_t group = group_of(l->s, e->item), at;
    if (group == UINT32_MAX) {
        at = open_line(l, e, group);
    } else {
        uint32_t slot = tally_slot(&l->at, group);
        if (l->at.count[slot] == 0) l->at.count[slot] = open_line(l, e, group);
        at = l->at.count[slot];
    }
    if (at == PASSED || at == BEHIND) return;
    line *x = &l->line[at - 1];
    if (x->n < l->s->groups->size) x->member[x->n++] = *e;
}

static void read_list(search *s, lines *l)
{
    *l = (lines){.s = s, .line = ARENA_ARRAY(s->a, line, s->page_size + 1), .skip = s->offset};
    tally_init(&l->at, s->a);
    if (s->n_group_marks) tally_init(&l->marks, s->a);
    for (uint32_t i = 0; i < s->n_group_marks; i++) tally_add(&l->marks, s->group_mark[i]);
    for (uint32_t i = 0; i < s->n_list; i++) add_entry(l, &s->list[i]);
}

/* ---- items of a line that recall did not bring --------------------------------------------------------------------------- */

static bool is_short(const search *s, const line *x)
{
    return x->group != UINT32_MAX && x->n < s->groups->size && s->groups->matches[x->group] > x->n;
}

typedef struct wanting {
    search *s;
    tally groups; /* whose lines are short */
} wanting;

static uint32_t keep_wanted(void *ctx, uint32_t *item, uint32_t n)
{
    wanting *w = ctx;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t group = group_known(w->s->groups, item[i]);
        if (group != UINT32_MAX && tally_of(&w->groups, group)) item[kept++] = item[i];
    }
    return kept;
}

static bool listed(const search *s, uint32_t item)
{
    for (uint32_t i = 0; i < s->n_list; i++)
        if (s->list[i].item == item) return true;
    for (uint32_t i = 0; i < s->n_hidden; i++)
        if (s->hidden[i] == item) return true;
    return false;
}

/* They follow in the text source's order. */
static sinter_status fill_lines(search *s, lines *l, sinter_error *e)
{
    wanting w = {.s = s};
    tally_init(&w.groups, s->a);
    uint64_t most = 0;
    for (uint32_t i = 0; i < l->n; i++)
        if (is_short(s, &l->line[i])) {
            tally_add(&w.groups, l->line[i].group);
            most += s->groups->matches[l->line[i].group];
        }
    if (most == 0) return SINTER_OK;
    text_hits hits;
    sinter_status st = search_text_kept(s, most < SEARCH_MAX_REACH ? (uint32_t)most : SEARCH_MAX_REACH, keep_wanted, &w, &hits, e);
    if (st) return st;
    for (uint32_t i = 0; i < hits.n; i++) {
        uint32_t at = tally_of(&l->at, group_known(s->groups, hits.item[i]));
        line *x = at == 0 || at == PASSED || at == BEHIND ? NULL : &l->line[at - 1];
        if (x && x->n < s->groups->size && !listed(s, hits.item[i]))
            x->member[x->n++] = (entry){hits.item[i], UINT32_MAX, hits.score[i], 0};
    }
    return SINTER_OK;
}

/* ---- the page -------------------------------------------------------------------------------------------------------- */

/* The cursor that continues behind this page: every line shown so far. */
static void next_cursor(search *s, const lines *l)
{
    uint32_t before = s->n_group_marks + l->passed;
    if (!l->more || l->n == 0 || before + l->n > SEARCH_CURSOR_ITEMS) return;
    uint64_t *mark = arena_alloc(s->a, (before + l->n) * sizeof *mark);
    uint32_t n = 0;
    tally passed;
    tally_init(&passed, s->a);
    for (uint32_t i = 0; i < s->n_group_marks; i++) mark[n++] = s->group_mark[i];
    for (uint32_t i = 0; n < before && i < s->n_list; i++) { /* lines before the offset, in their order */
        uint64_t m = group_mark(s, s->list[i].item);
        uint32_t slot = tally_slot(&passed, m);
        if (passed.count[slot]++ == 0) mark[n++] = m;
    }
    for (uint32_t i = 0; i < l->n; i++) mark[n++] = l->line[i].mark;
    s->out->cursor = cursor_groups(s->a, cursor_question(s->in), mark, n);
}

static void write_page(search *s, const lines *l)
{
    grouping *g = s->groups;
    uint32_t before = s->n_group_marks + s->offset;
    s->page = arena_alloc(s->a, ((size_t)l->n * g->size + 1) * sizeof *s->page);
    g->hit = arena_alloc(s->a, ((size_t)l->n * g->size + 1) * sizeof *g->hit);
    for (uint32_t i = 0; i < l->n; i++)
        for (uint32_t k = 0; k < l->line[i].n; k++) {
            g->hit[s->n_page] = (group_of_hit){l->line[i].group, before + i + 1};
            s->page[s->n_page++] = l->line[i].member[k];
        }
}

/* A list that does not hold enough lines is lengthened once, as far as lists go. */
sinter_status search_group_page(search *s, sinter_error *e)
{
    lines l;
    sinter_status st = search_count(s, e);
    if (st) return st;
    s->groups->lines = s->groups->n + s->groups->alone;
    read_list(s, &l);
    if (!l.more && s->groups->lines > (uint64_t)s->offset + s->n_group_marks + l.n && search_may_lengthen(s)) {
        if ((st = search_lengthen(s, SEARCH_MAX_REACH, e))) return st;
        read_list(s, &l);
    }
    if (s->groups->size > 1 && !search_late(s) && (st = fill_lines(s, &l, e))) return st;
    write_page(s, &l);
    next_cursor(s, &l);
    return SINTER_OK;
}

uint32_t search_position(const search *s, uint32_t hit, uint32_t skipped)
{
    return s->groups ? s->groups->hit[hit].line : skipped + hit + 1;
}

void search_answer_groups(search *s)
{
    const grouping *g = s->groups;
    if (!g) return;
    s->out->groups = g->lines;
    for (uint32_t i = 0; i < s->n_page; i++) {
        Sinter__V1__Hit *hit = s->out->hits[i];
        uint32_t k = g->hit[i].group;
        hit->group_line = g->hit[i].line;
        hit->group_matches = 1;
        if (k == UINT32_MAX) continue;
        hit->group_key = g->words ? search_word_value(s, g->field, (uint32_t)g->key[k]) : search_integer_value(s, (int64_t)g->key[k]);
        hit->group_matches = g->matches[k] ? g->matches[k] : 1; /* another source than words brought it */
    }
}
