/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages as JSON and back for check_json.py. Reads lines "print TYPE INDENT HEX" (a packed message), each answered with one JSON
 * text and a NUL, and "read TYPE HEX" (a text), answered with "=" and the packed message in hex, or "!" and the error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/storage/v1/journal.pb-c.h>

#include "json/json.h"
#include "rpc/server.h"

static const ProtobufCMessageDescriptor *type_named(const char *name)
{
    if (strcmp(name, sinter__storage__v1__record__descriptor.name) == 0) return &sinter__storage__v1__record__descriptor;
    for (size_t i = 0; i < METHODS_N; i++) {
        if (strcmp(METHODS[i].request->name, name) == 0) return METHODS[i].request;
        if (strcmp(METHODS[i].response->name, name) == 0) return METHODS[i].response;
    }
    return NULL;
}

static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

static bool print(const ProtobufCMessageDescriptor *type, int indent, const uint8_t *bytes, size_t n, buffer *out)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, n, bytes);
    if (!m) return false;
    json_message(out, m, indent);
    protobuf_c_message_free_unpacked(m, NULL);
    return true;
}

static void read_text(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n, arena *a, buffer *out)
{
    char line[1500];
    sinter_error e = SINTER_ERROR_INIT;
    ProtobufCMessage *m;
    arena_reset(a);
    if (json_read(type, (str){(const char *)bytes, n}, 64 << 20, a, &m, &e) != SINTER_OK) {
        buffer_printf(out, "!%s", error_line(&e, line, sizeof line));
        return;
    }
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = arena_alloc(a, size + 1);
    protobuf_c_message_pack(m, packed);
    buffer_puts(out, "=");
    for (size_t i = 0; i < size; i++)
        buffer_printf(out, "%02x", packed[i]);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    buffer out = {0};
    arena *a = arena_new(1 << 16);
    while (getline(&line, &size, stdin) > 0) {
        char what[8], name[128];
        int indent = 0, at = 0;
        bool prints = strncmp(line, "print ", 6) == 0;
        if (prints && sscanf(line, "%7s %127s %d %n", what, name, &indent, &at) < 3) return 1;
        if (!prints && sscanf(line, "%7s %127s %n", what, name, &at) < 2) return 1;
        const ProtobufCMessageDescriptor *type = type_named(name);
        if (!type) return 1;
        uint8_t *bytes = xmalloc(strlen(line) + 1);
        size_t n = bytes_of(line + at, bytes);
        buffer_clear(&out);
        if (!prints)
            read_text(type, bytes, n, a, &out);
        else if (!print(type, indent, bytes, n, &out))
            return 1;
        free(bytes);
        fwrite(out.data, 1, out.len + 1, stdout);
    }
    arena_free(a);
    free(line);
    buffer_free(&out);
    return 0;
}
