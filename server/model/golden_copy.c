/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A golden case of one's own, from a batch that dies with its dataset's next call. */
#include "golden.h"

#include <string.h>

/* The arrays' first rows are a shorter batch's arrays. */
static golden_case shorter(const golden_case *c, uint32_t most, arena *a)
{
    golden_case out = *c;
    if (c->batch) {
        sinter_batch *b = ARENA_NEW(a, sinter_batch);
        *b = *c->batch;
        if (b->n > most) b->n = most;
        out.batch = b;
    } else {
        sinter_fusion_batch *b = ARENA_NEW(a, sinter_fusion_batch);
        *b = *c->fusion;
        if (b->n > most) b->n = most;
        out.fusion = b;
    }
    return out;
}

bool golden_copy(const golden_case *from, uint32_t most_rows, arena *a, golden_case *out)
{
    buffer bytes = {0};
    golden_case x = shorter(from, most_rows, a);
    codec k = {.out = &bytes, .a = a};
    codec_case(&k, &x);
    k = (codec){.reading = true, .bad = k.bad, .in = {bytes.data, bytes.len}, .a = a};
    *out = (golden_case){0};
    codec_case(&k, out);
    buffer_free(&bytes);
    return !k.bad;
}
