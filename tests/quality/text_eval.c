/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text recall's nDCG@10 without a server: indexes a file of items into a scratch folder and asks judged queries.
 *
 *   text_eval SINTER.YAML COLLECTION ITEMS.{jsonl,tsv} JUDGMENTS.tsv [--queries FILE] [--gain exp|linear|binary] [--raw]
 *             [--set k1=1.2] [--set b=0.5] [--set GROUP=weight] [--worst N] [--no-spelling] [--lists PREFIX]
 *
 * --raw also ranks by the same formula over raw counts and lengths, kept in memory: what packing costs. --lists writes what was
 * found to PREFIX-packed.tsv and PREFIX-raw.tsv, for `sinter evaluate --run`. */
#include "quality_items.h"
#include "recall/text_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct judgment {
    char *query, *id;
    uint32_t item;
    double gain;
} judgment;

typedef struct options {
    const char *queries, *gain, *lists;
    bool raw, no_spelling;
    uint32_t worst;
} options;

/* ---- raw counts: the reference ------------------------------------------------------------------------------------ */

typedef struct raw_posting {
    uint32_t item;
    uint16_t count[CONFIG_MAX_GROUPS];
} raw_posting;
typedef struct raw_list {
    uint64_t hash;
    raw_posting *p;
    uint32_t n, cap;
} raw_list;
typedef struct raw_index {
    raw_list *list;
    uint32_t slots, n;
    double (*length)[CONFIG_MAX_GROUPS];
    uint32_t n_items;
} raw_index;

static raw_list *raw_find(raw_index *x, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (x->slots - 1);
    while (x->list[at].hash && x->list[at].hash != hash)
        at = (at + 1) & (x->slots - 1);
    return &x->list[at];
}

static void raw_grow(raw_index *x)
{
    raw_index fresh = {.slots = x->slots ? x->slots * 2 : 1u << 16};
    fresh.list = xcalloc(fresh.slots, sizeof *fresh.list);
    for (uint32_t i = 0; i < x->slots; i++)
        if (x->list[i].hash)
            *raw_find(&fresh, x->list[i].hash) = x->list[i];
    free(x->list);
    x->list = fresh.list;
    x->slots = fresh.slots;
}

static void raw_add(raw_index *x, uint32_t item, const text_document *d)
{
    x->length = xrealloc(x->length, (item + 1) * sizeof *x->length);
    memcpy(x->length[item], d->length, sizeof d->length);
    x->n_items = item + 1;
    for (uint32_t i = 0; i < d->n; i++) {
        if (x->n * 2 >= x->slots)
            raw_grow(x);
        const text_posting *p = &d->posting[i];
        raw_list *l = raw_find(x, hash64(p->term.s, p->term.n) | 1);
        if (!l->hash) {
            l->hash = hash64(p->term.s, p->term.n) | 1;
            x->n++;
        }
        if (l->n == l->cap) {
            l->cap = l->cap * 2 + 2;
            l->p = xrealloc(l->p, l->cap * sizeof *l->p);
        }
        raw_posting *r = &l->p[l->n++];
        *r = (raw_posting){.item = item};
        for (uint32_t k = 0; k < p->n_positions; k++)
            r->count[p->position[k] / TEXT_GROUP_POSITIONS]++;
    }
}

static double raw_word(const raw_index *x, const text_weights *w, const raw_posting *p, const double *average)
{
    double tf = 0;
    for (uint32_t g = 0; g < w->n_groups; g++)
        tf += w->weight[g] * p->count[g] / (1 - w->b[g] + w->b[g] * x->length[p->item][g] / average[g]);
    return (w->k1 + 1) * tf / (w->k1 + tf);
}

