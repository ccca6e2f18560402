/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as a finisher. Rules act in the order of their priority, and the first to hide, pin or insert an item has
 * it: later ones leave that item alone. Scales, hides and labels are told at once; pins, inserts and caps are
 * collected, since only together do they say where everything stands (arrange.c). */
#include "rules.h"

#include <stdarg.h>

/* The rule that is acting. */
typedef struct acting {
    rules_arrangement *list;
    const rule *rule;
    uint32_t at;    /* in the worker's active rules */
    uint8_t *mask;  /* [room] whether the rule means the row; NULL: all */
    uint32_t *rows; /* [room] of the action at hand */
    uint32_t n_rows;
    sinter_error *err;
} acting;

static const sinter_host *host_of(const acting *x)
{
    return x->list->inst->host;
}

/* The rule's own note, or what the action does. */
__attribute__((format(printf, 3, 4))) static const char *say(const acting *x, char text[256], const char *format, ...)
{
    if (x->rule->note != NULL) return x->rule->note;
    va_list args;
    va_start(args, format);
    vsnprintf(text, 256, format, args);
    va_end(args);
    return text;
}

static uint32_t row_of(const rules_arrangement *l, uint32_t item)
{
    for (uint32_t i = 0; i < l->n_items; i++)
        if (l->item[i] == item) return i;
    return RULES_NONE;
}

/* Rows that the action means: in the order of its ids, else of the list. Inserted items are left to the rule that
 * brought them. */
static void find_rows(acting *x, const rule_action *a)
{
    const rules_arrangement *l = x->list;
    x->n_rows = 0;
    if (a->n_items == 0) {
        for (uint32_t i = 0; i < l->n; i++)
            if (x->mask == NULL || x->mask[i] != 0) x->rows[x->n_rows++] = i;
        return;
    }
    for (uint32_t i = 0; i < a->n_items && x->n_rows < l->n; i++) {
        uint32_t ordinal = host_of(x)->item_ordinal(host_of(x), a->item[i]);
        uint32_t row = ordinal == UINT32_MAX ? RULES_NONE : row_of(l, ordinal);
        if (row < l->n && (x->mask == NULL || x->mask[row] != 0)) x->rows[x->n_rows++] = row;
    }
}

/* The host multiplies a score by a factor, and divides one below 0; nothing makes another score of a 0: then the factor
 * is 1. */
static double factor_of(const rule_action *a, double score)
{
    if (!(score < 0) && !(score > 0)) return 1;
    if (!a->additive) return a->amount;
    double wanted = (score + a->amount) / score;
    if (score > 0) return wanted;
    return wanted != 0 ? 1 / wanted : 1e30;
}

static void scale_rows(acting *x, const rule_action *a)
{
    rules_arrangement *l = x->list;
    char text[256];
    for (uint32_t i = 0; i < x->n_rows && l->n_told < RULES_TOLD_MOST; i++) {
        uint32_t row = x->rows[i];
        double factor = factor_of(a, l->score[row]);
        if (factor == 1 || l->hidden[row] != 0) continue;
        const char *told = a->additive ? say(x, text, "score %+g", a->amount) : say(x, text, "score × %g", a->amount);
        host_of(x)->edit_scale(l->sink, x->rule->id, l->item[row], factor, told);
        l->n_told++;
        l->score[row] = l->score[row] < 0 ? l->score[row] / factor : l->score[row] * factor;
        l->scaled = true;
    }
}

static void hide_rows(acting *x)
{
    rules_arrangement *l = x->list;
    char text[256];
    for (uint32_t i = 0; i < x->n_rows; i++) {
        uint32_t row = x->rows[i];
        if (l->hidden[row] != 0 || l->pinned[row] != 0) continue;
        l->hidden[row] = 1;
        host_of(x)->edit_hide(l->sink, x->rule->id, l->item[row], say(x, text, "hidden"));
    }
}

