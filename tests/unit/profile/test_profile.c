/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles against a naive account of random streams: late events, items that come late, go and come back. */
#include "stream.h"

static profile_who find(const profile_set *set, uint32_t person)
{
    char user[32], session[32];
    str u = person_user(person, user);
    return profile_find_person(set, u, person_session(person, session));
}

static void check_history(const stream *s, const profile_set *set, uint32_t person)
{
    profile_event is[64], want[64];
    profile_who p = find(set, person);
    uint32_t n = naive_history(s, person, HISTORY, want);
    assert_int_equal(profile_history(set, p, 64, is), n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(is[i].time_ms, want[i].time_ms);
        assert_int_equal(is[i].item, want[i].item);
        assert_int_equal(is[i].type, want[i].type);
        assert_true(is[i].value == (float)want[i].value);
    }
    assert_int_equal(profile_history_count(set, p, 0), n);
    uint32_t clicks = 0;
    for (uint32_t i = 0; i < n; i++) clicks += want[i].type == 2;
    assert_int_equal(profile_history_count(set, p, 2), clicks);
    assert_int_equal(profile_history(set, p, 2, is), n < 2 ? n : 2);
}

static void near(float is, double want)
{
    if (!(fabs((double)is - want) <= 1e-6 * (1 + fabs(want)))) fail_msg("%g, naively %g", (double)is, want);
}

static void check_counters(const stream *s, const profile_set *set, int64_t now_ms, arena *a)
{
    for (uint32_t item = 0; item < ITEMS; item++) {
        if (!s->ordinal[item]) continue;
        uint32_t ordinal = s->ordinal[item] - 1;
        float is;
        for (uint32_t type = 1; type <= TYPES; type++) {
            profile_count_items(set, type, PROFILE_ALL, &ordinal, 1, now_ms, &is, 1);
            near(is, naive_items(s, type, item, now_ms));
            for (uint32_t by = 0; by < BY; by++) {
                profile_count_values(set, type, PROFILE_ALL, by, &ordinal, 1, now_ms, &is, 1);
                if (s->value[item][by])
                    near(is, naive_values(s, type, by, s->value[item][by], now_ms));
                else
                    assert_true(isnan(is));
            }
            for (uint32_t q = 0; q < QUERIES; q++) {
                const profile_query *found = profile_find_query(set, profile_query_text(str_of(QUERY[q]), a));
                profile_count_query(set, found, type, PROFILE_ALL, &ordinal, 1, now_ms, &is, 1);
                near(is, naive_query(s, type, QUERY_TEXT[q], item, now_ms));
            }
        }
    }
}

static void sets_agree_with_a_naive_account(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        stream s = stream_new(seed);
        config_collection schema = schema_of(HISTORY);
        profile_collection *p = profile_open(&schema, 1, NULL);
        for (int round = 0; round < 40; round++) {
            uint32_t from = s.n, steps = (uint32_t)rng_below(&s.r, 60);
            for (uint32_t i = 0; i < steps; i++) stream_step(&s);
            for (uint32_t i = from; i < s.n; i++) profile_apply(p, s.record[i]);
            uint64_t last = s.n ? s.record[s.n - 1]->sequence : 0;
            const profile_set *set = profile_publish(p, last);
            assert_int_equal(set->sequence, last);
            assert_int_equal(set->n_events, s.n_happenings);
            for (uint32_t person = 0; person < PEOPLE; person++) check_history(&s, set, person);
            check_counters(&s, set, START_MS + 3000 * DAY_MS / 24, s.a); /* after all of them */
        }
        profile_close(p);
        stream_free(&s);
    }
}

/* ---- replay ------------------------------------------------------------------------------------------------------------ */

