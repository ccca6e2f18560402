/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything stands once all rules have spoken: the order after scaling, free positions for pins, and caps, told
 * to the host as moves that are right whether it applies edits one after the other or holds pins until the end. */
#include "rules.h"

enum { VALUES_MOST = 16 }; /* of one item's list that a cap counts */

/* How often each value of a cap's field stands among the first positions. */
typedef struct counting {
    uint32_t *first; /* [n_items + 1] into value */
    uint32_t *value; /* dense numbers of values */
    uint32_t *count; /* [distinct] */
} counting;

typedef struct placing {
    rules_arrangement *list;
    uint32_t n_final;    /* positions in the finished list */
    uint32_t *at;        /* [n_final + 1, or more] row pinned at a position, or RULES_NONE */
    uint32_t n_queue;    /* rows without a pin, in order: list->queue */
    uint32_t *new_queue; /* the same rows, as the caps want them */
    uint32_t *cause;     /* [n_items] cap that moved the row down, or RULES_NONE */
    counting counting[RULES_CAPS_MOST];
} placing;

static void *scratch(const rules_arrangement *l, size_t n, size_t size)
{
    return l->inst->host->scratch(l->inst->host, (n + 1) * size);
}

/* ---- order and pins
 * ---------------------------------------------------------------------------------------------------- */

/* Whether row a comes before row b once scores have been scaled: as the host sorts. */
static bool precedes(const rules_arrangement *l, uint32_t a, uint32_t b)
{
    if (l->score[a] != l->score[b]) return l->score[a] > l->score[b];
    return l->item[a] < l->item[b];
}

static void order_rows(rules_arrangement *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->hidden[i] != 0) continue;
        uint32_t j = l->n_order++;
        for (; l->scaled && i < l->n_top && j > 0 && precedes(l, i, l->order[j - 1]); j--)
            l->order[j] = l->order[j - 1];
        l->order[j] = i;
    }
}

/* Highest priority first, as they were collected: each gets the first free position from the one it wants on. */
static void choose_positions(placing *p)
{
    rules_arrangement *l = p->list;
    for (uint32_t i = 0; i < l->n_pins; i++) {
        uint32_t at = l->pin[i].wanted;
        while (p->at[at] != RULES_NONE)
            at++;
        l->pin[i].position = at;
        p->at[at] = l->pin[i].row;
    }
}

/* Lowest position first; what would stand past the end stands at the end, in the same order. */
static void place_pins(placing *p)
{
    rules_arrangement *l = p->list;
    choose_positions(p);
    for (uint32_t i = 1; i < l->n_pins; i++) {
        rules_pin pin = l->pin[i];
        uint32_t j = i;
        for (; j > 0 && l->pin[j - 1].position > pin.position; j--)
            l->pin[j] = l->pin[j - 1];
        l->pin[j] = pin;
    }
    uint32_t last = p->n_final;
    for (uint32_t i = l->n_pins; i > 0; i--, last--) {
        rules_pin *pin = &l->pin[i - 1];
        p->at[pin->position] = RULES_NONE;
        last = pin->position < last ? pin->position : last;
        pin->position = last;
        p->at[last] = pin->row;
    }
}

/* ---- caps
 * ---------------------------------------------------------------------------------------------------------------- */

static uint32_t values_of(const sinter_column *c, uint32_t item, uint64_t out[VALUES_MOST])
{
    uint32_t at = item >> SINTER_CHUNK_BITS, row = item & (SINTER_CHUNK_ROWS - 1);
    if (c == NULL || at >= c->n_chunks || c->chunk[at] == NULL ||
        (c->chunk[at]->present[row / 64] >> (row % 64) & 1) == 0)
        return 0;
    const void *data = c->chunk[at]->data;
    switch (c->type) {
    case SINTER_COLUMN_KEYWORD: out[0] = ((const uint32_t *)data)[row]; return out[0] != 0;
    case SINTER_COLUMN_INTEGER: out[0] = (uint64_t)((const int64_t *)data)[row]; return 1;
    case SINTER_COLUMN_BOOLEAN: out[0] = ((const uint8_t *)data)[row]; return 1;
    case SINTER_COLUMN_KEYWORDS: {
        const uint32_t *offset = data, *id = offset + SINTER_CHUNK_ROWS + 1;
        uint32_t n = 0;
        for (uint32_t i = offset[row]; i < offset[row + 1] && n < VALUES_MOST; i++)
            out[n++] = id[i];
        return n;
    }
    default: return 0;
    }
}

