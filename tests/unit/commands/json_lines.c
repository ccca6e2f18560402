/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prints messages as JSON for check_json.py: reads "TYPE INDENT HEX" lines, answers each with one JSON text and a NUL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/storage/v1/journal.pb-c.h>
#include <sinter/v1/admin.pb-c.h>
#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#include "commands/json.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &sinter__v1__search_request__descriptor,        &sinter__v1__search_response__descriptor,
    &sinter__v1__upsert_items_request__descriptor,  &sinter__v1__list_collections_response__descriptor,
    &sinter__v1__get_status_response__descriptor,   &sinter__v1__reload_response__descriptor,
    &sinter__storage__v1__record__descriptor,
};

static const ProtobufCMessageDescriptor *type_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i]->name, name) == 0) return types[i];
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

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    buffer out = {0};
    while (getline(&line, &size, stdin) > 0) {
        char name[128];
        int indent, at = 0;
        if (sscanf(line, "%127s %d %n", name, &indent, &at) < 2) return 1;
        const ProtobufCMessageDescriptor *type = type_named(name);
        uint8_t *bytes = xmalloc(strlen(line) + 1);
        size_t n = bytes_of(line + at, bytes);
        ProtobufCMessage *m = type ? protobuf_c_message_unpack(type, NULL, n, bytes) : NULL;
        free(bytes);
        if (!m) return 1;
        buffer_clear(&out);
        json_message(&out, m, indent);
        fwrite(out.data, 1, out.len + 1, stdout);
        fflush(stdout);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    free(line);
    buffer_free(&out);
    return 0;
}
