/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a filter: compiled or refused with a place inside the text, and what compiles runs over a small set of items. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recall/recall.h"
#include "fuzz.h"
#include "shop.h"

static catalog_collection *shop(void) {
    static catalog_collection *c;
    if (c) return c;
    require(catalog_open(&SHOP, 1, "u", epoch_new(1), &c, NULL) == SINTER_OK);
    Sinter__V1__Value brand = SINTER__V1__VALUE__INIT, price = SINTER__V1__VALUE__INIT;
    brand.kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    brand.string_value = (char *)"Acme";
    price.kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
    price.number_value = 10;
    Sinter__V1__Item__FieldsEntry entry[2] = {SINTER__V1__ITEM__FIELDS_ENTRY__INIT, SINTER__V1__ITEM__FIELDS_ENTRY__INIT};
    Sinter__V1__Item__FieldsEntry *entries[2] = {&entry[0], &entry[1]};
    entry[0].key = (char *)"brand", entry[0].value = &brand;
    entry[1].key = (char *)"price", entry[1].value = &price;
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    Sinter__Storage__V1__ItemPut put = SINTER__STORAGE__V1__ITEM_PUT__INIT;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    item.id = (char *)"x", item.n_fields = 2, item.fields = entries;
    put.collection = 1, put.item = &item;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT, rec.item_put = &put;
    bool changed;
    for (uint32_t i = 0; i < 70; i++) {
        rec.sequence = i + 1, put.ordinal = i;
        require(catalog_apply(c, &rec, NULL, &changed, NULL) == SINTER_OK);
    }
    catalog_publish(c, 70);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static arena *a;
    if (!a) a = arena_new(1 << 16);
    const catalog_set *set = catalog_current(shop());
    filter *f;
    sinter_error e = SINTER_ERROR_INIT;
    arena_reset(a);
    if (filter_compile(shop(), (str){(const char *)data, size}, a, &f, &e) != SINTER_OK) {
        unsigned column;
        require(sscanf(e.where, "filter:%u", &column) == 1 && column >= 1 && column <= size + 1 && e.what[0]);
        return 0;
    }
    uint32_t item[70], again[70], n;
    uint64_t count;
    n = filter_scan(f, set, 0, 70, item, &count);
    require(n == count);
    for (uint32_t i = 0; i < n; i++)
        require(filter_test(f, set, item[i]));
    filter *twice = filter_and(a, f, f);
    require(filter_scan(twice, set, 0, 70, again, NULL) == n);
    return 0;
}
