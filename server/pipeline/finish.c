/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finishers edit the first 200 of the list: hide, move, scale, label as they come; one re-sorting after the last scale; pins and
 * inserts last, lowest position first, so that they hold their places. Each edit goes into the ledger. */
#include "search.h"

#include <stdlib.h>
#include <string.h>

typedef struct held {
    entry entry;
    uint32_t position, order; /* 1-based; order of the edit */
    rule_mark *mark;
} held;

/* The list being edited; room for one insertion an edit. */
typedef struct editing {
    search *s;
    entry *list;
    uint32_t n;
    held *held;
    uint32_t n_held;
    const char *stage;
} editing;

static uint32_t find(const editing *x, uint32_t item)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (x->list[i].item == item) return i;
    return UINT32_MAX;
}

static entry take(editing *x, uint32_t at)
{
    entry e = x->list[at];
    memmove(&x->list[at], &x->list[at + 1], (x->n - at - 1) * sizeof e);
    x->n--;
    return e;
}

static void put(editing *x, entry e, uint32_t position)
{
    uint32_t at = position == 0 ? 0 : position - 1 < x->n ? position - 1 : x->n;
    memmove(&x->list[at + 1], &x->list[at], (x->n - at) * sizeof e);
    x->list[at] = e;
    x->n++;
}

static void hide(editing *x, uint32_t at)
{
    search *s = x->s;
    s->hidden[s->n_hidden++] = x->list[at].item;
    take(x, at);
}

static void hold(editing *x, entry e, const plugin_edit *edit, rule_mark *mark)
{
    for (uint32_t i = 0; i < x->n_held; i++)
        if (x->held[i].entry.item == e.item) return; /* the first, of the highest priority, stands */
    x->held[x->n_held] = (held){e, edit->position, x->n_held, mark};
    x->n_held++;
}

/* An item may be brought in only if it lives and passes the request's filter. */
static bool insertable(const search *s, uint32_t item)
{
    return catalog_is_live(s->set, item) && (!s->filter || filter_test(s->filter, s->set, item));
}

static void apply(editing *x, const plugin_edit *edit)
{
    search *s = x->s;
    uint32_t at = find(x, edit->item);
    bool absent = at == UINT32_MAX;
    if (absent && !(edit->kind == PLUGIN_INSERT && insertable(s, edit->item))) return;
    rule_mark *m = search_rule(s, edit->item, edit->rule, PLUGIN_EDIT_NAMES[edit->kind], edit->text, x->stage);
    m->rank_before = absent ? 0 : at + 1;
    switch (edit->kind) {
    case PLUGIN_HIDE: hide(x, at); break;
    case PLUGIN_MOVE: put(x, take(x, at), edit->position); break;
    case PLUGIN_SCALE: /* a boost never buries: a score below zero is divided */
        x->list[at].score *= (float)(x->list[at].score < 0 && edit->factor != 0 ? 1 / edit->factor : edit->factor);
        break;
    case PLUGIN_PIN: hold(x, x->list[at], edit, m); break;
    case PLUGIN_INSERT: hold(x, absent ? (entry){edit->item, UINT32_MAX, 0, 0} : x->list[at], edit, m); break;
    default: break; /* a label only marks */
    }
}

