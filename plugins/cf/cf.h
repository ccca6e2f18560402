/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of collaborative filtering share: options, the model, and a lane's memory.
 *
 * A model is a sparse square matrix over items, whatever the method that made it: row h holds how much each neighbour i gains
 * from h standing in a person's history. Serving is one product, history × matrix, computed from the history that comes with
 * the request (fold.c); nothing about people is trained, so a click moves the next answer. */
#ifndef SINTER_CF_CF_H
#define SINTER_CF_CF_H

#include <sinter/plugin.h>

#define CF_FILE "weights.safetensors"

typedef enum cf_method { CF_KNN, CF_EASE } cf_method;
typedef enum cf_similarity { CF_JACCARD, CF_COSINE, CF_LIFT, CF_COOCCURRENCE } cf_similarity;
typedef enum cf_weights { CF_EVENTS, CF_ONCE } cf_weights;

typedef struct cf_settings {
    cf_method method;
    cf_similarity similarity;
    cf_weights weights;
    double lambda;
    double half_life, train_half_life; /* days; 0: no decay */
    uint32_t neighbours;               /* 0: all */
    uint32_t min_support, history;
} cf_settings;

enum { CF_OPTIONS = 9 };
extern const sinter_option cf_options[CF_OPTIONS];
extern const char *const cf_methods[], *const cf_similarities[], *const cf_weightings[];

void cf_settings_read(const sinter_host *host, const sinter_options *options, cf_settings *out);

/* Fills err and returns the status. */
__attribute__((format(printf, 5, 6))) sinter_status cf_fail(sinter_error *err, sinter_status status, const char *where,
                                                            const char *fix, const char *format, ...);

/* ---- the model: model.c ---- */

typedef struct cf_model {
    uint32_t n_items;          /* ordinals that there were in training */
    const uint64_t *offset;    /* [n_items + 1] */
    const uint32_t *neighbour; /* [offset[n_items]] ordinals, ascending within a row */
    const float *weight;       /* [offset[n_items]] */
    const uint32_t *support;   /* [n_items] people who had the item; 0: the model does not know it */
} cf_model;

/* Maps what cf_model_write wrote, and checks every index, so that serving need not. */
sinter_status cf_model_read(const sinter_host *host, const char *dir, cf_model *out, sinter_error *err);
sinter_status cf_model_write(const sinter_host *host, const char *dir, const cf_model *model, const cf_settings *s,
                             sinter_error *err);
/* Warns where a model was trained with other settings than the pipeline's: they act at the next training. */
void cf_model_compare(const sinter_host *host, const char *dir, const cf_settings *s, const char *use);

/* ---- instance and worker ---- */

struct sinter_instance {
    const sinter_host *host;
    char use[128];
    cf_settings settings;
    cf_model model; /* n_items 0: a trainer's instance */
};

/* An item of the history: its events together. */
typedef struct cf_taste {
    uint32_t item;
    double affinity;
} cf_taste;

struct sinter_worker {
    const sinter_instance *instance;
    double *score;     /* [n_items] by ordinal; of this request where stamped */
    uint32_t *stamp;   /* [n_items] request that wrote the score last */
    uint32_t *touched; /* [n_touched] ordinals scored by this request, in no order */
    uint32_t n_touched, request;
    cf_taste *taste;   /* [n_taste] newest first */
    uint32_t n_taste;
    uint32_t *best;    /* [n_items] recall's heap */
};

sinter_status cf_worker_open(const sinter_instance *me, sinter_worker **out, sinter_error *err);
void cf_worker_close(sinter_worker *w);

/* History → scores of all items, in the worker; DECLINED where the model knows nothing of the history. fold.c */
sinter_status cf_fold(sinter_worker *w, const sinter_user *user);
/* What history item h gives candidate i; 0: nothing. */
double cf_pair(const cf_model *m, uint32_t h, uint32_t i);
static inline bool cf_known(const cf_model *m, uint32_t item)
{
    return item < m->n_items && m->support[item] > 0;
}

extern const sinter_ranker cf_ranker;   /* rank.c */
extern const sinter_recall cf_recall;   /* recall.c */
extern const sinter_trainer cf_trainer; /* train.c */

#endif
