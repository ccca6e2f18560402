/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a server's requests through the trainer's dataset and holds them against two others: the log's own records, and a
 * recomputation from the main journal as of each request, by the code that serves. Equal means the same bits.
 *
 *   dataset_as_of CONFIG COLLECTION PIPELINE SCRATCH [leak | leak_shown]
 *
 * `leak_shown`: the recomputation has counted one answer more as shown than the request had. `leak`: the recomputation goes one event further than the request had seen, as a dataset would that let the future in; then
 * numbers must differ, or the comparison sees nothing. What the text index alone knows (text.*, query.coverage) is held against
 * the log only. Prints counts as NAME=VALUE; exit code 1 where anything differs. */
#include "features/features.h"
#include "learn/learn.h"
#include <sinter/v1/search.pb-c.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Sinter__Storage__V1__Record record;
typedef Sinter__Storage__V1__Answered answered;

enum { HISTORY = 12, SIDES = 4, VECTORS = 1, DIMENSION = 3 };
static const char *const SIDE[SIDES] = {"item.price", "events.click", "rate.click.day", "session.item"};
static const char *const VECTOR[VECTORS] = {"shape"};
static const char *const TARGET[] = {"click", "rating", "weight"};

/* A request of the log, and what the journal says of it. */
typedef struct logged {
    const answered *a;
    Sinter__V1__SearchRequest *in;
    uint64_t seed, as_of, shown;
    float *feature;      /* [n][n_features] recomputed; of text features: as logged */
    uint32_t *id;        /* [n_ids][n] */
    float *context;      /* [n_context] */
    profile_event *event; /* [n_event] history */
    uint32_t n_event;
    float *side;    /* [SIDES][n_event] */
    float *vector;  /* [n][DIMENSION] */
} logged;

typedef struct check {
    const char *collection, *pipeline, *scratch, *data_dir;
    const config_collection *schema;
    bool leak, leak_shown;
    arena *a;
    logged *request; /* [n] in the order of the log */
    uint32_t n, cap;
    uint64_t *event_at; /* [n_events] sequences of events */
    uint32_t n_events, cap_events;
    uint64_t numbers, different_from_log, different_from_journal, requests, rows, positive;
} check;

static void die(const sinter_error *e)
{
    char line[1536];
    fprintf(stderr, "dataset_as_of: %s\n", error_line(e, line, sizeof line));
    exit(2);
}

static void must(sinter_status s, const sinter_error *e)
{
    if (s) die(e);
}

static journal *open_journal(const check *c, const char *name, journal_kind kind)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal *j;
    char *dir = xasprintf("%s/journal/%s", c->data_dir, name);
    must(journal_open(&(journal_options){.dir = dir, .kind = kind, .read_only = true}, &j, &e), &e);
    free(dir);
    return j;
}

/* ---- the log --------------------------------------------------------------------------------------------------------- */

typedef struct log_walk {
    check *c;
    journal_reader *reader;
} log_walk;

static bool take_answer(void *ctx, const record *rec)
{
    log_walk *w = ctx;
    check *c = w->c;
    sinter_error e = SINTER_ERROR_INIT;
    record *kept;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ANSWERED) return true;
    must(journal_get(w->reader, rec->sequence, c->a, &kept, &e), &e);
    if (c->n == c->cap) c->request = xrealloc(c->request, (c->cap = c->cap * 2 + 64) * sizeof *c->request);
    const answered *a = kept->answered;
    c->request[c->n++] = (logged){.a = a,
                                  .in = sinter__v1__search_request__unpack(NULL, a->request.len, a->request.data),
                                  .seed = hash64(a->request_id, strlen(a->request_id)),
                                  .shown = a->people ? a->people->shown_sequence : 0,
                                  .as_of = a->profile_sequence > a->columns_sequence ? a->profile_sequence : a->columns_sequence};
    return true;
}

static void forget_log(check *c)
{
    for (uint32_t i = 0; i < c->n; i++) sinter__v1__search_request__free_unpacked(c->request[i].in, NULL);
    c->n = 0;
}

