/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Around every call: how it ended, what is counted, and guards behind the arrays that plugins write. */
#include "call.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 16 };
#define GUARD_BITS 0x7fa5a5a5u

uint64_t result_begin(plugin_result *r)
{
    *r = (plugin_result){.outcome = PLUGIN_DONE, .error = SINTER_ERROR_INIT};
    return clock_mono_ns();
}

static void count(_Atomic uint64_t *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

void result_end(plugin_result *r, plugin_instance *i, uint64_t started, uint32_t rows)
{
    plugin_counters *c = &i->lib->counters;
    r->elapsed_ns = clock_mono_ns() - started;
    count(&c->calls, 1);
    count(&c->rows, rows);
    count(&c->nanoseconds, r->elapsed_ns);
    switch (r->outcome) {
    case PLUGIN_DONE: break;
    case PLUGIN_LATE: count(&c->late, 1); break;
    case PLUGIN_FAILED: count(&c->failed, 1); break;
    case PLUGIN_NOT_FINITE: count(&c->not_finite, 1); break;
    case PLUGIN_DECLINED: count(&c->declined, 1); break;
    }
}

sinter_status error_tidy(sinter_error *e, sinter_status s, const plugin_instance *i)
{
    char what[sizeof e->what], where[sizeof e->where], fix[sizeof e->fix];
    snprintf(what, sizeof what, "%.*s", (int)sizeof e->what - 1, e->what);
    snprintf(where, sizeof where, "%.*s", (int)sizeof e->where - 1, e->where);
    snprintf(fix, sizeof fix, "%.*s", (int)sizeof e->fix - 1, e->fix);
    if (s <= 0 || s > SINTER_IO) s = SINTER_INTERNAL;
    return error_set(e, s, where[0] ? where : i->use, fix, "%s", what[0] ? what : "the plugin gives no reason");
}

sinter_status result_status(plugin_result *r, sinter_status s, const plugin_instance *i)
{
    if (s == SINTER_OK) return s;
    r->outcome = s == SINTER_DECLINED ? PLUGIN_DECLINED : s == SINTER_DEADLINE ? PLUGIN_LATE : PLUGIN_FAILED;
    if (!r->error.what[0] && s == SINTER_DECLINED)
        snprintf(r->error.what, sizeof r->error.what, "it has no opinion on this request");
    if (!r->error.what[0] && s == SINTER_DEADLINE)
        snprintf(r->error.what, sizeof r->error.what, "it gave up at its deadline");
    return error_tidy(&r->error, s, i);
}

sinter_status result_fault(plugin_result *r, plugin_outcome o, const plugin_instance *i, const char *what)
{
    r->outcome = o;
    return error_set(&r->error, SINTER_INTERNAL, i->use, "report it to the plugin's author", "%s", what);
}

sinter_worker *lane_worker(const plugin_instance *i, const plugin_call *c)
{
    return c->lane < i->n_lanes ? i->worker[c->lane] : NULL;
}

static void fill(uint32_t *p, uint32_t from, uint32_t n, uint32_t bits)
{
    for (uint32_t k = from; k < from + n; k++)
        p[k] = bits;
}

float *guarded_floats(arena *a, uint32_t n)
{
    float *p = arena_aligned(a, 64, ((size_t)n + GUARD) * sizeof *p);
    for (uint32_t k = 0; k < n; k++)
        p[k] = NAN;
    fill((uint32_t *)(void *)p, n, GUARD, GUARD_BITS);
    return p;
}

uint32_t *guarded_ids(arena *a, uint32_t n)
{
    uint32_t *p = arena_aligned(a, 64, ((size_t)n + GUARD) * sizeof *p);
    fill(p, 0, n, UINT32_MAX);
    fill(p, n, GUARD, GUARD_BITS);
    return p;
}

bool guard_whole(const void *p, uint32_t n)
{
    uint32_t guard[GUARD];
    memcpy(guard, (const char *)p + (size_t)n * sizeof *guard, sizeof guard);
    for (uint32_t k = 0; k < GUARD; k++) {
        if (guard[k] != GUARD_BITS) return false;
    }
    return true;
}

bool sums_to(double sum, double score)
{
    return fabs(sum - score) <= 1e-5 * fmax(1, fabs(score));
}