/* Numbers the values of one cap's field, 0 … distinct - 1. */
static bool number_values(const rules_arrangement *l, const rules_cap *cap, counting *c)
{
    const sinter_column *column = l->inst->host->column(l->inst->host, cap->action->field);
    uint32_t widest = column != NULL && column->type == SINTER_COLUMN_KEYWORDS ? VALUES_MOST : 1, distinct = 0;
    size_t room = (size_t)l->n_items * widest;
    uint64_t *known = scratch(l, room, sizeof *known);
    c->first = scratch(l, l->n_items, sizeof *c->first);
    c->value = scratch(l, room, sizeof *c->value);
    if (known == NULL || c->first == NULL || c->value == NULL) return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < l->n_items; i++) {
        uint64_t value[VALUES_MOST];
        uint32_t n = cap->target[i] != 0 ? values_of(column, l->item[i], value) : 0;
        c->first[i] = used;
        for (uint32_t v = 0; v < n; v++) {
            uint32_t k = 0;
            while (k < distinct && known[k] != value[v])
                k++;
            if (k == distinct) known[distinct++] = value[v];
            c->value[used++] = k;
        }
    }
    c->first[l->n_items] = used;
    c->count = scratch(l, distinct, sizeof *c->count);
    if (c->count != NULL) memset(c->count, 0, (distinct + 1) * sizeof *c->count);
    return c->count != NULL;
}

static void count_row(placing *p, uint32_t row, uint32_t position)
{
    for (uint32_t k = 0; k < p->list->n_caps; k++) {
        const counting *c = &p->counting[k];
        for (uint32_t v = c->first[row]; position <= p->list->cap[k].action->among && v < c->first[row + 1]; v++)
            c->count[c->value[v]]++;
    }
}

/* The cap that keeps the row from this position, or RULES_NONE. */
static uint32_t forbidden(const placing *p, uint32_t row, uint32_t position)
{
    for (uint32_t k = 0; k < p->list->n_caps; k++) {
        const counting *c = &p->counting[k];
        const rule_action *a = p->list->cap[k].action;
        for (uint32_t v = c->first[row]; position <= a->among && v < c->first[row + 1]; v++)
            if (c->count[c->value[v]] >= a->limit) return k;
    }
    return RULES_NONE;
}

/* Takes the first row of the queue that may stand at `position`; those passed over are marked. Where none may, the
 * first. */
static uint32_t take_row(placing *p, uint32_t position)
{
    rules_arrangement *l = p->list;
    uint32_t i = 0;
    for (; i < p->n_queue; i++) {
        uint32_t cap = forbidden(p, l->queue[i], position);
        if (cap == RULES_NONE) break;
        if (p->cause[l->queue[i]] == RULES_NONE) p->cause[l->queue[i]] = cap;
    }
    i = i == p->n_queue ? 0 : i;
    uint32_t row = l->queue[i];
    memmove(l->queue + i, l->queue + i + 1, (--p->n_queue - i) * sizeof *l->queue);
    return row;
}

/* Pinned rows stand where they are and are counted first; the others fill the gaps. */
static bool apply_caps(placing *p)
{
    rules_arrangement *l = p->list;
    for (uint32_t k = 0; k < l->n_caps; k++)
        if (!number_values(l, &l->cap[k], &p->counting[k])) return false;
    for (uint32_t at = 1; at <= p->n_final; at++)
        if (p->at[at] != RULES_NONE) count_row(p, p->at[at], at);
    uint32_t placed = 0;
    for (uint32_t at = 1; at <= p->n_final; at++) {
        if (p->at[at] != RULES_NONE) continue;
        uint32_t row = take_row(p, at);
        count_row(p, row, at);
        p->new_queue[placed++] = row;
    }
    p->n_queue = placed;
    return true;
}

/* ---- telling the host
 * ------------------------------------------------------------------------------------------------------ */

static uint32_t place_of(const rules_arrangement *l, uint32_t row)
{
    uint32_t i = 0;
    while (i < l->n_order && l->order[i] != row)
        i++;
    return i;
}

/* Moves a row of `order`, or brings it in, so that it stands at index `to`. */
static void put(rules_arrangement *l, uint32_t row, uint32_t to)
{
    uint32_t from = place_of(l, row);
    if (from == l->n_order) l->n_order++;
    memmove(l->order + from, l->order + from + 1, (l->n_order - 1 - from) * sizeof *l->order);
    to = to < l->n_order ? to : l->n_order - 1;
    memmove(l->order + to + 1, l->order + to, (l->n_order - 1 - to) * sizeof *l->order);
    l->order[to] = row;
}

