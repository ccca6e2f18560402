/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes: what becomes of an item is decided on the writer thread, seeing what stands before it in the log. */
#include "fixture.h"

typedef struct script {
    journal_verb verb;
    const char *expect; /* title before; NULL: there must be no such item */
    const char *title;  /* to put */
    const char *id;
    sinter_status status;
    int calls;
} script;

static journal_verb play(void *ctx, journal_change *c)
{
    script *s = ctx;
    s->calls++;
    if (s->expect) {
        assert_non_null(c->before);
        assert_string_equal(c->before->fields[0]->value->string_value, s->expect);
        assert_true(c->sequence > 0);
    } else {
        assert_null(c->before);
        assert_int_equal(c->sequence, 0);
    }
    c->status = s->status;
    c->what = "because";
    if (s->verb == JOURNAL_CHANGE_PUT) {
        str packed = item_pack(s->id, s->title);
        c->item = (str){arena_strndup(c->a, packed.s, packed.n), packed.n};
        free((char *)(uintptr_t)packed.s);
    }
    return s->verb;
}

typedef struct heard {
    journal_result r;
    journal_refusal refused[8];
    pthread_mutex_t lock;
    bool done;
} heard;

static void hear(void *ctx, const journal_result *r)
{
    heard *h = ctx;
    assert_true(r->n_refused <= ARRAY_LEN(h->refused));
    h->r = *r;
    for (uint32_t i = 0; i < r->n_refused; i++) {
        h->refused[i] = r->refused[i];
        assert_true(r->repeated ? !r->refused[i].what : strcmp(r->refused[i].what, "because") == 0);
    }
    pthread_mutex_lock(&h->lock);
    h->done = true;
    pthread_mutex_unlock(&h->lock);
}

static heard change(journal *j, uint32_t shop, const char *write_id, script *s, uint32_t n)
{
    journal_op op[8];
    heard h = {.done = false};
    pthread_mutex_init(&h.lock, NULL);
    for (uint32_t i = 0; i < n; i++)
        op[i] = (journal_op){.kind = JOURNAL_CHANGE, .collection = shop, .id = str_of(s[i].id), .change = play, .change_ctx = &s[i]};
    journal_write w = {.write_id = str_of(write_id), .op = op, .n = n, .fence = UINT64_MAX};
    assert_int_equal(journal_append(j, &w, hear, &h, NULL), SINTER_OK);
    assert_int_equal(journal_append_wait(j, &(journal_write){.fence = UINT64_MAX}, NULL, NULL), SINTER_OK); /* behind it */
    pthread_mutex_lock(&h.lock);
    assert_true(h.done);
    pthread_mutex_unlock(&h.lock);
    return h;
}

static void each_change_sees_what_the_one_before_made(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    script s[] = {{JOURNAL_CHANGE_PUT, NULL, "one", "a", 0, 0},      {JOURNAL_CHANGE_PUT, "one", "two", "a", 0, 0},
                  {JOURNAL_CHANGE_REFUSE, "two", NULL, "a", SINTER_CONFLICT, 0}, {JOURNAL_CHANGE_KEEP, "two", NULL, "a", 0, 0},
                  {JOURNAL_CHANGE_DELETE, "two", NULL, "a", 0, 0},   {JOURNAL_CHANGE_REFUSE, NULL, NULL, "a", SINTER_NOT_FOUND, 0},
                  {JOURNAL_CHANGE_PUT, NULL, "three", "a", 0, 0},    {JOURNAL_CHANGE_KEEP, NULL, NULL, "b", 0, 0}};
    for (int round = 0; round < 2; round++) { /* the second time it is answered, and nothing is asked again */
        heard h = change(j, shop, "once", s, 8);
        assert_int_equal(h.r.status, SINTER_OK);
        assert_int_equal(h.r.applied, 4);
        assert_int_equal(h.r.repeated, round == 1);
        assert_int_equal(h.r.n_refused, 2);
        assert_int_equal(h.refused[0].op, 2);
        assert_int_equal(h.refused[0].status, SINTER_CONFLICT);
        assert_int_equal(h.refused[1].op, 5);
        assert_int_equal(h.refused[1].status, SINTER_NOT_FOUND);
        for (size_t i = 0; i < ARRAY_LEN(s); i++)
            assert_int_equal(s[i].calls, 1);
    }
    journal_reader *r;
    journal_result then;
    uint32_t ordinals, live, ordinal;
    assert_int_equal(journal_reader_open(j, &r, NULL), SINTER_OK);
    assert_int_equal(journal_count(r, shop, &ordinals, &live, NULL), SINTER_OK);
    assert_int_equal(ordinals, 2);
    assert_int_equal(live, 1);
    assert_int_equal(journal_item(r, shop, STR("a"), &ordinal, NULL, NULL), SINTER_OK);
    assert_int_equal(ordinal, 1);
    assert_int_equal(journal_written(r, STR("once"), &then, NULL), SINTER_OK);
    assert_int_equal(then.applied, 4);
    assert_int_equal(then.n_refused, 2);
    assert_int_equal(journal_written(r, STR("never"), &then, NULL), SINTER_NOT_FOUND);
    journal_reader_close(r);
    journal_close(j);
    journal_verdict v;
    assert_int_equal(journal_verify(dir, JOURNAL_CATALOGUE, NULL, NULL, &v, NULL), SINTER_OK);
    folder_remove(dir);
}

