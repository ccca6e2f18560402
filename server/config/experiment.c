/* SPDX-License-Identifier: GPL-3.0-or-later */
/* experiments/NAME.yaml: who is in it, what its arms do, what counts. Held against the experiments before it, so that no two
 * disturb each other: docs/experiments.md says what may be layered. */
#include "walk.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *const EXPERIMENT_UNIT_NAMES[EXPERIMENT_UNITS] = {"user", "session", "request"};
const char *const EXPERIMENT_METRIC_NAMES[EXPERIMENT_METRICS] = {
    [METRIC_CTR] = "ctr",           [METRIC_CLICKS] = "clicks",       [METRIC_CONVERSION] = "conversion",
    [METRIC_VALUE] = "value",       [METRIC_ZERO] = "zero_results",   [METRIC_ERRORS] = "errors",
    [METRIC_P99] = "p99_latency",
};

typedef struct experiment_raw {
    config_experiment x;
    const char *unit, *method, *control, *start, *end;
    const conf_node *buckets, *arms, *ramp, *metrics;
} experiment_raw;

typedef struct arm_raw {
    config_arm arm;
    const conf_node *options;
} arm_raw;

typedef struct options_raw {
    const char *operator, *minimum_should_match, *language;
    const conf_node *typos;
} options_raw;

typedef struct ramp_raw {
    const char *from;
    double share;
    uint64_t over_ns;
} ramp_raw;

typedef struct metrics_raw {
    config_experiment x;
    const char *primary;
    const conf_node *guardrails;
} metrics_raw;

/* ---- tables --------------------------------------------------------------------------------------------------------- */

static const char *const UNITS[] = {"user", "session", "request", NULL};
static const char *const METHODS[] = {"split", "interleave", "bandit", NULL};
#define X(f) offsetof(experiment_raw, f)
static const walk_key EXPERIMENT_KEYS[] = {
    {"description", WALK_STRING, X(x.description), NULL, 0, 0, NULL, false, "for people"},
    {"collection", WALK_STRING, X(x.collection), NULL, 0, 0, NULL, false, "default: that of the arms' pipelines"},
    {"unit", WALK_STRING, X(unit), NULL, 0, 0, UNITS, true, "write 'unit: user', session or request"},
    {"method", WALK_STRING, X(method), "split", 0, 0, METHODS, false, "split; interleave and bandit are not implemented"},
    {"arms", WALK_NODE, X(arms), NULL, 0, 0, NULL, true, "name the arms: 'arms: {old: {pipeline: a}, new: {pipeline: b}}'"},
    {"control", WALK_STRING, X(control), NULL, 0, 0, NULL, false, "the arm that others are held against; default: the first"},
    {"layer", WALK_STRING, X(x.layer), NULL, 0, 0, NULL, false, "experiments of one layer exclude each other; default: one of its own"},
    {"buckets", WALK_NODE, X(buckets), NULL, 0, 0, NULL, false, "[FIRST, LAST] of the layer's 0 to 9999; default: all"},
    {"salt", WALK_STRING, X(x.salt), NULL, 0, 0, NULL, false, "another deals the units anew; default: the experiment's name"},
    {"ramp", WALK_NODE, X(ramp), NULL, 0, 0, NULL, false, "share of its buckets that are in: a number, a step, or a list of steps"},
    {"start", WALK_STRING, X(start), NULL, 0, 0, NULL, false, "time, RFC 3339; before it nobody is in"},
    {"end", WALK_STRING, X(end), NULL, 0, 0, NULL, false, "time, RFC 3339; from it on nobody is in"},
    {"metrics", WALK_NODE, X(metrics), NULL, 0, 0, NULL, false, "a map, below"},
};
const walk_table WALK_EXPERIMENT = {"an experiment", EXPERIMENT_KEYS, ARRAY_LEN(EXPERIMENT_KEYS), false};

