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

void codec_case(codec *c, golden_case *g); /* without its scores */
void codec_scores(codec *c, const float **score, uint32_t n);

#endif
