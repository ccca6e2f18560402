/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exploring by chance: in a share of requests the first places are put in an even random order, so that what people click can be
 * told from where it stood. Which requests, and which order, is a hash of the request id: the same id gives the same answer.
 *
 * The probability that the item at place p of the first k stood there is (1 - share) × [p is its place as ranked] + share / k,
 * whether or not this request was shuffled: that is what impressions keep. */
#include "search.h"

#include <stdio.h>
#include <string.h>

#define SALT 0x6578706c6f7265u /* apart from every other draw of the same request id */

/* Pages behind the first are served as ranked: a new order there would repeat and lose items. So are requests that leave no
 * impression, such as those of an evaluation: chance that nobody logs teaches nothing; and groups, whose lines are no places. */
static bool explores(const search *s)
{
    return s->offset == 0 && s->n_shown == 0 && !s->in->no_impression && !s->groups;
}

static void mark(search *s, const char *step, uint32_t item, uint32_t from, uint32_t to)
{
    rule_mark *m = search_rule(s, item, step, "shuffle", arena_printf(s->a, "place %u to %u, by chance", from, to), step);
    m->rank_before = from;
    m->rank_after = to;
}

void search_explore(search *s, const snap_finish *f)
{
    uint32_t k = f->shuffle < s->n_list ? f->shuffle : s->n_list;
    if (k == 0 || !explores(s)) return;
    const char *id = s->out->request_id;
    rng chance;
    rng_seed(&chance, hash64_seed(id, strlen(id), SALT));
    bool chosen = rng_uniform(&chance) < f->share;
    uint32_t *from = ARENA_ARRAY(s->a, uint32_t, k); /* place as ranked, from 0 */
    for (uint32_t i = 0; i < k; i++) from[i] = i;
    for (uint32_t i = k; chosen && i-- > 1;) { /* Fisher and Yates */
        uint32_t j = (uint32_t)rng_below(&chance, i + 1);
        entry e = s->list[i];
        uint32_t was = from[i];
        s->list[i] = s->list[j];
        from[i] = from[j];
        s->list[j] = e;
        from[j] = was;
    }
    s->propensity = ARENA_ARRAY(s->a, double, k);
    s->n_propensity = k;
    s->shuffled = chosen ? k : 0;
    for (uint32_t i = 0; i < k; i++) {
        s->propensity[i] = f->share / k + (from[i] == i ? 1 - f->share : 0);
        if (chosen) mark(s, f->use.name, s->list[i].item, from[i] + 1, i + 1);
    }
}