#define A(f) offsetof(arm_raw, f)
static const walk_key ARM_KEYS[] = {
    {"pipeline", WALK_STRING, A(arm.pipeline), NULL, 0, 0, NULL, false, "default: the collection's own"},
    {"share", WALK_DOUBLE, A(arm.share), NULL, 0, 1, NULL, false, "of the units; default: as much as every other; a shadow's: 1"},
    {"shadow", WALK_BOOL, A(arm.shadow), "false", 0, 0, NULL, false, "ranks after the control arm's answers and is not shown"},
    {"options", WALK_NODE, A(options), NULL, 0, 0, NULL, false, "of the query, where the request leaves them open"},
};
const walk_table WALK_ARM = {"an arm", ARM_KEYS, ARRAY_LEN(ARM_KEYS), false};

static const char *const OPERATORS[] = {"or", "and", NULL};
#define O(f) offsetof(options_raw, f)
static const walk_key OPTION_KEYS[] = {
    {"operator", WALK_STRING, O(operator), NULL, 0, 0, OPERATORS, false, "or, and"},
    {"minimum_should_match", WALK_STRING, O(minimum_should_match), NULL, 0, 0, NULL, false, "such as 2 or 75%"},
    {"typos", WALK_NODE, O(typos), NULL, 0, 0, NULL, false, "true: words that no item has are corrected"},
    {"language", WALK_STRING, O(language), NULL, 0, 0, NULL, false, "one of the collection's"},
};
const walk_table WALK_ARM_OPTIONS = {"options", OPTION_KEYS, ARRAY_LEN(OPTION_KEYS), false};

#define R(f) offsetof(ramp_raw, f)
static const walk_key RAMP_KEYS[] = {
    {"from", WALK_STRING, R(from), NULL, 0, 0, NULL, true, "write 'from: TIME', RFC 3339"},
    {"share", WALK_DOUBLE, R(share), NULL, 0, 1, NULL, true, "write 'share: S', 0 to 1"},
    {"over", WALK_DURATION, R(over_ns), "0s", 0, 0, NULL, false, "grows evenly within so long; 0s: at once"},
};
const walk_table WALK_RAMP = {"a step of ramp", RAMP_KEYS, ARRAY_LEN(RAMP_KEYS), false};

#define M(f) offsetof(metrics_raw, f)
static const walk_key METRIC_KEYS[] = {
    {"primary", WALK_STRING, M(primary), "ctr@10", 0, 0, NULL, false, "ctr, ctr@K, clicks, conversion, value or zero_results"},
    {"guardrails", WALK_NODE, M(guardrails), NULL, 0, 0, NULL, false, "a list of metrics, or a map of thresholds"},
    {"click", WALK_STRING, M(x.click), "click", 0, 0, NULL, false, "the event type that is a click"},
    {"conversion", WALK_STRING, M(x.conversion), "purchase", 0, 0, NULL, false, "the event type that is a conversion"},
    {"window", WALK_DURATION, M(x.window_ns), "24h", 1e9, 7 * 86400e9, NULL, false,
     "an event counts for what was shown so long before it"},
    {"alpha", WALK_DOUBLE, M(x.alpha), "0.05", 0.0001, 0.5, NULL, false, "chance that guardrails ever stop a harmless arm"},
    {"every", WALK_DURATION, M(x.every_ns), "10s", 100e6, 86400e9, NULL, false, "guardrails are looked at so often"},
};
const walk_table WALK_METRICS = {"metrics", METRIC_KEYS, ARRAY_LEN(METRIC_KEYS), false};

/* ---- names, times, shares --------------------------------------------------------------------------------------------- */

static const conf_node *at_key(const conf_node *map, const char *key)
{
    const conf_node *at = conf_get(map, key);
    return at ? at : map;
}

static sinter_status read_name(const conf_node *at, const char *what, const char *s, sinter_error *e)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (n && n <= 64 && !s[n]) return SINTER_OK;
    return conf_error(e, at, "use letters, digits, _, - and ., at most 64", "the %s '%s' is not a name", what, s);
}

static sinter_status read_time(const conf_node *map, const char *key, const char *text, int64_t *out, sinter_error *e)
{
    if (!text || time_parse_ms(str_of(text), out)) return SINTER_OK;
    return conf_error(e, at_key(map, key), "write it as 2026-12-01T09:00:00Z or 2026-12-01", "%s is '%s', not a time", key, text);
}

