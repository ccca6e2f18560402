/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model directories: data_dir/models/NAME/VERSION, what training leaves and serving opens. Never edited, only added.
 *
 *   model.yaml     who trained it, on what, for whom; the SHA-256 of every other file
 *   golden.bin     a few inputs with the scores that the model gave when it was new
 *   the rest       the plugin's own: weights.safetensors
 *
 * VERSION is a whole number from 1 up. A name that begins with a dot is no model: what is being trained stands in
 * data_dir/models/NAME/.train until it is renamed, whole and synced, to its version.
 *
 * A directory is a stranger's until it is checked: every refusal names the directory or the file and says what to do. Control
 * threads and training processes only: everything here may block. */
#ifndef SINTER_ROOM_MODEL_H
#define SINTER_ROOM_MODEL_H

#include "base/base.h"
#include "config/config.h"
#include "plugin/plugin.h"

#define MODEL_YAML   "model.yaml"
#define MODEL_GOLDEN "golden.bin"
#define MODEL_FORMAT 1u
#define MODEL_MAX_FILES 64u

typedef struct model_names {
    const char *const *name; /* [n] */
    uint32_t n;
} model_names;

typedef struct model_metric {
    const char *name;
    double value;
} model_metric;

typedef struct model_file {
    const char *path; /* a plain name */
    char sha256[65];
} model_file;

/* What model.yaml says. */
typedef struct model_info {
    const char *dir;           /* not written: where it was read */
    const char *name;          /* not written either: its place says them */
    uint64_t version;
    const char *plugin, *plugin_version, *plugin_sha256; /* of the build that trained it */
    uint32_t abi_major, abi_minor;
    const char *role;          /* "ranker" or "fusion": what the trained use does, and what golden.bin holds */
    const char *use;           /* "shop.taste" */
    const char *collection, *collection_uuid;
    uint64_t ordinals;         /* given when it was trained: items from there on are unknown to it */
    const char *options;       /* hash of the use's options */
    /* What it reads, in the words of sinter_inputs. `ranker`: of the stage, for a fusion. */
    model_names feature, id_feature, context, prior, vector, history_side, ranker;
    uint64_t history;
    uint64_t since, until;     /* journal range: (since, until] */
    int64_t trained_ms;
    double seconds;
    uint64_t seed, threads;
    const char *parent;        /* NAME/VERSION that was deployed when it was trained; "": none */
    model_metric *metric;      /* [n_metrics] last value of each that the trainer reported, and what the dataset held */
    uint32_t n_metrics;
    model_file *file;          /* [n_files] every file of the directory but model.yaml */
    uint32_t n_files;
} model_info;

/* ---- names and places (place.c) ------------------------------------------------------------------------------------------ */

/* Lower-case letters, digits, '_' and '-', beginning with a letter or digit; at most 64. */
bool model_name_valid(const char *name);
/* NAME of a pipeline's `model: NAME/VERSION` or `NAME/latest`, in `a`; NULL: there is none. *latest may be NULL. */
const char *model_named(const char *model, arena *a, bool *latest);
/* "NAME/VERSION": INVALID says what it should be. `name` in `a`. */
sinter_status model_parse(const char *text, arena *a, const char **name, uint64_t *version, sinter_error *e);
const char *model_dir(const char *data_dir, const char *name, uint64_t version, arena *a);
/* Versions present, ascending; none is no error. */
sinter_status model_versions(const char *data_dir, const char *name, arena *a, uint64_t **version, uint32_t *n, sinter_error *e);
sinter_status model_all_names(const char *data_dir, arena *a, const char ***name, uint32_t *n, sinter_error *e);

/* ---- model.yaml (yaml.c) --------------------------------------------------------------------------------------------------- */

