/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text search: scores against a reference over raw counts, the query's syntax, phrases, visibility, deletes. */
#include "text_fixture.h"

static void setup_fruit(fixture *f)
{
    fixture_init(f);
    fixture_open(f);
    fixture_put(f, "red apple pie", "a pie of apples, baked slowly");      /* 0 */
    fixture_put(f, "green apple", "sour and crisp");                      /* 1 */
    fixture_put(f, "apple", "red wine served with green cheese");         /* 2 */
    fixture_put(f, "wi-fi router", "fast wireless for the whole house");  /* 3 */
    fixture_put(f, "wifi adapter", "a small stick");                      /* 4 */
    fixture_put(f, "", "the pie is red");                                 /* 5 */
    fixture_commit(f);
}

static void every_piece_of_syntax_selects_what_it_says(void **state)
{
    static const struct {
        const char *text, *found;
    } CASES[] = {
        {"apple", "0 1 2"},          {"apples", "0 1 2"},          {"red apple", "0 1 2 5"},   {"apple -green", "0"},
        {"apple -\"green cheese\"", "0 1"}, {"\"apple pie\"", "0"}, {"\"pie apple\"", ""},      {"\"pie of apples\"", "0"},
        {"title:red", "0"},          {"body:red", "2 5"},          {"apple -title:red", "1 2"}, {"title:\"red apple\"", "0"},
        {"body:\"red apple\"", ""},  {"wi-fi", "3 4"},             {"wifi", "3 4"},            {"-wi-fi apple", "0 1 2"},
        {"the", "3 5"},            {"the pie", "0 5"},           {"", "0 1 2 3 4 5"},        {"-apple", "3 4 5"},
        {"zebra", ""},               {"\"the pie\"", "5"},         {"APPLE", "0 1 2"},         {"-\"red apple pie\"", "1 2 3 4 5"},
        {"\"unclosed apple", "0 1 2"}, {"-", "0 1 2 3 4 5"},       {"title:", ""},
    };
    fixture f;
    (void)state;
    setup_fruit(&f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *found = fixture_found(&f, CASES[i].text);
        if (strcmp(found, CASES[i].found) != 0)
            fail_msg("%s: found %s, not %s", CASES[i].text, found, CASES[i].found);
    }
    fixture_close(&f);
}

static void bad_syntax_says_what_is_valid(void **state)
{
    fixture f;
    text_query *q;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    fixture_init(&f);
    fixture_field(&f, "subtitle", FIELD_TEXT, NULL, 0);
    fixture_open(&f);
    assert_int_equal(text_query_parse(f.analyzer, NULL, STR("titel:red"), NULL, f.a, &q, &e), SINTER_INVALID);
    assert_non_null(strstr(e.fix, "title"));
    assert_int_equal(text_query_parse(f.analyzer, NULL, STR("x title:red"), NULL, f.a, &q, &e), SINTER_INVALID);
    assert_non_null(strstr(e.what, "group \"title\""));
    assert_string_equal(e.where, "text:3");
    text_query_options o = {.operator_and = -1, .minimum_should_match = "many"};
    assert_int_equal(text_query_parse(f.analyzer, NULL, STR("red"), &o, f.a, &q, &e), SINTER_INVALID);
    o = (text_query_options){.operator_and = -1, .language = "de"};
    assert_int_equal(text_query_parse(f.analyzer, NULL, STR("red"), &o, f.a, &q, &e), SINTER_INVALID);
    assert_non_null(strstr(e.fix, "en"));
    fixture_close(&f);
}