static sinter_status read_bucket(const conf_node *at, uint32_t *out, sinter_error *e)
{
    uint64_t u;
    if (at->kind == CONF_SCALAR && !at->quoted && parse_uint64(str_of(at->text), &u) && u < EXPERIMENT_BUCKETS) {
        *out = (uint32_t)u;
        return SINTER_OK;
    }
    return conf_error(e, at, "write whole numbers from 0 to 9999", "a bucket is '%s'", at->text);
}

static sinter_status read_buckets(const conf_node *at, config_experiment *x, sinter_error *e)
{
    x->last_bucket = EXPERIMENT_BUCKETS - 1;
    if (!at) return SINTER_OK;
    sinter_status s = walk_is(at, CONF_LIST, "buckets", e);
    if (s == SINTER_OK && at->n != 2) s = conf_error(e, at, "write 'buckets: [0, 4999]'", "buckets has %u entries, not two", at->n);
    if (s == SINTER_OK) s = read_bucket(at->value[0], &x->first_bucket, e);
    if (s == SINTER_OK) s = read_bucket(at->value[1], &x->last_bucket, e);
    if (s == SINTER_OK && x->first_bucket > x->last_bucket)
        s = conf_error(e, at, "put the smaller first", "buckets runs from %u down to %u", x->first_bucket, x->last_bucket);
    return s;
}

static sinter_status read_step(const conf_node *map, config_ramp *out, arena *a, sinter_error *e)
{
    ramp_raw raw = {0};
    sinter_status s = walk_map(map, &WALK_RAMP, &raw, a, e);
    if (s == SINTER_OK) s = read_time(map, "from", raw.from, &out->from_ms, e);
    out->over_ms = (int64_t)(raw.over_ns / 1000000);
    out->share = raw.share;
    return s;
}

static sinter_status read_ramp(const conf_node *at, config_experiment *x, arena *a, sinter_error *e)
{
    if (!at) return SINTER_OK;
    uint32_t n = at->kind == CONF_LIST ? at->n : 1;
    config_ramp *ramp = ARENA_ARRAY(a, config_ramp, n + 1);
    x->ramp = ramp;
    x->n_ramp = n;
    if (at->kind == CONF_MAP) return read_step(at, ramp, a, e);
    if (at->kind == CONF_SCALAR) {
        ramp->from_ms = INT64_MIN;
        if (!at->quoted && parse_double(str_of(at->text), &ramp->share) && ramp->share >= 0 && ramp->share <= 1) return SINTER_OK;
        return conf_error(e, at, "write a share from 0 to 1, or steps: {from: TIME, share: S}", "ramp is '%s'", at->text);
    }
    if (n == 0) return conf_error(e, at, "remove it, or list steps: {from: TIME, share: S}", "ramp is empty");
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        s = read_step(at->value[i], &ramp[i], a, e);
        if (s == SINTER_OK && i > 0 && ramp[i].from_ms < ramp[i - 1].from_ms + ramp[i - 1].over_ms)
            s = conf_error(e, at->value[i], "list steps in the order of time", "the step begins before the one above it is done");
    }
    return s;
}

/* ---- arms ------------------------------------------------------------------------------------------------------------- */

static uint32_t names_of_pipelines(const config *c, const char *collection, const char **names, uint32_t room)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_pipelines && n < room; i++)
        if (!collection || strcmp(c->pipeline[i].collection, collection) == 0) names[n++] = c->pipeline[i].name;
    return n;
}

static sinter_status check_pipeline(const conf_node *map, const config *c, config_experiment *x, const config_arm *arm, sinter_error *e)
{
    if (!arm->pipeline) return SINTER_OK;
    const conf_node *at = conf_get(map, "pipeline");
    const config_pipeline *p = config_find_pipeline(c, arm->pipeline);
    if (!p) {
        const char *names[256];
        return walk_unknown(at, "pipeline", arm->pipeline, names, names_of_pipelines(c, x->collection, names, ARRAY_LEN(names)), e);
    }
    if (!x->collection) x->collection = p->collection;
    if (strcmp(x->collection, p->collection) == 0) return SINTER_OK;
    return conf_error(e, at, "an experiment's pipelines search one collection", "the pipeline '%s' is of the collection '%s', not '%s'",
                      p->name, p->collection, x->collection);
}

