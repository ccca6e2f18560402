/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walking the structs of a golden case, writing or reading. Private to the room. */
#ifndef SINTER_MODEL_GOLDEN_H
#define SINTER_MODEL_GOLDEN_H

#include "model/model.h"

typedef struct codec {
    bool reading, bad; /* bad: the bytes are no golden case, or a struct is too large for one */
    buffer *out;       /* writing */
    str in;            /* reading: what is left */
    arena *a;
} codec;

void codec_raw(codec *c, void *p, size_t n);
void codec_batch(codec *c, sinter_batch *b);
void codec_fusion(codec *c, sinter_fusion_batch *b);
void codec_scores(codec *c, const float **score, uint32_t n);

#endif