static void read_log(check *c)
{
    forget_log(c);
    sinter_error e = SINTER_ERROR_INIT;
    journal *j = open_journal(c, "impressions", JOURNAL_IMPRESSIONS);
    journal_reader *walk;
    log_walk w = {.c = c};
    must(journal_reader_open(j, &walk, &e), &e);
    must(journal_reader_open(j, &w.reader, &e), &e);
    must(journal_tail(walk, 0, UINT32_MAX, take_answer, &w, NULL, &e), &e);
    journal_reader_close(walk);
    journal_reader_close(w.reader);
    journal_close(j);
    if (!c->n) {
        fprintf(stderr, "dataset_as_of: the log is empty\n");
        exit(2);
    }
}

static bool take_event(void *ctx, const record *rec)
{
    check *c = ctx;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT) return true;
    if (c->n_events == c->cap_events)
        c->event_at = xrealloc(c->event_at, (c->cap_events = c->cap_events * 2 + 64) * sizeof *c->event_at);
    c->event_at[c->n_events++] = rec->sequence;
    return true;
}

/* The first event that a request had not seen. */
static uint64_t one_event_further(const check *c, uint64_t as_of)
{
    for (uint32_t i = 0; i < c->n_events; i++)
        if (c->event_at[i] > as_of) return c->event_at[i];
    return as_of;
}

/* ---- from the journal -------------------------------------------------------------------------------------------------- */

static sinter_str slice(const char *s)
{
    return (sinter_str){s, strlen(s)};
}

/* The attributes that the test sends: numbers and texts. */
static void read_user(const logged *l, arena *a, sinter_user *u)
{
    const Sinter__V1__User *in = l->in->user;
    *u = (sinter_user){.size = sizeof *u, .user_id = slice(""), .session_id = slice("")};
    if (!in) return;
    u->user_id = slice(in->user_id);
    u->session_id = slice(in->session_id);
    sinter_attribute *out = ARENA_ARRAY(a, sinter_attribute, in->n_attributes + 1);
    for (size_t i = 0; i < in->n_attributes; i++) {
        const Sinter__V1__Value *v = in->attributes[i]->value;
        out[i].name = slice(in->attributes[i]->key);
        if (v->kind_case == SINTER__V1__VALUE__KIND_STRING_VALUE)
            out[i].value = (sinter_value){.type = SINTER_VALUE_STRING, .u.string = slice(v->string_value)};
        else
            out[i].value = (sinter_value){.type = SINTER_VALUE_NUMBER, .u.number = v->number_value};
    }
    u->attribute = out;
    u->n_attributes = (uint32_t)in->n_attributes;
}

static bool of_text(const char *name)
{
    return strncmp(name, "text.", 5) == 0 || strcmp(name, "query.coverage") == 0;
}

static void recompute_features(check *c, logged *l, const feature_scope *scope, feature_source src)
{
    sinter_error e = SINTER_ERROR_INIT;
    const answered *a = l->a;
    uint32_t n = (uint32_t)a->n_shown, k = (uint32_t)a->n_features;
    l->feature = ARENA_ARRAY(c->a, float, (size_t)n * k + 1);
    for (uint32_t f = 0; f < k; f++) {
        feature x;
        if (of_text(a->features[f])) {
            for (uint32_t i = 0; i < n; i++) l->feature[(size_t)i * k + f] = a->shown[i]->features[f];
            continue;
        }
        must(feature_resolve(scope, a->features[f], &x, &e), &e);
        must(features_fill(&x, 1, &src, l->feature + f, k, &e), &e);
    }
    l->context = ARENA_ARRAY(c->a, float, a->n_context + 1);
    for (uint32_t f = 0; f < a->n_context; f++) {
        feature x;
        must(feature_resolve(scope, a->context[f], &x, &e), &e);
        l->context[f] = feature_of_request(&x, &src);
    }
    l->id = ARENA_ARRAY(c->a, uint32_t, n * a->n_id_features + 1);
    for (uint32_t f = 0; f < a->n_id_features; f++) {
        id_feature x;
        must(id_feature_resolve(scope, a->id_features[f], &x, &e), &e);
        id_feature_fill(&x, &src, l->id + (size_t)f * n, 1);
    }
}