static sinter_status read_options(const conf_node *at, config_arm *arm, arena *a, sinter_error *e)
{
    options_raw raw = {0};
    if (!at) return SINTER_OK;
    sinter_status s = walk_map(at, &WALK_ARM_OPTIONS, &raw, a, e);
    if (s != SINTER_OK) return s;
    bool typos = false;
    if (raw.typos) {
        if (raw.typos->kind != CONF_SCALAR || raw.typos->quoted || !parse_bool(str_of(raw.typos->text), &typos))
            return conf_error(e, raw.typos, NULL, "typos is '%s', not true or false", raw.typos->text);
        arm->typos = typos;
    }
    if (raw.minimum_should_match && (s = walk_minimum(conf_get(at, "minimum_should_match"), raw.minimum_should_match, e))) return s;
    if (raw.operator) arm->operator_and = strcmp(raw.operator, "and") == 0;
    arm->minimum_should_match = raw.minimum_should_match;
    arm->language = raw.language;
    return SINTER_OK;
}

static sinter_status read_arm(const conf_node *key, const conf_node *map, const config *c, config_experiment *x, config_arm *out,
                              arena *a, sinter_error *e)
{
    arm_raw raw = {.arm = {.name = key->text, .at = key, .share = NAN, .operator_and = -1, .typos = -1}};
    sinter_status s = read_name(key, "arm", key->text, e);
    if (s == SINTER_OK) s = walk_map(map, &WALK_ARM, &raw, a, e);
    if (s == SINTER_OK) s = read_options(raw.options, &raw.arm, a, e);
    if (s == SINTER_OK) s = check_pipeline(map, c, x, &raw.arm, e);
    if (s == SINTER_OK && raw.arm.shadow && !raw.arm.pipeline)
        s = conf_error(e, map, "write 'pipeline: NAME'", "the shadow '%s' names no pipeline", key->text);
    *out = raw.arm;
    return s;
}

/* Cumulative ranges of the buckets, so that a changed share moves few. */
static sinter_status deal_buckets(const conf_node *at, config_arm *arm, uint32_t n, sinter_error *e)
{
    uint32_t shown = 0, given = 0;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (arm[i].shadow) {
            if (isnan(arm[i].share)) arm[i].share = 1;
            continue;
        }
        shown++;
        given += !isnan(arm[i].share);
        sum += isnan(arm[i].share) ? 0 : arm[i].share;
    }
    if (!shown) return conf_error(e, at, "make one of them no shadow: it is the control arm", "every arm is a shadow");
    if (given && given < shown) return conf_error(e, at, "give every arm a share, or none", "%u of %u arms have a share", given, shown);
    if (given && fabs(sum - 1) > 1e-6)
        return conf_error(e, at, "make them sum to 1; how many take part is told by ramp", "the shares of the arms sum to %.9g", sum);
    double to = 0;
    uint32_t first = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (arm[i].shadow) continue;
        if (!given) arm[i].share = 1.0 / shown;
        to += arm[i].share;
        arm[i].first = first;
        arm[i].end = first = (uint32_t)lround(to * EXPERIMENT_BUCKETS);
    }
    return SINTER_OK;
}

static sinter_status check_languages(const conf_node *arms, const config *c, const config_experiment *x, sinter_error *e)
{
    const config_collection *k = config_find_collection(c, x->collection);
    for (uint32_t i = 0; i < x->n_arms; i++) {
        const char *code = x->arm[i].language;
        bool known = !code;
        for (uint32_t l = 0; l < k->n_languages; l++) known |= code && strcmp(code, k->language[l]) == 0;
        if (known) continue;
        const conf_node *at = conf_get(conf_get(arms->value[i], "options"), "language");
        return walk_unknown(at, "language of the collection:", code, k->language, k->n_languages, e);
    }
    return SINTER_OK;
}

