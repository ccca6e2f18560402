/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Windows of an hour, a day and a month against a list of all events; rates against their formula; sessions and whose they are. */
#include "stream.h"

#define MINUTE_MS 60000ll

static const struct {
    profile_span span;
    int64_t piece_ms, pieces;
} WINDOWS[] = {{PROFILE_HOUR, MINUTE_MS, 60}, {PROFILE_DAY, 15 * MINUTE_MS, 96}, {PROFILE_MONTH, 720 * MINUTE_MS, 60}};

typedef struct world {
    stream s;
    config_collection schema;
    profile_collection *p;
    uint32_t done;
} world;

static world world_new(void)
{
    world w = {.s = stream_new(9), .schema = schema_of(50)};
    w.schema.session_timeout_ns = 30 * 60 * 1000000000ull;
    w.schema.rates_toward = UINT32_MAX;
    w.schema.rates_strength = 10;
    return w;
}

static const profile_set *set_of(world *w)
{
    if (!w->p) w->p = profile_open(&w->schema, 1, NULL);
    for (; w->done < w->s.n; w->done++) profile_apply(w->p, w->s.record[w->done]);
    return profile_publish(w->p, w->s.n ? w->s.record[w->s.n - 1]->sequence : 0);
}

static void world_free(world *w)
{
    profile_close(w->p);
    stream_free(&w->s);
}

static float windowed(const profile_set *set, uint32_t type, profile_span span, uint32_t ordinal, int64_t now_ms)
{
    float v;
    profile_count_items(set, type, span, &ordinal, 1, now_ms, &v, 1);
    return v;
}

/* How many of the times lie in the window that ends with the piece of `now`. */
static uint32_t naive(const int64_t *time, uint32_t n, size_t window, int64_t now_ms)
{
    int64_t piece = WINDOWS[window].piece_ms, pieces = WINDOWS[window].pieces;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += time[i] / piece > now_ms / piece - pieces;
    return sum;
}

static void windows_are_exact_in_any_order(void **state)
{
    (void)state;
    enum { N = 6000 };
    int64_t *time = xmalloc(N * sizeof *time), newest = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        world w = world_new();
        rng_seed(&w.s.r, seed);
        stream_put(&w.s, 0);
        while (!w.s.value[0][0]) stream_put(&w.s, 0);
        arena *a = arena_new(1 << 12);
        int64_t now = START_MS;
        for (uint32_t i = 0; i < N; i++) {
            now += (int64_t)(rng_below(&w.s.r, 10) ? rng_below(&w.s.r, 3 * 60000) : rng_below(&w.s.r, 12 * 3600000));
            int64_t late = rng_below(&w.s.r, 3) ? 0 : (int64_t)rng_below(&w.s.r, rng_below(&w.s.r, 2) ? 90 * 60000 : 40ull * DAY_MS);
            time[i] = now - late;
            if (!i || time[i] > newest) newest = time[i];
            stream_event(&w.s, 0, 2, 1, time[i], 0, &(uint32_t){0}, 1);
            w.s.record[w.s.n - 1]->time_ms = now;
            if (i % 37) continue;
            const profile_set *set = set_of(&w);
            const uint32_t item = 0;
            for (size_t k = 0; k < ARRAY_LEN(WINDOWS); k++) {
                int64_t at = newest + (int64_t)(rng_below(&w.s.r, 2) ? 0 : rng_below(&w.s.r, (uint64_t)(WINDOWS[k].piece_ms * WINDOWS[k].pieces)));
                uint32_t want = naive(time, i + 1, k, at);
                float by_value, by_query;
                profile_count_values(set, 2, WINDOWS[k].span, 0, &item, 1, at, &by_value, 1);
                profile_count_query(set, profile_find_query(set, STR("blue chair")), 2, WINDOWS[k].span, &item, 1, at, &by_query, 1);
                assert_int_equal(windowed(set, 2, WINDOWS[k].span, 0, at), want);
                assert_int_equal(by_value, want);
                assert_int_equal(by_query, want);
                assert_int_equal(windowed(set, 1, WINDOWS[k].span, 0, at), 0);
                /* Asked for a time before the newest event: as of that event. */
                assert_int_equal(windowed(set, 2, WINDOWS[k].span, 0, newest - DAY_MS), naive(time, i + 1, k, newest));
            }
        }
        arena_free(a);
        world_free(&w);
    }
    free(time);
}