static void minimum_match_counts_words(void **state)
{
    static const struct {
        int and;
        const char *minimum;
        uint32_t n;
    } CASES[] = {{-1, "", 5}, {1, "", 1}, {0, "2", 2}, {0, "67%", 2}, {0, "100%", 1}, {0, "9", 1}, {0, "1%", 5}};
    fixture f;
    (void)state;
    setup_fruit(&f);
    fixture_put(&f, "apple pie", "");
    fixture_commit(&f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text_query_options o = {.operator_and = CASES[i].and, .minimum_should_match = CASES[i].minimum};
        text_query *q;
        text_hits h;
        sinter_error e = SINTER_ERROR_INIT;
        assert_int_equal(text_query_parse(f.analyzer, NULL, STR("red the apple pie"), &o, f.a, &q, &e), SINTER_OK);
        text_scorer *s = text_scorer_new(f.reader, q, &f.weights, f.a, &e);
        assert_int_equal(text_search(f.reader, q, s, NULL, NULL, 100, false, true, f.a, &h, &e), SINTER_OK);
        uint32_t expected = CASES[i].n;
        if (expected == 5) /* red, apple or pie: 0 1 2 5 and the new one */
            assert_int_equal(h.total, 5);
        else if (expected == 2) /* two of three: 0, 2 (red, apple), 5 (red, pie), 6 (apple, pie) */
            assert_int_equal(h.total, 4);
        else
            assert_int_equal(h.total, 1);
    }
    fixture_close(&f);
}

static double occurrences(const char *text, const char *word, double *length)
{
    double count = 0;
    char *copy = xstrdup(text), *save = NULL;
    *length = 0;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save), ++*length)
        count += strcmp(t, word) == 0;
    free(copy);
    return count;
}

/* The reference: BM25F of one word over raw counts, in plain loops over the texts. */
static double reference(const char *texts[][2], uint32_t n, uint32_t item, const char *word, const text_weights *w)
{
    double total[2] = {0}, have[2] = {0}, count[2], own[2], tf = 0, df = 0, length;
    for (uint32_t i = 0; i < n; i++) {
        bool any = false;
        for (int g = 0; g < 2; g++) {
            any |= occurrences(texts[i][g], word, &length) > 0;
            total[g] += length;
            have[g] += length > 0;
        }
        df += any;
    }
    for (int g = 0; g < 2; g++) {
        count[g] = occurrences(texts[item][g], word, &own[g]);
        tf += w->weight[g] * count[g] / (1 - w->b[g] + w->b[g] * own[g] / (total[g] / have[g]));
    }
    double idf = log(1 + (n - df + 0.5) / (df + 0.5));
    return tf > 0 ? idf * (w->coverage_bonus + (w->k1 + 1) * tf / (w->k1 + tf)) : 0;
}

static void scores_equal_a_reference_over_raw_counts(void **state)
{
    static const char *WORDS[] = {"kilo", "lima", "mike", "oscar", "papa", "romeo", "tango", "victor"};
    enum { N = 300 };
    static const char *texts[N][2];
    fixture f;
    rng r;
    (void)state;
    fixture_init(&f);
    f.schema.coverage_bonus = 0.25;
    fixture_open(&f);
    rng_seed(&r, 7);
    for (uint32_t i = 0; i < N; i++)
        for (int g = 0; g < 2; g++) {
            char *text = arena_strdup(f.a, "");
            uint32_t length = (uint32_t)rng_below(&r, 12) + (g == 0); /* lengths and counts that the posting holds exactly */
            for (uint32_t k = 0; k < length; k++)
                text = arena_printf(f.a, "%s%s%s", text, k ? " " : "", WORDS[rng_below(&r, 1 + rng_below(&r, ARRAY_LEN(WORDS)))]);
            texts[i][g] = text;
        }
    for (uint32_t i = 0; i < N; i++)
        fixture_put(&f, texts[i][0], texts[i][1]);
    fixture_commit(&f);
    text_hits h = fixture_search(&f, "mike victor tango");
    assert_true(h.n > 100);
    for (uint32_t i = 0; i < h.n; i++) {
        double expected = reference(texts, N, h.item[i], "mike", &f.weights) + reference(texts, N, h.item[i], "victor", &f.weights) +
                          reference(texts, N, h.item[i], "tango", &f.weights);
        assert_true(fabs(expected - (double)h.score[i]) < 1e-5 * fmax(1, expected));
        if (i)
            assert_true(h.score[i - 1] > h.score[i] || (h.score[i - 1] == h.score[i] && h.item[i - 1] < h.item[i]));
    }
    fixture_close(&f);
}

