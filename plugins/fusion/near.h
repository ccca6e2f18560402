/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest of some names, for messages about a misspelt one. */
#ifndef SINTER_FUSION_NEAR_H
#define SINTER_FUSION_NEAR_H

#include <stddef.h>
#include <string.h>

enum { NEAR_LENGTH = 64 };

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; both at most NEAR_LENGTH long. */
static inline size_t name_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[3][NEAR_LENGTH + 1]; /* rows i - 2, i - 1 and i of the table, in turn */
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

/* NULL where none is near: a third of the name may be wrong, and one letter more. */
static inline const char *nearest_name(const char *name, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t length = strlen(name), best = length / 3 + 2;
    for (size_t i = 0; i < n && length <= NEAR_LENGTH; i++) {
        size_t other = strlen(names[i]);
        size_t distance = other > NEAR_LENGTH ? best : name_distance(name, length, names[i], other);
        if (distance < best && distance < other) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

#endif
