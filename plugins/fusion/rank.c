/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting one ranker's scores: the places of the items it scored, best first, ties by smaller ordinal.
 *
 * Two ways to the same order. The quick one cuts the range of scores into 65,536 steps, sorts places by step with two passes
 * of eight bits, and repairs the few that share a step; where many scores are equal, it starts from the items by ordinal, so
 * that sorting, which is stable, leaves ties as they should be. The exact one sorts by the whole score and the ordinal, eight
 * bits a pass: for long lists, for lists of one score, and where scores bunch so much that repairing would be slow. */
#include "fusion.h"

#include <math.h>
#include <string.h>

enum {
    STEPS = 65535,
    QUICK_MOST = 65536,   /* a place is sixteen bits of an entry */
    TIES_MOST = 16,       /* one in so many may be equal to its neighbour before the order of ordinals pays */
    REPAIRS_PER_ITEM = 4, /* moves; beyond, the exact way is quicker */
};

/* ---- exact ---- */

/* Greater scores give smaller keys; −0 and 0 are the same score. */
static uint64_t key_of(float score, uint32_t ordinal)
{
    union {
        float f;
        uint32_t u;
    } bits = {score + 0.0f};
    uint32_t ascending = (bits.u & 0x80000000u) != 0 ? ~bits.u : bits.u | 0x80000000u;
    return (uint64_t)~ascending << 32 | ordinal;
}

/* One pass over eight bits, skipped (false) where all keys agree in them. */
static bool pass_exact(const uint64_t *key, const uint32_t *place, uint64_t *key_to, uint32_t *place_to, uint32_t n, uint32_t shift)
{
    uint32_t start[256] = {0}, at = 0;
    for (uint32_t i = 0; i < n; i++)
        start[key[i] >> shift & 255]++;
    if (start[key[0] >> shift & 255] == n)
        return false;
    for (uint32_t d = 0; d < 256; d++) {
        uint32_t count = start[d];
        start[d] = at;
        at += count;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t to = start[key[i] >> shift & 255]++;
        key_to[to] = key[i];
        place_to[to] = place[i];
    }
    return true;
}

/* Sorts key[0] and entry[0] by key; the places come to stand in `to`. */
static void sort_exact(sinter_worker *w, uint32_t *to, uint32_t n)
{
    uint32_t from = 0;
    for (uint32_t shift = 0; n > 0 && shift < 64; shift += 8)
        if (pass_exact(w->key[from], w->entry[from], w->key[!from], w->entry[!from], n, shift))
            from = !from;
    memcpy(to, w->entry[from], n * sizeof *to);
}

static uint32_t order_exact(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++)
        if ((b->present[i] >> ranker & 1) != 0) {
            w->key[0][n] = key_of(b->score[ranker][i], b->item[i]);
            w->entry[0][n++] = i;
        }
    sort_exact(w, w->entry[2], n);
    return n;
}

/* ---- quick: an entry is its step in the high half and its place in the low half ---- */

static uint32_t entry_of(float score, float most, float scale, uint32_t place)
{
    float step = (most - score) * scale;
    step = step < (float)STEPS ? step : (float)STEPS;
    return (uint32_t)(int32_t)step << 16 | place;
}

FUSION_WIDE static void cut_dense(uint32_t *entry, const float *score, float most, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        entry[i] = entry_of(score[i], most, scale, i);
}

/* Places stand in `entry` already. */
FUSION_WIDE static void cut_packed(uint32_t *entry, const float *score, float most, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        entry[i] = entry_of(score[i], most, scale, entry[i]);
}

static void sort_steps(uint32_t *restrict entry, uint32_t *restrict other, uint32_t *restrict to, uint32_t n)
{
    uint32_t low[256] = {0}, high[256] = {0}, low_at = 0, high_at = 0;
    for (uint32_t i = 0; i < n; i++) {
        low[entry[i] >> 16 & 255]++;
        high[entry[i] >> 24]++;
    }
    for (uint32_t d = 0; d < 256; d++) {
        uint32_t low_count = low[d], high_count = high[d];
        low[d] = low_at;
        high[d] = high_at;
        low_at += low_count;
        high_at += high_count;
    }
    for (uint32_t i = 0; i < n; i++)
        other[low[entry[i] >> 16 & 255]++] = entry[i];
    for (uint32_t i = 0; i < n; i++)
        to[high[other[i] >> 24]++] = other[i];
}

/* The entries that share their step with the one before: written always, kept where it does, so no branch to guess. */
static uint32_t find_shared(const uint32_t *restrict entry, uint32_t *restrict found, uint32_t n)
{
    uint32_t m = 0;
    for (uint32_t i = 1; i < n; i++) {
        found[m] = i;
        m += (entry[i] ^ entry[i - 1]) < 65536;
    }
    return m;
}

typedef enum repaired { REPAIRED, TOO_MANY_TIES, TOO_MANY_MOVES } repaired;