static void the_feature_is_the_score_bit_for_bit(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    setup_fruit(&f);
    const text_query *q = fixture_query(&f, "red apple pie -crisp");
    const text_scorer *s = text_scorer_new(f.reader, q, &f.weights, f.a, &e);
    text_hits h;
    assert_int_equal(text_search(f.reader, q, s, NULL, NULL, 3, true, true, f.a, &h, &e), SINTER_OK);
    float again[8], coverage[8], words[8];
    uint32_t *packed;
    text_bm25f(s, h.packed, h.n, again, 1);
    assert_memory_equal(again, h.score, h.n * sizeof *again);
    assert_int_equal(text_packed(f.reader, q, h.item, h.n, f.a, &packed, &e), SINTER_OK);
    assert_memory_equal(packed, h.packed, h.n_words * h.n * sizeof *packed);
    text_coverage(s, packed, h.n, coverage, 1);
    text_group(s, packed, h.n, 0, TEXT_GROUP_WORDS, words, 1);
    assert_int_equal(h.item[0], 0);
    assert_true(coverage[0] == 1.0f && words[0] == 3.0f);
    text_group(s, packed, h.n, 1, TEXT_GROUP_LENGTH, words, 1);
    assert_true(words[0] == 6.0f);
    fixture_close(&f);
}

static void a_phrase_spans_neither_groups_nor_values(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f);
    fixture_field(&f, "more", FIELD_TEXT, NULL, 0);
    fixture_open(&f);
    fixture_put_at(&f, f.n++, "title", "one two", "more", "three", "body", "four five", NULL);
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, "\"one two\""), "0");
    assert_string_equal(fixture_found(&f, "\"two three\""), "");
    assert_string_equal(fixture_found(&f, "\"two four\""), "");
    assert_string_equal(fixture_found(&f, "\"three four\""), "");
    assert_string_equal(fixture_found(&f, "\"four five\""), "0");
    fixture_close(&f);
}

static void chinese_is_found_by_pairs_and_lone_characters(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f);
    fixture_open(&f);
    fixture_put(&f, "无线蓝牙耳机", "");
    fixture_put(&f, "蓝色耳环", "");
    fixture_put(&f, "茶", "ｶﾀｶﾅ ＡＢＣ");
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, "蓝牙"), "0");
    assert_string_equal(fixture_found(&f, "\"蓝牙耳机\""), "0");
    assert_string_equal(fixture_found(&f, "茶"), "2");
    assert_string_equal(fixture_found(&f, "abc"), "2");
    assert_string_equal(fixture_found(&f, "カタカナ"), "2");
    assert_string_equal(fixture_found(&f, "耳机 -蓝牙耳机"), "");
    fixture_close(&f);
}

static void languages_are_alternatives_and_exclusion_takes_all(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f);
    f.schema.language[1] = "de";
    f.schema.n_languages = 2;
    f.field[1].language = "de";
    fixture_open(&f);
    fixture_put(&f, "running shoes", "Laufschuhe zum Laufen");
    fixture_put(&f, "", "Häuser am Meer");
    fixture_put(&f, "house", "");
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, "Haus"), "1");
    assert_string_equal(fixture_found(&f, "run"), "0");
    assert_string_equal(fixture_found(&f, "houses"), "2");
    assert_string_equal(fixture_found(&f, "-häuser"), "0 2");
    assert_int_equal(fixture_query(&f, "haus")->word[0].n_terms, 2);
    fixture_close(&f);
}

static void a_commit_is_seen_by_readers_opened_after_it(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    setup_fruit(&f);
    fixture_put(&f, "banana", "");
    assert_string_equal(fixture_found(&f, "banana"), "");
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, "banana"), "6");
    assert_int_equal(text_index_delete(f.index, 6, &e), SINTER_OK);
    assert_int_equal(text_index_delete(f.index, 600, &e), SINTER_OK);
    fixture_put_at(&f, 1, "title", "cherry", NULL);
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, "banana"), "");
    assert_string_equal(fixture_found(&f, "sour"), "");
    assert_string_equal(fixture_found(&f, "cherry"), "1");
    fixture_close(&f);
}

