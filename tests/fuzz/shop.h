/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The shop of fuzz targets: a field of every type that can be filtered by. */
#ifndef SINTER_FUZZ_SHOP_H
#define SINTER_FUZZ_SHOP_H

#include "base/base.h"
#include "config/config.h"

static const config_field SHOP_FIELDS[] = {
    {.name = "title", .type = FIELD_TEXT, .searchable = true},
    {.name = "brand", .type = FIELD_KEYWORD, .filterable = true},
    {.name = "tags", .type = FIELD_KEYWORDS, .filterable = true},
    {.name = "price", .type = FIELD_NUMBER, .filterable = true},
    {.name = "stock", .type = FIELD_INTEGER, .filterable = true},
    {.name = "sold_out", .type = FIELD_BOOLEAN, .filterable = true},
    {.name = "released", .type = FIELD_TIMESTAMP, .filterable = true},
    {.name = "place", .type = FIELD_GEO, .filterable = true},
    {.name = "n_*", .pattern = true, .type = FIELD_NUMBER, .filterable = true},
};
static const config_collection SHOP = {.name = "shop", .file = "shop.yaml", .field = SHOP_FIELDS, .n_fields = ARRAY_LEN(SHOP_FIELDS)};

#endif
