/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events: each id once in its collection and for ever, also within a write; the index of ids is verified; a journal
 * of a time before events is still read. */
#include "fixture.h"

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

enum { OPS_MOST = 8 };

/* One write of events named by their ids. */
static sinter_status try_events(journal *j, uint32_t collection, const char *write_id, const char *const *ids, uint32_t n,
                                journal_result *r)
{
    journal_op op[OPS_MOST];
    sinter_error e = SINTER_ERROR_INIT;
    for (uint32_t i = 0; i < n; i++)
        op[i] = (journal_op){.kind = JOURNAL_EVENT,
                             .collection = collection,
                             .id = str_of(ids[i]),
                             .bytes = event_pack(collection, ids[i], "a")};
    sinter_status s =
        journal_append_wait(j, &(journal_write){.write_id = str_of(write_id), .op = op, .n = n, .fence = UINT64_MAX}, r, &e);
    for (uint32_t i = 0; i < n; i++)
        free((char *)(uintptr_t)op[i].bytes.s);
    return s;
}

static journal_result events(journal *j, uint32_t collection, const char *const *ids, uint32_t n)
{
    journal_result r;
    assert_int_equal(try_events(j, collection, "", ids, n, &r), SINTER_OK);
    return r;
}
#define EVENTS(j, c, ...) events(j, c, (const char *const[]){__VA_ARGS__}, (uint32_t)ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static void an_event_counts_once_for_ever(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop"), other = must_collection(j, "other");
    journal_result r = EVENTS(j, shop, "e1", "e2", "e1", "e3");
    assert_true(r.applied == 3 && r.repeated_events == 1 && r.sequence == 5);
    r = EVENTS(j, shop, "e2");
    assert_true(r.applied == 0 && r.repeated_events == 1 && r.sequence == 5);
    r = EVENTS(j, other, "e2", "e9"); /* ids are of a collection */
    assert_true(r.applied == 2 && r.repeated_events == 0);
    must_put(j, shop, "e1", "an item may be called like an event");
    journal_reader *reader = must_reader(j);
    arena *a = arena_new(1024);
    record *rec;
    assert_int_equal(journal_get(reader, 4, a, &rec, NULL), SINTER_OK);
    assert_int_equal(rec->body_case, SINTER__STORAGE__V1__RECORD__BODY_EVENT_PUT);
    assert_string_equal(rec->event_put->event->event_id, "e2");
    assert_string_equal(rec->event_put->event->item_ids[0], "a");
    assert_int_equal(rec->event_put->collection, shop);
    arena_free(a);
    journal_reader_close(reader);
    journal_close(j);
    assert_int_equal(must_verify(dir).records, 2 + 3 + 2 + 1);
    j = must_open(dir);
    r = EVENTS(j, shop, "e3", "e4");
    assert_true(r.applied == 1 && r.repeated_events == 1);
    journal_close(j);
    must_verify(dir);
    folder_remove(dir);
}

static void a_repeated_write_is_answered_as_then(void **state)
{
    (void)state;
    static const char *const IDS[] = {"e1", "e2", "e2"};
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    journal_result first, again;
    assert_int_equal(try_events(j, shop, "w", IDS, 3, &first), SINTER_OK);
    assert_int_equal(try_events(j, shop, "w", IDS, 3, &again), SINTER_OK);
    assert_true(again.repeated && !first.repeated);
    assert_true(again.applied == 2 && again.repeated_events == 1 && again.sequence == first.sequence);
    journal_close(j);
    folder_remove(dir);
}

