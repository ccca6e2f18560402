/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles on disk: what is read back gives the same bits, also of all that comes later; what is broken or of other settings is
 * not used. */
#include "stream.h"

#include <unistd.h>

static const char UUID[] = "3f0c9a52-0000-4000-8000-000000000000";

static void profile_answers(const profile_set *set, int64_t now_ms, arena *a, buffer *out)
{
    profile_event h[64];
    uint32_t ordinal[4 * ITEMS];
    float v[4 * ITEMS];
    char user[32], session[32];
    const uint32_t n = ARRAY_LEN(ordinal);
    for (uint32_t i = 0; i < n; i++) ordinal[i] = i;
    buffer_append(out, &set->n_events, sizeof set->n_events);
    for (uint32_t person = 0; person < PEOPLE; person++) {
        str u = person_user(person, user);
        profile_who who = profile_find_person(set, u, person_session(person, session));
        uint32_t k = profile_history(set, who, 64, h);
        buffer_append(out, h, k * sizeof *h);
        profile_session x = profile_session_of(set, who, now_ms);
        buffer_append(out, &x.n, sizeof x.n);
        buffer_append(out, &x.query, sizeof x.query);
        str kept = profile_attributes(who);
        buffer_append(out, kept.s, kept.n);
    }
    for (uint32_t type = 1; type <= TYPES; type++)
        for (profile_span span = PROFILE_ALL; span <= PROFILE_MONTH; span++) {
            profile_count_items(set, type, span, ordinal, n, now_ms, v, 1);
            buffer_append(out, v, sizeof v);
            for (uint32_t by = 0; by < BY; by++) {
                profile_count_values(set, type, span, by, ordinal, n, now_ms, v, 1);
                buffer_append(out, v, sizeof v);
            }
            for (uint32_t q = 0; q < QUERIES; q++) {
                profile_count_query(set, profile_find_query(set, profile_query_text(str_of(QUERY[q]), a)), type, span, ordinal, n, now_ms, v, 1);
                buffer_append(out, v, sizeof v);
            }
            profile_rate r = {.event = type, .by = UINT32_MAX, .span = span};
            profile_rates(set, &r, ordinal, n, now_ms, v, 1);
            buffer_append(out, v, sizeof v);
        }
}

static config_collection settings(void)
{
    config_collection c = schema_of(HISTORY);
    c.rates = true;
    c.rates_strength = 5;
    c.rates_toward = 0;
    c.rates_examination = 0.5;
    c.session_timeout_ns = 1800000000000ull;
    return c;
}

/* Beside the stream's events: an answer, and attributes. */
static void apply_more(profile_collection *p, arena *a, rng *r, uint64_t shown, uint64_t sequence, int64_t time_ms)
{
    record rec;
    Sinter__Storage__V1__Answered an;
    Sinter__Storage__V1__Shown *x = ARENA_NEW(a, Sinter__Storage__V1__Shown), *list[] = {x};
    sinter__storage__v1__record__init(&rec);
    sinter__storage__v1__answered__init(&an);
    sinter__storage__v1__shown__init(x);
    x->item = (uint32_t)rng_below(r, ITEMS);
    x->position = 1 + (uint32_t)rng_below(r, 9);
    an.collection = 1;
    an.time_ms = rec.time_ms = time_ms;
    an.shown = list;
    an.n_shown = 1;
    rec.sequence = shown;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ANSWERED;
    rec.answered = &an;
    profile_apply_shown(p, &rec);
    char user[32];
    Sinter__Storage__V1__UserPut put;
    Sinter__Storage__V1__UserPut__AttributesEntry entry, *entries[] = {&entry};
    Sinter__V1__Value value;
    sinter__storage__v1__user_put__init(&put);
    sinter__storage__v1__user_put__attributes_entry__init(&entry);
    sinter__v1__value__init(&value);
    str u = person_user((uint32_t)rng_below(r, PEOPLE), user);
    if (!u.n) return;
    put.user_id = arena_strndup(a, u.s, u.n);
    put.attributes = entries;
    put.n_attributes = 1;
    entry.key = arena_printf(a, "k%u", (unsigned)rng_below(r, 4));
    entry.value = &value;
    value.kind_case = SINTER__V1__VALUE__KIND_INTEGER_VALUE;
    value.integer_value = (int64_t)rng_below(r, 1000);
    rec.sequence = sequence;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_USER_PUT;
    rec.user_put = &put;
    profile_apply(p, &rec);
}

typedef struct journal_is {
    uint64_t applied, sum;
} journal_is;

static bool is(void *ctx, uint64_t applied, uint64_t sum)
{
    const journal_is *j = ctx;
    return j->applied == applied && j->sum == sum;
}

static char *file_new(void)
{
    char path[] = "/tmp/sinter-profile-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return xasprintf("%s", path);
}

