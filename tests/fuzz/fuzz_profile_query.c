/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queries as counters know them: any bytes become a text without two spaces in a row, or none. */
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena *a = arena_new(1 << 12);
    str text = profile_query_text((str){(const char *)data, size}, a);
    if (strlen(text.s) != text.n) abort();
    for (size_t i = 0; i < text.n; i++) {
        bool space = text.s[i] == ' ';
        if ((unsigned char)text.s[i] < ' ' || text.s[i] == 0x7f) abort();
        if (space && (i == 0 || i + 1 == text.n || text.s[i + 1] == ' ')) abort();
    }
    arena_free(a);
    return 0;
}