static uint32_t varied(const config_arm *arm)
{
    return (arm->pipeline ? VARIES_PIPELINE : 0u) | (arm->operator_and >= 0 ? VARIES_OPERATOR : 0u) |
           (arm->minimum_should_match ? VARIES_MINIMUM : 0u) | (arm->typos >= 0 ? VARIES_TYPOS : 0u) |
           (arm->language ? VARIES_LANGUAGE : 0u);
}

static sinter_status read_arms(const conf_node *at, const config *c, config_experiment *x, arena *a, sinter_error *e)
{
    sinter_status s = walk_is(at, CONF_MAP, "arms", e);
    if (s != SINTER_OK) return s;
    if (at->n < 2 || at->n > EXPERIMENT_ARMS)
        return conf_error(e, at, "name 2 to 16", "there %s %u arm%s", at->n == 1 ? "is" : "are", at->n, at->n == 1 ? "" : "s");
    config_arm *arm = ARENA_ARRAY(a, config_arm, at->n);
    for (uint32_t i = 0; i < at->n && s == SINTER_OK; i++) s = read_arm(at->key[i], at->value[i], c, x, &arm[i], a, e);
    if (s == SINTER_OK) s = deal_buckets(at, arm, at->n, e);
    x->arm = arm;
    x->n_arms = at->n;
    for (uint32_t i = 0; i < at->n; i++) x->varies |= arm[i].shadow ? 0 : varied(&arm[i]);
    return s;
}

static sinter_status find_control(const conf_node *root, const char *name, config_experiment *x, sinter_error *e)
{
    const char *names[EXPERIMENT_ARMS];
    uint32_t n = 0;
    for (uint32_t i = x->n_arms; i-- > 0;) {
        if (x->arm[i].shadow) continue;
        names[n++] = x->arm[i].name;
        if (!name) x->control = i;
    }
    if (!name) return SINTER_OK;
    for (uint32_t i = 0; i < x->n_arms; i++) {
        if (strcmp(x->arm[i].name, name) != 0) continue;
        x->control = i;
        if (!x->arm[i].shadow) return SINTER_OK;
        return conf_error(e, conf_get(root, "control"), "name an arm that is shown", "the control arm '%s' is a shadow", name);
    }
    return walk_unknown(conf_get(root, "control"), "arm", name, names, n, e);
}

/* ---- metrics ---------------------------------------------------------------------------------------------------------- */

static sinter_status read_metric(const conf_node *at, const char *text, bool guard, experiment_metric *out, uint32_t *places,
                                 sinter_error *e)
{
    const char *names[EXPERIMENT_METRICS];
    uint32_t n = 0;
    size_t length = strcspn(text, "@");
    uint64_t k;
    for (uint32_t m = 0; m < EXPERIMENT_METRICS; m++) {
        /* What can only be looked out for is no aim, and clicks alone say no harm. */
        if (guard ? m == METRIC_CLICKS : m == METRIC_P99 || m == METRIC_ERRORS) continue;
        names[n++] = EXPERIMENT_METRIC_NAMES[m];
        if (strncmp(text, names[n - 1], length) != 0 || names[n - 1][length]) continue;
        *out = (experiment_metric)m;
        if (!text[length]) return SINTER_OK;
        if (m == METRIC_CTR && parse_uint64(str_of(text + length + 1), &k) && k >= 1 && k <= 1000) {
            *places = (uint32_t)k;
            return SINTER_OK;
        }
        return conf_error(e, at, "write ctr@10, 1 to 1000", "'%s' is not a metric", text);
    }
    return walk_unknown(at, "metric", text, names, n, e);
}

static double default_threshold(experiment_metric m)
{
    static const double BY_METRIC[EXPERIMENT_METRICS] = {
        [METRIC_CTR] = 0.1, [METRIC_CONVERSION] = 0.1, [METRIC_VALUE] = 0.1, [METRIC_ZERO] = 0.02, [METRIC_ERRORS] = 0.01, [METRIC_P99] = 0.2};
    return BY_METRIC[m];
}

