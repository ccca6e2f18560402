/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model.yaml: one table of its keys, from which it is written and read. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TEXT, NUMBER, NAMES, SECONDS, TIME } kind;

typedef struct key {
    const char *name;
    kind kind;
    size_t at;
} key;

#define AT(member) offsetof(model_info, member)
static const key KEYS[] = {
    {"plugin", TEXT, AT(plugin)},
    {"plugin_version", TEXT, AT(plugin_version)},
    {"plugin_sha256", TEXT, AT(plugin_sha256)},
    {"role", TEXT, AT(role)},
    {"use", TEXT, AT(use)},
    {"collection", TEXT, AT(collection)},
    {"collection_uuid", TEXT, AT(collection_uuid)},
    {"ordinals", NUMBER, AT(ordinals)},
    {"options", TEXT, AT(options)},
    {"features", NAMES, AT(feature)},
    {"id_features", NAMES, AT(id_feature)},
    {"context", NAMES, AT(context)},
    {"prior", NAMES, AT(prior)},
    {"vectors", NAMES, AT(vector)},
    {"history", NUMBER, AT(history)},
    {"history_side", NAMES, AT(history_side)},
    {"rankers", NAMES, AT(ranker)},
    {"since", NUMBER, AT(since)},
    {"until", NUMBER, AT(until)},
    {"trained", TIME, AT(trained_ms)},
    {"seconds", SECONDS, AT(seconds)},
    {"seed", NUMBER, AT(seed)},
    {"threads", NUMBER, AT(threads)},
    {"parent", TEXT, AT(parent)},
};

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static void quote(buffer *b, const char *s)
{
    buffer_json_string(b, s ? s : "", strlen(s ? s : ""));
}

static void write_key(buffer *b, const key *k, const model_info *m)
{
    const char *at = (const char *)m + k->at;
    char time[32];
    buffer_printf(b, "%s: ", k->name);
    switch (k->kind) {
    case TEXT: quote(b, *(const char *const *)(const void *)at); break;
    case NUMBER: buffer_printf(b, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at); break;
    case SECONDS: buffer_printf(b, "%.3f", *(const double *)(const void *)at); break;
    case TIME:
        time_format_ms(*(const int64_t *)(const void *)at, time);
        quote(b, time);
        break;
    case NAMES: {
        const model_names *l = (const void *)at;
        buffer_puts(b, "[");
        for (uint32_t i = 0; i < l->n; i++) {
            buffer_puts(b, i ? ", " : "");
            quote(b, l->name[i]);
        }
        buffer_puts(b, "]");
        break;
    }
    }
    buffer_puts(b, "\n");
}

sinter_status model_write(const char *dir, const model_info *m, sinter_error *e)
{
    buffer b = {0};
    buffer_printf(&b,
                  "# A model of `%s`, written by `sinter train`. Never edited: its sums are recorded when it is deployed.\n"
                  "format: %u\nabi: \"%u.%u\"\n",
                  m->use, MODEL_FORMAT, m->abi_major, m->abi_minor);
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) write_key(&b, &KEYS[i], m);
    buffer_puts(&b, m->n_metrics ? "metrics:\n" : "metrics: {}\n");
    for (uint32_t i = 0; i < m->n_metrics; i++) {
        buffer_puts(&b, "  ");
        quote(&b, m->metric[i].name);
        if (isfinite(m->metric[i].value))
            buffer_printf(&b, ": %.9g\n", m->metric[i].value);
        else
            buffer_puts(&b, ": none\n");
    }
    buffer_puts(&b, "files:\n");
    for (uint32_t i = 0; i < m->n_files; i++) {
        buffer_puts(&b, "  ");
        quote(&b, m->file[i].path);
        buffer_printf(&b, ": %s\n", m->file[i].sha256);
    }
    char *path = xasprintf("%s/" MODEL_YAML, dir);
    sinter_status s = file_write_atomic(path, b.data, b.len, e);
    free(path);
    buffer_free(&b);
    return s;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static sinter_status refuse(sinter_error *e, const conf_node *at, const char *what, const char *name)
{
    conf_error(e, at, "train or copy the model again", "not the description of a model: '%s' %s", name, what);
    if (e) e->status = SINTER_DATA_LOSS;
    return SINTER_DATA_LOSS;
}

static sinter_status read_names(const conf_node *n, const key *k, model_names *out, arena *a, sinter_error *e)
{
    if (n->kind != CONF_LIST) return refuse(e, n, "is no list", k->name);
    const char **name = ARENA_ARRAY(a, const char *, n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        if (n->value[i]->kind != CONF_SCALAR) return refuse(e, n->value[i], "holds what is no name", k->name);
        name[i] = arena_strdup(a, n->value[i]->text);
    }
    *out = (model_names){name, n->n};
    return SINTER_OK;
}

