/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Epoch-based reclamation.
 *
 * A reader writes the current epoch into its slot and then loads the shared pointer; a writer swaps the pointer,
 * stamps the old one with the epoch and raises it, and then looks at the slots. All of these are sequentially
 * consistent, so one of two things holds for each slot: the writer sees the reader, or the reader sees the new
 * pointer. A stamped pointer is free when every slot is empty or holds a later epoch: who entered at a later epoch
 * read it after the swap. There are no fences, because ThreadSanitizer does not understand them. */
#include "die.h"

#include <stdlib.h>

enum { CACHE_LINE = 64 };

typedef struct slot {
    _Alignas(CACHE_LINE) _Atomic uint64_t epoch; /* 0: outside */
} slot;

typedef struct retired {
    struct retired *next;
    uint64_t epoch;
    void *p, *ctx;
    void (*free_fn)(void *p, void *ctx);
} retired;

struct epoch_domain {
    _Alignas(CACHE_LINE) _Atomic uint64_t now; /* from 1 */
    _Alignas(CACHE_LINE) pthread_mutex_t lock; /* of `waiting` and `waiting_n` */
    retired *waiting;
    size_t waiting_n;
    uint32_t slots_n;
    slot slots[];
};

epoch_domain *epoch_new(uint32_t slots) {
    epoch_domain *d = xaligned(CACHE_LINE, sizeof *d + slots * sizeof(slot));
    atomic_init(&d->now, 1);
    pthread_mutex_init(&d->lock, NULL);
    d->waiting = NULL;
    d->waiting_n = 0;
    d->slots_n = slots;
    for (uint32_t i = 0; i < slots; i++)
        atomic_init(&d->slots[i].epoch, 0);
    return d;
}

void epoch_enter(epoch_domain *d, uint32_t slot_index) {
    if (slot_index >= d->slots_n) base_die("epoch slot %u of %u", slot_index, d->slots_n);
    atomic_store(&d->slots[slot_index].epoch, atomic_load(&d->now));
}

void epoch_exit(epoch_domain *d, uint32_t slot_index) {
    if (slot_index >= d->slots_n) base_die("epoch slot %u of %u", slot_index, d->slots_n);
    atomic_store_explicit(&d->slots[slot_index].epoch, 0, memory_order_release);
}

void epoch_retire(epoch_domain *d, void *p, void (*free_fn)(void *p, void *ctx), void *ctx) {
    if (!p) return;
    retired *r = xmalloc(sizeof *r);
    *r = (retired){.epoch = atomic_fetch_add(&d->now, 1), .p = p, .ctx = ctx, .free_fn = free_fn};
    pthread_mutex_lock(&d->lock);
    r->next = d->waiting;
    d->waiting = r;
    d->waiting_n++;
    pthread_mutex_unlock(&d->lock);
}

static uint64_t oldest_reader(epoch_domain *d) {
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < d->slots_n; i++) {
        uint64_t e = atomic_load(&d->slots[i].epoch);
        if (e && e < oldest) oldest = e;
    }
    return oldest;
}

/* Takes off the list what no reader can hold, oldest first, so that things are freed in the order of retirement. */
static retired *take_free(epoch_domain *d, size_t *left) {
    retired *out = NULL;
    pthread_mutex_lock(&d->lock);
    uint64_t oldest = oldest_reader(d);
    for (retired **at = &d->waiting; *at;) {
        retired *r = *at;
        if (r->epoch >= oldest) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->next = out;
        out = r;
        d->waiting_n--;
    }
    *left = d->waiting_n;
    pthread_mutex_unlock(&d->lock);
    return out;
}

size_t epoch_reclaim(epoch_domain *d) {
    size_t left;
    retired *r = take_free(d, &left);
    while (r) { /* outside the lock: what is freed may retire more */
        retired *next = r->next;
        r->free_fn(r->p, r->ctx);
        free(r);
        r = next;
    }
    return left;
}

void epoch_free(epoch_domain *d) {
    if (!d) return;
    if (oldest_reader(d) != UINT64_MAX) base_die("epoch_free with a reader inside");
    do
        epoch_reclaim(d);
    while (d->waiting);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