/* Orders entries that share a step; `found` is room for their places. From items by ordinal, equal scores stand right. */
static repaired repair(const sinter_fusion_batch *b, const float *score, bool by_ordinal, uint32_t *entry, uint32_t *found,
                       uint32_t n)
{
    uint32_t moves = 0, ties = 0, n_found = find_shared(entry, found, n);
    for (uint32_t f = 0; f < n_found; f++) {
        uint32_t at = found[f], mine = entry[at], place = mine & 0xffff;
        for (; at > 0 && (entry[at - 1] ^ mine) < 65536; at--) {
            uint32_t other = entry[at - 1] & 0xffff;
            bool tie = !(score[place] > score[other]) && !(score[place] < score[other]);
            ties += tie;
            if (!(score[place] > score[other]) && (by_ordinal || !tie || b->item[place] > b->item[other]))
                break;
            entry[at] = entry[at - 1];
        }
        entry[at] = mine;
        moves += found[f] - at;
        if (!by_ordinal && ties > n / TIES_MOST)
            return TOO_MANY_TIES;
        if (moves > n * REPAIRS_PER_ITEM)
            return TOO_MANY_MOVES;
    }
    return REPAIRED;
}

static void strip_steps(uint32_t *entry, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        entry[i] &= 0xffff;
}

FUSION_WIDE static void ordinal_range(const uint32_t *item, uint32_t n, uint32_t *least, uint32_t *most)
{
    uint32_t low = item[0], high = item[0];
    for (uint32_t i = 0; i < n; i++) {
        low = item[i] < low ? item[i] : low;
        high = item[i] > high ? item[i] : high;
    }
    *least = low;
    *most = high;
}

static bool ascends(const uint32_t *item, const uint32_t *place, uint32_t n)
{
    bool sorted = true;
    for (uint32_t i = 1; i < n; i++)
        sorted &= item[place[i - 1]] < item[place[i]];
    return sorted;
}

/* Items by ordinal, found like ranks: ordinals cut into steps, of which each holds one item where the range is short. */
static void order_ordinals(sinter_worker *w, const sinter_fusion_batch *b)
{
    uint32_t least, most, shift = 0;
    ordinal_range(b->item, b->n, &least, &most);
    while ((most - least) >> shift > STEPS)
        shift++;
    for (uint32_t i = 0; i < b->n; i++)
        w->entry[0][i] = (b->item[i] - least) >> shift << 16 | i;
    sort_steps(w->entry[0], w->entry[1], w->by_ordinal, b->n);
    strip_steps(w->by_ordinal, b->n);
    if (shift > 0 && !ascends(b->item, w->by_ordinal, b->n)) {
        for (uint32_t i = 0; i < b->n; i++) {
            w->key[0][i] = b->item[i];
            w->entry[0][i] = i;
        }
        sort_exact(w, w->by_ordinal, b->n);
    }
    w->has_ordinals = true;
}

/* The present scores and their places in the order of ordinals, as pack_scores gives them in the list's own. */
static uint32_t pack_by_ordinal(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker)
{
    uint32_t m = 0;
    if (!w->has_ordinals)
        order_ordinals(w, b);
    for (uint32_t j = 0; j < b->n; j++) {
        uint32_t i = w->by_ordinal[j];
        w->packed[m] = b->score[ranker][i];
        w->entry[0][m] = i;
        m += (uint32_t)(b->present[i] >> ranker & 1);
    }
    return m;
}

/* The quick way; *n: how many. */
static repaired order_quick(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker, bool by_ordinal, uint32_t *n)
{
    const float *x = w->packed;
    *n = by_ordinal ? pack_by_ordinal(w, b, ranker) : pack_scores(w, b, ranker, &x);
    if (*n < 2)
        return TOO_MANY_TIES;
    float least, most;
    range_of(x, *n, &least, &most);
    float range = most - least, scale = (float)STEPS / range;
    if (!(range > 0) || !isfinite(range) || !isfinite(scale))
        return TOO_MANY_MOVES;
    if (x == w->packed)
        cut_packed(w->entry[0], x, most, scale, *n);
    else
        cut_dense(w->entry[0], x, most, scale, *n);
    sort_steps(w->entry[0], w->entry[1], w->entry[2], *n);
    repaired result = repair(b, b->score[ranker], by_ordinal, w->entry[2], w->entry[1], *n);
    strip_steps(w->entry[2], *n);
    return result;
}

uint32_t rank_order(sinter_worker *w, const sinter_fusion_batch *b, uint32_t ranker)
{
    uint64_t bit = 1ull << ranker;
    uint32_t n;
    if (b->n > QUICK_MOST)
        return order_exact(w, b, ranker);
    bool by_ordinal = (w->tied & bit) != 0; /* what held for another list of the ranker may hold for this one */
    repaired result = order_quick(w, b, ranker, by_ordinal, &n);
    if (result == TOO_MANY_TIES && n > 1) {
        w->tied |= bit;
        result = order_quick(w, b, ranker, true, &n);
    }
    return result == REPAIRED ? n : order_exact(w, b, ranker);
}
