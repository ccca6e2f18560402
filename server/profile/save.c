/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles as a file: what a walk of the records up to a sequence has made, so that a start walks only what came behind. It is
 * exact, bit for bit; and it is nothing but a shortcut: a file that is broken, of other settings or of another journal is not
 * used. */
#include "inside.h"

#include "stream.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };
#define END UINT32_MAX /* behind numbered things */
#define NO_TEXT UINT32_MAX

/* What must be equal for a file to be of use, and what it is as of. */
typedef struct head {
    char magic[8];
    uint32_t version, number;
    uint64_t settings; /* hash of what records are applied by */
    char uuid[40];
    uint64_t applied, applied_sum, shown_applied, n_events;
    uint32_t n_people, n_items, n_queries, n_values[MAX_BY];
} head;

static uint64_t settings_of(const profile_collection *p)
{
    const config_collection *c = p->schema;
    buffer b = {0};
    uint32_t n = atomic_load(&p->n_types);
    const uint64_t sizes[] = {sizeof(history_entry), sizeof(tally), sizeof(query_entry), sizeof(((waiting *)NULL)->event[0]), MAX_TYPES};
    buffer_append(&b, sizes, sizeof sizes);
    for (uint32_t t = 0; t < n; t++) buffer_printf(&b, "type %s\n", p->type[t]);
    for (uint32_t by = 0; by < p->n_by; by++) buffer_printf(&b, "by %s\n", c->counter_by[by]);
    buffer_printf(&b, "history %u half-life %a rates %d examination %a\n", p->history, p->half_life_ms, c->rates, c->rates_examination);
    uint64_t hash = hash64(b.data, b.len);
    buffer_free(&b);
    return hash;
}

/* ---- what is saved: taken on the thread that applies ------------------------------------------------------------------------- */

/* Lists of events on unknown items are that thread's own: they are copied. All else is in the set, or only ever grows. */
struct profile_saving {
    const profile_set *set;
    head head;
    uint32_t n_waiting;
    waiting **waiting; /* [n_waiting] by item */
};

profile_saving *profile_saving_begin(const profile_collection *p, const char *uuid, uint64_t applied, uint64_t applied_sum)
{
    profile_saving *s = xcalloc(1, sizeof *s);
    s->set = profile_current(p);
    s->head = (head){.magic = "SINTERPF", .version = VERSION, .number = p->number, .settings = settings_of(p), .applied = applied};
    s->head.applied_sum = applied_sum;
    s->head.shown_applied = s->set->shown_sequence;
    s->head.n_events = s->set->n_events;
    s->head.n_people = s->set->n_people;
    s->head.n_items = s->set->n_items;
    s->head.n_queries = s->set->n_queries;
    memcpy(s->head.n_values, p->n_values, sizeof p->n_values);
    memcpy(s->head.uuid, uuid, strlen(uuid) < sizeof s->head.uuid ? strlen(uuid) : sizeof s->head.uuid - 1);
    s->n_waiting = p->cap_waiting;
    s->waiting = xcalloc(p->cap_waiting + 1, sizeof *s->waiting);
    for (uint32_t i = 0; i < p->cap_waiting; i++) {
        if (!p->waiting[i]) continue;
        size_t n = sizeof(waiting) + p->waiting[i]->n * sizeof p->waiting[i]->event[0];
        s->waiting[i] = memcpy(xmalloc(n), p->waiting[i], n);
    }
    return s;
}

static void saving_free(profile_saving *s)
{
    for (uint32_t i = 0; i < s->n_waiting; i++) free(s->waiting[i]);
    free(s->waiting);
    free(s);
}

/* ---- writing: any thread, while the set is kept ------------------------------------------------------------------------------ */

static void put_texts(stream_out *o, const dictionary *d, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const dictionary_text *t = dictionary_get(d, i);
        uint32_t n = t ? t->n : NO_TEXT;
        STREAM_PUT(o, n);
        if (t) stream_put(o, t->s, t->n);
    }
}

