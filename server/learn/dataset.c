/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From journals to a trainer's table: read what the range holds, cut it in time, judge it, close the journals. */
#include "dataset_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

enum { INTERACTIONS_BATCH = 1 << 16 };

static uint32_t table_users(const sinter_dataset *d)
{
    return d->shared->n_users;
}

static uint64_t table_interactions(const sinter_dataset *d)
{
    return d->n_interactions;
}

static uint64_t table_requests(const sinter_dataset *d)
{
    return d->n_requests;
}

static sinter_status table_rewind(sinter_dataset *d, sinter_error *e)
{
    (void)e;
    d->at_interaction = d->at_request = 0;
    return SINTER_OK;
}

sinter_status dataset_give(void *out, const void *from, uint32_t size, uint32_t least, const char *name, sinter_error *e)
{
    uint32_t room;
    memcpy(&room, out, sizeof room);
    if (room < least)
        return error_set(e, SINTER_INVALID, name, "set its size to its sizeof before the call", "its size is %u; that of ABI %u.0 is %u",
                         room, SINTER_ABI_MAJOR, least);
    if (room > size) room = size;
    memcpy(out, from, room);
    memcpy(out, &room, sizeof room);
    return SINTER_OK;
}

static sinter_status table_next_interactions(sinter_dataset *d, sinter_interactions *out, sinter_error *e)
{
    uint64_t at = d->at_interaction, left = d->n_interactions - at;
    uint32_t n = left < INTERACTIONS_BATCH ? (uint32_t)left : INTERACTIONS_BATCH;
    sinter_interactions x = {.n = n};
    if (n) {
        x.user = d->user + at;
        x.item = d->item + at;
        x.event = d->event + at;
        x.weight = d->weight + at;
        x.value = d->value + at;
        x.time_ms = d->time_ms + at;
    }
    sinter_status s = DATASET_GIVE(sinter_interactions, out, &x, time_ms, e);
    if (s == SINTER_OK) d->at_interaction += n;
    return s;
}

static sinter_status table_next_requests(sinter_dataset *d, sinter_requests *out, sinter_error *e)
{
    static const sinter_batch none = {.size = sizeof none};
    sinter_requests r = {.batch = &none};
    bool end = d->at_request == d->n_requests;
    if (!end) {
        const unsigned char *at = d->shared->records.map + d->place[d->at_request].at;
        arena_reset(d->a);
        flat_read((const request_record *)(const void *)at, &d->shared->shape, d->a, &r);
    }
    sinter_status s = DATASET_GIVE(sinter_requests, out, &r, fusion, e);
    if (s == SINTER_OK && !end) d->at_request++;
    return s;
}

const sinter_dataset_table DATASET_TABLE = {.size = sizeof(sinter_dataset_table),
                                            .n_users = table_users,
                                            .n_interactions = table_interactions,
                                            .n_requests = table_requests,
                                            .rewind = table_rewind,
                                            .next_interactions = table_next_interactions,
                                            .next_requests = table_next_requests,
                                            .csr = dataset_csr};

/* ---- the cut in time ------------------------------------------------------------------------------------------------------ */

/* What is before `at_ms`, and the first `ties` at it, is train. */
typedef struct cut {
    int64_t at_ms;
    uint64_t ties, n_train;
} cut;

static int by_time(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return a < b ? -1 : a > b;
}

/* Sorts `time`; the newest share of it, at least one of two, is valid. */
static cut cut_times(int64_t *time, uint64_t n, double share)
{
    cut c = {.at_ms = INT64_MAX, .n_train = n};
    if (n < 2) return c;
    qsort(time, n, sizeof *time, by_time);
    uint64_t valid = (uint64_t)((double)n * share), below = 0;
    if (valid < 1) valid = 1;
    if (valid > n - 1) valid = n - 1;
    c.n_train = n - valid;
    c.at_ms = time[c.n_train];
    for (uint64_t low = 0, high = n; low < high;) {
        uint64_t mid = low + (high - low) / 2;
        if (time[mid] < c.at_ms)
            low = below = mid + 1;
        else
            high = mid;
    }
    c.ties = c.n_train - below;
    return c;
}

static bool is_train(const cut *c, uint64_t *ties, int64_t time_ms)
{
    if (time_ms != c->at_ms) return time_ms < c->at_ms;
    if (!*ties) return false;
    --*ties;
    return true;
}

static void see_time(dataset_report *r, int64_t ms)
{
    if (ms < r->first_ms) r->first_ms = ms;
    if (ms > r->last_ms) r->last_ms = ms;
}

