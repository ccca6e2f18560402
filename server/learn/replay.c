/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal from its beginning to any sequence, applied to columns and profiles by the code that serves; and beside it the log of
 * answers, for times shown. */
#include "learn/learn.h"

#include <inttypes.h>
#include <stdlib.h>

typedef Sinter__Storage__V1__Record record;

struct replay {
    journal_reader *reader;
    journal_reader *shown_reader; /* NULL: nobody asked for times shown */
    uint64_t shown_at;
    epoch_domain *epochs;
    catalog_collection *catalog;
    profile_collection *profiles; /* NULL: not asked for */
    const config_collection *schema;
    uint32_t number;
    uint64_t at;    /* applied and published */
    uint64_t until; /* of the running walk */
    const char *dir;
    sinter_status status; /* of the running walk */
    sinter_error *error;
};

sinter_status replay_open(const config_collection *schema, journal *j, replay **out, sinter_error *e)
{
    char uuid[37];
    replay *r = xcalloc(1, sizeof *r);
    *out = NULL;
    r->epochs = epoch_new(1);
    r->schema = schema;
    sinter_status s = journal_collection(j, schema->name, &r->number, uuid, e);
    if (s == SINTER_OK) s = journal_reader_open(j, &r->reader, e);
    if (s == SINTER_OK) s = catalog_open(schema, r->number, uuid, r->epochs, &r->catalog, e);
    if (s) {
        replay_close(r);
        return s;
    }
    catalog_publish(r->catalog, 0);
    *out = r;
    return SINTER_OK;
}

void replay_close(replay *r)
{
    if (!r) return;
    replay_release(r);
    if (r->profiles) profile_close(r->profiles);
    if (r->catalog) catalog_close(r->catalog);
    epoch_free(r->epochs);
    free(r);
}

void replay_release(replay *r)
{
    journal_reader_close(r->reader);
    journal_reader_close(r->shown_reader);
    r->reader = r->shown_reader = NULL;
}

void replay_with_profiles(replay *r)
{
    if (!r->profiles) r->profiles = profile_open(r->schema, r->number, NULL);
}

sinter_status replay_with_shown(replay *r, journal *impressions, sinter_error *e)
{
    replay_with_profiles(r);
    return r->schema->rates && impressions && !r->shown_reader ? journal_reader_open(impressions, &r->shown_reader, e) : SINTER_OK;
}

static uint32_t collection_of(const record *rec)
{
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) return rec->item_put->collection;
    if (rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE) return rec->item_delete->collection;
    return 0;
}

static bool apply(void *ctx, const record *rec)
{
    replay *r = ctx;
    bool changed;
    if (rec->sequence > r->until) return false;
    if (collection_of(rec) == r->number) r->status = catalog_apply(r->catalog, rec, NULL, &changed, r->error);
    if (r->profiles) profile_apply(r->profiles, rec);
    return r->status == SINTER_OK;
}

sinter_status replay_to(replay *r, uint64_t sequence, sinter_error *e)
{
    if (sequence < r->at)
        return error_set(e, SINTER_INVALID, "replay", NULL, "replay to %" PRIu64 " after %" PRIu64, sequence, r->at);
    if (sequence == r->at) return SINTER_OK;
    r->until = sequence;
    r->status = SINTER_OK;
    r->error = e;
    uint64_t most = sequence - r->at; /* records: no more are unpacked than can be needed */
    sinter_status s = journal_tail(r->reader, r->at, most > UINT32_MAX ? UINT32_MAX : (uint32_t)most, apply, r, NULL, e);
    if (s == SINTER_OK) s = r->status;
    if (s) return s;
    r->at = sequence;
    catalog_publish(r->catalog, sequence);
    if (r->profiles) profile_publish(r->profiles, sequence);
    return SINTER_OK;
}

static bool apply_shown(void *ctx, const record *rec)
{
    replay *r = ctx;
    if (rec->sequence > r->until) return false;
    profile_apply_shown(r->profiles, rec);
    return true;
}

sinter_status replay_shown_to(replay *r, uint64_t sequence, sinter_error *e)
{
    if (!r->shown_reader || sequence <= r->shown_at) return SINTER_OK;
    r->until = sequence;
    sinter_status s = journal_tail(r->shown_reader, r->shown_at, UINT32_MAX, apply_shown, r, NULL, e);
    if (s) return s;
    r->shown_at = sequence;
    profile_publish(r->profiles, r->at);
    return SINTER_OK;
}

catalog_collection *replay_catalog(const replay *r)
{
    return r->catalog;
}

const catalog_set *replay_set(const replay *r)
{
    return catalog_current(r->catalog);
}

const profile_set *replay_profiles(const replay *r)
{
    return r->profiles ? profile_current(r->profiles) : NULL;
}
