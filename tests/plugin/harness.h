/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small honest host for unit tests of plugins: one shared object, columns in memory, options as text, recorded edits.
 *
 * It loads the real .so by its real entry and hands it a real sinter_host, so a plugin's test exercises what the server will
 * call. It is not the server's host: that one (server/plugin) has YAML, budgets, snapshots and the whole filter language and
 * is tested under tests/unit/plugin and over gRPC. This one knows just enough: options with the plugin's own tables (types,
 * ranges, choices, defaults, unknown keys), filters of comparisons with AND, OR, NOT, IN, EXISTS and parentheses, and sinks
 * that remember what they were given.
 *
 * Life: harness_open → harness_column/harness_item/harness_file/harness_feature... → harness_instance → calls through
 * harness_plugin(h) → harness_close, which closes workers and instances that are still open. Misuse of the harness and
 * breaches of the ABI by the plugin print one line and abort. Not for several threads at once, except that host->log,
 * host->alloc, host->free and the readers of columns may be called from any. */
#ifndef SINTER_TESTS_HARNESS_H
#define SINTER_TESTS_HARNESS_H

#include <sinter/plugin.h>

typedef struct harness harness;

/* ---- the plugin ---------------------------------------------------------------------------------------------------- */

harness *harness_open(const char *so_path); /* dlopen, entry, checks of rule 1; aborts with the reason */
void harness_close(harness *);
const sinter_plugin *harness_plugin(const harness *);
const sinter_host *harness_host(const harness *);

/* ---- options: {"weights.words", "0.5"}, {"rules.0.boost", "2"} ------------------------------------------------------ */

typedef struct harness_option {
    const char *path, *value;
} harness_option;

/* Checks the options against the plugin's table as the server would (INVALID, with the path in `where`), then opens an
 * instance for `role` and calls inputs. Rankers' names for check_rankers are harness_rankers'. On failure *out is NULL. */
sinter_status harness_instance(harness *, const char *role, const harness_option *, size_t n, sinter_instance **out,
                               sinter_error *err);
sinter_worker *harness_worker(harness *, const sinter_instance *); /* NULL where the plugin has none; aborts on failure */
const sinter_inputs *harness_inputs(const harness *, const sinter_instance *); /* what the instance asked for */
void harness_rankers(harness *, const char *const *name, uint32_t n);          /* copied; before harness_instance */

/* The model directory of instances opened afterwards; NULL: none. Copied. */
void harness_model(harness *, const char *dir);

/* A file that options_read will find under this name, written as options. */
void harness_file(harness *, const char *file, const harness_option *, size_t n);

/* ---- the collection -------------------------------------------------------------------------------------------------- */

void harness_item(harness *, uint32_t ordinal, const char *id);
/* Columns come into being at the first value; a column of another type aborts. */
void harness_set_number(harness *, const char *field, uint32_t item, double value);
void harness_set_integer(harness *, const char *field, uint32_t item, int64_t value);
void harness_set_timestamp(harness *, const char *field, uint32_t item, int64_t ms);
void harness_set_boolean(harness *, const char *field, uint32_t item, bool value);
void harness_set_keyword(harness *, const char *field, uint32_t item, const char *text);
void harness_set_keywords(harness *, const char *field, uint32_t item, const char *const *text, uint32_t n);

/* ---- a request ------------------------------------------------------------------------------------------------------- */

/* A request of these words: text, normalised, one term a word (stem = surface, language "en"), now_ms, seed 1. Valid until
 * the next call or harness_close. Attributes are strings unless they read as numbers. */
sinter_request *harness_request(harness *, const char *words, int64_t now_ms);
void harness_user_attribute(harness *, const char *name, const char *value);    /* for requests made afterwards */
void harness_context_attribute(harness *, const char *name, const char *value);

/* ---- what the plugin said -------------------------------------------------------------------------------------------- */

typedef enum harness_kind {
    HARNESS_EXPLAIN = 1, /* label, value */
    HARNESS_WORDS,       /* rule, text = words, flag = replace */
    HARNESS_FILTER,      /* rule, text */
    HARNESS_BOOST,       /* rule, text = word, value = factor */
    HARNESS_REDIRECT,    /* rule, text = url */
    HARNESS_PIN,         /* rule, item, position, text */
    HARNESS_HIDE,        /* rule, item, text */
    HARNESS_MOVE,        /* rule, item, position, text */
    HARNESS_SCALE,       /* rule, item, value = factor, text */
    HARNESS_INSERT,      /* rule, item, position, text */
    HARNESS_LABEL,       /* rule, item, text */
} harness_kind;

typedef struct harness_edit {
    harness_kind kind;
    char *rule; /* explain: the label */
    char *text;
    uint32_t item, position;
    double value;
    bool flag;
} harness_edit;

sinter_sink *harness_sink(harness *);             /* empties the record and returns the one sink */
uint32_t harness_edits(const harness *);          /* in the order given */
const harness_edit *harness_edit_at(const harness *, uint32_t i);
double harness_explained(const harness *);        /* sum of the explanations recorded */
uint32_t harness_logged(const harness *);         /* lines logged so far */
const char *harness_last_log(const harness *);    /* "" where there is none */
uint64_t harness_allocations(const harness *);    /* calls of host->alloc so far */
void harness_scratch_reset(harness *);            /* ends the call or request that host->scratch memory lives for */

/* ---- a batch --------------------------------------------------------------------------------------------------------- */

/* A batch of n rows (not padded) over `feature` [n][n_features], row-major, and ordinals 0..n-1. Valid until the next call or
 * harness_close; the pointers in it may be replaced. */
sinter_batch *harness_batch(harness *, const float *feature, uint32_t n_features, uint32_t n);

#endif
