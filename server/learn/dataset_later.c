/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the log lacks, from the records up to each request's own sequence and by the code that serves: vectors, side features
 * of the history's items, which items of a basket lived. The requests are visited in the order of what they had read, so
 * that one replay passes over the journal once. */
#include "dataset_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct visit {
    uint64_t as_of, shown, place;
} visit;

static int by_sequence(const void *x, const void *y)
{
    const visit *a = x, *b = y;
    if (a->as_of != b->as_of) return a->as_of < b->as_of ? -1 : 1;
    if (a->shown != b->shown) return a->shown < b->shown ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static void *part_of(request_record *r, flat_part p)
{
    return (char *)r + r->part[p].at;
}

static sinter_str text_of(const request_record *r, flat_part p)
{
    return (sinter_str){r->part[p].at ? (const char *)r + r->part[p].at : "", r->part[p].n};
}

static void fill_vectors(const dataset_making *m, const catalog_set *set, request_record *r)
{
    const sinter_inputs *in = m->spec->inputs;
    const uint32_t *item = part_of(r, PART_ITEM);
    char *to = part_of(r, PART_VECTOR);
    uint8_t *present = part_of(r, PART_VECTOR_PRESENT);
    for (uint32_t k = 0; k < in->n_vectors; k++) {
        const sinter_column *c = catalog_column(set, in->vector[k]);
        uint32_t dimension = catalog_declared(set->owner, in->vector[k])->dimension;
        float *data = (float *)(void *)to;
        for (uint32_t i = 0; i < r->n; i++) {
            const float *row = c && c->dimension == dimension ? column_vector(c, item[i]) : NULL;
            present[(size_t)k * r->n + i] = row != NULL;
            for (uint32_t d = 0; d < dimension; d++) data[(size_t)i * dimension + d] = row ? row[d] : NAN;
        }
        to += vector_bytes(r->n, dimension);
    }
}

static void fill_basket(const catalog_set *set, request_record *r)
{
    uint32_t *item = part_of(r, PART_BASKET), n = 0;
    for (uint32_t i = 0; i < r->part[PART_BASKET].n; i++)
        if (catalog_is_live(set, item[i])) item[n++] = item[i];
    r->part[PART_BASKET].n = n;
}

static sinter_status fill_side(const dataset_making *m, const feature *side, const replay *as_of, request_record *r,
                               sinter_error *e)
{
    uint32_t n = r->part[PART_HISTORY_ITEM].n;
    sinter_context context = {.size = sizeof context, .now_ms = r->time_ms};
    sinter_user user = {.size = sizeof user, .user_id = text_of(r, PART_USER_ID), .session_id = text_of(r, PART_SESSION_ID)};
    sinter_request request = {.size = sizeof request, .context = &context, .user = &user};
    feature_source src = {.columns = replay_set(as_of),
                          .profiles = replay_profiles(as_of),
                          .item = part_of(r, PART_HISTORY_ITEM),
                          .n = n,
                          .request = &request,
                          .a = m->a};
    float *out = part_of(r, PART_SIDE);
    for (uint32_t k = 0; k < m->spec->inputs->n_history_side; k++) {
        sinter_status s = features_fill(&side[k], 1, &src, out + (size_t)k * n, 1, e);
        if (s) return s;
    }
    return SINTER_OK;
}

sinter_status dataset_side_features(dataset_making *m, catalog_collection *c, feature *out, sinter_error *e)
{
    const sinter_inputs *in = m->spec->inputs;
    feature_scope scope = {.catalog = c, .schema = m->spec->collection, .list_limit = UINT32_MAX};
    for (uint32_t k = 0; k < in->n_history_side; k++) {
        sinter_status s = feature_resolve(&scope, in->history_side[k], &out[k], e);
        if (s) return s;
        if (!feature_of_item(&out[k]))
            return error_set(e, SINTER_INVALID, m->spec->where, "ask for an item's own number: item.FIELD, events.TYPE",
                             "'%s' is no feature of a history's items", in->history_side[k]);
    }
    return SINTER_OK;
}

static sinter_status visit_all(dataset_making *m, replay *r, const feature *side, const visit *v, sinter_error *e)
{
    for (uint64_t i = 0; i < m->n_places; i++) {
        sinter_status s = replay_to(r, v[i].as_of, e);
        if (s == SINTER_OK) s = replay_shown_to(r, v[i].shown, e);
        if (s) return s;
        arena_reset(m->a);
        request_record *rec = (request_record *)(void *)(m->records.map + m->place[v[i].place].at);
        fill_vectors(m, replay_set(r), rec);
        fill_basket(replay_set(r), rec);
        s = fill_side(m, side, r, rec, e);
        if (s) return s;
        if (i % 256 == 0) dataset_progress(m, "as of each request", i, m->n_places);
    }
    return SINTER_OK;
}

sinter_status dataset_fill_later(dataset_making *m, sinter_error *e)
{
    const sinter_inputs *in = m->spec->inputs;
    if (!m->n_places || (!in->n_vectors && !in->n_history_side && !m->baskets)) return SINTER_OK;
    visit *v = xmalloc(m->n_places * sizeof *v);
    for (uint64_t i = 0; i < m->n_places; i++) v[i] = (visit){m->place[i].as_of, m->place[i].shown, i};
    qsort(v, m->n_places, sizeof *v, by_sequence);
    replay *r;
    sinter_status s = replay_open(m->spec->collection, m->main, &r, e);
    if (s == SINTER_OK) {
        if (in->n_history_side) s = replay_with_shown(r, m->impressions, e);
        feature *side = ARENA_ARRAY(m->memory, feature, in->n_history_side + 1);
        if (s == SINTER_OK) s = dataset_side_features(m, replay_catalog(r), side, e);
        if (s == SINTER_OK) s = visit_all(m, r, side, v, e);
        replay_close(r);
    }
    free(v);
    return s;
}
