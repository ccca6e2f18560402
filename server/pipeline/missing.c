/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AdminService.ExplainMissing: the request is searched once more, on the control thread, and the item's way is followed from the
 * catalogue to the page: the first step that lost it is the reason. */
#include "search.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MOST 100000u /* matches among which a rank is looked for */

typedef struct tracing {
    search *s;
    const char *id;
    uint32_t item; /* ordinal */
    arena *a;
    Sinter__V1__ExplainMissingResponse *out;
} tracing;

static sinter_status verdict(tracing *t, Sinter__V1__ExplainMissingResponse__Verdict v, const char *reason)
{
    t->out->verdict = v;
    t->out->reason = (char *)(uintptr_t)reason;
    return SINTER_OK;
}

#define VERDICT(name) SINTER__V1__EXPLAIN_MISSING_RESPONSE__VERDICT__VERDICT_##name

/* ---- in the catalogue? ----------------------------------------------------------------------------------------------------- */

/* Finds the ordinal; a verdict where there is none to follow. */
static sinter_status find_item(tracing *t, sinter_error *e)
{
    search *s = t->s;
    sinter_error ignored = SINTER_ERROR_INIT;
    uint64_t sequence;
    (void)e;
    t->item = catalog_item_ordinal(s->collection->catalog, str_of(t->id));
    if (t->item != UINT32_MAX && catalog_is_live(s->set, t->item)) return SINTER_OK;
    bool stored = journal_item(s->lane->reader, catalog_number(s->collection->catalog), str_of(t->id), NULL, &sequence, &ignored) == SINTER_OK;
    if (stored)
        return verdict(t, VERDICT(NOT_YET_SEARCHABLE),
                       arena_printf(t->a, "it is stored as record %llu, and what is searched reflects record %llu so far",
                                    (unsigned long long)sequence, (unsigned long long)s->set->sequence));
    if (t->item == UINT32_MAX)
        return verdict(t, VERDICT(UNKNOWN), arena_printf(t->a, "no item of '%s' ever had the id '%s'", s->collection->schema->name, t->id));
    return verdict(t, VERDICT(DELETED), "it was deleted");
}

/* ---- filtered? --------------------------------------------------------------------------------------------------------------- */

static sinter_status refused_by(tracing *t, const char *expression, const char *whose, bool *found, sinter_error *e)
{
    str clause;
    sinter_status st = filter_refusing(t->s->collection->catalog, str_of(expression), t->s->set, t->item, t->s->a, &clause, e);
    *found = st == SINTER_OK && clause.n;
    if (*found) verdict(t, VERDICT(FILTERED), arena_printf(t->a, "%s refuses it: %.*s", whose, (int)clause.n, clause.s));
    return st;
}

static sinter_status explain_filter(tracing *t, sinter_error *e)
{
    search *s = t->s;
    bool found = false;
    sinter_status st = s->in->filter[0] ? refused_by(t, s->in->filter, "the filter", &found, e) : SINTER_OK;
    for (const rule_mark *m = s->rules; m && !found && st == SINTER_OK; m = m->next)
        if (strcmp(m->action, PLUGIN_EDIT_NAMES[PLUGIN_ADD_FILTER]) == 0)
            st = refused_by(t, m->detail, arena_printf(t->a, "the filter that rule '%s' of %s adds", m->rule, m->stage), &found, e);
    if (st || found) return st;
    if (s->in->exclude_seen) return verdict(t, VERDICT(FILTERED), "exclude_seen: it is in the person's history");
    return verdict(t, VERDICT(FILTERED), "a filter refuses it");
}

/* ---- words ------------------------------------------------------------------------------------------------------------------- */

static Sinter__V1__MissingWord *add_word(tracing *t, str word, bool matches, bool excluded)
{
    Sinter__V1__MissingWord *w = ARENA_NEW(t->a, Sinter__V1__MissingWord);
    sinter__v1__missing_word__init(w);
    w->word = arena_strndup(t->a, word.s, word.n);
    w->matches = matches;
    w->excluded = excluded;
    t->out->words[t->out->n_words++] = w;
    return w;
}