static void tell_move(const rules_arrangement *l, const rules_cap *cap, uint32_t row, uint32_t position)
{
    const rule *u = &l->inst->rule[cap->rule];
    char text[256];
    snprintf(text, sizeof text, "at most %u of one %.100s among the first %u", cap->action->limit, cap->action->field,
             cap->action->among);
    l->inst->host->edit_move(l->sink, u->id, l->item[row], position, u->note != NULL ? u->note : text);
}

/* Each row that a cap moved down goes directly before the row that follows it in the new order, the last ones first:
 * the others have kept their order, so that every move finds what follows it in place. */
static void tell_moves(const placing *p)
{
    rules_arrangement *l = p->list;
    for (uint32_t i = p->n_queue; i > 0; i--) {
        uint32_t row = p->new_queue[i - 1];
        if (p->cause[row] == RULES_NONE) continue;
        uint32_t before = place_of(l, row), to = i < p->n_queue ? place_of(l, p->new_queue[i]) : l->n_order;
        to -= before < to;
        if (to == before) continue;
        put(l, row, to);
        tell_move(l, &l->cap[p->cause[row]], row, to + 1);
    }
}

static void tell_pin(const rules_arrangement *l, const rules_pin *pin, bool insert)
{
    const sinter_host *host = l->inst->host;
    const rule *u = &l->inst->rule[pin->rule];
    char text[128];
    int n = snprintf(text, sizeof text, "%s at %u", insert ? "inserted" : "pinned", pin->position);
    if (pin->position > pin->wanted) snprintf(text + n, sizeof text - (size_t)n, "; %u was taken", pin->wanted);
    const char *told = u->note != NULL ? u->note : text;
    if (insert)
        host->edit_insert(l->sink, u->id, l->item[pin->row], pin->position, told);
    else
        host->edit_pin(l->sink, u->id, l->item[pin->row], pin->position, told);
}

static void tell_pins(const rules_arrangement *l)
{
    for (uint32_t i = 0; i < l->n_pins; i++)
        tell_pin(l, &l->pin[i], l->pin[i].insert);
}

/* ---- the whole
 * --------------------------------------------------------------------------------------------------------------- */

/* Inserted rows count for a cap where its rule means them. */
static sinter_status finish_targets(rules_arrangement *l, sinter_error *err)
{
    const sinter_host *host = l->inst->host;
    for (uint32_t k = 0; k < l->n_caps && l->n_items > l->n; k++) {
        const rule *u = &l->inst->rule[l->cap[k].rule];
        uint8_t *target = l->cap[k].target + l->n;
        memset(target, 1, l->n_items - l->n);
        sinter_status s = SINTER_OK;
        if (u->filter != RULES_NONE)
            s = host->filter_match(host, l->inst->filter[u->filter], l->item + l->n, l->n_items - l->n, target, err);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

static bool set_out(placing *p)
{
    rules_arrangement *l = p->list;
    p->n_final = l->n_order;
    uint32_t furthest = 0;
    for (uint32_t i = 0; i < l->n_pins; i++) {
        p->n_final += l->pin[i].insert;
        furthest = l->pin[i].wanted > furthest ? l->pin[i].wanted : furthest;
    }
    furthest = furthest + l->n_pins > p->n_final ? furthest + l->n_pins : p->n_final;
    p->at = scratch(l, furthest, sizeof *p->at);
    p->new_queue = scratch(l, l->n_order, sizeof *p->new_queue);
    p->cause = scratch(l, l->n_items, sizeof *p->cause);
    if (p->at == NULL || p->new_queue == NULL || p->cause == NULL) return false;
    memset(p->at, 0xff, ((size_t)furthest + 1) * sizeof *p->at);
    memset(p->cause, 0xff, ((size_t)l->n_items + 1) * sizeof *p->cause);
    for (uint32_t i = 0; i < l->n_order; i++)
        if (l->pinned[l->order[i]] == 0) l->queue[p->n_queue++] = l->order[i];
    return true;
}

sinter_status rules_arrange(rules_arrangement *l, sinter_error *err)
{
    if (l->n_pins == 0 && l->n_caps == 0) return SINTER_OK;
    placing p = {.list = l};
    order_rows(l);
    sinter_status s = finish_targets(l, err);
    if (s != SINTER_OK) return s;
    if (!set_out(&p)) return rules_no_memory(err);
    place_pins(&p);
    if (l->n_caps > 0) {
        if (!apply_caps(&p)) return rules_no_memory(err);
        tell_moves(&p);
    }
    tell_pins(l);
    return SINTER_OK;
}
