/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plugin host: loading, checking, opening and calling shared objects by the contract of <sinter/plugin.h>.
 *
 * Life: plugin_host_new → plugin_load (a library: one build of one plugin) → plugin_open (an instance: build, model,
 * options, collection, role; workers for every lane) → calls on lanes → plugin_instance_release →
 * plugin_library_release → plugin_host_free. Libraries and instances are counted: the same build is loaded once, the
 * same instance opened once, and the last release closes it. Everything here is [control] (one lock inside) except what
 * is marked [lane].
 *
 * This room knows no catalogue: what a plugin may ask about items goes through a plugin_services table which the rooms
 * above fill. A request's view of the items and its arena travel in a plugin_call, which a lane begins and ends around
 * its calls.
 *
 * No plugin can make a call here fail in any way but by its result: what it writes is checked for count, finiteness and
 * range before anyone else reads it. A crash is not caught: `sinter plugin check` looks for one in a child process. */
#ifndef SINTER_ROOM_PLUGIN_H
#define SINTER_ROOM_PLUGIN_H

#include "base/base.h"
#include "config/config.h"
#include <sinter/plugin.h>

/* ---- the host ------------------------------------------------------------------------------------------------------
 */

typedef struct plugin_host plugin_host;

/* `private_dir` is emptied and then holds the private copies of loaded files (data_dir/plugins of a server). `n_lanes`
 * workers are opened per instance. */
sinter_status plugin_host_new(const char *private_dir, uint32_t n_lanes, plugin_host **out, sinter_error *e);
void plugin_host_free(plugin_host *h); /* after all libraries and instances have been released */
uint32_t plugin_host_lanes(const plugin_host *h);
/* Builds that stayed mapped after dlclose (STB_GNU_UNIQUE symbols, thread-local destructors). */
uint32_t plugin_host_resident(const plugin_host *h);

/* ---- libraries -----------------------------------------------------------------------------------------------------
 */

typedef enum {
    PLUGIN_RANKER,
    PLUGIN_FUSION,
    PLUGIN_RECALL,
    PLUGIN_REWRITER,
    PLUGIN_FINISHER,
    PLUGIN_ENRICHER,
    PLUGIN_TRAINER,
    PLUGIN_ROLES
} plugin_role;
extern const char *const PLUGIN_ROLE_NAMES[PLUGIN_ROLES]; /* "ranker", … */

/* Counted since the library was loaded; read from any thread. */
typedef struct plugin_counters {
    _Atomic uint64_t calls, failed, late, not_finite, declined; /* uses of a role in a request, and how they ended */
    _Atomic uint64_t rows, nanoseconds;                         /* candidates scored, time spent inside */
    _Atomic uint64_t unsummed;                                  /* explanations that did not sum to the score */
    _Atomic int64_t bytes;                                      /* held through host->alloc */
} plugin_counters;

typedef struct plugin_library {
    const sinter_plugin *table;
    const char *name, *version, *build, *summary; /* the table's, checked */
    const char *file;                             /* where it was found */
    char sha256[65];                              /* of its bytes */
    uint32_t roles;                               /* bit set of 1 << plugin_role */
    plugin_counters *counters;
} plugin_library;

/* A build that is loaded instead of the file that a configuration names. */
typedef struct plugin_override {
    const char *plugin; /* as a use names it: see plugin_key */
    const char *kept;   /* the file to load; its bytes have the sum */
    const char *from;   /* where it came from: what people know it by */
    char sha256[65];
} plugin_override;
/* How a use names its plugin: its path, or its name. */
const char *plugin_key(const config_use *use);
/* The file that a use names without any override, malloced; NULL: there is none. */
char *plugin_file_of(const config_server *server, const config_use *use);

/* The .so a use names: use->path, or use->plugin searched as NAME.so in the server's plugin_dirs; or the override of its key
 * among override[0..n), where the use pins no other build. The refusals name both values, the file and what to do; `where` is
 * the use's file:line:column. A build already loaded is shared. */
sinter_status plugin_load(plugin_host *h, const config_server *server, const config_use *use, const plugin_override *override,
                          uint32_t n, const plugin_library **out, sinter_error *e);
/* Copies the bytes of a loaded build to a file, unless it is there. */
sinter_status plugin_library_keep(plugin_host *h, const plugin_library *l, const char *path, sinter_error *e);
/* The same for a path; `sha256` may be NULL (any build). */
sinter_status plugin_load_file(plugin_host *h, const char *path, const char *sha256, const plugin_library **out,
                               sinter_error *e);
void plugin_library_release(plugin_host *h, const plugin_library *l);
static inline bool plugin_has_role(const plugin_library *l, plugin_role r)
{
    return l->roles >> r & 1;
}