/* Scores of all items; a word's alternatives are joined group by group as the index does. */
static void raw_scores(raw_index *x, const text_weights *w, const text_query *q, double *score)
{
    double average[CONFIG_MAX_GROUPS] = {0}, have[CONFIG_MAX_GROUPS] = {0};
    for (uint32_t i = 0; i < x->n_items; i++) {
        score[i] = 0;
        for (uint32_t g = 0; g < w->n_groups; g++) {
            average[g] += x->length[i][g];
            have[g] += x->length[i][g] > 0;
        }
    }
    for (uint32_t g = 0; g < w->n_groups; g++)
        average[g] = have[g] > 0 ? average[g] / have[g] : 1;
    raw_posting *joined = xcalloc(x->n_items, sizeof *joined);
    for (uint32_t k = 0; k < q->n_words; k++) {
        const text_word *word = &q->word[k];
        double most = 0;
        if (!text_word_scores(word))
            continue;
        memset(joined, 0, x->n_items * sizeof *joined);
        for (uint32_t t = 0; t < word->n_terms; t++) {
            raw_list *l = raw_find(x, hash64(word->term[t].s, word->term[t].n) | 1);
            most = fmax(most, l->n);
            for (uint32_t i = 0; i < l->n; i++)
                for (uint32_t g = 0; g < w->n_groups; g++)
                    if (l->p[i].count[g] > joined[l->p[i].item].count[g])
                        joined[l->p[i].item].count[g] = l->p[i].count[g];
        }
        double idf = log1p((x->n_items - most + 0.5) / (most + 0.5)) * word->boost;
        for (uint32_t i = 0; i < x->n_items; i++) {
            joined[i].item = i;
            double part = raw_word(x, w, &joined[i], average);
            score[i] += part > 0 ? idf * (w->coverage_bonus + part) : 0;
        }
    }
    free(joined);
}

/* ---- judgments -------------------------------------------------------------------------------------------------------- */

static double gain_of(const options *o, double grade)
{
    return strcmp(o->gain, "exp") == 0 ? pow(2, grade) - 1 : strcmp(o->gain, "linear") == 0 ? grade - 1 : grade > 0;
}

static judgment *read_judgments(const char *path, const options *o, const quality_items *items, size_t *n)
{
    quality_table t = quality_read(path), q = {0};
    if (o->queries)
        q = quality_read(o->queries);
    judgment *out = xcalloc(t.n_rows + 1, sizeof *out);
    *n = 0;
    for (size_t i = 1; i < t.n_rows; i++) {
        const char *query = t.row[i].cell[0];
        for (size_t k = 1; k < q.n_rows; k++)
            if (strcmp(q.row[k].cell[0], query) == 0)
                query = q.row[k].cell[1];
        judgment *j = &out[*n];
        j->query = xstrdup(query);
        j->id = xstrdup(t.row[i].cell[0]);
        j->item = quality_ordinal(items, t.row[i].cell[1]);
        j->gain = gain_of(o, atof(t.row[i].cell[2]));
        if (j->item == UINT32_MAX)
            fprintf(stderr, "unknown item %s\n", t.row[i].cell[1]);
        (*n)++;
    }
    quality_free(&t);
    quality_free(&q);
    return out;
}

static int by_query(const void *x, const void *y)
{
    const judgment *p = x, *q = y;
    int c = strcmp(p->query, q->query);
    return c ? c : p->item < q->item ? -1 : p->item > q->item;
}

static int descending(const void *x, const void *y)
{
    double p = *(const double *)x, q = *(const double *)y;
    return p > q ? -1 : p < q;
}

/* nDCG@10 of ranked items against judgments j[0..n); -1: no relevant one. */
static double ndcg(const judgment *j, size_t n, const uint32_t *item, uint32_t hits)
{
    double dcg = 0, ideal = 0;
    double *gains = xcalloc(n, sizeof *gains);
    for (size_t i = 0; i < n; i++)
        gains[i] = j[i].gain;
    qsort(gains, n, sizeof *gains, descending);
    for (size_t i = 0; i < n && i < 10; i++)
        ideal += gains[i] / log2((double)i + 2);
    for (uint32_t k = 0; k < hits && k < 10; k++)
        for (size_t i = 0; i < n; i++)
            if (j[i].item == item[k]) {
                dcg += j[i].gain / log2((double)k + 2);
                break;
            }
    free(gains);
    return ideal > 0 ? dcg / ideal : -1;
}

/* ---- one query ---------------------------------------------------------------------------------------------------------- */

typedef struct bench {
    const config_collection *schema;
    text_analyzer *analyzer;
    text_reader *reader;
    text_weights weights;
    arena *a;
    raw_index raw;
    double *score;
    const options *o;
    const quality_items *items;
    FILE *packed_list, *raw_list; /* NULL: not asked for */
} bench;

