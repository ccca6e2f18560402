/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages from and to the wire, within limits.
 *
 * protobuf-c trusts what it unpacks: two bytes of wire can make a hundred of memory, strings are not checked for UTF-8
 * and end early at a NUL. So each message is unpacked into an arena through an allocator that counts, and every string
 * of it is checked by walking the descriptors. The allocator writes each block's size before it, by which a string with
 * a NUL inside is told from a shorter one. */
#include "server.h"

#include "json/json.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER             16u
#define LIVE_PER_WIRE_BYTE 16u
#define LIVE_BASE          4096u /* the message's own struct, also when it came as no bytes */

typedef struct limited {
    arena *a;
    uint64_t live, most_live; /* what the message is made of */
    uint64_t total, most;     /* with what protobuf-c threw away on the way */
    bool refused;
} limited;

static void *limited_alloc(void *data, size_t n)
{
    limited *l = data;
    if (n > l->most_live - l->live || n > l->most - l->total) {
        l->refused = true;
        return NULL;
    }
    l->live += n;
    l->total += n;
    char *p = arena_alloc(l->a, n + HEADER);
    memcpy(p, &n, sizeof n);
    return p + HEADER;
}

static void limited_free(void *data, void *p)
{
    limited *l = data;
    size_t n;
    if (!p) return;
    memcpy(&n, (char *)p - HEADER, sizeof n);
    l->live -= n;
}

/* ---- strings ---- */

/* The way to a field, for a message about it: built only when something is wrong. */
typedef struct frame {
    const struct frame *up;
    const char *field;
    size_t index; /* SIZE_MAX: not repeated */
} frame;

static void path_write(const frame *f, char *out, size_t size)
{
    if (f->up) path_write(f->up, out, size);
    size_t n = strlen(out);
    snprintf(out + n, size - n, f->index == SIZE_MAX ? "%s%s" : "%s%s[%zu]", n ? "." : "", f->field, f->index);
}

static sinter_status string_check(const char *s, const frame *at, sinter_error *e)
{
    static const char *const FIX = "send UTF-8 without NUL characters";
    if (!s || !*s) {
        size_t n = 1;
        if (s && s != protobuf_c_empty_string) memcpy(&n, s - HEADER, sizeof n);
        if (n == 1) return SINTER_OK;
    }
    size_t n, bad, len = strlen(s);
    char path[256] = "";
    memcpy(&n, s - HEADER, sizeof n);
    if (n != len + 1) {
        path_write(at, path, sizeof path);
        return error_set(e, SINTER_INVALID, path, FIX, "holds a NUL character at byte %zu", len);
    }
    if (utf8_valid(s, len, &bad)) return SINTER_OK;
    path_write(at, path, sizeof path);
    return error_set(e, SINTER_INVALID, path, FIX, "is not valid UTF-8 at byte %zu", bad);
}

static sinter_status strings_check(const ProtobufCMessage *m, const frame *up, sinter_error *e);

static sinter_status value_check(const ProtobufCFieldDescriptor *f, void *value, const frame *at, sinter_error *e)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) return string_check(*(char **)value, at, e);
    const ProtobufCMessage *m = *(ProtobufCMessage **)value;
    return m ? strings_check(m, at, e) : SINTER_OK;
}

static sinter_status field_check(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const frame *up,
                                 sinter_error *e)
{
    char *base = (char *)m;
    frame at = {.up = up, .field = f->name, .index = SIZE_MAX};
    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        bool oneof = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
        if (oneof && *(uint32_t *)(void *)(base + f->quantifier_offset) != f->id) return SINTER_OK;
        return value_check(f, base + f->offset, &at, e);
    }
    size_t n = *(size_t *)(void *)(base + f->quantifier_offset);
    char *list = *(char **)(void *)(base + f->offset);
    for (size_t i = 0; i < n; i++) {
        at.index = i;
        sinter_status s = value_check(f, list + i * sizeof(void *), &at, e);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

/* No message type can reach itself (a test walks the descriptors), so the depth is bounded by the protos. */
static sinter_status strings_check(const ProtobufCMessage *m, const frame *up, sinter_error *e)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE) continue;
        sinter_status s = field_check(m, f, up, e);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

sinter_status message_unpack(const ProtobufCMessageDescriptor *d, str wire, uint64_t max_bytes, arena *a,
                             ProtobufCMessage **out, sinter_error *e)
{
    limited l = {.a = a, .most = max_bytes, .most_live = (uint64_t)wire.n * LIVE_PER_WIRE_BYTE + LIVE_BASE};
    if (l.most_live > max_bytes) l.most_live = max_bytes;
    ProtobufCAllocator allocator = {.alloc = limited_alloc, .free = limited_free, .allocator_data = &l};
    *out = protobuf_c_message_unpack(d, &allocator, wire.n, (const uint8_t *)wire.s);
    if (*out) return strings_check(*out, NULL, e);
    if (l.refused) {
        return error_set(e, SINTER_EXHAUSTED, d->name, "send fewer or larger parts in one message",
                         "%zu bytes would unpack to more than %llu", wire.n, (unsigned long long)l.most_live);
    }
    return error_set(e, SINTER_INVALID, d->name, "send the protobuf encoding of this message",
                     "the %zu bytes received are not a well-formed message", wire.n);
}

/* ---- gRPC's buffers ---- */

str message_bytes(const ProtobufCMessage *m, arena *a)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, n + 1);
    protobuf_c_message_pack(m, bytes);
    return (str){(const char *)bytes, n};
}

grpc_byte_buffer *payload_of(grpc_slice slice)
{
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return b;
}

grpc_byte_buffer *message_pack(const ProtobufCMessage *m)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(slice));
    return payload_of(slice);
}

/* The buffer's memory becomes the slice's. */
grpc_byte_buffer *message_json(const ProtobufCMessage *m)
{
    buffer text = {0};
    if (m)
        json_message(&text, m, 0);
    else
        buffer_puts(&text, "null");
    return payload_of(grpc_slice_new(text.data, text.len, free));
}

/* The bytes of a message that comes in two pieces, of which the first is packed. */
grpc_byte_buffer *message_pack_two(str head, const ProtobufCMessage *tail)
{
    grpc_slice slice = grpc_slice_malloc(head.n + protobuf_c_message_get_packed_size(tail));
    if (head.n) memcpy(GRPC_SLICE_START_PTR(slice), head.s, head.n);
    protobuf_c_message_pack(tail, GRPC_SLICE_START_PTR(slice) + head.n);
    return payload_of(slice);
}

str payload_bytes(grpc_byte_buffer *b, grpc_slice *held)
{
    grpc_byte_buffer_reader reader;
    *held = grpc_empty_slice();
    if (!grpc_byte_buffer_reader_init(&reader, b)) return (str){"", 0}; /* compressed bytes that are not */
    if (b->type == GRPC_BB_RAW && b->data.raw.compression == GRPC_COMPRESS_NONE && b->data.raw.slice_buffer.count == 1)
        *held = grpc_slice_ref(b->data.raw.slice_buffer.slices[0]);
    else
        *held = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    return (str){(const char *)GRPC_SLICE_START_PTR(*held), GRPC_SLICE_LENGTH(*held)};
}
