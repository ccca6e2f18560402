/* SPDX-License-Identifier: Apache-2.0 */
/* The rules as a finisher: each action, who wins where rules disagree, and lists that come out as they should when the
 * edits are applied one after the other. */
#include "fixture.h"

static void boosts_and_buries_scale(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "up"}, {"rules.0.when.filter", "brand = bolt"},
          {"rules.0.then.boost.factor", "2"}, {"rules.1.id", "down"}, {"rules.1.then.bury.items", "i0"},
          {"rules.1.then.bury.factor", "0.5"}, {"rules.2.id", "add"}, {"rules.2.then.boost.items", "i4"},
          {"rules.2.then.boost.add", "4"});
    /* i4 has 4: ×2 makes 8, +4 makes 12: × 1.5 */
    assert_string_equal(shop_finish(&s, ""), "scale up i4 2; scale up i5 2; scale down i0 0.5; scale add i4 1.5");
    shop_close(&s);
}

static void negative_scores_are_scaled_the_right_way_round(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "up"}, {"rules.0.then.boost.items", "i0"}, {"rules.0.then.boost.factor", "4"},
          {"rules.1.id", "down"}, {"rules.1.then.bury.items", "i1"}, {"rules.1.then.bury.factor", "0.5"},
          {"rules.2.id", "zero"}, {"rules.2.then.boost.items", "i2"}, {"rules.2.then.boost.factor", "2"},
          {"rules.3.id", "less"}, {"rules.3.then.bury.items", "i3"}, {"rules.3.then.bury.subtract", "1"});
    const uint32_t item[] = {2, 0, 1, 3};
    const float score[] = {0, -1, -2, -4};
    assert_string_equal(shop_finish_list(&s, harness_request(s.h, "", NOW_MS), item, score, 4),
                        "scale up i0 4; scale down i1 0.5; scale less i3 0.8");
    shop_close(&s);
}

static void sums_that_change_sign_or_vanish_come_out_right(void **state)
{
    (void)state;
    static const struct {
        const char *add;
        float score;
    } cases[] = {{"3", -1}, {"1", -1}, {"0.5", -1}, {"2", 1}};
    shop s;
    shop_open(&s);
    for (size_t i = 0; i < COUNT(cases); i++) {
        RULES(&s, "finisher", {"rules.0.id", "r"}, {"rules.0.then.boost.add", cases[i].add});
        const uint32_t item[] = {0};
        shop_finish_list(&s, harness_request(s.h, "", NOW_MS), item, &cases[i].score, 1);
        double factor = harness_edit_at(s.h, 0)->value, score = (double)cases[i].score;
        double got = score < 0 ? score / factor : score * factor;
        assert_true(isfinite(factor) && fabs(got - (score + atof(cases[i].add))) < 1e-9);
    }
    shop_close(&s);
}

static void scales_and_labels_stop_before_the_host_would_refuse_them(void **state)
{
    (void)state;
    static char path[100][3][40], id[100][8];
    static harness_option o[300];
    for (int i = 0; i < 100; i++) {
        snprintf(path[i][0], 40, "rules.%d.id", i);
        snprintf(path[i][1], 40, "rules.%d.then.boost.factor", i);
        snprintf(path[i][2], 40, "rules.%d.then.label.text", i);
        snprintf(id[i], 8, "r%d", i);
        o[3 * i] = (harness_option){path[i][0], id[i]};
        o[3 * i + 1] = (harness_option){path[i][1], "1.01"};
        o[3 * i + 2] = (harness_option){path[i][2], "x"};
    }
    shop s;
    shop_open(&s);
    shop_rules(&s, "finisher", o, COUNT(o));
    uint32_t item[200];
    for (uint32_t i = 0; i < 200; i++)
        item[i] = i;
    sinter_list list = {.size = sizeof list, .n = 200, .item = item};
    float score[200];
    for (uint32_t i = 0; i < 200; i++)
        score[i] = (float)(200 - i);
    list.score = score;
    assert_int_equal(harness_plugin(s.h)->finisher->finish(s.inst, s.worker, harness_request(s.h, "", NOW_MS), &list,
                                                           harness_sink(s.h), &s.err),
                     SINTER_OK);
    assert_int_equal(harness_edits(s.h), 8000);
    shop_close(&s);
}

static void hide_takes_items_out(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "gone"}, {"rules.0.when.filter", "price > 65"}, {"rules.0.then.hide", ""},
          {"rules.1.id", "ids"}, {"rules.1.then.hide.items.0", "i3"}, {"rules.1.then.hide.items.1", "i7"},
          {"rules.1.then.hide.items.2", "nowhere"});
    assert_string_equal(shop_finish(&s, ""), "hide gone i6; hide gone i7; hide ids i3");
    shop_close(&s);
}