/* All answers of a set as bytes. */
static void dump(const profile_set *set, int64_t now_ms, arena *a, buffer *out)
{
    profile_event h[64];
    uint32_t ordinal[4 * ITEMS];
    float v[4 * ITEMS];
    const uint32_t n = ARRAY_LEN(ordinal);
    for (uint32_t i = 0; i < n; i++) ordinal[i] = i;
    buffer_append(out, &set->n_events, sizeof set->n_events);
    for (uint32_t person = 0; person < PEOPLE; person++) {
        uint32_t k = profile_history(set, find(set, person), 64, h);
        buffer_append(out, h, k * sizeof *h);
    }
    for (uint32_t type = 1; type <= TYPES; type++) {
        profile_count_items(set, type, PROFILE_ALL, ordinal, n, now_ms, v, 1);
        buffer_append(out, v, sizeof v);
        for (uint32_t by = 0; by < BY; by++) {
            profile_count_values(set, type, PROFILE_ALL, by, ordinal, n, now_ms, v, 1);
            buffer_append(out, v, sizeof v);
        }
        for (uint32_t q = 0; q < QUERIES; q++) {
            profile_count_query(set, profile_find_query(set, profile_query_text(str_of(QUERY[q]), a)), type, PROFILE_ALL, ordinal, n, now_ms, v, 1);
            buffer_append(out, v, sizeof v);
        }
    }
}

static bool same(const buffer *a, const buffer *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Sets kept by readers while others are published do not change; a replay up to their sequence gives the same bits, whether it
 * publishes on its way or not. */
static void a_replay_up_to_a_sequence_gives_the_same_bits(void **state)
{
    (void)state;
    enum { KEPT = 25 };
    stream s = stream_new(77);
    config_collection schema = schema_of(HISTORY);
    epoch_domain *epochs = epoch_new(KEPT);
    profile_collection *p = profile_open(&schema, 1, epochs);
    const profile_set *kept[KEPT];
    buffer at[KEPT] = {0};
    const int64_t now = START_MS + 100 * DAY_MS;
    for (uint32_t k = 0; k < KEPT; k++) {
        uint32_t from = s.n;
        for (uint32_t i = 0; i < 50; i++) stream_step(&s);
        for (uint32_t i = from; i < s.n; i++) {
            profile_apply(p, s.record[i]);
            if (rng_below(&s.r, 5) == 0) profile_publish(p, s.record[i]->sequence);
        }
        kept[k] = profile_publish(p, s.record[s.n - 1]->sequence);
        epoch_enter(epochs, k);
        dump(kept[k], now, s.a, &at[k]);
    }
    for (uint32_t k = 0; k < KEPT; k++) {
        buffer again = {0}, replayed = {0};
        dump(kept[k], now, s.a, &again);
        assert_true(same(&at[k], &again));
        profile_collection *q = profile_open(&schema, 1, NULL);
        for (uint32_t i = 0; i < s.n && s.record[i]->sequence <= kept[k]->sequence; i++) {
            profile_apply(q, s.record[i]);
            if (k % 3 == 0 && i % 17 == 0) profile_publish(q, s.record[i]->sequence);
        }
        dump(profile_publish(q, kept[k]->sequence), now, s.a, &replayed);
        assert_true(same(&at[k], &replayed));
        if (k) assert_false(same(&at[k - 1], &replayed));
        profile_close(q);
        buffer_free(&again);
        buffer_free(&replayed);
    }
    for (uint32_t k = 0; k < KEPT; k++) {
        epoch_exit(epochs, k);
        buffer_free(&at[k]);
    }
    assert_int_equal(epoch_reclaim(epochs), 0);
    profile_close(p);
    epoch_free(epochs);
    stream_free(&s);
}

/* ---- threads ----------------------------------------------------------------------------------------------------------- */

typedef struct reading {
    profile_collection *p;
    epoch_domain *epochs;
    uint32_t slot;
    _Atomic bool *stop;
    uint64_t sets;
    bool wrong;
} reading;

/* Sets only ever grow, and a history is in order, however quickly they follow each other. */
static void read_on(void *arg)
{
    reading *r = arg;
    uint64_t events = 0, last = 0;
    while (!atomic_load(r->stop)) {
        profile_event h[HISTORY];
        float v[ITEMS];
        uint32_t ordinal[ITEMS];
        epoch_enter(r->epochs, r->slot);
        const profile_set *set = profile_current(r->p);
        r->wrong |= set->n_events < events || set->sequence < last;
        events = set->n_events;
        last = set->sequence;
        for (uint32_t i = 0; i < ITEMS; i++) ordinal[i] = i;
        for (uint32_t person = 0; person < PEOPLE; person++) {
            uint32_t n = profile_history(set, find(set, person), HISTORY, h);
            for (uint32_t i = 1; i < n; i++) r->wrong |= h[i].time_ms > h[i - 1].time_ms;
        }
        profile_count_items(set, 2, PROFILE_ALL, ordinal, ITEMS, START_MS, v, 1);
        profile_count_query(set, profile_find_query(set, STR("blue chair")), 2, PROFILE_ALL, ordinal, ITEMS, START_MS, v, 1);
        for (uint32_t i = 0; i < ITEMS; i++) r->wrong |= !(v[i] >= 0);
        epoch_exit(r->epochs, r->slot);
        r->sets++;
    }
}

static void sets_are_read_while_the_next_ones_are_built(void **state)
{
    (void)state;
    enum { READERS = 2 };
    stream s = stream_new(21);
    config_collection schema = schema_of(HISTORY);
    epoch_domain *epochs = epoch_new(READERS);
    profile_collection *p = profile_open(&schema, 1, epochs);
    _Atomic bool stop = false;
    reading r[READERS];
    pthread_t t[READERS];
    for (uint32_t i = 0; i < READERS; i++) {
        r[i] = (reading){.p = p, .epochs = epochs, .slot = i, .stop = &stop};
        assert_int_equal(thread_start(&t[i], "reader", read_on, &r[i], NULL), SINTER_OK);
    }
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t from = s.n;
        stream_step(&s);
        for (; from < s.n; from++) profile_apply(p, s.record[from]);
        if (i % 3 == 0) profile_publish(p, s.n ? s.record[s.n - 1]->sequence : 0);
    }
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(t[i], NULL);
        assert_false(r[i].wrong);
    }
    profile_close(p);
    epoch_free(epochs);
    stream_free(&s);
}

