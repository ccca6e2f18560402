/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Erased records keep their sequences and nothing else; a compacted file holds no byte of them, and nobody noticed it being
 * written: not who reads, not who writes, not who sends an erased event again. */
#include "fixture.h"

#include <unistd.h>

#define SECRET "Ariadne-7f3a"

static str user_event(uint32_t collection, const char *id, const char *user, const char *item)
{
    char *items[] = {(char *)(uintptr_t)item};
    Sinter__V1__Event event = SINTER__V1__EVENT__INIT;
    event.event_id = (char *)(uintptr_t)id;
    event.collection = event.type = (char *)(uintptr_t) "click";
    event.user_id = (char *)(uintptr_t)user;
    event.item_ids = items;
    event.n_item_ids = 1;
    Sinter__Storage__V1__EventPut put = SINTER__STORAGE__V1__EVENT_PUT__INIT;
    put.collection = collection;
    put.event = &event;
    char *p = xmalloc(sinter__storage__v1__event_put__get_packed_size(&put));
    return (str){p, sinter__storage__v1__event_put__pack(&put, (uint8_t *)p)};
}

/* How often the journal's file holds `needle`. */
static uint32_t occurrences(const char *dir, const char *needle)
{
    char *path = xasprintf("%s/data.mdb", dir);
    buffer b = {0};
    assert_int_equal(file_read(path, (size_t)1 << 30, &b, NULL), SINTER_OK);
    uint32_t n = 0;
    for (const char *p = b.data; (p = memmem(p, (size_t)(b.data + b.len - p), needle, strlen(needle))); p++) n++;
    buffer_free(&b);
    free(path);
    return n;
}

static journal_result record_event(journal *j, uint32_t shop, const char *id, const char *user, const char *item)
{
    str bytes = user_event(shop, id, user, item);
    journal_op op = {.kind = JOURNAL_EVENT, .collection = shop, .id = str_of(id), .bytes = bytes};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    assert_int_equal(journal_append_wait(j, &w, &r, NULL), SINTER_OK);
    free((char *)(uintptr_t)bytes.s);
    return r;
}

static uint64_t put_user(journal *j, const char *user, const char *write_id, bool *repeated)
{
    Sinter__Storage__V1__UserPut put = SINTER__STORAGE__V1__USER_PUT__INIT;
    put.user_id = (char *)(uintptr_t)user;
    record rec;
    sinter__storage__v1__record__init(&rec);
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_USER_PUT;
    rec.user_put = &put;
    uint8_t bytes[600];
    journal_op op = {.kind = JOURNAL_RECORD, .bytes = {(char *)bytes, sinter__storage__v1__record__pack(&rec, bytes)}};
    journal_write w = {.write_id = str_of(write_id), .op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    assert_int_equal(journal_append_wait(j, &w, &r, NULL), SINTER_OK);
    *repeated = r.repeated;
    return r.sequence;
}

static void verify(const char *dir)
{
    sinter_error e = SINTER_ERROR_INIT;
    journal_verdict v;
    if (journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e)) fail_msg("verify: %s", e.what);
}

/* Events of many, of whom the one with the secret name did every third. */
static uint64_t *fill(journal *j, uint32_t shop, uint32_t n, uint64_t *n_secret)
{
    uint64_t *secret = xmalloc(n * sizeof *secret);
    *n_secret = 0;
    for (uint32_t i = 0; i < n; i++) {
        char id[64], item[32];
        snprintf(id, sizeof id, i % 3 ? "event-%u" : "event-" SECRET "-%u", i);
        snprintf(item, sizeof item, "item-%u", i % 17);
        journal_result r = record_event(j, shop, id, i % 3 ? "somebody" : SECRET, item);
        if (i % 3 == 0) secret[(*n_secret)++] = r.sequence;
    }
    return secret;
}

