/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin as an author of minor 0 would have written it, compiled against the header of that day: it plays every role that
 * the host calls, and trains both a ranker and a fusion. Every host of major 1 must go on to load it and to give it what the
 * comments of its header promise; it checks some of that itself, and refuses where the promise is broken.
 *
 * score = learned weight of the item + 0.01 × text.bm25 + 0.5 where the person's history has the item */
#include <sinter/plugin.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNUSED(x) ((void)(x))
#define FILE_NAME "weights.safetensors"
#define HISTORY 10

struct sinter_instance {
    const sinter_host *host;
    const char *role, *word;
    bool fuses;        /* what is trained */
    const float *weight; /* [n]: of items, or of a stage's rankers */
    uint64_t n;
};

struct sinter_worker {
    const sinter_host *host;
    uint32_t prepared; /* events of the person's history */
    float total;       /* of fusion's last list */
};

static sinter_status fail(sinter_error *err, sinter_status s, const char *what)
{
    snprintf(err->what, sizeof err->what, "%s", what);
    snprintf(err->fix, sizeof err->fix, "keep what minor 0 promised");
    return s;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static const char *const LEARNS[] = {"ranker", "fusion", NULL};
static const sinter_option NESTED[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_INTEGER, .key = "position", .doc = "Where.", .default_text = "1",
     .least = 1, .most = 10},
};
static const sinter_option OPTIONS[] = {
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "learn", .doc = "What is trained; default ranker.",
     .default_text = "ranker", .choices = LEARNS},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_STRING, .key = "word", .doc = "A word that the rewriter adds."},
    {.size = sizeof(sinter_option), .type = SINTER_OPTION_LIST, .key = "places", .doc = "Labels.", .nested = NESTED, .n_nested = 1},
};

static sinter_status open_model(sinter_instance *me, const sinter_open_args *a, sinter_error *err)
{
    const sinter_tensor *t;
    const uint64_t any[1] = {0};
    if (a->model_dir == NULL)
        return SINTER_OK;
    sinter_status s = a->host->tensor(a->host, a->model_dir, FILE_NAME, "weight", SINTER_TENSOR_F32, 1, any, &t, err);
    if (s != SINTER_OK)
        return s;
    const char *abi = a->host->tensors_text(a->host, a->model_dir, FILE_NAME, "abi");
    if (abi == NULL || strcmp(abi, "minor 0") != 0)
        return fail(err, SINTER_DATA_LOSS, "the file's text is lost");
    me->weight = t->data;
    me->n = t->dimension[0];
    return SINTER_OK;
}

static sinter_status open(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    const char *learn = "";
    if (!SINTER_HAS(a, sinter_open_args, reserved) || !SINTER_HAS(a->host, sinter_host, reserved) || a->host->abi_major != 1 ||
        !SINTER_HAS(a->collection, sinter_collection, n_items))
        return fail(err, SINTER_PRECONDITION, "the host's structs are shorter than those of minor 0");
    sinter_instance *me = a->host->alloc(a->host, sizeof *me);
    if (me == NULL)
        return fail(err, SINTER_EXHAUSTED, "no memory");
    *me = (sinter_instance){.host = a->host, .role = a->role};
    a->host->option_string(a->options, "word", &me->word);
    if (!a->host->option_string(a->options, "learn", &learn) || a->host->option_mark(a->options, "learn").file == NULL)
        return fail(err, SINTER_PRECONDITION, "a default is not given");
    me->fuses = strcmp(learn, "fusion") == 0;
    sinter_status s = open_model(me, a, err);
    if (s != SINTER_OK)
        a->host->free(a->host, me);
    else
        *out = me;
    return s;
}

static void close(sinter_instance *me)
{
    me->host->free(me->host, me);
}

static sinter_status worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err)
{
    *out = me->host->alloc(me->host, sizeof **out);
    if (*out == NULL)
        return fail(err, SINTER_EXHAUSTED, "no memory");
    **out = (sinter_worker){.host = me->host};
    return SINTER_OK;
}

static void worker_close(sinter_worker *w)
{
    w->host->free(w->host, w);
}

