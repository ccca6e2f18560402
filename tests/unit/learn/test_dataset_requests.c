/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests: what the log says by name, joined with the events that name them; recorded requests as fusion saw them; what the
 * log lacks as of each request; everything else left out and counted. */
#include "world.h"

#include <math.h>

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* Four items a b c d: ordinals 0 to 3. */
static void four_items(world *w)
{
    static const float shape[3] = {1, 2, 3};
    world_item(w, "a", 1, shape);
    world_item(w, "b", 2, NULL);
    world_item(w, "c", 3, shape);
    world_item(w, "d", 4, NULL);
}

/* `n` requests r0 r1 .. of users u0 u1 u0 .. over all four items, at times 1000, 2000 .. */
static void many_requests(world *w, uint32_t from, uint32_t n)
{
    char id[16], user[16];
    for (uint32_t i = from; i < from + n; i++) {
        snprintf(id, sizeof id, "r%u", i);
        snprintf(user, sizeof user, "u%u", i % 2);
        world_answered(w, id, user, ITEMS(i % 4, (i + 1) % 4), 2, (i + 1) * 1000);
    }
}

static sinter_requests next(sinter_dataset *d)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_requests r = {.size = sizeof r};
    must(DATASET_TABLE.next_requests(d, &r, &e), &e);
    return r;
}

static const sinter_inputs WIDE = {.size = sizeof WIDE,
                                   .feature = NAMES("score.words", "item.price", "text.bm25"),
                                   .n_features = 3,
                                   .id_feature = NAMES("item.brand"),
                                   .n_id_features = 1,
                                   .context = NAMES("query.words"),
                                   .n_context = 1,
                                   .prior = NAMES("taste", "words"),
                                   .n_prior = 2,
                                   .history = 2,
                                   .dataset = SINTER_DATASET_REQUESTS,
                                   .target = NAMES("click", "rating", "weight"),
                                   .n_targets = 3};

/* ---- what the log says --------------------------------------------------------------------------------------------- */

static void log_first_request(world *w)
{
    answer x;
    Sinter__V1__User u = SINTER__V1__USER__INIT;
    Sinter__V1__Context c = SINTER__V1__CONTEXT__INIT;
    Sinter__V1__SearchRequest in = SINTER__V1__SEARCH_REQUEST__INIT;
    Sinter__V1__User__AttributesEntry age = SINTER__V1__USER__ATTRIBUTES_ENTRY__INIT, *attributes[] = {&age};
    Sinter__V1__Value years = value_number(33);
    char *sort[] = {TEXT("-price")}, *basket[] = {TEXT("b"), TEXT("nothing"), TEXT("d")};
    answer_make(&x, w, "first", "anna", ITEMS(2, 0, 1), 3, 86400000);
    age.key = TEXT("age");
    age.value = &years;
    u.user_id = TEXT("anna");
    u.n_attributes = 1;
    u.attributes = attributes;
    c.locale = TEXT("sv");
    c.n_basket = 3;
    c.basket = basket;
    in.query = TEXT("Red  Shoes -blue");
    in.filter = TEXT("price > 1");
    in.n_sort = 1;
    in.sort = sort;
    in.offset = 20;
    in.user = &u;
    in.context = &c;
    answer_request(&x, &in);
    uint32_t item[] = {3, 1, 0}, type[] = {2, 1, 3};
    int64_t time[] = {43200000, 0, -86400000};
    float weight[] = {1, 0.5f, 4};
    x.a.history_item = item, x.a.n_history_item = 3;
    x.a.history_event = type, x.a.n_history_event = 3;
    x.a.history_time_ms = time, x.a.n_history_time_ms = 3;
    x.a.history_weight = weight, x.a.n_history_weight = 3;
    x.a.shuffled = 2;
    world_answer(w, &x.a);
}