static void what_was_erased_is_in_no_byte_of_the_file(void **state)
{
    (void)state;
    enum { N = 600 };
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    uint64_t n, last;
    bool repeated;
    uint64_t *secret = fill(j, shop, N, &n), user = put_user(j, SECRET, "put/" SECRET, &repeated);
    sinter_error e = SINTER_ERROR_INIT;
    assert_false(repeated);
    secret = xrealloc(secret, (n + 1) * sizeof *secret);
    secret[n++] = user;
    last = journal_last_sequence(j);
    assert_true(occurrences(dir, SECRET) > N / 3);
    if (journal_erase(j, secret, n, &e)) fail_msg("%s", e.what);
    assert_true(occurrences(dir, SECRET) > 0); /* LMDB leaves old pages as they were: compaction it must be */
    if (journal_compact(j, NULL, NULL, &e)) fail_msg("%s", e.what);
    assert_int_equal(occurrences(dir, SECRET), 0);
    assert_true(occurrences(dir, "somebody") >= N / 3);
    assert_int_equal(journal_last_sequence(j), last);
    journal_reader *r;
    arena *a = arena_new(4096);
    record *rec;
    assert_int_equal(journal_reader_open(j, &r, &e), SINTER_OK);
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(journal_get(r, secret[i], a, &rec, &e), SINTER_OK);
        assert_int_equal(rec->body_case, SINTER__STORAGE__V1__RECORD__BODY__NOT_SET);
        assert_true(rec->time_ms > 0);
        assert_string_equal(rec->write_id, "");
    }
    journal_reader_close(r);
    /* Sent again, from a phone that was offline: known, and nothing is stored. Erased again: nothing changes. */
    assert_int_equal(record_event(j, shop, "event-" SECRET "-0", SECRET, "item-0").repeated_events, 1);
    assert_int_equal(put_user(j, SECRET, "put/" SECRET, &repeated), user);
    assert_true(repeated);
    assert_int_equal(journal_erase(j, secret, n, &e), SINTER_OK);
    assert_int_equal(journal_last_sequence(j), last);
    journal_close(j);
    verify(dir);
    assert_int_equal(occurrences(dir, SECRET), 0);
    j = must_open(dir);
    assert_int_equal(record_event(j, shop, "event-" SECRET "-3", SECRET, "item-0").repeated_events, 1);
    assert_int_equal(record_event(j, shop, "event-1", "x", "item-0").repeated_events, 1);
    assert_int_equal(record_event(j, shop, "event-new", "x", "item-0").applied, 1);
    journal_close(j);
    verify(dir);
    arena_free(a);
    free(secret);
    folder_remove(dir);
}

static void items_and_deployments_are_never_erased(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    str bytes = item_pack("1", "one");
    journal_op op = {.kind = JOURNAL_PUT, .collection = shop, .id = STR("1"), .bytes = bytes};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result put;
    assert_int_equal(journal_append_wait(j, &w, &put, NULL), SINTER_OK);
    uint64_t all[] = {1, put.sequence, 99};
    assert_int_equal(journal_erase(j, all, 3, NULL), SINTER_OK);
    journal_close(j);
    verify(dir);
    free((char *)(uintptr_t)bytes.s);
    folder_remove(dir);
}

/* ---- amid traffic ---------------------------------------------------------------------------------------------------------- */

typedef struct traffic {
    journal *j;
    uint32_t shop, number;
    _Atomic bool *stop;
    uint32_t done;
    bool wrong;
} traffic;

static void write_on(void *arg)
{
    traffic *t = arg;
    for (uint32_t i = 0; !atomic_load(t->stop); i++) {
        char id[32];
        snprintf(id, sizeof id, "w%u-%u", t->number, i % 40);
        str bytes = item_pack(id, "a title");
        journal_op op = {.kind = i % 7 == 6 ? JOURNAL_DELETE : JOURNAL_PUT, .collection = t->shop, .id = str_of(id), .bytes = bytes};
        journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
        journal_result r;
        t->wrong |= journal_append_wait(t->j, &w, &r, NULL) != SINTER_OK;
        free((char *)(uintptr_t)bytes.s);
        t->done++;
    }
}