/* ---- single facts --------------------------------------------------------------------------------------------------------- */

typedef struct small {
    stream s;
    config_collection schema;
    profile_collection *p;
    uint32_t done;
} small;

static small small_new(uint32_t history)
{
    small x = {.s = stream_new(3), .schema = schema_of(history)};
    return x;
}

static const profile_set *small_set(small *x)
{
    if (!x->p) x->p = profile_open(&x->schema, 1, NULL);
    for (; x->done < x->s.n; x->done++) profile_apply(x->p, x->s.record[x->done]);
    return profile_publish(x->p, x->s.n);
}

static void small_free(small *x)
{
    profile_close(x->p);
    stream_free(&x->s);
}

static float click_count(const profile_set *set, uint32_t ordinal, int64_t now_ms)
{
    float v;
    profile_count_items(set, 2, PROFILE_ALL, &ordinal, 1, now_ms, &v, 1);
    return v;
}

static void an_event_on_an_unknown_item_counts_from_the_moment_the_item_exists(void **state)
{
    (void)state;
    small x = small_new(HISTORY);
    profile_event h[8];
    stream_event(&x.s, 0, 2, 1, START_MS, 0, &(uint32_t){5}, 1);
    const profile_set *set = small_set(&x);
    assert_int_equal(profile_history(set, find(set, 0), 8, h), 0);
    assert_true(click_count(set, 0, START_MS) == 0);
    stream_put(&x.s, 5);
    set = small_set(&x);
    assert_int_equal(profile_history(set, find(set, 0), 8, h), 1);
    assert_int_equal(h[0].item, 0);
    assert_true(click_count(set, 0, START_MS) == 1);
    stream_drop(&x.s, 5);
    set = small_set(&x);
    assert_int_equal(profile_history(set, find(set, 0), 8, h), 0);
    stream_event(&x.s, 0, 2, 1, START_MS, 0, &(uint32_t){5}, 1);
    stream_put(&x.s, 5); /* back, as ordinal 1 */
    set = small_set(&x);
    assert_int_equal(profile_history(set, find(set, 0), 8, h), 2);
    assert_int_equal(h[0].item, 1);
    assert_true(click_count(set, 1, START_MS) == 2);
    small_free(&x);
}