/* An excluded word is asked for by itself: the query's own postings leave it out. */
static sinter_status has_word(tracing *t, str word, bool *has, sinter_error *e)
{
    search *s = t->s;
    text_query *q;
    uint32_t *packed;
    const text_query_options o = {.operator_and = -1};
    sinter_status st = text_query_parse(s->collection->analyzer, s->collection->catalog, word, &o, s->a, &q, e);
    if (st || q->empty) return st;
    st = text_packed(s->reader, q, &t->item, 1, s->a, &packed, e);
    for (uint32_t i = 0; st == SINTER_OK && i < text_query_scoring(q); i++) *has = *has || packed[i];
    return st;
}

static sinter_status list_words(tracing *t, sinter_error *e)
{
    search *s = t->s;
    uint32_t *packed = NULL, row = 0;
    if (s->query->empty) return SINTER_OK;
    sinter_status st = text_packed(s->reader, s->query, &t->item, 1, s->a, &packed, e);
    t->out->words = ARENA_ARRAY(t->a, Sinter__V1__MissingWord *, s->query->n_words + 1);
    for (uint32_t i = 0; i < s->query->n_words && st == SINTER_OK; i++) {
        const text_word *w = &s->query->word[i];
        bool has = false;
        if (w->excluded)
            st = has_word(t, w->surface, &has, e);
        else if (w->stop)
            continue;
        else
            has = packed[row++] != 0;
        add_word(t, w->surface, has, w->excluded);
    }
    return st;
}

static const char *words_reason(tracing *t)
{
    buffer b = {0};
    uint32_t n = 0, matched = 0;
    for (size_t i = 0; i < t->out->n_words; i++) {
        const Sinter__V1__MissingWord *w = t->out->words[i];
        if (w->excluded && w->matches) {
            const char *text = arena_printf(t->a, "it holds '%s', which the query excludes", w->word);
            buffer_free(&b);
            return text;
        }
        if (w->excluded) continue;
        n++;
        matched += w->matches;
        if (!w->matches) buffer_printf(&b, "%s'%s'", b.len ? ", " : "", w->word);
    }
    const char *text = matched == n && n ? arena_printf(t->a, "it holds all words, but not as the phrase or in the field that the query asks for")
                                         : arena_printf(t->a, "%u of %u words of the query match; it lacks %s", matched, n, b.data ? b.data : "");
    buffer_free(&b);
    return text;
}

/* ---- recall ------------------------------------------------------------------------------------------------------------------ */

static sinter_status matches_text(tracing *t, bool *matches, sinter_error *e)
{
    search *s = t->s;
    text_hits hits;
    uint32_t *only = ARENA_NEW(s->a, uint32_t);
    *only = t->item;
    *matches = true;
    if (s->query->empty) return SINTER_OK;
    filter *f = filter_and(s->a, s->filter, filter_only(s->a, only, 1));
    memset(&hits, 0, sizeof hits);
    sinter_status st = text_search(s->reader, s->query, s->scorer, f, s->set, 1, false, false, s->a, &hits, e);
    *matches = hits.n > 0;
    return st;
}

static sinter_status recall_rank(tracing *t, sinter_error *e)
{
    search *s = t->s;
    text_hits hits;
    uint32_t limit = s->set->n_items < LOOK_MOST ? s->set->n_items : LOOK_MOST;
    sinter_status st = search_text(s, limit ? limit : 1, false, &hits, e);
    for (uint32_t i = 0; st == SINTER_OK && i < hits.n; i++)
        if (hits.item[i] == t->item) t->out->recall_rank = i + 1;
    return st;
}

static bool has_text(const search *s, uint32_t *limit)
{
    *limit = 1000;
    if (!s->pipeline) return true;
    for (uint32_t k = 0; k < s->pipeline->n_sources; k++)
        if (s->pipeline->source[k].text) {
            *limit = s->pipeline->source[k].limit;
            return true;
        }
    return false;
}

static sinter_status explain_recall(tracing *t, sinter_error *e)
{
    search *s = t->s;
    bool matches;
    uint32_t limit;
    bool text = has_text(s, &limit);
    sinter_status st = matches_text(t, &matches, e);
    if (st) return st;
    if (!text) {
        buffer b = {0};
        for (uint32_t k = 0; k < s->pipeline->n_sources; k++)
            buffer_printf(&b, "%s%s (limit %u)", k ? ", " : "", s->pipeline->source[k].use.name, s->pipeline->source[k].limit);
        const char *reason = arena_printf(t->a, "no source brought it: %s", b.data ? b.data : "there is none");
        buffer_free(&b);
        return verdict(t, VERDICT(NOT_RECALLED), reason);
    }
    if (!matches) return verdict(t, VERDICT(NO_WORD), words_reason(t));
    t->out->recall_limit = limit;
    if ((st = recall_rank(t, e))) return st;
    if (t->out->recall_rank)
        return verdict(t, VERDICT(NOT_RECALLED),
                       arena_printf(t->a, "by its words it is number %llu, and the text source takes %u", (unsigned long long)t->out->recall_rank, limit));
    return verdict(t, VERDICT(NOT_RECALLED), arena_printf(t->a, "it matches, behind the first %u; the text source takes %u", LOOK_MOST, limit));
}

