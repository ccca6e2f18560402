/* SPDX-License-Identifier: GPL-3.0-or-later */
/* protobuf-c messages as canonical protobuf JSON: lowerCamelCase names, defaults left out, 64-bit integers as strings, enums by
 * name, bytes as base64, maps as objects, Timestamp and Duration as strings. */
#ifndef SINTER_COMMANDS_JSON_H
#define SINTER_COMMANDS_JSON_H

#include "base/base.h"
#include <protobuf-c/protobuf-c.h>

/* Appends the message to `out`; `indent` 0: one line. */
void json_message(buffer *out, const ProtobufCMessage *m, int indent);
/* The same, printed to stdout with a line's end. */
void json_print(const ProtobufCMessage *m);

#endif