/* `guardrails: [p99_latency, errors]`, or `guardrails: {p99_latency: 0.2, errors: 0.01}`. */
static sinter_status read_guards(const conf_node *at, config_experiment *x, arena *a, sinter_error *e)
{
    if (!at) return SINTER_OK;
    if (at->kind == CONF_SCALAR) return walk_is(at, CONF_LIST, "guardrails", e);
    config_guard *guard = ARENA_ARRAY(a, config_guard, at->n + 1);
    x->guard = guard;
    for (uint32_t i = 0; i < at->n; i++) {
        const conf_node *name = at->kind == CONF_MAP ? at->key[i] : at->value[i];
        config_guard *g = &guard[x->n_guards];
        uint32_t places = x->ctr_places;
        sinter_status s = walk_is(name, CONF_SCALAR, "an entry of guardrails", e);
        if (s == SINTER_OK) s = read_metric(name, name->text, true, &g->metric, &places, e);
        if (s != SINTER_OK) return s;
        if (places != x->ctr_places)
            return conf_error(e, name, "write 'ctr'", "ctr is counted over the places of the primary metric");
        for (uint32_t k = 0; k < x->n_guards; k++)
            if (guard[k].metric == g->metric) return conf_error(e, name, "remove one", "guardrails names '%s' twice", name->text);
        g->threshold = default_threshold(g->metric);
        const conf_node *value = at->kind == CONF_MAP ? at->value[i] : NULL;
        if (value && (value->kind != CONF_SCALAR || value->quoted || !parse_double(str_of(value->text), &g->threshold) ||
                      !(g->threshold >= 0 && g->threshold <= 100)))
            return conf_error(e, value, "write how much worse than the control arm it may be, 0 to 100", "the threshold of '%s' is '%s'",
                              name->text, value->text);
        x->n_guards++;
    }
    return SINTER_OK;
}

/* A type that is not declared is an error where it was written, and none where it is the default. */
static sinter_status check_event(const conf_node *map, const char *key, const config_collection *c, const char **type, sinter_error *e)
{
    if (config_event_id(c, str_of(*type))) return SINTER_OK;
    const conf_node *at = map ? conf_get(map, key) : NULL;
    if (!at) {
        *type = "";
        return SINTER_OK;
    }
    const char *names[CONFIG_MAX_EVENTS];
    for (uint32_t i = 0; i < c->n_events; i++) names[i] = c->event[i].name;
    return walk_unknown(at, "event type", *type, names, c->n_events, e);
}

static sinter_status check_countable(const conf_node *at, const config_experiment *x, experiment_metric m, sinter_error *e)
{
    bool clicks = m == METRIC_CTR || m == METRIC_CLICKS, buys = m == METRIC_CONVERSION || m == METRIC_VALUE;
    const char *type = clicks ? "click" : "conversion";
    if ((clicks && !*x->click) || (buys && !*x->conversion))
        return conf_error(e, at, "declare `events:` in the collection, or say which type it is in metrics",
                          "'%s' counts events, and no event type of '%s' is the %s", EXPERIMENT_METRIC_NAMES[m], x->collection, type);
    return SINTER_OK;
}

static sinter_status read_metrics(const conf_node *root, const conf_node *at, const config *c, config_experiment *x, arena *a,
                                  sinter_error *e)
{
    const conf_node none = {.kind = CONF_MAP, .file = root->file, .line = root->line, .column = root->column, .text = ""};
    const config_collection *k = config_find_collection(c, x->collection);
    metrics_raw raw = {0};
    sinter_status s = walk_map(at ? at : &none, &WALK_METRICS, &raw, a, e);
    if (s != SINTER_OK) return s;
    x->click = raw.x.click;
    x->conversion = raw.x.conversion;
    x->window_ns = raw.x.window_ns;
    x->alpha = raw.x.alpha;
    x->every_ns = raw.x.every_ns;
    x->ctr_places = UINT32_MAX;
    const conf_node *primary = at ? at_key(at, "primary") : root;
    s = read_metric(primary, raw.primary, false, &x->primary, &x->ctr_places, e);
    if (s == SINTER_OK) s = read_guards(raw.guardrails, x, a, e);
    if (s == SINTER_OK) s = check_event(at, "click", k, &x->click, e);
    if (s == SINTER_OK) s = check_event(at, "conversion", k, &x->conversion, e);
    if (s == SINTER_OK && at && conf_get(at, "primary")) s = check_countable(primary, x, x->primary, e);
    for (uint32_t i = 0; i < x->n_guards && s == SINTER_OK; i++) s = check_countable(raw.guardrails, x, x->guard[i].metric, e);
    return s;
}