static void put_chunks(stream_out *o, const row_table *t, size_t width)
{
    uint32_t n = t ? t->n_chunks : 0;
    STREAM_PUT(o, n);
    for (uint32_t k = 0; k < n; k++) {
        uint8_t there = t->chunk[k] != NULL;
        STREAM_PUT(o, there);
        if (there) stream_put(o, t->chunk[k]->row, ROWS * width);
    }
}

static void put_tally(stream_out *o, const tally *t)
{
    uint32_t n;
    const uint64_t *bucket = window_buckets(&t->recent, &n);
    STREAM_PUT(o, t->all);
    STREAM_PUT(o, n);
    if (n) stream_put(o, bucket, n * sizeof *bucket);
}

static void put_end(stream_out *o)
{
    const uint32_t end = END;
    STREAM_PUT(o, end);
}

static uint32_t rows_of(const row_table *t)
{
    return t ? t->n_chunks << ROW_BITS : 0;
}

static void put_tallies(stream_out *o, const row_table *t)
{
    for (uint32_t i = 0; i < rows_of(t); i++) {
        const tally *row = table_row(t, sizeof *row, i);
        if (!row || row->all.value == 0) continue;
        STREAM_PUT(o, i);
        put_tally(o, row);
    }
    put_end(o);
}

static void put_people(stream_out *o, const row_table *t)
{
    for (uint32_t i = 0; i < rows_of(t); i++) {
        profile_person *const *row = table_row(t, sizeof *row, i);
        const profile_person *h = row ? *row : NULL;
        if (!h) continue;
        uint32_t packed = h->attributes ? h->attributes->n : 0;
        STREAM_PUT(o, i);
        STREAM_PUT(o, h->user);
        STREAM_PUT(o, h->query);
        STREAM_PUT(o, h->query_ms);
        STREAM_PUT(o, packed);
        if (packed) stream_put(o, h->attributes->packed, packed);
        STREAM_PUT(o, h->b.n);
        stream_put(o, h->entry, h->b.n * sizeof h->entry[0]);
    }
    put_end(o);
}

static void put_queries(stream_out *o, const row_table *t)
{
    for (uint32_t i = 0; i < rows_of(t); i++) {
        profile_query *const *row = table_row(t, sizeof *row, i);
        const profile_query *q = row ? *row : NULL;
        if (!q) continue;
        STREAM_PUT(o, i);
        STREAM_PUT(o, q->b.n);
        for (uint32_t k = 0; k < q->b.n; k++) {
            STREAM_PUT(o, q->entry[k].key);
            put_tally(o, &q->entry[k].tally);
        }
    }
    put_end(o);
}

static void put_waiting(stream_out *o, const profile_saving *s)
{
    for (uint32_t i = 0; i < s->n_waiting; i++) {
        const waiting *w = s->waiting[i];
        if (!w) continue;
        STREAM_PUT(o, i);
        STREAM_PUT(o, w->n);
        stream_put(o, w->event, w->n * sizeof w->event[0]);
    }
    put_end(o);
}

