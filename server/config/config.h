/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configuration: YAML files become validated structs; every message says file:line:column.
 *
 * config_load reads config/sinter.yaml and, beside it, collections/NAME.yaml, pipelines/NAME.yaml and experiments/NAME.yaml. What depends on
 * plugins (options of a ranker) stays a conf_node tree here and is checked by the plugin room against the plugin's own
 * table. A config is immutable once loaded and owns all its memory. */
#ifndef SINTER_CONFIG_H
#define SINTER_CONFIG_H

#include "base/base.h"

/* ---- YAML as a tree with marks ----------------------------------------------------------------------------------- */

typedef enum { CONF_SCALAR, CONF_LIST, CONF_MAP } conf_kind;

typedef struct conf_node conf_node;
struct conf_node {
    conf_kind kind;
    bool quoted;           /* a quoted scalar is always a string */
    const char *text;      /* scalars; "" for null */
    const char *file;      /* as shown in messages: relative to where the server was started, or absolute */
    uint32_t line, column; /* 1-based */
    uint32_t n;
    const conf_node *const *key;   /* [n] maps */
    const conf_node *const *value; /* [n] maps and lists */
};

/* Parses one document with libyaml's document API; limits: 4 MiB, depth 32, 200,000 nodes, aliases 100. Duplicate keys
 * are refused. The tree lives in `a`. */
sinter_status conf_parse_file(const char *path, arena *a, const conf_node **out, sinter_error *e);
sinter_status conf_parse_text(const char *name, str text, arena *a, const conf_node **out, sinter_error *e);
const conf_node *conf_get(const conf_node *map, const char *key); /* NULL: absent */
bool conf_null(const conf_node *n);                               /* NULL, or an unquoted null */
/* The scalar as a path, seen from the folder of its file: absolute; in `a`. */
const char *conf_path(const conf_node *at, arena *a);
/* error_set with where = file:line:column of the node. */
sinter_status conf_error(sinter_error *e, const conf_node *at, const char *fix, const char *what, ...)
    PRINTF_LIKE(4, 5);

/* ---- collections ---------------------------------------------------------------------------------------------------
 */

typedef enum {
    FIELD_TEXT,
    FIELD_KEYWORD,
    FIELD_KEYWORDS,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOLEAN,
    FIELD_TIMESTAMP,
    FIELD_VECTOR,
    FIELD_GEO,
    FIELD_TYPES
} field_type;
extern const char *const FIELD_TYPE_NAMES[FIELD_TYPES]; /* "text", "keyword", … */

typedef struct config_field {
    const char *name; /* dotted; a trailing or inner * makes it a pattern */
    bool pattern;
    field_type type;
    bool searchable, filterable, sortable, stored, required; /* defaults by type: config/README.md */
    const char *group;                                       /* NULL: by the rule of the text index */
    uint32_t group_index;                                    /* resolved; searchable fields only */
    double weight;                                           /* within its group, default 1 */
    const char *language; /* snowball name or code, "en"; "none": no stemming; default: the collection's */
    uint32_t dimension;   /* vectors */
    const conf_node *at;
} config_field;

/* Whether a declared name or pattern stands for a dotted name: each * is one or more characters, dots included. */
bool config_name_matches(const char *declared, str name);
/* Code of a language given as code or name ("english": "en"); "none" for none; NULL: unknown. */
const char *config_language(const char *s);

#define CONFIG_MAX_GROUPS    4u
#define CONFIG_MAX_LANGUAGES 3u

/* A field group: what one count and one length of a posting stand for. */
typedef struct config_group {
    const char *name;
    double weight, b;                 /* BM25F: group weight, length normalisation */
    uint32_t count_bits, length_bits; /* widths in the posting, by the number of groups; 0: default */
} config_group;

/* An event type that people's doings may have. Its id is its place in the list, from 1. */
typedef struct config_event {
    const char *name;
    bool by_value; /* the event's own value is its weight */
    double weight; /* what one is worth to training and to the label "weight"; NAN when by_value */
    const conf_node *at;
} config_event;
#define CONFIG_MAX_EVENTS 32u

/* What happens where the words of a query find nothing. */
typedef enum {
    CONFIG_EMPTY_SEARCH,  /* another spelling, or fewer words, are searched instead */
    CONFIG_EMPTY_SUGGEST, /* they are only named */
    CONFIG_EMPTY_NOTHING,
} config_when_empty;

