/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times shown, from the log of answers; and smoothed rates.
 *
 * What was shown is counted in 256ths, so that its sums are exact in any order: a place of an answer counts as likely as people
 * look at it (`rates: {examination}`), the first one whole. */
#include "inside.h"

#include <math.h>
#include <string.h>

/* ---- what was shown ------------------------------------------------------------------------------------------------------ */

static uint32_t examined(const profile_collection *p, uint32_t position)
{
    double share = position > 1 ? pow(position, -p->schema->rates_examination) : 1;
    uint32_t units = (uint32_t)lround(share * SHOWN_UNIT);
    return units ? units : 1;
}

/* Where the record names the collection's counter fields: of field `by`, its place there; UINT32_MAX: it does not. */
static uint32_t named_place(const profile_collection *p, const Sinter__Storage__V1__AnsweredPeople *said, uint32_t by)
{
    if (!said || said->n_counted_by == 0 || said->n_shown_value % said->n_counted_by != 0) return UINT32_MAX;
    for (uint32_t i = 0; i < said->n_counted_by; i++)
        if (strcmp(said->counted_by[i], p->schema->counter_by[by]) == 0) return i;
    return UINT32_MAX;
}

static void count_shown_values(profile_collection *p, const Sinter__Storage__V1__Answered *a, uint32_t shown, const count *c)
{
    const Sinter__Storage__V1__AnsweredPeople *said = a->people;
    for (uint32_t by = 0; by < p->n_by; by++) {
        uint32_t place = named_place(p, said, by);
        size_t at = place == UINT32_MAX ? SIZE_MAX : shown * said->n_counted_by + place;
        if (at >= (said ? said->n_shown_value : 0) || !said->shown_value[at]) continue;
        uint32_t value = value_of_hash(p, by, said->shown_value[at]);
        tally_add(p, rows_writable(p, &p->account[SHOWN].value[by], value), c);
    }
}

static void count_shown(profile_collection *p, const Sinter__Storage__V1__Record *rec)
{
    const Sinter__Storage__V1__Answered *a = rec->answered;
    count c = {.time_ms = a->time_ms < rec->time_ms ? a->time_ms : rec->time_ms};
    c.recent_ms = c.time_ms;
    for (uint32_t i = 0; i < a->n_shown; i++) {
        const uint32_t *item = rows_at(&p->item_of, a->shown[i]->item);
        if (!item || !*item) continue; /* of an item that the main journal never had: restored from an older backup */
        c.amount = examined(p, a->shown[i]->position);
        c.weight = (double)c.amount / SHOWN_UNIT;
        tally_add(p, rows_writable(p, &p->account[SHOWN].item, *item - 1), &c);
        tally_add(p, &p->account[SHOWN].all, &c);
        count_shown_values(p, a, i, &c);
    }
}

bool profile_apply_shown(profile_collection *p, const Sinter__Storage__V1__Record *rec)
{
    if (!p->schema->rates || rec->sequence <= p->shown_applied) return p->moved;
    p->shown_applied = rec->sequence;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ANSWERED || rec->answered->collection != p->number ||
        rec->answered->n_shown == 0)
        return p->moved;
    count_shown(p, rec);
    return p->moved = true;
}

uint64_t profile_value_hash(const profile_set *s, uint32_t by, uint32_t item)
{
    uint32_t value = profile_value_of(s, by, item);
    const dictionary_text *t = value ? dictionary_get(&s->owner->values[by], value) : NULL;
    return t ? hash64(t->s, t->n) : 0;
}

/* ---- rates ---------------------------------------------------------------------------------------------------------------- */

/* What is divided by what. */
typedef struct division {
    const account_tables *of, *by;
    double unit; /* of `by` */
} division;

static bool division_of(const profile_set *s, const profile_rate *r, division *d)
{
    if (!r->event || r->event > MAX_TYPES || r->per > MAX_TYPES) return false;
    const account_tables *t = s->tables->account;
    *d = r->per ? (division){&t[r->event - 1], &t[r->per - 1], 1} : (division){&t[THROUGH + r->event - 1], &t[SHOWN], SHOWN_UNIT};
    return true;
}

/* (times it happened + strength × the rate that it is smoothed towards) / (times it could have + strength) */
static double smooth(const profile_set *s, const profile_rate *r, const division *d, const tally *of, const tally *by, double toward,
                     int64_t now_ms)
{
    double half_life_ms = s->owner->half_life_ms, strength = s->owner->schema->rates_strength;
    double happened = tally_at(of, r->span, now_ms, half_life_ms, 1);
    double times = tally_at(by, r->span, now_ms, half_life_ms, d->unit);
    return (happened + strength * toward) / (times + strength);
}

static double in_all(const profile_set *s, const profile_rate *r, const division *d, int64_t now_ms)
{
    double half_life_ms = s->owner->half_life_ms;
    double times = tally_at(&d->by->all, r->span, now_ms, half_life_ms, d->unit);
    return times > 0 ? tally_at(&d->of->all, r->span, now_ms, half_life_ms, 1) / times : NAN;
}

static double of_value(const profile_set *s, const profile_rate *r, const division *d, uint32_t by, uint32_t value, double toward,
                       int64_t now_ms)
{
    return smooth(s, r, d, table_row(d->of->value[by], sizeof(tally), value), table_row(d->by->value[by], sizeof(tally), value), toward,
                  now_ms);
}

static double of_item(const profile_set *s, const profile_rate *r, const division *d, uint32_t item, double toward, int64_t now_ms)
{
    uint32_t number = item_number(s, item), by = s->owner->schema->rates_toward;
    uint32_t value = by < s->owner->n_by ? profile_value_of(s, by, item) : 0;
    if (value) toward = of_value(s, r, d, by, value, toward, now_ms);
    const tally *of = number ? table_row(d->of->item, sizeof(tally), number - 1) : NULL;
    const tally *times = number ? table_row(d->by->item, sizeof(tally), number - 1) : NULL;
    return smooth(s, r, d, of, times, toward, now_ms);
}

void profile_rates(const profile_set *s, const profile_rate *r, const uint32_t *item, uint32_t n, int64_t now_ms, float *out,
                   uint32_t stride)
{
    division d;
    bool known = division_of(s, r, &d);
    double all = known ? in_all(s, r, &d, now_ms) : NAN;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = r->by < MAX_BY ? profile_value_of(s, r->by, item[i]) : 0;
        double rate = NAN;
        if (known && r->by == UINT32_MAX) rate = of_item(s, r, &d, item[i], all, now_ms);
        if (known && value) rate = of_value(s, r, &d, r->by, value, all, now_ms);
        out[(size_t)i * stride] = (float)rate;
    }
}

void profile_shown(const profile_set *s, profile_span span, uint32_t by, const uint32_t *item, uint32_t n, int64_t now_ms, float *out,
                   uint32_t stride)
{
    const account_tables *t = &s->tables->account[SHOWN];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = item_number(s, item[i]), value = by < MAX_BY ? profile_value_of(s, by, item[i]) : 0;
        const tally *row = NULL;
        if (by == UINT32_MAX && number) row = table_row(t->item, sizeof(tally), number - 1);
        if (value) row = table_row(t->value[by], sizeof(tally), value);
        double times = tally_at(row, span, now_ms, s->owner->half_life_ms, SHOWN_UNIT);
        out[(size_t)i * stride] = by != UINT32_MAX && !value ? NAN : (float)times;
    }
}