static void recompute_person(check *c, logged *l, const feature_scope *scope, feature_source src)
{
    sinter_error e = SINTER_ERROR_INIT;
    const sinter_user *u = src.request->user;
    profile_who who =
        profile_find_person(src.profiles, (str){u->user_id.data, u->user_id.size}, (str){u->session_id.data, u->session_id.size});
    l->event = ARENA_ARRAY(c->a, profile_event, HISTORY);
    l->n_event = profile_history(src.profiles, who, HISTORY, l->event);
    uint32_t item[HISTORY];
    for (uint32_t i = 0; i < l->n_event; i++) item[i] = l->event[i].item;
    src.item = item;
    src.n = l->n_event;
    l->side = ARENA_ARRAY(c->a, float, SIDES * HISTORY);
    for (uint32_t k = 0; k < SIDES; k++) {
        feature x;
        must(feature_resolve(scope, SIDE[k], &x, &e), &e);
        must(features_fill(&x, 1, &src, l->side + (size_t)k * l->n_event, 1, &e), &e);
    }
    l->vector = ARENA_ARRAY(c->a, float, l->a->n_shown * DIMENSION + 1);
    for (uint32_t i = 0; i < l->a->n_shown; i++) {
        const sinter_column *column = catalog_column(src.columns, VECTOR[0]);
        const float *v = column ? column_vector(column, l->a->shown[i]->item) : NULL;
        for (uint32_t d = 0; d < DIMENSION; d++) l->vector[i * DIMENSION + d] = v ? v[d] : NAN;
    }
}

static void recompute_one(check *c, logged *l, const replay *r, const text_analyzer *analyzer)
{
    sinter_error e = SINTER_ERROR_INIT;
    uint32_t *item = ARENA_ARRAY(c->a, uint32_t, l->a->n_shown + 1);
    for (uint32_t i = 0; i < l->a->n_shown; i++) item[i] = l->a->shown[i]->item;
    sinter_user user;
    read_user(l, c->a, &user);
    sinter_context context = {.size = sizeof context, .now_ms = l->a->time_ms, .locale = slice(""), .device = slice("")};
    text_query *q;
    text_query_options o = {.operator_and = -1};
    must(text_query_parse(analyzer, replay_catalog(r), str_of(l->in->query), &o, c->a, &q, &e), &e);
    sinter_query public = {.size = sizeof public, .text = slice(q->text), .normalised = slice(q->normalised)};
    sinter_request request = {.size = sizeof request,
                              .request_id = slice(l->a->request_id),
                              .query = &public,
                              .user = &user,
                              .context = &context,
                              .seed = l->seed,
                              .deadline_ns = UINT64_MAX};
    feature_source src = {.columns = replay_set(r),
                          .profiles = replay_profiles(r),
                          .query = q,
                          .asked = str_of(l->in->query),
                          .item = item,
                          .n = (uint32_t)l->a->n_shown,
                          .request = &request,
                          .a = c->a};
    feature_scope scope = {.catalog = replay_catalog(r), .schema = c->schema, .list_limit = UINT32_MAX};
    recompute_features(c, l, &scope, src);
    recompute_person(c, l, &scope, src);
}

static int by_as_of(const void *x, const void *y)
{
    const logged *a = *(logged *const *)x, *b = *(logged *const *)y;
    if (a->as_of != b->as_of) return a->as_of < b->as_of ? -1 : 1;
    return a->shown < b->shown ? -1 : a->shown > b->shown;
}