static void label_rows(acting *x, const rule_action *a)
{
    rules_arrangement *l = x->list;
    for (uint32_t i = 0; i < x->n_rows && l->n_told < RULES_TOLD_MOST; i++) {
        if (l->hidden[x->rows[i]] != 0) continue;
        host_of(x)->edit_label(l->sink, x->rule->id, l->item[x->rows[i]], a->text);
        l->n_told++;
    }
}

/* Takes hold of a row for a position, unless another rule has it. */
static bool hold(acting *x, uint32_t row, uint32_t position, bool insert)
{
    rules_arrangement *l = x->list;
    if (l->hidden[row] != 0 || l->pinned[row] != 0) return false;
    l->pinned[row] = 1;
    l->pin[l->n_pins++] =
        (rules_pin){.row = row, .rule = l->worker->active[x->at], .wanted = position, .insert = insert};
    return true;
}

static void pin_rows(acting *x, const rule_action *a)
{
    uint32_t position = a->position, left = a->n_items > 0 ? x->n_rows : a->limit;
    for (uint32_t i = 0; i < x->n_rows && left > 0; i++)
        if (hold(x, x->rows[i], position, false)) {
            position++;
            left--;
        }
}

static bool names_item(const acting *x, const rule_action *a, uint32_t item)
{
    for (uint32_t i = 0; i < a->n_items; i++)
        if (host_of(x)->item_ordinal(host_of(x), a->item[i]) == item) return true;
    return a->n_items == 0;
}

/* Whether the rule means an item that is not in the list. */
static sinter_status means(const acting *x, const rule *u, uint32_t item, bool *out)
{
    uint8_t pass = 1;
    sinter_status s = SINTER_OK;
    if (u->filter != RULES_NONE)
        s = host_of(x)->filter_match(host_of(x), x->list->inst->filter[u->filter], &item, 1, &pass, x->err);
    *out = pass != 0;
    return s;
}

/* Whether a rule that acted before hides the item. */
static sinter_status hidden_before(const acting *x, uint32_t item, bool *out)
{
    *out = false;
    for (uint32_t i = 0; i < x->at && !*out; i++) {
        const rule *u = &x->list->inst->rule[x->list->worker->active[i]];
        for (uint32_t k = 0; k < u->n_actions && !*out; k++) {
            if (u->action[k].act != ACT_HIDE || !names_item(x, &u->action[k], item)) continue;
            sinter_status s = means(x, u, item, out);
            if (s != SINTER_OK) return s;
        }
    }
    return SINTER_OK;
}

static sinter_status insert_items(acting *x, const rule_action *a)
{
    rules_arrangement *l = x->list;
    uint32_t position = a->position;
    for (uint32_t i = 0; i < a->n_items; i++) {
        uint32_t item = host_of(x)->item_ordinal(host_of(x), a->item[i]);
        if (item == UINT32_MAX) continue; /* deleted, or not there yet */
        bool wanted, hidden = false;
        sinter_status s = means(x, x->rule, item, &wanted);
        uint32_t row = row_of(l, item);
        if (s == SINTER_OK && wanted && row == RULES_NONE) s = hidden_before(x, item, &hidden);
        if (s != SINTER_OK) return s;
        if (!wanted || hidden) continue;
        bool is_new = row == RULES_NONE;
        if (is_new) {
            row = l->n_items++;
            l->item[row] = item;
        }
        position += hold(x, row, position, is_new);
    }
    return SINTER_OK;
}

static sinter_status cap_rows(acting *x, const rule_action *a)
{
    rules_arrangement *l = x->list;
    if (l->n_caps == RULES_CAPS_MOST)
        return SINTER_OK; /* documented: of more caps those of the highest priority hold */
    uint8_t *target = host_of(x)->scratch(host_of(x), l->room);
    if (target == NULL) return rules_no_memory(x->err);
    for (uint32_t i = 0; i < l->n; i++)
        target[i] = x->mask == NULL || x->mask[i] != 0;
    l->cap[l->n_caps++] = (rules_cap){.rule = l->worker->active[x->at], .action = a, .target = target};
    return SINTER_OK;
}

