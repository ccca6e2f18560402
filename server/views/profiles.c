/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles at start: every record of the journal is walked, because an event's counts depend on what stood in the catalogue
 * when it was recorded. */
#include "inside.h"

#include <inttypes.h>

typedef Sinter__Storage__V1__Record record;

enum { WALK_RECORDS = 4096 };
static const uint64_t SAY_NS = 2000000000u; /* a walk that takes longer is told of */

typedef struct walk {
    views *v;
    uint64_t events;
} walk;

static bool walk_record(void *ctx, const record *rec)
{
    walk *w = ctx;
    if (rec->sequence > w->v->at) return false;
    feed *f = views_feed(w->v, rec);
    if (!f) return true;
    profile_apply(f->profiles, rec);
    w->events += rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT;
    return true;
}

/* Types that are declared later need the items too, but they come with a restart (config_same_events). */
static bool any_events(const views *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (v->feed[i].schema->n_events) return true;
    return false;
}

sinter_status profiles_build(views *v, sinter_error *e)
{
    walk w = {.v = v};
    uint64_t from = clock_mono_ns(), at = 0, last = 0;
    sinter_status s = SINTER_OK;
    for (bool more = any_events(v); more && !s; more = last > at && last < v->at) {
        at = last;
        s = journal_tail(v->reader, at, WALK_RECORDS, walk_record, &w, &last, e);
    }
    uint64_t took = clock_mono_ns() - from;
    if (!s && took > SAY_NS)
        log_info("profiles.built", "%" PRIu64 " events up to sequence %" PRIu64 " in %.1f s", w.events, v->at, (double)took / 1e9);
    return s;
}
