/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was deployed, newest first by name: read from the journal at start, added to by deploys. Control thread only. */
#include "pipeline/pipeline.h"

#include <stdlib.h>
#include <string.h>

struct deployments {
    arena *memory;
    deployment *name; /* the newest of each name */
};

deployments *deployments_new(void)
{
    deployments *d = xcalloc(1, sizeof *d);
    d->memory = arena_new(1 << 12);
    return d;
}

void deployments_free(deployments *d)
{
    if (!d) return;
    arena_free(d->memory);
    free(d);
}

const deployment *deployments_newest(const deployments *d, const char *name)
{
    const deployment *x = deployments_head(d, name);
    return x && x->version ? x : NULL;
}

const deployment *deployments_head(const deployments *d, const char *name)
{
    for (const deployment *x = d->name; x; x = x->next_name)
        if (strcmp(x->name, name) == 0) return x;
    return NULL;
}

static bool same_collection(uint32_t a, uint32_t b)
{
    return !a || !b || a == b;
}

/* The newest record for a collection, of version 0 too. */
static const deployment *head_of(const deployment *x, uint32_t collection)
{
    while (x && !same_collection(x->collection, collection)) x = x->before;
    return x;
}

const deployment *deployments_newest_of(const deployments *d, const char *name, uint32_t collection)
{
    const deployment *x = head_of(deployments_head(d, name), collection);
    return x && x->version ? x : NULL;
}

/* What stood in force below it: a rollback lies on what the version that it went back to lay on. */
static const deployment *below(const deployment *x, const deployment *head, bool rollback)
{
    if (!rollback) return head;
    for (; head; head = head->under)
        if (head->version == x->version) return head->under;
    return NULL;
}

/* A record of another making than ours (an odd version, an odd name) stands for nothing. */
static bool usable(const Sinter__Storage__V1__Deployment *m, uint64_t *version)
{
    if (!model_name_valid(m->name) || !parse_uint64(str_of(m->version), version) || m->n_files > MODEL_MAX_FILES + 1) return false;
    for (size_t i = 0; i < m->n_files; i++)
        if (strlen(m->files[i]->sha256) != 64) return false;
    return true;
}

/* The same version again has the same files: one copy, however often it is deployed. */
static model_file *files_of(deployments *d, const Sinter__Storage__V1__Deployment *m, const deployment *before, uint64_t version)
{
    for (const deployment *x = before; x; x = x->before) {
        if (x->version != version || x->n_files != m->n_files) continue;
        bool same = true;
        for (size_t i = 0; i < m->n_files && same; i++)
            same = strcmp(x->file[i].path, m->files[i]->path) == 0 && strcmp(x->file[i].sha256, m->files[i]->sha256) == 0;
        if (same) return x->file;
    }
    model_file *file = ARENA_ARRAY(d->memory, model_file, m->n_files + 1);
    for (size_t i = 0; i < m->n_files; i++) {
        file[i].path = arena_strdup(d->memory, m->files[i]->path);
        memcpy(file[i].sha256, m->files[i]->sha256, 65);
    }
    return file;
}

void deployments_add(deployments *d, const Sinter__Storage__V1__Deployment *m, uint64_t sequence, int64_t time_ms)
{
    uint64_t version;
    if (!usable(m, &version)) {
        log_warn("model.record", "the deployment record %llu is not understood", (unsigned long long)sequence);
        return;
    }
    deployment *x = ARENA_NEW(d->memory, deployment), **at = &d->name;
    while (*at && strcmp((*at)->name, m->name) != 0) at = &(*at)->next_name;
    *x = (deployment){.name = *at ? (*at)->name : arena_strdup(d->memory, m->name), .version = version, .sequence = sequence,
                      .time_ms = time_ms, .since = m->since, .collection = m->collection, .until = m->until, .n_files = (uint32_t)m->n_files};
    x->file = files_of(d, m, *at, version);
    x->before = *at;
    x->under = below(x, head_of(*at, x->collection), m->rollback);
    x->next_name = *at ? (*at)->next_name : NULL;
    *at = x;
}

sinter_status deployments_read(deployments *d, journal_reader *r, uint64_t last, sinter_error *e)
{
    return records_read(d, NULL, NULL, r, last, e);
}

sinter_status records_read(deployments *d, change_seen *fn, void *ctx, journal_reader *r, uint64_t last, sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    sinter_status s = SINTER_OK;
    for (uint64_t i = 1; i <= last && s == SINTER_OK; i++) {
        str bytes;
        Sinter__Storage__V1__Record *rec;
        s = journal_get_bytes(r, i, &bytes, e);
        if (s == SINTER_NOT_FOUND) { /* sequences may have holes */
            s = SINTER_OK;
            continue;
        }
        uint32_t body = s == SINTER_OK ? journal_body(bytes) : 0;
        bool told = body == SINTER__STORAGE__V1__RECORD__BODY_CHANGE || body == SINTER__STORAGE__V1__RECORD__BODY_ALIAS_SET ||
                    body == SINTER__STORAGE__V1__RECORD__BODY_EXPERIMENT || body == SINTER__STORAGE__V1__RECORD__BODY_ERASURE;
        if (body != SINTER__STORAGE__V1__RECORD__BODY_DEPLOYMENT && !told) continue;
        s = journal_get(r, i, a, &rec, e);
        if (s == SINTER_OK && rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_DEPLOYMENT)
            deployments_add(d, rec->deployment, i, rec->time_ms);
        if (s == SINTER_OK && fn && told) fn(ctx, rec);
        arena_reset(a);
    }
    arena_free(a);
    return s;
}
