/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was shown lately: found by request id, or by person and item, until its window is over. Oldest first in a queue, and in
 * two tables of chains. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

open_request *open_new(uint32_t n_exposures, uint32_t n_items)
{
    size_t head = sizeof(open_request), exposures = n_exposures * sizeof(open_exposure);
    open_request *r = xcalloc(1, head + exposures + n_items * sizeof(uint32_t));
    r->exposure = (open_exposure *)(void *)((char *)r + head);
    r->item = (uint32_t *)(void *)((char *)r + head + exposures);
    r->n_exposures = n_exposures;
    r->n_items = n_items;
    return r;
}

static void link_in(open_requests *o, open_request *r)
{
    open_request **request = &o->by_request[r->request & (o->room - 1)], **person = &o->by_person[r->person & (o->room - 1)];
    r->same_request = *request;
    *request = r;
    r->person_before = *person;
    r->person_after = NULL;
    if (*person) (*person)->person_after = r;
    *person = r;
}

static void grow(open_requests *o)
{
    o->room = o->room ? o->room * 2 : 1024;
    free(o->by_request);
    free(o->by_person);
    o->by_request = xcalloc(o->room, sizeof *o->by_request);
    o->by_person = xcalloc(o->room, sizeof *o->by_person);
    for (open_request *r = o->oldest; r; r = r->younger) link_in(o, r); /* chains end up newest first, as before */
}

static void close_own(open_request *r)
{
    for (uint32_t i = 0; i < r->n_exposures; i++) {
        open_exposure *x = &r->exposure[i];
        if (x->tally && !x->key) moments_add(&x->tally->arm[x->arm].closed, &x->own);
    }
}

static void close_oldest(open_requests *o)
{
    open_request *r = o->oldest, **at = &o->by_request[r->request & (o->room - 1)];
    while (*at != r) at = &(*at)->same_request;
    *at = r->same_request;
    if (r->person_before) r->person_before->person_after = r->person_after;
    if (r->person_after)
        r->person_after->person_before = r->person_before;
    else
        o->by_person[r->person & (o->room - 1)] = r->person_before;
    o->oldest = r->younger;
    if (!o->oldest) o->youngest = NULL;
    o->n--;
    close_own(r);
    free(r);
}

void open_add(open_requests *o, open_request *r)
{
    if (o->n >= OPEN_MOST) {
        o->dropped++;
        close_oldest(o);
    }
    if (o->n >= o->room) grow(o);
    if (o->youngest)
        o->youngest->younger = r;
    else
        o->oldest = r;
    o->youngest = r;
    o->n++;
    link_in(o, r);
}

open_request *open_find(const open_requests *o, uint64_t request)
{
    open_request *r = o->room ? o->by_request[request & (o->room - 1)] : NULL;
    while (r && r->request != request) r = r->same_request;
    return r;
}

uint32_t open_position(const open_request *r, uint32_t item)
{
    for (uint32_t i = 0; i < r->n_items; i++)
        if (r->item[i] == item) return r->first_position + i;
    return 0;
}

static bool showed_any(const open_request *r, const uint32_t *item, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (item[i] != UINT32_MAX && open_position(r, item[i])) return true;
    return false;
}

open_request *open_find_shown(const open_requests *o, uint64_t person, uint32_t collection, const uint32_t *item, uint32_t n,
                              int64_t time_ms)
{
    open_request *found = NULL;
    for (open_request *r = o->room ? o->by_person[person & (o->room - 1)] : NULL; r; r = r->person_before) {
        if (r->person != person || r->collection != collection || r->time_ms > time_ms) continue;
        if (found && found->time_ms >= r->time_ms) continue;
        if (showed_any(r, item, n)) found = r;
    }
    return found;
}

void open_expire(open_requests *o, int64_t logged_before_ms)
{
    while (o->oldest && o->oldest->logged_ms < logged_before_ms) close_oldest(o);
}

void open_change_tally(open_requests *o, const tally *was, tally *is)
{
    for (open_request *r = o->oldest; r; r = r->younger)
        for (uint32_t i = 0; i < r->n_exposures; i++)
            if (r->exposure[i].tally == was) r->exposure[i].tally = is;
}

void open_forget_tally(open_requests *o, const tally *t)
{
    open_change_tally(o, t, NULL);
}

void open_clear(open_requests *o)
{
    for (open_request *r = o->oldest, *next; r; r = next) {
        next = r->younger;
        free(r);
    }
    free(o->by_request);
    free(o->by_person);
    *o = (open_requests){0};
}

void open_moments(const open_requests *o, const tally *t, moments *by_arm)
{
    for (const open_request *r = o->oldest; r; r = r->younger)
        for (uint32_t i = 0; i < r->n_exposures; i++) {
            const open_exposure *x = &r->exposure[i];
            if (x->tally == t && !x->key) moments_add(&by_arm[x->arm], &x->own);
        }
}
