/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words within a few edits of what was typed: one walk through the sorted words, in which those that begin alike share their rows. */
#include "inside.h"

#include <string.h>

enum { MOST_LETTERS = 64 };

static uint32_t letters_of(str s, uint32_t *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.n && n < MOST_LETTERS;) {
        uint32_t point = (unsigned char)s.s[i++];
        for (; i < s.n && (s.s[i] & 0xc0) == 0x80; i++) point = point << 6 | (unsigned char)s.s[i];
        out[n++] = point;
    }
    return n;
}

uint32_t edits_allowed(str word)
{
    uint32_t letter[MOST_LETTERS], n = letters_of(word, letter);
    return n < 4 ? 0 : n < 8 ? 1 : 2;
}

/* Rows of edits between beginnings of a word and of what was typed; of the word under way. */
typedef struct rows {
    uint32_t typed[MOST_LETTERS], n;   /* what was typed */
    uint32_t letter[MOST_LETTERS], m;  /* the word */
    uint8_t row[MOST_LETTERS + 1][MOST_LETTERS + 1];
    uint8_t best[MOST_LETTERS + 1]; /* of all beginnings so far of the word, to all that was typed */
    uint32_t most;
} rows;

static void rows_begin(rows *r, str typed, uint32_t most)
{
    r->n = letters_of(typed, r->typed);
    r->most = most;
    r->m = 0;
    for (uint32_t j = 0; j <= r->n; j++) r->row[0][j] = (uint8_t)j;
    r->best[0] = (uint8_t)r->n;
}

/* Row i, of the word's first i letters; false: every word that begins so is too far. */
static bool rows_add(rows *r, uint32_t i)
{
    uint8_t *now = r->row[i], *last = r->row[i - 1];
    uint32_t least = now[0] = (uint8_t)i;
    for (uint32_t j = 1; j <= r->n; j++) {
        uint32_t v = last[j - 1] + (r->letter[i - 1] != r->typed[j - 1]);
        if (last[j] + 1u < v) v = last[j] + 1u;
        if (now[j - 1] + 1u < v) v = now[j - 1] + 1u;
        if (i > 1 && j > 1 && r->letter[i - 1] == r->typed[j - 2] && r->letter[i - 2] == r->typed[j - 1] && r->row[i - 2][j - 2] + 1u < v)
            v = r->row[i - 2][j - 2] + 1u;
        now[j] = (uint8_t)v;
        if (v < least) least = v;
    }
    r->best[i] = now[r->n] < r->best[i - 1] ? now[r->n] : r->best[i - 1];
    return least <= r->most;
}

uint32_t word_edits(str typed, str word, bool prefix, uint32_t most)
{
    rows r;
    rows_begin(&r, typed, most);
    r.m = letters_of(word, r.letter);
    for (uint32_t i = 1; i <= r.m; i++) {
        if (rows_add(&r, i)) continue;
        return prefix && r.best[i] <= most ? r.best[i] : most + 1;
    }
    uint32_t d = prefix ? r.best[r.m] : r.row[r.m][r.n];
    return d <= most ? d : most + 1;
}

void words_compare(index_of *x, arena *a)
{
    uint32_t letter[2][MOST_LETTERS], n[2] = {0};
    x->same = ARENA_ARRAY(a, uint8_t, x->n_words + 1);
    for (uint32_t w = 0; w < x->n_words; w++) {
        uint32_t *now = letter[w & 1], *last = letter[~w & 1], same = 0;
        n[w & 1] = letters_of(x->word[w], now);
        while (same < n[0] && same < n[1] && now[same] == last[same]) same++;
        x->same[w] = (uint8_t)same;
    }
}

uint32_t words_near(const index_of *x, str typed, bool prefix, uint32_t most, uint8_t *near, uint32_t *found)
{
    rows r;
    uint32_t n = 0, done = 0, dead = 0; /* rows that hold; letters after which nothing is near any more (0: none) */
    rows_begin(&r, typed, most);
    for (uint32_t w = 0; w < x->n_words; w++) {
        uint32_t same = x->same[w];
        if (!dead || same < dead) { /* else it begins as the last one did, which is decided */
            dead = 0;
            done = done < same ? done : same;
            r.m = letters_of(x->word[w], r.letter);
            while (!dead && done < r.m)
                if (!rows_add(&r, ++done)) dead = done;
        }
        uint32_t d = prefix ? r.best[dead ? dead : r.m] : dead ? most + 1 : r.row[r.m][r.n];
        if (d > most) continue;
        near[w] = (uint8_t)d;
        found[n++] = w;
    }
    return n;
}
