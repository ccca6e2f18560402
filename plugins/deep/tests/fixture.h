/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small shop with planted taste, for tests of the deep plugin: items of three features, users who each like one of two kinds
 * of items, lists whose first positions are looked at more, and clicks by taste and position. */
#ifndef SINTER_DEEP_TESTS_FIXTURE_H
#define SINTER_DEEP_TESTS_FIXTURE_H

#include "harness_dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "random.h"

enum { SHOP_ITEMS = 60, SHOP_USERS = 40, SHOP_LIST = 8, SHOP_HISTORY = 6 };

typedef struct shop {
    harness *h;
    uint32_t n_features;
    double position_bias, by_feature, by_taste;
    bool user_ids, blind; /* blind: labels are chance */
    uint32_t made;
} shop;

static inline uint32_t shop_hash(uint32_t x)
{
    uint32_t h = (uint32_t)random_bits(99, x);
    return h == 0 ? 1 : h;
}

static inline float shop_feature(uint32_t item, uint32_t f)
{
    return (float)((random_uniform(item, f) - 0.5) * 4 * pow(10, (int)f) + 3 * f);
}

/* Whether this user likes this item: unknowable but from what the user did. */
static inline double shop_taste(uint32_t user, uint32_t item)
{
    return (user % 2 == item % 2) ? 1 : -1;
}

/* One list for a user; clicks by the shop's mixture. */
static inline void shop_request(shop *s, sinter_dataset *d, uint64_t seed)
{
    float x[SHOP_LIST * 3], clicked[SHOP_LIST];
    uint32_t user = (uint32_t)(random_bits(seed, 1) % SHOP_USERS), hash[2][SHOP_LIST];
    const uint32_t *ids[2] = {hash[0], hash[1]};
    sinter_batch *b;
    for (uint32_t i = 0; i < SHOP_LIST; i++) {
        uint32_t item = (uint32_t)(random_bits(seed, 10 + i) % SHOP_ITEMS);
        for (uint32_t f = 0; f < s->n_features; f++)
            x[i * s->n_features + f] = shop_feature(item, f);
    }
    b = harness_batch(s->h, x, s->n_features, SHOP_LIST);
    for (uint32_t i = 0; i < SHOP_LIST; i++) {
        uint32_t item = (uint32_t)(random_bits(seed, 10 + i) % SHOP_ITEMS);
        double z = s->by_feature * ((double)shop_feature(item, 0) / 2) + s->by_taste * shop_taste(user, item) - 0.5 - s->position_bias * i;
        ((uint32_t *)(uintptr_t)b->item)[i] = item;
        hash[0][i] = shop_hash(user);
        hash[1][i] = shop_hash(1000 + item % 5);
        clicked[i] = random_uniform(seed, 100 + i) < (s->blind ? 0.5 : 1 / (1 + exp(-z)));
    }
    /* The history lives as long as the harness: a batch's user is not copied. */
    static struct {
        sinter_user user;
        uint32_t item[SHOP_HISTORY], event[SHOP_HISTORY];
        float age[SHOP_HISTORY], weight[SHOP_HISTORY], feature[SHOP_HISTORY];
        const float *side[1];
    } kept[4096];
    uint32_t at = s->made++ % 4096;
    for (uint32_t k = 0; k < SHOP_HISTORY; k++) {
        uint32_t item = (uint32_t)(random_bits(seed, 200 + k) % (SHOP_ITEMS / 2)) * 2 + user % 2;
        kept[at].item[k] = item;
        kept[at].event[k] = 2;
        kept[at].age[k] = (float)k;
        kept[at].weight[k] = 1;
        kept[at].feature[k] = shop_feature(item, 1);
    }
    kept[at].side[0] = kept[at].feature;
    kept[at].user = (sinter_user){.size = sizeof(sinter_user), .n_history = SHOP_HISTORY, .item = kept[at].item,
                                  .event = kept[at].event, .age = kept[at].age, .weight = kept[at].weight, .side = kept[at].side,
                                  .n_side = 1};
    b->user = &kept[at].user;
    b->id_feature = ids;
    b->n_id_features = s->user_ids ? 2 : 0;
    harness_requests(d, &(sinter_requests){.batch = b, .label = (const float *const[]){clicked}, .n_targets = 1});
}

static inline sinter_dataset *shop_requests(shop *s, uint32_t n, uint64_t seed)
{
    sinter_dataset *d = harness_dataset(s->h);
    for (uint32_t i = 0; i < n; i++)
        shop_request(s, d, random_seed(seed, 7, i));
    return d;
}

static inline shop shop_open(const char *so)
{
    shop s = {.h = harness_open(so), .n_features = 3, .by_feature = 1};
    char id[16];
    for (uint32_t i = 0; i < SHOP_ITEMS; i++) {
        snprintf(id, sizeof id, "item%u", i);
        harness_item(s.h, i, id);
    }
    return s;
}

#define SHOP_FEATURES {"features.0", "item.a"}, {"features.1", "item.b"}, {"features.2", "item.c"}
#define SHOP_LAYERS \
    {"layers.0.dense", "16"}, {"layers.0.activation", "relu"}, {"layers.1.dense", "1"}, {"layers.1.activation", "sigmoid"}

#endif