static void recompute(check *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal *j = open_journal(c, "catalogue", JOURNAL_CATALOGUE), *log = open_journal(c, "impressions", JOURNAL_IMPRESSIONS);
    journal_reader *reader;
    replay *r;
    text_analyzer *analyzer;
    must(text_analyzer_new(c->schema, &analyzer, &e), &e);
    must(journal_reader_open(j, &reader, &e), &e);
    must(journal_tail(reader, 0, UINT32_MAX, take_event, c, NULL, &e), &e);
    must(replay_open(c->schema, j, &r, &e), &e);
    must(replay_with_shown(r, log, &e), &e);
    logged **order = xmalloc(c->n * sizeof *order);
    for (uint32_t i = 0; i < c->n; i++) order[i] = &c->request[i];
    qsort(order, c->n, sizeof *order, by_as_of);
    for (uint32_t i = 0; i < c->n; i++) {
        must(replay_to(r, c->leak ? one_event_further(c, order[i]->as_of) : order[i]->as_of, &e), &e);
        must(replay_shown_to(r, order[i]->shown + (c->leak_shown ? 1 : 0), &e), &e);
        recompute_one(c, order[i], r, analyzer);
    }
    free(order);
    replay_close(r);
    journal_reader_close(reader);
    journal_close(j);
    journal_close(log);
    text_analyzer_free(analyzer);
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------ */

/* Bits, so that missing values are equal too. */
static void equal(check *c, const void *got, const void *log, const void *truth, const char *what, const char *id)
{
    c->numbers++;
    bool log_differs = log && memcmp(got, log, 4) != 0, journal_differs = truth && memcmp(got, truth, 4) != 0;
    c->different_from_log += log_differs;
    c->different_from_journal += journal_differs;
    if ((log_differs || journal_differs) && c->different_from_log + c->different_from_journal <= 10)
        fprintf(stderr, "%s: %s differs from the %s\n", id, what, log_differs ? "log" : "journal");
}

static void compare_rows(check *c, const logged *l, const sinter_requests *r)
{
    const answered *a = l->a;
    const sinter_batch *b = r->batch;
    const char *id = a->request_id;
    uint32_t n = b->n, k = b->n_features;
    for (uint32_t i = 0; i < n; i++) {
        const Sinter__Storage__V1__Shown *s = a->shown[i];
        float propensity = (float)s->propensity;
        equal(c, &b->item[i], &s->item, NULL, "item", id);
        equal(c, &r->position[i], &s->position, NULL, "position", id);
        equal(c, &r->propensity[i], &propensity, NULL, "propensity", id);
        for (uint32_t f = 0; f < k; f++)
            equal(c, &b->feature[(size_t)i * b->stride + f], &s->features[f], &l->feature[(size_t)i * k + f], a->features[f], id);
        for (uint32_t f = 0; f < b->n_id_features; f++)
            equal(c, &b->id_feature[f][i], &s->ids[f], &l->id[(size_t)f * n + i], a->id_features[f], id);
        for (uint32_t f = 0; f < b->n_prior; f++) equal(c, &b->prior[f][i], &s->raw[f], NULL, a->rankers[f], id);
        for (uint32_t d = 0; d < DIMENSION; d++)
            equal(c, (const float *)b->vectors[0].data + i * b->vectors[0].stride + d, NULL, &l->vector[i * DIMENSION + d], "vector", id);
        c->positive += r->label[0][i] > 0 || r->label[1][i] > 0;
    }
    for (uint32_t f = 0; f < b->n_context; f++) equal(c, &b->context[f], &a->context_value[f], &l->context[f], a->context[f], id);
}

static void compare_person(check *c, const logged *l, const sinter_requests *r)
{
    const answered *a = l->a;
    const sinter_user *u = r->batch->user;
    uint32_t most = a->n_history_item < HISTORY ? (uint32_t)a->n_history_item : HISTORY;
    equal(c, &u->n_history, &most, &l->n_event, "length of the history", a->request_id);
    uint32_t n = u->n_history < l->n_event ? u->n_history : l->n_event;
    for (uint32_t i = 0; i < n && i < most; i++) {
        const profile_event *e = &l->event[i];
        float logged_age = history_age(a->time_ms, a->history_time_ms[i]), age = history_age(a->time_ms, e->time_ms);
        float weight = history_weight(c->schema, e->type, e->value);
        equal(c, &u->item[i], &a->history_item[i], &e->item, "item of the history", a->request_id);
        equal(c, &u->event[i], &a->history_event[i], &e->type, "event of the history", a->request_id);
        equal(c, &u->age[i], &logged_age, &age, "age in the history", a->request_id);
        equal(c, &u->weight[i], &a->history_weight[i], &weight, "weight in the history", a->request_id);
        for (uint32_t k = 0; k < SIDES; k++)
            equal(c, &u->side[k][i], NULL, &l->side[(size_t)k * l->n_event + i], SIDE[k], a->request_id);
    }
}

static void compare_texts(check *c, const logged *l, const sinter_batch *b)
{
    uint32_t yes = 1;
    uint32_t same = b->query->text.size == strlen(l->in->query) && memcmp(b->query->text.data, l->in->query, b->query->text.size) == 0 &&
                    b->user->user_id.size == strlen(l->a->user_id) &&
                    memcmp(b->user->user_id.data, l->a->user_id, b->user->user_id.size) == 0 &&
                    b->request_context->now_ms == l->a->time_ms;
    equal(c, &same, &yes, NULL, "words, user or time", l->a->request_id);
}

static const logged *find(const check *c, uint64_t seed)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->request[i].seed == seed) return &c->request[i];
    fprintf(stderr, "dataset_as_of: a request that the log does not hold\n");
    exit(2);
}