static void check_numbers(const sinter_requests *r)
{
    const sinter_batch *b = r->batch;
    static const uint32_t item[] = {2, 0, 1};
    assert_int_equal(b->n, 3);
    assert_true(b->n_features == 3 && b->stride == 3 && b->n_id_features == 1 && b->n_context == 1 && b->n_prior == 2);
    assert_int_equal((uintptr_t)b->feature % 64, 0);
    for (uint32_t i = 0; i < 3; i++) {
        float x = (float)item[i];
        assert_int_equal(b->item[i], item[i]);
        assert_true(b->feature[i * 3] == 0.5f + x && b->feature[i * 3 + 1] == 20 + x && b->feature[i * 3 + 2] == 10 + x);
        assert_int_equal(b->id_feature[0][i], 1000 + item[i]);
        assert_int_equal(bits(b->prior[0][i]), item[i] % 2 ? SINTER_MISSING_BITS : bits(x));
        assert_true(b->prior[1][i] == 0.5f + x);
        assert_int_equal(r->position[i], i + 1);
        assert_true(r->propensity[i] == (float)(1.0 / (i + 1)));
    }
    assert_true(b->context[0] == 2);
    assert_true(r->shuffled == 2 && r->time_ms == 86400000 && r->weight == 1 && !r->fusion);
    assert_int_equal(b->seed, hash64("first", 5));
}

static bool text_is(sinter_str s, const char *is)
{
    return s.size == strlen(is) && memcmp(s.data, is, s.size + 1) == 0;
}

static void check_texts(const sinter_batch *b)
{
    const sinter_query *q = b->query;
    assert_true(text_is(q->text, "Red  Shoes -blue") && text_is(q->filter, "price > 1"));
    assert_true(q->n_sort == 1 && text_is(q->sort[0], "-price") && q->offset == 20 && q->page_size == 10);
    assert_int_equal(q->n_terms, 3);
    assert_true(text_is(q->term[0].surface, "red") && text_is(q->term[2].surface, "blue") && q->term[2].excluded);
    assert_true(text_is(b->user->user_id, "anna") && b->user->session_id.size == 0);
    assert_true(b->user->n_attributes == 1 && text_is(b->user->attribute[0].name, "age") &&
                b->user->attribute[0].value.type == SINTER_VALUE_NUMBER && b->user->attribute[0].value.u.number == 33);
    assert_true(text_is(b->request_context->locale, "sv") && b->request_context->now_ms == 86400000);
    assert_true(b->request_context->n_basket == 2 && b->request_context->basket[0] == 1 && b->request_context->basket[1] == 3);
    assert_int_equal(b->user->n_history, 2); /* as many as asked for */
    assert_true(b->user->item[0] == 3 && b->user->item[1] == 1 && b->user->event[0] == 2 && b->user->event[1] == 1);
    assert_true(b->user->age[0] == 0.5f && b->user->age[1] == 1 && b->user->weight[0] == 1 && b->user->weight[1] == 0.5f);
}