static void pins_by_id_take_consecutive_positions(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "p"}, {"rules.0.then.pin.items.0", "i5"}, {"rules.0.then.pin.items.1", "i2"},
          {"rules.0.then.pin.position", "2"});
    assert_string_equal(shop_finish(&s, ""), "pin p i5 2; pin p i2 3");
    shop_close(&s);
}

static void pins_by_filter_take_the_best_ones(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "one"}, {"rules.0.when.filter", "brand = bolt"},
          {"rules.0.then.pin.position", "1"}, {"rules.1.id", "two"}, {"rules.1.when.filter", "tags = new"},
          {"rules.1.then.pin.limit", "2"}, {"rules.1.then.pin.position", "5"});
    /* i4 is held by the first rule, so the second takes i0 and i6 */
    assert_string_equal(shop_finish(&s, ""), "pin one i4 1; pin two i0 5; pin two i6 6");
    shop_close(&s);
}

static void of_two_pins_on_a_position_the_higher_priority_wins(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "low"}, {"rules.0.then.pin.items", "i1"}, {"rules.1.id", "high"},
          {"rules.1.priority", "10"}, {"rules.1.then.pin.items", "i2"}, {"rules.2.id", "same"},
          {"rules.2.then.pin.items", "i3"});
    assert_string_equal(shop_finish(&s, ""), "pin high i2 1; pin low i1 2; pin same i3 3");
    assert_string_equal(harness_edit_at(s.h, 1)->text, "pinned at 2; 1 was taken");
    shop_close(&s);
}

static void a_pin_past_the_end_stands_at_the_end(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "a"}, {"rules.0.then.pin.items", "i1"}, {"rules.0.then.pin.position", "100"},
          {"rules.1.id", "b"}, {"rules.1.then.pin.items", "i2"}, {"rules.1.then.pin.position", "100"});
    assert_string_equal(shop_finish(&s, ""), "pin a i1 7; pin b i2 8");
    shop_close(&s);
}

static void the_first_rule_to_take_an_item_has_it(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "hide"}, {"rules.0.priority", "2"}, {"rules.0.then.hide.items", "i1"},
          {"rules.1.id", "pin"}, {"rules.1.priority", "1"}, {"rules.1.then.pin.items.0", "i1"},
          {"rules.1.then.pin.items.1", "i2"}, {"rules.2.id", "late"}, {"rules.2.then.hide.items", "i2"},
          {"rules.3.id", "moved"}, {"rules.3.priority", "-1"}, {"rules.3.then.pin.items", "i2"},
          {"rules.3.then.pin.position", "4"});
    assert_string_equal(shop_finish(&s, ""), "hide hide i1; pin pin i2 1");
    shop_close(&s);
}

static void insert_brings_in_what_is_not_there_and_pins_what_is(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "in"}, {"rules.0.then.insert.items.0", "i7"},
          {"rules.0.then.insert.items.1", "i1"}, {"rules.0.then.insert.items.2", "nowhere"},
          {"rules.0.then.insert.position", "2"});
    const uint32_t item[] = {0, 1, 2};
    assert_string_equal(shop_finish_list(&s, harness_request(s.h, "", NOW_MS), item, NULL, 3),
                        "insert in i7 2; pin in i1 3");
    assert_string_equal(shop_finish_list(&s, harness_request(s.h, "", NOW_MS), item, NULL, 0),
                        "insert in i7 1; insert in i1 2");
    shop_close(&s);
}

static void an_item_hidden_by_a_higher_rule_is_not_inserted(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "no"}, {"rules.0.priority", "1"}, {"rules.0.when.filter", "brand = cord"},
          {"rules.0.then.hide", ""}, {"rules.1.id", "in"}, {"rules.1.then.insert.items.0", "i6"},
          {"rules.1.then.insert.items.1", "i7"});
    const uint32_t item[] = {0, 1};
    assert_string_equal(shop_finish_list(&s, harness_request(s.h, "", NOW_MS), item, NULL, 2), "insert in i7 1");
    shop_close(&s);
}

static void labels_say_their_text(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "l"}, {"rules.0.when.filter", "tags = eco"},
          {"rules.0.then.label.text", "Good for trees"});
    assert_string_equal(shop_finish(&s, ""), "label l i0 'Good for trees'; label l i1 'Good for trees'");
    shop_close(&s);
}

