/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counts of the last hour, day and month, exact whatever order events come in.
 *
 * Time is cut in minutes. A window is so many whole pieces up to the one that `now` lies in: an hour is 60 minutes, a day 96
 * quarters of an hour, a month 60 half days. What is behind the newest event by more than an hour is needed by quarters only, by
 * more than a day by half days only, and beyond a month not at all: then buckets are joined. So a window is what a list of all
 * events would give, for every `now` from the newest event on, and never holds more than 256 buckets (2 KiB). */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

/* A bucket is one word, so that buckets sort by time and most windows (one event, or several in a minute) need no memory:
 * minute since 1970, amount, 1. A window's word is 0, such a bucket, or the address of a series. */
enum { MINUTE_BITS = 26, AMOUNT_BITS = 37 };
#define AMOUNT_MOST (((uint64_t)1 << AMOUNT_BITS) - 1)
#define MINUTE_MOST (((uint32_t)1 << MINUTE_BITS) - 1)

typedef struct series {
    block b;
    uint64_t bucket[]; /* [n] by rising minute */
} series;

static const struct {
    uint32_t minutes, pieces; /* of a piece; pieces of the window */
} SPANS[] = {[PROFILE_HOUR] = {1, 60}, [PROFILE_DAY] = {15, 96}, [PROFILE_MONTH] = {720, 60}};

static uint64_t bucket_of(uint32_t minute, uint64_t amount)
{
    return (uint64_t)minute << (AMOUNT_BITS + 1) | (amount < AMOUNT_MOST ? amount : AMOUNT_MOST) << 1 | 1;
}

static uint32_t minute_in(uint64_t bucket)
{
    return (uint32_t)(bucket >> (AMOUNT_BITS + 1));
}

static uint64_t amount_in(uint64_t bucket)
{
    return bucket >> 1 & AMOUNT_MOST;
}

static uint32_t minute_of(int64_t time_ms)
{
    int64_t minute = time_ms / 60000;
    return minute < 0 ? 0 : minute > MINUTE_MOST ? MINUTE_MOST : (uint32_t)minute;
}

static bool within(profile_span span, uint32_t minute, uint32_t now)
{
    return minute / SPANS[span].minutes + SPANS[span].pieces > now / SPANS[span].minutes;
}

static series *series_of(window w)
{
    return (series *)(uintptr_t)w;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

/* The minute that a bucket may be moved to without a window from `newest` on noticing; false: none needs it any more. */
static bool coarser(uint32_t *minute, uint32_t newest)
{
    if (within(PROFILE_HOUR, *minute, newest)) return true;
    for (profile_span span = PROFILE_DAY; span <= PROFILE_MONTH; span++) {
        if (!within(span, *minute, newest)) continue;
        *minute -= *minute % SPANS[span].minutes;
        return true;
    }
    return false;
}

static void join(series *s)
{
    uint32_t n = 0, newest = minute_in(s->bucket[s->b.n - 1]);
    for (uint32_t i = 0; i < s->b.n; i++) {
        uint32_t minute = minute_in(s->bucket[i]);
        if (!coarser(&minute, newest)) continue;
        if (n && minute_in(s->bucket[n - 1]) == minute)
            s->bucket[n - 1] = bucket_of(minute, amount_in(s->bucket[n - 1]) + amount_in(s->bucket[i]));
        else
            s->bucket[n++] = bucket_of(minute, amount_in(s->bucket[i]));
    }
    s->b.n = n;
}

static series *writable(profile_collection *p, window *w, uint32_t cap)
{
    return block_writable(p, w, sizeof(series), sizeof(uint64_t), cap);
}

/* Where a minute stands or would stand: most events are the newest. */
static uint32_t place_of(const series *s, uint32_t minute)
{
    uint32_t at = s->b.n;
    while (at > 0 && minute_in(s->bucket[at - 1]) >= minute) at--;
    return at;
}

/* Room for one more: what can be joined is, and the series grows where that freed too little to last. */
static series *make_room(profile_collection *p, window *w)
{
    series *s = writable(p, w, series_of(*w)->b.cap);
    join(s);
    return s->b.n > s->b.cap - s->b.cap / 8 || s->b.n == s->b.cap ? writable(p, w, 2 * s->b.cap) : s;
}

static void series_add(profile_collection *p, window *w, uint32_t minute, uint64_t amount)
{
    const series *have = series_of(*w);
    uint32_t at = place_of(have, minute), newest = minute_in(have->bucket[have->b.n - 1]);
    if (at < have->b.n && minute_in(have->bucket[at]) == minute) {
        series *s = writable(p, w, have->b.cap);
        s->bucket[at] = bucket_of(minute, amount_in(s->bucket[at]) + amount);
        return;
    }
    if (!within(PROFILE_MONTH, minute, minute > newest ? minute : newest)) return;
    series *s = have->b.n == have->b.cap ? make_room(p, w) : writable(p, w, have->b.cap);
    at = place_of(s, minute);
    memmove(s->bucket + at + 1, s->bucket + at, (s->b.n - at) * sizeof s->bucket[0]);
    s->bucket[at] = bucket_of(minute, amount);
    s->b.n++;
}

void window_add(profile_collection *p, window *w, int64_t time_ms, uint64_t amount)
{
    uint32_t minute = minute_of(time_ms);
    if (!*w) {
        *w = bucket_of(minute, amount);
    } else if (!(*w & 1)) {
        series_add(p, w, minute, amount);
    } else if (minute_in(*w) == minute) {
        *w = bucket_of(minute, amount_in(*w) + amount);
    } else {
        uint64_t first = *w;
        *w = 0;
        series *s = writable(p, w, 2);
        s->bucket[s->b.n++] = first;
        series_add(p, w, minute, amount);
    }
}

void window_free(window w)
{
    if (w && !(w & 1)) free(series_of(w));
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

uint64_t window_count(window w, profile_span span, int64_t now_ms)
{
    if (!w) return 0;
    const uint64_t *bucket = w & 1 ? &w : series_of(w)->bucket;
    uint32_t n = w & 1 ? 1 : series_of(w)->b.n, now = minute_of(now_ms);
    if (n && minute_in(bucket[n - 1]) > now) now = minute_in(bucket[n - 1]);
    uint64_t sum = 0;
    while (n > 0 && within(span, minute_in(bucket[n - 1]), now)) sum += amount_in(bucket[--n]);
    return sum;
}

/* ---- on disk -------------------------------------------------------------------------------------------------------------- */

const uint64_t *window_buckets(const window *w, uint32_t *n)
{
    bool list = *w && !(*w & 1);
    *n = !*w ? 0 : list ? series_of(*w)->b.n : 1;
    return list ? series_of(*w)->bucket : w;
}

bool window_restore(profile_collection *p, window *w, const uint64_t *bucket, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!(bucket[i] & 1) || (i && minute_in(bucket[i]) < minute_in(bucket[i - 1]))) return false;
    *w = n == 1 ? bucket[0] : 0;
    if (n < 2) return true;
    uint32_t cap = 2;
    while (cap < n) cap *= 2;
    series *s = writable(p, w, cap);
    memcpy(s->bucket, bucket, n * sizeof bucket[0]);
    s->b.n = n;
    return true;
}