/* A clock that is ahead pushes nothing out and stays no longer than its record. */
static void an_event_from_the_future_is_as_recent_as_its_record(void **state)
{
    (void)state;
    world w = world_new();
    stream_put(&w.s, 0);
    for (int i = 0; i < 3; i++) {
        stream_event(&w.s, 0, 2, 0, START_MS + (i == 1 ? 20 * 60 : i) * MINUTE_MS, 0, &(uint32_t){0}, 1);
        w.s.record[w.s.n - 1]->time_ms = START_MS + i * MINUTE_MS;
    }
    const profile_set *set = set_of(&w);
    assert_int_equal(windowed(set, 2, PROFILE_HOUR, 0, START_MS + 2 * MINUTE_MS), 3);
    assert_int_equal(windowed(set, 2, PROFILE_HOUR, 0, START_MS + 61 * MINUTE_MS), 1);
    assert_int_equal(windowed(set, 2, PROFILE_HOUR, 0, START_MS + 62 * MINUTE_MS), 0);
    world_free(&w);
}

static void a_window_holds_few_buckets_however_much_happens(void **state)
{
    (void)state;
    world w = world_new();
    stream_put(&w.s, 0);
    uint64_t before = set_of(&w)->bytes;
    for (uint32_t i = 0; i < 60 * 24 * 45; i++) stream_event(&w.s, 0, 2, 0, START_MS + i * MINUTE_MS, 0, &(uint32_t){0}, 1);
    const profile_set *set = set_of(&w);
    int64_t last = START_MS + (60 * 24 * 45 - 1) * MINUTE_MS;
    assert_int_equal(windowed(set, 2, PROFILE_HOUR, 0, last), 60);
    assert_true(windowed(set, 2, PROFILE_DAY, 0, last) > 60 * 24 - 15);
    assert_true(windowed(set, 2, PROFILE_MONTH, 0, last) > 60 * 24 * 30 - 720);
    assert_true(set->bytes - before < 200000); /* of the item, its two values, the total; a history of 50 */
    world_free(&w);
}

/* ---- rates ---------------------------------------------------------------------------------------------------------------- */

static record *answer(world *w, uint64_t sequence, int64_t time_ms, uint32_t n, const uint32_t *ordinal, const uint32_t *position)
{
    record *r = ARENA_NEW(w->s.a, record);
    sinter__storage__v1__record__init(r);
    r->sequence = sequence;
    r->time_ms = time_ms;
    r->body_case = SINTER__STORAGE__V1__RECORD__BODY_ANSWERED;
    Sinter__Storage__V1__Answered *a = r->answered = ARENA_NEW(w->s.a, Sinter__Storage__V1__Answered);
    sinter__storage__v1__answered__init(a);
    a->collection = 1;
    a->time_ms = time_ms;
    a->shown = ARENA_ARRAY(w->s.a, Sinter__Storage__V1__Shown *, n + 1);
    a->people = ARENA_NEW(w->s.a, Sinter__Storage__V1__AnsweredPeople);
    sinter__storage__v1__answered_people__init(a->people);
    a->people->n_counted_by = 1;
    a->people->counted_by = ARENA_ARRAY(w->s.a, char *, 1);
    a->people->counted_by[0] = arena_strdup(w->s.a, COUNTER_BY[0]);
    a->people->shown_value = ARENA_ARRAY(w->s.a, uint64_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        a->shown[a->n_shown] = ARENA_NEW(w->s.a, Sinter__Storage__V1__Shown);
        sinter__storage__v1__shown__init(a->shown[a->n_shown]);
        a->shown[a->n_shown]->item = ordinal[i];
        a->shown[a->n_shown++]->position = position[i];
        a->people->shown_value[a->people->n_shown_value++] = profile_value_hash(profile_current(w->p), 0, ordinal[i]);
    }
    return r;
}

static void click(world *w, uint32_t type, uint32_t item, int64_t time_ms, const char *request_id)
{
    stream_event(&w->s, 0, type, 0, time_ms, 0, &item, 1);
    w->s.record[w->s.n - 1]->event_put->event->request_id = arena_strdup(w->s.a, request_id);
}

static float rate(const profile_set *set, profile_rate r, uint32_t ordinal, int64_t now_ms)
{
    float v;
    profile_rates(set, &r, &ordinal, 1, now_ms, &v, 1);
    return v;
}

static float shown(const profile_set *set, profile_span span, uint32_t by, uint32_t ordinal)
{
    float v;
    profile_shown(set, span, by, &ordinal, 1, START_MS, &v, 1);
    return v;
}

