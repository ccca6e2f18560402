/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Judges one played experiment a thousand times: the units that the server counted are dealt anew by a thousand salts, and each deal is
 * reported by the server's own code. For tests/quality/experiments_demo.py.
 *
 *   experiment_judge CONFIG EXPERIMENT SALTS LIFT
 *
 * Counts the data directory's logs (no server may be needed; it may run), then prints one JSON object: the report of the real
 * salt; how many deals without any difference had p < .05 at the end, and how many a guardrail would have stopped at any of 25
 * looks; and of deals where arm 2 clicks LIFT more, how many were found, and the power that their reports promised. */
#include "experiment/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 25 };

/* The units as they were at one look. */
typedef struct look {
    unit *unit; /* [n] */
    uint64_t n;
} look;

static void fail(const sinter_error *e)
{
    char line[1600];
    fprintf(stderr, "experiment_judge: %s\n", error_line(e, line, sizeof line));
    exit(1);
}

static journal *open_log(const config *c, const char *name, journal_kind kind)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal *j;
    char *dir = xasprintf("%s/journal/%s", c->server.data_dir, name);
    journal_options o = {.dir = dir, .kind = kind, .read_only = true};
    if (journal_open(&o, &j, &e)) fail(&e);
    free(dir);
    return j;
}

static void open_head(log_head *h, journal *log)
{
    sinter_error e = SINTER_ERROR_INIT;
    h->log = log;
    h->memory = arena_new(1 << 14);
    if (journal_reader_open(log, &h->reader, &e)) fail(&e);
}

/* What the main journal says of experiments, and the number of this one's collection. */
static void read_main(experiments *g)
{
    tally *t = g->tally[0];
    for (uint64_t i = 1; i <= journal_last_sequence(g->main); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        record *rec;
        arena_reset(g->main_head.memory);
        sinter_status s = journal_get(g->main_head.reader, i, g->main_head.memory, &rec, &e);
        if (s == SINTER_NOT_FOUND) continue; /* sequences may have holes */
        if (s) fail(&e);
        arms_see(g->arms, rec);
        if (!t->collection && rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_COLLECTION_MADE &&
            strcmp(rec->collection_made->name, t->x.collection) == 0)
            t->collection = rec->collection_made->collection;
    }
}

static void keep(look *l, const tally *t)
{
    l->unit = xcalloc(t->n_units + 1, sizeof *l->unit);
    for (uint64_t i = 0; i < t->room; i++)
        if (t->unit[i].key) l->unit[l->n++] = t->unit[i];
}

/* Counts the whole log, stopping LOOKS times on the way. */
static void count(experiments *g, look looks[LOOKS])
{
    tally *t = g->tally[0];
    uint64_t all = journal_last_sequence(g->impressions) - t->begun.impressions_sequence, n = 0;
    follow_rewind(g);
    for (bool busy = true; busy || !g->caught_up;) { /* the newest events may not be due yet */
        busy = follow_step(g);
        uint64_t done = g->impressions_head.at - t->begun.impressions_sequence;
        while (n < LOOKS - 1 && done * LOOKS >= (n + 1) * all) keep(&looks[n++], t);
    }
    while (n < LOOKS) keep(&looks[n++], t); /* the last one when all is counted */
}

/* The same units dealt by another salt. A unit's id is not kept: its key stands for it. */
static uint32_t deal(const config_experiment *x, const unit *u)
{
    char id[20];
    experiment_place p;
    snprintf(id, sizeof id, "%016llx", (unsigned long long)u->key);
    const experiment_person who = {.user = id};
    return experiment_place_of(x, &who, &p) ? p.arm : 0;
}

static bool ever_stopped(const config_experiment *x, const look looks[LOOKS], double alpha)
{
    static const experiment_metric GUARDS[] = {METRIC_CTR, METRIC_CONVERSION, METRIC_ZERO};
    for (int l = 0; l < LOOKS; l++) {
        moments m[2];
        memset(m, 0, sizeof m);
        for (uint64_t i = 0; i < looks[l].n; i++) moments_add(&m[deal(x, &looks[l].unit[i])], &looks[l].unit[i].sums);
        for (size_t k = 0; k < ARRAY_LEN(GUARDS); k++) {
            double worse;
            estimate is = stats_estimate(&m[1], GUARDS[k]), was = stats_estimate(&m[0], GUARDS[k]);
            if (stats_guard(GUARDS[k], 0, &is, &was, &worse) < alpha / ARRAY_LEN(GUARDS)) return true;
        }
    }
    return false;
}

/* Each search of arm 2 without a click gets one with this chance. */
static void plant(unit_sums *u, double chance, rng *r)
{
    for (uint32_t i = u->clicked; i < u->requests; i++)
        if (rng_uniform(r) < chance) u->clicked++, u->clicks++;
}

typedef struct verdict {
    double p, power, difference;
} verdict;

