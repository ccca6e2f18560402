/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules apply to a request. Rules are found by what they want of the query: the whole of it, its beginning, or
 * one of its words, so that ten thousand rules cost what the few cost that are near. The found ones are then checked
 * wholly. */
#include "rules.h"

#include <strings.h>

/* ---- indexes (open)
 * -------------------------------------------------------------------------------------------------------- */

static void post(sinter_instance *inst, struct rules_entry *e, uint32_t at)
{
    inst->posting[inst->n_postings] = (rules_posting){.rule = at, .next = e->posting};
    e->posting = inst->n_postings++;
}

/* One posting for each of `ids`: any of them brings the rule up. */
static void post_all(sinter_instance *inst, rules_dictionary *d, const rule_ids *ids, uint32_t at)
{
    for (uint32_t i = 0; i < ids->n; i++)
        post(inst, &d->entry[ids->id[i]], at);
}

/* How many rules want each word: a rule is posted under the rarest of those that it requires. */
static uint32_t rarest(const rule_ids *ids, const uint32_t *wanted)
{
    uint32_t best = ids->id[0];
    for (uint32_t i = 1; i < ids->n; i++)
        if (wanted[ids->id[i]] < wanted[best]) best = ids->id[i];
    return best;
}

static void post_rule(sinter_instance *inst, uint32_t at, const uint32_t *wanted)
{
    const rule *u = &inst->rule[at];
    if (u->exact.n > 0)
        post_all(inst, &inst->exact, &u->exact, at);
    else if (u->words.n > 0)
        post(inst, &inst->word.entry[rarest(&u->words, wanted)], at);
    else if (u->any_word.n > 0)
        post_all(inst, &inst->word, &u->any_word, at);
    else if (u->starts_with.n > 0)
        post_all(inst, &inst->starts_with, &u->starts_with, at);
    else
        inst->always[inst->n_always++] = at;
}

static sinter_status index_lengths(sinter_instance *inst, sinter_error *err)
{
    const uint32_t most = sizeof inst->prefix_length / sizeof *inst->prefix_length;
    for (uint32_t i = 0; i < inst->starts_with.n; i++) {
        uint32_t size = (uint32_t)inst->starts_with.entry[i].size, at = 0;
        while (at < inst->n_prefix_lengths && inst->prefix_length[at] < size)
            at++;
        if (at < inst->n_prefix_lengths && inst->prefix_length[at] == size) continue;
        if (inst->n_prefix_lengths == most) {
            err->status = SINTER_INVALID;
            snprintf(err->what, sizeof err->what, "starts_with: texts of more than %u different lengths", most);
            snprintf(err->fix, sizeof err->fix, "shorten the longest ones");
            return SINTER_INVALID;
        }
        memmove(inst->prefix_length + at + 1, inst->prefix_length + at,
                (inst->n_prefix_lengths - at) * sizeof(uint32_t));
        inst->prefix_length[at] = size;
        inst->n_prefix_lengths++;
    }
    return SINTER_OK;
}

sinter_status rules_index(sinter_instance *inst, sinter_error *err)
{
    size_t room = 0;
    for (uint32_t i = 0; i < inst->n; i++)
        room += inst->rule[i].exact.n + inst->rule[i].any_word.n + inst->rule[i].starts_with.n + 1;
    inst->posting = rules_take(&inst->pool, room * sizeof *inst->posting);
    inst->always = rules_take(&inst->pool, (inst->n + 1) * sizeof *inst->always);
    uint32_t *wanted = rules_take(&inst->pool, (inst->word.n + 1) * sizeof *wanted);
    if (inst->posting == NULL || inst->always == NULL || wanted == NULL) return rules_no_memory(err);
    for (uint32_t i = 0; i < inst->n; i++)
        for (uint32_t w = 0; w < inst->rule[i].words.n; w++)
            wanted[inst->rule[i].words.id[w]]++;
    for (uint32_t i = 0; i < inst->n; i++)
        post_rule(inst, i, wanted);
    return index_lengths(inst, err);
}

