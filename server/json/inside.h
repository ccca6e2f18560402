/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What printing and reading share: which fields are maps, how large a value is, what a field is called. Private to the room. */
#ifndef SINTER_JSON_INSIDE_H
#define SINTER_JSON_INSIDE_H

#include "json/json.h"
#include <jansson.h>

/* A repeated message field that the proto wrote as map<>. */
bool json_is_map(const ProtobufCFieldDescriptor *f);
/* Of a value in its message's struct. */
size_t json_size(ProtobufCType t);
/* snake_case → lowerCamelCase; at most `size` - 1 characters. Returns the length. */
size_t json_name(const char *name, char *out, size_t size);

/* One value of a scalar type, an enum, a string or bytes into `at`; `e` gets `what` and `fix`, the caller adds the path.
 * scalars.c */
sinter_status json_scalar(const ProtobufCFieldDescriptor *f, const json_t *v, void *at, arena *a, sinter_error *e);
/* The same of a map's key, which is always a text. */
sinter_status json_key(const ProtobufCFieldDescriptor *f, const char *text, void *at, arena *a, sinter_error *e);
/* "2009-12-10T00:00:00.5Z" and "1.5s". */
bool json_timestamp(str s, int64_t *seconds, int32_t *nanos);
bool json_duration(str s, int64_t *seconds, int32_t *nanos);

#endif