static sinter_status act(acting *x, const rule_action *a)
{
    if (a->act != ACT_INSERT && a->act != ACT_CAP) find_rows(x, a);
    switch (a->act) {
    case ACT_BOOST:
    case ACT_BURY: scale_rows(x, a); return SINTER_OK;
    case ACT_HIDE: hide_rows(x); return SINTER_OK;
    case ACT_LABEL: label_rows(x, a); return SINTER_OK;
    case ACT_PIN: pin_rows(x, a); return SINTER_OK;
    case ACT_INSERT: return insert_items(x, a);
    default: return cap_rows(x, a);
    }
}

static sinter_status act_rule(acting *x, uint8_t *mask)
{
    const rules_arrangement *l = x->list;
    sinter_status s = SINTER_OK;
    x->mask = x->rule->filter == RULES_NONE ? NULL : mask;
    if (x->mask != NULL && l->n > 0)
        s = host_of(x)->filter_match(host_of(x), l->inst->filter[x->rule->filter], l->item, l->n, mask, x->err);
    for (uint32_t k = 0; k < x->rule->n_actions && s == SINTER_OK; k++)
        if ((x->rule->action[k].roles & ROLE_FINISHER) != 0) s = act(x, &x->rule->action[k]);
    return s;
}

/* The list as working arrays in the request's scratch memory, with room for what the active rules may insert. */
static bool lay_out(rules_arrangement *l, const sinter_list *list)
{
    const sinter_host *host = l->inst->host;
    l->n = l->n_items = l->room = list->n;
    l->n_top = SINTER_HAS(list, sinter_list, n_top) && list->n_top > 0 ? list->n_top : list->n;
    for (uint32_t i = 0; i < l->worker->n_active; i++) {
        const rule *u = &l->inst->rule[l->worker->active[i]];
        for (uint32_t k = 0; k < u->n_actions; k++)
            l->room += u->action[k].act == ACT_INSERT ? u->action[k].n_items : 0;
    }
    const size_t room = (size_t)l->room + 1;
    l->item = host->scratch(host, room * sizeof *l->item);
    l->score = host->scratch(host, room * sizeof *l->score);
    l->hidden = host->scratch(host, room);
    l->pinned = host->scratch(host, room);
    l->pin = host->scratch(host, room * sizeof *l->pin);
    l->order = host->scratch(host, room * sizeof *l->order);
    l->queue = host->scratch(host, room * sizeof *l->queue);
    if (!l->item || !l->score || !l->hidden || !l->pinned || !l->pin || !l->order || !l->queue) return false;
    memset(l->hidden, 0, room);
    memset(l->pinned, 0, room);
    for (uint32_t i = 0; i < list->n; i++) {
        l->item[i] = list->item[i];
        l->score[i] = (double)list->score[i];
    }
    return true;
}

static sinter_status finish(const sinter_instance *inst, sinter_worker *w, const sinter_request *request,
                            const sinter_list *list, sinter_sink *sink, sinter_error *err)
{
    sinter_status s = rules_select(inst, w, request, err);
    if (s != SINTER_OK || w->n_active == 0) return s;
    rules_arrangement l = {.inst = inst, .worker = w, .sink = sink};
    if (!lay_out(&l, list)) return rules_no_memory(err);
    acting x = {.list = &l, .err = err, .rows = inst->host->scratch(inst->host, ((size_t)l.room + 1) * sizeof *x.rows)};
    uint8_t *mask = inst->host->scratch(inst->host, (size_t)l.room + 1);
    if (x.rows == NULL || mask == NULL) return rules_no_memory(err);
    for (uint32_t i = 0; i < w->n_active && s == SINTER_OK; i++) {
        x.rule = &inst->rule[w->active[i]];
        x.at = i;
        if ((x.rule->roles & ROLE_FINISHER) != 0) s = act_rule(&x, mask);
    }
    return s == SINTER_OK ? rules_arrange(&l, err) : s;
}

const sinter_finisher rules_finisher = {.size = sizeof(sinter_finisher), .finish = finish};
