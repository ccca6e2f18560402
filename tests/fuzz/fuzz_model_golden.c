/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as golden cases, behind a head and a checksum that hold: read, or refused. What is read can be walked to its last
 * byte, and is written again as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"
#include "fuzz.h"

static char folder[64];

static void leave(void)
{
    dir_remove(folder, NULL);
}

static uint64_t touch(const void *p, size_t n)
{
    return p && n ? hash64(p, n) : 0;
}

static uint64_t walk_people(const sinter_query *q, const sinter_user *u, const sinter_context *x)
{
    uint64_t h = touch(q->text.data, q->text.size) ^ touch(u->user_id.data, u->user_id.size) ^ touch(x->locale.data, x->locale.size);
    for (uint32_t i = 0; i < q->n_terms; i++) h ^= touch(q->term[i].stem.data, q->term[i].stem.size);
    for (uint32_t i = 0; i < u->n_side; i++) h ^= touch(u->side[i], u->n_history * sizeof(float));
    for (uint32_t i = 0; i < u->n_attributes; i++) h ^= touch(u->attribute[i].name.data, u->attribute[i].name.size);
    return h ^ touch(u->item, u->n_history * sizeof *u->item) ^ touch(x->basket, x->n_basket * sizeof *x->basket);
}

static uint64_t walk(const golden_case *c)
{
    uint64_t h = 0;
    if (c->batch) {
        const sinter_batch *b = c->batch;
        h ^= touch(b->item, b->n * sizeof *b->item) ^ touch(b->feature, (size_t)b->n * b->stride * sizeof *b->feature);
        for (uint32_t i = 0; i < b->n_id_features; i++) h ^= touch(b->id_feature[i], b->n * sizeof(uint32_t));
        for (uint32_t i = 0; i < b->n_prior; i++) h ^= touch(b->prior[i], b->n * sizeof(float));
        for (uint32_t i = 0; i < b->n_vectors; i++) h ^= touch(b->vectors[i].present, b->n);
        h ^= touch(b->context, b->n_context * sizeof(float)) ^ touch(c->score, b->n * sizeof(float));
        return h ^ walk_people(b->query, b->user, b->request_context);
    }
    const sinter_fusion_batch *b = c->fusion;
    for (uint32_t i = 0; i < b->n_rankers; i++) h ^= touch(b->score[i], b->n * sizeof(float)) ^ touch(b->ranker[i], strlen(b->ranker[i]));
    h ^= touch(b->present, b->n * sizeof *b->present) ^ touch(b->before, b->n * sizeof(float));
    return h ^ touch(c->score, b->n * sizeof(float)) ^ walk_people(b->query, b->user, b->request_context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/sinter-fuzz-XXXXXX");
        if (!mkdtemp(folder)) abort();
        atexit(leave);
    }
    arena *a = arena_new(1 << 14);
    buffer b = {0}, again = {0};
    uint32_t head[2] = {1, size ? 1 + data[0] % 4 : 0}, n, m;
    golden_case *c, *d;
    sinter_error e = SINTER_ERROR_INIT;
    buffer_append(&b, "SNTRGOLD", 8);
    buffer_append(&b, head, sizeof head);
    if (size) buffer_append(&b, data + 1, size - 1);
    uint64_t sum = hash64(b.data, b.len), h = 0;
    buffer_append(&b, &sum, sizeof sum);
    if (golden_parse("golden", (str){b.data, b.len}, a, &c, &n, &e)) {
        if (!e.what[0]) abort();
    } else {
        char path[96];
        for (uint32_t i = 0; i < n; i++) h += walk(&c[i]);
        snprintf(path, sizeof path, "%s/" MODEL_GOLDEN, folder);
        if (golden_write(folder, c, n, &e) || file_read(path, 64 << 20, &again, &e)) abort();
        if (golden_parse(path, (str){again.data, again.len}, a, &d, &m, &e) || m != n) abort();
        for (uint32_t i = 0; i < n; i++) h -= walk(&d[i]);
        if (h) abort();
    }
    buffer_free(&b);
    buffer_free(&again);
    arena_free(a);
    return 0;
}
