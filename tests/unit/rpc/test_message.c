/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages from the wire within limits; the table of methods. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#include "rpc/server.h"

#define MANY (64u << 20)

static sinter_status unpack(const ProtobufCMessageDescriptor *d, const void *wire, size_t n, uint64_t most, arena *a,
                            sinter_error *e)
{
    ProtobufCMessage *m;
    return message_unpack(d, (str){wire, n}, most, a, &m, e);
}

static void a_real_item_fits_and_comes_out_as_it_went_in(void **state)
{
    (void)state;
    arena *a = arena_new(4096);
    Sinter__V1__UpsertItemsRequest q = SINTER__V1__UPSERT_ITEMS_REQUEST__INIT, *back;
    Sinter__V1__Item items[1000], *list[1000];
    for (int i = 0; i < 1000; i++) {
        sinter__v1__item__init(&items[i]);
        items[i].id = (char *)"x";
        list[i] = &items[i];
        /* Short names and small numbers: what grows most by being unpacked. */
        items[i].n_fields = 40;
        items[i].fields = ARENA_ARRAY(a, Sinter__V1__Item__FieldsEntry *, 40);
        for (int k = 0; k < 40; k++) {
            Sinter__V1__Item__FieldsEntry *f = items[i].fields[k] = arena_alloc(a, sizeof *f);
            sinter__v1__item__fields_entry__init(f);
            f->key = arena_printf(a, "f%d", k);
            f->value = arena_alloc(a, sizeof *f->value);
            sinter__v1__value__init(f->value);
            f->value->kind_case = SINTER__V1__VALUE__KIND_INTEGER_VALUE;
            f->value->integer_value = k;
        }
    }
    q.n_items = 1000;
    q.items = list;
    size_t n = sinter__v1__upsert_items_request__get_packed_size(&q);
    uint8_t *wire = arena_alloc(a, n);
    sinter__v1__upsert_items_request__pack(&q, wire);
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *m = NULL;
    assert_int_equal(message_unpack(q.base.descriptor, (str){(char *)wire, n}, MANY, a, &m, &e), SINTER_OK);
    back = (Sinter__V1__UpsertItemsRequest *)m;
    assert_int_equal(back->n_items, 1000);
    assert_int_equal(back->items[999]->fields[39]->value->integer_value, 39);
    arena_free(a);
}

static void growth_is_limited_by_the_wire_and_by_the_server(void **state)
{
    (void)state;
    arena *a = arena_new(4096);
    uint8_t wire[8192];
    for (size_t i = 0; i < sizeof wire; i += 2)
        wire[i] = 0x12, wire[i + 1] = 0; /* UpsertItemsRequest.items, empty: 2 bytes that make a struct */
    sinter_error e = SINTER_ERROR_INIT;
    const ProtobufCMessageDescriptor *d = &sinter__v1__upsert_items_request__descriptor;
    assert_int_equal(unpack(d, wire, sizeof wire, MANY, a, &e), SINTER_EXHAUSTED);
    assert_int_equal(e.status, SINTER_EXHAUSTED);
    assert_int_equal(unpack(d, wire, 2, 100, a, &e), SINTER_EXHAUSTED);
    assert_int_equal(unpack(d, wire, 20, MANY, a, &e), SINTER_OK);
    assert_int_equal(unpack(d, "", 0, MANY, a, &e), SINTER_OK);
    arena_free(a);
}

static void strings_are_utf8_without_nul(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t n;
        const char *where; /* NULL: fine */
    } CASES[] = {
        {"\x12\x00", 2, NULL},
        {"\x12\x02\xc3\xa9", 4, NULL},
        {"\x12\x02\xc3\x28", 4, "query"},
        {"\x12\x03\xed\xa0\x80", 5, "query"}, /* a surrogate */
        {"\x12\x03"
         "a\0b",
         5, "query"},
        {"\x12\x01\0", 3, "query"},
        {"\x22\x01"
         "a\x22\x01\xff",
         6, "sort[1]"},
        {"\x5a\x03\x0a\x01\xff", 5, "user.user_id"},
        {"\x5a\x08\x1a\x06\x0a\x01"
         "a\x12\x01\xff",
         10, ""}, /* a message cut short */
        {"\x5a\x0a\x1a\x08\x0a\x01"
         "a\x12\x03\x0a\x01\xff",
         12, "user.attributes[0].value.string_value"},
        {"\x5a\x09\x1a\x07\x0a\x01"
         "a\x12\x02\x18\x05",
         11, NULL}, /* another member of the oneof */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        arena *a = arena_new(4096);
        sinter_error e = SINTER_ERROR_INIT;
        sinter_status s = unpack(&sinter__v1__search_request__descriptor, CASES[i].wire, CASES[i].n, MANY, a, &e);
        if (!CASES[i].where) {
            assert_int_equal(s, SINTER_OK);
        } else {
            assert_int_equal(s, SINTER_INVALID);
            if (*CASES[i].where) assert_string_equal(e.where, CASES[i].where);
        }
        arena_free(a);
    }
}

