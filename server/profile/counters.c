/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters that decay: one number and the time that it is meant for stand for all events so far. */
#include "inside.h"

#include <math.h>

static double decay(int64_t ms, double half_life_ms)
{
    return exp2(-(double)ms / half_life_ms);
}

/* A late event has decayed already when it comes. */
void counter_add(counter *c, int64_t time_ms, double half_life_ms)
{
    if (c->value == 0) {
        *c = (counter){1, time_ms};
    } else if (time_ms >= c->time_ms) {
        c->value = c->value * decay(time_ms - c->time_ms, half_life_ms) + 1;
        c->time_ms = time_ms;
    } else {
        c->value += decay(c->time_ms - time_ms, half_life_ms);
    }
}

void counters_add(profile_collection *p, rows *r, uint32_t number, int64_t time_ms)
{
    counter_add(rows_writable(p, r, number), time_ms, p->half_life_ms);
}

double counter_at(const counter *c, int64_t now_ms, double half_life_ms)
{
    if (!c || c->value == 0) return 0;
    return now_ms > c->time_ms ? c->value * decay(now_ms - c->time_ms, half_life_ms) : c->value;
}

static inline float count_of(const row_table *t, uint32_t number, int64_t now_ms, double half_life_ms)
{
    return (float)counter_at(table_row(t, sizeof(counter), number), now_ms, half_life_ms);
}

void profile_count_items(const profile_set *s, uint32_t type, const uint32_t *item, uint32_t n, int64_t now_ms, float *out,
                         uint32_t stride)
{
    const row_table *t = type && type <= MAX_TYPES ? s->tables->count[type - 1] : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = t ? item_number(s, item[i]) : 0;
        out[(size_t)i * stride] = number ? count_of(t, number - 1, now_ms, s->owner->half_life_ms) : 0;
    }
}

uint32_t profile_value_of(const profile_set *s, uint32_t by, uint32_t item)
{
    uint32_t number = by < s->owner->n_by ? item_number(s, item) : 0;
    const item_row *row = number ? item_values(s, number - 1) : NULL;
    return row ? row[1 + by] : 0;
}

void profile_count_values(const profile_set *s, uint32_t type, uint32_t by, const uint32_t *item, uint32_t n, int64_t now_ms,
                          float *out, uint32_t stride)
{
    const row_table *t = type && type <= MAX_TYPES && by < MAX_BY ? s->tables->value_count[type - 1][by] : NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = profile_value_of(s, by, item[i]);
        out[(size_t)i * stride] = value ? count_of(t, value, now_ms, s->owner->half_life_ms) : NAN;
    }
}
