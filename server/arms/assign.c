/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is in an experiment, and in which arm: two hashes and a clock.
 *
 * The layer's hash says whether a unit is in at all, the experiment's own hash which arm it is in. So a growing ramp or range
 * of buckets takes more in and moves nobody from arm to arm, and another salt deals anew among the same people. */
#include "arms/arms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t bucket_of(const char *prefix, const char *salt, experiment_unit unit, const char *id)
{
    char text[64 + 64 + 16 + 256 + 8]; /* a salt has 64, an id 256 */
    int n = snprintf(text, sizeof text, "%s%s/%s/%s", prefix, salt, EXPERIMENT_UNIT_NAMES[unit], id);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return (uint32_t)(hash64(text, size) % EXPERIMENT_BUCKETS);
}

uint32_t experiment_bucket(const char *salt, experiment_unit unit, const char *id)
{
    return bucket_of("", salt, unit, id);
}

/* No salt has a colon: a layer never hashes as an experiment does. */
static uint32_t layer_bucket(const config_experiment *x, const experiment_place *p)
{
    return bucket_of("layer:", x->layer, p->unit, p->id);
}

static double ramp_share(const config_experiment *x, int64_t now_ms)
{
    double share = x->n_ramp ? 0 : 1;
    for (uint32_t i = 0; i < x->n_ramp && x->ramp[i].from_ms <= now_ms; i++) {
        const config_ramp *r = &x->ramp[i];
        double passed = r->over_ms ? ((double)now_ms - (double)r->from_ms) / (double)r->over_ms : 1;
        share += (r->share - share) * (passed < 1 ? passed : 1);
    }
    return share;
}

uint32_t experiment_enrolled(const config_experiment *x, int64_t now_ms)
{
    if (now_ms < x->start_ms || now_ms >= x->end_ms) return 0;
    return (uint32_t)lround(ramp_share(x, now_ms) * (x->last_bucket - x->first_bucket + 1));
}

/* A person without a user id is known by the session: one and the same for as long as that lasts. A request of neither has
 * nothing that the next one would be known by, so it stays out: else its arm would change from page to page. */
static bool find_unit(experiment_unit unit, const experiment_person *who, experiment_place *out)
{
    const char *user = who->user ? who->user : "", *session = who->session ? who->session : "";
    out->unit = unit == EXPERIMENT_USER && !*user ? EXPERIMENT_SESSION : unit;
    out->id = out->unit == EXPERIMENT_USER ? user : out->unit == EXPERIMENT_SESSION ? session : who->request;
    return out->id && *out->id;
}

bool experiment_place_of(const config_experiment *x, const experiment_person *who, experiment_place *out)
{
    if (!find_unit(x->unit, who, out)) return false;
    out->bucket = experiment_bucket(x->salt, out->unit, out->id);
    for (out->arm = 0; out->arm < x->n_arms; out->arm++)
        if (!x->arm[out->arm].shadow && out->bucket < x->arm[out->arm].end && out->bucket >= x->arm[out->arm].first) return true;
    return false;
}

bool experiment_assign(const config_experiment *x, const experiment_person *who, int64_t now_ms, experiment_place *out)
{
    uint32_t enrolled = experiment_enrolled(x, now_ms);
    if (enrolled == 0 || !find_unit(x->unit, who, out)) return false;
    if (enrolled < EXPERIMENT_BUCKETS) {
        uint32_t b = layer_bucket(x, out);
        if (b < x->first_bucket || b >= x->first_bucket + enrolled) return false;
    }
    return experiment_place_of(x, who, out);
}