static void what_is_no_event_is_refused_before_it_is_queued(void **state)
{
    (void)state;
    char *dir = folder_make(), *impressions = folder_make(), long_id[300];
    journal *j = must_open(dir), *wrong = must_open_kind(impressions, JOURNAL_IMPRESSIONS);
    uint32_t shop = must_collection(j, "shop");
    str good = event_pack(shop, "e1", "a");
    memset(long_id, 'x', sizeof long_id);
    buffer twice = {0};
    buffer_append(&twice, good.s, good.n);
    buffer_append(&twice, good.s, good.n);
    const struct {
        journal *j;
        journal_op op;
        sinter_status status;
    } CASES[] = {
        {j, {.kind = JOURNAL_EVENT, .collection = shop, .id = STR("e2"), .bytes = good}, SINTER_INVALID},
        {j, {.kind = JOURNAL_EVENT, .collection = shop + 1, .id = STR("e1"), .bytes = good}, SINTER_INVALID},
        {j, {.kind = JOURNAL_EVENT, .collection = shop, .id = STR(""), .bytes = good}, SINTER_INVALID},
        {j, {.kind = JOURNAL_EVENT, .collection = shop, .id = {long_id, sizeof long_id}, .bytes = good}, SINTER_INVALID},
        {j, {.kind = JOURNAL_EVENT, .collection = shop, .id = STR("e1"), .bytes = {good.s, good.n - 1}}, SINTER_INVALID},
        {j, {.kind = JOURNAL_EVENT, .collection = shop, .id = STR("e1"), .bytes = STR("")}, SINTER_INVALID},
        {j, {.kind = JOURNAL_EVENT, .collection = shop, .id = STR("e1"), .bytes = {twice.data, twice.len}}, SINTER_INVALID},
        {wrong, {.kind = JOURNAL_EVENT, .collection = shop, .id = STR("e1"), .bytes = good}, SINTER_INVALID},
        {j, {.kind = JOURNAL_RECORD, .collection = 0, .id = STR(""), .bytes = STR("\x5a\x00")}, SINTER_INVALID}, /* an event that would not be remembered */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        sinter_error e = SINTER_ERROR_INIT;
        journal_write w = {.op = &CASES[i].op, .n = 1, .fence = UINT64_MAX};
        if (journal_append_wait(CASES[i].j, &w, NULL, &e) != CASES[i].status) fail_msg("case %zu: %s", i, e.what);
        assert_string_equal(e.where, "op[0]");
    }
    str stranger = event_pack(7, "e1", "a");
    journal_op op = {.kind = JOURNAL_EVENT, .collection = 7, .id = STR("e1"), .bytes = stranger};
    assert_int_equal(journal_append_wait(j, &(journal_write){.op = &op, .n = 1, .fence = UINT64_MAX}, NULL, NULL),
                     SINTER_NOT_FOUND);
    assert_int_equal(journal_last_sequence(j), 1);
    free((char *)(uintptr_t)good.s);
    free((char *)(uintptr_t)stranger.s);
    buffer_free(&twice);
    journal_close(j);
    journal_close(wrong);
    folder_remove(dir);
    folder_remove(impressions);
}

/* ---- the index of ids ---------------------------------------------------------------------------------------- */

/* Changes the table of event ids behind the journal's back: NULL takes the whole table away. */
static void tamper(const char *dir, const char *id, uint64_t sequence)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    unsigned char key[64] = {0, 0, 0, 1};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 10), 0);
    assert_int_equal(mdb_env_open(env, dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "events", 0, &dbi), 0);
    if (id) {
        memcpy(key + 4, id, strlen(id));
        MDB_val k = {4 + strlen(id), key}, v = {sizeof sequence, &sequence};
        assert_int_equal(sequence ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, NULL), 0);
    } else
        assert_int_equal(mdb_drop(txn, dbi, 1), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void verify_compares_ids_with_records(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        uint64_t sequence;
        uint64_t bad;
    } CASES[] = {
        {"e2", 0, 3}, {"e2", 2, 3}, {"e2", 1, 3}, {"e2", 99, 3}, {"phantom", 2, 2}, {"phantom", 1, 1}, {"phantom", 50, 50},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *dir = folder_make();
        journal *j = must_open(dir);
        EVENTS(j, must_collection(j, "shop"), "e1", "e2", "e3");
        journal_close(j);
        must_verify(dir);
        tamper(dir, CASES[i].id, CASES[i].sequence);
        journal_verdict v;
        sinter_error e = SINTER_ERROR_INIT;
        assert_int_equal(journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, &e), SINTER_DATA_LOSS);
        if (v.first_bad != CASES[i].bad || !strstr(e.what, "'events'"))
            fail_msg("case %zu: record %u: %s", i, (unsigned)v.first_bad, e.what);
        folder_remove(dir);
    }
}

static void a_journal_from_before_events_is_read_and_grows_the_table(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    must_put(j, shop, "a", "1");
    journal_close(j);
    tamper(dir, NULL, 0);
    assert_int_equal(must_verify(dir).records, 2);
    assert_int_equal(journal_open(&(journal_options){.dir = dir, .read_only = true}, &j, NULL), SINTER_OK);
    journal_close(j);
    j = must_open(dir);
    journal_result r = EVENTS(j, shop, "e1", "e1");
    assert_true(r.applied == 1 && r.repeated_events == 1);
    journal_close(j);
    must_verify(dir);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_counts_once_for_ever),
        cmocka_unit_test(a_repeated_write_is_answered_as_then),
        cmocka_unit_test(what_is_no_event_is_refused_before_it_is_queued),
        cmocka_unit_test(verify_compares_ids_with_records),
        cmocka_unit_test(a_journal_from_before_events_is_read_and_grows_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