/* What is completed, `suggest: {fields: [title, brand]}`. */
typedef struct config_suggest {
    bool declared;
    const char *const *field; /* [n_fields] text, keyword or keywords, none a pattern */
    uint32_t n_fields;
    bool queries;       /* what was asked, too */
    bool recent;        /* a person's own queries, first */
    uint32_t min_users; /* people who must have asked before a query is offered */
    double half_life_days;
} config_suggest;

typedef struct config_collection {
    const char *name, *file;
    const conf_node *at;
    const config_field *field; /* [n_fields] declared order; earlier declarations win */
    uint32_t n_fields;
    config_group group[CONFIG_MAX_GROUPS];
    uint32_t n_groups;
    const char *language[CONFIG_MAX_LANGUAGES]; /* of its fields, without "none"; [0] is the default */
    uint32_t n_languages;
    double k1;                        /* BM25F saturation */
    double coverage_bonus;            /* added weight of matching all words; 0: none */
    bool units;                       /* dimensions and units are normalised */
    bool spelling;                    /* default of QueryOptions.typos */
    config_when_empty when_empty;     /* default of QueryOptions.when_empty */
    bool operator_and;                /* default operator */
    const char *minimum_should_match; /* "" or "2" or "75%" */
    const char *stop_words;           /* NULL: none; "default": by language; else a file, absolute */
    const char *synonyms;             /* file of synonyms, absolute; NULL: none */
    double synonym_weight;            /* what a synonym's count is worth beside the word's own, 0-1 */
    const char *age_field;            /* timestamp field behind item.age_days; NULL: none */
    config_suggest suggest;
    const char *title_field;          /* what a person calls an item; for transcripts. NULL: first text field */
    const char *default_pipeline;
    const config_event *event; /* [n_events] `events: {click: 1, rating: value}` */
    uint32_t n_events;
    uint32_t history;             /* latest events kept of a person, `profiles: {history: 100}` */
    double counter_half_life_days; /* `counters: {half_life: 30d, by: [brand]}` */
    const char *const *counter_by; /* [n_counter_by] keyword fields whose values have counters of their own */
    uint32_t n_counter_by;
    bool rates;                   /* `rates: {strength: 20, toward: brand, examination: 0.5}`: there */
    double rates_strength;        /* of the prior, in times shown */
    uint32_t rates_toward;        /* index into counter_by; UINT32_MAX: the collection's mean */
    double rates_examination;     /* the place at position k is looked at k^-examination times as often as the first */
    uint64_t session_timeout_ns;  /* `profiles: {session_timeout: 30m}` */
} config_collection;
/* Its place in the list, from 1; 0: no such type. */
uint32_t config_event_id(const config_collection *c, str name);

/* ---- pipelines ------------------------------------------------------------------------------------------------------
 */

/* One use of a plugin: a ranker, fusion, source, rewriter or finisher. */
typedef struct config_use {
    const char *name;    /* unique in its pipeline; default: plugin or source name */
    const char *plugin;  /* NULL for built-ins */
    const char *path;    /* of a .so, where the use names a file; NULL: found in plugin_dirs by name */
    const char *sha256;  /* pinned build, 64 hex digits; NULL: any */
    const char *model;   /* NAME/VERSION or NAME/latest; NULL */
    const char *feature; /* built-in ranker: one feature as score; NULL */
    uint64_t budget_ns;  /* 0: none of its own */
    const conf_node
        *options; /* the whole map: the keys above are skipped, the rest are checked by the plugin's table */
    const conf_node *at;
} config_use;

/* The keys of a use that are Sinter's own; all others belong to the plugin. A plugin's options may not be named so. */
extern const char *const CONFIG_USE_KEYS[]; /* [CONFIG_USE_KEYS_N] */
#define CONFIG_USE_KEYS_N 7u

typedef struct config_recall_source {
    config_use use;
    bool text; /* source: text, the built-in full-text source */
    uint32_t limit;
} config_recall_source;

typedef struct config_stage {
    const char *name; /* default: "stage1" … */
    uint32_t keep;
    const config_use *rank; /* [n_rank] */
    uint32_t n_rank;
    config_use fuse;
    bool has_fuse; /* false: only with one ranker: its score is the stage's */
    uint64_t budget_ns;
    const conf_node *at;
} config_stage;

typedef struct config_finish {
    config_use use; /* a finisher plugin, or diversity */
    bool diversity; /* diversity: mmr over `field` with `strength` */
    uint32_t shuffle; /* `{explore: shuffle, top: 20, share: 0.2}`: the first `top` of a share of requests, chosen by a hash of
                         the request id, are put in an even random order; 0: not this step */
    double share;
    const char *field;
    double strength;
} config_finish;