static void a_request_says_what_was_logged_and_what_came_of_it(void **state)
{
    (void)state;
    world w;
    world_make(&w);
    four_items(&w);
    log_first_request(&w);
    many_requests(&w, 100, 9); /* logged later, happened earlier */
    world_event(&w, (event){.type = "click", .user = "anna", .item = "c", .request = "first", .time_ms = 5});
    world_event(&w, (event){.type = "rating", .user = "anna", .item = "c", .request = "first", .value = 2.5, .time_ms = 6});
    world_event(&w, (event){.type = "rating", .user = "anna", .item = "c", .request = "first", .value = 3.5, .time_ms = 7});
    world_event(&w, (event){.type = "view", .user = "anna", .item = "b", .request = "first", .time_ms = 7});
    world_event(&w, (event){.type = "click", .user = "anna", .item = "d", .request = "first", .time_ms = 7});  /* not shown */
    world_event(&w, (event){.type = "click", .user = "anna", .item = "a", .request = "other", .time_ms = 7});
    uint64_t until = world_event(&w, (event){.type = "click", .user = "u0", .item = "a", .request = "r104", .time_ms = 7});
    world_event(&w, (event){.type = "click", .user = "anna", .item = "a", .request = "first", .time_ms = 8}); /* behind it */
    dataset_spec spec = world_spec(&w, &WIDE);
    spec.until = until;
    spec.valid = 0.5;
    dataset_result d;
    world_build(&w, &spec, &d);
    assert_int_equal(DATASET_TABLE.n_requests(d.train), 5);
    assert_int_equal(DATASET_TABLE.n_requests(d.valid), 5);
    for (int pass = 0; pass < 2; pass++) {
        sinter_error e = SINTER_ERROR_INIT;
        sinter_requests r = next(d.train);
        assert_int_equal(r.time_ms, 101000);
        for (r = next(d.valid); r.batch->n && r.time_ms != 86400000; r = next(d.valid)) {}
        check_numbers(&r);
        check_texts(r.batch);
        assert_true(r.label[0][0] == 1 && r.label[0][1] == 0 && r.label[0][2] == 0);
        assert_true(r.label[1][0] == 3.5f && r.label[1][1] == 0 && r.label[1][2] == 0);
        assert_true(r.label[2][0] == 3.5f && r.label[2][1] == 0 && r.label[2][2] == 0.5f);
        must(DATASET_TABLE.rewind(d.train, &e), &e);
        must(DATASET_TABLE.rewind(d.valid, &e), &e);
    }
    assert_int_equal(d.report.left_out[DATASET_UNJOINED], 2);
    assert_int_equal(d.report.positive[0], 1);
    assert_int_equal(d.report.positive[1], 2);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

static void requests_come_in_the_order_of_the_log_whatever_lies_between(void **state)
{
    (void)state;
    world w;
    world_make(&w);
    four_items(&w);
    uint64_t since = journal_last_sequence(w.main);
    many_requests(&w, 0, 3); /* answered before the range: journal_sequence == since */
    world_event(&w, (event){.type = "click", .user = "u1", .item = "a", .request = "r7", .time_ms = 1});
    many_requests(&w, 3, 20);
    answer other;
    answer_make(&other, &w, "elsewhere", "u0", ITEMS(0), 1, 5);
    other.a.collection = 77;
    world_answer(&w, &other.a);
    world_event(&w, (event){.type = "click", .user = "u1", .item = "d", .request = "r7", .time_ms = 1});
    dataset_spec spec = world_spec(&w, &WIDE);
    spec.since = since;
    dataset_result d;
    world_build(&w, &spec, &d);
    assert_int_equal(DATASET_TABLE.n_requests(d.train), 18);
    assert_int_equal(DATASET_TABLE.n_requests(d.valid), 2);
    for (uint32_t i = 3; i < 21; i++) assert_int_equal(next(d.train).time_ms, (i + 1) * 1000);
    assert_int_equal(next(d.train).batch->n, 0);
    assert_int_equal(next(d.train).batch->n, 0);
    assert_int_equal(next(d.valid).time_ms, 22000);
    assert_int_equal(d.report.cut_ms, 22000);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

/* ---- what it lacks ------------------------------------------------------------------------------------------------------ */

static void what_the_log_of_a_request_lacks_leaves_that_request_out(void **state)
{
    (void)state;
    world w;
    answer x;
    sinter_error e = SINTER_ERROR_INIT;
    world_make(&w);
    four_items(&w);
    uint64_t since = journal_last_sequence(w.main) - 1;
    answer_make(&x, &w, "no feature", "u0", ITEMS(0, 1), 2, 5);
    char *other[] = {TEXT("text.bm25"), TEXT("item.stock")};
    x.a.features = other;
    world_answer(&w, &x.a);
    answer_make(&x, &w, "no id", "u0", ITEMS(0, 1), 2, 5);
    x.a.n_id_features = x.shown[0].n_ids = x.shown[1].n_ids = 0;
    world_answer(&w, &x.a);
    answer_make(&x, &w, "no context", "u0", ITEMS(0, 1), 2, 5);
    x.a.n_context = x.a.n_context_value = 0;
    world_answer(&w, &x.a);
    answer_make(&x, &w, "no prior", "u0", ITEMS(0, 1), 2, 5);
    char *rankers[] = {TEXT("main.words"), TEXT("other.taste")};
    x.a.rankers = rankers;
    world_answer(&w, &x.a);
    answer_make(&x, &w, "no hits", "u0", ITEMS(0), 0, 5);
    world_answer(&w, &x.a);
    answer_make(&x, &w, "short row", "u0", ITEMS(0, 1), 2, 5);
    x.shown[1].n_features = 1;
    world_answer(&w, &x.a);
    answer_make(&x, &w, "torn request", "u0", ITEMS(0, 1), 2, 5);
    x.a.request.data = (uint8_t[]){0xff, 0xff, 0xff}, x.a.request.len = 3;
    world_answer(&w, &x.a);
    world_event(&w, (event){.type = "click", .user = "u0", .item = "a", .request = "no hits", .time_ms = 5});
    dataset_spec spec = world_spec(&w, &WIDE);
    spec.since = since;
    dataset_result d;
    world_shut(&w);
    assert_int_equal(dataset_build(&spec, &d, &e), SINTER_PRECONDITION);
    assert_non_null(strstr(e.what, "no requests"));
    assert_non_null(strstr(e.where, "main.taste"));
    world_open(&w);
    many_requests(&w, 0, 10);
    world_event(&w, (event){.type = "click", .user = "u0", .item = "a", .request = "r0", .time_ms = 5});
    world_build(&w, &spec, &d);
    static const uint32_t once[] = {DATASET_NO_FEATURE, DATASET_NO_ID_FEATURE, DATASET_NO_CONTEXT, DATASET_NO_PRIOR, DATASET_NO_HITS};
    for (size_t i = 0; i < ARRAY_LEN(once); i++) assert_int_equal(d.report.left_out[once[i]], 1);
    assert_int_equal(d.report.left_out[DATASET_BROKEN], 2);
    assert_int_equal(DATASET_TABLE.n_requests(d.train) + DATASET_TABLE.n_requests(d.valid), 10);
    buffer text = {0};
    dataset_report_text(&d.report, &text);
    assert_non_null(strstr(text.data, "left out: 2 requests (the record contradicts itself)"));
    buffer_free(&text);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

/* ---- as of the request ------------------------------------------------------------------------------------------------------ */

static void what_is_not_logged_is_as_of_the_request(void **state)
{
    (void)state;
    const sinter_inputs in = {.size = sizeof in,
                                     .vector = NAMES("shape"),
                                     .n_vectors = 1,
                                     .history = 5,
                                     .history_side = NAMES("item.price", "events.click"),
                                     .n_history_side = 2,
                                     .dataset = SINTER_DATASET_REQUESTS,
                                     .target = NAMES("click"),
                                     .n_targets = 1};
    world w;
    answer early, late;
    world_make(&w);
    four_items(&w);
    world_event(&w, (event){.type = "click", .user = "u1", .item = "b", .time_ms = 1000});
    uint32_t item[] = {1, 3}, type[] = {2, 2};
    int64_t time[] = {0, 0};
    float weight[] = {1, 1};
    answer_make(&early, &w, "early", "u0", ITEMS(0, 1), 2, 1000);
    early.a.history_item = item, early.a.n_history_item = 2;
    early.a.history_event = type, early.a.n_history_event = 2;
    early.a.history_time_ms = time, early.a.n_history_time_ms = 2;
    early.a.history_weight = weight, early.a.n_history_weight = 2;
    static const float moved[3] = {7, 8, 9};
    world_item(&w, "a", 1, moved);
    world_item(&w, "b", 50, NULL);
    world_event(&w, (event){.type = "click", .user = "u1", .item = "b", .time_ms = 1000});
    late = early;
    late.a.request_id = TEXT("late");
    late.a.shown = late.shown_at;
    for (int i = 0; i < 2; i++) late.shown_at[i] = &late.shown[i];
    late.a.columns_sequence = late.a.profile_sequence = late.a.journal_sequence = journal_last_sequence(w.main);
    world_answer(&w, &late.a); /* logged before the earlier one */
    world_answer(&w, &early.a);
    many_requests(&w, 0, 8);
    world_event(&w, (event){.type = "click", .user = "u0", .item = "a", .request = "early", .time_ms = 5});
    dataset_spec spec = world_spec(&w, &in);
    dataset_result d;
    world_build(&w, &spec, &d);
    sinter_requests r = next(d.train);
    assert_true(((const float *)r.batch->vectors[0].data)[0] == 7 && r.batch->vectors[0].present[0] == 1);
    assert_true(r.batch->user->n_side == 2 && r.batch->user->side[0][0] == 50 && r.batch->user->side[0][1] == 4);
    assert_true(r.batch->user->side[1][0] == 2 && r.batch->user->side[1][1] == 0);
    r = next(d.train);
    const float *v = r.batch->vectors[0].data;
    assert_true(v[0] == 1 && v[1] == 2 && v[2] == 3 && isnan(v[3]) && r.batch->vectors[0].present[1] == 0);
    assert_true(r.batch->vectors[0].dimension == 3 && r.batch->vectors[0].stride == 3);
    assert_true(r.batch->user->side[0][0] == 2 && r.batch->user->side[0][1] == 4);
    assert_true(r.batch->user->side[1][0] == 1 && r.batch->user->side[1][1] == 0);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

/* The structs are the trainer's, and may be shorter or longer than the host's: `size` says so. */
static void no_byte_behind_a_structs_size_is_written(void **state)
{
    (void)state;
    const sinter_inputs in = {.size = sizeof in, .dataset = SINTER_DATASET_REQUESTS | SINTER_DATASET_INTERACTIONS,
                                     .target = NAMES("click"), .n_targets = 1};
    struct {
        sinter_requests r;
        uint64_t behind[4];
    } x;
    world w;
    world_make(&w);
    four_items(&w);
    many_requests(&w, 0, 8);
    for (int i = 0; i < 4; i++)
        world_event(&w, (event){.type = "click", .user = i % 2 ? "u1" : "u0", .item = i < 2 ? "a" : "b", .request = i % 2 ? "r1" : "r0", .time_ms = 9});
    dataset_spec spec = world_spec(&w, &in);
    dataset_result d;
    world_build(&w, &spec, &d);
    sinter_error e = SINTER_ERROR_INIT;
    for (uint32_t size = 0; size < sizeof x.r; size += 8) {
        memset(&x, 0xa5, sizeof x);
        x.r.size = size;
        assert_int_equal(DATASET_TABLE.next_requests(d.train, &x.r, &e), SINTER_INVALID);
        assert_string_equal(e.where, "sinter_requests");
        assert_true(x.r.n_targets == 0xa5a5a5a5 && x.r.size == size);
    }
    memset(&x, 0xa5, sizeof x);
    x.r.size = sizeof x; /* of a minor that this host does not know: what it lacks is not there */
    must(DATASET_TABLE.next_requests(d.train, &x.r, &e), &e);
    assert_true(x.r.size == sizeof x.r && x.behind[0] == 0xa5a5a5a5a5a5a5a5u);
    assert_true(x.r.batch->n == 2 && x.r.time_ms == 1000); /* refusals took nothing away */
    assert_int_equal(DATASET_TABLE.next_interactions(d.train, &(sinter_interactions){.size = 8}, &e), SINTER_INVALID);
    assert_int_equal(DATASET_TABLE.csr(d.train, true, &(sinter_csr){.size = 8}, &e), SINTER_INVALID);
    dataset_free(&d);
    world_open(&w);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_byte_behind_a_structs_size_is_written),
                                       cmocka_unit_test(a_request_says_what_was_logged_and_what_came_of_it),
                                       cmocka_unit_test(requests_come_in_the_order_of_the_log_whatever_lies_between),
                                       cmocka_unit_test(what_the_log_of_a_request_lacks_leaves_that_request_out),
                                       cmocka_unit_test(what_is_not_logged_is_as_of_the_request)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