/* ---- stages and the page ------------------------------------------------------------------------------------------------------- */

static Sinter__V1__StageFall *add_stage(tracing *t, const char *name)
{
    Sinter__V1__StageFall *f = ARENA_NEW(t->a, Sinter__V1__StageFall);
    sinter__v1__stage_fall__init(f);
    f->stage = arena_strdup(t->a, name);
    t->out->stages[t->out->n_stages++] = f;
    return f;
}

static void list_stages(tracing *t)
{
    const search *s = t->s;
    uint32_t n = s->pipeline ? s->pipeline->n_stages + s->pipeline->n_finish : 0;
    t->out->stages = ARENA_ARRAY(t->a, Sinter__V1__StageFall *, n + 1);
    for (uint32_t k = 0; s->stage && k < s->pipeline->n_stages; k++) {
        const stage_run *run = &s->stage[k];
        for (uint32_t i = 0; i < run->n; i++) {
            if (run->item[i] != t->item) continue;
            Sinter__V1__StageFall *f = add_stage(t, run->stage->name);
            f->rank_before = i + 1;
            f->rank_after = run->rank_after[i];
            f->keep = run->stage->keep;
            f->kept = run->rank_after[i] <= run->n_kept;
            f->score = run->fused[i];
            break;
        }
    }
    for (uint32_t k = 0; s->finish && k < s->pipeline->n_finish; k++) {
        const finish_run *run = &s->finish[k];
        uint32_t before = 0, after = 0;
        double score = 0;
        for (uint32_t i = 0; i < run->n_before; i++)
            if (run->before[i].item == t->item) before = i + 1;
        for (uint32_t i = 0; i < run->n_after; i++)
            if (run->after[i].item == t->item) after = i + 1, score = run->after[i].score;
        if (!before && !after) continue;
        Sinter__V1__StageFall *f = add_stage(t, run->name);
        f->rank_before = before;
        f->rank_after = after;
        f->kept = after > 0;
        f->score = score;
    }
}

static const char *fall(const tracing *t)
{
    for (size_t i = 0; i < t->out->n_stages; i++)
        if (!t->out->stages[i]->kept && t->out->stages[i]->keep)
            return arena_printf(t->a, "; stage %s put it at %u and keeps %u", t->out->stages[i]->stage, t->out->stages[i]->rank_after,
                                t->out->stages[i]->keep);
    return "";
}

static sinter_status explain_hidden(tracing *t)
{
    for (const rule_mark *m = t->s->rules; m; m = m->next)
        if (m->item == t->item && strcmp(m->action, PLUGIN_EDIT_NAMES[PLUGIN_HIDE]) == 0)
            return verdict(t, VERDICT(HIDDEN), arena_printf(t->a, "rule '%s' of %s hides it%s%s", m->rule, m->stage, m->detail[0] ? ": " : "", m->detail));
    return verdict(t, VERDICT(HIDDEN), "a rule hides it");
}

static bool was_shown(const search *s, uint32_t item)
{
    for (uint32_t i = 0; i < s->n_shown; i++)
        if (s->shown[i] == item) return true;
    return false;
}

static sinter_status explain_rank(tracing *t, uint32_t rank)
{
    const search *s = t->s;
    t->out->rank = rank;
    if (was_shown(s, t->item)) return verdict(t, VERDICT(BEYOND_PAGE), "it was on an earlier page of this cursor");
    if (s->n_shown)
        return verdict(t, VERDICT(BEYOND_PAGE), arena_printf(t->a, "it is number %u; this page goes on behind %u that were shown%s", rank, s->n_shown, fall(t)));
    return verdict(t, VERDICT(BEYOND_PAGE),
                   arena_printf(t->a, "it is number %u; the page shows %u to %u%s", rank, s->offset + 1, s->offset + s->page_size, fall(t)));
}