static void a_counter_halves_in_its_half_life_and_late_events_come_decayed(void **state)
{
    (void)state;
    small x = small_new(HISTORY);
    stream_put(&x.s, 0);
    stream_event(&x.s, 0, 2, 0, START_MS, 0, &(uint32_t){0}, 1);
    assert_true(click_count(small_set(&x), 0, START_MS + 10 * DAY_MS) == 0.5f);
    stream_event(&x.s, 0, 2, 0, START_MS - 10 * DAY_MS, 0, &(uint32_t){0}, 1);
    const profile_set *set = small_set(&x);
    assert_true(click_count(set, 0, START_MS) == 1.5f);
    assert_true(click_count(set, 0, START_MS - 300 * DAY_MS) == 1.5f); /* never more than at its newest event */
    stream_event(&x.s, 0, 2, 0, START_MS + 20 * DAY_MS, 0, &(uint32_t){0}, 1);
    assert_true(click_count(small_set(&x), 0, START_MS + 20 * DAY_MS) == 1.375f);
    small_free(&x);
}

static void a_session_is_a_person_only_without_a_user_and_never_another(void **state)
{
    (void)state;
    small x = small_new(HISTORY);
    profile_event h[8];
    stream_put(&x.s, 0);
    stream_event(&x.s, 2, 2, 0, START_MS, 0, &(uint32_t){0}, 1); /* session "u1" without a user */
    const profile_set *set = small_set(&x);
    assert_null(profile_find_person(set, STR("u1"), STR("")).user);
    assert_null(profile_find_person(set, STR("u9"), STR("u1")).user);
    assert_null(profile_find_person(set, STR(""), STR("")).session);
    assert_int_equal(profile_history(set, profile_find_person(set, STR(""), STR("u1")), 8, h), 1);
    char *long_id = xcalloc(1, 5000);
    memset(long_id, 'x', 4999);
    assert_null(profile_find_person(set, str_of(long_id), STR("")).user);
    free(long_id);
    small_free(&x);
}

static void without_histories_counters_still_count(void **state)
{
    (void)state;
    small x = small_new(0);
    profile_event h[8];
    stream_put(&x.s, 0);
    stream_event(&x.s, 0, 2, 0, START_MS, 0, &(uint32_t){0}, 1);
    const profile_set *set = small_set(&x);
    assert_int_equal(profile_history(set, find(set, 0), 8, h), 0);
    assert_true(click_count(set, 0, START_MS) == 1);
    small_free(&x);
}

static void types_are_added_while_sets_are_read(void **state)
{
    (void)state;
    small x = small_new(HISTORY);
    x.schema.n_events = 1;
    stream_put(&x.s, 0);
    stream_event(&x.s, 0, 2, 0, START_MS, 0, &(uint32_t){0}, 1); /* not a type yet: refused before it comes here */
    assert_true(click_count(small_set(&x), 0, START_MS) == 0);
    x.schema.n_events = 3;
    profile_add_types(x.p, &x.schema);
    stream_event(&x.s, 0, 2, 0, START_MS, 0, &(uint32_t){0}, 1);
    assert_true(click_count(small_set(&x), 0, START_MS) == 1);
    small_free(&x);
}

static void foreign_and_repeated_records_change_nothing(void **state)
{
    (void)state;
    small x = small_new(HISTORY);
    stream_put(&x.s, 0);
    stream_event(&x.s, 0, 2, 0, START_MS, 0, &(uint32_t){0}, 1);
    stream_event(&x.s, 0, 2, 0, START_MS, 0, &(uint32_t){0}, 1);
    x.s.record[2]->event_put->collection = 2;
    small_set(&x);
    assert_false(profile_apply(x.p, x.s.record[1]));
    assert_true(click_count(profile_publish(x.p, 9), 0, START_MS) == 1);
    record other;
    sinter__storage__v1__record__init(&other);
    other.sequence = 99;
    assert_false(profile_apply(x.p, &other));
    small_free(&x);
}