static void die(const sinter_error *e)
{
    char line[1600];
    fprintf(stderr, "%s\n", error_line(e, line, sizeof line));
    exit(1);
}

static text_query *parse_query(bench *b, const char *text)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_query_options o = {.operator_and = -1};
    text_query *q;
    char *plain = arena_strdup(b->a, text);
    for (char *c = plain; *c; c++) /* judged queries are words, not syntax */
        if (*c == ':')
            *c = ' ';
    if (text_query_parse(b->analyzer, NULL, str_of(plain), &o, b->a, &q, &e) != SINTER_OK)
        die(&e);
    if (b->schema->spelling && !b->o->no_spelling &&
        text_correct(b->reader, b->analyzer, NULL, &q, &o, b->a, &e) != SINTER_OK)
        die(&e);
    return q;
}

static uint32_t ask(bench *b, const text_query *q, uint32_t out[10])
{
    sinter_error e = SINTER_ERROR_INIT;
    text_hits hits;
    const text_scorer *s = text_scorer_new(b->reader, q, &b->weights, b->a, &e);
    if (!s || text_search(b->reader, q, s, NULL, NULL, 10, false, false, b->a, &hits, &e) != SINTER_OK)
        die(&e);
    memcpy(out, hits.item, hits.n * sizeof *out);
    return hits.n;
}

static uint32_t ask_raw(bench *b, const text_query *q, uint32_t out[10])
{
    uint32_t n = 0;
    b->score = xrealloc(b->score, b->raw.n_items * sizeof *b->score);
    raw_scores(&b->raw, &b->weights, q, b->score);
    for (; n < 10; n++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < b->raw.n_items; i++)
            if (b->score[i] > b->score[best])
                best = i;
        if (!(b->score[best] > 0))
            break;
        out[n] = best;
        b->score[best] = 0;
    }
    return n;
}

typedef struct outcome {
    double ndcg;
    const char *query, *corrected;
    size_t n;
} outcome;

static int worst_first(const void *x, const void *y)
{
    const outcome *p = x, *q = y;
    return p->ndcg < q->ndcg ? -1 : p->ndcg > q->ndcg;
}

static FILE *open_list(const char *prefix, const char *kind)
{
    char *path = xasprintf("%s-%s.tsv", prefix, kind);
    FILE *f = fopen(path, "w");
    if (!f) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
    fputs("query\titem\n", f);
    free(path);
    return f;
}

static void write_list(FILE *f, const bench *b, const char *query, const uint32_t *item, uint32_t n)
{
    for (uint32_t i = 0; i < n && f; i++)
        fprintf(f, "%s\t%s\n", query, b->items->item[item[i]]->id);
}

static void close_list(FILE *f)
{
    if (f && fclose(f) != 0) {
        fprintf(stderr, "cannot write a list\n");
        exit(1);
    }
}

static void evaluate(bench *b, judgment *j, size_t n)
{
    outcome *all = xcalloc(n + 1, sizeof *all);
    size_t queries = 0;
    double sum = 0, raw_sum = 0;
    uint64_t start = clock_mono_ns();
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(j[end].query, j[i].query) == 0;)
            end++;
        uint32_t item[10];
        arena_reset(b->a);
        text_query *q = parse_query(b, j[i].query);
        uint32_t hits = ask(b, q, item);
        double got = ndcg(j + i, end - i, item, hits);
        if (got < 0)
            continue;
        write_list(b->packed_list, b, j[i].id, item, hits);
        all[queries++] = (outcome){got, j[i].query, q->corrected ? xstrdup(q->corrected) : "", end - i};
        sum += got;
        if (!b->o->raw)
            continue;
        hits = ask_raw(b, q, item);
        raw_sum += ndcg(j + i, end - i, item, hits);
        write_list(b->raw_list, b, j[i].id, item, hits);
    }
    double seconds = (double)(clock_mono_ns() - start) * 1e-9;
    printf("queries %zu ndcg@10 %.4f seconds %.2f", queries, sum / (double)queries, seconds);
    if (b->o->raw)
        printf(" raw %.4f difference %.4f", raw_sum / (double)queries, (sum - raw_sum) / (double)queries);
    printf("\n");
    qsort(all, queries, sizeof *all, worst_first);
    for (size_t i = 0; i < queries && i < b->o->worst; i++)
        printf("  %.3f %zu \"%s\" %s\n", all[i].ndcg, all[i].n, all[i].query, all[i].corrected);
    free(all);
}