static void a_note_is_what_people_read(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "a"}, {"rules.0.note", "Winter campaign"}, {"rules.0.then.pin.items", "i1"},
          {"rules.1.id", "b"}, {"rules.1.then.hide.items", "i2"});
    assert_string_equal(shop_finish(&s, ""), "hide b i2; pin a i1 1");
    assert_string_equal(harness_edit_at(s.h, 0)->text, "hidden");
    assert_string_equal(harness_edit_at(s.h, 1)->text, "Winter campaign");
    shop_close(&s);
}

/* ---- the list that comes out, edits applied as plugin.h says ---- */

typedef struct outcome {
    uint32_t item[256];
    double score[256];
    uint32_t n;
} outcome;

static uint32_t take_out(outcome *o, uint32_t item)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (o->item[i] == item) {
            memmove(o->item + i, o->item + i + 1, (o->n - 1 - i) * sizeof *o->item);
            memmove(o->score + i, o->score + i + 1, (o->n - 1 - i) * sizeof *o->score);
            o->n--;
            return i;
        }
    return UINT32_MAX;
}

static void put_at(outcome *o, uint32_t item, uint32_t position)
{
    uint32_t at = position - 1 < o->n ? position - 1 : o->n;
    memmove(o->item + at + 1, o->item + at, (o->n - at) * sizeof *o->item);
    memmove(o->score + at + 1, o->score + at, (o->n - at) * sizeof *o->score);
    o->item[at] = item;
    o->n++;
}

static void sort_by_score(outcome *o)
{
    for (uint32_t i = 1; i < o->n; i++)
        for (uint32_t j = i; j > 0 && o->score[j - 1] < o->score[j]; j--) {
            double v = o->score[j];
            uint32_t item = o->item[j];
            o->score[j] = o->score[j - 1];
            o->item[j] = o->item[j - 1];
            o->score[j - 1] = v;
            o->item[j - 1] = item;
        }
}

/* Scales and the new order, then moves as given, then pins and inserts, lowest position first. */
static outcome apply(const harness *h, const uint32_t *item, const float *score, uint32_t n)
{
    outcome o = {.n = n};
    for (uint32_t i = 0; i < n; i++) {
        o.item[i] = item[i];
        o.score[i] = (double)score[i];
    }
    for (uint32_t k = 0; k < harness_edits(h); k++) {
        const harness_edit *e = harness_edit_at(h, k);
        for (uint32_t i = 0; i < o.n && e->kind == HARNESS_SCALE; i++)
            if (o.item[i] == e->item) o.score[i] = o.score[i] < 0 ? o.score[i] / e->value : o.score[i] * e->value;
        if (e->kind == HARNESS_HIDE) assert_true(take_out(&o, e->item) != UINT32_MAX);
    }
    sort_by_score(&o);
    for (uint32_t k = 0; k < harness_edits(h); k++)
        if (harness_edit_at(h, k)->kind == HARNESS_MOVE) {
            take_out(&o, harness_edit_at(h, k)->item);
            put_at(&o, harness_edit_at(h, k)->item, harness_edit_at(h, k)->position);
        }
    uint32_t last = 0;
    for (uint32_t k = 0; k < harness_edits(h); k++)
        if (harness_edit_at(h, k)->kind == HARNESS_PIN) take_out(&o, harness_edit_at(h, k)->item);
    for (uint32_t k = 0; k < harness_edits(h); k++) {
        const harness_edit *e = harness_edit_at(h, k);
        if (e->kind != HARNESS_PIN && e->kind != HARNESS_INSERT) continue;
        assert_true(e->position > last);
        last = e->position;
        put_at(&o, e->item, e->position);
    }
    return o;
}

static const char *shown(const outcome *o)
{
    static char text[256];
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < o->n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i > 0 ? " " : "", o->item[i]);
    return text;
}

static const char *finished(shop *s)
{
    static const uint32_t item[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const float score[] = {8, 7, 6, 5, 4, 3, 2, 1};
    shop_finish_list(s, harness_request(s->h, "", NOW_MS), item, score, 8);
    outcome o = apply(s->h, item, score, 8);
    return shown(&o);
}

static void a_cap_moves_the_surplus_down(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "cap"}, {"rules.0.then.cap.field", "brand"}, {"rules.0.then.cap.most", "2"},
          {"rules.0.then.cap.among", "5"});
    assert_string_equal(finished(&s), "0 1 4 5 6 2 3 7");
    assert_string_equal(shop_said(&s), "move cap i3 7; move cap i2 6");
    assert_string_equal(harness_edit_at(s.h, 0)->text, "at most 2 of one brand among the first 5");
    RULES(&s, "finisher", {"rules.0.id", "cap"}, {"rules.0.then.cap.field", "brand"}, {"rules.0.then.cap.most", "1"});
    assert_string_equal(finished(&s), "0 4 6 7 1 2 3 5"); /* nothing else is left */
    RULES(&s, "finisher", {"rules.0.id", "cap"}, {"rules.0.then.cap.field", "brand"}, {"rules.0.then.cap.most", "4"});
    assert_string_equal(finished(&s), "0 1 2 3 4 5 6 7");
    assert_int_equal(harness_edits(s.h), 0);
    shop_close(&s);
}