/* ---- beside others ---------------------------------------------------------------------------------------------------- */

static const char *varies_text(uint32_t varies)
{
    return varies & VARIES_PIPELINE ? "the pipeline" : varies & VARIES_OPERATOR ? "options.operator"
           : varies & VARIES_MINIMUM ? "options.minimum_should_match" : varies & VARIES_TYPOS ? "options.typos" : "options.language";
}

static sinter_status check_layer(const conf_node *root, const config_experiment *x, const config_experiment *y, sinter_error *e)
{
    if (strcmp(x->collection, y->collection) != 0)
        return conf_error(e, at_key(root, "layer"), "choose another layer", "the layer '%s' is of '%s' already, by experiments/%s.yaml",
                          x->layer, y->collection, y->name);
    if (x->unit != y->unit)
        return conf_error(e, at_key(root, "unit"), "choose the same unit, or another layer", "the layer '%s' divides by %s, in experiments/%s.yaml",
                          x->layer, EXPERIMENT_UNIT_NAMES[y->unit], y->name);
    if (x->first_bucket <= y->last_bucket && y->first_bucket <= x->last_bucket)
        return conf_error(e, at_key(root, "buckets"), "give each experiment of the layer buckets of its own: 'buckets: [0, 4999]'",
                          "buckets %u to %u of the layer '%s' meet those of experiments/%s.yaml, %u to %u", x->first_bucket, x->last_bucket,
                          x->layer, y->name, y->first_bucket, y->last_bucket);
    return SINTER_OK;
}

static sinter_status check_beside(const conf_node *root, const config_experiment *x, const config_experiment *y, sinter_error *e)
{
    if (x->start_ms >= y->end_ms || y->start_ms >= x->end_ms) return SINTER_OK; /* never at one time */
    if (strcmp(x->layer, y->layer) == 0) return check_layer(root, x, y, e);
    if (strcmp(x->collection, y->collection) != 0 || !(x->varies & y->varies)) return SINTER_OK;
    return conf_error(e, at_key(root, "arms"), "put both into one layer with buckets of their own, or let them vary different things",
                      "'%s' varies %s of '%s', and so does experiments/%s.yaml in another layer", x->name,
                      varies_text(x->varies & y->varies), x->collection, y->name);
}

/* ---- identity --------------------------------------------------------------------------------------------------------- */

static void mix(uint64_t *h, const char *s)
{
    const char *text = s ? s : "";
    *h = hash64_seed(text, strlen(text) + 1, *h);
}

/* Shadows and ramps change nothing for those who count already. */
static void make_hashes(config_experiment *x)
{
    uint64_t h = 1, k = 2;
    mix(&h, x->name);
    mix(&h, x->salt);
    mix(&h, x->collection);
    mix(&h, EXPERIMENT_UNIT_NAMES[x->unit]);
    for (uint32_t i = 0; i < x->n_arms; i++) {
        const config_arm *arm = &x->arm[i];
        const int32_t numbers[] = {(int32_t)arm->first, (int32_t)arm->end, arm->operator_and, arm->typos, i == x->control};
        if (arm->shadow) continue;
        mix(&h, arm->name);
        mix(&h, arm->pipeline);
        mix(&h, arm->minimum_should_match);
        mix(&h, arm->language);
        h = hash64_seed(numbers, sizeof numbers, h);
    }
    mix(&k, x->click);
    mix(&k, x->conversion);
    k = hash64_seed(&x->window_ns, sizeof x->window_ns, k);
    k = hash64_seed(&x->ctr_places, sizeof x->ctr_places, k);
    x->version = h;
    x->counting = k;
}