/* ---- what the rooms above provide
 * ------------------------------------------------------------------------------------ */

/* Items of one collection. `ctx` is the table's own; `view` is the plugin_call's, NULL during open ("as of now"). A
 * function left NULL makes the host answer "unknown". Results live as long as <sinter/plugin.h> promises. Tags as
 * there. */
typedef struct plugin_services {
    void *ctx;
    const sinter_column *(*column)(void *ctx, void *view, const char *field);
    const char *(*keyword_text)(void *ctx, void *view, const char *field, uint32_t id);
    uint32_t (*keyword_id)(void *ctx, void *view, const char *field, const char *text);
    const char *(*item_id)(void *ctx, void *view, uint32_t ordinal);
    uint32_t (*item_ordinal)(void *ctx, void *view, const char *id);
    sinter_status (*filter_compile)(void *ctx, const char *text, void **out, sinter_error *e);
    void (*filter_free)(void *ctx, void *filter);
    sinter_status (*filter_match)(void *ctx, void *view, const void *filter, const uint32_t *item, uint32_t n,
                                  uint8_t *out, sinter_error *e);
    sinter_status (*filter_scan)(void *ctx, void *view, const void *filter, uint32_t limit, uint32_t *item, uint32_t *n,
                                 sinter_error *e);
    uint32_t (*event_type)(void *ctx, const char *name);
    const char *(*event_name)(void *ctx, uint32_t id, double *weight);
} plugin_services;

/* ---- options
 * --------------------------------------------------------------------------------------------------------- */

/* Checks a map of a YAML file against a plugin's table: unknown keys (near names), types, choices, ranges, required
 * keys, nested maps and lists, files that must exist, filters by services->filter_compile (NULL services: not checked).
 * The keys of CONFIG_USE_KEYS are skipped at the top when `use` is true (source and limit only where the map has a
 * source). The result lives in `memory`, like the tree. */
sinter_status plugin_options_check(const conf_node *map, bool use, const sinter_option *table, uint32_t n,
                                   const plugin_services *services, arena *memory, const sinter_options **out,
                                   sinter_error *e);
/* A table's own faults (sizes, names, defaults that do not fit): INVALID naming the key. */
sinter_status plugin_options_sane(const sinter_option *table, uint32_t n, sinter_error *e);

/* ---- instances
 * ------------------------------------------------------------------------------------------------------- */

typedef struct plugin_instance plugin_instance;

typedef struct plugin_open_args {
    plugin_role role;
    const char *use;          /* "pipeline.ranker" */
    const config_use *config; /* its options map; NULL: none */
    const char *model_dir;    /* NULL: none */
    const sinter_collection *collection;
    const plugin_services *services; /* copied; ctx must outlive the instance */
} plugin_open_args;

/* Opens, or shares, the instance of (build, model, options and the bytes of the files they name, collection, role).
 * Takes a reference on the library. */
sinter_status plugin_open(plugin_host *h, const plugin_library *l, const plugin_open_args *args, plugin_instance **out,
                          sinter_error *e);
void plugin_instance_release(plugin_host *h, plugin_instance *i);

const plugin_library *plugin_instance_library(const plugin_instance *i);
plugin_role plugin_instance_role(const plugin_instance *i);
const sinter_inputs *plugin_instance_inputs(const plugin_instance *i); /* never NULL; checked: counts match pointers */
bool plugin_instance_whole_list(const plugin_instance *i);
/* fusion->check_rankers, with the use's place in the message. */
sinter_status plugin_check_rankers(plugin_instance *i, const char *const *ranker, uint32_t n, const conf_node *at,
                                   sinter_error *e);

/* ---- calls: on a lane
 * -------------------------------------------------------------------------------------------------- */

/* What a lane's calls run in. `memory` is the request's arena (edits, explanations, scratch of prepare, recall, rewrite
 * and finish); `scratch` is reset after every block and explanation; both belong to the lane. */
typedef struct plugin_call {
    uint32_t lane;
    void *view; /* for plugin_services */
    arena *memory, *scratch;
    struct plugin_call *outer;
} plugin_call;
void plugin_call_begin(plugin_call *c); /* [lane] until plugin_call_end, host callbacks of this thread see `c` */
void plugin_call_end(plugin_call *c);

typedef enum {
    PLUGIN_DONE,       /* every row has a score or SINTER_MISSING */
    PLUGIN_LATE,       /* out of budget: rows scored before stand, the rest are missing */
    PLUGIN_FAILED,     /* it returned an error, or wrote outside its array: no row has a score */
    PLUGIN_NOT_FINITE, /* a value was left that is neither finite nor SINTER_MISSING: no row has a score */
    PLUGIN_DECLINED,   /* no opinion: no row has a score, no fault */
} plugin_outcome;