static sinter_status read_key(const conf_node *root, const key *k, model_info *m, arena *a, sinter_error *e)
{
    const conf_node *n = conf_get(root, k->name);
    char *at = (char *)m + k->at;
    bool fine = true;
    if (!n) return refuse(e, root, "is missing", k->name);
    if (k->kind == NAMES) return read_names(n, k, (void *)at, a, e);
    if (n->kind != CONF_SCALAR) return refuse(e, n, "is no single value", k->name);
    str text = str_of(n->text);
    switch (k->kind) {
    case TEXT: *(const char **)(void *)at = arena_strdup(a, n->text); break;
    case NUMBER: fine = parse_uint64(text, (uint64_t *)(void *)at); break;
    case SECONDS: fine = parse_double(text, (double *)(void *)at); break;
    default: fine = time_parse_ms(text, (int64_t *)(void *)at); break;
    }
    return fine ? SINTER_OK : refuse(e, n, "cannot be read", k->name);
}

static sinter_status read_abi(const conf_node *root, model_info *m, sinter_error *e)
{
    const conf_node *format = conf_get(root, "format"), *abi = conf_get(root, "abi");
    uint64_t f, major, minor;
    if (!format || format->kind != CONF_SCALAR || !parse_uint64(str_of(format->text), &f))
        return refuse(e, format ? format : root, "is missing or no number", "format");
    if (f != MODEL_FORMAT) {
        conf_error(e, format, "install the Sinter that wrote it, or train the model again",
                   "its format is %llu; this build reads %u", (unsigned long long)f, MODEL_FORMAT);
        if (e) e->status = SINTER_PRECONDITION;
        return SINTER_PRECONDITION;
    }
    const char *dot = abi && abi->kind == CONF_SCALAR ? strchr(abi->text, '.') : NULL;
    if (!dot || !parse_uint64((str){abi->text, (size_t)(dot - abi->text)}, &major) || !parse_uint64(str_of(dot + 1), &minor) ||
        major > 1000 || minor > 1000)
        return refuse(e, abi ? abi : root, "is missing or not MAJOR.MINOR", "abi");
    m->abi_major = (uint32_t)major;
    m->abi_minor = (uint32_t)minor;
    return SINTER_OK;
}

static sinter_status read_metrics(const conf_node *root, model_info *m, arena *a, sinter_error *e)
{
    const conf_node *n = conf_get(root, "metrics");
    if (!n || n->kind != CONF_MAP) return refuse(e, n ? n : root, "is missing or no map", "metrics");
    m->metric = ARENA_ARRAY(a, model_metric, n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        model_metric *x = &m->metric[m->n_metrics++];
        x->name = arena_strdup(a, n->key[i]->text);
        if (n->value[i]->kind != CONF_SCALAR) return refuse(e, n->value[i], "holds what is no number", "metrics");
        if (!parse_double(str_of(n->value[i]->text), &x->value)) x->value = (double)NAN;
    }
    return SINTER_OK;
}

static bool is_sum(const char *s)
{
    return strlen(s) == 64 && !s[strspn(s, "0123456789abcdef")];
}

static sinter_status read_files(const conf_node *root, model_info *m, arena *a, sinter_error *e)
{
    const conf_node *n = conf_get(root, "files");
    if (!n || n->kind != CONF_MAP || n->n > MODEL_MAX_FILES) return refuse(e, n ? n : root, "is missing or no map", "files");
    m->file = ARENA_ARRAY(a, model_file, n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        const char *path = n->key[i]->text;
        if (!*path || path[0] == '.' || strchr(path, '/')) return refuse(e, n->key[i], "names what is no plain file", "files");
        if (n->value[i]->kind != CONF_SCALAR || !is_sum(n->value[i]->text))
            return refuse(e, n->value[i], "holds what is no SHA-256", "files");
        m->file[m->n_files].path = arena_strdup(a, path);
        memcpy(m->file[m->n_files++].sha256, n->value[i]->text, 65);
    }
    return SINTER_OK;
}

sinter_status model_read(const char *data_dir, const char *name, uint64_t version, arena *a, model_info *out, sinter_error *e)
{
    *out = (model_info){.dir = model_dir(data_dir, name, version, a), .name = arena_strdup(a, name), .version = version};
    const char *path = arena_printf(a, "%s/" MODEL_YAML, out->dir);
    const conf_node *root;
    buffer bytes = {0};
    sinter_status s = file_read(path, 4 << 20, &bytes, e);
    if (s == SINTER_NOT_FOUND)
        error_set(e, s, path, "`sinter model list` shows the models that there are", "there is no model %s/%llu", name,
                  (unsigned long long)version);
    if (s == SINTER_OK) {
        s = conf_parse_text(path, (str){bytes.data, bytes.len}, a, &root, e);
        if (s == SINTER_OK && root->kind != CONF_MAP) s = refuse(e, root, "is no map", "the file");
        if (s != SINTER_OK && e) e->status = SINTER_DATA_LOSS;
        if (s != SINTER_OK) s = SINTER_DATA_LOSS;
    }
    if (s == SINTER_OK) s = read_abi(root, out, e);
    for (size_t i = 0; i < ARRAY_LEN(KEYS) && s == SINTER_OK; i++) s = read_key(root, &KEYS[i], out, a, e);
    if (s == SINTER_OK) s = read_metrics(root, out, a, e);
    if (s == SINTER_OK) s = read_files(root, out, a, e);
    buffer_free(&bytes);
    return s;
}