static void compare(check *c, sinter_dataset *d)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_requests r = {.size = sizeof r};
    for (;;) {
        must(DATASET_TABLE.next_requests(d, &r, &e), &e);
        if (!r.batch->n) return;
        const logged *l = find(c, r.batch->seed);
        c->requests++;
        c->rows += r.batch->n;
        if (r.batch->n != l->a->n_shown) {
            c->different_from_log++;
            continue;
        }
        compare_rows(c, l, &r);
        compare_person(c, l, &r);
        compare_texts(c, l, r.batch);
    }
}

/* All that the first record names; the others of a run name the same. */
static void inputs_of(check *c, sinter_inputs *in)
{
    const answered *a = c->request[0].a;
    const char **prior = ARENA_ARRAY(c->a, const char *, a->n_rankers + 1);
    uint32_t n_prior = 0;
    size_t len = strlen(c->pipeline);
    for (size_t r = 0; r < a->n_rankers; r++)
        if (strncmp(a->rankers[r], c->pipeline, len) == 0 && a->rankers[r][len] == '.') prior[n_prior++] = a->rankers[r] + len + 1;
    *in = (sinter_inputs){.size = sizeof *in,
                          .feature = (const char *const *)a->features,
                          .n_features = (uint32_t)a->n_features,
                          .id_feature = (const char *const *)a->id_features,
                          .n_id_features = (uint32_t)a->n_id_features,
                          .context = (const char *const *)a->context,
                          .n_context = (uint32_t)a->n_context,
                          .prior = prior,
                          .n_prior = n_prior,
                          .vector = VECTOR,
                          .n_vectors = VECTORS,
                          .history = HISTORY,
                          .history_side = SIDE,
                          .n_history_side = SIDES,
                          .dataset = SINTER_DATASET_REQUESTS,
                          .target = TARGET,
                          .n_targets = ARRAY_LEN(TARGET)};
}

static void run(check *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_inputs in;
    dataset_result d;
    read_log(c);
    inputs_of(c, &in);
    dataset_spec spec = {.collection = c->schema,
                         .data_dir = c->data_dir,
                         .inputs = &in,
                         .pipeline = c->pipeline,
                         .scratch = c->scratch,
                         .where = "dataset_as_of"};
    must(dataset_build(&spec, &d, &e), &e);
    read_log(c); /* the server goes on writing: what the dataset holds is there now */
    recompute(c);
    compare(c, d.train);
    compare(c, d.valid);
    buffer text = {0};
    dataset_report_text(&d.report, &text);
    fputs(text.data, stderr);
    buffer_free(&text);
    dataset_free(&d);
    printf("requests=%" PRIu64 "\nrows=%" PRIu64 "\npositive=%" PRIu64 "\nnumbers=%" PRIu64 "\n", c->requests, c->rows, c->positive,
           c->numbers);
    printf("features=%u\nids=%u\ncontext=%u\npriors=%u\n", in.n_features, in.n_id_features, in.n_context, in.n_prior);
    printf("different_from_log=%" PRIu64 "\ndifferent_from_journal=%" PRIu64 "\n", c->different_from_log, c->different_from_journal);
}

static void finish(check *c)
{
    forget_log(c);
    free(c->request);
    free(c->event_at);
    arena_free(c->a);
}

int main(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    config *conf;
    if (argc < 5) {
        fprintf(stderr, "usage: dataset_as_of CONFIG COLLECTION PIPELINE SCRATCH [leak]\n");
        return 2;
    }
    must(config_load(argv[1], &conf, &e), &e);
    check c = {.collection = argv[2], .pipeline = argv[3], .scratch = argv[4], .data_dir = conf->server.data_dir, .a = arena_new(1 << 20)};
    c.leak = argc > 5 && strcmp(argv[5], "leak") == 0;
    c.leak_shown = argc > 5 && strcmp(argv[5], "leak_shown") == 0;
    c.schema = config_find_collection(conf, c.collection);
    if (!c.schema) return 2;
    run(&c);
    bool differs = c.different_from_log || c.different_from_journal;
    finish(&c);
    config_free(conf);
    return differs;
}
