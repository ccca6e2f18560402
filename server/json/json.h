/* SPDX-License-Identifier: GPL-3.0-or-later */
/* protobuf-c messages as canonical protobuf JSON, both ways: lowerCamelCase names, defaults left out, 64-bit integers as strings,
 * enums by name, bytes as base64, maps as objects, Timestamp and Duration as strings, google.protobuf.Any with "@type".
 *
 * Reading takes what the mapping allows beside that: the protos' own names, numbers for 64-bit integers (up to 2^63-1), enums by
 * number, base64 of either alphabet with padding or without, null for "not set". Thread-safe. */
#ifndef SINTER_JSON_H
#define SINTER_JSON_H

#include "base/base.h"
#include <protobuf-c/protobuf-c.h>

/* Appends the message to `out`; `indent` 0: one line. */
void json_message(buffer *out, const ProtobufCMessage *m, int indent);
/* The same, printed to stdout with a line's end. */
void json_print(const ProtobufCMessage *m);

/* A message of `text`, in `a`. `max_bytes`: memory that it may take, the parser's included; EXHAUSTED beyond. INVALID with the
 * field's path in `where` (the protos' names), or "json:LINE:COLUMN" where the text is no JSON. */
sinter_status json_read(const ProtobufCMessageDescriptor *d, str text, uint64_t max_bytes, arena *a, ProtobufCMessage **out,
                        sinter_error *e);

#endif
