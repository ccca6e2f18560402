/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random filters against a naive evaluator: the same random tree is written as text for the compiler and walked item by item
 * over plain structs here. And what a filter costs. */
#include "catalog/fixture.h"

#include <stdio.h>

#include "recall/recall.h"

#ifdef SINTER_SANITIZED
enum { ITEMS = 5000, EXPRESSIONS = 500, WORDS = 12 };
#else
enum { ITEMS = 5000, EXPRESSIONS = 3000, WORDS = 12 };
#endif

typedef struct row {
    bool lives, has_price, has_stock, has_sold, has_time;
    int brand; /* 0: none */
    uint32_t tags; /* bit k: "w<k>" */
    double price;
    int64_t stock, ms;
    bool sold;
} row;

static shop s;
static row rows[ITEMS];
static const Sinter__V1__Item *stored[ITEMS]; /* as the journal would have it */
static arena *kept;
static rng r;

static bool one_in(uint64_t n) {
    return rng_below(&r, n) == 0;
}

/* A copy that outlives the fixture's arena. */
static const Sinter__V1__Item *keep(const Sinter__V1__Item *item) {
    size_t n = sinter__v1__item__get_packed_size(item);
    uint8_t *bytes = arena_alloc(kept, n + 1);
    sinter__v1__item__pack(item, bytes);
    return sinter__v1__item__unpack(NULL, n, bytes);
}

static void make_row(uint32_t i) {
    row *m = &rows[i];
    *m = (row){.lives = true, .has_price = !one_in(4), .has_stock = !one_in(4), .has_sold = !one_in(4), .has_time = !one_in(4),
               .brand = (int)rng_below(&r, WORDS + 1), .tags = (uint32_t)(rng_next(&r) & rng_next(&r)) & ((1u << WORDS) - 1),
               .price = (double)rng_below(&r, 40) / 4 - 3, .stock = (int64_t)rng_below(&r, 12) - 4,
               .ms = 1260403200000 + (int64_t)rng_below(&r, 10) * 86400000, .sold = one_in(2)};
    Sinter__V1__Item *item = item_new(s.a, arena_printf(s.a, "%u", i));
    if (m->brand) item_add(s.a, item, "brand", v_string(s.a, arena_printf(s.a, "w%d", m->brand)));
    const char *tags[WORDS];
    size_t n = 0;
    for (int k = 0; k < WORDS; k++) {
        if (m->tags >> k & 1) tags[n++] = arena_printf(s.a, "w%d", k);
    }
    if (n) item_add(s.a, item, "tags", v_strings(s.a, n, tags));
    if (m->has_price) item_add(s.a, item, "price", v_number(s.a, m->price));
    if (m->has_stock) item_add(s.a, item, "stock", v_integer(s.a, m->stock));
    if (m->has_sold) item_add(s.a, item, "sold_out", v_boolean(s.a, m->sold));
    if (m->has_time) item_add(s.a, item, "released", v_time(s.a, m->ms / 1000, 0));
    stored[i] = keep(item);
    shop_put(&s, i, item, NULL);
    m->lives = !one_in(10);
    if (!m->lives) shop_delete(&s, i, item->id);
}

static int open_shop(void **state) {
    (void)state;
    rng_seed(&r, test_seed());
    kept = arena_new(1 << 20);
    shop_open(&s);
    for (uint32_t i = 0; i < ITEMS; i++)
        make_row(i);
    shop_publish(&s);
    return 0;
}
static int close_shop(void **state) {
    (void)state;
    for (uint32_t i = 0; i < ITEMS; i++)
        sinter__v1__item__free_unpacked((Sinter__V1__Item *)(uintptr_t)stored[i], NULL);
    arena_free(kept);
    shop_close(&s);
    return 0;
}

/* ---- the naive side --------------------------------------------------------------------------------------------------- */

