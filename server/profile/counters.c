/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters that decay: one number and the time that it is meant for stand for all events so far. And tallies, which hold such a
 * counter and the windows beside it. */
#include "inside.h"

#include <math.h>

static double decay(int64_t ms, double half_life_ms)
{
    return exp2(-(double)ms / half_life_ms);
}

/* A late event has decayed already when it comes. */
void counter_add(counter *c, int64_t time_ms, double weight, double half_life_ms)
{
    if (c->value == 0) {
        *c = (counter){weight, time_ms};
    } else if (time_ms >= c->time_ms) {
        c->value = c->value * decay(time_ms - c->time_ms, half_life_ms) + weight;
        c->time_ms = time_ms;
    } else {
        c->value += weight * decay(c->time_ms - time_ms, half_life_ms);
    }
}

static double counter_at(const counter *c, int64_t now_ms, double half_life_ms)
{
    return now_ms > c->time_ms ? c->value * decay(now_ms - c->time_ms, half_life_ms) : c->value;
}

void tally_add(profile_collection *p, tally *t, const count *c)
{
    counter_add(&t->all, c->time_ms, c->weight, p->half_life_ms);
    window_add(p, &t->recent, c->recent_ms, c->amount);
}

double tally_at(const tally *t, profile_span span, int64_t now_ms, double half_life_ms, double unit)
{
    if (!t || t->all.value == 0) return 0;
    return span == PROFILE_ALL ? counter_at(&t->all, now_ms, half_life_ms) : (double)window_count(t->recent, span, now_ms) / unit;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static const account_tables *events_of(const profile_set *s, uint32_t type)
{
    return type && type <= MAX_TYPES ? &s->tables->account[type - 1] : NULL;
}

static const tally *of_item(const profile_set *s, const account_tables *t, uint32_t item)
{
    uint32_t number = t ? item_number(s, item) : 0;
    return number ? table_row(t->item, sizeof(tally), number - 1) : NULL;
}

void profile_count_items(const profile_set *s, uint32_t type, profile_span span, const uint32_t *item, uint32_t n, int64_t now_ms,
                         float *out, uint32_t stride)
{
    const account_tables *t = events_of(s, type);
    for (uint32_t i = 0; i < n; i++)
        out[(size_t)i * stride] = (float)tally_at(of_item(s, t, item[i]), span, now_ms, s->owner->half_life_ms, 1);
}

uint32_t profile_value_of(const profile_set *s, uint32_t by, uint32_t item)
{
    uint32_t number = by < s->owner->n_by ? item_number(s, item) : 0;
    const item_row *row = number ? item_values(s, number - 1) : NULL;
    return row ? row[1 + by] : 0;
}

void profile_count_values(const profile_set *s, uint32_t type, profile_span span, uint32_t by, const uint32_t *item, uint32_t n,
                          int64_t now_ms, float *out, uint32_t stride)
{
    const account_tables *t = by < MAX_BY ? events_of(s, type) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = t ? profile_value_of(s, by, item[i]) : 0;
        const tally *row = value ? table_row(t->value[by], sizeof(tally), value) : NULL;
        out[(size_t)i * stride] = value ? (float)tally_at(row, span, now_ms, s->owner->half_life_ms, 1) : NAN;
    }
}