/* Reads dir/model.yaml alone. NOT_FOUND: no such directory or file; DATA_LOSS: not what was written. In `a`. */
sinter_status model_read(const char *data_dir, const char *name, uint64_t version, arena *a, model_info *out, sinter_error *e);
/* Writes dir/model.yaml, durably; `file` is what it lists. */
sinter_status model_write(const char *dir, const model_info *m, sinter_error *e);

/* ---- files (files.c) ------------------------------------------------------------------------------------------------------- */

/* Names and SHA-256 of the files in `dir`, but model.yaml, sorted by name. Folders, links and odd names are refused. */
sinter_status model_hash_files(const char *dir, arena *a, model_file **file, uint32_t *n, sinter_error *e);
/* Every file that `m` lists is there and has its sum, and no other is. `recorded` (n_recorded 0: none): sums that a deployment
 * record holds, model.yaml's among them. DATA_LOSS names the file. */
sinter_status model_verify(const model_info *m, const model_file *recorded, uint32_t n_recorded, sinter_error *e);
/* What a deployment records: the files of `m` and model.yaml. In `a`. */
sinter_status model_recorded(const model_info *m, arena *a, model_file **file, uint32_t *n, sinter_error *e);
uint64_t model_bytes(const char *dir);
/* Gives `dir`, complete, its version: syncs every file, renames it to the next number that neither stands in data_dir nor is below
 * `above`, and syncs the parent. */
sinter_status model_commit(const char *data_dir, const char *name, const char *dir, uint64_t above, uint64_t *version,
                           sinter_error *e);

/* ---- foreign or not (fit.c) ------------------------------------------------------------------------------------------------ */

typedef struct model_wanted {
    const plugin_library *library;
    const sinter_collection *collection;
    plugin_role role;
    const char *const *ranker; /* [n_rankers] of the stage, for a fusion; NULL: not compared */
    uint32_t n_rankers;
} model_wanted;
/* Before it is opened: another plugin, ABI, collection, role, or a fusion's other rankers: PRECONDITION naming both sides. */
sinter_status model_fits(const model_info *m, const model_wanted *w, sinter_error *e);
/* Once open: another feature set than it was trained with: PRECONDITION naming the first difference. */
sinter_status model_fits_inputs(const model_info *m, const sinter_inputs *in, sinter_error *e);
void model_take_inputs(model_info *m, const sinter_inputs *in); /* fills the lists of `m` */
/* A hash of a use's options, as text in `a`: what the YAML says, whatever its order of keys; the use's own keys left out. */
const char *model_options_hash(const config_use *use, arena *a);

/* ---- golden cases (golden*.c) ------------------------------------------------------------------------------------------------ */

#define GOLDEN_MAX_CASES 64u

/* One call as a model of a role gets it. Exactly one of them is set. */
typedef struct golden_case {
    const sinter_batch *batch;
    const sinter_fusion_batch *fusion;
    const float *score; /* [n] expected; SINTER_MISSING where there is none */
} golden_case;

/* A deep copy of a case without its scores, of its first `most_rows` rows. False: too large to be kept. */
bool golden_copy(const golden_case *from, uint32_t most_rows, arena *a, golden_case *out);
/* Scores the cases with an instance: `score` of each is written, in `a`. */
sinter_status golden_score(plugin_instance *i, uint32_t lane, golden_case *c, uint32_t n, arena *a, sinter_error *e);
sinter_status golden_write(const char *dir, const golden_case *c, uint32_t n, sinter_error *e);
/* From bytes; DATA_LOSS where they are no golden cases. In `a`. `path` for messages. */
sinter_status golden_parse(const char *path, str bytes, arena *a, golden_case **c, uint32_t *n, sinter_error *e);
/* Scores dir/golden.bin and compares: each within 1e-5 × max(1, |expected|), missing where it was missing. DATA_LOSS names the
 * case, row, both scores. `lane` of the plugin host must be nobody else's meanwhile. */
sinter_status golden_check(plugin_instance *i, uint32_t lane, const char *dir, uint32_t *cases, sinter_error *e);

#endif