typedef struct config_pipeline {
    const char *name, *file, *collection;
    const conf_node *at;
    const config_use *rewrite; /* [n_rewrite] */
    uint32_t n_rewrite;
    const config_recall_source *recall; /* [n_recall] */
    uint32_t n_recall;
    const config_stage *stage; /* [n_stages]; may be 0 */
    uint32_t n_stages;
    const config_finish *finish; /* [n_finish] */
    uint32_t n_finish;
    uint64_t budget_ns; /* of all stages; 0: none */
    double record;      /* share of requests recorded whole, 0–1 */
} config_pipeline;

/* ---- experiments ---------------------------------------------------------------------------------------------------- */

typedef enum { EXPERIMENT_USER, EXPERIMENT_SESSION, EXPERIMENT_REQUEST, EXPERIMENT_UNITS } experiment_unit;
extern const char *const EXPERIMENT_UNIT_NAMES[EXPERIMENT_UNITS]; /* "user", "session", "request" */

#define EXPERIMENT_BUCKETS 10000u
#define EXPERIMENT_ARMS    16u /* at most, shadows included */

/* What an arm may vary, as bits: two experiments of different layers that vary the same thing of one collection are refused. */
enum { VARIES_PIPELINE = 1, VARIES_OPERATOR = 2, VARIES_MINIMUM = 4, VARIES_TYPOS = 8, VARIES_LANGUAGE = 16 };

typedef struct config_arm {
    const char *name;
    const char *pipeline; /* NULL: as without the experiment */
    double share;         /* of the units in the experiment; of a shadow: of the control arm's requests */
    bool shadow;
    int operator_and, typos;                    /* options where the request says nothing; -1: not varied */
    const char *minimum_should_match, *language; /* NULL: not varied */
    uint32_t first, end;                        /* buckets [first, end); empty of a shadow */
    const conf_node *at;
} config_arm;

/* From `from_ms` on the share of the layer's buckets grows to `share` within `over_ms`; 0: at once. */
typedef struct config_ramp {
    int64_t from_ms, over_ms;
    double share;
} config_ramp;

typedef enum {
    METRIC_CTR,        /* requests with a click among the first `ctr_places`, of all */
    METRIC_CLICKS,     /* clicks a request */
    METRIC_CONVERSION, /* units with a conversion, of all */
    METRIC_VALUE,      /* sum of the conversions' values a unit */
    METRIC_ZERO,       /* requests without a hit, of all */
    METRIC_ERRORS,     /* requests that failed or were degraded, of all */
    METRIC_MEANS,      /* so many are means over units */
    METRIC_P99 = METRIC_MEANS, /* latency */
    EXPERIMENT_METRICS
} experiment_metric;
extern const char *const EXPERIMENT_METRIC_NAMES[EXPERIMENT_METRICS]; /* "ctr", "clicks", … */

typedef struct config_guard {
    experiment_metric metric;
    double threshold; /* worse by more than this stops the arm: relative to control; of zero_results and errors absolute */
} config_guard;

typedef struct config_experiment {
    const char *name, *file, *collection, *layer, *salt, *description;
    const conf_node *at;
    experiment_unit unit;
    const config_arm *arm; /* [n_arms] in the file's order */
    uint32_t n_arms, control;
    uint32_t first_bucket, last_bucket; /* of the layer, inclusive */
    const config_ramp *ramp;            /* [n_ramp] rising; 0: all of them at all times */
    uint32_t n_ramp;
    int64_t start_ms, end_ms; /* INT64_MIN, INT64_MAX: none */
    uint32_t varies;          /* bits of what its arms vary; shadows vary nothing */
    experiment_metric primary;
    uint32_t ctr_places; /* UINT32_MAX: all */
    const config_guard *guard;
    uint32_t n_guards;
    const char *click, *conversion; /* event types; "": none */
    uint64_t window_ns;             /* an event counts for what was shown so long before it at most */
    double alpha;                   /* chance that a harmless arm is ever stopped */
    uint64_t every_ns;              /* guards are looked at so often */
    uint64_t version;  /* hash of what assigns and of what the arms do: another counts anew */
    uint64_t counting; /* hash of what counts: another is counted again from the log */
} config_experiment;

/* ---- the server
 * ------------------------------------------------------------------------------------------------------ */

typedef log_level config_log_level; /* C++ lets no member take the name of its own type */

