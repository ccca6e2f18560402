/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Framing of records: checksum, and protobuf's wire format for the few fields that the writer itself adds. */
#include "record.h"

#include <inttypes.h>
#include <string.h>

/* ---- writing ------------------------------------------------------------------------------------------------- */

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Field numbers of storage/v1/journal.proto. */
enum { RECORD_SEQUENCE = 1, RECORD_WRITE_ID = 2, RECORD_TIME_MS = 3, RECORD_ITEM_PUT = 4, RECORD_ITEM_DELETE = 5 };
enum { RECORD_COLLECTION_MADE = 6, RECORD_EVENT_PUT = 11, RECORD_CONTINUED = 15 };
enum { MADE_COLLECTION = 1, MADE_NAME = 2, MADE_UUID = 3 };
enum { ITEM_COLLECTION = 1, ITEM_ORDINAL = 2, ITEM_BODY = 3 }; /* of ItemPut and ItemDelete alike */

static size_t varint_size(uint64_t v)
{
    size_t n = 1;
    while (v >>= 7)
        n++;
    return n;
}

static void put_varint(buffer *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (unsigned char)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        v >>= 7;
    } while (v);
    buffer_append(b, bytes, n);
}

/* As proto3 has it: a zero or empty field is left out. All field numbers here fit one byte of tag. */
static void put_number(buffer *b, uint32_t field, uint64_t v)
{
    if (!v) return;
    put_varint(b, field << 3 | WIRE_VARINT);
    put_varint(b, v);
}

static void put_bytes(buffer *b, uint32_t field, str s)
{
    if (!s.n) return;
    put_varint(b, field << 3 | WIRE_BYTES);
    put_varint(b, s.n);
    buffer_append(b, s.s, s.n);
}

static size_t number_size(uint64_t v)
{
    return v ? 1 + varint_size(v) : 0;
}

static size_t bytes_size(str s)
{
    return s.n ? 1 + varint_size(s.n) + s.n : 0;
}

static void put_stamp(buffer *b, const record_stamp *t)
{
    put_number(b, RECORD_SEQUENCE, t->sequence);
    put_bytes(b, RECORD_WRITE_ID, t->write_id);
    put_number(b, RECORD_TIME_MS, (uint64_t)t->time_ms);
    put_number(b, RECORD_CONTINUED, t->continued);
}

static void begin(buffer *b)
{
    static const char ROOM[RECORD_HEAD];
    buffer_clear(b);
    buffer_append(b, ROOM, sizeof ROOM);
}

static void seal(buffer *b)
{
    uint64_t sum = hash64(b->data + RECORD_HEAD, b->len - RECORD_HEAD);
    for (int i = 0; i < RECORD_HEAD; i++)
        b->data[i] = (char)(sum >> (8 * i));
}

static void put_message_head(buffer *b, uint32_t field, size_t size)
{
    put_varint(b, field << 3 | WIRE_BYTES);
    put_varint(b, size);
}

void record_item_put(buffer *out, const record_stamp *t, uint32_t collection, uint32_t ordinal, str item)
{
    begin(out);
    put_stamp(out, t);
    put_message_head(out, RECORD_ITEM_PUT,
                     number_size(collection) + number_size(ordinal) + 1 + varint_size(item.n) + item.n);
    put_number(out, ITEM_COLLECTION, collection);
    put_number(out, ITEM_ORDINAL, ordinal);
    put_message_head(out, ITEM_BODY, item.n);
    buffer_append(out, item.s, item.n);
    seal(out);
}

void record_item_delete(buffer *out, const record_stamp *t, uint32_t collection, uint32_t ordinal, str id)
{
    begin(out);
    put_stamp(out, t);
    put_message_head(out, RECORD_ITEM_DELETE, number_size(collection) + number_size(ordinal) + bytes_size(id));
    put_number(out, ITEM_COLLECTION, collection);
    put_number(out, ITEM_ORDINAL, ordinal);
    put_bytes(out, ITEM_BODY, id);
    seal(out);
}

void record_collection_made(buffer *out, const record_stamp *t, uint32_t collection, str name, str uuid)
{
    begin(out);
    put_stamp(out, t);
    put_message_head(out, RECORD_COLLECTION_MADE, number_size(collection) + bytes_size(name) + bytes_size(uuid));
    put_number(out, MADE_COLLECTION, collection);
    put_bytes(out, MADE_NAME, name);
    put_bytes(out, MADE_UUID, uuid);
    seal(out);
}

void record_event_put(buffer *out, const record_stamp *t, str event_put)
{
    begin(out);
    put_stamp(out, t);
    put_message_head(out, RECORD_EVENT_PUT, event_put.n);
    buffer_append(out, event_put.s, event_put.n);
    seal(out);
}

void record_erased(buffer *out, const record_stamp *t)
{
    begin(out);
    put_stamp(out, t);
    seal(out);
}

