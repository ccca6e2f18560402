/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to pipeline: going through both journals for all that is stored of one person (people_sweep.c), and forgetting it
 * (people.c). */
#ifndef SINTER_PIPELINE_PEOPLE_H
#define SINTER_PIPELINE_PEOPLE_H

#include "engine.h"

#include <sinter/v1/events.pb-c.h>

/* Who is looked for: by id, or after a restart by what the journal keeps of the id. */
typedef struct whom {
    const char *user_id, *session_id; /* one of them, or both empty: by digest */
    str salt, digest;
} whom;

/* Texts by their hash; a set. */
typedef struct text_set {
    dictionary d;
    uint32_t n;
    arena *texts;
} text_set;
bool text_set_has(const text_set *s, const char *text);

/* Sequences in rising order. */
typedef struct sequences {
    uint64_t *at;
    uint64_t n, cap;
} sequences;

typedef struct person_sweep {
    engine *engine;
    whom whom;
    uint64_t upto, upto_log; /* records of the main journal, of the impressions' log */
    bool (*stop)(void *ctx);
    void *stop_ctx;
    /* What was found. */
    text_set sessions;  /* joined to the user: that an event or an answer names with them */
    text_set requests;  /* their answers' ids */
    sequences events, puts, answers, recorded;
    sequences failed; /* requests in experiments that got no answer */
    struct learnt {     /* [n_learnt] what training may have read: where in the main journal, of which collection */
        uint64_t sequence;
        uint32_t collection;
    } *learnt;
    uint64_t n_learnt, cap_learnt;
} person_sweep;

void whom_digest(const whom *w, const char *salt_hex, char out[65]);
/* Reads both journals, each twice. UNAVAILABLE when stopped. */
sinter_status person_sweep_run(person_sweep *s, sinter_error *e);
/* What came meanwhile, of the main journal up to `upto`. */
sinter_status person_sweep_more(person_sweep *s, uint64_t upto, sinter_error *e);
bool person_sweep_is(const person_sweep *s, const char *user_id, const char *session_id);
void person_sweep_free(person_sweep *s);

#endif