static void close_to(double is, double want)
{
    if (!(fabs(is - want) < 1e-6)) fail_msg("%.9g instead of %.9g", is, want);
}

static void rates_are_smoothed_towards_the_mean(void **state)
{
    (void)state;
    world w = world_new();
    w.schema.rates = true;
    for (uint32_t i = 0; i < 3; i++) { /* items 0 and 1 are of one brand, 2 of another */
        do stream_put(&w.s, i);
        while (w.s.value[i][0] != (i < 2 ? 1u : 2u));
    }
    set_of(&w);
    const profile_rate ctr = {.event = 2, .by = UINT32_MAX, .span = PROFILE_DAY}, all = {.event = 2, .by = UINT32_MAX};
    assert_true(isnan(rate(set_of(&w), ctr, 0, START_MS))); /* nothing was shown yet */
    const uint32_t items[] = {0, 1, 2}, positions[] = {1, 2, 3};
    for (uint64_t i = 1; i <= 40; i++) assert_true(profile_apply_shown(w.p, answer(&w, i, START_MS, 3, items, positions)));
    for (int i = 0; i < 12; i++) click(&w, 2, 0, START_MS, "r");
    for (int i = 0; i < 3; i++) click(&w, 2, 1, START_MS, "r");
    click(&w, 2, 2, START_MS, ""); /* came from elsewhere: no click on what was shown */
    for (int i = 0; i < 6; i++) click(&w, 3, 0, START_MS, "");
    const profile_set *set = set_of(&w);
    assert_int_equal(set->shown_sequence, 40);
    close_to(shown(set, PROFILE_DAY, UINT32_MAX, 1), 40);
    close_to(shown(set, PROFILE_ALL, 0, 1), 80);
    assert_true(isnan(shown(set, PROFILE_ALL, 1, 1)) == (w.s.value[1][1] == 0));
    const double mean = 15.0 / 120;
    close_to(rate(set, ctr, 0, START_MS), (12 + 10 * mean) / 50);
    close_to(rate(set, all, 1, START_MS), (3 + 10 * mean) / 50);
    close_to(rate(set, ctr, 2, START_MS), 10 * mean / 50);
    close_to(rate(set, (profile_rate){.event = 2, .by = 0, .span = PROFILE_DAY}, 0, START_MS), (15 + 10 * mean) / 90);
    close_to(rate(set, (profile_rate){.event = 3, .per = 2, .by = UINT32_MAX}, 0, START_MS), (6 + 10 * 6.0 / 16) / 22);
    assert_true(isnan(rate(set, (profile_rate){.event = 3, .per = 1, .by = UINT32_MAX}, 0, START_MS)));
    assert_true(isnan(rate(set, ctr, 0, START_MS + 3 * DAY_MS))); /* nothing shown that day */
    close_to(rate(set, all, 0, START_MS + 10 * DAY_MS), (6 + 10 * mean) / 30); /* both halved */
    w.schema.rates_toward = 0; /* towards the brand, itself smoothed */
    double brand = (15 + 10 * mean) / 90;
    close_to(rate(set, ctr, 1, START_MS), (3 + 10 * brand) / 50);
    w.schema.rates_toward = UINT32_MAX;
    w.schema.rates_examination = 1; /* the third place counts a third */
    profile_apply_shown(w.p, answer(&w, 41, START_MS, 3, items, positions));
    assert_false(profile_publish(w.p, 99) == NULL);
    set = profile_current(w.p);
    close_to(shown(set, PROFILE_DAY, UINT32_MAX, 2), 40 + 85.0 / 256);
    profile_apply_shown(w.p, answer(&w, 41, START_MS, 3, items, positions)); /* a record counts once */
    close_to(shown(profile_publish(w.p, 100), PROFILE_DAY, UINT32_MAX, 2), 40 + 85.0 / 256);
    world_free(&w);
}

/* ---- sessions --------------------------------------------------------------------------------------------------------------- */

static void act(world *w, const char *user, const char *session, uint32_t item, int64_t minute, const char *query)
{
    stream_event(&w->s, 0, 2, 0, START_MS + minute * MINUTE_MS, 0, &item, 1);
    Sinter__V1__Event *e = w->s.record[w->s.n - 1]->event_put->event;
    e->user_id = arena_strdup(w->s.a, user);
    e->session_id = arena_strdup(w->s.a, session);
    e->query = arena_strdup(w->s.a, query);
}