static sinter_status inputs(const sinter_instance *me, sinter_inputs *want, sinter_error *err)
{
    static const char *const FEATURE[] = {"text.bm25"}, *const ID[] = {"item.id"}, *const CONTEXT[] = {"query.words"};
    static const char *const SIDE[] = {"item.price"}, *const TARGET[] = {"weight", "click"};
    bool trains = strcmp(me->role, "trainer") == 0, fuses = strcmp(me->role, "fusion") == 0 || (trains && me->fuses);
    if (!SINTER_HAS(want, sinter_inputs, n_targets))
        return fail(err, SINTER_PRECONDITION, "sinter_inputs is shorter than that of minor 0");
    want->context = CONTEXT;
    want->n_context = 1;
    if (!fuses) {
        want->feature = FEATURE;
        want->n_features = 1;
        want->id_feature = ID;
        want->n_id_features = 1;
        want->history = HISTORY;
        want->history_side = SIDE;
        want->n_history_side = 1;
    }
    if (trains) {
        want->dataset = fuses ? SINTER_DATASET_WHOLE_REQUESTS : SINTER_DATASET_INTERACTIONS | SINTER_DATASET_REQUESTS;
        want->target = TARGET;
        want->n_targets = 2;
    }
    return SINTER_OK;
}

/* ---- ranker -------------------------------------------------------------------------------------------------------- */

static sinter_status prepare(const sinter_instance *me, sinter_worker *w, const sinter_request *r, sinter_error *err)
{
    UNUSED(me);
    if (!SINTER_HAS(r, sinter_request, deadline_ns) || !SINTER_HAS(r->user, sinter_user, weight) ||
        !SINTER_HAS(r->context, sinter_context, n_attributes) || !SINTER_HAS(r->query, sinter_query, page_size))
        return fail(err, SINTER_PRECONDITION, "a request's structs are shorter than those of minor 0");
    w->prepared = r->user->n_history;
    return w->prepared <= HISTORY ? SINTER_OK : fail(err, SINTER_PRECONDITION, "more history than was asked for");
}

static sinter_status check_user(const sinter_user *u, sinter_error *err)
{
    if (u->n_history && u->n_side != 1)
        return fail(err, SINTER_PRECONDITION, "history comes without its sides");
    for (uint32_t i = 0; i < u->n_history; i++) {
        if (i && u->age[i] < u->age[i - 1])
            return fail(err, SINTER_PRECONDITION, "history is not newest first");
        if (u->event[i] == 0 || !isfinite(u->weight[i]))
            return fail(err, SINTER_PRECONDITION, "an event of the history has no type or no weight");
        UNUSED(u->side[0][i]);
    }
    return SINTER_OK;
}

static bool in_history(const sinter_user *u, uint32_t item)
{
    for (uint32_t i = 0; i < u->n_history; i++)
        if (u->item[i] == item)
            return true;
    return false;
}

typedef struct parts {
    float weight, words, history;
} parts;

static parts parts_of(const sinter_instance *me, const sinter_batch *b, uint32_t row)
{
    float words = b->feature[(size_t)row * b->stride];
    return (parts){.weight = me->weight[b->item[row]],
                   .words = isfinite(words) ? 0.01f * words : 0,
                   .history = in_history(b->user, b->item[row]) ? 0.5f : 0};
}

static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out, sinter_error *err)
{
    if (!SINTER_HAS(b, sinter_batch, deadline_ns) || b->n_features != 1 || b->n_id_features != 1 || b->n_context != 1)
        return fail(err, SINTER_PRECONDITION, "a batch does not bring what was asked for");
    if (b->n % SINTER_BLOCK != 0 || (uintptr_t)b->feature % 64 != 0)
        return fail(err, SINTER_PRECONDITION, "a block is not padded or not aligned");
    if (me->weight == NULL)
        return SINTER_DECLINED;
    sinter_status s = check_user(b->user, err);
    UNUSED(w);
    for (uint32_t i = 0; i < b->n && s == SINTER_OK; i++) {
        parts p = {0};
        if (b->id_feature[0][i] == 0)
            return fail(err, SINTER_PRECONDITION, "an item has no hash");
        out[i] = SINTER_MISSING;
        if (b->item[i] >= me->n)
            continue;
        p = parts_of(me, b, i);
        out[i] = p.weight + p.words + p.history;
    }
    return s;
}

static sinter_status explain(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, uint32_t row, sinter_sink *sink,
                             sinter_error *err)
{
    parts p = parts_of(me, b, row);
    UNUSED(w), UNUSED(err);
    me->host->explain(sink, "learned", (double)p.weight);
    me->host->explain(sink, "text.bm25", (double)p.words);
    me->host->explain(sink, "history", (double)p.history);
    return SINTER_OK;
}

/* ---- fusion: the sum of the scores, each times what was learned for its ranker ------------------------------------------- */

static double share_of(const sinter_instance *me, const sinter_fusion_batch *b, uint32_t r, uint32_t row)
{
    if (!(b->present[row] >> r & 1))
        return 0;
    return (me->weight ? (double)me->weight[r] : 1) * (double)b->score[r][row];
}

