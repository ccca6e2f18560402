/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Seeded people who like some kinds of items more than others, and what they did: for the tests of training. */
#ifndef SINTER_CF_TESTS_PEOPLE_H
#define SINTER_CF_TESTS_PEOPLE_H

#include "harness_dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_MS 86400000ll

typedef struct people {
    sinter_dataset *early, *late;
    const char *file; /* all events as TSV, for the reference */
    int64_t since_ms; /* late events are from here on */
} people;

static inline double people_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* `share` of the events come in the last tenth of 100 days, into `late`. Weights are 0.5 to 5, some events repeated, some of
 * weight 0. */
static inline people people_make(harness *h, uint32_t n_users, uint32_t n_items, uint32_t n_events, double share, uint64_t seed)
{
    people p = {harness_dataset(h), harness_dataset(h), NULL, 90 * DAY_MS};
    static char path[600];
    snprintf(path, sizeof path, "%s/events.tsv", harness_folder(h));
    p.file = path;
    FILE *out = fopen(path, "w");
    for (uint32_t k = 0; k < n_events; k++) {
        uint32_t user = (uint32_t)(people_random(&seed) * n_users), kind = user % 3;
        double popular = people_random(&seed);
        uint32_t item = (uint32_t)(popular * popular * n_items);
        if (item % 3 != kind && people_random(&seed) < 0.7)
            item = item - item % 3 + kind < n_items ? item - item % 3 + kind : item;
        float weight = (float)(floor(people_random(&seed) * 11) / 2);
        bool late = people_random(&seed) < share;
        int64_t time = (int64_t)(people_random(&seed) * (late ? 10 : 90) * (double)DAY_MS) + (late ? p.since_ms : 0);
        harness_interaction(late ? p.late : p.early, user, item, 1, weight, NAN, time);
        fprintf(out, "%u\t%u\t%.9g\t%lld\n", user, item, (double)weight, (long long)time);
    }
    fclose(out);
    return p;
}

/* The reference's verdict; what differs stands on stderr. */
static inline bool people_agree(const people *p, const char *arguments)
{
    char command[2000];
    const char *source = getenv("SINTER_SOURCE");
    snprintf(command, sizeof command, "/usr/bin/python3 '%s/plugins/cf/tests/reference.py' '%s' %s", source ? source : ".", p->file,
             arguments);
    return system(command) == 0;
}

#endif