/* The items of a history, newest first, as digits. */
static const char *history(const profile_set *set, const char *user, const char *session)
{
    static char out[64];
    profile_event h[60];
    uint32_t n = profile_history(set, profile_find_person(set, str_of(user), str_of(session)), 60, h);
    for (uint32_t i = 0; i < n; i++) out[i] = (char)('0' + h[i].item);
    out[n] = '\0';
    return out;
}

static world with_items(uint32_t n)
{
    world w = world_new();
    for (uint32_t i = 0; i < n; i++) stream_put(&w.s, i);
    return w;
}

static void who_logs_in_keeps_what_the_session_did(void **state)
{
    (void)state;
    world w = with_items(9);
    act(&w, "ann", "", 0, 0, "");
    act(&w, "", "s1", 1, 1, "");
    act(&w, "", "s1", 2, 3, "");
    act(&w, "ann", "", 3, 2, "");
    const profile_set *set = set_of(&w);
    assert_string_equal(history(set, "ann", ""), "30");
    assert_string_equal(history(set, "ann", "s1"), "2310"); /* a request that carries both sees both, by time */
    assert_string_equal(history(set, "", "s1"), "21");
    act(&w, "ann", "s1", 4, 4, "");
    set = set_of(&w);
    assert_string_equal(history(set, "ann", ""), "42310"); /* an event that carries both joins them, for ever */
    assert_string_equal(history(set, "ann", "s1"), "42310"); /* each once */
    act(&w, "", "s1", 5, 5, "");
    assert_string_equal(history(set_of(&w), "ann", ""), "542310");
    world_free(&w);
}

static void a_session_of_another_user_starts_anew(void **state)
{
    (void)state;
    world w = with_items(9);
    act(&w, "ann", "s1", 0, 0, "red lamp");
    act(&w, "ben", "", 1, 1, "");
    const profile_set *set = set_of(&w);
    assert_string_equal(history(set, "ben", "s1"), "1");
    assert_string_equal(history(set, "cleo", "s1"), "");
    act(&w, "ben", "s1", 2, 2, "");
    act(&w, "", "s1", 3, 3, "");
    set = set_of(&w);
    assert_string_equal(history(set, "ben", "s1"), "321");
    assert_string_equal(history(set, "ann", "s1"), "0");
    assert_string_equal(history(set, "", "s1"), "32");
    assert_int_equal(profile_session_of(set, profile_find_person(set, STR(""), STR("s1")), START_MS + 4 * MINUTE_MS).query, 0);
    world_free(&w);
}

static void a_session_ends_when_nothing_happens(void **state)
{
    (void)state;
    world w = with_items(9);
    act(&w, "", "s1", 0, 0, "blue chair");
    act(&w, "", "s1", 1, 40, "");
    act(&w, "", "s1", 2, 69, "Red  LAMP");
    act(&w, "", "s1", 3, 60, "");
    const profile_set *set = set_of(&w);
    profile_who who = profile_find_person(set, STR(""), STR("s1"));
    profile_session x = profile_session_of(set, who, START_MS + 70 * MINUTE_MS);
    profile_event h[8];
    assert_int_equal(x.n, 3);
    assert_int_equal(x.start_ms, START_MS + 40 * MINUTE_MS);
    assert_int_equal(x.last_ms, START_MS + 69 * MINUTE_MS);
    assert_int_equal(x.query, hash_id("red lamp", 8));
    assert_int_equal(profile_session_events(set, &x, 8, h), 3);
    assert_int_equal(h[0].item, 2);
    assert_int_equal(h[2].item, 1);
    x = profile_session_of(set, who, START_MS + 100 * MINUTE_MS);
    assert_int_equal(x.n, 0);
    assert_int_equal(x.query, 0);
    assert_string_equal(history(set, "", "s1"), "2310"); /* the history goes on */
    x = profile_session_of(set, (profile_who){0}, START_MS);
    assert_int_equal(x.n, 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_exact_in_any_order),
        cmocka_unit_test(an_event_from_the_future_is_as_recent_as_its_record),
        cmocka_unit_test(a_window_holds_few_buckets_however_much_happens),
        cmocka_unit_test(rates_are_smoothed_towards_the_mean),
        cmocka_unit_test(who_logs_in_keeps_what_the_session_did),
        cmocka_unit_test(a_session_of_another_user_starts_anew),
        cmocka_unit_test(a_session_ends_when_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
