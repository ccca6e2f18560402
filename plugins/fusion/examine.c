/* SPDX-License-Identifier: Apache-2.0 */
/* How likely a place of the list is looked at, from requests whose first places were put in order by chance: there an item is as good
 * at one place as at another, so clicks a showing fall only because eyes do (Wang and others, SIGIR 2016, and Joachims, Swaminathan
 * and Schnabel, WSDM 2017). Chances never rise with the place: neighbours that do are pooled (isotonic regression). */
#include "learn.h"

#include <math.h>
#include <string.h>

enum { CLICKS_LEAST = 100 };

/* Pool adjacent violators: the closest sequence that never rises, weighted by showings. */
static void pool(double *rate, const double *weight, uint32_t n)
{
    double value[EXAMINE_PLACES], total[EXAMINE_PLACES];
    uint32_t length[EXAMINE_PLACES], m = 0;
    for (uint32_t i = 0; i < n; i++) {
        value[m] = rate[i];
        total[m] = weight[i];
        length[m++] = 1;
        for (; m > 1 && value[m - 1] > value[m - 2]; m--) {
            double both = total[m - 2] + total[m - 1];
            value[m - 2] = (value[m - 2] * total[m - 2] + value[m - 1] * total[m - 1]) / both;
            total[m - 2] = both;
            length[m - 2] += length[m - 1];
        }
    }
    for (uint32_t block = 0, i = 0; block < m; block++)
        for (uint32_t k = 0; k < length[block]; k++)
            rate[i++] = value[block];
}

void examine_estimate(const lists *l, examine *e)
{
    double shown[EXAMINE_PLACES] = {0}, clicked[EXAMINE_PLACES] = {0}, rate[EXAMINE_PLACES];
    uint32_t n = 0;
    memset(e, 0, sizeof *e);
    for (uint32_t q = 0; q < l->n_requests; q++)
        for (uint32_t i = l->begin[q]; i < l->begin[q + 1]; i++) {
            uint32_t place = l->position[i] - 1;
            if (place >= l->shuffled[q] || place >= EXAMINE_PLACES)
                continue;
            shown[place] += 1;
            clicked[place] += l->label[i] > 0;
            e->n_clicks += l->label[i] > 0;
        }
    while (n < EXAMINE_PLACES && shown[n] > 0) {
        rate[n] = clicked[n] / shown[n];
        n++;
    }
    e->known = e->n_clicks >= CLICKS_LEAST && n > 1;
    if (e->known)
        pool(rate, shown, n);
    for (uint32_t i = 0; i < EXAMINE_PLACES; i++)
        e->chance[i] = !e->known ? 1 : fmax(EXAMINE_LEAST, rate[i < n ? i : n - 1] / rate[0]);
}

void examine_apply(const examine *e, lists *l)
{
    for (uint32_t q = 0; q < l->n_requests; q++)
        for (uint32_t i = l->begin[q]; i < l->begin[q + 1]; i++) {
            uint32_t place = l->position[i] - 1;
            l->gain[i] = (float)((double)l->label[i] * (double)l->weight[q] / e->chance[place < EXAMINE_PLACES ? place : EXAMINE_PLACES - 1]);
        }
}
