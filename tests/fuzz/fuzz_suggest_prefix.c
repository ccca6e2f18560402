/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as what was typed, as a text that is offered and as a record of the log: nothing is found that does not hold what was typed, a
 * text's pieces make it up again, and near words are those that the definition says. */
#include <stdlib.h>
#include <string.h>

#include "suggest/inside.h"
#include "suggest/packed.h"
#include "fuzz.h"

static store *s;
static suggest_set *set;

static void open_once(void)
{
    static const char *const QUERIES[] = {"walnut desk lamp", "floor lamp", "lampion", "café crème", "冷蔵庫 大型", "настольная лампа", "a b c", "headphones"};
    settings none = {.queries = true, .min_users = 1, .half_life_ms = 1e9};
    s = store_new(&none);
    for (size_t i = 0; i < ARRAY_LEN(QUERIES); i++)
        store_asked(s, &(asking){.query = str_of(QUERIES[i]), .user_id = STR("u"), .time_ms = (int64_t)i, .weight = 1});
    set = set_build(s);
}

static void check_near(const suggest_typed *t, arena *a)
{
    const index_of *x = &set->index[SUGGEST_QUERY];
    uint8_t *near = arena_alloc(a, x->n_words);
    uint32_t *found = ARENA_ARRAY(a, uint32_t, x->n_words);
    for (uint32_t i = 0; i < t->n; i++)
        for (int prefix = 0; prefix < 2; prefix++) {
            uint32_t most = edits_allowed(t->word[i]);
            memset(near, UINT8_MAX, x->n_words);
            words_near(x, t->word[i], prefix, most, near, found);
            for (uint32_t w = 0; w < x->n_words; w++) {
                uint32_t d = word_edits(t->word[i], x->word[w], prefix, most);
                require(d > most ? near[w] == UINT8_MAX : near[w] == d);
            }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!set) open_once();
    arena *a = arena_new(1u << 14);
    str text = {(const char *)data, size < 1024 ? size : 1024};
    suggest_typed t;
    suggest_found found[8];
    suggest_read(text, a, &t);
    require(t.n <= SUGGEST_MAX_WORDS);
    uint32_t n = suggest_complete(set, SUGGEST_QUERY, &t, 8, true, NULL, NULL, a, found);
    require(n <= 8);
    for (uint32_t i = 0; i < n; i++) {
        require(found[i].edits <= 2 * t.n);
        if (i) require(found[i - 1].edits <= found[i].edits);
    }
    if (t.n) check_near(&t, a);
    const suggest_part *part;
    uint32_t parts = suggest_parts((str){text.s, text.n < MOST_TEXT ? text.n : MOST_TEXT}, &t, true, a, &part);
    size_t total = 0;
    for (uint32_t i = 0; i < parts; i++) {
        require(part[i].text.s == text.s + total);
        total += part[i].text.n;
    }
    require(total == (text.n < MOST_TEXT ? text.n : MOST_TEXT));
    packed_answer answer;
    packed_answer_read((str){(const char *)data, size}, &answer);
    arena_free(a);
    return 0;
}
