/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The printer behind change_text.h. */
#include "change_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void print_rehearsal(const Sinter__V1__Rehearsal *r)
{
    if (!r) return;
    if (r->requests)
        printf("  rehearsed on %u recorded requests (%u stages) in %.2f s: %u failed, %u no number, %u late\n"
               "  p99 %.2f ms (incumbent %.2f ms); first tens: %u change, overlap %.3f; agreement %.3f\n",
               r->requests, r->stages, r->seconds, r->failed, r->not_finite, r->late, r->p99_ms, r->incumbent_p99_ms, r->changed,
               r->overlap, r->agreement);
    if (r->recomputed > 0) printf("  %.1f%% of the feature values are not in the log and were made anew\n", r->recomputed * 100);
    for (size_t i = 0; i < r->n_notes; i++) printf("  %s\n", r->notes[i]);
}

void print_moved(const Sinter__V1__MovedItem *m)
{
    if (!m->was)
        printf("    in    %2u        %s\n", m->is, m->item);
    else if (!m->is)
        printf("    out   %2u        %s\n", m->was, m->item);
    else
        printf("    moved %2u -> %2u  %s\n", m->was, m->is, m->item);
}

/* The same words asked again with the same outcome are no news. */
static bool same_answer(const Sinter__V1__ChangedAnswer *a, const Sinter__V1__ChangedAnswer *b)
{
    if (strcmp(a->pipeline, b->pipeline) != 0 || strcmp(a->query, b->query) != 0 || a->n_items != b->n_items) return false;
    for (size_t i = 0; i < a->n_items; i++) {
        const Sinter__V1__MovedItem *x = a->items[i], *y = b->items[i];
        if (strcmp(x->item, y->item) != 0 || x->was != y->was || x->is != y->is) return false;
    }
    return true;
}

void print_answers(Sinter__V1__ChangedAnswer *const *answer, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t same = 0, before = 0;
        for (size_t k = 0; k < i && !before; k++) before = same_answer(answer[k], answer[i]);
        for (size_t k = i + 1; k < n; k++) same += same_answer(answer[i], answer[k]);
        if (before) continue;
        printf("  %s \"%s\" (request %s", answer[i]->pipeline, answer[i]->query, answer[i]->request_id);
        if (same) printf(" and %zu more", same);
        printf(")\n");
        for (size_t k = 0; k < answer[i]->n_items; k++) print_moved(answer[i]->items[k]);
    }
}

void print_watch(const char *indent, const Sinter__V1__Watch *w)
{
    static const char *const names[] = {"", "running", "passed", "rolled back", "superseded"};
    if (!w || w->state == SINTER__V1__WATCH__STATE__STATE_UNSPECIFIED || w->state >= ARRAY_LEN(names)) return;
    printf("%swatch %s: %llu searches, %llu faults, p99 %.1f ms (incumbent %.1f ms)", indent, names[w->state],
           (unsigned long long)w->searches, (unsigned long long)w->faults, w->p99_ms, w->incumbent_p99_ms);
    if (w->state == SINTER__V1__WATCH__STATE__STATE_RUNNING) printf(", %.0f s left", w->seconds_left);
    printf("\n");
    if (*w->verdict) printf("%s  %s\n", indent, w->verdict);
}

char *who_or_user(const char *who)
{
    const char *user = who ? who : getenv("USER");
    return (char *)(uintptr_t)(user ? user : "");
}