typedef struct plugin_result {
    plugin_outcome outcome;
    uint32_t scored; /* rows that got a finite score */
    uint64_t elapsed_ns;
    sinter_error error; /* why, unless DONE */
} plugin_result;

/* Ranker: prepare (request may be NULL: not called), then score in blocks of SINTER_BLOCK, padded; `list` holds all `n`
 * rows of the stage. Between blocks the clock is read against budget_ns (0: none) and list->deadline_ns. score[0..n) is
 * wholly written: SINTER_MISSING where there is none. [lane] */
void plugin_rank(plugin_instance *i, plugin_call *c, const sinter_request *request, const sinter_batch *list,
                 uint64_t budget_ns, float *score, plugin_result *r);

typedef struct plugin_line {
    const char *label;
    double value;
} plugin_line;

/* Contributions to the score of one row of the list that was last ranked; they always sum to `score`: what a plugin
 * leaves unexplained becomes a line "rest". *summed: the plugin kept rule 7. In c->memory. [lane] */
sinter_status plugin_explain(plugin_instance *i, plugin_call *c, const sinter_batch *list, uint32_t row, float score,
                             plugin_line **line, uint32_t *n, bool *summed, sinter_error *e);

/* Fusion: out[0..n) is written only when DONE. [lane] */
void plugin_fuse(plugin_instance *i, plugin_call *c, const sinter_fusion_batch *b, float *out, plugin_result *r);
/* Shares of a row of the batch last fused on this lane; *summed: bias + contributions = score within 1e-5 × max(1,
 * |score|). */
sinter_status plugin_fuse_explain(plugin_instance *i, plugin_call *c, const sinter_fusion_batch *b, uint32_t row,
                                  float score, sinter_share *share, double *bias, bool *summed, sinter_error *e);

/* Recall: item and score hold `limit`; ordinals at or above `n_items` are a fault. `filter` is what
 * services->filter_compile gave (or the like), NULL: none. [lane] */
void plugin_recall(plugin_instance *i, plugin_call *c, const sinter_request *request, const void *filter,
                   const uint32_t *exclude, uint32_t n_exclude, uint32_t limit, uint32_t n_items, uint32_t *item,
                   float *score, uint32_t *n, plugin_result *r);

typedef enum {
    PLUGIN_ADD_WORDS,     /* text: words */
    PLUGIN_REPLACE_WORDS, /* text: words */
    PLUGIN_ADD_FILTER,    /* text: filter expression */
    PLUGIN_BOOST_WORD,    /* text: word, factor */
    PLUGIN_REDIRECT,      /* text: url */
    PLUGIN_PIN,           /* item, position, text for people; so the rest */
    PLUGIN_HIDE,
    PLUGIN_MOVE,
    PLUGIN_SCALE, /* factor */
    PLUGIN_INSERT,
    PLUGIN_LABEL,
} plugin_edit_kind;
extern const char *const PLUGIN_EDIT_NAMES[PLUGIN_LABEL + 1]; /* "add_words", … */

typedef struct plugin_edit {
    plugin_edit_kind kind;
    uint32_t item, position; /* position 1-based */
    double factor;
    const char *rule, *text; /* never NULL */
} plugin_edit;

#define PLUGIN_MAX_EDITS 10000u /* more in one call: it has failed */

/* Recorded edits in the plugin's order, in c->memory, for the pipeline to apply; none unless DONE. [lane] */
void plugin_rewrite(plugin_instance *i, plugin_call *c, const sinter_request *request, const plugin_edit **edit,
                    uint32_t *n, plugin_result *r);
void plugin_finish(plugin_instance *i, plugin_call *c, const sinter_request *request, const sinter_list *list,
                   const plugin_edit **edit, uint32_t *n, plugin_result *r);

/* trainer->train with an instance opened as PLUGIN_TRAINER; host, options and instance are filled in here. `c` gives
 * host->scratch its memory. */
sinter_status plugin_train(plugin_instance *i, plugin_call *c, const sinter_train_args *args, sinter_error *e);

/* ---- shared objects as files: for `sinter plugin`
 * ----------------------------------------------------------------------- */

typedef struct plugin_elf {
    bool right_machine, has_entry;
    const char *const *extra; /* [n_extra] defined dynamic symbols other than the entry */
    uint32_t n_extra;
    const char *const *unique; /* [n_unique] STB_GNU_UNIQUE symbols: the library never leaves memory */
    uint32_t n_unique;
    const char *const *needed; /* [n_needed] libraries it links */
    uint32_t n_needed;
} plugin_elf;

/* Reads a shared object's tables with every offset checked; refuses what is not one. The result lives in `a`. */
sinter_status plugin_elf_read(const char *path, str bytes, arena *a, plugin_elf *out, sinter_error *e);

#endif
