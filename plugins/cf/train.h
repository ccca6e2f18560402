/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of training share: the data as both orders of one matrix, work on several threads, and rows that grow into
 * the model's sparse matrix. All results are the same for any number of threads: each row is one thread's work, in one order. */
#ifndef SINTER_CF_TRAIN_H
#define SINTER_CF_TRAIN_H

#include "cf.h"

#include <stdatomic.h>

/* ---- threads: parallel.c ---- */

/* Calls work(context, thread, i) once for each i in [0, n), on up to `threads` threads, this one among them. */
enum { MOST_THREADS = 64 };
typedef void parallel_work(void *context, uint32_t thread, uint32_t i);
void parallel_for(uint32_t threads, uint32_t n, parallel_work *work, void *context);

/* ---- sparse rows: rows.c ---- */

typedef struct row_entry {
    float weight;
    uint32_t item;
} row_entry;

typedef struct sparse_row {
    row_entry *entry; /* [n] malloc */
    uint32_t n;
} sparse_row;

typedef struct rows {
    sparse_row *row; /* [n] */
    uint32_t n, most; /* neighbours kept; 0: all */
    uint64_t limit;   /* bytes for entries, as they stand here and in the model; 0: none */
    atomic_ullong bytes;
    atomic_bool full, no_memory;
} rows;

bool rows_begin(rows *r, uint32_t n, uint32_t most, uint64_t limit);
/* Keeps the strongest of entry[0..n), which is put into another order. False: there is no room; see full and no_memory. */
bool rows_set(rows *r, uint32_t at, row_entry *entry, uint32_t n);
/* The rows as the model's arrays, malloc; frees the rows as it goes. False: no memory. */
bool rows_finish(rows *r, cf_model *out);
void rows_free(rows *r);

/* ---- the data: data.c ---- */

/* People × items in both orders, as the host gives them or, merged, malloc. */
typedef struct cf_matrix {
    sinter_csr by_user, by_item;
    uint32_t *support; /* [n_items] people with a weight above 0 on the item; malloc */
    int64_t newest_ms; /* of all events */
    bool merged;
    uint64_t pairs, positive; /* of a person and an item; those with a weight above 0 */
    uint32_t people, items;   /* with a positive pair */
    bool all_same;            /* everybody has the very same items */
} cf_matrix;

sinter_status matrix_read(const sinter_train_args *a, sinter_dataset *from, cf_matrix *out, sinter_error *err);
/* Both together, over the same people and items. */
sinter_status matrix_merge(const cf_matrix *a, const cf_matrix *b, cf_matrix *out, sinter_error *err);
/* OK, or PRECONDITION with what is wrong with the data, by name. */
sinter_status matrix_judge(const cf_matrix *m, sinter_error *err);
void matrix_free(cf_matrix *m);

/* ---- training: train.c ---- */

typedef struct cf_training {
    const sinter_train_args *args;
    const cf_settings *settings;
    cf_matrix *data;
    uint32_t threads, part, parts; /* of the whole run, for progress */
    bool cancelled;
} cf_training;

/* Reports how far this part is; true: stop. */
bool cf_progress(cf_training *t, uint64_t done, uint64_t total);

/* nDCG@10 of what people did in `later`, ranking all items of the model but those that they had in `before`; NaN where nobody
 * has both. validate.c */
sinter_status cf_validate(const cf_training *t, const cf_model *m, const cf_matrix *before, const cf_matrix *later, double *ndcg,
                          sinter_error *err);

/* The two methods: fill `out`, whose limits are set. knn.c, ease.c */
sinter_status knn_train(cf_training *t, rows *out, sinter_error *err);
sinter_status ease_train(cf_training *t, rows *out, sinter_error *err);

/* ---- the inverse of a symmetric positive definite matrix: inverse.c ---- */

/* Lower triangle of a [n][n] column-major, in place. False: not positive definite, or `step` (called between parts of the work,
 * may be NULL) said stop. */
typedef bool inverse_step(void *context, uint64_t done, uint64_t total);
bool inverse_spd(double *a, size_t n, uint32_t threads, inverse_step *step, void *context);

#endif