/* protobuf-c's unpacker recurses without limit: a message that can reach itself could be sent so deep that the stack
 * ends. */
static void no_recursion(const ProtobufCMessageDescriptor *d, const ProtobufCMessageDescriptor **way, size_t depth)
{
    assert_true(depth < 32);
    for (size_t i = 0; i < depth; i++)
        if (way[i] == d) fail_msg("%s can reach itself", d->name);
    way[depth] = d;
    for (unsigned i = 0; i < d->n_fields; i++)
        if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) no_recursion(d->fields[i].descriptor, way, depth + 1);
}

static void no_message_can_reach_itself(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *way[33];
    for (size_t i = 0; i < METHODS_N; i++) {
        no_recursion(METHODS[i].request, way, 0);
        no_recursion(METHODS[i].response, way, 0);
    }
    no_recursion(&sinter__storage__v1__record__descriptor, way, 0);
}

/* Each service of the embedded descriptors has exactly its methods in the table, with these messages, of this kind. */
static void the_table_says_what_the_protos_say(void **state)
{
    (void)state;
    static const ProtobufCServiceDescriptor *const SERVICES[] = {
        &sinter__v1__search_service__descriptor,
        &sinter__v1__catalog_service__descriptor,
        &sinter__v1__admin_service__descriptor,
    };
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++) {
        for (unsigned k = 0; k < SERVICES[i]->n_methods; k++) {
            const ProtobufCMethodDescriptor *want = &SERVICES[i]->methods[k];
            const method *found = NULL;
            for (size_t m = 0; m < METHODS_N; m++)
                if (strcmp(METHODS[m].service, SERVICES[i]->name) == 0 && strcmp(METHODS[m].name, want->name) == 0)
                    found = &METHODS[m];
            assert_non_null(found);
            assert_ptr_equal(found->request, want->input);
            assert_ptr_equal(found->response, want->output);
        }
    }
}

static void every_status_has_a_code(void **state)
{
    (void)state;
#define X(name, number, text) assert_true(SINTER_##name == SINTER_OK || status_code(SINTER_##name) != GRPC_STATUS_OK);
    SINTER_STATUS_MAP(X)
#undef X
    assert_int_equal(status_code(SINTER_INVALID), GRPC_STATUS_INVALID_ARGUMENT);
    assert_int_equal(status_code(9999), GRPC_STATUS_UNKNOWN);
    assert_int_equal(status_code(-1), GRPC_STATUS_UNKNOWN);
}

static void write_ids_are_scoped_and_fit(void **state)
{
    (void)state;
    arena *a = arena_new(4096);
    char longest[257] = "";
    memset(longest, 'w', 256);
    assert_int_equal(write_id_scope(a, "upsert", "shop", "").n, 0);
    str x = write_id_scope(a, "upsert", "shop", "a"), y = write_id_scope(a, "delete", "shop", "a");
    assert_false(str_eq(x, y));
    str p = write_id_scope(a, "upsert", "shop", longest), q = write_id_scope(a, "upsert", "shops", longest);
    assert_true(p.n <= 256 && q.n <= 256);
    assert_false(str_eq(p, q));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_item_fits_and_comes_out_as_it_went_in),
        cmocka_unit_test(growth_is_limited_by_the_wire_and_by_the_server),
        cmocka_unit_test(strings_are_utf8_without_nul),
        cmocka_unit_test(no_message_can_reach_itself),
        cmocka_unit_test(the_table_says_what_the_protos_say),
        cmocka_unit_test(every_status_has_a_code),
        cmocka_unit_test(write_ids_are_scoped_and_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
