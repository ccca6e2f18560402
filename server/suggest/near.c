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

/* Sets the word, keeping the rows of what it begins alike; how many letters that are. */
static uint32_t rows_turn(rows *r, str word)
{
    uint32_t fresh[MOST_LETTERS], m = letters_of(word, fresh), same = 0;
    while (same < m && same < r->m && fresh[same] == r->letter[same]) same++;
    memcpy(r->letter, fresh, m * sizeof *fresh);
    r->m = m;
    return same;
}

uint32_t word_edits(str typed, str word, bool prefix, uint32_t most)
{
    rows r;
    rows_begin(&r, typed, most);
    rows_turn(&r, word);
    for (uint32_t i = 1; i <= r.m; i++) {
        if (rows_add(&r, i)) continue;
        return prefix && r.best[i] <= most ? r.best[i] : most + 1;
    }
    uint32_t d = prefix ? r.best[r.m] : r.row[r.m][r.n];
    return d <= most ? d : most + 1;
}

uint32_t words_near(const index_of *x, str typed, bool prefix, uint32_t most, uint8_t *near, uint32_t *found)
{
    rows r;
    uint32_t n = 0, done = 0, dead = 0; /* rows that hold; letters after which nothing is near any more (0: none) */
    rows_begin(&r, typed, most);
    for (uint32_t w = 0; w < x->n_words; w++) {
        uint32_t same = rows_turn(&r, x->word[w]);
        if (done > same) done = same;
        if (dead > same) dead = 0;
        while (!dead && done < r.m)
            if (!rows_add(&r, ++done)) dead = done;
        uint32_t at = dead ? dead : r.m;
        uint32_t d = prefix ? r.best[at] : dead ? most + 1 : r.row[r.m][r.n];
        if (d <= most) {
            near[w] = (uint8_t)d;
            found[n++] = w;
        } else if (dead) { /* on to the first word that begins otherwise */
            size_t bytes = 0;
            for (uint32_t k = 0; k < dead; k++)
                for (bytes++; bytes < x->word[w].n && (x->word[w].s[bytes] & 0xc0) == 0x80;) bytes++;
            uint32_t lo, hi;
            words_with_prefix(x, (str){x->word[w].s, bytes}, &lo, &hi);
            w = hi - 1;
        }
    }
    return n;
}
