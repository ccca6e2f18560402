/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One ranker in many builds, for swaps: TIDE_BUILD is its number, which its scores and its version tell; TIDE_KIND what it does.
 *
 * Odd builds rank by ordinal upwards, even ones downwards. A storm is a query that has the word in it: what breaks only then passes
 * a rehearsal on calm requests. */
#include "../zoo/zoo.h"

#include <math.h>
#include <signal.h>
#include <time.h>

#define CALM 0
#define NANS 1        /* NaN for every seventh item */
#define FAILS 2       /* always */
#define SLOW 3        /* 60 ms a block, always */
#define STORM_FAILS 4
#define STORM_SLOW 5
#define OPEN_FAILS 6
#define ALIKE 7       /* ranks as build 1 does */
#define CRASHES 8     /* when it scores */

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)

static bool has(const sinter_str *s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s->size; i++)
        if (memcmp(s->data + i, word, n) == 0) return true;
    return false;
}

static void wait_60ms(void)
{
    struct timespec t = {0, 60000000};
    nanosleep(&t, NULL);
}

static sinter_status score(const sinter_instance *me, sinter_worker *w, const sinter_batch *b, float *out, sinter_error *err)
{
    UNUSED(me), UNUSED(w);
    if (TIDE_KIND == CRASHES) raise(SIGSEGV);
    bool storm = b->query && has(&b->query->text, "storm");
    if (TIDE_KIND == SLOW || (TIDE_KIND == STORM_SLOW && storm)) wait_60ms();
    if (TIDE_KIND == FAILS || (TIDE_KIND == STORM_FAILS && storm)) {
        snprintf(err->what, sizeof err->what, "the tide is out");
        return SINTER_UNAVAILABLE;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        bool up = TIDE_KIND == ALIKE || TIDE_BUILD % 2;
        out[i] = (float)(TIDE_BUILD * 10000 + (up ? 5000 - (int)b->item[i] : (int)b->item[i]));
        if (TIDE_KIND == NANS && b->item[i] % 7 == 6) out[i] = NAN;
    }
    return SINTER_OK;
}

static sinter_status open_tide(const sinter_open_args *a, sinter_instance **out, sinter_error *err)
{
    if (TIDE_KIND != OPEN_FAILS) return zoo_open(a, out, err);
    snprintf(err->what, sizeof err->what, "no water");
    return SINTER_PRECONDITION;
}

static const sinter_ranker ranker = {.size = sizeof ranker, .score = score};
ZOO_TABLE(.name = TIDE_NAME, .version = TEXT_OF(TIDE_BUILD) ".0.0", .ranker = &ranker, .open = open_tide)