static void caps_count_lists_booleans_and_only_the_items_meant(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "tags"}, {"rules.0.then.cap.field", "tags"}, {"rules.0.then.cap.most", "1"},
          {"rules.0.then.cap.among", "5"});
    assert_string_equal(finished(&s), "0 2 3 5 7 1 4 6");
    RULES(&s, "finisher", {"rules.0.id", "sale"}, {"rules.0.then.cap.field", "sale"}, {"rules.0.then.cap.most", "2"},
          {"rules.0.then.cap.among", "4"});
    assert_string_equal(finished(&s), "0 1 2 3 4 5 6 7");
    RULES(&s, "finisher", {"rules.0.id", "dear acme"}, {"rules.0.when.filter", "price > 15"},
          {"rules.0.then.cap.field", "brand"}, {"rules.0.then.cap.most", "1"}, {"rules.0.then.cap.among", "4"});
    assert_string_equal(finished(&s), "0 1 4 6 2 3 5 7"); /* i0 is not counted */
    shop_close(&s);
}

static void caps_leave_pins_where_they_are_and_count_them(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "cap"}, {"rules.0.then.cap.field", "brand"}, {"rules.0.then.cap.most", "2"},
          {"rules.0.then.cap.among", "4"}, {"rules.1.id", "pin"}, {"rules.1.then.pin.items", "i3"},
          {"rules.1.then.pin.position", "2"});
    assert_string_equal(finished(&s), "0 3 4 5 1 2 6 7");
    shop_close(&s);
}

static void two_caps_hold_together(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "brand"}, {"rules.0.then.cap.field", "brand"}, {"rules.0.then.cap.most", "2"},
          {"rules.0.then.cap.among", "4"}, {"rules.1.id", "sale"}, {"rules.1.then.cap.field", "sale"},
          {"rules.1.then.cap.most", "1"}, {"rules.1.then.cap.among", "2"});
    assert_string_equal(finished(&s), "0 1 4 5 2 3 6 7");
    shop_close(&s);
}

static void caps_look_at_the_order_after_scaling(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "up"}, {"rules.0.when.filter", "brand = bolt"},
          {"rules.0.then.boost.factor", "100"}, {"rules.1.id", "cap"}, {"rules.1.then.cap.field", "brand"},
          {"rules.1.then.cap.most", "1"}, {"rules.1.then.cap.among", "2"});
    assert_string_equal(finished(&s), "4 0 5 1 2 3 6 7");
    shop_close(&s);
}

static void pins_moving_down_do_not_shift_one_another(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "a"}, {"rules.0.then.pin.items", "i0"}, {"rules.0.then.pin.position", "3"},
          {"rules.1.id", "b"}, {"rules.1.then.pin.items", "i7"}, {"rules.1.then.pin.position", "2"},
          {"rules.2.id", "c"}, {"rules.2.then.hide.items", "i1"});
    assert_string_equal(finished(&s), "2 7 0 3 4 5 6");
    shop_close(&s);
}