typedef enum { BRAND, TAGS, PRICE, STOCK, SOLD, TIME, FIELDS } field;
typedef enum { EQ, NE, LT, LE, GT, GE, IN, BETWEEN, EXISTS, OPS } op;
typedef struct tree {
    enum { LEAF, AND, OR, NOT } kind;
    struct tree *left, *right;
    field f;
    op o;
    bool negate; /* NOT IN, NOT BETWEEN, NOT EXISTS */
    double v[4];
    int n;
} tree;

static bool row_has(const row *m, field f) {
    return f == BRAND ? m->brand > 0 : f == TAGS ? m->tags != 0 : f == PRICE ? m->has_price : f == STOCK ? m->has_stock : f == SOLD ? m->has_sold : m->has_time;
}

static bool equals(const row *m, field f, double v) {
    if (f == BRAND) return m->brand == (int)v;
    if (f == TAGS) return m->tags >> (int)v & 1;
    if (f == SOLD) return m->sold == (v != 0);
    return (f == PRICE ? m->price : f == STOCK ? (double)m->stock : (double)m->ms) == v;
}

static double number(const row *m, field f) {
    return f == PRICE ? m->price : f == STOCK ? (double)m->stock : (double)m->ms;
}

static bool leaf_holds(const tree *t, const row *m) {
    if (!row_has(m, t->f)) return false;
    bool any = false;
    switch (t->o) {
    case EQ:
    case NE: return equals(m, t->f, t->v[0]);
    case LT: return number(m, t->f) < t->v[0];
    case LE: return number(m, t->f) <= t->v[0];
    case GT: return number(m, t->f) > t->v[0];
    case GE: return number(m, t->f) >= t->v[0];
    case IN:
        for (int i = 0; i < t->n; i++)
            any |= equals(m, t->f, t->v[i]);
        return any;
    case BETWEEN: return number(m, t->f) >= t->v[0] && number(m, t->f) <= t->v[1];
    default: return true;
    }
}

static bool holds(const tree *t, const row *m) {
    if (t->kind == AND) return holds(t->left, m) && holds(t->right, m);
    if (t->kind == OR) return holds(t->left, m) || holds(t->right, m);
    if (t->kind == NOT) return !holds(t->left, m);
    return leaf_holds(t, m) != (t->negate || t->o == NE);
}

/* ---- random trees and their text ------------------------------------------------------------------------------------------ */

static double random_value(field f) {
    if (f == PRICE) return (double)rng_below(&r, 40) / 4 - 3;
    if (f == STOCK) return (double)rng_below(&r, 24) / 2 - 4;
    if (f == SOLD) return (double)rng_below(&r, 2);
    if (f == TIME) return 1260403200000 + (double)rng_below(&r, 10) * 86400000;
    return (double)rng_below(&r, WORDS + 2);
}

static tree *random_tree(int depth) {
    tree *t = ARENA_NEW(s.a, tree);
    if (depth > 0 && !one_in(4)) {
        t->kind = one_in(4) ? NOT : one_in(2) ? AND : OR;
        t->left = random_tree(depth - 1);
        if (t->kind != NOT) t->right = random_tree(depth - 1);
        return t;
    }
    t->f = (field)rng_below(&r, FIELDS);
    t->o = (op)rng_below(&r, OPS);
    bool ordered = t->f == PRICE || t->f == STOCK || t->f == TIME;
    if (!ordered && ((t->o >= LT && t->o <= GE) || t->o == BETWEEN)) t->o = EQ;
    t->negate = t->o >= IN && one_in(3);
    t->n = t->o == IN ? 1 + (int)rng_below(&r, 4) : t->o == BETWEEN ? 2 : 1;
    for (int i = 0; i < t->n; i++)
        t->v[i] = random_value(t->f);
    return t;
}

static void write_value(buffer *b, field f, double v) {
    char time[32];
    if (f == BRAND || f == TAGS) {
        buffer_printf(b, one_in(2) ? "\"w%d\"" : "'w%d'", (int)v);
    } else if (f == SOLD) {
        buffer_puts(b, v != 0 ? "true" : "false");
    } else if (f == TIME) {
        time_format_ms((int64_t)v, time);
        buffer_printf(b, "\"%s\"", time);
    } else {
        buffer_printf(b, "%.17g", v);
    }
}