static sinter_status check_rankers(const sinter_instance *me, const char *const *ranker, uint32_t n, sinter_error *err)
{
    if (me->weight && me->n != n)
        return fail(err, SINTER_PRECONDITION, "it was trained for another number of rankers");
    for (uint32_t r = 0; r < n; r++)
        if (ranker[r][0] == 0)
            return fail(err, SINTER_PRECONDITION, "a ranker has no name");
    return SINTER_OK;
}

static sinter_status fuse(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, float *out, sinter_error *err)
{
    if (!SINTER_HAS(b, sinter_fusion_batch, deadline_ns) || b->n_rankers > SINTER_MAX_RANKERS || b->n_context != 1)
        return fail(err, SINTER_PRECONDITION, "a stage does not bring what was asked for");
    float *sums = me->host->scratch(me->host, (b->n + 1) * sizeof *sums);
    if (sums == NULL)
        return fail(err, SINTER_EXHAUSTED, "no scratch memory");
    w->total = (float)b->n;
    for (uint32_t i = 0; i < b->n; i++) {
        double sum = 0;
        for (uint32_t r = 0; r < b->n_rankers; r++)
            sum += share_of(me, b, r, i);
        sums[i] = (float)sum;
    }
    memcpy(out, sums, b->n * sizeof *out);
    return SINTER_OK;
}

static sinter_status explain_fusion(const sinter_instance *me, sinter_worker *w, const sinter_fusion_batch *b, uint32_t row,
                                    sinter_share *share, double *bias, sinter_error *err)
{
    if (w->total != (float)b->n)
        return fail(err, SINTER_PRECONDITION, "explain is asked of another list than fuse saw");
    *bias = 0;
    for (uint32_t r = 0; r < b->n_rankers; r++) {
        bool has = b->present[row] >> r & 1;
        share[r] = (sinter_share){.calibrated = has ? (double)b->score[r][row] : 0, .contribution = share_of(me, b, r, row)};
    }
    return SINTER_OK;
}

/* ---- recall, rewriter, finisher -------------------------------------------------------------------------------------------- */

static sinter_status recall(const sinter_instance *me, sinter_worker *w, const sinter_request *r, const sinter_filter *filter,
                            const uint32_t *exclude, uint32_t n_exclude, uint32_t limit, uint32_t *item, float *score_of, uint32_t *n,
                            sinter_error *err)
{
    UNUSED(w), UNUSED(r), UNUSED(exclude);
    if (n_exclude)
        return fail(err, SINTER_UNIMPLEMENTED, "this host excludes nothing");
    sinter_status s = me->host->filter_scan(me->host, filter, limit, item, n, err);
    for (uint32_t i = 0; s == SINTER_OK && i < *n; i++) {
        const char *id = me->host->item_id(me->host, item[i]);
        if (id == NULL || me->host->item_ordinal(me->host, id) != item[i])
            return fail(err, SINTER_PRECONDITION, "an item's id does not lead back to it");
        score_of[i] = (float)me->host->random(7, item[i]);
    }
    return s;
}

static sinter_status rewrite(const sinter_instance *me, sinter_worker *w, const sinter_request *r, sinter_sink *sink, sinter_error *err)
{
    UNUSED(w), UNUSED(err);
    if (me->word && r->query->n_terms)
        me->host->rewrite_words(sink, "minor0", me->word, false);
    return SINTER_OK;
}

static sinter_status finish(const sinter_instance *me, sinter_worker *w, const sinter_request *r, const sinter_list *l, sinter_sink *sink,
                            sinter_error *err)
{
    UNUSED(w), UNUSED(r);
    if (!SINTER_HAS(l, sinter_list, n_top) || l->n_top > l->n)
        return fail(err, SINTER_PRECONDITION, "the list does not bring what minor 0 had");
    if (l->n)
        me->host->edit_label(sink, "minor0", l->item[0], "first");
    return SINTER_OK;
}

static sinter_status enrich(const sinter_instance *me, sinter_worker *w, const sinter_attribute *in, uint32_t n, sinter_sink *out,
                            sinter_error *err)
{
    UNUSED(me), UNUSED(w), UNUSED(in), UNUSED(n), UNUSED(out);
    return fail(err, SINTER_UNIMPLEMENTED, "nobody calls this");
}

/* ---- training ------------------------------------------------------------------------------------------------------------------ */

/* What the host fills, with a fence behind it: a longer struct of a newer host must not reach it. */
typedef struct fenced {
    union {
        sinter_interactions interactions;
        sinter_requests requests;
        sinter_csr csr;
    } u;
    uint64_t behind[8];
} fenced;

