/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bar of so many places, drawn over the line before. */
#include "progress.h"

#include <stdio.h>

enum { WIDTH = 24 };

void progress_draw(double share, uint64_t done, const char *noun, double seconds)
{
    int filled = (int)(share * WIDTH);
    char left[48] = "";
    if (share > 0.01 && share <= 1) snprintf(left, sizeof left, ", %.0f s left", seconds / share - seconds);
    fprintf(stderr, "\r\033[K[%.*s%.*s] %3.0f %%  %llu %s, %.0f/s%s", filled, "########################", WIDTH - filled,
            "........................", share * 100, (unsigned long long)done, noun, seconds > 0 ? (double)done / seconds : 0, left);
}
