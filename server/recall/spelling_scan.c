/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of many words could be within a few edits of another, by the sets of their letters: an edit takes at most one letter out and
 * brings at most one in. One pass over 4 bytes a word, in vectors. */
#include "text_private.h"

#define BLOCK 64u

/* Letters of one set that the other lacks: at most `limit` (1 or 2) either way. `twice` is a constant where this is called. */
static inline __attribute__((always_inline)) uint32_t close_block(const uint32_t *letters, uint32_t n, uint32_t wanted, const bool twice,
                                                                  uint8_t *restrict flag)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t out = wanted & ~letters[i], in = letters[i] & ~wanted;
        out &= out - 1;
        in &= in - 1;
        out &= twice ? out - 1 : out;
        in &= twice ? in - 1 : in;
        uint32_t close = (out | in) == 0;
        flag[i] = (uint8_t)close;
        any |= close;
    }
    return any;
}

KERNEL static uint32_t close_once(const uint32_t *letters, uint32_t wanted, uint8_t *restrict flag)
{
    return close_block(letters, BLOCK, wanted, false, flag);
}

KERNEL static uint32_t close_twice(const uint32_t *letters, uint32_t wanted, uint8_t *restrict flag)
{
    return close_block(letters, BLOCK, wanted, true, flag);
}

uint32_t text_close_letters(const uint32_t *letters, uint32_t n, uint32_t wanted, uint32_t limit, uint32_t *out)
{
    uint8_t flag[BLOCK];
    uint32_t found = 0;
    for (uint32_t at = 0; at < n; at += BLOCK) {
        uint32_t here = n - at < BLOCK ? n - at : BLOCK, any;
        if (here < BLOCK)
            any = close_block(letters + at, here, wanted, limit > 1, flag);
        else
            any = limit > 1 ? close_twice(letters + at, wanted, flag) : close_once(letters + at, wanted, flag);
        for (uint32_t i = 0; any && i < here; i++)
            if (flag[i])
                out[found++] = at + i;
    }
    return found;
}
