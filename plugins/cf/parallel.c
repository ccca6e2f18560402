/* SPDX-License-Identifier: Apache-2.0 */
/* A loop over rows on several threads. Threads live for one call: a row is long work, and none may outlive training. */
#include "train.h"

#include <pthread.h>

typedef struct loop {
    parallel_work *work;
    void *context;
    uint32_t n;
    atomic_uint next;
} loop;

typedef struct runner {
    loop *loop;
    uint32_t number;
    pthread_t thread;
} runner;

static void *run(void *arg)
{
    runner *r = arg;
    uint32_t i;
    while ((i = atomic_fetch_add(&r->loop->next, 1)) < r->loop->n)
        r->loop->work(r->loop->context, r->number, i);
    return NULL;
}

void parallel_for(uint32_t threads, uint32_t n, parallel_work *work, void *context)
{
    loop l = {.work = work, .context = context, .n = n};
    runner all[MOST_THREADS];
    uint32_t started = 0;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    for (uint32_t k = 0; k + 1 < threads && k + 1 < n; k++) {
        all[started] = (runner){.loop = &l, .number = k + 1};
        if (pthread_create(&all[started].thread, NULL, run, &all[started]) == 0)
            started++;
        else
            break; /* the others do its part */
    }
    run(&(runner){.loop = &l, .number = 0});
    for (uint32_t k = 0; k < started; k++)
        pthread_join(all[k].thread, NULL);
}
