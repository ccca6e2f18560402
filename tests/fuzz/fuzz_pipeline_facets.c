/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any FacetRequest: refused with a place inside it, or counted over a small catalogue whose values are as far apart as values can be;
 * and what is answered adds up. The same bytes as a cursor are refused. */
#include "pipeline/facets.h"
#include "fuzz.h"
#include "shop.h"

#include <math.h>
#include <stdlib.h>

enum { ITEMS = 300 };


/* One item's fields: some of them, from the ends of what their types hold. */
static void put_item(catalog_collection *c, uint32_t i, rng *r, arena *a)
{
    static const double numbers[] = {0, 1, -1, 0.1, 1e308, -1e308, 5e-324, 19.99, 19.99, 200};
    static const int64_t integers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 7, 7, 8, 1000000, 42};
    static const char *words[] = {"Acme", "ähm", "bolt", "", "Acme & Co", "bolts", "x", "y", "z", "Äcme"};
    Sinter__V1__Value v[7];
    Sinter__V1__Item__FieldsEntry own[7], *entries[7];
    Sinter__V1__Item item = SINTER__V1__ITEM__INIT;
    Sinter__V1__Strings strings = SINTER__V1__STRINGS__INIT;
    Sinter__V1__Geo geo = SINTER__V1__GEO__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    char *two[2];
    for (int k = 0; k < 7; k++) {
        uint32_t x = (uint32_t)rng_below(r, 10);
        sinter__v1__value__init(&v[k]);
        if (rng_below(r, 8) == 0) continue;
        switch (k) {
        case 0: v[k].kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE, v[k].string_value = (char *)words[x]; break;
        case 1:
            two[0] = (char *)words[x], two[1] = (char *)words[(x + 1) % 10];
            strings.values = two, strings.n_values = 2;
            v[k].kind_case = SINTER__V1__VALUE__KIND_STRINGS_VALUE, v[k].strings_value = &strings;
            break;
        case 2: v[k].kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE, v[k].number_value = numbers[x]; break;
        case 3: v[k].kind_case = SINTER__V1__VALUE__KIND_INTEGER_VALUE, v[k].integer_value = integers[x]; break;
        case 4: v[k].kind_case = SINTER__V1__VALUE__KIND_BOOLEAN_VALUE, v[k].boolean_value = x & 1; break;
        case 5:
            time.seconds = x == 0 ? -62135596800 : x == 1 ? 253402300799 : (int64_t)rng_below(r, 1u << 31);
            v[k].kind_case = SINTER__V1__VALUE__KIND_TIMESTAMP_VALUE, v[k].timestamp_value = &time;
            break;
        default:
            geo.latitude = x == 0 ? 90 : rng_uniform(r) * 180 - 90, geo.longitude = x == 1 ? -180 : rng_uniform(r) * 360 - 180;
            v[k].kind_case = SINTER__V1__VALUE__KIND_GEO_VALUE, v[k].geo_value = &geo;
        }
        Sinter__V1__Item__FieldsEntry *e = entries[item.n_fields] = &own[item.n_fields];
        sinter__v1__item__fields_entry__init(e);
        e->key = (char *)SHOP_FIELDS[k + 1].name;
        e->value = &v[k];
        item.n_fields++;
    }
    Sinter__Storage__V1__ItemPut put = SINTER__STORAGE__V1__ITEM_PUT__INIT;
    Sinter__Storage__V1__Record rec = SINTER__STORAGE__V1__RECORD__INIT;
    bool changed;
    item.id = arena_printf(a, "i%u", i), item.fields = entries;
    put.collection = 1, put.item = &item, put.ordinal = i;
    rec.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT, rec.item_put = &put, rec.sequence = i + 1;
    require(catalog_apply(c, &rec, NULL, &changed, NULL) == SINTER_OK);
}

static catalog_collection *shop(void)
{
    static catalog_collection *c;
    rng r;
    if (c) return c;
    arena *a = arena_new(1 << 14);
    rng_seed(&r, 5);
    require(catalog_open(&SHOP, 1, "u", epoch_new(1), &c, NULL) == SINTER_OK);
    for (uint32_t i = 0; i < ITEMS; i++) put_item(c, i, &r, a);
    catalog_publish(c, ITEMS);
    arena_free(a);
    return c;
}

static uint32_t count(void *ctx, uint32_t *item, uint32_t n)
{
    return search_count_facets(ctx, item, n);
}

static void check(const facet_run *x, const Sinter__V1__Facet *f)
{
    uint64_t here = f->matches - f->missing, values = 0, ranges = 0;
    require(f->matches == ITEMS && f->missing <= f->matches && f->n_values <= x->limit && !f->partial);
    for (size_t i = 0; i < f->n_values; i++) {
        require(f->values[i]->count > 0 && f->values[i]->count <= here);
        values += f->values[i]->count;
    }
    for (size_t i = 0; i < f->n_ranges; i++) {
        require(f->ranges[i]->count <= here);
        ranges += f->ranges[i]->count;
    }
    bool all_listed = f->distinct == f->n_values && !*x->in->prefix;
    if (x->shape == FACET_VALUES && all_listed) require(x->type == FIELD_KEYWORDS ? values >= here : values == here);
    if (x->shape == FACET_AUTOMATIC) require(ranges == here && f->n_ranges <= x->in->automatic_ranges);
    if (x->shape == FACET_PERIODS && f->distinct == f->n_ranges) require(ranges == here);
    if (f->stats) require(f->stats->count == here && x->least <= x->most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static arena *a;
    if (!a) a = arena_new(1 << 16);
    arena_reset(a);
    sinter_error e = SINTER_ERROR_INIT;
    cursor c;
    char *text = arena_strndup(a, (const char *)data, size);
    require(cursor_read(a, text, 1, &c, &e) == SINTER_INVALID && strcmp(e.where, "cursor") == 0);
    Sinter__V1__FacetRequest *in = sinter__v1__facet_request__unpack(NULL, size, data);
    if (!in) return 0;
    snap_collection collection = {.schema = &SHOP, .catalog = shop()};
    Sinter__V1__SearchRequest request = SINTER__V1__SEARCH_REQUEST__INIT;
    request.facets = &in;
    request.n_facets = 1;
    Sinter__V1__SearchResponse out = SINTER__V1__SEARCH_RESPONSE__INIT;
    search *s = ARENA_NEW(a, search);
    s->a = a;
    s->collection = &collection;
    s->set = catalog_current(shop());
    s->in = &request;
    s->out = &out;
    e = (sinter_error)SINTER_ERROR_INIT;
    if (search_read_facets(s, &e)) {
        require(e.status == SINTER_INVALID && strncmp(e.where, "facets[0]", 9) == 0 && e.what[0] && e.fix[0]);
    } else {
        match_watch w = {.fn = count, .ctx = s, .until_ns = UINT64_MAX};
        filter_walk(NULL, s->set, &w);
        search_answer_facets(s);
        require(out.n_facets == 1);
        check(&s->facets->run[0], out.facets[0]);
        require(sinter__v1__facet__get_packed_size(out.facets[0]) > 0);
    }
    sinter__v1__facet_request__free_unpacked(in, NULL);
    return 0;
}