static void fence(fenced *f, unsigned char *end)
{
    memset(end, 0x5a, (size_t)((unsigned char *)(f + 1) - end));
}

static bool fence_holds(const fenced *f, const unsigned char *end)
{
    for (; end < (const unsigned char *)(f + 1); end++)
        if (*end != 0x5a)
            return false;
    return true;
}

#define BEGIN(f, part) \
    do { \
        memset(&(f), 0, sizeof(f)); \
        (f).u.part.size = sizeof (f).u.part; \
        fence(&(f), (unsigned char *)&(f).u + sizeof (f).u.part); \
    } while (0)
#define HOLDS(f, part) fence_holds(&(f), (const unsigned char *)&(f).u + sizeof (f).u.part)

static sinter_status read_interactions(const sinter_train_args *a, float *weight, uint64_t *n, sinter_error *err)
{
    fenced f;
    sinter_status s = a->data->rewind(a->train, err);
    for (*n = 0; s == SINTER_OK;) {
        BEGIN(f, interactions);
        s = a->data->next_interactions(a->train, &f.u.interactions, err);
        const sinter_interactions *x = &f.u.interactions;
        if (s != SINTER_OK || x->n == 0)
            break;
        if (!HOLDS(f, interactions))
            return fail(err, SINTER_PRECONDITION, "interactions were filled beyond their size");
        for (uint32_t i = 0; i < x->n; i++) {
            double declared = 0;
            if (x->item[i] >= a->collection->n_items || x->user[i] >= a->data->n_users(a->train))
                return fail(err, SINTER_PRECONDITION, "an interaction is of no item or no user");
            if (a->host->event_name(a->host, x->event[i], &declared) == NULL || (!isnan(declared) && (float)declared != x->weight[i]))
                return fail(err, SINTER_PRECONDITION, "an interaction's weight is not its type's");
            weight[x->item[i]] += x->weight[i];
        }
        *n += x->n;
    }
    if (s == SINTER_OK && *n != a->data->n_interactions(a->train))
        return fail(err, SINTER_PRECONDITION, "interactions were lost on the way");
    return s;
}

/* Rows by item must sum to what the interactions did, and rows by user to the same in all. */
static sinter_status compare_csr(const sinter_train_args *a, const float *weight, sinter_error *err)
{
    double all[2] = {0, 0};
    for (int by_item = 0; by_item < 2; by_item++) {
        fenced f;
        BEGIN(f, csr);
        sinter_status s = a->data->csr(a->train, by_item, &f.u.csr, err);
        if (s != SINTER_OK)
            return s;
        const sinter_csr *c = &f.u.csr;
        if (!HOLDS(f, csr))
            return fail(err, SINTER_PRECONDITION, "rows were filled beyond their size");
        for (uint32_t r = 0; r < c->n_rows; r++) {
            double sum = 0;
            for (uint64_t p = c->offset[r]; p < c->offset[r + 1]; p++) {
                if (c->column[p] >= c->n_columns || (p > c->offset[r] && c->column[p] <= c->column[p - 1]))
                    return fail(err, SINTER_PRECONDITION, "columns do not ascend");
                sum += (double)c->weight[p];
            }
            if (by_item && fabs(sum - (double)weight[r]) > 1e-3)
                return fail(err, SINTER_PRECONDITION, "rows by item are not the interactions");
            all[by_item] += sum;
        }
    }
    return fabs(all[0] - all[1]) < 1e-3 * fabs(all[0]) + 1e-3 ? SINTER_OK : fail(err, SINTER_PRECONDITION, "rows by user are not those by item");
}

static sinter_status check_request(const sinter_train_args *a, const sinter_requests *r, double *positive, sinter_error *err)
{
    const sinter_fusion_batch *f = r->fusion;
    if (r->n_targets != 2 || r->batch->n_context != 1)
        return fail(err, SINTER_PRECONDITION, "a request does not bring what was asked for");
    if (a->n_rankers && (f == NULL || f->n != r->batch->n || f->n_rankers != a->n_rankers || strcmp(f->ranker[0], a->ranker[0]) != 0))
        return fail(err, SINTER_PRECONDITION, "a stage comes without its rankers");
    for (uint32_t i = 0; i < r->batch->n; i++) {
        bool shown = r->position[i] > 0;
        if (shown != (r->propensity[i] > 0) || r->propensity[i] > 1)
            return fail(err, SINTER_PRECONDITION, "a propensity is no probability");
        if (f && f->item[i] != r->batch->item[i])
            return fail(err, SINTER_PRECONDITION, "a stage has other items than its request");
        *positive += r->label[1][i] > 0;
    }
    return check_user(r->batch->user, err);
}