/* ---- what the query holds
 * ------------------------------------------------------------------------------------------------------ */

static void see(const sinter_worker *w, const rules_dictionary *d, uint32_t *seen, uint32_t *hit, uint32_t *n,
                const char *text, size_t size)
{
    uint32_t id = rules_lookup(d, text, size);
    if (id == RULES_NONE || seen[id] == w->epoch) return;
    seen[id] = w->epoch;
    hit[(*n)++] = id;
}

static void see_word(const sinter_instance *inst, sinter_worker *w, sinter_str word)
{
    see(w, &inst->word, w->word_seen, w->hit_word, &w->n_hit_word, word.data, word.size);
}

static bool text_room(sinter_worker *w, size_t n)
{
    if (w->text_room >= n) return true;
    n = n < 512 ? 512 : n;
    char *text = w->host->alloc(w->host, 2 * n);
    if (text == NULL) return false;
    if (w->text != NULL) w->host->free(w->host, w->text);
    w->text = text;
    w->text_room = 2 * n;
    return true;
}

/* The query as a whole, in one of its two forms. Returns its canonical size; SIZE_MAX: out of memory. */
static size_t see_whole(const sinter_instance *inst, sinter_worker *w, sinter_str text, bool split)
{
    if (!text_room(w, 2 * text.size + 1)) return SIZE_MAX;
    size_t n = rules_canonical(text.data, text.size, w->text);
    see(w, &inst->exact, w->exact_seen, w->hit_exact, &w->n_hit_exact, w->text, n);
    for (uint32_t i = 0; i < inst->n_prefix_lengths && inst->prefix_length[i] <= n; i++)
        see(w, &inst->starts_with, w->starts_with_seen, w->hit_starts_with, &w->n_hit_starts_with, w->text,
            inst->prefix_length[i]);
    const char *at = w->text;
    for (sinter_str word; split && rules_next_word(&at, w->text + n, &word);)
        see_word(inst, w, word);
    return n;
}

/* A term's surface, its parts where it holds several words ("t-shirt"), and its stem. */
static bool see_term(const sinter_instance *inst, sinter_worker *w, const sinter_term *t)
{
    see_word(inst, w, t->surface);
    see_word(inst, w, t->stem);
    if (!text_room(w, 2 * t->surface.size + 1)) return false;
    size_t n = rules_canonical(t->surface.data, t->surface.size, w->text);
    const char *at = w->text;
    for (sinter_str word; rules_next_word(&at, w->text + n, &word);)
        see_word(inst, w, word);
    return true;
}

/* *empty: the request has no words. */
static bool see_query(const sinter_instance *inst, sinter_worker *w, const sinter_query *q, bool *empty)
{
    *empty = true;
    if (q == NULL) return true;
    bool excludes = false;
    for (uint32_t i = 0; i < q->n_terms; i++) {
        excludes = excludes || q->term[i].excluded;
        *empty = *empty && q->term[i].excluded;
        if (!q->term[i].excluded && !see_term(inst, w, &q->term[i])) return false;
    }
    if (excludes) /* "sofa -leather" is not the query "sofa leather" */
        return true;
    size_t n = see_whole(inst, w, q->text, q->n_terms == 0);
    size_t m = n == SIZE_MAX ? n : see_whole(inst, w, q->normalised, q->n_terms == 0);
    *empty = *empty && n == 0 && m == 0;
    return m != SIZE_MAX;
}

/* ---- conditions
 * --------------------------------------------------------------------------------------------------------------------
 */

static bool any_seen(const rule_ids *ids, const uint32_t *seen, uint32_t epoch)
{
    for (uint32_t i = 0; i < ids->n; i++)
        if (seen[ids->id[i]] == epoch) return true;
    return ids->n == 0;
}

