/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Holding writes for an instant: while an alias changes over, so that each write is either before it, and copied, or after it.
 *
 * A lane looks inside its epoch. Once the control thread has said that writes are held, and every lane has left the epoch in
 * which it may have read the opposite, no write is on its way but in the journal's queue. */
#include "server.h"

bool writes_wait(server *s, call *c)
{
    if (!c->m->writes || !atomic_load(&s->writes_held)) return false;
    pthread_mutex_lock(&s->held_lock);
    bool held = atomic_load(&s->writes_held);
    if (held) {
        call_reference(c);
        c->next = s->held;
        s->held = c;
    }
    pthread_mutex_unlock(&s->held_lock);
    return held;
}

bool writes_hold(server *s, uint64_t patience_ns)
{
    journal_write barrier = {.fence = UINT64_MAX};
    atomic_store(&s->writes_held, true);
    return engine_wait_lanes(s->engine, patience_ns) &&
           journal_append_wait(engine_journal(s->engine), &barrier, NULL, NULL) == SINTER_OK;
}

void writes_release(server *s)
{
    pthread_mutex_lock(&s->held_lock);
    atomic_store(&s->writes_held, false);
    call *c = s->held, *first = NULL;
    s->held = NULL;
    pthread_mutex_unlock(&s->held_lock);
    while (c) { /* in the order in which they came */
        call *next = c->next;
        c->next = first;
        first = c;
        c = next;
    }
    while (first) {
        call *next = first->next;
        queue_push(&s->lane_queue, first);
        first = next;
    }
}