static verdict judge(experiments *g, const config_experiment *x, const look *last, double chance, double lift, rng *r)
{
    arena *a = arena_new(1 << 14);
    tally *t = tally_new(x);
    Sinter__V1__GetExperimentReportResponse out = SINTER__V1__GET_EXPERIMENT_REPORT_RESPONSE__INIT;
    for (uint64_t i = 0; i < last->n; i++) {
        uint32_t arm = deal(x, &last->unit[i]);
        unit_sums *u = tally_unit(t, last->unit[i].key, arm);
        *u = last->unit[i].sums;
        if (arm == 1 && chance > 0) plant(u, chance, r);
    }
    report_fill(g, x, t, lift, a, &out);
    const Sinter__V1__MetricDifference *d = out.arms[1]->metrics[0]->difference;
    verdict v = {d ? d->p : 1, d ? d->power : 0, d ? d->difference : 0};
    tally_free(t);
    arena_free(a);
    return v;
}

static void print_real(experiments *g, const config_experiment *x)
{
    arena *a = arena_new(1 << 14);
    Sinter__V1__GetExperimentReportResponse out = SINTER__V1__GET_EXPERIMENT_REPORT_RESPONSE__INIT;
    report_fill(g, x, g->tally[0], 0.05, a, &out);
    printf("{\"real\":[");
    for (size_t i = 0; i < out.n_arms; i++)
        printf("%s{\"units\":%llu,\"impressions\":%llu,\"clicks\":%llu,\"conversions\":%llu,\"value\":%.6f}", i ? "," : "",
               (unsigned long long)out.arms[i]->units, (unsigned long long)out.arms[i]->impressions,
               (unsigned long long)out.arms[i]->clicks, (unsigned long long)out.arms[i]->conversions, out.arms[i]->value);
    const Sinter__V1__MetricDifference *d = out.arms[1]->metrics[0]->difference;
    printf("],\"p\":%.12g,", d ? d->p : 1);
    arena_free(a);
}

static void judge_all(experiments *g, const config_experiment *real, const look looks[LOOKS], uint64_t salts, double lift)
{
    const look *last = &looks[LOOKS - 1];
    moments all = {0};
    uint64_t false_positives = 0, stopped = 0, found = 0;
    double promised = 0;
    rng r;
    rng_seed(&r, 1);
    for (uint64_t i = 0; i < last->n; i++) moments_add(&all, &last->unit[i].sums);
    double ctr = all.y[METRIC_CTR] / all.x, chance = lift * ctr / (1 - ctr);
    for (uint64_t s = 0; s < salts; s++) {
        config_experiment x = *real;
        char salt[32];
        snprintf(salt, sizeof salt, "deal-%llu", (unsigned long long)s);
        x.salt = salt;
        false_positives += judge(g, &x, last, 0, lift, &r).p < 0.05;
        verdict v = judge(g, &x, last, chance, lift, &r);
        found += v.p < 0.05 && v.difference > 0;
        promised += v.power;
        stopped += ever_stopped(&x, looks, real->alpha);
    }
    printf("\"salts\":%llu,\"units\":%llu,\"ctr\":%.6f,\"false_positives\":%llu,\"stopped\":%llu,\"found\":%llu,\"promised\":%.6f}\n",
           (unsigned long long)salts, (unsigned long long)last->n, ctr, (unsigned long long)false_positives, (unsigned long long)stopped,
           (unsigned long long)found, promised / (double)salts);
}

int main(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    config *c;
    uint64_t salts;
    double lift;
    if (argc != 5 || !parse_uint64(str_of(argv[3]), &salts) || !parse_double(str_of(argv[4]), &lift)) {
        fprintf(stderr, "usage: experiment_judge CONFIG EXPERIMENT SALTS LIFT\n");
        return 2;
    }
    if (config_load(argv[1], &c, &e)) fail(&e);
    const config_experiment *x = config_find_experiment(c, argv[2]);
    if (!x || x->n_arms != 2) {
        fprintf(stderr, "experiment_judge: no experiment '%s' of two arms\n", argv[2]);
        return 2;
    }
    experiments g = {.main = open_log(c, "catalogue", JOURNAL_CATALOGUE), .impressions = open_log(c, "impressions", JOURNAL_IMPRESSIONS)};
    tally *t = tally_new(x);
    look looks[LOOKS] = {{0}};
    g.tally = &t;
    g.n_tallies = 1;
    if (arms_open(g.main, g.impressions, &g.arms, &e)) fail(&e);
    open_head(&g.main_head, g.main);
    open_head(&g.impressions_head, g.impressions);
    read_main(&g);
    if (!arms_begun(g.arms, x, &t->begun)) {
        fprintf(stderr, "experiment_judge: '%s' has not begun\n", argv[2]);
        return 1;
    }
    count(&g, looks);
    print_real(&g, x);
    judge_all(&g, x, looks, salts, lift);
    for (int i = 0; i < LOOKS; i++) free(looks[i].unit);
    return 0;
}