static sinter_status read_requests(const sinter_train_args *a, sinter_dataset *from, uint64_t *n, double *positive, sinter_error *err)
{
    fenced f;
    sinter_status s = a->data->rewind(from, err);
    for (*n = 0; s == SINTER_OK; ++*n) {
        BEGIN(f, requests);
        s = a->data->next_requests(from, &f.u.requests, err);
        if (s != SINTER_OK || f.u.requests.batch->n == 0)
            break;
        if (!HOLDS(f, requests))
            return fail(err, SINTER_PRECONDITION, "a request was filled beyond its size");
        s = check_request(a, &f.u.requests, positive, err);
    }
    if (s == SINTER_OK && *n != a->data->n_requests(from))
        return fail(err, SINTER_PRECONDITION, "requests were lost on the way");
    return s;
}

static sinter_status write_model(const sinter_train_args *a, const float *weight, uint64_t n, sinter_error *err)
{
    static const char *const TEXT[] = {"abi", "minor 0", NULL};
    const sinter_tensor t = {.name = "weight", .type = SINTER_TENSOR_F32, .n_dimensions = 1, .dimension = {n}, .data = weight};
    return a->host->tensors_write(a->host, a->out_dir, FILE_NAME, &t, 1, TEXT, err);
}

static sinter_status train(const sinter_train_args *a, sinter_error *err)
{
    if (!SINTER_HAS(a, sinter_train_args, progress) || !SINTER_HAS(a->data, sinter_dataset_table, csr))
        return fail(err, SINTER_PRECONDITION, "the trainer's structs are shorter than those of minor 0");
    uint64_t n = a->n_rankers ? a->n_rankers : a->collection->n_items, interactions = 0, requests = 0, valid = 0;
    double positive = 0;
    float *weight = a->host->alloc(a->host, (n + 1) * sizeof *weight);
    sinter_status s = SINTER_OK;
    if (weight == NULL)
        return fail(err, SINTER_EXHAUSTED, "no memory");
    for (uint64_t i = 0; i < n; i++)
        weight[i] = a->n_rankers ? (float)(i + 1) : 0;
    if (!a->n_rankers)
        s = read_interactions(a, weight, &interactions, err);
    if (s == SINTER_OK && !a->n_rankers)
        s = compare_csr(a, weight, err);
    if (s == SINTER_OK)
        s = read_requests(a, a->train, &requests, &positive, err);
    if (s == SINTER_OK)
        s = read_requests(a, a->valid, &valid, &positive, err);
    a->progress(a->progress_ctx, 1, 1, "interactions", (double)interactions);
    a->progress(a->progress_ctx, 1, 1, "requests", (double)(requests + valid));
    a->progress(a->progress_ctx, 1, 1, "positive", positive);
    if (s == SINTER_OK)
        s = write_model(a, weight, n, err);
    a->host->free(a->host, weight);
    return s;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------- */

static const sinter_ranker RANKER = {.size = sizeof RANKER, .prepare = prepare, .score = score, .explain = explain};
static const sinter_fusion FUSION = {.size = sizeof FUSION, .check_rankers = check_rankers, .fuse = fuse, .explain = explain_fusion};
static const sinter_recall RECALL = {.size = sizeof RECALL, .recall = recall};
static const sinter_rewriter REWRITER = {.size = sizeof REWRITER, .rewrite = rewrite};
static const sinter_finisher FINISHER = {.size = sizeof FINISHER, .finish = finish};
static const sinter_enricher ENRICHER = {.size = sizeof ENRICHER, .enrich = enrich};
static const sinter_trainer TRAINER = {.size = sizeof TRAINER, .train = train};
static const sinter_plugin TABLE = {
    .size = sizeof TABLE,
    .abi_major = SINTER_ABI_MAJOR,
    .abi_minor = SINTER_ABI_MINOR,
    .name = "minor0",
    .version = "1.0.0",
    .build = "",
    .summary = "Plays every role by the header of minor 0.",
    .options = OPTIONS,
    .n_options = sizeof OPTIONS / sizeof *OPTIONS,
    .open = open,
    .close = close,
    .worker_open = worker_open,
    .worker_close = worker_close,
    .inputs = inputs,
    .ranker = &RANKER,
    .fusion = &FUSION,
    .recall = &RECALL,
    .rewriter = &REWRITER,
    .finisher = &FINISHER,
    .enricher = &ENRICHER,
    .trainer = &TRAINER,
};

const sinter_plugin *sinter_plugin_entry(uint32_t host_major)
{
    UNUSED(host_major);
    return &TABLE;
}
