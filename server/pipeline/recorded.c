/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log of impressions, read backwards: which requests were recorded whole, and what they saw. On the control thread. */
#include "search.h"

#include <string.h>

#define ANSWERED 9u          /* field numbers of the record's body, as in storage/v1/journal.proto */
#define RECORDED_REQUEST 10u

/* ---- packed bytes, without unpacking them ------------------------------------------------------------------------------------ */

static bool varint(str *s, uint64_t *out)
{
    *out = 0;
    for (uint32_t shift = 0; s->n && shift < 64; shift += 7) {
        uint8_t b = (uint8_t)*s->s++;
        s->n--;
        *out |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

/* The bytes of the first field of that number that has a length; fields of lower numbers stand before it. */
static str field(str s, uint32_t number)
{
    static const str none = {"", 0};
    uint64_t key, n;
    while (varint(&s, &key)) {
        uint32_t type = key & 7;
        if (type == 0) {
            if (!varint(&s, &n)) return none;
            continue;
        }
        if (type == 2 && !varint(&s, &n)) return none;
        if (type == 1) n = 8;
        if (type == 5) n = 4;
        if ((type != 2 && type != 1 && type != 5) || n > s.n) return none;
        if (type == 2 && key >> 3 == number) return (str){s.s, (size_t)n};
        s.s += n;
        s.n -= (size_t)n;
    }
    return none;
}

/* ---- backwards ---------------------------------------------------------------------------------------------------------------- */

static sinter_status open_log(engine *g, sinter_error *e)
{
    if (!g->impressions)
        return error_set(e, SINTER_PRECONDITION, "log.impressions", "set `log: {impressions: true}` in sinter.yaml and restart",
                         "no requests are logged");
    if (g->log_reader) return SINTER_OK;
    return journal_reader_open(g->impressions, &g->log_reader, e);
}

/* Whole requests whose Answered has not been met yet: it stands a little before, because lanes write beside one another. */
typedef struct pending {
    uint64_t hash, recorded;
} pending;
#define PENDING_MOST 256u

static uint64_t take_pending(pending *list, uint32_t *n, uint64_t hash)
{
    for (uint32_t i = 0; i < *n; i++)
        if (list[i].hash == hash) {
            uint64_t recorded = list[i].recorded;
            memmove(&list[i], &list[i + 1], (*n - i - 1) * sizeof *list);
            --*n;
            return recorded;
        }
    return 0;
}

static void put_pending(pending *list, uint32_t *n, uint64_t hash, uint64_t recorded)
{
    if (*n == PENDING_MOST) memmove(&list[0], &list[1], --*n * sizeof *list);
    list[(*n)++] = (pending){hash, recorded};
}

/* False: enough. `request`: its id. */
typedef bool answered_fn(void *ctx, str answered, uint64_t sequence, uint64_t recorded);

static sinter_status walk_back(engine *g, uint64_t depth, answered_fn *fn, void *ctx, sinter_error *e)
{
    pending list[PENDING_MOST];
    uint32_t n = 0;
    sinter_status st = open_log(g, e);
    uint64_t last = st ? 0 : journal_last_sequence(g->impressions);
    for (uint64_t i = last; i > 0 && last - i < depth && st == SINTER_OK; i--) {
        str bytes;
        st = journal_get_bytes(g->log_reader, i, &bytes, e);
        if (st == SINTER_NOT_FOUND) { /* a hole, or trimmed */
            st = SINTER_OK;
            continue;
        }
        if (st) return st;
        uint32_t body = journal_body(bytes);
        if (body != ANSWERED && body != RECORDED_REQUEST) continue;
        str message = field(bytes, body), id = field(message, 1);
        uint64_t hash = hash64(id.s, id.n);
        if (body == RECORDED_REQUEST)
            put_pending(list, &n, hash, i);
        else if (!fn(ctx, message, i, take_pending(list, &n, hash)))
            break;
    }
    return st;
}

typedef struct gathering {
    const char *const *pipeline;
    uint32_t n_pipelines, most, n;
    recorded_place *place;
} gathering;

static bool gather(void *ctx, str answered, uint64_t sequence, uint64_t recorded)
{
    gathering *x = ctx;
    str pipeline = recorded ? field(answered, 7) : (str){"", 0};
    for (uint32_t i = 0; recorded && i < x->n_pipelines; i++)
        if (str_is(pipeline, x->pipeline[i])) {
            x->place[x->n++] = (recorded_place){sequence, recorded};
            break;
        }
    return x->n < x->most;
}

sinter_status recorded_newest(engine *g, const char *const *pipeline, uint32_t n_pipelines, uint32_t most, uint64_t depth,
                              recorded_place *place, uint32_t *n, sinter_error *e)
{
    gathering x = {.pipeline = pipeline, .n_pipelines = n_pipelines, .most = most, .place = place};
    sinter_status st = most ? walk_back(g, depth, gather, &x, e) : SINTER_OK;
    *n = x.n;
    return st;
}

typedef struct finding {
    const char *id;
    recorded_place found;
} finding;

static bool is_wanted(void *ctx, str answered, uint64_t sequence, uint64_t recorded)
{
    finding *x = ctx;
    if (!str_is(field(answered, 1), x->id)) return true;
    x->found = (recorded_place){sequence, recorded};
    return false;
}

sinter_status recorded_find(engine *g, const char *request_id, recorded_place *out, sinter_error *e)
{
    finding x = {.id = request_id};
    sinter_status st = walk_back(g, UINT64_MAX, is_wanted, &x, e);
    if (st) return st;
    *out = x.found;
    if (x.found.answered) return SINTER_OK;
    return error_set(e, SINTER_NOT_FOUND, "request_id", "it is in the answer; a request is written down some 100 ms after its answer",
                     "the log has no request '%.100s'", request_id);
}

/* ---- one request ----------------------------------------------------------------------------------------------------------------- */

static void *take(void *ctx, size_t n)
{
    return arena_alloc(ctx, n);
}

static void keep(void *ctx, void *p)
{
    (void)ctx, (void)p;
}

/* What a ranker would read beyond an array is nobody's fault but the log's. */
static bool is_whole(const Sinter__Storage__V1__Answered *a, const Sinter__Storage__V1__RecordedRequest *r)
{
    if (a->n_context_value != a->n_context || a->n_history_event != a->n_history_item || a->n_history_time_ms != a->n_history_item ||
        a->n_history_weight != a->n_history_item)
        return false;
    for (size_t k = 0; r && k < r->n_stages; k++) {
        const Sinter__Storage__V1__RecordedStage *s = r->stages[k];
        if (s->n_feature != s->n_item * s->n_features || s->n_raw != s->n_item * s->n_rankers || s->n_fused != s->n_item ||
            s->n_before != s->n_item || s->n_fuse_context_value != s->n_fuse_context || s->n_item > UINT32_MAX)
            return false;
    }
    return true;
}

static void ask_again(Sinter__V1__SearchRequest *q, const Sinter__Storage__V1__Answered *a)
{
    q->request_id = a->request_id;
    q->pipeline = a->pipeline;
    if (a->experimented && a->experimented->options) q->options = a->experimented->options; /* as its arms set them then */
    q->n_experiment_arms = 0;
    q->explain = SINTER__V1__EXPLAIN__EXPLAIN_NONE;
    q->n_fields = q->n_facets = q->n_highlight = q->n_experiment_arms = 0;
    q->timeout = NULL;
    q->after_sequence = 0;
}

sinter_status recorded_read(engine *g, const recorded_place *at, arena *a, const Sinter__Storage__V1__Answered **answered,
                            const Sinter__Storage__V1__RecordedRequest **recorded, Sinter__V1__SearchRequest **request, sinter_error *e)
{
    Sinter__Storage__V1__Record *rec;
    *recorded = NULL;
    sinter_status st = open_log(g, e);
    if (st == SINTER_OK) st = journal_get(g->log_reader, at->answered, a, &rec, e);
    if (st) return st;
    if (rec->body_case != SINTER__STORAGE__V1__RECORD__BODY_ANSWERED)
        return error_set(e, SINTER_DATA_LOSS, "log", "`sinter journal verify` looks at all of it", "record %llu is no answer",
                         (unsigned long long)at->answered);
    *answered = rec->answered;
    ProtobufCAllocator in_arena = {.alloc = take, .free = keep, .allocator_data = a};
    *request = sinter__v1__search_request__unpack(&in_arena, rec->answered->request.len, rec->answered->request.data);
    if (at->recorded) st = journal_get(g->log_reader, at->recorded, a, &rec, e);
    if (st) return st;
    if (at->recorded && rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_RECORDED_REQUEST) *recorded = rec->recorded_request;
    if (*request && is_whole(*answered, *recorded)) {
        ask_again(*request, *answered);
        return SINTER_OK;
    }
    return error_set(e, SINTER_DATA_LOSS, "log", "`sinter journal verify` looks at all of it", "the request of record %llu cannot be read",
                     (unsigned long long)at->answered);
}