/* 300 random sets of rules: pins where they should be, caps kept where they can be, nothing lost, the rest in order. */
static void random_rules_leave_a_list_that_keeps_every_promise(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    srand(11);
    for (uint32_t i = 8; i < 40; i++) {
        char id[8], brand[8];
        snprintf(id, sizeof id, "i%u", i);
        harness_item(s.h, i, id);
        snprintf(brand, sizeof brand, "b%d", rand() % 4);
        harness_set_keyword(s.h, "brand", i, brand);
    }
    for (int round = 0; round < 300; round++) {
        char text[12][32];
        uint32_t pinned = (uint32_t)(rand() % 40), second = (uint32_t)(rand() % 40), most = 1 + (uint32_t)(rand() % 3);
        uint32_t position = 1 + (uint32_t)(rand() % 12), hidden = (uint32_t)(rand() % 40),
                 among = 5 + (uint32_t)(rand() % 10);
        snprintf(text[0], 32, "i%u", pinned);
        snprintf(text[1], 32, "i%u", second);
        snprintf(text[2], 32, "%u", position);
        snprintf(text[3], 32, "%u", most);
        snprintf(text[4], 32, "%u", among);
        snprintf(text[5], 32, "i%u", hidden);
        RULES(&s, "finisher", {"rules.0.id", "p"}, {"rules.0.then.pin.items.0", text[0]},
              {"rules.0.then.pin.items.1", text[1]}, {"rules.0.then.pin.position", text[2]}, {"rules.1.id", "c"},
              {"rules.1.then.cap.field", "brand"}, {"rules.1.then.cap.most", text[3]},
              {"rules.1.then.cap.among", text[4]}, {"rules.2.id", "h"}, {"rules.2.then.hide.items", text[5]});
        uint32_t item[40];
        float score[40];
        for (uint32_t i = 0; i < 40; i++) {
            item[i] = i;
            score[i] = (float)(40 - i);
        }
        shop_finish_list(&s, harness_request(s.h, "", NOW_MS), item, score, 40);
        outcome o = apply(s.h, item, score, 40);
        assert_int_equal(o.n, hidden == pinned || hidden == second ? 40 : 39);
        assert_int_equal(o.item[position - 1], pinned);
        if (second != pinned) assert_int_equal(o.item[position], second);
        uint32_t over = 0, seen[64] = {0};
        for (uint32_t i = 0; i < among; i++) {
            const sinter_column *c = s.host->column(s.host, "brand");
            uint32_t brand = o.item[i] == 7 ? 0 : ((const uint32_t *)c->chunk[0]->data)[o.item[i]];
            over += brand != 0 && ++seen[brand] > most && o.item[i] != pinned && o.item[i] != second;
        }
        /* Where the values are too few to fill the first places, the cap must give way. */
        uint32_t possible = 1, all[64] = {0};
        for (uint32_t i = 0; i < 40; i++)
            possible += i != 7 && i != hidden &&
                        ++all[((const uint32_t *)s.host->column(s.host, "brand")->chunk[0]->data)[i]] <= most;
        possible -= 3; /* pins may stand further down */
        if (possible >= among && over > 0) fail_msg("round %d: %u over the cap: %s", round, over, shown(&o));
        uint32_t there[40] = {0};
        for (uint32_t i = 0; i < o.n; i++)
            there[o.item[i]]++;
        for (uint32_t i = 0; i < 40; i++)
            assert_int_equal(there[i], i == hidden && hidden != pinned && hidden != second ? 0 : 1);
        harness_scratch_reset(s.h);
    }
    shop_close(&s);
}

static void nothing_is_said_where_no_rule_applies(void **state)
{
    (void)state;
    shop s;
    shop_open(&s);
    RULES(&s, "finisher", {"rules.0.id", "a"}, {"rules.0.when.query.exact", "sofa"}, {"rules.0.then.pin.items", "i1"},
          {"rules.1.id", "b"}, {"rules.1.then.add_words", "x"});
    assert_string_equal(shop_finish(&s, "chair"), "");
    assert_string_equal(shop_finish(&s, "sofa"), "pin a i1 1");
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boosts_and_buries_scale),
        cmocka_unit_test(negative_scores_are_scaled_the_right_way_round),
        cmocka_unit_test(sums_that_change_sign_or_vanish_come_out_right),
        cmocka_unit_test(scales_and_labels_stop_before_the_host_would_refuse_them),
        cmocka_unit_test(hide_takes_items_out),
        cmocka_unit_test(pins_by_id_take_consecutive_positions),
        cmocka_unit_test(pins_by_filter_take_the_best_ones),
        cmocka_unit_test(of_two_pins_on_a_position_the_higher_priority_wins),
        cmocka_unit_test(a_pin_past_the_end_stands_at_the_end),
        cmocka_unit_test(the_first_rule_to_take_an_item_has_it),
        cmocka_unit_test(insert_brings_in_what_is_not_there_and_pins_what_is),
        cmocka_unit_test(an_item_hidden_by_a_higher_rule_is_not_inserted),
        cmocka_unit_test(labels_say_their_text),
        cmocka_unit_test(a_note_is_what_people_read),
        cmocka_unit_test(a_cap_moves_the_surplus_down),
        cmocka_unit_test(caps_count_lists_booleans_and_only_the_items_meant),
        cmocka_unit_test(caps_leave_pins_where_they_are_and_count_them),
        cmocka_unit_test(two_caps_hold_together),
        cmocka_unit_test(caps_look_at_the_order_after_scaling),
        cmocka_unit_test(pins_moving_down_do_not_shift_one_another),
        cmocka_unit_test(random_rules_leave_a_list_that_keeps_every_promise),
        cmocka_unit_test(nothing_is_said_where_no_rule_applies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