static void write_leaf(buffer *b, const tree *t) {
    static const char *const NAME[] = {"brand", "tags", "price", "stock", "sold_out", "released"};
    static const char *const SIGN[] = {"=", "!=", "<", "<=", ">", ">="};
    buffer_printf(b, "%s ", NAME[t->f]);
    if (t->negate) buffer_puts(b, "NOT ");
    if (t->o <= GE) {
        buffer_printf(b, "%s ", SIGN[t->o]);
        write_value(b, t->f, t->v[0]);
    } else if (t->o == IN) {
        buffer_puts(b, "in (");
        for (int i = 0; i < t->n; i++) {
            if (i) buffer_puts(b, ", ");
            write_value(b, t->f, t->v[i]);
        }
        buffer_puts(b, ")");
    } else if (t->o == BETWEEN) {
        buffer_puts(b, "BETWEEN ");
        write_value(b, t->f, t->v[0]);
        buffer_puts(b, " AND ");
        write_value(b, t->f, t->v[1]);
    } else {
        buffer_puts(b, "EXISTS");
    }
}

/* Parentheses only where precedence needs them, or by chance. */
static void write_tree(buffer *b, const tree *t, int binds) {
    int own = t->kind == OR ? 0 : t->kind == AND ? 1 : 2;
    bool parentheses = own < binds || one_in(8);
    if (parentheses) buffer_puts(b, "(");
    if (t->kind == LEAF) {
        write_leaf(b, t);
    } else if (t->kind == NOT) {
        buffer_puts(b, "NOT ");
        write_tree(b, t->left, 2);
    } else {
        write_tree(b, t->left, own);
        buffer_puts(b, t->kind == AND ? " AND " : " or ");
        write_tree(b, t->right, own);
    }
    if (parentheses) buffer_puts(b, ")");
}

static filter *compiled(const char *text) {
    filter *f;
    sinter_error e = SINTER_ERROR_INIT;
    char line[2048];
    if (filter_compile(s.c, str_of(text), s.a, &f, &e) != SINTER_OK) fail_msg("%s: %s", text, error_line(&e, line, sizeof line));
    return f;
}

static void random_filters_pass_what_a_naive_evaluator_passes(void **state) {
    (void)state;
    const catalog_set *set = catalog_current(s.c);
    buffer text = {0};
    static uint32_t item[ITEMS], found[ITEMS];
    static uint8_t out[ITEMS];
    uint64_t passed = 0;
    for (int k = 0; k < EXPRESSIONS; k++) {
        tree *t = random_tree((int)rng_below(&r, 7));
        buffer_clear(&text);
        write_tree(&text, t, 0);
        filter *f = compiled(text.data);
        uint32_t n = 0, live = 0;
        uint64_t count;
        for (uint32_t i = 0; i < ITEMS; i++)
            item[n++] = one_in(8) ? (uint32_t)rng_below(&r, ITEMS) : i;
        filter_match(f, set, item, n, out);
        for (uint32_t i = 0; i < n; i++) {
            if (!rows[item[i]].lives) continue;
            bool want = holds(t, &rows[item[i]]);
            if (out[i] != want) fail_msg("item %u, expected %d: %s", item[i], want, text.data);
            if (i % 97 == 0 && filter_test(f, set, item[i]) != want) fail_msg("alone, item %u: %s", item[i], text.data);
            if (i % 13 == 0 && filter_test_item(f, s.c, stored[item[i]]) != want) fail_msg("as stored, item %u: %s", item[i], text.data);
        }
        uint32_t got = filter_scan(f, set, 0, ITEMS, found, &count);
        for (uint32_t i = 0; i < ITEMS; i++) {
            if (!rows[i].lives || !holds(t, &rows[i])) continue;
            assert_true(live < got && found[live] == i);
            live++;
        }
        assert_int_equal(live, got);
        assert_int_equal(count, got);
        passed += got;
        arena_reset(s.a);
    }
    buffer_free(&text);
    print_message("%d filters, %.1f %% passed\n", EXPRESSIONS, 100.0 * (double)passed / ITEMS / EXPRESSIONS);
    assert_true(passed > 0);
}

