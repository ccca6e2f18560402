/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as the JSON of a message: refused with a place, or taken; and what was taken, printed and read again, is the same. */
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "fuzz.h"
#include <sinter/storage/v1/journal.pb-c.h>
#include <sinter/v1/admin.pb-c.h>
#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/search.pb-c.h>

static const ProtobufCMessageDescriptor *const TYPES[] = {
    &sinter__v1__search_request__descriptor, &sinter__v1__search_response__descriptor, &sinter__v1__upsert_items_request__descriptor,
    &sinter__v1__get_status_response__descriptor, &sinter__storage__v1__record__descriptor};

static str packed(const ProtobufCMessage *m, arena *a)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = arena_alloc(a, n + 1);
    protobuf_c_message_pack(m, p);
    return (str){(const char *)p, n};
}

static void check(const ProtobufCMessageDescriptor *d, str text, arena *a)
{
    ProtobufCMessage *m, *again;
    sinter_error e = SINTER_ERROR_INIT;
    if (json_read(d, text, 1 << 20, a, &m, &e) != SINTER_OK) {
        require((e.status == SINTER_INVALID || e.status == SINTER_EXHAUSTED) && *e.where && *e.what);
        return;
    }
    buffer out = {0};
    json_message(&out, m, (int)(text.n % 3));
    require(json_read(d, (str){out.data, out.len}, 4 << 20, a, &again, &e) == SINTER_OK);
    require(str_eq(packed(m, a), packed(again, a)));
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static arena *a;
    if (!a) a = arena_new(1u << 16);
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        arena_reset(a);
        check(TYPES[i], (str){(const char *)data, size}, a);
    }
    return 0;
}
