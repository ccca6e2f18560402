/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Appending and reading back: ordinals, deduplication, fences, refusals, what another opening finds. */
#include "fixture.h"

#include <unistd.h>

static void what_is_appended_is_read_back(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    assert_string_equal(journal_acknowledgement(j), "on disk");
    uint32_t shop = must_collection(j, "shop");
    journal_result r = must_put(j, shop, "a", "Blue chair");
    assert_int_equal(r.applied, 1);
    assert_int_equal(journal_last_sequence(j), r.sequence);
    journal_reader *reader = must_reader(j);
    arena *a = arena_new(1024);
    record *rec;
    assert_int_equal(journal_get(reader, r.sequence, a, &rec, NULL), SINTER_OK);
    assert_string_equal(rec->item_put->item->id, "a");
    assert_string_equal(rec->item_put->item->fields[0]->value->string_value, "Blue chair");
    str bytes;
    assert_int_equal(journal_get_bytes(reader, r.sequence, &bytes, NULL), SINTER_OK);
    assert_int_equal(bytes.n, sinter__storage__v1__record__get_packed_size(rec));
    assert_int_equal(journal_get(reader, r.sequence + 1, a, &rec, NULL), SINTER_NOT_FOUND);
    arena_free(a);
    journal_reader_close(reader);
    journal_close(j);
    assert_int_equal(must_verify(dir).records, 2);
    folder_remove(dir);
}

static void an_upsert_keeps_its_ordinal_and_a_new_life_gets_a_new_one(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop"), other = must_collection(j, "other"), ordinal, ordinals, live;
    assert_int_equal(other, shop + 1);
    assert_int_equal(must_collection(j, "shop"), shop);
    must_put(j, shop, "a", "1");
    must_put(j, shop, "b", "1");
    must_put(j, other, "b", "1");
    uint64_t newest = must_put(j, shop, "a", "2").sequence, sequence;
    journal_reader *r = must_reader(j);
    assert_int_equal(journal_item(r, shop, STR("a"), &ordinal, &sequence, NULL), SINTER_OK);
    assert_int_equal(ordinal, 0);
    assert_int_equal(sequence, newest);
    assert_int_equal(journal_item(r, other, STR("b"), &ordinal, NULL, NULL), SINTER_OK);
    assert_int_equal(ordinal, 0);
    assert_int_equal(must_delete(j, shop, "a").applied, 1);
    assert_int_equal(must_delete(j, shop, "a").unknown, 1);
    assert_int_equal(journal_item(r, shop, STR("a"), NULL, NULL, NULL), SINTER_NOT_FOUND);
    assert_int_equal(journal_ordinal(r, shop, 0, &sequence, NULL), SINTER_NOT_FOUND);
    must_put(j, shop, "a", "3");
    assert_int_equal(journal_item(r, shop, STR("a"), &ordinal, NULL, NULL), SINTER_OK);
    assert_int_equal(ordinal, 2);
    assert_int_equal(journal_count(r, shop, &ordinals, &live, NULL), SINTER_OK);
    assert_int_equal(ordinals, 3);
    assert_int_equal(live, 2);
    journal_reader_close(r);
    journal_close(j);
    must_verify(dir);
    folder_remove(dir);
}

static void a_write_id_makes_a_retry_idempotent_for_ever(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    journal_result first, again;
    assert_int_equal(try_put(j, shop, "a", "1", (put_options){.write_id = "w1"}, &first), SINTER_OK);
    assert_false(first.repeated);
    must_put(j, shop, "b", "1");
    assert_int_equal(try_put(j, shop, "a", "other", (put_options){.write_id = "w1"}, &again), SINTER_OK);
    assert_true(again.repeated);
    assert_int_equal(again.sequence, first.sequence);
    journal_close(j);
    j = must_open(dir);
    assert_int_equal(try_put(j, shop, "a", "1", (put_options){.write_id = "w1"}, &again), SINTER_OK);
    assert_true(again.repeated);
    assert_int_equal(again.sequence, first.sequence);
    assert_int_equal(journal_last_sequence(j), first.sequence + 1);
    journal_reader *r = must_reader(j);
    arena *a = arena_new(1024);
    record *rec;
    assert_int_equal(journal_get(r, first.sequence, a, &rec, NULL), SINTER_OK);
    assert_string_equal(rec->write_id, "w1");
    arena_free(a);
    journal_reader_close(r);
    journal_close(j);
    must_verify(dir);
    folder_remove(dir);
}

static void a_fence_that_is_behind_is_a_conflict_and_stores_nothing(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    uint64_t last = must_put(j, shop, "a", "1").sequence;
    journal_result r;
    assert_int_equal(try_put(j, shop, "b", "1", (put_options){.fenced = true, .fence = last - 1}, &r), SINTER_CONFLICT);
    assert_int_equal(journal_last_sequence(j), last);
    assert_int_equal(try_put(j, shop, "b", "1", (put_options){.fenced = true, .fence = last}, &r), SINTER_OK);
    journal_close(j);
    folder_remove(dir);
}

