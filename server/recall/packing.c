/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layout of a posting: per field group a capped count and a quantised length in at most 28 bits. */
#include "text_private.h"

#include <math.h>

#define MAX_BITS 28u
#define LONGEST 4000.0 /* words that the last level stands for: longer fields count as this long */

/* Count and length bits by number of groups and place: the first declared is mostly a title (small counts, lengths that
 * must be exact), the second prose. Two bytes of a posting for one group, three for two, four for more. */
static const struct {
    uint8_t count, length;
} WIDTHS[CONFIG_MAX_GROUPS + 1][CONFIG_MAX_GROUPS] = {
    {{0, 0}},
    {{6, 8}},
    {{4, 6}, {5, 6}},
    {{3, 6}, {5, 5}, {4, 5}},
    {{3, 5}, {4, 4}, {3, 3}, {3, 3}},
};

/* The first half of the levels is exact: among items that hold a word once in a short title, a word more or less in it is
 * all that tells them apart. The rest rises by one ratio up to LONGEST. */
static void make_levels(float *level, uint32_t n)
{
    uint32_t exact = n / 2;
    double ratio = pow(fmax(LONGEST / exact, 2), 1.0 / (double)(n - 1 - exact));
    for (uint32_t i = 0; i < n; i++)
        level[i] = i <= exact ? (float)i : (float)fmax(level[i - 1] + 1, floor(exact * pow(ratio, i - exact) + 0.5));
}

bool text_layout_of(const config_collection *schema, text_layout *out)
{
    uint32_t n = schema->n_groups, used = 0;
    *out = (text_layout){.n_groups = n};
    for (uint32_t g = 0; g < n; g++) {
        const config_group *k = &schema->group[g];
        uint32_t count = k->count_bits ? k->count_bits : WIDTHS[n][g].count;
        uint32_t length = k->length_bits ? k->length_bits : WIDTHS[n][g].length;
        if (count > 12 || length > 8 || used + count + length > MAX_BITS)
            return false;
        out->count_bits[g] = (uint8_t)count;
        out->length_bits[g] = (uint8_t)length;
        out->shift[g] = (uint8_t)used;
        out->mask[g] = ((1u << (count + length)) - 1) << used;
        used += count + length;
        make_levels(out->length[g], 1u << length);
    }
    return true;
}

uint32_t text_length_level(const text_layout *l, uint32_t group, double length)
{
    uint32_t top = (1u << l->length_bits[group]) - 1, low = 1, high = top;
    const float *level = l->length[group];
    while (low < high) { /* the first level at or above */
        uint32_t middle = (low + high) / 2;
        if (level[middle] < length)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 1 && length - level[low - 1] < level[low] - length)
        low--;
    return low;
}

uint32_t text_pack(const text_layout *l, uint32_t group, double count, uint32_t level)
{
    uint32_t cap = (1u << l->count_bits[group]) - 1;
    uint32_t c = count < 1 ? 1 : count >= cap ? cap : (uint32_t)lrint(count);
    return (c | level << l->count_bits[group]) << l->shift[group];
}
