/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hand-assembled record is byte for byte what protobuf-c packs, and its checksum catches every flipped bit. */
#include "fixture.h"

#include "journal/record.h"

static const record_stamp STAMP = {.sequence = 300, .write_id = {"shop/Upsert/w1", 14}, .time_ms = 1767225600123};

static void assert_packs_as(const record *want, const buffer *stored)
{
    size_t n = sinter__storage__v1__record__get_packed_size(want);
    uint8_t *bytes = xmalloc(n);
    sinter__storage__v1__record__pack(want, bytes);
    assert_int_equal(stored->len - RECORD_HEAD, n);
    assert_memory_equal(stored->data + RECORD_HEAD, bytes, n);
    free(bytes);
}

static record stamped(const record_stamp *t)
{
    record r = SINTER__STORAGE__V1__RECORD__INIT;
    r.sequence = t->sequence;
    r.write_id = (char *)(uintptr_t)t->write_id.s;
    r.time_ms = t->time_ms;
    return r;
}

static void a_put_is_what_protobuf_packs(void **state)
{
    (void)state;
    static const uint32_t ORDINALS[] = {0, 1, 127, 128, 70000, UINT32_MAX - 1};
    str packed = item_pack("a-1", "Blue chair");
    Sinter__V1__Item *item = sinter__v1__item__unpack(NULL, packed.n, (const uint8_t *)packed.s);
    buffer b = {0};
    for (size_t i = 0; i < ARRAY_LEN(ORDINALS); i++) {
        Sinter__Storage__V1__ItemPut put = SINTER__STORAGE__V1__ITEM_PUT__INIT;
        put.collection = 7;
        put.ordinal = ORDINALS[i];
        put.item = item;
        record want = stamped(&STAMP);
        want.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_PUT;
        want.item_put = &put;
        record_item_put(&b, &STAMP, 7, ORDINALS[i], packed);
        assert_packs_as(&want, &b);
    }
    sinter__v1__item__free_unpacked(item, NULL);
    free((char *)(uintptr_t)packed.s);
    buffer_free(&b);
}

static void a_delete_and_a_collection_are_what_protobuf_packs(void **state)
{
    (void)state;
    buffer b = {0};
    Sinter__Storage__V1__ItemDelete del = SINTER__STORAGE__V1__ITEM_DELETE__INIT;
    del.collection = 2;
    del.ordinal = 99;
    del.id = (char *)(uintptr_t) "a-1";
    record want = stamped(&STAMP);
    want.body_case = SINTER__STORAGE__V1__RECORD__BODY_ITEM_DELETE;
    want.item_delete = &del;
    record_item_delete(&b, &STAMP, 2, 99, STR("a-1"));
    assert_packs_as(&want, &b);

    Sinter__Storage__V1__CollectionMade made = SINTER__STORAGE__V1__COLLECTION_MADE__INIT;
    made.collection = 2;
    made.name = (char *)(uintptr_t) "shop";
    made.uuid = (char *)(uintptr_t) "u-u";
    want.body_case = SINTER__STORAGE__V1__RECORD__BODY_COLLECTION_MADE;
    want.collection_made = &made;
    record_collection_made(&b, &STAMP, 2, STR("shop"), STR("u-u"));
    assert_packs_as(&want, &b);
    buffer_free(&b);
}

static void the_stamp_overrides_what_a_record_says_of_itself(void **state)
{
    (void)state;
    Sinter__Storage__V1__Setting setting = SINTER__STORAGE__V1__SETTING__INIT;
    setting.key = (char *)(uintptr_t) "k";
    setting.value = (char *)(uintptr_t) "v";
    record liar = SINTER__STORAGE__V1__RECORD__INIT;
    liar.sequence = 5;
    liar.time_ms = 6;
    liar.body_case = SINTER__STORAGE__V1__RECORD__BODY_SETTING;
    liar.setting = &setting;
    uint8_t bytes[64];
    size_t n = sinter__storage__v1__record__pack(&liar, bytes);
    buffer b = {0};
    record_any(&b, &STAMP, (str){(char *)bytes, n});
    arena *a = arena_new(1024);
    record *got;
    assert_int_equal(record_read((str){b.data, b.len}, 300, a, &got, NULL), SINTER_OK);
    assert_int_equal(got->sequence, 300);
    assert_int_equal(got->time_ms, STAMP.time_ms);
    assert_string_equal(got->setting->value, "v");
    assert_int_equal(record_read((str){b.data, b.len}, 301, a, &got, NULL), SINTER_DATA_LOSS);
    arena_free(a);
    buffer_free(&b);
}

static void every_flipped_bit_and_every_cut_is_found(void **state)
{
    (void)state;
    str packed = item_pack("a-1", "Blue chair"), out;
    buffer b = {0};
    record_item_put(&b, &STAMP, 1, 4, packed);
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(record_check((str){b.data, b.len}, 300, &out, NULL), SINTER_DATA_LOSS);
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(record_check((str){b.data, n}, 300, &out, NULL), SINTER_DATA_LOSS);
    assert_int_equal(record_check((str){b.data, b.len}, 300, &out, NULL), SINTER_OK);
    free((char *)(uintptr_t)packed.s);
    buffer_free(&b);
}

static void a_scan_finds_the_id_and_refuses_what_is_not_wire(void **state)
{
    (void)state;
    str packed = item_pack("some id", "x"), id;
    assert_true(record_scan_item(packed, &id));
    assert_true(str_is(id, "some id"));
    assert_false(record_scan_item((str){packed.s, packed.n - 1}, &id));
    assert_false(record_scan_item(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), &id));
    assert_false(record_scan_item(STR("\x0b"), &id)); /* a group */
    uint32_t field;
    assert_true(record_scan_body(STR("\x42\x00"), &field));
    assert_int_equal(field, 8);
    free((char *)(uintptr_t)packed.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_what_protobuf_packs),
        cmocka_unit_test(a_delete_and_a_collection_are_what_protobuf_packs),
        cmocka_unit_test(the_stamp_overrides_what_a_record_says_of_itself),
        cmocka_unit_test(every_flipped_bit_and_every_cut_is_found),
        cmocka_unit_test(a_scan_finds_the_id_and_refuses_what_is_not_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
