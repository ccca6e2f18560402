/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes as a stored record, as a packed item and as a packed record: none may crash or be read beyond their end, and
 * what the scanner accepts as an item or event must come back whole from the record that is put together around it. */
#include <stdlib.h>
#include <string.h>

#include "journal/record.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    str in = {(const char *)data, n}, id, packed;
    arena *a = arena_new(1 << 16);
    Sinter__Storage__V1__Record *rec;
    uint32_t field;
    record_check(in, 1, &packed, NULL);

    /* As they stand, behind a checksum that holds. */
    buffer b = {0};
    char head[RECORD_HEAD];
    uint64_t sum = hash64(data, n);
    for (int i = 0; i < RECORD_HEAD; i++)
        head[i] = (char)(sum >> (8 * i));
    buffer_append(&b, head, sizeof head);
    buffer_append(&b, data, n);
    record_read((str){b.data, b.len}, 1, a, &rec, NULL);

    record_stamp stamp = {.sequence = 9, .write_id = STR("w"), .time_ms = 5};
    if (record_scan_item(in, &id) && id.n) {
        require(id.s >= in.s && id.s + id.n <= in.s + in.n);
        record_item_put(&b, &stamp, 3, 4, in);
        arena_reset(a);
        if (record_read((str){b.data, b.len}, 9, a, &rec, NULL) == SINTER_OK) {
            require(rec->item_put && rec->item_put->ordinal == 4 && rec->item_put->collection == 3);
            require(strnlen(rec->item_put->item->id, id.n) <= id.n);
        }
    }
    uint32_t collection;
    if (record_scan_event(in, &collection, &id) && id.n) {
        require(id.s >= in.s && id.s + id.n <= in.s + in.n);
        record_event_put(&b, &stamp, in);
        arena_reset(a);
        if (record_read((str){b.data, b.len}, 9, a, &rec, NULL) == SINTER_OK) {
            require(rec->event_put && rec->event_put->collection == collection && rec->event_put->event);
            require(strncmp(rec->event_put->event->event_id, id.s, id.n) == 0 || memchr(id.s, 0, id.n));
        }
    }
    if (record_scan_body(in, &field)) {
        record_any(&b, &stamp, in);
        arena_reset(a);
        if (record_read((str){b.data, b.len}, 9, a, &rec, NULL) == SINTER_OK) require(rec->time_ms == 5);
    }
    arena_free(a);
    buffer_free(&b);
    return 0;
}