static bool count(void *ctx, const record *rec)
{
    *(uint64_t *)ctx = rec->sequence;
    return true;
}

/* Sequences are without holes here: a reader that lost some would see it. */
static void read_on(void *arg)
{
    traffic *t = arg;
    journal_reader *r;
    arena *a = arena_new(4096);
    t->wrong |= journal_reader_open(t->j, &r, NULL) != SINTER_OK;
    uint64_t seen = 0, last = 0;
    while (!atomic_load(t->stop)) {
        record *rec;
        uint64_t from = seen;
        t->wrong |= journal_tail(r, seen, 300, count, &seen, &last, NULL) != SINTER_OK || (seen > from && last != seen);
        t->wrong |= journal_get(r, 1 + seen / 2, a, &rec, NULL) != SINTER_OK || rec->sequence != 1 + seen / 2;
        arena_reset(a);
        t->done++;
        if (seen + 100 > journal_last_sequence(t->j)) seen = 0;
    }
    journal_reader_close(r);
    arena_free(a);
}

/* Asked before each piece: between two of them others write. */
static bool slowly(void *ctx)
{
    (void)ctx;
    usleep(20000);
    return false;
}

static void nobody_notices_a_compaction(void **state)
{
    (void)state;
    enum { WRITERS = 2, READERS = 2, ALL = WRITERS + READERS, TIMES = 6 };
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    uint64_t n;
    uint64_t *secret = fill(j, shop, 300, &n);
    _Atomic bool stop = false;
    traffic t[ALL];
    pthread_t thread[ALL];
    for (uint32_t i = 0; i < ALL; i++) {
        t[i] = (traffic){.j = j, .shop = shop, .number = i, .stop = &stop};
        assert_int_equal(thread_start(&thread[i], "traffic", i < WRITERS ? write_on : read_on, &t[i], NULL), SINTER_OK);
    }
    sinter_error e = SINTER_ERROR_INIT;
    for (uint32_t i = 0; i < TIMES; i++) {
        if (journal_erase(j, secret + n * i / TIMES, n * (i + 1) / TIMES - n * i / TIMES, &e)) fail_msg("%s", e.what);
        if (journal_compact(j, slowly, NULL, &e)) fail_msg("%s", e.what);
    }
    assert_int_equal(occurrences(dir, SECRET), 0);
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < ALL; i++) {
        pthread_join(thread[i], NULL);
        assert_false(t[i].wrong);
        assert_true(t[i].done > 10);
    }
    uint64_t last = journal_last_sequence(j);
    journal_close(j);
    verify(dir);
    j = must_open(dir);
    assert_int_equal(journal_last_sequence(j), last);
    journal_close(j);
    free(secret);
    folder_remove(dir);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_compaction_that_stops_leaves_the_journal_as_it_was(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    uint64_t n;
    uint64_t *secret = fill(j, shop, 60, &n);
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(journal_compact(j, at_once, NULL, &e), SINTER_UNAVAILABLE);
    assert_int_equal(record_event(j, shop, "after", "x", "item-0").applied, 1);
    journal_close(j);
    verify(dir);
    /* What a crash left is removed at the next start. */
    char *left = xasprintf("%s/compact", dir), *file = xasprintf("%s/data.mdb", left);
    assert_int_equal(dir_make(left, NULL), SINTER_OK);
    assert_int_equal(file_write_atomic(file, SECRET, strlen(SECRET), NULL), SINTER_OK);
    j = must_open(dir);
    buffer b = {0};
    assert_int_equal(file_read(file, 100, &b, NULL), SINTER_NOT_FOUND);
    journal_close(j);
    free(left);
    free(file);
    free(secret);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_erased_is_in_no_byte_of_the_file),
        cmocka_unit_test(items_and_deployments_are_never_erased),
        cmocka_unit_test(nobody_notices_a_compaction),
        cmocka_unit_test(a_compaction_that_stops_leaves_the_journal_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
