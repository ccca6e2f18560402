/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the rules plugin share: a harness with a small shop of eight items, rules opened for a role, and
 * what was said as lines of text. */
#ifndef RULES_TESTS_FIXTURE_H
#define RULES_TESTS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { NOW_S = 1795860000 }; /* 2026-11-28T10:00:00Z, a Saturday */
#define NOW_MS   (NOW_S * 1000ll)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct shop {
    harness *h;
    sinter_instance *inst;
    sinter_worker *worker;
    const sinter_host *host;
    sinter_error err;
    char said[8192];
} shop;

/* Items 0 … 7 are i0 … i7; brands acme (0–3), bolt (4–5), cord (6), none (7); price 10 × (ordinal + 1); sale: even
 * ordinals; tags: "new" on 0, 4, 6 and "eco" on 0, 1. */
static inline void shop_open(shop *s)
{
    static const char *const brand[] = {"acme", "acme", "acme", "acme", "bolt", "bolt", "cord", NULL};
    static const char *const both[] = {"new", "eco"};
    memset(s, 0, sizeof *s);
    s->h = harness_open(PLUGIN_PATH);
    s->host = harness_host(s->h);
    for (uint32_t i = 0; i < 8; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%u", i);
        harness_item(s->h, i, id);
        harness_set_number(s->h, "price", i, 10.0 * (i + 1));
        harness_set_boolean(s->h, "sale", i, i % 2 == 0);
        if (brand[i] != NULL) harness_set_keyword(s->h, "brand", i, brand[i]);
    }
    harness_set_keywords(s->h, "tags", 0, both, 2);
    harness_set_keywords(s->h, "tags", 1, both + 1, 1);
    harness_set_keywords(s->h, "tags", 4, both, 1);
    harness_set_keywords(s->h, "tags", 6, both, 1);
}

static inline void shop_close(shop *s)
{
    harness_close(s->h);
}

static inline sinter_status shop_try(shop *s, const char *role, const harness_option *o, size_t n)
{
    harness_file(s->h, "/rules.yaml", o, n);
    return harness_instance(s->h, role, (const harness_option[]){{"file", "/rules.yaml"}}, 1, &s->inst, &s->err);
}

/* Opens the rules of an array of options for a role. */
static inline void shop_rules(shop *s, const char *role, const harness_option *o, size_t n)
{
    if (shop_try(s, role, o, n) != SINTER_OK) fail_msg("open: %s: %s; %s", s->err.where, s->err.what, s->err.fix);
    s->worker = harness_worker(s->h, s->inst);
}
#define RULES(s, role, ...)                                                                                            \
    shop_rules(s, role, (const harness_option[]){__VA_ARGS__}, COUNT(((const harness_option[]){__VA_ARGS__})))

/* "pin r i3 1; hide r i2": kind, rule, item or text, position or value. */
static inline const char *shop_said(shop *s)
{
    static const char *const kind[] = {"",    "explain", "words", "filter", "boost",  "redirect",
                                       "pin", "hide",    "move",  "scale",  "insert", "label"};
    size_t used = 0;
    s->said[0] = 0;
    for (uint32_t i = 0; i < harness_edits(s->h); i++) {
        const harness_edit *e = harness_edit_at(s->h, i);
        used += (size_t)snprintf(s->said + used, sizeof s->said - used, "%s%s %s", i > 0 ? "; " : "", kind[e->kind],
                                 e->rule);
        if (e->kind >= HARNESS_WORDS && e->kind <= HARNESS_REDIRECT)
            used += (size_t)snprintf(s->said + used, sizeof s->said - used, "%s '%s'", e->flag ? " =" : "", e->text);
        if (e->kind >= HARNESS_PIN) used += (size_t)snprintf(s->said + used, sizeof s->said - used, " i%u", e->item);
        if (e->kind == HARNESS_PIN || e->kind == HARNESS_MOVE || e->kind == HARNESS_INSERT)
            used += (size_t)snprintf(s->said + used, sizeof s->said - used, " %u", e->position);
        if (e->kind == HARNESS_SCALE || e->kind == HARNESS_EXPLAIN || e->kind == HARNESS_BOOST)
            used += (size_t)snprintf(s->said + used, sizeof s->said - used, " %g", e->value);
        if (e->kind == HARNESS_LABEL) used += (size_t)snprintf(s->said + used, sizeof s->said - used, " '%s'", e->text);
    }
    return s->said;
}

/* ---- roles ---- */

static inline const char *shop_rewrite(shop *s, sinter_request *r)
{
    sinter_status status = harness_plugin(s->h)->rewriter->rewrite(s->inst, s->worker, r, harness_sink(s->h), &s->err);
    assert_int_equal(status, SINTER_OK);
    return shop_said(s);
}

/* The list of items [n] with scores 8, 7, 6 … unless given. */
static inline const char *shop_finish_list(shop *s, sinter_request *r, const uint32_t *item, const float *score,
                                           uint32_t n)
{
    float otherwise[256];
    for (uint32_t i = 0; i < n; i++)
        otherwise[i] = (float)(n - i);
    sinter_list list = {.size = sizeof list, .n = n, .item = item, .score = score == NULL ? otherwise : score};
    sinter_status status =
        harness_plugin(s->h)->finisher->finish(s->inst, s->worker, r, &list, harness_sink(s->h), &s->err);
    assert_int_equal(status, SINTER_OK);
    return shop_said(s);
}

static inline const char *shop_finish(shop *s, const char *words)
{
    static const uint32_t item[] = {0, 1, 2, 3, 4, 5, 6, 7};
    return shop_finish_list(s, harness_request(s->h, words, NOW_MS), item, NULL, 8);
}

/* Scores of items 0 … 7. */
static inline void shop_rank(shop *s, sinter_request *r, float out[8])
{
    const sinter_ranker *ranker = harness_plugin(s->h)->ranker;
    assert_int_equal(ranker->prepare(s->inst, s->worker, r, &s->err), SINTER_OK);
    sinter_batch *b = harness_batch(s->h, NULL, 0, 8);
    assert_int_equal(ranker->score(s->inst, s->worker, b, out, &s->err), SINTER_OK);
}

/* Whether the only rule, one that boosts everything, applies. */
static inline bool shop_applies(shop *s, sinter_request *r)
{
    float out[8];
    shop_rank(s, r, out);
    return out[0] != 0;
}

#endif