static void a_query_is_known_by_its_normal_text(void **state)
{
    (void)state;
    arena *a = arena_new(4096);
    static const struct {
        const char *in, *out;
    } CASES[] = {{"", ""},         {"  \t ", ""},       {" Blue\tCHAIR  x ", "blue chair x"}, {"É", "é"},
                 {"E\xcc\x81", "é"}, {"\xff\xfe", ""}, {"ｃｈａｉｒ", "chair"},           {"a\u2014b", "a-b"}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        str is = profile_query_text(str_of(CASES[i].in), a);
        assert_string_equal(is.s, CASES[i].out);
        assert_int_equal(is.n, strlen(CASES[i].out));
    }
    arena_free(a);
}

/* ---- speed ------------------------------------------------------------------------------------------------------------------ */

static void a_million_events_are_quick(void **state)
{
    (void)state;
#ifdef SINTER_SANITIZED
    enum { N = 20000 };
#else
    enum { N = 1000000 };
#endif
    config_collection schema = schema_of(100);
    profile_collection *p = profile_open(&schema, 1, NULL);
    rng r;
    rng_seed(&r, 1);
    char user[16], item[16], query[16];
    char *items[] = {item};
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Sinter__V1__Event e = SINTER__V1__EVENT__INIT;
    Sinter__Storage__V1__EventPut put = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    record rec;
    sinter__storage__v1__record__init(&rec);
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT;
    rec.event_put = &put;
    put.collection = 1;
    put.event = &e;
    e.type = (char *)(uintptr_t) "click";
    e.user_id = user;
    e.item_ids = items;
    e.n_item_ids = 1;
    e.query = query;
    e.time = &time;
    uint64_t t = clock_mono_ns();
    for (uint32_t i = 0; i < N; i++) {
        snprintf(user, sizeof user, "u%u", (unsigned)rng_below(&r, 20000));
        snprintf(item, sizeof item, "i%u", (unsigned)(rng_below(&r, 50000) * rng_uniform(&r)));
        snprintf(query, sizeof query, "q%u", (unsigned)(rng_below(&r, 5000) * rng_uniform(&r)));
        time.seconds = START_MS / 1000 + i;
        rec.sequence = i + 1;
        profile_apply(p, &rec);
    }
    t = clock_mono_ns() - t;
    const profile_set *set = profile_publish(p, N);
    uint64_t u = clock_mono_ns();
    for (uint32_t i = 0; i < 50; i++) {
        rec.sequence++;
        snprintf(user, sizeof user, "u%u", (unsigned)rng_below(&r, 20000));
        profile_apply(p, &rec);
    }
    set = profile_publish(p, N + 50);
    u = clock_mono_ns() - u;
    print_message("%d events: %.0f ns each, %.1f MB; 50 more and a publication: %.0f us\n", (int)N, (double)t / N,
                  (double)set->bytes / 1e6, (double)u / 1e3);
    profile_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_agree_with_a_naive_account),
        cmocka_unit_test(a_replay_up_to_a_sequence_gives_the_same_bits),
        cmocka_unit_test(sets_are_read_while_the_next_ones_are_built),
        cmocka_unit_test(an_event_on_an_unknown_item_counts_from_the_moment_the_item_exists),
        cmocka_unit_test(a_counter_halves_in_its_half_life_and_late_events_come_decayed),
        cmocka_unit_test(a_session_is_a_person_only_without_a_user_and_never_another),
        cmocka_unit_test(without_histories_counters_still_count),
        cmocka_unit_test(types_are_added_while_sets_are_read),
        cmocka_unit_test(foreign_and_repeated_records_change_nothing),
        cmocka_unit_test(a_query_is_known_by_its_normal_text),
        cmocka_unit_test(a_million_events_are_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
