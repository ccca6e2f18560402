/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Analysis: what normalised text and its tokens are, table by table; the posting's layout. */
#include "text_fixture.h"

static void text_is_normalised(void **state)
{
    static const char *const CASES[][2] = {
        {"Hello World", "hello world"}, {"Café Ñandú", "cafe nandu"},    {"Straße", "strasse"}, {"ＡＢＣ１２", "abc12"},
        {"Brand™ X®", "brand  x "},     {"17″ LED", "17\" led"},         {"1½ in", "1 1/2 in"}, {"½", "1/2"},
        {"A &amp; B &#39;c&#x27;", "a & b 'c'"}, {"&bogus; &", "&bogus; &"}, {"й", "й"},          {"ﬁne", "fine"},
        {"4×6", "4x6"},                 {"tab\there", "tab here"},       {"", ""},             {"m²", "m2"},
    };
    arena *a = arena_new(4096);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        str got = text_normalise(a, str_of(CASES[i][0]));
        assert_string_equal(arena_strndup(a, got.s, got.n), CASES[i][1]);
    }
    str bad = text_normalise(a, STR("a\xff\xc3 b\xe4"));
    assert_true(utf8_valid(bad.s, bad.n, NULL));
    arena_free(a);
}

/* Tokens joined by "|", compounds and measures in brackets. */
static const char *tokens_of(arena *a, const char *text, bool units)
{
    text_tokens t = {0};
    char *out = arena_strdup(a, "");
    text_tokenise(a, text_normalise(a, str_of(text)), units, &t);
    for (uint32_t i = 0; i < t.n; i++) {
        bool extra = t.token[i].kind == TOKEN_JOINED || t.token[i].kind == TOKEN_MEASURE;
        out = arena_printf(a, "%s%s%s%.*s%s", out, i ? "|" : "", extra ? "[" : "", (int)t.token[i].text.n, t.token[i].text.s,
                           extra ? "]" : "");
    }
    return out;
}

static void text_falls_into_tokens(void **state)
{
    static const struct {
        const char *text, *tokens;
        bool units;
    } CASES[] = {
        {"the quick-brown fox", "the|quick|brown|[quickbrown]|fox", false},
        {"wi-fi", "wi|fi|[wifi]", false},
        {"U.S.A. today", "u|s|a|[usa]|today", false},
        {"end.Next", "end|next", false},
        {"AT&T", "at|t|[att]", false},
        {"1,234.5 and 1,23", "1234.5|and|1|23", false},
        {"men's dog's don't l'eau", "men|dog|dont|eau", false},
        {"C++ and c# rock", "c++|and|c#|rock", false},
        {"dv7-1211ea", "dv7|1211ea|[dv71211ea]", false},
        {"2008-12-19", "2008|12|19", false},
        {"中文字", "中文|文字", false},
        {"字", "字", false},
        {"6 ft. fence", "6|foot|[6foot]|fence", true},
        {"6-foot fence", "6|foot|[6foot]|fence", true},
        {"6' fence", "6|foot|[6foot]|fence", true},
        {"6ft fence", "6|foot|[6foot]|fence", true},
        {"1/2 in", "0.5|inch|[0.5inch]", true},
        {"1/2\" pipe", "0.5|inch|[0.5inch]|pipe", true},
        {"1-1/2 in.", "1.5|inch|[1.5inch]", true},
        {"1 1/2 in.", "1.5|inch|[1.5inch]", true},
        {"10-gal. tank", "10|gallon|[10gallon]|tank", true},
        {"13x13", "13|13|[13x13]", true},
        {"13 x 13", "13|13|[13x13]", true},
        {"12*12", "12|12|[12x12]", true},
        {"4 by 8", "4|8|[4x8]", true},
        {"36 in. x 24 in. rug", "36|inch|[36inch]|24|inch|[24inch]|[36x24]|rug", true},
        {"96 in. W x 72 in. L", "96|inch|[96inch]|72|inch|[72inch]|[96x72]|l", true},
        {"2x4x8ft", "2|4|[2x4]|8|foot|[8foot]|[4x8]|[2x4x8]", true},
        {"1.9 cu. ft.", "1.9|cubic|foot|[1.9cubicfoot]", true},
        {"18V drill", "18|volt|[18volt]|drill", true},
        {"18 v drill", "18|v|drill", true},
        {"0073", "0073", true},
        {"made in china", "made|in|china", true},
        {"13x13", "13x13", false},
    };
    arena *a = arena_new(4096);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *got = tokens_of(a, CASES[i].text, CASES[i].units);
        if (strcmp(got, CASES[i].tokens) != 0)
            fail_msg("%s: %s, not %s", CASES[i].text, got, CASES[i].tokens);
    }
    arena_free(a);
}

static void a_posting_holds_what_was_packed(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= CONFIG_MAX_GROUPS; n++) {
        config_collection schema = {.n_groups = n};
        text_layout l;
        assert_true(text_layout_of(&schema, &l));
        uint32_t all = 0;
        for (uint32_t g = 0; g < n; g++) {
            assert_int_equal(all & l.mask[g], 0);
            all |= l.mask[g];
            uint32_t level = text_length_level(&l, g, 3), cap = (1u << l.count_bits[g]) - 1;
            assert_true(l.length[g][level] == 3.0f);
            uint32_t packed = text_pack(&l, g, 2, level);
            assert_int_equal(text_count(&l, g, packed), 2);
            assert_int_equal(text_level(&l, g, packed), level);
            assert_int_equal(text_count(&l, g, text_pack(&l, g, 1e9, level)), cap);
            assert_int_equal(text_length_level(&l, g, 1e9), (1u << l.length_bits[g]) - 1);
            for (uint32_t i = 2; i < 1u << l.length_bits[g]; i++)
                assert_true(l.length[g][i] > l.length[g][i - 1]);
        }
        assert_true(all < 1u << 28);
    }
    config_collection wide = {.n_groups = 3, .group = {{.count_bits = 8}, {.count_bits = 8}, {.count_bits = 8}}};
    text_layout l;
    assert_false(text_layout_of(&wide, &l));
}

static void stop_words_are_sorted_and_stems_are_snowballs(void **state)
{
    static const char *const CODES[] = {"en", "de", "fr", "es", "it", "nl", "pt", "sv", "da", "no", "fi", "ru"};
    arena *a = arena_new(4096);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        uint32_t n;
        const char *const *word = text_stop_words(CODES[i], &n);
        assert_true(word && n > 10);
        for (uint32_t k = 1; k < n; k++)
            assert_true(strcmp(word[k - 1], word[k]) < 0);
        for (uint32_t k = 0; k < n; k++) {
            str same = text_normalise(a, str_of(word[k]));
            assert_true(str_is(same, word[k]));
        }
    }
    for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
        assert_true(str_is(text_stem("en", STR("running"), a), "run"));
        assert_true(str_is(text_stem("de", STR("hauser"), a), "haus"));
    }
    assert_string_equal(text_language_code("german"), "de");
    assert_null(text_language_code("klingon"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_normalised),
        cmocka_unit_test(text_falls_into_tokens),
        cmocka_unit_test(a_posting_holds_what_was_packed),
        cmocka_unit_test(stop_words_are_sorted_and_stems_are_snowballs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