static sinter_status explain_item(tracing *t, sinter_error *e)
{
    const search *s = t->s;
    list_stages(t);
    sinter_status st = list_words(t, e);
    if (st) return st;
    for (uint32_t i = 0; i < s->n_page; i++)
        if (s->page[i].item == t->item) {
            t->out->rank = (s->n_shown ? s->n_shown : s->offset) + i + 1;
            return verdict(t, VERDICT(ON_PAGE), arena_printf(t->a, "it is on the page, number %u", t->out->rank));
        }
    for (uint32_t i = 0; i < s->n_hidden; i++)
        if (s->hidden[i] == t->item) return explain_hidden(t);
    if (s->filter && !filter_test(s->filter, s->set, t->item)) return explain_filter(t, e);
    for (uint32_t i = 0; i < s->n_list; i++)
        if (s->list[i].item == t->item) return explain_rank(t, i + 1);
    return explain_recall(t, e);
}

/* With a sort there is no list: the pages are turned, as far as they go. */
static sinter_status explain_sorted(tracing *t, engine *g, const Sinter__V1__SearchRequest *in, sinter_error *e)
{
    bool matches;
    sinter_status st = list_words(t, e);
    if (st == SINTER_OK && t->s->filter && !filter_test(t->s->filter, t->s->set, t->item)) return explain_filter(t, e);
    if (st == SINTER_OK) st = matches_text(t, &matches, e);
    if (st) return st;
    if (!matches) return verdict(t, VERDICT(NO_WORD), words_reason(t));
    Sinter__V1__SearchRequest q = *in;
    q.page_size = SEARCH_MAX_PAGE;
    q.cursor = (char *)(uintptr_t)"";
    for (q.offset = 0; q.offset < SEARCH_MAX_REACH; q.offset += SEARCH_MAX_PAGE) {
        search *s;
        if ((st = search_on(engine_control_lane(g), atomic_load(&g->snapshot), &q, &s, e))) return st;
        for (uint32_t i = 0; i < s->n_page; i++) {
            if (s->page[i].item != t->item) continue;
            t->out->rank = q.offset + i + 1;
            bool on = !in->cursor[0] && t->out->rank > t->s->offset && t->out->rank <= t->s->offset + t->s->page_size;
            return verdict(t, on ? VERDICT(ON_PAGE) : VERDICT(BEYOND_PAGE),
                           arena_printf(t->a, "in this sort it is number %u%s", t->out->rank, on ? ", on the page" : ""));
        }
        if (s->n_page < SEARCH_MAX_PAGE) break;
    }
    return verdict(t, VERDICT(BEYOND_PAGE), "in this sort it is behind the first 10,000");
}

static sinter_status trace(engine *g, const Sinter__V1__SearchRequest *in, tracing *t, sinter_error *e)
{
    const snapshot *snap = atomic_load(&g->snapshot);
    sinter_status st = search_on(engine_control_lane(g), snap, in, &t->s, e);
    if (st) {
        if (*e->where) error_where(e, "request.%s", arena_strdup(t->a, e->where));
        return st;
    }
    t->out->snapshot = arena_strdup(t->a, snap->id);
    t->out->pipeline = arena_strdup(t->a, t->s->pipeline ? t->s->pipeline->config->name : "");
    if ((st = find_item(t, e)) || t->out->verdict) return st;
    return t->s->n_sort ? explain_sorted(t, g, in, e) : explain_item(t, e);
}

sinter_status engine_missing(engine *g, const Sinter__V1__ExplainMissingRequest *in, arena *a, Sinter__V1__ExplainMissingResponse *out,
                             sinter_error *e)
{
    tracing t = {.id = in->item, .a = a, .out = out};
    if (!in->request) return error_set(e, SINTER_INVALID, "request", "the search in which it is missing", "no request is given");
    const char *problem = id_problem(in->item, strlen(in->item));
    if (problem) return error_set(e, SINTER_INVALID, "item", "the id of one item", "%s", problem);
    Sinter__V1__SearchRequest q = *in->request;
    q.explain = SINTER__V1__EXPLAIN__EXPLAIN_NONE;
    q.n_fields = 0;
    pipeline_lane *l = engine_control_lane(g);
    pipeline_lane_begin(l);
    sinter_status st = trace(g, &q, &t, e);
    pipeline_lane_end(l);
    return st;
}