/* ---- the file --------------------------------------------------------------------------------------------------------- */

static sinter_status refuse_method(const conf_node *root, const char *method, sinter_error *e)
{
    if (strcmp(method, "split") == 0) return SINTER_OK;
    conf_error(e, conf_get(root, "method"), "write 'method: split'", "the method '%s' is not implemented", method);
    if (e) e->status = SINTER_UNIMPLEMENTED;
    return SINTER_UNIMPLEMENTED;
}

static sinter_status find_collection(const conf_node *root, const config *c, config_experiment *x, sinter_error *e)
{
    if (!x->collection && c->n_collections == 1) x->collection = c->collection[0].name;
    if (!x->collection) return conf_error(e, root, "write 'collection: NAME'", "no arm names a pipeline, and there are several collections");
    if (config_find_collection(c, x->collection)) return SINTER_OK;
    const char *names[256];
    uint32_t n = c->n_collections < ARRAY_LEN(names) ? c->n_collections : (uint32_t)ARRAY_LEN(names);
    for (uint32_t i = 0; i < n; i++) names[i] = c->collection[i].name;
    return walk_unknown(conf_get(root, "collection"), "collection", x->collection, names, n, e);
}

static sinter_status read_head(const experiment_raw *raw, const conf_node *root, const config *c, config_experiment *x, sinter_error *e)
{
    sinter_status s = refuse_method(root, raw->method, e);
    if (s != SINTER_OK) return s;
    while (x->unit < EXPERIMENT_UNITS && strcmp(raw->unit, EXPERIMENT_UNIT_NAMES[x->unit]) != 0) x->unit++;
    if (!x->salt) x->salt = x->name;
    if (!x->layer) x->layer = x->name;
    s = read_name(at_key(root, "salt"), "salt", x->salt, e);
    if (s == SINTER_OK) s = read_name(at_key(root, "layer"), "layer", x->layer, e);
    x->start_ms = INT64_MIN;
    x->end_ms = INT64_MAX;
    if (s == SINTER_OK) s = read_time(root, "start", raw->start, &x->start_ms, e);
    if (s == SINTER_OK) s = read_time(root, "end", raw->end, &x->end_ms, e);
    if (s == SINTER_OK && x->start_ms >= x->end_ms)
        s = conf_error(e, at_key(root, "end"), "let it end after its start", "the experiment ends before it begins");
    if (s == SINTER_OK && x->collection) s = find_collection(root, c, x, e);
    if (s == SINTER_OK && !c->server.impressions)
        s = conf_error(e, root, "say 'log: {impressions: true}' in sinter.yaml", "experiments are counted from impressions, which are off");
    return s;
}

sinter_status experiment_read(const char *name, const conf_node *root, const config *c, config_experiment *all, uint32_t n, arena *a,
                              sinter_error *e)
{
    experiment_raw raw = {0};
    config_experiment *x = &all[n];
    sinter_status s = walk_map(root, &WALK_EXPERIMENT, &raw, a, e);
    if (s != SINTER_OK) return s;
    *x = raw.x;
    x->name = name;
    x->file = root->file;
    x->at = root;
    if (!x->description) x->description = "";
    s = read_head(&raw, root, c, x, e);
    if (s == SINTER_OK) s = read_buckets(raw.buckets, x, e);
    if (s == SINTER_OK) s = read_ramp(raw.ramp, x, a, e);
    if (s == SINTER_OK) s = read_arms(raw.arms, c, x, a, e);
    if (s == SINTER_OK) s = find_control(root, raw.control, x, e);
    if (s == SINTER_OK) s = find_collection(root, c, x, e);
    if (s == SINTER_OK) s = check_languages(raw.arms, c, x, e);
    if (s == SINTER_OK) s = read_metrics(root, raw.metrics, c, x, a, e);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) s = check_beside(root, x, &all[i], e);
    if (s == SINTER_OK) make_hashes(x);
    return s;
}