static void an_old_reader_asks_for_a_new_one(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < 3000; i++)
        fixture_put(&f, arena_printf(f.a, "apple number%d", i), "some body of text");
    fixture_commit(&f);
    bool refused = false;
    for (int round = 0; round < 8 && !refused; round++) {
        for (uint32_t i = 0; i < 3000; i += 3)
            fixture_put_at(&f, i, "title", arena_printf(f.a, "apple round%d %u", round, i), NULL);
        assert_int_equal(text_index_commit(f.index, 2, &e), SINTER_OK);
        const text_query *q = fixture_query(&f, "apple body");
        text_hits h;
        const text_scorer *s = text_scorer_new(f.reader, q, &f.weights, f.a, &e);
        sinter_status status = s ? text_search(f.reader, q, s, NULL, NULL, 10, false, true, f.a, &h, &e) : e.status;
        refused = status == SINTER_UNAVAILABLE;
        assert_true(status == SINTER_OK || refused);
    }
    assert_true(refused);
    fixture_close(&f);
}

static void a_deleted_item_is_gone_at_once_through_the_live_bits(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    static uint64_t live[SINTER_CHUNK_ROWS / 64];
    const uint64_t *chunks[1] = {live};
    (void)state;
    setup_fruit(&f);
    live[0] = 0x3f & ~2ull;
    catalog_set set = {.n_items = 6, .n_live = 5, .n_chunks = 1, .live = chunks};
    const text_query *q = fixture_query(&f, "apple");
    text_hits h;
    text_scorer *s = text_scorer_new(f.reader, q, &f.weights, f.a, &e);
    assert_int_equal(text_search(f.reader, q, s, NULL, &set, 10, false, true, f.a, &h, &e), SINTER_OK);
    assert_int_equal(h.total, 2);
    q = fixture_query(&f, "");
    assert_int_equal(text_search(f.reader, q, text_scorer_new(f.reader, q, &f.weights, f.a, &e), NULL, &set, 10, false, true, f.a, &h, &e),
                     SINTER_OK);
    assert_int_equal(h.total, 5);
    fixture_close(&f);
}

static void long_and_many_words_are_harmless(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f);
    fixture_open(&f);
    char *word = arena_zalloc(f.a, 1001);
    memset(word, 'x', 1000);
    buffer million = {0}, many = {0};
    for (int i = 0; i < 180000; i++)
        buffer_printf(&million, "w%d ", i % 5000);
    for (int i = 0; i < 10000; i++)
        buffer_printf(&many, "w%d ", i);
    fixture_put(&f, word, million.data);
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, word), "0");
    assert_string_equal(fixture_found(&f, many.data), "0");
    word[999] = 'y';
    assert_string_equal(fixture_found(&f, word), "");
    assert_int_equal(fixture_query(&f, many.data)->n_words, TEXT_MAX_WORDS);
    buffer_free(&million);
    buffer_free(&many);
    fixture_close(&f);
}

static void misspelt_words_become_the_collections_own(void **state)
{
    static const struct {
        const char *text, *corrected;
    } CASES[] = {{"wirless", "wireless"}, {"adpater", "adapter"}, {"greencheese", "green cheese"}, {"apple", NULL}, {"zzzzzz", NULL},
                 {"\"wirless\"", "wireless"}, {"-wirless apple", NULL}, {"wireles sapple", "wireless apple"},
                 {"adap ter", "adapter"}, {"rou ter adapter", "router adapter"}, {"red rou ter", "red router"}, {"wir eless adpater", "wireless adapter"},
                 {"app", NULL}, {"appel", "apple"}, {"appple", "apple"}, {"pplae", NULL}, {"wriless", NULL}, {"wrieless", "wireless"},
                 {"wirelss adpater", "wireless adapter"}, {"whole house", NULL}, {"wholehouse", "whole house"}};
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    setup_fruit(&f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text_query *q = fixture_query(&f, CASES[i].text);
        assert_int_equal(text_correct(f.reader, f.analyzer, NULL, &q, NULL, f.a, &e), SINTER_OK);
        if (CASES[i].corrected && !q->corrected)
            fail_msg("%s is not corrected", CASES[i].text);
        if (CASES[i].corrected)
            assert_string_equal(q->corrected, CASES[i].corrected);
        else
            assert_null(q->corrected);
    }
    fixture_close(&f);
}

