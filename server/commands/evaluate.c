/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter evaluate`: how well pipelines answer judged queries, with intervals.
 *
 * Lists come from a running server, each query a Search through the whole line of rooms, or from files of other
 * systems; figures come from the room `learn`. Over the server and not from its data directory: what is measured is
 * what people get, also while writes go on, and the journal stays with its one owner. */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int command_evaluate(int argc, char **argv); /* named in table.c */

#define DEFAULT_METRICS "ndcg@10,map,precision@10,recall@100,mrr@10"

#define AT(member) offsetof(evaluate_arguments, member)
static const option_row rows[] = {
    {"--judgments", "FILE", "TSV with a header: query (or query_id), item, grade (or relevance)", OPTION_TEXT,
     AT(judgments)},
    {"--queries", "FILE", "TSV with a header: id, query: the words, where judgments name queries by id", OPTION_TEXT,
     AT(queries)},
    {"--split", "FILE", "instead: TSV of events that training has not seen; a user's items are the relevant ones",
     OPTION_TEXT, AT(split)},
    {"--map", "user=NAME,item=NAME", "the columns of --split; default: user (or user_id), item (or item_id)",
     OPTION_LIST, AT(map)},
    {"--run", "NAME=FILE", "lists of another system: TSV query, item, best first, or with a column score", OPTION_LIST,
     AT(runs)},
    {"--metrics", "LIST", "of ndcg, map, precision, recall, hit_rate, mrr, each with @K up to 1000", OPTION_LIST,
     AT(metrics)},
    {"--gain", "NAME", "a grade's worth to ndcg: exponential (2^g - 1, default), linear (g), binary", OPTION_TEXT,
     AT(gain_name)},
    {"--relevance-offset", "X", "taken off every grade first; what is then above 0 is relevant", OPTION_TEXT,
     AT(offset)},
    {"--syntax", NULL, "queries use the query language; else a colon is a space, as people mean it", OPTION_FLAG,
     AT(syntax)},
    {"--compare", "LIST", "differences to the best of these systems, metric by metric; default: to the first one",
     OPTION_LIST, AT(compare)},
    {"--per-query", "FILE", "also write each query's figures as TSV", OPTION_TEXT, AT(per_query)},
    {"--seed", "S", "of the resamples, default 1", OPTION_COUNT, AT(seed)},
    {"--in-flight", "N", "requests at a time, 1 to 64, default 4", OPTION_COUNT, AT(in_flight)},
    {"--json", NULL, "one JSON object", OPTION_FLAG, AT(json)},
    {"--quiet", NULL, "no progress", OPTION_FLAG, AT(quiet)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else 127.0.0.1:7700", OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter evaluate PIPELINE… --judgments FILE [OPTIONS]\n"
          "       sinter evaluate PIPELINE… --split FILE [OPTIONS]\n"
          "       sinter evaluate --run NAME=FILE… --judgments FILE [OPTIONS]\n\n"
          "Asks a running server every judged query through each pipeline (a collection's name: its default pipeline) "
          "and\n"
          "prints metrics with 95% intervals, and the differences to the first one named, paired by query. Where the "
          "file\nof queries says who asks, it asks as that person. Metrics "
          "are\n" DEFAULT_METRICS ", where none are named. Leaves no impressions.\n"
          "With --split it asks without words as each user of the file: all items but those of the user's own history are "
          "ranked\nby the pipeline's stages, and the user's items in the file are relevant.\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 wrong arguments or files, 3 server unreachable, 4 refused by the server,\n"
          "            5 no such pipeline\n",
          out);
}

int evaluate_fail(const sinter_error *e, int code)
{
    char line[1600];
    fprintf(stderr, "sinter evaluate: %s\n", error_line(e, line, sizeof line));
    return code;
}

/* ---- arguments
 * ------------------------------------------------------------------------------------------------------------- */

static sinter_status add_metric(evaluate_arguments *a, str name, sinter_error *e)
{
    if (a->n_metrics == EVALUATE_MAX_METRICS)
        return error_set(e, SINTER_INVALID, "--metrics", "at most 16", "too many metrics");
    sinter_status s = metric_parse(name, &a->metric[a->n_metrics], e);
    if (!s) a->n_metrics++;
    return s;
}

static sinter_status take_metrics(evaluate_arguments *a, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (size_t i = 0; i < a->metrics.n && !s; i++)
        s = add_metric(a, str_of(a->metrics.item[i]), e);
    for (const char *at = DEFAULT_METRICS; !a->metrics.n && *at && !s; at += *at == ',') {
        size_t n = strcspn(at, ",");
        s = add_metric(a, (str){at, n}, e);
        at += n;
    }
    return s;
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

static sinter_status take_run(evaluate_arguments *a, char *text, sinter_error *e)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return error_set(e, SINTER_INVALID, "--run", "as in --run baseline=baseline.tsv", "'%s' is not NAME=FILE",
                         text);
    *equals = 0; /* the list owns it */
    return add_system(a, text, equals + 1, e);
}

static sinter_status take_gain(evaluate_arguments *a, sinter_error *e)
{
    const char *name = a->gain_name ? a->gain_name : GAIN_NAMES[a->split ? GAIN_BINARY : GAIN_EXPONENTIAL];
    size_t i = 0;
    while (i < ARRAY_LEN(GAIN_NAMES) && strcmp(GAIN_NAMES[i], name) != 0)
        i++;
    if (i == ARRAY_LEN(GAIN_NAMES))
        return error_set(e, SINTER_INVALID, "--gain", "exponential, linear or binary", "'%s' is not a gain", name);
    a->gain.kind = (gain_kind)i;
    if (a->offset && (!parse_double(str_of(a->offset), &a->gain.offset) || !(fabs(a->gain.offset) <= 100)))
        return error_set(e, SINTER_INVALID, "--relevance-offset", "a number from -100 to 100", "'%s' is not valid",
                         a->offset);
    return SINTER_OK;
}

static sinter_status take_systems(evaluate_arguments *a, const option_words *words, sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (size_t i = 0; i < words->n && !s; i++)
        s = add_system(a, words->word[i], NULL, e);
    for (size_t i = 0; i < a->runs.n && !s; i++)
        s = take_run(a, a->runs.item[i], e);
    if (s || a->n_systems) return s;
    return error_set(e, SINTER_INVALID, "PIPELINE", "sinter evaluate --help says more",
                     "name a pipeline, or give --run");
}

static sinter_status take_compare(evaluate_arguments *a, sinter_error *e)
{
    for (size_t i = 0; i < a->compare.n; i++) {
        const char *names[EVALUATE_MAX_SYSTEMS], *name = a->compare.item[i];
        uint32_t s = 0;
        for (uint32_t k = 0; k < a->n_systems; k++)
            names[k] = a->system[k].name;
        while (s < a->n_systems && strcmp(names[s], name) != 0)
            s++;
        if (s == a->n_systems) {
            const char *near = near_name(name, names, a->n_systems);
            error_set(e, SINTER_INVALID, "--compare", "name systems that are measured", "'%s' is none of them", name);
            if (near) error_fix(e, "did you mean '%s'?", near);
            return SINTER_INVALID;
        }
        a->single[s] = true;
    }
    return SINTER_OK;
}

static sinter_status check(evaluate_arguments *a, const option_words *words, sinter_error *e)
{
    if (!a->judgments && !a->split)
        return error_set(e, SINTER_INVALID, "--judgments", "give a TSV of query, item, grade; or --split",
                         "the judgments are missing");
    if (evaluate_split_check(a, e)) return SINTER_INVALID;
    if (a->in_flight < 1 || a->in_flight > 64)
        return error_set(e, SINTER_INVALID, "--in-flight", "a whole number from 1 to 64", "%llu requests at a time",
                         (unsigned long long)a->in_flight);
    sinter_status s = take_metrics(a, e);
    if (!s) s = take_gain(a, e);
    if (!s) s = take_systems(a, words, e);
    return s ? s : take_compare(a, e);
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
    if (a->split ? evaluate_split_read(a, &j, &e) : judgments_read(a->judgments, a->queries, &j, &e)) return evaluate_fail(&e, EXIT_USAGE);
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
    evaluate_arguments a = {.seed = 1, .in_flight = 4};
    option_words words = {0};
    bool helping = false;
    sinter_error e = SINTER_ERROR_INIT;
    int code = EXIT_OK;
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &words, &helping, &e);
    if (helping)
        help(stdout);
    else if (s || check(&a, &words, &e))
        code = options_fail("evaluate", &e);
    else
        code = evaluate(&a);
    option_list_free(&a.runs);
    option_list_free(&a.metrics);
    option_list_free(&a.compare);
    option_list_free(&a.map);
    option_words_free(&words);
    return code;
}
