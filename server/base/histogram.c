/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long things took, in buckets of 1, 2 and 5. */
#include "base/base.h"

const double HISTOGRAM_SECONDS[HISTOGRAM_BOUNDS] = {1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2,
                                                    2e-2, 5e-2, 0.1,  0.2,  0.5,  1,    2,    5,    10,   30};
static const uint64_t BOUND_NS[HISTOGRAM_BOUNDS] = {10000,     20000,     50000,     100000,     200000,     500000,      1000000,
                                                    2000000,   5000000,   10000000,  20000000,   50000000,   100000000,   200000000,
                                                    500000000, 1000000000, 2000000000, 5000000000, 10000000000, 30000000000};

void histogram_note(histogram *h, uint64_t ns)
{
    uint32_t i = 0;
    while (i < HISTOGRAM_BOUNDS && ns > BOUND_NS[i])
        i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->nanoseconds, ns, memory_order_relaxed);
}