/* Edits are of letters, not of bytes. */
static void letters_of_any_alphabet_are_edited_whole(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    fixture_init(&f);
    fixture_open(&f);
    fixture_put(&f, "настольная лампа", "");
    fixture_put(&f, "φωτιστικό", "");
    fixture_commit(&f);
    static const char *const CASES[][2] = {{"лмапа", "лампа"}, {"ламра", "лампа"}, {"лама", "лампа"}, {"настолная", "настольная"},
                                           {"φωτιστκιό", "φωτιστικό"}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        text_query *q = fixture_query(&f, CASES[i][0]);
        assert_int_equal(text_correct(f.reader, f.analyzer, NULL, &q, NULL, f.a, &e), SINTER_OK);
        if (!q->corrected) fail_msg("%s is not corrected", CASES[i][0]);
        assert_string_equal(q->corrected, CASES[i][1]);
    }
    fixture_close(&f);
}

/* Against the definition, over every word: the scan by letters loses none. */
static void the_scan_by_letters_loses_nothing(void **state)
{
    enum { N = 5000 };
    static uint32_t set[N], found[N];
    rng r;
    (void)state;
    rng_seed(&r, 5);
    for (uint32_t i = 0; i < N; i++) set[i] = (uint32_t)rng_next(&r) & (uint32_t)rng_next(&r) & 0x3ff;
    for (uint32_t limit = 1; limit <= 2; limit++)
        for (uint32_t n = 0; n <= N; n = n * 2 + 61) {
            uint32_t wanted = set[rng_below(&r, N)], k = 0, m = text_close_letters(set, n, wanted, limit, found);
            for (uint32_t i = 0; i < n; i++) {
                bool close = (uint32_t)__builtin_popcount(set[i] & ~wanted) <= limit && (uint32_t)__builtin_popcount(wanted & ~set[i]) <= limit;
                if (close) assert_true(k < m && found[k++] == i);
            }
            assert_int_equal(k, m);
        }
}

static void known_words_have_other_spellings_where_nothing_is_found(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    text_query *other[4];
    uint32_t n;
    (void)state;
    setup_fruit(&f);
    fixture_put(&f, "aple", "misspelt by its seller");
    fixture_put(&f, "head phones", "");
    fixture_put(&f, "headphones", "");
    fixture_commit(&f);
    const text_query *q = fixture_query(&f, "red aple");
    assert_int_equal(text_variants(f.reader, f.analyzer, q, NULL, 4, f.a, other, &n, &e), SINTER_OK);
    assert_int_equal(n, 1);
    assert_string_equal(other[0]->corrected, "red apple");
    q = fixture_query(&f, "red head phones");
    assert_int_equal(text_variants(f.reader, f.analyzer, q, NULL, 4, f.a, other, &n, &e), SINTER_OK);
    assert_true(n >= 1);
    assert_string_equal(other[0]->corrected, "red headphones");
    q = fixture_query(&f, "apple");
    assert_int_equal(text_variants(f.reader, f.analyzer, q, NULL, 4, f.a, other, &n, &e), SINTER_OK);
    assert_int_equal(n, 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_of_syntax_selects_what_it_says),
        cmocka_unit_test(bad_syntax_says_what_is_valid),
        cmocka_unit_test(minimum_match_counts_words),
        cmocka_unit_test(scores_equal_a_reference_over_raw_counts),
        cmocka_unit_test(the_feature_is_the_score_bit_for_bit),
        cmocka_unit_test(a_phrase_spans_neither_groups_nor_values),
        cmocka_unit_test(chinese_is_found_by_pairs_and_lone_characters),
        cmocka_unit_test(languages_are_alternatives_and_exclusion_takes_all),
        cmocka_unit_test(a_commit_is_seen_by_readers_opened_after_it),
        cmocka_unit_test(an_old_reader_asks_for_a_new_one),
        cmocka_unit_test(a_deleted_item_is_gone_at_once_through_the_live_bits),
        cmocka_unit_test(long_and_many_words_are_harmless),
        cmocka_unit_test(misspelt_words_become_the_collections_own),
        cmocka_unit_test(letters_of_any_alphabet_are_edited_whole),
        cmocka_unit_test(the_scan_by_letters_loses_nothing),
        cmocka_unit_test(known_words_have_other_spellings_where_nothing_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