static void a_change_into_another_item_is_refused(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    script s = {JOURNAL_CHANGE_PUT, NULL, "one", "b", 0, 0};
    journal_op op = {.kind = JOURNAL_CHANGE, .collection = shop, .id = STR("a"), .change = play, .change_ctx = &s};
    journal_write w = {.op = &op, .n = 1, .fence = UINT64_MAX};
    journal_result r;
    assert_int_equal(journal_append_wait(j, &w, &r, NULL), SINTER_OK);
    assert_int_equal(r.applied, 0);
    assert_int_equal(r.n_refused, 1);
    op.change = NULL;
    assert_int_equal(journal_append_wait(j, &w, &r, NULL), SINTER_INVALID);
    journal_close(j);
    folder_remove(dir);
}

/* Views show a write whole or not at all: every record but the last says that more may follow. */
typedef struct flags {
    bool continued[8];
    uint32_t n;
} flags;

static bool note(void *ctx, const record *rec)
{
    flags *f = ctx;
    if (f->n < ARRAY_LEN(f->continued)) f->continued[f->n++] = rec->continued;
    return true;
}

static void records_of_one_write_are_chained(void **state)
{
    (void)state;
    char *dir = folder_make();
    journal *j = must_open(dir);
    uint32_t shop = must_collection(j, "shop");
    str item[3] = {item_pack("a", "x"), item_pack("b", "x"), item_pack("c", "x")};
    journal_op op[3];
    for (int i = 0; i < 3; i++)
        op[i] = (journal_op){.kind = JOURNAL_PUT, .collection = shop, .id = {&"abc"[i], 1}, .bytes = item[i]};
    journal_write w = {.op = op, .n = 3, .fence = UINT64_MAX};
    assert_int_equal(journal_append_wait(j, &w, NULL, NULL), SINTER_OK);
    w.n = 1;
    assert_int_equal(journal_append_wait(j, &w, NULL, NULL), SINTER_OK);
    journal_op gone = {.kind = JOURNAL_DELETE, .collection = shop, .id = STR("a"), .only_ordinal = 3};
    journal_result r;
    w = (journal_write){.op = &gone, .n = 1, .fence = UINT64_MAX};
    assert_int_equal(journal_append_wait(j, &w, &r, NULL), SINTER_OK);
    assert_int_equal(r.unknown, 1); /* "a" has ordinal 0 */
    gone.only_ordinal = 1;
    assert_int_equal(journal_append_wait(j, &w, &r, NULL), SINTER_OK);
    assert_int_equal(r.applied, 1);
    journal_reader *reader;
    flags f = {.n = 0};
    assert_int_equal(journal_reader_open(j, &reader, NULL), SINTER_OK);
    assert_int_equal(journal_tail(reader, 0, 100, note, &f, NULL, NULL), SINTER_OK);
    assert_int_equal(f.n, 6);
    const bool WANT[] = {false, true, true, false, false, false};
    assert_memory_equal(f.continued, WANT, sizeof WANT);
    journal_reader_close(reader);
    for (int i = 0; i < 3; i++)
        free((char *)(uintptr_t)item[i].s);
    journal_close(j);
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_sees_what_the_one_before_made),
        cmocka_unit_test(a_change_into_another_item_is_refused),
        cmocka_unit_test(records_of_one_write_are_chained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
