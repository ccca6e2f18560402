/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter evaluate`: how well pipelines answer judged queries, with intervals.
 *
 * Lists come from a running server, each query a Search through the whole line of rooms, or from files of other
 * systems; figures come from the room `learn`. Over the server and not from its data directory: what is measured is
 * what people get, also while writes go on, and the journal stays with its one owner. */
#include "evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int command_evaluate(int argc, char **argv); /* named in table.c */

#define DEFAULT_METRICS "ndcg@10,map,precision@10,recall@100,mrr@10"

static const char HELP[] =
    "usage: sinter evaluate PIPELINE... --judgments FILE [OPTIONS]\n"
    "       sinter evaluate --run NAME=FILE... --judgments FILE [OPTIONS]\n\n"
    "Asks a running server every judged query through each pipeline (a collection's name: its default pipeline) and "
    "prints\n"
    "metrics with 95% intervals, and the differences to the first one named, paired by query. Leaves no "
    "impressions.\n\n"
    "  --judgments FILE        TSV with a header: query (or query_id), item, grade (or relevance)\n"
    "  --queries FILE          TSV with a header: id, query: the words, where judgments name queries by id\n"
    "  --run NAME=FILE         ranked lists of another system instead of a pipeline: TSV query, item, best first, or "
    "with score\n"
    "  --metrics LIST          of ndcg, map, precision, recall, hit_rate, mrr, each with @K up to 1000; default\n"
    "                          " DEFAULT_METRICS "\n"
    "  --gain NAME             what a grade g is worth to ndcg: exponential (2^g - 1, the default), linear (g) or "
    "binary\n"
    "  --relevance-offset X    taken off every grade first; what is then above 0 is relevant (default 0)\n"
    "  --syntax                queries use the query language; otherwise a colon is a space, as people mean it\n"
    "  --per-query FILE        also write each query's figures as TSV\n"
    "  --seed S                of the resamples, default 1\n"
    "  --in-flight N           requests at a time, 1 to 64, default 4\n"
    "  --server HOST:PORT      default $SINTER_SERVER, else 127.0.0.1:7700\n"
    "  --json                  one JSON object\n"
    "  --quiet                 no progress\n"
    "  -h, --help              this text\n\n"
    "exit codes: 0 done, 1 failed, 2 wrong arguments or files, 3 no server there, 4 the server refused, 5 no such "
    "pipeline\n";

int evaluate_fail(const sinter_error *e, int code)
{
    char line[1600];
    fprintf(stderr, "sinter evaluate: %s\n", error_line(e, line, sizeof line));
    return code;
}

/* ---- arguments
 * ------------------------------------------------------------------------------------------------------------- */

static sinter_status take_metrics(evaluate_arguments *a, const char *text, sinter_error *e)
{
    a->n_metrics = 0;
    while (text) {
        const char *comma = strchr(text, ',');
        str one = {text, comma ? (size_t)(comma - text) : strlen(text)};
        if (a->n_metrics == EVALUATE_MAX_METRICS)
            return error_set(e, SINTER_INVALID, "--metrics", "at most 16", "too many metrics");
        if (metric_parse(one, &a->metric[a->n_metrics], e)) return e->status;
        a->n_metrics++;
        text = comma ? comma + 1 : NULL;
    }
    return SINTER_OK;
}

static sinter_status add_system(evaluate_arguments *a, const char *name, const char *file, sinter_error *e)
{
    for (uint32_t i = 0; i < a->n_systems; i++)
        if (strcmp(a->system[i].name, name) == 0)
            return error_set(e, SINTER_INVALID, name, "name each once", "two systems of this name");
    if (a->n_systems == EVALUATE_MAX_SYSTEMS)
        return error_set(e, SINTER_INVALID, name, "at most 32", "too many pipelines and runs");
    a->system[a->n_systems++] = (evaluate_system){.name = name, .file = file};
    return SINTER_OK;
}

static sinter_status take_run(evaluate_arguments *a, const char *text, sinter_error *e)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return error_set(e, SINTER_INVALID, "--run", "as in --run baseline=baseline.tsv", "'%s' is not NAME=FILE",
                         text);
    *equals = 0; /* argv is ours */
    return add_system(a, text, equals + 1, e);
}

static sinter_status take_gain(evaluate_arguments *a, const char *text, sinter_error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(GAIN_NAMES); i++)
        if (strcmp(GAIN_NAMES[i], text) == 0) {
            a->gain.kind = (gain_kind)i;
            return SINTER_OK;
        }
    return error_set(e, SINTER_INVALID, "--gain", "exponential, linear or binary", "'%s' is not a gain", text);
}

static sinter_status take_offset(evaluate_arguments *a, const char *text, sinter_error *e)
{
    double x;
    if (!parse_double(str_of(text), &x) || !(x >= -100 && x <= 100))
        return error_set(e, SINTER_INVALID, "--relevance-offset", "a number from -100 to 100", "'%s' is not valid",
                         text);
    a->gain.offset = x;
    return SINTER_OK;
}

static sinter_status take_seed(evaluate_arguments *a, const char *text, sinter_error *e)
{
    if (parse_uint64(str_of(text), &a->seed)) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "--seed", "a whole number from 0", "'%s' is not valid", text);
}

static sinter_status take_in_flight(evaluate_arguments *a, const char *text, sinter_error *e)
{
    if (parse_uint64(str_of(text), &a->in_flight) && a->in_flight >= 1 && a->in_flight <= 64) return SINTER_OK;
    return error_set(e, SINTER_INVALID, "--in-flight", "a whole number from 1 to 64", "'%s' is not valid", text);
}

/* An option takes a value by a function, or as text into a member; or is a flag. */
typedef struct option {
    const char *name;
    sinter_status (*take)(evaluate_arguments *a, const char *text, sinter_error *e);
    size_t text, flag; /* offset + 1 of a const char * or bool member; 0: none */
} option;

#define MEMBER(m) (offsetof(evaluate_arguments, m) + 1)

static const option OPTIONS[] = {
    {"--judgments", NULL, MEMBER(judgments), 0},
    {"--queries", NULL, MEMBER(queries), 0},
    {"--server", NULL, MEMBER(server), 0},
    {"--per-query", NULL, MEMBER(per_query), 0},
    {"--run", take_run, 0, 0},
    {"--metrics", take_metrics, 0, 0},
    {"--gain", take_gain, 0, 0},
    {"--relevance-offset", take_offset, 0, 0},
    {"--seed", take_seed, 0, 0},
    {"--in-flight", take_in_flight, 0, 0},
    {"--json", NULL, 0, MEMBER(json)},
    {"--quiet", NULL, 0, MEMBER(quiet)},
    {"--syntax", NULL, 0, MEMBER(syntax)},
};

static sinter_status take_option(evaluate_arguments *a, const option *o, const char *value, sinter_error *e)
{
    if (o->flag) {
        *(bool *)((char *)a + o->flag - 1) = true;
        return SINTER_OK;
    }
    if (!value) return error_set(e, SINTER_INVALID, o->name, "write the value after it", "the option needs a value");
    if (o->take) return o->take(a, value, e);
    *(const char **)(void *)((char *)a + o->text - 1) = value;
    return SINTER_OK;
}

static sinter_status unknown_option(const char *name, sinter_error *e)
{
    const char *names[ARRAY_LEN(OPTIONS)];
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++)
        names[i] = OPTIONS[i].name;
    const char *near = near_name(name, names, ARRAY_LEN(OPTIONS));
    error_set(e, SINTER_INVALID, name, "sinter evaluate --help lists the options", "unknown option");
    if (near) error_fix(e, "did you mean %s?", near);
    return SINTER_INVALID;
}

static sinter_status parse_one(evaluate_arguments *a, char **argv, int *i, sinter_error *e)
{
    const char *name = argv[*i];
    if (name[0] != '-') return add_system(a, name, NULL, e);
    for (size_t k = 0; k < ARRAY_LEN(OPTIONS); k++)
        if (strcmp(OPTIONS[k].name, name) == 0)
            return take_option(a, &OPTIONS[k], OPTIONS[k].flag ? NULL : argv[++*i], e);
    return unknown_option(name, e);
}

static sinter_status parse(evaluate_arguments *a, int argc, char **argv, sinter_error *e)
{
    sinter_status s = take_metrics(a, DEFAULT_METRICS, e);
    for (int i = 1; i < argc && s == SINTER_OK; i++)
        s = parse_one(a, argv, &i, e);
    if (s) return s;
    if (!a->judgments)
        return error_set(e, SINTER_INVALID, "--judgments", "give a TSV of query, item, grade",
                         "the judgments are missing");
    if (!a->n_systems)
        return error_set(e, SINTER_INVALID, "PIPELINE", "sinter evaluate --help says more",
                         "name a pipeline, or give --run");
    return SINTER_OK;
}

/* ---- the command
 * ------------------------------------------------------------------------------------------------------------- */

static int read_runs(evaluate_arguments *a, const judgments *j)
{
    for (uint32_t i = 0; i < a->n_systems; i++) {
        evaluate_system *s = &a->system[i];
        sinter_error e = SINTER_ERROR_INIT;
        if (!s->file) continue;
        if (ranked_run_read(s->file, j, &s->run, &e)) return evaluate_fail(&e, EXIT_USAGE);
        s->list = s->run->list;
        if (s->run->n_ignored && !a->quiet)
            fprintf(stderr, "%s: %u lines of queries without judgments left out\n", s->file, s->run->n_ignored);
    }
    return EXIT_OK;
}

static int evaluate(evaluate_arguments *a)
{
    judgments *j;
    sinter_error e = SINTER_ERROR_INIT;
    if (judgments_read(a->judgments, a->queries, &j, &e)) return evaluate_fail(&e, EXIT_USAGE);
    int code = read_runs(a, j);
    if (code == EXIT_OK) code = evaluate_ask(a, j);
    if (code == EXIT_OK) code = evaluate_report(a, j);
    for (uint32_t i = 0; i < a->n_systems; i++)
        evaluate_system_free(&a->system[i]);
    judgments_free(j);
    return code;
}

int command_evaluate(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(HELP, stdout);
            return EXIT_OK;
        }
    evaluate_arguments a = {.seed = 1, .in_flight = 4};
    sinter_error e = SINTER_ERROR_INIT;
    if (parse(&a, argc, argv, &e)) return evaluate_fail(&e, EXIT_USAGE);
    return evaluate(&a);
}