/* The cut lies among the requests where there are any to read, else among the interactions. */
static cut find_cut(const dataset_making *m)
{
    const dataset_spec *s = m->spec;
    const interaction *x = (const interaction *)(const void *)m->raw_interactions.map;
    uint64_t n = m->requests ? m->n_places : m->n_interactions;
    int64_t *time = xmalloc((n + 1) * sizeof *time);
    for (uint64_t i = 0; i < n; i++) time[i] = m->requests ? m->place[i].time_ms : x[i].time_ms;
    cut c = cut_times(time, n, s->valid > 0 ? s->valid : m->whole ? 0.2 : 0.1);
    free(time);
    return c;
}

/* Keeps the order within each part. */
static uint64_t split_places(dataset_making *m, dataset_shared *d, cut c)
{
    uint64_t train = 0, valid = c.n_train, ties = c.ties;
    d->place = xmalloc((m->n_places + 1) * sizeof *d->place);
    d->n_places = m->n_places;
    for (uint64_t i = 0; i < m->n_places; i++) {
        see_time(m->report, m->place[i].time_ms);
        d->place[is_train(&c, &ties, m->place[i].time_ms) ? train++ : valid++] = m->place[i];
    }
    return c.n_train;
}

/* Columns of n interactions, one after the other. */
typedef struct interaction_columns {
    int64_t *time_ms;
    uint32_t *user, *item, *event;
    float *weight, *value;
} interaction_columns;

static interaction_columns columns_of(const dataset_shared *d)
{
    uint64_t n = d->n_interactions;
    interaction_columns c = {.time_ms = (int64_t *)(void *)d->columns.map};
    c.user = (uint32_t *)(c.time_ms + n);
    c.item = c.user + n;
    c.event = c.item + n;
    c.weight = (float *)(c.event + n);
    c.value = c.weight + n;
    return c;
}

static sinter_status split_interactions(dataset_making *m, dataset_shared *d, cut c, uint64_t *n_train, sinter_error *e)
{
    const interaction *x = (const interaction *)(const void *)m->raw_interactions.map;
    uint64_t n = d->n_interactions = m->n_interactions, ties = m->requests ? 0 : c.ties, train = 0, valid;
    *n_train = 0;
    sinter_status s = spool_make(&d->columns, m->spec->scratch, n * (sizeof(int64_t) + 5 * sizeof(uint32_t)), e);
    if (s || !n) return s;
    for (uint64_t i = 0, t = ties; i < n; i++) *n_train += is_train(&c, &t, x[i].time_ms);
    valid = *n_train;
    interaction_columns to = columns_of(d);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = is_train(&c, &ties, x[i].time_ms) ? train++ : valid++;
        see_time(m->report, x[i].time_ms);
        to.time_ms[at] = x[i].time_ms;
        to.user[at] = x[i].user;
        to.item[at] = x[i].item;
        to.event[at] = x[i].event;
        to.weight[at] = x[i].weight;
        to.value[at] = x[i].value;
    }
    spool_seal(&d->columns);
    return SINTER_OK;
}

/* ---- the parts put together ------------------------------------------------------------------------------------------------- */

static sinter_dataset *dataset_new(dataset_shared *d, uint64_t interactions_from, uint64_t interactions_to, uint64_t requests_from,
                                   uint64_t requests_to)
{
    sinter_dataset *x = ARENA_NEW(d->memory, sinter_dataset);
    *x = (sinter_dataset){.shared = d,
                          .n_interactions = interactions_to - interactions_from,
                          .n_requests = requests_to - requests_from,
                          .place = d->place + requests_from,
                          .a = arena_new(1 << 14),
                          .csr = {{.fd = -1}, {.fd = -1}}};
    if (!d->columns.map) return x;
    interaction_columns c = columns_of(d);
    x->user = c.user + interactions_from;
    x->item = c.item + interactions_from;
    x->event = c.event + interactions_from;
    x->weight = c.weight + interactions_from;
    x->value = c.value + interactions_from;
    x->time_ms = c.time_ms + interactions_from;
    return x;
}