sinter_status profile_save(profile_saving *s, const char *path, bool (*stop)(void *ctx), void *ctx, sinter_error *e)
{
    stream_out *o = stream_create(path, e);
    const profile_collection *p = s->set->owner;
    const profile_tables *t = s->set->tables;
    if (o) {
        STREAM_PUT(o, s->head);
        put_texts(o, &p->people, 0, s->head.n_people);
        put_texts(o, &p->items, 0, s->head.n_items);
        put_texts(o, &p->queries, 0, s->head.n_queries);
        for (uint32_t by = 0; by < p->n_by; by++) put_texts(o, &p->values[by], 1, s->head.n_values[by]);
        for (uint32_t by = 0; by < p->n_by; by++) put_texts(o, &p->value_hashes[by], 1, s->head.n_values[by]);
        put_chunks(o, t->item_of, sizeof(uint32_t));
        put_chunks(o, t->item, (1 + p->n_by) * sizeof(item_row));
        put_people(o, t->person);
        put_queries(o, t->query);
        for (uint32_t i = 0; i < ACCOUNTS; i++) {
            put_tallies(o, t->account[i].item);
            for (uint32_t by = 0; by < p->n_by; by++) put_tallies(o, t->account[i].value[by]);
            put_tally(o, &t->account[i].all);
        }
        put_waiting(o, s);
    }
    saving_free(s);
    if (!o) return e ? e->status : SINTER_IO;
    return stream_close(o, !(stop && stop(ctx)), e);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

/* Texts of at most `most` bytes; one may be missing where `holes` says so. */
static bool get_texts(stream_in *in, profile_collection *p, dictionary *d, uint32_t from, uint32_t to, uint32_t most, bool holes)
{
    char text[MAX_QUERY_TEXT];
    for (uint32_t i = from; i < to; i++) {
        uint32_t n;
        if (!STREAM_GET(in, n)) return false;
        if (n == NO_TEXT && holes) continue;
        if (n > most || n > sizeof text || !stream_get(in, text, n)) return false;
        dictionary_put(d, i, (str){text, n}, p->texts);
    }
    return true;
}

static bool get_chunks(stream_in *in, profile_collection *p, rows *r, uint32_t rows_most)
{
    uint32_t n;
    if (!STREAM_GET(in, n) || n > (rows_most >> ROW_BITS) + 2) return false;
    for (uint32_t k = 0; k < n; k++) {
        uint8_t there;
        if (!STREAM_GET(in, there)) return false;
        if (there && !stream_get(in, rows_writable(p, r, k << ROW_BITS), ROWS * r->width)) return false;
    }
    return true;
}

static bool get_tally(stream_in *in, profile_collection *p, tally *t)
{
    enum { BUCKETS_MOST = 512 };
    uint64_t bucket[BUCKETS_MOST];
    uint32_t n;
    if (!STREAM_GET(in, t->all) || !STREAM_GET(in, n) || n > BUCKETS_MOST || !stream_get(in, bucket, n * sizeof *bucket)) return false;
    return window_restore(p, &t->recent, bucket, n);
}

static bool get_tallies(stream_in *in, profile_collection *p, rows *r, uint32_t most)
{
    uint32_t i;
    while (STREAM_GET(in, i)) {
        if (i == END) return true;
        if (i >= most || !get_tally(in, p, rows_writable(p, r, i))) return false;
    }
    return false;
}

static bool get_attributes(stream_in *in, profile_collection *p, const attributes **out)
{
    enum { PACKED_MOST = 1 << 20 };
    uint32_t n;
    if (!STREAM_GET(in, n) || n > PACKED_MOST) return false;
    if (!n) return true;
    attributes *x = profile_alloc(p, sizeof *x + n);
    *out = x;
    x->n = n;
    return stream_get(in, x->packed, n);
}

static bool get_person(stream_in *in, profile_collection *p, uint32_t i)
{
    struct {
        uint32_t user, query;
        int64_t query_ms;
    } said;
    const attributes *kept = NULL;
    uint32_t n = 0;
    bool whole = STREAM_GET(in, said.user) && STREAM_GET(in, said.query) && STREAM_GET(in, said.query_ms) && get_attributes(in, p, &kept) &&
                 STREAM_GET(in, n) && n <= p->history && said.user <= p->n_people;
    profile_person *h = block_writable(p, rows_writable(p, &p->person, i), sizeof *h, sizeof h->entry[0], whole && n ? n : 1);
    h->attributes = kept;
    if (!whole || !stream_get(in, h->entry, n * sizeof h->entry[0])) return false;
    h->user = said.user;
    h->query = said.query;
    h->query_ms = said.query_ms;
    h->b.n = n;
    for (uint32_t k = 0; k < n; k++)
        if (h->entry[k].item >= p->n_items || h->entry[k].type > MAX_TYPES) return false;
    return true;
}

static bool get_query(stream_in *in, profile_collection *p, uint32_t i)
{
    uint32_t n;
    if (!STREAM_GET(in, n) || n > (uint64_t)p->n_items * MAX_TYPES) return false;
    profile_query **slot = rows_writable(p, &p->query, i);
    for (uint32_t k = 0, cap = 2; k < n; k++) {
        while (cap <= k) cap *= 2;
        profile_query *q = block_writable(p, slot, sizeof *q, sizeof q->entry[0], cap);
        q->b.n = k + 1;
        if (!STREAM_GET(in, q->entry[k].key) || !get_tally(in, p, &q->entry[k].tally)) return false;
    }
    return true;
}

typedef bool get_numbered(stream_in *in, profile_collection *p, uint32_t i);

static bool get_all(stream_in *in, profile_collection *p, uint32_t most, get_numbered *get)
{
    uint32_t i;
    while (STREAM_GET(in, i)) {
        if (i == END) return true;
        if (i >= most || !get(in, p, i)) return false;
    }
    return false;
}

static bool get_waiting(stream_in *in, profile_collection *p, uint32_t i)
{
    uint32_t n;
    if (!STREAM_GET(in, n)) return false;
    for (uint32_t k = 0; k < n; k++) {
        struct {
            int64_t time_ms, recent_ms;
            uint32_t type;
            bool through;
        } w;
        if (!STREAM_GET(in, w) || !w.type || w.type > MAX_TYPES) return false;
        const count c = {.time_ms = w.time_ms, .recent_ms = w.recent_ms, .weight = 1, .amount = 1};
        wait_for_item(p, i, w.type, w.through, &c);
    }
    return true;
}

static bool get_accounts(stream_in *in, profile_collection *p)
{
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        if (!get_tallies(in, p, &p->account[i].item, p->n_items)) return false;
        for (uint32_t by = 0; by < p->n_by; by++)
            if (!get_tallies(in, p, &p->account[i].value[by], p->n_values[by])) return false;
        if (!get_tally(in, p, &p->account[i].all)) return false;
    }
    return true;
}

