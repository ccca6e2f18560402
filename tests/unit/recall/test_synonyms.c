/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Synonyms: the file and its errors, what they select, and scores against a reference over raw counts. */
#include "text_fixture.h"

static const char *write_file(fixture *f, const char *text)
{
    char *path = arena_printf(f->a, "%s.yaml", f->dir);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    return path;
}

static void open_with(fixture *f, const char *synonyms)
{
    fixture_init(f);
    f->schema.synonyms = write_file(f, synonyms);
    f->schema.synonym_weight = 0.8;
    fixture_open(f);
}

static void close_all(fixture *f)
{
    unlink(f->schema.synonyms);
    fixture_close(f);
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static void mistakes_are_refused_where_they_stand(void **state)
{
    static const struct {
        const char *text, *where, *what, *fix;
    } CASES[] = {
        {"a: b\n", ":1:1", "a file of synonyms is a list", "begin each line with"},
        {"- sofa\n", ":1:3", "an entry is a list or a map", "write '- [sofa, couch]'"},
        {"- [sofa]\n", ":1:3", "one form only", "at least two"},
        {"- [a, b]\n- [sofa, {a: b}]\n", ":2:10", "a synonym is a text", "write words"},
        {"- [sofa, '...']\n", ":1:10", "holds no word", "letters or digits"},
        {"- [sofa, one two three four five six seven eight nine]\n", ":1:10", "has 9 words; at most 8", "shorten"},
        {"- {from: sofa}\n", ":1:3", "has no 'to'", "{from: a word, to: [others]}"},
        {"- {to: sofa}\n", ":1:3", "has no 'from'", ""},
        {"- {form: sofa, to: couch}\n", ":1:4", "unknown key of an entry: 'form'", "from"},
        {"- {same: [a, b], from: c}\n", ":1:10", "both 'same' and 'from'", "two entries"},
        {"- {from: [], to: couch}\n", ":1:10", "from is empty", ""},
        {"- {from: {a: b}, to: couch}\n", ":1:10", "from must be a list", ""},
        {"- {same: [a, b], language: de}\n", ":1:28", "'de' is not a language of the collection", "en"},
        {"- [a, b\n", ":2:1", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        fixture f;
        sinter_error e = SINTER_ERROR_INIT;
        fixture_init(&f);
        f.schema.synonyms = write_file(&f, CASES[i].text);
        assert_int_equal(text_analyzer_new(&f.schema, &f.analyzer, &e), SINTER_INVALID);
        if (!strstr(e.where, CASES[i].where) || !strstr(e.what, CASES[i].what) || !strstr(e.fix, CASES[i].fix) ||
            strncmp(e.where, f.schema.synonyms, strlen(f.schema.synonyms)) != 0)
            fail_msg("%s: %s: %s; %s", CASES[i].text, e.where, e.what, e.fix);
        unlink(f.schema.synonyms);
        dir_remove(f.dir, &e);
        arena_free(f.a);
    }
}

static void one_word_has_a_limit_of_synonyms(void **state)
{
    (void)state;
    for (uint32_t n = TEXT_MAX_SYNONYMS; n <= TEXT_MAX_SYNONYMS + 1; n++) {
        fixture f;
        sinter_error e = SINTER_ERROR_INIT;
        buffer text = {0};
        fixture_init(&f);
        for (uint32_t i = 0; i < n; i++) buffer_printf(&text, "- {from: sofa, to: couch%u}\n- {from: sofa, to: couch%u}\n", i, i);
        f.schema.synonyms = write_file(&f, text.data);
        sinter_status s = text_analyzer_new(&f.schema, &f.analyzer, &e);
        assert_int_equal(s, n > TEXT_MAX_SYNONYMS ? SINTER_INVALID : SINTER_OK);
        if (s) assert_non_null(strstr(e.where, ":97:")); /* the first of the 49th */
        text_analyzer_free(f.analyzer);
        unlink(f.schema.synonyms);
        dir_remove(f.dir, &e);
        arena_free(f.a);
        buffer_free(&text);
    }
}

static void a_changed_file_has_another_hash(void **state)
{
    fixture f, g;
    (void)state;
    open_with(&f, "- [sofa, couch]\n");
    open_with(&g, "- [sofa, couch]\n- [lamp, light]\n");
    text_word_files x = text_analyzer_files(f.analyzer), y = text_analyzer_files(g.analyzer);
    assert_true(x.synonyms && y.synonyms && x.synonyms != y.synonyms);
    assert_int_equal(x.n_synonyms, 1);
    assert_int_equal(y.n_synonyms, 2);
    assert_true(x.stop_words && x.stop_words == y.stop_words);
    close_all(&f);
    close_all(&g);
}

/* ---- what they select ------------------------------------------------------------------------------------------------ */

static const char FURNITURE[] = "- [sofa, couch, settee]\n"
                                "- {from: notebook, to: [laptop, portable computer]}\n"
                                "- {from: cell phone, to: mobile}\n"
                                "- [waterproof, keeps the rain out]\n"
                                "- {from: phone, to: telephone}\n"
                                "- [wi-fi, wireless]\n"
                                "- {from: to be, to: poem}\n";

static void setup_furniture(fixture *f)
{
    open_with(f, FURNITURE);
    fixture_put(f, "sofa", "");                           /* 0 */
    fixture_put(f, "red couches", "");                    /* 1 */
    fixture_put(f, "laptop", "red");                      /* 2 */
    fixture_put(f, "portable computer", "");              /* 3 */
    fixture_put(f, "computer", "portable");               /* 4: in two groups, and not in this order */
    fixture_put(f, "computer portable", "");              /* 5 */
    fixture_put(f, "notebook", "");                       /* 6 */
    fixture_put(f, "mobile", "");                         /* 7 */
    fixture_put(f, "cell", "phone");                      /* 8 */
    fixture_put(f, "coat", "it keeps the rain out");      /* 9 */
    fixture_put(f, "waterproof coat", "");                /* 10 */
    fixture_put(f, "telephone", "");                      /* 11 */
    fixture_put(f, "wifi stick", "");                     /* 12 */
    fixture_put(f, "wireless stick", "");                 /* 13 */
    fixture_put(f, "poem", "");                           /* 14 */
    fixture_commit(f);
}

static void each_entry_selects_what_it_says(void **state)
{
    static const struct {
        const char *text, *found;
    } CASES[] = {
        {"sofa", "0 1"},
        {"couch", "0 1"},
        {"settees", "0 1"},                 /* no item says so */
        {"notebooks", "2 3 6"},             /* its phrase: in one group, in this order */
        {"laptop", "2"},                    /* one way */
        {"cell phone", "7 8"},              /* the longest entry; telephone is not asked for inside it */
        {"phone", "8 11"},
        {"cell -red phone", "8 11"},        /* no longer side by side */
        {"keeps the rain out", "9 10"},     /* stop words within it */
        {"waterproof", "9 10"},
        {"wifi", "12 13"},
        {"wi-fi", "12 13"},
        {"wireless", "12 13"},
        {"\"sofa\"", "0"},                  /* quoted: itself */
        {"red -sofa", "1 2"},               /* excluded: itself */
        {"title:sofa", "0 1"},
        {"body:sofa", ""},
        {"to be", "14"},                    /* nothing but stop words, and an entry */
    };
    fixture f;
    (void)state;
    setup_furniture(&f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *found = fixture_found(&f, CASES[i].text);
        if (strcmp(found, CASES[i].found) != 0)
            fail_msg("%s: found %s, not %s", CASES[i].text, found, CASES[i].found);
    }
    close_all(&f);
}

static uint64_t total_of(fixture *f, const char *text, bool and, const char *minimum)
{
    text_query_options o = {.operator_and = and, .minimum_should_match = minimum};
    text_query *q;
    text_hits h;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(text_query_parse(f->analyzer, NULL, str_of(text), &o, f->a, &q, &e), SINTER_OK);
    text_scorer *s = text_scorer_new(f->reader, q, &f->weights, f->a, &e);
    assert_int_equal(text_search(f->reader, q, s, NULL, NULL, 100, false, true, f->a, &h, &e), SINTER_OK);
    return h.total;
}

static void a_word_and_its_synonyms_are_one_word(void **state)
{
    fixture f;
    (void)state;
    setup_furniture(&f);
    assert_int_equal(total_of(&f, "red sofa", true, ""), 1);      /* 1: red couches */
    assert_int_equal(total_of(&f, "red sofa", false, "2"), 1);
    assert_int_equal(total_of(&f, "red sofa", false, "100%"), 1);
    assert_int_equal(total_of(&f, "red sofa", false, ""), 3);
    assert_int_equal(total_of(&f, "cell phone", true, ""), 2);    /* a synonym of two words is both */
    assert_int_equal(fixture_search(&f, "red sofa").n_words, 2);
    close_all(&f);
}

static void languages_keep_to_themselves(void **state)
{
    fixture f;
    (void)state;
    fixture_init(&f);
    f.field[0].language = "en";
    f.field[1].language = "de";
    f.schema.language[1] = "de";
    f.schema.n_languages = 2;
    f.schema.synonym_weight = 1;
    f.schema.synonyms = write_file(&f, "- {same: [gift, present], language: en}\n- {same: [gift, toxin], language: de}\n");
    fixture_open(&f);
    fixture_put(&f, "present", "");
    fixture_put(&f, "", "toxin");
    fixture_put(&f, "toxin", "");
    fixture_put(&f, "", "present");
    fixture_commit(&f);
    assert_string_equal(fixture_found(&f, "gift"), "0 1");
    text_query_options o = {.operator_and = -1, .language = "de"};
    text_query *q;
    sinter_error e = SINTER_ERROR_INIT;
    assert_int_equal(text_query_parse(f.analyzer, NULL, STR("gift"), &o, f.a, &q, &e), SINTER_OK);
    assert_int_equal(q->word[0].n_synonyms, 1);
    assert_string_equal(q->word[0].synonym[0]->surface.s, "toxin");
    close_all(&f);
}

static void a_corrected_word_brings_its_synonyms(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    setup_furniture(&f);
    text_query *q = fixture_query(&f, "red couchse");
    assert_int_equal(text_correct(f.reader, f.analyzer, NULL, &q, NULL, f.a, &e), SINTER_OK);
    assert_string_equal(q->corrected, "red couches");
    assert_int_equal(q->word[1].n_synonyms, 2);
    q = fixture_query(&f, "settee"); /* no item says so, but it has synonyms */
    assert_int_equal(text_correct(f.reader, f.analyzer, NULL, &q, NULL, f.a, &e), SINTER_OK);
    assert_null(q->corrected);
    close_all(&f);
}

static void an_explanation_knows_which_one(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t *held;
    uint32_t item[] = {0, 1, 2, 3, 9};
    (void)state;
    setup_furniture(&f);
    text_query *q = fixture_query(&f, "sofa notebook waterproof");
    assert_int_equal(text_alternatives(f.reader, q, item, 5, f.a, &held, &e), SINTER_OK);
    static const uint64_t EXPECTED[3][5] = {{1, 2, 0, 0, 0}, {0, 0, 2, 4, 0}, {0, 0, 0, 0, 2}};
    assert_memory_equal(held, EXPECTED, sizeof EXPECTED);
    close_all(&f);
}

/* ---- scores ------------------------------------------------------------------------------------------------------------ */

enum { ITEMS = 400, GROUPS = 2 };
static const char *WORDS[] = {"kilo", "lima", "mike", "oscar", "papa", "romeo", "tango", "victor"};
/* mike: lima, and "papa romeo"; victor: kilo, lima, and itself by a circle */
static const char CIRCLES[] = "- {from: mike, to: [lima, papa romeo]}\n- [victor, kilo]\n- {from: kilo, to: victor}\n"
                              "- {from: victor, to: lima}\n- {from: lima, to: mike}\n";
static const char *texts[ITEMS][GROUPS];

static double counted(const char *text, const char *phrase, double *length)
{
    char *padded = xasprintf(" %s ", text), *wanted = xasprintf(" %s ", phrase);
    double n = 0;
    *length = 0;
    for (const char *at = padded; (at = strstr(at, wanted)); at++) n++;
    for (const char *at = text; *at; at++) *length += *at == ' ' || at == text;
    free(padded);
    free(wanted);
    return n;
}

static double documents_with(const char *word)
{
    double df = 0, length;
    for (uint32_t i = 0; i < ITEMS; i++)
        df += counted(texts[i][0], word, &length) + counted(texts[i][1], word, &length) > 0;
    return df;
}

/* BM25F of a word and its synonyms over raw counts, from the definitions alone. */
static double reference(uint32_t item, const char *word, const char *const *synonym, double df, double weight, const text_weights *w)
{
    double tf = 0, average[GROUPS], length;
    for (int g = 0; g < GROUPS; g++) {
        double sum = 0, have = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            counted(texts[i][g], word, &length);
            sum += length;
            have += length > 0;
        }
        average[g] = sum / have;
    }
    for (int g = 0; g < GROUPS; g++) {
        double count = counted(texts[item][g], word, &length);
        for (int k = 0; synonym[k]; k++) count = fmax(count, weight * counted(texts[item][g], synonym[k], &length));
        tf += w->weight[g] * count / (1 - w->b[g] + w->b[g] * length / average[g]);
    }
    double idf = log(1 + (ITEMS - df + 0.5) / (df + 0.5));
    return tf > 0 ? idf * (w->coverage_bonus + (w->k1 + 1) * tf / (w->k1 + tf)) : 0;
}

static void scores_equal_a_reference_over_raw_counts(void **state)
{
    static const char *const OF_MIKE[] = {"lima", "papa romeo", NULL}, *const OF_VICTOR[] = {"kilo", "lima", NULL};
    fixture f;
    rng r;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    open_with(&f, CIRCLES);
    f.weights.coverage_bonus = 0.25;
    rng_seed(&r, 11);
    for (uint32_t i = 0; i < ITEMS; i++)
        for (int g = 0; g < GROUPS; g++) {
            char *text = arena_strdup(f.a, "");
            uint32_t length = (uint32_t)rng_below(&r, 12) + (g == 0); /* lengths and counts that the posting holds exactly */
            for (uint32_t k = 0; k < length; k++)
                text = arena_printf(f.a, "%s%s%s", text, k ? " " : "", WORDS[rng_below(&r, ARRAY_LEN(WORDS))]);
            texts[i][g] = text;
        }
    for (uint32_t i = 0; i < ITEMS; i++) fixture_put(&f, texts[i][0], texts[i][1]);
    fixture_commit(&f);
    double of_mike = fmax(documents_with("mike"), fmax(documents_with("lima"), fmin(documents_with("papa"), documents_with("romeo"))));
    double of_victor = fmax(documents_with("victor"), fmax(documents_with("kilo"), documents_with("lima")));
    text_hits h = fixture_search(&f, "mike victor");
    uint32_t matching = 0;
    for (uint32_t i = 0; i < ITEMS; i++)
        matching += reference(i, "mike", OF_MIKE, of_mike, 0.8, &f.weights) + reference(i, "victor", OF_VICTOR, of_victor, 0.8, &f.weights) > 0;
    assert_int_equal(h.n, matching);
    assert_true(h.n > 200);
    for (uint32_t i = 0; i < h.n; i++) {
        double expected = reference(h.item[i], "mike", OF_MIKE, of_mike, 0.8, &f.weights) +
                          reference(h.item[i], "victor", OF_VICTOR, of_victor, 0.8, &f.weights);
        if (fabs(expected - (double)h.score[i]) > 1e-5 * fmax(1, expected))
            fail_msg("\"%s\" \"%s\": %g, not %g", texts[h.item[i]][0], texts[h.item[i]][1], (double)h.score[i], expected);
    }
    /* The feature is the score bit for bit, also where postings are looked up again. */
    const text_query *q = fixture_query(&f, "mike victor");
    const text_scorer *s = text_scorer_new(f.reader, q, &f.weights, f.a, &e);
    float again[ITEMS];
    uint32_t *packed;
    assert_int_equal(text_packed(f.reader, q, h.item, h.n, f.a, &packed, &e), SINTER_OK);
    assert_memory_equal(packed, h.packed, h.n_words * h.n * sizeof *packed);
    text_bm25f(s, packed, h.n, again, 1);
    assert_memory_equal(again, h.score, h.n * sizeof *again);
    close_all(&f);
}

static void a_synonym_scores_a_little_less(void **state)
{
    fixture f;
    sinter_error e = SINTER_ERROR_INIT;
    (void)state;
    open_with(&f, "- [sofa, couch]\n");
    fixture_put(&f, "red couch", "");
    fixture_put(&f, "red sofa", "");
    fixture_put(&f, "red lamp", "");
    fixture_commit(&f);
    text_hits h = fixture_search(&f, "sofa");
    assert_int_equal(h.n, 2);
    assert_int_equal(h.item[0], 1);
    assert_true(h.score[1] < h.score[0] && h.score[1] > 0.7f * h.score[0]);
    const text_query *q = fixture_query(&f, "sofa");
    const text_scorer *s = text_scorer_new(f.reader, q, &f.weights, f.a, &e);
    float group[2], count[2], words[2], coverage[2];
    text_group(s, h.packed, 2, 0, TEXT_GROUP_SCORE, group, 1);
    text_group(s, h.packed, 2, 0, TEXT_GROUP_COUNT, count, 1);
    text_group(s, h.packed, 2, 0, TEXT_GROUP_WORDS, words, 1);
    text_coverage(s, h.packed, 2, coverage, 1);
    assert_memory_equal(group, h.score, sizeof group);
    assert_true(count[1] == 1.0f && words[1] == 1.0f && coverage[1] == 1.0f);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_refused_where_they_stand),
        cmocka_unit_test(one_word_has_a_limit_of_synonyms),
        cmocka_unit_test(a_changed_file_has_another_hash),
        cmocka_unit_test(each_entry_selects_what_it_says),
        cmocka_unit_test(a_word_and_its_synonyms_are_one_word),
        cmocka_unit_test(languages_keep_to_themselves),
        cmocka_unit_test(a_corrected_word_brings_its_synonyms),
        cmocka_unit_test(an_explanation_knows_which_one),
        cmocka_unit_test(scores_equal_a_reference_over_raw_counts),
        cmocka_unit_test(a_synonym_scores_a_little_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