static void set_shape(const dataset_making *m, dataset_shared *d)
{
    const sinter_inputs *in = m->spec->inputs;
    uint32_t *dimension = ARENA_ARRAY(d->memory, uint32_t, in->n_vectors + 1);
    for (uint32_t k = 0; k < in->n_vectors; k++)
        dimension[k] = catalog_declared(replay_catalog(m->replay), in->vector[k])->dimension;
    const char **ranker = ARENA_ARRAY(d->memory, const char *, m->spec->n_rankers + 1);
    for (uint32_t r = 0; r < m->spec->n_rankers; r++) ranker[r] = arena_strdup(d->memory, m->spec->ranker[r].name);
    d->shape = (flat_shape){.n_features = in->n_features,
                              .n_id_features = in->n_id_features,
                              .n_context = in->n_context,
                              .n_prior = in->n_prior,
                              .n_vectors = in->n_vectors,
                              .n_side = in->n_history_side,
                              .n_targets = in->n_targets,
                              .n_rankers = m->whole ? m->spec->n_rankers : 0,
                              .dimension = dimension,
                              .ranker = ranker,
                              .fusion = m->whole && m->spec->n_rankers};
}

static sinter_status split(dataset_making *m, dataset_shared *d, dataset_result *out, sinter_error *e)
{
    cut c = find_cut(m);
    dataset_report *r = m->report;
    uint64_t interactions, requests = 0;
    r->first_ms = INT64_MAX;
    r->last_ms = INT64_MIN;
    sinter_status s = split_interactions(m, d, c, &interactions, e);
    if (s) return s;
    if (m->requests) requests = split_places(m, d, c);
    if (r->first_ms > r->last_ms) r->first_ms = r->last_ms = 0;
    r->cut_ms = c.at_ms == INT64_MAX ? r->last_ms : c.at_ms;
    d->records = m->records;
    m->records = (spool){.fd = -1};
    spool_seal(&d->records);
    set_shape(m, d);
    d->n_users = m->n_rows;
    d->n_items = replay_set(m->replay)->n_items;
    r->items = d->n_items;
    r->interactions[0] = interactions;
    r->interactions[1] = d->n_interactions - interactions;
    r->requests[0] = requests;
    r->requests[1] = d->n_places - requests;
    r->scratch_bytes = d->records.size + d->columns.size;
    out->train = dataset_new(d, 0, interactions, 0, requests);
    out->valid = dataset_new(d, interactions, d->n_interactions, requests, d->n_places);
    return SINTER_OK;
}

/* ---- journals ------------------------------------------------------------------------------------------------------------------ */

static sinter_status open_journal(const dataset_making *m, journal_kind kind, journal **out, sinter_error *e)
{
    const char *name = kind == JOURNAL_CATALOGUE ? "catalogue" : "impressions";
    char *dir = xasprintf("%s/journal/%s", m->spec->data_dir, name);
    sinter_status s = journal_open(&(journal_options){.dir = dir, .kind = kind, .read_only = true}, out, e);
    if (s == SINTER_NOT_FOUND)
        s = error_set(e, SINTER_PRECONDITION, dir,
                      kind == JOURNAL_CATALOGUE ? "check data_dir" : "set `impressions: true` and serve requests", "there is no %s log",
                      name);
    free(dir);
    return s;
}

static sinter_status open_all(dataset_making *m, sinter_error *e)
{
    const dataset_spec *spec = m->spec;
    char uuid[37];
    sinter_status s = open_journal(m, JOURNAL_CATALOGUE, &m->main, e);
    if (s == SINTER_OK) s = journal_collection(m->main, spec->collection->name, &m->collection, uuid, e);
    if (s == SINTER_OK) s = journal_reader_open(m->main, &m->reader, e);
    if (s == SINTER_OK) s = replay_open(spec->collection, m->main, &m->replay, e);
    if (s || !m->requests) return s;
    s = open_journal(m, JOURNAL_IMPRESSIONS, &m->impressions, e);
    if (s == SINTER_OK) s = journal_reader_open(m->impressions, &m->log_reader, e);
    if (s == SINTER_OK) s = journal_reader_open(m->impressions, &m->other_reader, e);
    if (s == SINTER_OK) s = text_analyzer_new(spec->collection, &m->analyzer, e);
    return s;
}

/* Before training: no transaction, no map of a journal outlives this. */
static void close_journals(dataset_making *m)
{
    journal_reader_close(m->reader);
    journal_reader_close(m->log_reader);
    journal_reader_close(m->other_reader);
    if (m->replay) replay_release(m->replay);
    journal_close(m->main);
    journal_close(m->impressions);
    m->reader = m->log_reader = m->other_reader = NULL;
    m->main = m->impressions = NULL;
}

static void making_free(dataset_making *m)
{
    close_journals(m);
    if (m->analyzer) text_analyzer_free(m->analyzer);
    if (m->replay) replay_close(m->replay);
    spool_close(&m->raw_interactions);
    spool_close(&m->raw_labels);
    spool_close(&m->records);
    keymap_free(&m->person);
    free(m->row);
    keymap_free(&m->answered);
    free(m->place);
    buffer_free(&m->builder.bytes);
    if (m->a) arena_free(m->a);
}