/* The stamp comes last: of a field that stands twice, the last one counts. */
void record_any(buffer *out, const record_stamp *t, str record)
{
    begin(out);
    buffer_append(out, record.s, record.n);
    put_stamp(out, t);
    seal(out);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static sinter_status broken(sinter_error *e, uint64_t sequence, const char *why)
{
    return error_set(e, SINTER_DATA_LOSS, NULL, "run `sinter journal verify` and restore a backup",
                     "record %" PRIu64 " of the journal is broken: %s", sequence, why);
}

sinter_status record_check(str stored, uint64_t sequence, str *packed, sinter_error *e)
{
    if (stored.n <= RECORD_HEAD) return broken(e, sequence, "it is cut short");
    uint64_t sum = 0;
    for (int i = 0; i < RECORD_HEAD; i++)
        sum |= (uint64_t)(unsigned char)stored.s[i] << (8 * i);
    *packed = (str){stored.s + RECORD_HEAD, stored.n - RECORD_HEAD};
    if (hash64(packed->s, packed->n) != sum) return broken(e, sequence, "its checksum does not hold");
    return SINTER_OK;
}

static void *take(void *a, size_t n)
{
    return arena_alloc(a, n);
}

static void leave(void *a, void *p)
{
    (void)a, (void)p;
}

sinter_status record_read(str stored, uint64_t sequence, arena *a, Sinter__Storage__V1__Record **out, sinter_error *e)
{
    str packed;
    sinter_status s = record_check(stored, sequence, &packed, e);
    if (s) return s;
    ProtobufCAllocator from_arena = {.alloc = take, .free = leave, .allocator_data = a};
    *out = sinter__storage__v1__record__unpack(&from_arena, packed.n, (const uint8_t *)packed.s);
    if (!*out) return broken(e, sequence, "it is not a record");
    if ((*out)->sequence != sequence) return broken(e, sequence, "it carries another sequence");
    return SINTER_OK;
}

/* ---- scanning ------------------------------------------------------------------------------------------------ */

typedef struct cursor {
    const unsigned char *p, *end;
} cursor;

static bool get_varint(cursor *c, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 64 && c->p < c->end; shift += 7) {
        unsigned char byte = *c->p++;
        *v |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool skip(cursor *c, uint64_t n)
{
    if (n > (uint64_t)(c->end - c->p)) return false;
    c->p += n;
    return true;
}

/* One field; *body is what it holds when it is bytes, *number when it is a varint. */
static bool get_number_field(cursor *c, uint32_t *field, uint32_t *wire, str *body, uint64_t *number)
{
    uint64_t tag, n;
    if (!get_varint(c, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return false;
    *field = (uint32_t)(tag >> 3);
    *wire = tag & 7;
    *body = (str){"", 0};
    switch (*wire) {
    case WIRE_VARINT: return get_varint(c, number);
    case WIRE_64: return skip(c, 8);
    case WIRE_32: return skip(c, 4);
    case WIRE_BYTES:
        if (!get_varint(c, &n)) return false;
        *body = (str){(const char *)c->p, (size_t)n};
        return skip(c, n);
    default: return false;
    }
}

static bool get_field(cursor *c, uint32_t *field, uint32_t *wire, str *body)
{
    uint64_t number;
    return get_number_field(c, field, wire, body, &number);
}

bool record_scan_item(str item, str *id)
{
    cursor c = {(const unsigned char *)item.s, (const unsigned char *)item.s + item.n};
    *id = (str){"", 0};
    while (c.p < c.end) {
        uint32_t field, wire;
        str body;
        if (!get_field(&c, &field, &wire, &body)) return false;
        if (field == 1 && wire == WIRE_BYTES) *id = body;
    }
    return true;
}

/* An event's id stands in field 1, as an item's does. Of a message that stands twice protobuf merges the two; here
 * neither may. */
bool record_scan_event(str event_put, uint32_t *collection, str *id)
{
    cursor c = {(const unsigned char *)event_put.s, (const unsigned char *)event_put.s + event_put.n};
    bool event = false;
    *collection = 0;
    *id = (str){"", 0};
    while (c.p < c.end) {
        uint32_t field, wire;
        uint64_t number;
        str body;
        if (!get_number_field(&c, &field, &wire, &body, &number)) return false;
        if (field == 1 && wire == WIRE_VARINT) *collection = (uint32_t)number;
        if (field != 2 || wire != WIRE_BYTES) continue;
        if (event || !record_scan_item(body, id)) return false;
        event = true;
    }
    return event;
}

bool record_scan_body(str record, uint32_t *found)
{
    cursor c = {(const unsigned char *)record.s, (const unsigned char *)record.s + record.n};
    *found = 0;
    while (c.p < c.end) {
        uint32_t field, wire;
        str body;
        if (!get_field(&c, &field, &wire, &body)) return false;
        if (field >= RECORD_ITEM_PUT && field != RECORD_CONTINUED) *found = field;
    }
    return true;
}
