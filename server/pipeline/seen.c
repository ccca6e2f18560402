/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exclude_seen: what a person has done already is no candidate. It becomes part of the request's filter, so that every source,
 * every count and every item that a rule would bring in obeys it. */
#include "search.h"

#include <stdio.h>

sinter_status search_seen(search *s, sinter_error *e)
{
    if (!s->in->exclude_seen) return SINTER_OK;
    str user = {s->user.user_id.data, s->user.user_id.size}, session = {s->user.session_id.data, s->user.session_id.size};
    if (!user.n && !session.n)
        return error_set(e, SINTER_INVALID, "exclude_seen", "set user.user_id or user.session_id", "nobody's history to exclude");
    const profile_set *profiles = s->view->profiles;
    profile_who who = profile_find_person(profiles, user, session);
    uint32_t most = s->collection->schema->history;
    profile_event *event = ARENA_ARRAY(s->a, profile_event, most + 1);
    uint32_t n = profile_history(profiles, who, most, event);
    if (n == 0) return SINTER_OK;
    uint32_t *item = ARENA_ARRAY(s->a, uint32_t, n);
    for (uint32_t i = 0; i < n; i++) item[i] = event[i].item;
    search_narrow(s, filter_without(s->a, item, n));
    if (n == most) {
        char note[128];
        snprintf(note, sizeof note, "exclude_seen: the history kept is full (%u events): older ones are not excluded", n);
        search_note(s, note);
    }
    return SINTER_OK;
}
