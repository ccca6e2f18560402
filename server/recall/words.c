/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words of a text as people type them: for completions, which know neither stems nor units. */
#include "text_private.h"

uint32_t text_words(arena *a, str text, bool joined, str *out, uint32_t most)
{
    text_tokens tokens = {0};
    uint32_t n = 0;
    text_tokenise(a, text_normalise(a, text), false, &tokens);
    for (uint32_t i = 0; i < tokens.n && n < most; i++) {
        const text_token *k = &tokens.token[i];
        if (k->kind == TOKEN_WORD || k->kind == TOKEN_EXACT || (joined && k->kind == TOKEN_JOINED)) out[n++] = k->text;
    }
    return n;
}