static bool all_seen(const rule_ids *ids, const uint32_t *seen, uint32_t epoch)
{
    for (uint32_t i = 0; i < ids->n; i++)
        if (seen[ids->id[i]] != epoch) return false;
    return true;
}

static bool holds(rule_op op, int sign)
{
    switch (op) {
    case OP_EQ: return sign == 0;
    case OP_NE: return sign != 0;
    case OP_LT: return sign < 0;
    case OP_LE: return sign <= 0;
    case OP_GT: return sign > 0;
    default: return sign >= 0;
    }
}

static bool same(sinter_str a, sinter_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool number_passes(const rule_comparison *c, double v)
{
    return c->numeric ? v == v && holds(c->op, (v > c->number) - (v < c->number)) : c->op == OP_NE;
}

static bool string_passes(const rule_comparison *c, sinter_str s)
{
    double v;
    if (c->op == OP_EQ || c->op == OP_NE) return same(c->text, s) == (c->op == OP_EQ);
    return rules_parse_number(s.data, s.size, &v) && number_passes(c, v);
}

/* Of several strings one must equal; and none may, where it is "!=". */
static bool strings_pass(const rule_comparison *c, const sinter_value *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (string_passes(c, v->u.strings[i]) == (c->op != OP_NE)) return c->op != OP_NE;
    return c->op == OP_NE;
}

static bool value_passes(const rule_comparison *c, const sinter_value *v)
{
    switch (v->type) {
    case SINTER_VALUE_STRING: return string_passes(c, v->u.string);
    case SINTER_VALUE_NUMBER: return number_passes(c, v->u.number);
    case SINTER_VALUE_INTEGER:
    case SINTER_VALUE_TIMESTAMP: return number_passes(c, (double)v->u.integer);
    case SINTER_VALUE_BOOLEAN:
        return string_passes(c, v->u.boolean ? (sinter_str){"true", 4} : (sinter_str){"false", 5});
    case SINTER_VALUE_STRINGS: return strings_pass(c, v);
    default: return false;
    }
}

static bool attribute_passes(const rule_attribute *a, const sinter_value *v)
{
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t j = 0;
        while (j < a->any[i].n && value_passes(&a->any[i].all[j], v))
            j++;
        if (j == a->any[i].n) return true;
    }
    return false;
}

/* Where the request does not have the attribute: as in the filter language, only "!=" holds. */
static bool absence_passes(const rule_attribute *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t j = 0;
        while (j < a->any[i].n && a->any[i].all[j].op == OP_NE)
            j++;
        if (j == a->any[i].n) return true;
    }
    return false;
}

static bool attributes_pass(const rule_attribute *wanted, uint32_t n, const sinter_attribute *has, uint32_t n_has)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = 0;
        while (j < n_has && !same(wanted[i].name, has[j].name))
            j++;
        bool there = j < n_has && has[j].value.type != SINTER_VALUE_NONE;
        if (there ? !attribute_passes(&wanted[i], &has[j].value) : !absence_passes(&wanted[i])) return false;
    }
    return true;
}

/* "de" means "de", "de-AT" and "de_AT"; letters' case does not matter. */
static bool place_passes(const rule_strings *wanted, sinter_str has, bool prefix)
{
    for (uint32_t i = 0; i < wanted->n; i++) {
        sinter_str w = wanted->text[i];
        if (has.size < w.size || strncasecmp(w.data, has.data, w.size) != 0) continue;
        if (has.size == w.size || (prefix && (has.data[w.size] == '-' || has.data[w.size] == '_'))) return true;
    }
    return wanted->n == 0;
}