static int by_scaled(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* Survivors of the last stage only: what it dropped has scores of another scale and keeps its order. */
static void sort_again(editing *x)
{
    uint32_t top = 0;
    while (top < x->n && x->list[top].tier == x->list[0].tier) top++;
    qsort(x->list, top, sizeof *x->list, by_scaled);
}

static int by_position(const void *a, const void *b)
{
    const held *x = a, *y = b;
    if (x->position != y->position) return x->position < y->position ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* Two pins of one position: the first edit takes it, the next the place behind. */
static void put_back(editing *x)
{
    for (uint32_t i = 0; i < x->n_held; i++) {
        uint32_t at = find(x, x->held[i].entry.item);
        if (at != UINT32_MAX) x->held[i].entry = take(x, at);
    }
    qsort(x->held, x->n_held, sizeof *x->held, by_position);
    uint32_t last = 0;
    for (uint32_t i = 0; i < x->n_held; i++) {
        uint32_t position = x->held[i].position > last ? x->held[i].position : last + 1;
        put(x, x->held[i].entry, position);
        last = position;
        x->held[i].mark->rank_after = position;
    }
}

static void apply_all(editing *x, const plugin_edit *edit, uint32_t n)
{
    uint32_t last_scale = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++)
        if (edit[i].kind == PLUGIN_SCALE) last_scale = i;
    for (uint32_t i = 0; i < n; i++) {
        apply(x, &edit[i]);
        if (i == last_scale) sort_again(x);
    }
    put_back(x);
}

/* The list as finishers see it, with raw scores of every ranker, those of the last stage first. */
static sinter_list public_list(search *s, const entry *list, uint32_t n)
{
    const snap_pipeline *p = s->pipeline;
    sinter_list out = {.size = sizeof out, .n = n, .n_rankers = s->stage ? p->n_rankers : 0};
    while (out.n_top < n && list[out.n_top].tier == list[0].tier) out.n_top++;
    uint32_t *item = ARENA_ARRAY(s->a, uint32_t, n + 1);
    float *score = ARENA_ARRAY(s->a, float, n + 1);
    const char **name = ARENA_ARRAY(s->a, const char *, out.n_rankers + 1);
    const float **raw = ARENA_ARRAY(s->a, const float *, out.n_rankers + 1);
    for (uint32_t i = 0; i < n; i++) {
        item[i] = list[i].item;
        score[i] = list[i].score;
    }
    uint32_t at = 0;
    for (uint32_t k = s->stage ? p->n_stages : 0; k-- > 0;)
        for (uint32_t r = 0; r < p->stage[k].n_rankers; r++, at++) {
            float *column = ARENA_ARRAY(s->a, float, n + 1);
            const float *all = s->found.ranker_score[p->stage[k].ranker[r].number];
            for (uint32_t i = 0; i < n; i++) column[i] = list[i].candidate == UINT32_MAX ? SINTER_MISSING : all[list[i].candidate];
            name[at] = p->stage[k].ranker_name[r];
            raw[at] = column;
        }
    while (out.n_top < n && list[out.n_top].tier == list[0].tier) out.n_top++;
    out.item = item;
    out.score = score;
    out.ranker = name;
    out.raw = raw;
    return out;
}

static entry *copy(search *s, const entry *list, uint32_t n)
{
    entry *out = arena_alloc(s->a, (n + 1) * sizeof *out);
    memcpy(out, list, n * sizeof *out);
    return out;
}

/* Replaces the first `was` entries of the list by x's; the rest keep their order, without what was pulled up. */
static void splice(search *s, const editing *x, uint32_t was)
{
    uint32_t rest = s->n_list - was;
    entry *list = arena_alloc(s->a, (x->n + rest + 1) * sizeof *list);
    memcpy(list, x->list, x->n * sizeof *list);
    uint32_t n = x->n;
    for (uint32_t i = was; i < s->n_list; i++) {
        bool pulled = false;
        for (uint32_t k = 0; k < x->n_held && !pulled; k++) pulled = x->held[k].entry.item == s->list[i].item;
        if (!pulled) list[n++] = s->list[i];
    }
    s->list = list;
    s->n_list = n;
}

static void run_finisher(search *s, const snap_finish *f, finish_run *run)
{
    uint32_t head = s->n_list < SEARCH_FINISH_LIST ? s->n_list : SEARCH_FINISH_LIST;
    const plugin_edit *edit;
    uint32_t n;
    plugin_result r;
    if (f->use.disabled) {
        search_degraded(s, f->use.name, SINTER__V1__DEGRADED__CODE__CODE_DISABLED, f->use.disabled, 0, head);
        return;
    }
    sinter_list list = public_list(s, s->list, head);
    plugin_finish(f->use.instance, &s->call, search_request_of(s, &f->use), &list, &edit, &n, &r);
    search_plugin_degraded(s, &f->use, &r, head);
    uint32_t *hidden = ARENA_ARRAY(s->a, uint32_t, s->n_hidden + n + 1);
    if (s->n_hidden) memcpy(hidden, s->hidden, s->n_hidden * sizeof *hidden);
    s->hidden = hidden;
    editing x = {.s = s, .n = head, .stage = run->name};
    x.list = arena_alloc(s->a, (head + n + 1) * sizeof *x.list);
    memcpy(x.list, s->list, head * sizeof *x.list);
    x.held = ARENA_ARRAY(s->a, held, n + 1);
    apply_all(&x, edit, n);
    splice(s, &x, head);
}

sinter_status search_finish(search *s, sinter_error *e)
{
    const snap_pipeline *p = s->pipeline;
    if (!p || p->n_finish == 0) return SINTER_OK;
    s->finish = ARENA_ARRAY(s->a, finish_run, p->n_finish);
    for (uint32_t k = 0; k < p->n_finish; k++) {
        const snap_finish *f = &p->finish[k];
        finish_run *run = &s->finish[k];
        uint64_t t = clock_mono_ns();
        run->name = f->use.name;
        run->n_before = s->n_list < SEARCH_FINISH_LIST ? s->n_list : SEARCH_FINISH_LIST;
        run->before = copy(s, s->list, run->n_before);
        if (f->shuffle) {
            search_explore(s, f);
        } else if (f->diversity) {
            sinter_status st = search_diversity(s, f, s->list, run->n_before, e);
            if (st) return st;
        } else {
            run_finisher(s, f, run);
        }
        run->n_after = s->n_list < SEARCH_FINISH_LIST ? s->n_list : SEARCH_FINISH_LIST;
        run->after = copy(s, s->list, run->n_after);
        search_step(s, "finish", f->use.name, t, run->n_before, run->n_after);
    }
    return SINTER_OK;
}
