/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand rules: a request costs what the few near its words cost. Options come from functions rather than from
 * text, since the harness's own are made for a handful; filters from a byte a row, so that the plugin's own time is
 * what is seen. */
#include "fixture.h"

enum { MANY = 10000, WORDS = 5000 };

static uint32_t n_rules, n_filtered; /* the last n_filtered rules say nothing of words, but have a filter each */

/* "rules.17.when.query.words" → 17 and "when.query.words". */
static const char *rule_part(const char *path, uint32_t *rule)
{
    int used = 0;
    return sscanf(path, "rules.%u.%n", rule, &used) == 1 && used > 0 ? path + used : NULL;
}

/* Rule i wants the word "w<i mod 5000>"; every tenth also the whole query "w<i mod 5000> x". */
static bool made_string(const sinter_options *o, const char *path, const char **out)
{
    static char text[64];
    uint32_t i;
    (void)o;
    const char *part = rule_part(path, &i);
    if (part == NULL) return false;
    bool filtered = i >= n_rules - n_filtered;
    if (strcmp(part, "id") == 0)
        snprintf(text, sizeof text, "rule%u", i);
    else if (strcmp(part, "when.query.words") == 0 && !filtered)
        snprintf(text, sizeof text, "w%u", i % WORDS);
    else if (strcmp(part, "when.query.exact") == 0 && !filtered && i % 10 == 0)
        snprintf(text, sizeof text, "w%u x", i % WORDS);
    else if (strcmp(part, "when.filter") == 0 && filtered)
        snprintf(text, sizeof text, "price > %u", i);
    else
        return false;
    *out = text;
    return true;
}

static bool made_number(const sinter_options *o, const char *path, double *out)
{
    uint32_t i;
    (void)o;
    const char *part = rule_part(path, &i);
    if (part == NULL || strcmp(part, "then.0.boost.add") != 0) return false;
    *out = 1;
    return true;
}

static bool made_integer(const sinter_options *o, const char *path, int64_t *out)
{
    (void)o, (void)path, (void)out;
    return false;
}

static bool made_boolean(const sinter_options *o, const char *path, bool *out)
{
    (void)o, (void)path, (void)out;
    return false;
}

static uint32_t made_count(const sinter_options *o, const char *path)
{
    uint32_t i;
    (void)o;
    const char *part = rule_part(path, &i);
    if (part == NULL) return strcmp(path, "rules") == 0 ? n_rules : 0;
    return strcmp(part, "then") == 0 || strcmp(part, "then.0") == 0;
}

static const char *made_key(const sinter_options *o, const char *path, uint32_t i)
{
    (void)o, (void)path, (void)i;
    return "boost";
}

static sinter_status byte_match(const sinter_host *host, const sinter_filter *f, const uint32_t *item, uint32_t n,
                                uint8_t *out, sinter_error *err)
{
    (void)host, (void)f, (void)err;
    for (uint32_t i = 0; i < n; i++)
        out[i] = item[i] & 1;
    return SINTER_OK;
}

static sinter_status open_made(shop *s, uint32_t n, uint32_t filtered)
{
    n_rules = n;
    n_filtered = filtered;
    sinter_host *host = (sinter_host *)(uintptr_t)s->host;
    host->option_string = made_string;
    host->option_number = made_number;
    host->option_integer = made_integer;
    host->option_boolean = made_boolean;
    host->option_count = made_count;
    host->option_key = made_key;
    host->filter_match = byte_match;
    return harness_instance(s->h, "ranker", NULL, 0, &s->inst, &s->err);
}

static double microseconds(shop *s, sinter_request *r, sinter_batch *b, float *out, int rounds, bool score)
{
    const sinter_ranker *ranker = harness_plugin(s->h)->ranker;
    double best = 1e9;
    for (int i = 0; i < rounds; i++) {
        uint64_t start = s->host->clock_ns();
        assert_int_equal(ranker->prepare(s->inst, s->worker, r, &s->err), SINTER_OK);
        for (uint32_t at = 0; score && at + SINTER_BLOCK <= b->n; at += SINTER_BLOCK) {
            sinter_batch block = *b;
            block.n = SINTER_BLOCK;
            block.item = b->item + at;
            assert_int_equal(ranker->score(s->inst, s->worker, &block, out + at, &s->err), SINTER_OK);
        }
        double us = (double)(s->host->clock_ns() - start) / 1e3;
        best = us < best ? us : best;
    }
    return best;
}

static void ten_thousand_rules_cost_what_the_near_ones_cost(void **state)
{
    (void)state;
    shop s;
    float got[8];
    shop_open(&s);
    assert_int_equal(open_made(&s, MANY, 0), SINTER_OK);
    s.worker = harness_worker(s.h, s.inst);
    shop_rank(&s, harness_request(s.h, "a w17 b", NOW_MS), got);
    assert_true(got[0] == 2); /* rules 17 and 5017 */
    shop_rank(&s, harness_request(s.h, "w20 x", NOW_MS), got);
    assert_true(got[0] == 2); /* 20 and 5020, which want all of the query */
    shop_rank(&s, harness_request(s.h, "w20", NOW_MS), got);
    assert_true(got[0] == 0);
    shop_rank(&s, harness_request(s.h, "sofa", NOW_MS), got);
    assert_true(got[0] == 0);
    uint64_t before = harness_allocations(s.h);
    double many = microseconds(&s, harness_request(s.h, "red w17 sofa w4099", NOW_MS), NULL, NULL, 200, false);
    assert_int_equal(harness_allocations(s.h), before);
    print_message("10,000 rules, a query of 4 words: %.2f µs a request\n", many);
#ifndef SINTER_SANITIZED
    assert_true(many < 100); /* looking at every rule takes longer */
#endif
    shop_close(&s);
}

static void ten_rules_with_filters_score_a_thousand_items(void **state)
{
    (void)state;
    static float out[1024];
    shop s;
    shop_open(&s);
    assert_int_equal(open_made(&s, 10, 10), SINTER_OK);
    s.worker = harness_worker(s.h, s.inst);
    sinter_request *r = harness_request(s.h, "red sofa", NOW_MS);
    sinter_batch *b = harness_batch(s.h, NULL, 0, 1024);
    double us = microseconds(&s, r, b, out, 200, true);
    for (uint32_t i = 0; i < 1024; i++)
        assert_true(out[i] == (i % 2 == 1 ? 10 : 0));
    print_message("10 rules with filters, 1,024 candidates: %.2f µs, filters being a byte a row\n", us);
#ifndef SINTER_SANITIZED
    assert_true(us < 500);
#endif
    shop_close(&s);
}

static void one_rule_more_is_refused(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    assert_int_equal(open_made(&s, MANY + 1, 0), SINTER_INVALID);
    assert_string_equal(s.err.what, "10001 rules are too many");
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_rules_cost_what_the_near_ones_cost),
        cmocka_unit_test(ten_rules_with_filters_score_a_thousand_items),
        cmocka_unit_test(one_rule_more_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