/* Any mix of the language's own pieces: compiled or refused with a place inside the text, never worse. */
static void scrambled_filters_are_refused_with_a_place(void **state) {
    (void)state;
    static const char *const PIECES[] = {"price", "brand", "tags", "sold_out", "stock", "released", "place", "(", ")", "=", "<", "!=", ",", "\"w1\"",
                                         "'", "\"", "`", "\\", "5", "-", "1e9", "AND", "OR", "NOT", "IN", "BETWEEN", "EXISTS", "WITHIN", "OF", "true", "\xff", "\xc3\xbc"};
    uint32_t ok = 0;
    for (int k = 0; k < 100000; k++) {
        buffer b = {0};
        uint64_t n = 1 + rng_below(&r, 12);
        for (uint64_t i = 0; i < n; i++)
            buffer_printf(&b, "%s%s", PIECES[rng_below(&r, ARRAY_LEN(PIECES))], one_in(4) ? "" : " ");
        filter *f;
        sinter_error e = SINTER_ERROR_INIT;
        unsigned column;
        if (filter_compile(s.c, (str){b.data, b.len}, s.a, &f, &e) == SINTER_OK) {
            ok++;
        } else {
            assert_int_equal(sscanf(e.where, "filter:%u", &column), 1);
            assert_true(column >= 1 && column <= b.len + 1 && e.what[0]);
        }
        buffer_free(&b);
        arena_reset(s.a);
    }
    print_message("%u of 100,000 scrambled filters are filters\n", ok);
    assert_true(ok > 100);
}

static double best_us(const filter *f, const uint32_t *item, uint32_t n, uint8_t *out) {
    uint64_t best = UINT64_MAX;
    for (int k = 0; k < 300; k++) {
        uint64_t t = clock_mono_ns();
        filter_match(f, catalog_current(s.c), item, n, out);
        t = clock_mono_ns() - t;
        if (t < best) best = t;
    }
    return (double)best / 1e3;
}

static void a_thousand_items_take_microseconds(void **state) {
    (void)state;
    static const char *const TEXT[] = {"price > -1 AND stock >= -3 AND NOT sold_out", "brand = \"w3\"", "brand IN (\"w1\", \"w2\", \"w3\", \"w4\")",
                                       "tags = \"w3\" AND price < 5 AND released > \"2009-12-12\"", "price BETWEEN 0 AND 5"};
    uint32_t item[1000];
    uint8_t out[1000];
    for (int i = 0; i < 1000; i++)
        item[i] = (uint32_t)rng_below(&r, ITEMS);
    for (size_t k = 0; k < ARRAY_LEN(TEXT); k++) {
        double us = best_us(compiled(TEXT[k]), item, 1000, out);
        print_message("%6.2f us for 1,000 items: %s\n", us, TEXT[k]);
#ifndef SINTER_SANITIZED
        assert_true(us < 500);
#endif
    }
    filter *f = compiled(TEXT[0]);
    uint64_t t = clock_mono_ns(), sum = 0;
    for (int k = 0; k < 100; k++) {
        for (uint32_t i = 0; i < 1000; i++)
            sum += filter_test(f, catalog_current(s.c), item[i]);
    }
    print_message("%6.1f ns one by one (%llu)\n", (double)(clock_mono_ns() - t) / 1e5, (unsigned long long)sum);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters_pass_what_a_naive_evaluator_passes),
        cmocka_unit_test(scrambled_filters_are_refused_with_a_place),
        cmocka_unit_test(a_thousand_items_take_microseconds),
    };
    return cmocka_run_group_tests(tests, open_shop, close_shop);
}