void dataset_progress(const dataset_making *m, const char *what, uint64_t done, uint64_t total)
{
    if (m->spec->progress) m->spec->progress(m->spec->progress_ctx, what, done, total);
}

sinter_status dataset_memory(const dataset_making *m, sinter_error *e)
{
    uint64_t limit = m->spec->memory_limit, used = keymap_bytes(&m->person) + m->cap_rows * sizeof *m->row + keymap_bytes(&m->answered) +
                                                   m->cap_places * sizeof *m->place + arena_used(m->memory) +
                                                   catalog_bytes(replay_catalog(m->replay));
    if (!limit || used <= limit) return SINTER_OK;
    return error_set(e, SINTER_EXHAUSTED, m->spec->where, "raise the limit, or train on a shorter range",
                     "the dataset's tables hold %" PRIu64 " MiB, the limit is %" PRIu64 " MiB", used >> 20, limit >> 20);
}

static sinter_status resolve_range(dataset_making *m, sinter_error *e)
{
    uint64_t last = journal_last_sequence(m->main);
    dataset_report *r = m->report;
    r->since = m->spec->since;
    r->until = m->spec->until && m->spec->until < last ? m->spec->until : last;
    if (r->since < r->until) return SINTER_OK;
    return error_set(e, SINTER_PRECONDITION, m->spec->where, "choose a smaller --since",
                     "the range (%" PRIu64 ", %" PRIu64 "] is empty; the journal's newest record is %" PRIu64, r->since, r->until, last);
}

static sinter_status read_all(dataset_making *m, sinter_error *e)
{
    sinter_status s = dir_make(m->spec->scratch, e);
    if (s == SINTER_OK) s = open_all(m, e);
    if (s == SINTER_OK) s = resolve_range(m, e);
    if (s) return s;
    dataset_progress(m, "items", 0, 1);
    s = replay_to(m->replay, m->report->until, e);
    if (s == SINTER_OK) s = dataset_check_inputs(m, e);
    if (s == SINTER_OK) s = dataset_memory(m, e);
    if (s == SINTER_OK) s = dataset_read_events(m, e);
    if (s == SINTER_OK && m->requests) s = dataset_read_requests(m, e);
    if (s == SINTER_OK && m->requests) s = dataset_fill_later(m, e);
    return s ? s : dataset_memory(m, e);
}

static void spools_closed(dataset_making *m, dataset_shared *d)
{
    m->raw_interactions = m->raw_labels = m->records = d->records = d->columns = (spool){.fd = -1};
}

sinter_status dataset_build(const dataset_spec *spec, dataset_result *out, sinter_error *e)
{
    *out = (dataset_result){0};
    arena *memory = arena_new(1 << 16);
    dataset_shared *d = ARENA_NEW(memory, dataset_shared);
    dataset_making m = {.spec = spec, .report = &out->report, .memory = memory, .a = arena_new(1 << 16)};
    d->memory = memory;
    d->scratch = arena_strdup(memory, spec->scratch);
    out->memory = d;
    spools_closed(&m, d);
    m.whole = spec->inputs->dataset & SINTER_DATASET_WHOLE_REQUESTS;
    m.requests = m.whole || (spec->inputs->dataset & SINTER_DATASET_REQUESTS);
    m.interactions = spec->inputs->dataset & SINTER_DATASET_INTERACTIONS;
    sinter_status s = read_all(&m, e);
    close_journals(&m);
    if (s == SINTER_OK) s = split(&m, d, out, e);
    if (s == SINTER_OK) s = dataset_judge(&m, out->train, out->valid, e);
    if (s == SINTER_OK) {
        d->replay = m.replay;
        m.replay = NULL;
        out->catalog = replay_catalog(d->replay);
        out->now_ms = out->report.last_ms;
    }
    making_free(&m);
    if (s) dataset_free(out);
    return s;
}

static void part_free(sinter_dataset *d)
{
    if (!d) return;
    spool_close(&d->csr[0]);
    spool_close(&d->csr[1]);
    arena_free(d->a);
}

void dataset_free(dataset_result *r)
{
    dataset_shared *d = r->memory;
    if (!d) return;
    part_free(r->train);
    part_free(r->valid);
    spool_close(&d->records);
    spool_close(&d->columns);
    if (d->replay) replay_close(d->replay);
    free(d->place);
    arena_free(d->memory);
    r->train = r->valid = NULL;
    r->catalog = NULL;
    r->memory = NULL;
}
