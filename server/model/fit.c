/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a model belongs here: its plugin, ABI, collection, role and what it reads. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static sinter_status foreign(const model_info *m, sinter_error *e, const char *fix, const char *what, const char *is,
                             const char *wanted)
{
    sinter_status s = error_set(e, SINTER_PRECONDITION, NULL, fix, "it was trained for the %s '%.100s', not '%.100s'", what, is, wanted);
    error_where(e, "%s/" MODEL_YAML, m->dir);
    return s;
}

typedef struct list {
    const char *what;
    const model_names *was;
    const char *const *is;
    uint32_t n;
} list;

static sinter_status differs(const model_info *m, const list *l, sinter_error *e)
{
    uint32_t i = 0;
    while (i < l->n && i < l->was->n && strcmp(l->is[i], l->was->name[i]) == 0) i++;
    if (i == l->n && i == l->was->n) return SINTER_OK;
    const char *was = i < l->was->n ? l->was->name[i] : "(none)", *is = i < l->n ? l->is[i] : "(none)";
    sinter_status s = error_set(e, SINTER_PRECONDITION, NULL, "train it again with these options, or put the options back",
                                "it was trained with %u %s, here are %u: number %u was '%.100s' and is '%.100s'", l->was->n, l->what,
                                l->n, i + 1, was, is);
    error_where(e, "%s/" MODEL_YAML, m->dir);
    return s;
}

sinter_status model_fits(const model_info *m, const model_wanted *w, sinter_error *e)
{
    const sinter_plugin *t = w->library->table;
    const char *role = PLUGIN_ROLE_NAMES[w->role];
    if (strcmp(m->plugin, w->library->name) != 0)
        return foreign(m, e, "name that plugin in the pipeline, or deploy another model", "plugin", m->plugin, w->library->name);
    if (m->abi_major != t->abi_major || m->abi_minor > SINTER_ABI_MINOR) {
        sinter_status s = error_set(e, SINTER_PRECONDITION, NULL, "install the Sinter that it was trained with, or train it again",
                                    "it was trained with ABI %u.%u; this host has %u.%u", m->abi_major, m->abi_minor,
                                    SINTER_ABI_MAJOR, SINTER_ABI_MINOR);
        error_where(e, "%s/" MODEL_YAML, m->dir);
        return s;
    }
    if (strcmp(m->collection_uuid, w->collection->uuid) != 0) {
        sinter_status s =
            error_set(e, SINTER_PRECONDITION, NULL, "train it on this collection: a model knows items by their numbers",
                      "it was trained on another collection: '%.100s' with uuid %.40s; here '%.100s' has %.40s", m->collection,
                      m->collection_uuid, w->collection->name, w->collection->uuid);
        error_where(e, "%s/" MODEL_YAML, m->dir);
        return s;
    }
    /* A recall source may read what a ranker of the same plugin was trained to be. */
    if (strcmp(m->role, role) != 0 && w->role != PLUGIN_RECALL) return foreign(m, e, "train one for this use", "role", m->role, role);
    const list rankers = {"rankers", &m->ranker, w->ranker, w->n_rankers};
    return w->ranker ? differs(m, &rankers, e) : SINTER_OK;
}

sinter_status model_fits_inputs(const model_info *m, const sinter_inputs *in, sinter_error *e)
{
    const list lists[] = {
        {"features", &m->feature, in->feature, in->n_features},
        {"id features", &m->id_feature, in->id_feature, in->n_id_features},
        {"numbers of the request", &m->context, in->context, in->n_context},
        {"scores of earlier rankers", &m->prior, in->prior, in->n_prior},
        {"vectors", &m->vector, in->vector, in->n_vectors},
        {"features of the history", &m->history_side, in->history_side, in->n_history_side},
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        sinter_status s = differs(m, &lists[i], e);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

void model_take_inputs(model_info *m, const sinter_inputs *in)
{
    m->feature = (model_names){in->feature, in->n_features};
    m->id_feature = (model_names){in->id_feature, in->n_id_features};
    m->context = (model_names){in->context, in->n_context};
    m->prior = (model_names){in->prior, in->n_prior};
    m->vector = (model_names){in->vector, in->n_vectors};
    m->history_side = (model_names){in->history_side, in->n_history_side};
    m->history = in->history;
}

/* Maps are summed over their keys, so that their order says nothing. Depth is bounded by the parser. */
static uint64_t hash_of(const conf_node *n, bool top)
{
    uint64_t h = hash64_seed(&n->kind, sizeof n->kind, 0), sum = 0;
    if (n->kind == CONF_SCALAR) return hash64_seed(n->text, strlen(n->text), h);
    for (uint32_t i = 0; i < n->n; i++) {
        bool own = false;
        for (uint32_t k = 0; top && k < CONFIG_USE_KEYS_N; k++) own = own || strcmp(CONFIG_USE_KEYS[k], n->key[i]->text) == 0;
        if (own) continue;
        uint64_t value = hash_of(n->value[i], false);
        if (n->kind == CONF_LIST)
            h = hash64_seed(&value, sizeof value, h);
        else
            sum += hash64_seed(n->key[i]->text, strlen(n->key[i]->text), value);
    }
    return hash64_seed(&sum, sizeof sum, h);
}

const char *model_options_hash(const config_use *use, arena *a)
{
    uint64_t h = use->options && use->options->kind == CONF_MAP ? hash_of(use->options, true) : 0;
    return arena_printf(a, "%016llx", (unsigned long long)h);
}