static bool same(const buffer *a, const buffer *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void read_back_it_is_the_same_for_ever(void **state)
{
    (void)state;
    char *path = file_new();
    for (uint64_t seed = 1; seed <= 4; seed++) {
        stream s = stream_new(seed), more = stream_new(seed + 100);
        config_collection schema = settings();
        profile_collection *p = profile_open(&schema, 1, NULL), *q = profile_open(&schema, 1, NULL);
        const int64_t now = START_MS + 20 * DAY_MS;
        for (uint32_t i = 0; i < 1500; i++) {
            uint32_t from = s.n;
            stream_step(&s);
            for (; from < s.n; from++) {
                s.record[from]->sequence = 2 * from + 1;
                profile_apply(p, s.record[from]);
                apply_more(p, s.a, &more.r, from + 1, 2 * from + 2, START_MS + from * 60000);
            }
        }
        const uint64_t at = 2 * (uint64_t)s.n;
        const profile_set *set = profile_publish(p, at);
        buffer before = {0}, after = {0};
        profile_answers(set, now, s.a, &before);
        sinter_error e = SINTER_ERROR_INIT;
        journal_is j = {at, 77};
        if (profile_save(profile_saving_begin(p, UUID, at, 77), path, NULL, NULL, &e)) fail_msg("%s", e.what);
        if (profile_load(q, path, UUID, is, &j, &e)) fail_msg("%s", e.what);
        assert_int_equal(profile_applied(q), at);
        assert_int_equal(profile_shown_applied(q), s.n);
        profile_answers(profile_current(q), now, s.a, &after);
        assert_true(same(&before, &after));
        for (uint32_t i = 0; i < 800; i++) { /* and so it goes on */
            uint32_t from = s.n;
            stream_step(&s);
            for (; from < s.n; from++) {
                s.record[from]->sequence = 2 * from + 1;
                profile_apply(p, s.record[from]);
                profile_apply(q, s.record[from]);
            }
        }
        buffer_clear(&before);
        buffer_clear(&after);
        profile_answers(profile_publish(p, 2 * s.n), now, s.a, &before);
        profile_answers(profile_publish(q, 2 * s.n), now, s.a, &after);
        assert_true(same(&before, &after));
        buffer_free(&before);
        buffer_free(&after);
        profile_close(p);
        profile_close(q);
        stream_free(&s);
        stream_free(&more);
    }
    unlink(path);
    free(path);
}

static sinter_status try_load(const config_collection *schema, uint32_t number, const char *path, const char *uuid, journal_is j)
{
    profile_collection *q = profile_open(schema, number, NULL);
    sinter_status st = profile_load(q, path, uuid, is, &j, NULL);
    profile_close(q);
    return st;
}

static void what_is_broken_or_of_other_settings_is_not_used(void **state)
{
    (void)state;
    char *path = file_new();
    stream s = stream_new(5);
    config_collection schema = settings(), other = settings();
    profile_collection *p = profile_open(&schema, 1, NULL);
    for (uint32_t i = 0; i < 600; i++) stream_step(&s);
    for (uint32_t i = 0; i < s.n; i++) profile_apply(p, s.record[i]);
    profile_publish(p, 9000);
    const journal_is j = {9000, 5};
    assert_int_equal(profile_save(profile_saving_begin(p, UUID, 9000, 5), path, NULL, NULL, NULL), SINTER_OK);
    assert_int_equal(try_load(&schema, 1, path, UUID, j), SINTER_OK);
    assert_int_equal(try_load(&schema, 2, path, UUID, j), SINTER_DATA_LOSS);
    assert_int_equal(try_load(&schema, 1, path, "another", j), SINTER_DATA_LOSS);
    assert_int_equal(try_load(&schema, 1, path, UUID, (journal_is){9000, 6}), SINTER_DATA_LOSS);
    other.history++;
    assert_int_equal(try_load(&other, 1, path, UUID, j), SINTER_DATA_LOSS);
    other = settings();
    other.n_events--;
    assert_int_equal(try_load(&other, 1, path, UUID, j), SINTER_DATA_LOSS);
    other = settings();
    other.n_counter_by = 1;
    assert_int_equal(try_load(&other, 1, path, UUID, j), SINTER_DATA_LOSS);
    buffer whole = {0};
    assert_int_equal(file_read(path, 1 << 26, &whole, NULL), SINTER_OK);
    for (size_t i = 0; i < 400; i++) { /* a bit anywhere, an end anywhere */
        rng r;
        rng_seed(&r, i);
        size_t at = (size_t)rng_below(&r, whole.len);
        char was = whole.data[at];
        if (i % 2) whole.data[at] = (char)(was ^ (1 << rng_below(&r, 8)));
        assert_int_equal(file_write_atomic(path, whole.data, i % 2 ? whole.len : at, NULL), SINTER_OK);
        assert_int_equal(try_load(&schema, 1, path, UUID, j), SINTER_DATA_LOSS);
        whole.data[at] = was;
    }
    unlink(path);
    assert_int_equal(try_load(&schema, 1, path, UUID, j), SINTER_NOT_FOUND);
    buffer_free(&whole);
    profile_close(p);
    stream_free(&s);
    free(path);
}

static bool unwanted(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_file_that_is_no_longer_wanted_is_not_left(void **state)
{
    (void)state;
    char *path = file_new(), *fresh = xasprintf("%s.new", path);
    unlink(path);
    config_collection schema = settings();
    profile_collection *p = profile_open(&schema, 1, NULL);
    assert_int_equal(profile_save(profile_saving_begin(p, UUID, 0, 0), path, unwanted, NULL, NULL), SINTER_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(fresh, F_OK), 0);
    profile_close(p);
    free(path);
    free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_back_it_is_the_same_for_ever),
        cmocka_unit_test(what_is_broken_or_of_other_settings_is_not_used),
        cmocka_unit_test(a_file_that_is_no_longer_wanted_is_not_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