static bool get_body(stream_in *in, profile_collection *p, const head *h)
{
    bool whole = get_texts(in, p, &p->people, 0, h->n_people, MAX_ID + 1, false) && get_texts(in, p, &p->items, 0, h->n_items, MAX_ID, false) &&
                 get_texts(in, p, &p->queries, 0, h->n_queries, MAX_QUERY_TEXT, false);
    for (uint32_t by = 0; by < p->n_by && whole; by++) whole = get_texts(in, p, &p->values[by], 1, h->n_values[by], MAX_QUERY_TEXT, true);
    for (uint32_t by = 0; by < p->n_by && whole; by++) whole = get_texts(in, p, &p->value_hashes[by], 1, h->n_values[by], sizeof(uint64_t), false);
    p->n_people = h->n_people;
    p->n_items = h->n_items;
    p->n_queries = h->n_queries;
    memcpy(p->n_values, h->n_values, sizeof p->n_values);
    return whole && get_chunks(in, p, &p->item_of, UINT32_MAX - ROWS) && get_chunks(in, p, &p->item, h->n_items) &&
           get_all(in, p, h->n_people, get_person) && get_all(in, p, h->n_queries, get_query) && get_accounts(in, p) &&
           get_all(in, p, h->n_items, get_waiting) && stream_ended(in);
}

static const char *not_of_use(const profile_collection *p, const head *h, const char *uuid)
{
    if (memcmp(h->magic, "SINTERPF", 8) != 0 || h->version != VERSION) return "it is of another version";
    if (h->number != p->number || strncmp(h->uuid, uuid, sizeof h->uuid - 1) != 0) return "it is of another collection";
    if (h->settings != settings_of(p)) return "event types, counters or histories are set otherwise now";
    return NULL;
}

sinter_status profile_load(profile_collection *p, const char *path, const char *uuid, bool (*is)(void *ctx, uint64_t applied, uint64_t sum),
                           void *ctx, sinter_error *e)
{
    stream_in *in = stream_open(path, e);
    head h;
    if (!in) return e ? e->status : SINTER_NOT_FOUND;
    const char *why = STREAM_GET(in, h) ? not_of_use(p, &h, uuid) : "it is broken";
    if (!why && !is(ctx, h.applied, h.applied_sum)) why = "it is of another journal";
    if (!why && !get_body(in, p, &h)) why = "it is broken";
    stream_end(in);
    if (why) return error_set(e, SINTER_DATA_LOSS, path, "nothing: it is made anew", "the profiles on disk are not used: %s", why);
    p->applied = h.applied;
    p->shown_applied = h.shown_applied;
    p->n_events = h.n_events;
    p->moved = true;
    profile_publish(p, h.applied);
    return SINTER_OK;
}