/* `swap:` how a change is rehearsed before it is published, and watched after it. */
typedef struct config_swap {
    uint32_t rehearse, watch_searches, hold;
    double max_errors, max_p99_ratio, min_agreement;
    uint64_t p99_slack_ns, watch_ns;
    double watch_errors, watch_late, watch_p99_ratio;
} config_swap;
/* The HTTP side: /metrics, /healthz, /readyz, every method as JSON, the page. */
typedef struct config_http {
    const char *listen;            /* "127.0.0.1:7701"; "": none */
    const char *const *origin;     /* [n_origins] other sites whose pages may call, "https://shop.example"; "*": any */
    uint32_t n_origins;
    const char *const *host;       /* [n_hosts] names that requests may call the server by, beside localhost and addresses */
    uint32_t n_hosts;
    uint32_t max_connections;
    uint64_t receive_ns;           /* a request must have come whole by then */
    uint64_t idle_ns;              /* a connection without a request, or whose client takes nothing */
} config_http;

typedef struct config_server {
    const char *listen;             /* "127.0.0.1:7700"; host:port, port 0: any free */
    bool insecure;                  /* allows an address that is not loopback without TLS */
    const char *data_dir;           /* absolute */
    const char *const *plugin_dirs; /* [n_plugin_dirs] absolute, in order of search; those installed with the server last */
    uint32_t n_plugin_dirs;
    uint32_t lanes; /* 0: one a core */
    uint64_t max_message_bytes;
    uint32_t max_concurrent; /* requests admitted and not answered */
    uint32_t max_streams_per_connection;
    uint32_t max_parked; /* reads waiting for after_sequence */
    uint64_t max_unpack_bytes;
    uint64_t drain_ns;        /* grace at shutdown */
    uint64_t commit_after_ns; /* index commit: age of the oldest unapplied write, default 250 ms */
    config_log_level log_level;
    bool log_json;
    uint64_t log_slow_ns; /* searches that take longer are logged with their steps; 0: none */
    bool impressions; /* log impressions, default true */
    config_swap swap;
    const conf_node *swap_at; /* for messages: `swap`, or the file's root */
    bool allow_override; /* requests may name their arms of experiments, default false */
    config_http http;
} config_server;

/* One file that a configuration consists of: its YAML, or a file of its folder that a value names (rules, stop words). */
typedef struct config_file {
    const char *name; /* relative to the folder of sinter.yaml */
    str bytes;
} config_file;

typedef struct config {
    const char *path; /* of sinter.yaml, absolute */
    config_server server;
    const config_collection *collection; /* [n_collections] */
    uint32_t n_collections;
    const config_pipeline *pipeline; /* [n_pipelines] */
    uint32_t n_pipelines;
    const config_experiment *experiment; /* [n_experiments] in order of name */
    uint32_t n_experiments;
    uint64_t hash; /* of all bytes read */
    char mark[17]; /* hash of all its files, as text: equal marks, equal configurations */
    const config_file *file; /* [n_files] */
    uint32_t n_files, cap_files;
    const conf_node **root; /* [n_roots] of its YAML files */
    uint32_t n_roots, cap_roots;
    arena *memory;
} config;

/* What commands read where no -c names a configuration: config/sinter.yaml below the working directory, and where there is
 * none, that of the installation (/etc/sinter/sinter.yaml, or PREFIX/etc/sinter/sinter.yaml). Static. [main thread] */
const char *config_default_path(void);
sinter_status config_load(const char *path, config **out, sinter_error *e);
void config_free(config *c);
/* Keeps every file of it in DIR/MARK, from where config_load takes it again as if it stood in its own place: paths that lead out
 * of its folder are those of where it came from. Files that have no place below the folder of sinter.yaml are not kept. Where it
 * is there already nothing is done. */
sinter_status config_keep(const config *c, const char *dir, sinter_error *e);
const config_collection *config_find_collection(const config *c, const char *name);
const config_pipeline *config_find_pipeline(const config *c, const char *name);
const config_experiment *config_find_experiment(const config *c, const char *name);
/* Which of group, language, cap or type differ, so that the index of `was` cannot serve `is`: OK, or PRECONDITION with
 * file:line:column of what changed. */
sinter_status config_same_index(const config_collection *was, const config_collection *is, sinter_error *e);
/* Whether the fields are declared alike in every way, and the list of languages with them. */
bool config_same_fields(const config_collection *was, const config_collection *is);
/* Whether profiles built for `was` serve `is`: weights may differ and types be added at the end; anything else is
 * PRECONDITION with file:line:column. */
sinter_status config_same_events(const config_collection *was, const config_collection *is, sinter_error *e);

/* Whether two stages have the very same rankers in the same order: names, plugins, models and options; budgets may differ. */
bool config_same_rankers(const config_stage *a, const config_stage *b);

#endif
