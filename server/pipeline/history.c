/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The person's history: read once a request, when the first one asks; each sees as much of it as it asked for. */
#include "search.h"

const history *search_history(search *s)
{
    history *h = &s->history;
    if (h->read) return h;
    h->read = true;
    const sinter_user *u = &s->user;
    const profile_set *set = s->view->profiles;
    uint32_t limit = s->collection->log_history;
    profile_who who =
        profile_find_person(set, (str){u->user_id.data, u->user_id.size}, (str){u->session_id.data, u->session_id.size});
    if (!who.user && !who.session) return h;
    profile_event *event = arena_alloc(s->a, limit * sizeof *event);
    h->n = profile_history(set, who, limit, event);
    h->item = arena_alloc(s->a, (h->n + 1) * sizeof *h->item);
    h->event = arena_alloc(s->a, (h->n + 1) * sizeof *h->event);
    h->age = arena_alloc(s->a, (h->n + 1) * sizeof *h->age);
    h->weight = arena_alloc(s->a, (h->n + 1) * sizeof *h->weight);
    h->time_ms = arena_alloc(s->a, (h->n + 1) * sizeof *h->time_ms);
    for (uint32_t i = 0; i < h->n; i++) {
        h->item[i] = event[i].item;
        h->event[i] = event[i].type;
        h->age[i] = history_age(s->context.now_ms, event[i].time_ms);
        h->weight[i] = history_weight(s->collection->schema, event[i].type, event[i].value);
        h->time_ms[i] = event[i].time_ms;
    }
    return h;
}

/* What it wants of the history's items, by the code that fills features of candidates. */
static const float *const *sides(search *s, const snap_use *use, const uint32_t *item, uint32_t n)
{
    sinter_error ignored = SINTER_ERROR_INIT;
    feature_source src = search_source(s);
    src.item = item;
    src.n = n;
    float **side = ARENA_ARRAY(s->a, float *, use->n_side + 1);
    for (uint32_t k = 0; k < use->n_side; k++) {
        side[k] = arena_alloc(s->a, (n + 1) * sizeof(float));
        features_fill(&use->side[k], 1, &src, side[k], 1, &ignored); /* of items' own features none can fail */
    }
    return (const float *const *)side;
}

const sinter_request *search_request_of(search *s, const snap_use *use)
{
    if (!use->history) return &s->request;
    const history *h = search_history(s);
    sinter_user *user = ARENA_NEW(s->a, sinter_user);
    *user = s->user;
    user->n_history = h->n < use->history ? h->n : use->history;
    user->item = h->item;
    user->event = h->event;
    user->age = h->age;
    user->weight = h->weight;
    user->side = sides(s, use, h->item, user->n_history);
    user->n_side = use->n_side;
    sinter_request *request = ARENA_NEW(s->a, sinter_request);
    *request = s->request;
    request->user = user;
    return request;
}