static bool time_passes(const rule *u, int64_t now)
{
    if (now < u->from_ms || now >= u->until_ms) return false;
    if (u->days == 0 && u->minute_from == u->minute_until) return true;
    const int64_t day_ms = 86400000;
    int64_t local = now + u->offset_minutes * 60000ll;
    int64_t day = local / day_ms - (local % day_ms < 0);
    uint32_t minute = (uint32_t)((local - day * day_ms) / 60000);
    uint32_t weekday = (uint32_t)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    if (u->days != 0 && (u->days >> weekday & 1) == 0) return false;
    if (u->minute_from < u->minute_until) return minute >= u->minute_from && minute < u->minute_until;
    return u->minute_from == u->minute_until || minute >= u->minute_from || minute < u->minute_until;
}

static bool applies(const sinter_worker *w, const rule *u, const sinter_request *q, bool empty)
{
    if (!any_seen(&u->exact, w->exact_seen, w->epoch) || !any_seen(&u->starts_with, w->starts_with_seen, w->epoch) ||
        !all_seen(&u->words, w->word_seen, w->epoch) || !any_seen(&u->any_word, w->word_seen, w->epoch))
        return false;
    if (u->empty_query >= 0 && (u->empty_query == 1) != empty) return false;
    static const sinter_context nowhere;
    static const sinter_user nobody;
    const sinter_context *c = q->context == NULL ? &nowhere : q->context;
    const sinter_user *user = q->user == NULL ? &nobody : q->user;
    return time_passes(u, c->now_ms) && place_passes(&u->locale, c->locale, true) &&
           place_passes(&u->device, c->device, false) &&
           attributes_pass(u->user, u->n_user, user->attribute, user->n_attributes) &&
           attributes_pass(u->context, u->n_context, c->attribute, c->n_attributes);
}

/* ---- the choice
 * ------------------------------------------------------------------------------------------------------------------------
 */

void rules_sort(uint32_t *value, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (uint32_t i = gap; i < n; i++) {
            uint32_t v = value[i], j = i;
            for (; j >= gap && value[j - gap] > v; j -= gap)
                value[j] = value[j - gap];
            value[j] = v;
        }
}

static void consider(const sinter_instance *inst, sinter_worker *w, uint32_t at, const sinter_request *q, bool empty)
{
    if (w->rule_seen[at] == w->epoch) return;
    w->rule_seen[at] = w->epoch;
    if (applies(w, &inst->rule[at], q, empty)) w->active[w->n_active++] = at;
}

static void consider_hits(const sinter_instance *inst, sinter_worker *w, const rules_dictionary *d, const uint32_t *hit,
                          uint32_t n, const sinter_request *q, bool empty)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t p = d->entry[hit[i]].posting; p != RULES_NONE; p = inst->posting[p].next)
            consider(inst, w, inst->posting[p].rule, q, empty);
}

sinter_status rules_select(const sinter_instance *inst, sinter_worker *w, const sinter_request *q, sinter_error *err)
{
    if (++w->epoch == 0) { /* after 2^32 requests old stamps could look new */
        memset(w->exact_seen, 0, inst->exact.n * sizeof(uint32_t));
        memset(w->starts_with_seen, 0, inst->starts_with.n * sizeof(uint32_t));
        memset(w->word_seen, 0, inst->word.n * sizeof(uint32_t));
        memset(w->rule_seen, 0, inst->n * sizeof(uint32_t));
        w->epoch = 1;
    }
    w->n_active = w->n_hit_exact = w->n_hit_starts_with = w->n_hit_word = 0;
    bool empty;
    if (!see_query(inst, w, q->query, &empty)) return rules_no_memory(err);
    for (uint32_t i = 0; i < inst->n_always; i++)
        consider(inst, w, inst->always[i], q, empty);
    consider_hits(inst, w, &inst->exact, w->hit_exact, w->n_hit_exact, q, empty);
    consider_hits(inst, w, &inst->starts_with, w->hit_starts_with, w->n_hit_starts_with, q, empty);
    consider_hits(inst, w, &inst->word, w->hit_word, w->n_hit_word, q, empty);
    rules_sort(w->active, w->n_active);
    return SINTER_OK;
}