static void a_bad_operation_is_refused_before_it_is_queued(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    str item = item_pack("a", "1");
    sinter_error e = SINTER_ERROR_INIT;
    const struct {
        journal_op op;
        sinter_status want;
    } BAD[] = {
        {{.kind = JOURNAL_PUT, .collection = shop, .id = STR("b"), .bytes = item}, SINTER_INVALID},
        {{.kind = JOURNAL_PUT, .collection = shop, .id = STR("a"), .bytes = {item.s, item.n - 1}}, SINTER_INVALID},
        {{.kind = JOURNAL_PUT, .collection = shop, .id = STR(""), .bytes = item}, SINTER_INVALID},
        {{.kind = JOURNAL_PUT, .collection = shop + 1, .id = STR("a"), .bytes = item}, SINTER_NOT_FOUND},
        {{.kind = JOURNAL_RECORD, .bytes = STR("")}, SINTER_INVALID},
        {{.kind = JOURNAL_RECORD, .bytes = STR("\x22\x00")}, SINTER_INVALID},
        {{.kind = (journal_op_kind)77, .bytes = item}, SINTER_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        journal_write w = {.op = &BAD[i].op, .n = 1, .fence = UINT64_MAX};
        assert_int_equal(journal_append_wait(j, &w, NULL, &e), BAD[i].want);
        assert_true(e.what[0]);
    }
    assert_int_equal(journal_last_sequence(j), 1);
    free((char *)(uintptr_t)item.s);
    journal_close(j);
    folder_remove(dir);
}

static void a_second_opener_is_refused_naming_the_process(void **state)
{
    (void)state;
    char *dir = folder_make(), pid[32];
    journal *j = must_open(dir), *second;
    sinter_error e = SINTER_ERROR_INIT;
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(journal_open(&(journal_options){.dir = dir}, &second, &e), SINTER_EXISTS);
    assert_null(second);
    assert_non_null(strstr(e.what, pid));
    assert_int_equal(journal_open(&(journal_options){.dir = dir, .read_only = true}, &second, &e), SINTER_PRECONDITION);
    journal_close(j);
    j = must_open(dir);
    journal_close(j);
    folder_remove(dir);
}

static void a_journal_of_another_kind_or_none_is_refused(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(journal_open(&(journal_options){.dir = dir, .read_only = true}, &j, &e), SINTER_NOT_FOUND);
    journal_close(must_open(dir));
    assert_int_equal(journal_open(&(journal_options){.dir = dir, .kind = JOURNAL_IMPRESSIONS}, &j, &e), SINTER_INVALID);
    folder_remove(dir);
}

typedef struct seen {
    uint64_t sequence[1000];
    uint32_t n, stop_at;
    journal_reader *reader;
} seen;

static bool see(void *ctx, const record *rec)
{
    seen *s = ctx;
    uint64_t sequence;
    s->sequence[s->n++] = rec->sequence;
    if (s->reader &&
        rec->body_case == SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT) /* a walk's function may use its reader */
        assert_int_equal(
            journal_item(s->reader, rec->item_put->collection, str_of(rec->item_put->item->id), NULL, &sequence, NULL),
            SINTER_OK);
    return s->n != s->stop_at;
}

static void a_tail_resumes_by_sequence_and_stops_where_told(void **state)
{
    (void)state;
    char *dir = folder_make(), id[16];
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    journal_op op[600];
    str item[600];
    for (int i = 0; i < 600; i++) {
        snprintf(id, sizeof id, "id-%d", i);
        item[i] = item_pack(id, "x");
        op[i] = (journal_op){.kind = JOURNAL_PUT, .collection = shop, .id = str_of(xstrdup(id)), .bytes = item[i]};
    }
    journal_write w = {.op = op, .n = 600, .fence = UINT64_MAX};
    journal_result result;
    assert_int_equal(journal_append_wait(j, &w, &result, NULL), SINTER_OK);
    assert_int_equal(result.applied, 600);
    for (int i = 0; i < 600; i++) {
        free((char *)(uintptr_t)op[i].id.s);
        free((char *)(uintptr_t)item[i].s);
    }
    journal_reader *r = must_reader(j);
    seen s = {.reader = r};
    uint64_t last;
    assert_int_equal(journal_tail(r, 0, 1000, see, &s, &last, NULL), SINTER_OK);
    assert_int_equal(s.n, 601);
    assert_int_equal(last, 601);
    for (uint32_t i = 0; i < s.n; i++)
        assert_int_equal(s.sequence[i], i + 1);
    s = (seen){.reader = r};
    assert_int_equal(journal_tail(r, 300, 7, see, &s, &last, NULL), SINTER_OK);
    assert_int_equal(s.n, 7);
    assert_int_equal(last, 307);
    s = (seen){.stop_at = 3};
    assert_int_equal(journal_tail(r, 500, 1000, see, &s, &last, NULL), SINTER_OK);
    assert_int_equal(last, 503);
    s = (seen){0};
    assert_int_equal(journal_tail(r, 601, 1000, see, &s, &last, NULL), SINTER_OK);
    assert_int_equal(s.n, 0);
    uint32_t next;
    must_delete(j, shop, "id-9");
    s = (seen){0};
    assert_int_equal(journal_items(r, shop, 5, 10, see, &s, &next, NULL), SINTER_OK);
    assert_int_equal(s.n, 10);
    assert_int_equal(next, 16);
    assert_int_equal(journal_items(r, shop, next, 10000, see, &s, &next, NULL), SINTER_OK);
    assert_int_equal(s.n, 594);
    assert_int_equal(next, UINT32_MAX);
    journal_reader_close(r);
    journal_close(j);
    must_verify(dir);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_read_back),
        cmocka_unit_test(an_upsert_keeps_its_ordinal_and_a_new_life_gets_a_new_one),
        cmocka_unit_test(a_write_id_makes_a_retry_idempotent_for_ever),
        cmocka_unit_test(a_fence_that_is_behind_is_a_conflict_and_stores_nothing),
        cmocka_unit_test(a_bad_operation_is_refused_before_it_is_queued),
        cmocka_unit_test(a_second_opener_is_refused_naming_the_process),
        cmocka_unit_test(a_journal_of_another_kind_or_none_is_refused),
        cmocka_unit_test(a_tail_resumes_by_sequence_and_stops_where_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