static void build(bench *b, const char *dir, const quality_items *items)
{
    sinter_error e = SINTER_ERROR_INIT;
    text_index *x;
    text_index_state state;
    uint64_t sequence, start = clock_mono_ns();
    text_layout layout;
    arena *a = arena_new(1u << 20);
    text_layout_of(b->schema, &layout);
    if (text_index_open(dir, b->schema, "eval", b->analyzer, true, &x, &state, &sequence, NULL, &e) != SINTER_OK)
        die(&e);
    for (uint32_t i = 0; i < items->n; i++) {
        if (text_index_put(x, NULL, i, items->item[i], &e) != SINTER_OK)
            die(&e);
        if (b->o->raw) {
            text_document d;
            arena_reset(a);
            text_document_of(b->analyzer, &layout, items->item[i], a, &d);
            raw_add(&b->raw, i, &d);
        }
    }
    if (text_index_commit(x, 1, &e) != SINTER_OK || text_reader_open(x, &b->reader, &e) != SINTER_OK)
        die(&e);
    fprintf(stderr, "%u items indexed in %.2f s\n", items->n, (double)(clock_mono_ns() - start) * 1e-9);
    text_index_close(x, false);
    arena_free(a);
}

static void set_weight(config_collection *schema, const char *setting)
{
    const char *equals = strchr(setting, '=');
    if (!equals)
        return;
    str key = {setting, (size_t)(equals - setting)};
    double v = atof(equals + 1);
    if (str_is(key, "k1"))
        schema->k1 = v;
    else if (str_is(key, "coverage_bonus"))
        schema->coverage_bonus = v;
    for (uint32_t g = 0; g < schema->n_groups; g++) {
        if (str_is(key, "b"))
            schema->group[g].b = v;
        if (str_is(key, schema->group[g].name))
            schema->group[g].weight = v;
    }
}

int main(int argc, char **argv)
{
    options o = {.gain = "exp"};
    sinter_error e = SINTER_ERROR_INIT;
    config *c;
    if (argc < 5) {
        fprintf(stderr, "usage: text_eval SINTER.YAML COLLECTION ITEMS JUDGMENTS [options]\n");
        return 2;
    }
    if (config_load(argv[1], &c, &e) != SINTER_OK)
        die(&e);
    const config_collection *declared = config_find_collection(c, argv[2]);
    if (!declared) {
        fprintf(stderr, "no collection %s\n", argv[2]);
        return 2;
    }
    config_collection schema = *declared;
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "--raw") == 0)
            o.raw = true;
        else if (strcmp(argv[i], "--no-spelling") == 0)
            o.no_spelling = true;
        else if (i + 1 < argc && strcmp(argv[i], "--queries") == 0)
            o.queries = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--gain") == 0)
            o.gain = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--lists") == 0)
            o.lists = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--worst") == 0)
            o.worst = (uint32_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--set") == 0)
            set_weight(&schema, argv[++i]);
    }
    bench b = {.schema = &schema, .a = arena_new(1u << 20), .o = &o};
    if (text_analyzer_new(&schema, &b.analyzer, &e) != SINTER_OK)
        die(&e);
    text_weights_of(&schema, &b.weights);
    char dir[] = "/tmp/text_eval.XXXXXX";
    if (!mkdtemp(dir))
        return 1;
    quality_items items = quality_load(argv[3]);
    build(&b, dir, &items);
    size_t n;
    judgment *j = read_judgments(argv[4], &o, &items, &n);
    qsort(j, n, sizeof *j, by_query);
    b.items = &items;
    if (o.lists) {
        b.packed_list = open_list(o.lists, "packed");
        b.raw_list = open_list(o.lists, "raw");
    }
    evaluate(&b, j, n);
    close_list(b.packed_list);
    close_list(b.raw_list);
    dir_remove(dir, &e);
    return 0;
}
