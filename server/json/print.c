/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The printer. protobuf-c keeps no mark that says "map", so that comes from the embedded descriptor set. */
#include "inside.h"

#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <google/rpc/error_details.pb-c.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char sinter_protoset[];
extern const size_t sinter_protoset_size;

/* ---- which message types are map entries ------------------------------------------------------------------------------- */

static char **map_entries; /* full names, sorted */
static size_t n_map_entries;
static pthread_once_t map_entries_once = PTHREAD_ONCE_INIT;

static void collect(const char *prefix, Google__Protobuf__DescriptorProto *const *type, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *name = xasprintf("%s.%s", prefix, type[i]->name);
        collect(name, type[i]->nested_type, type[i]->n_nested_type);
        if (type[i]->options && type[i]->options->map_entry) {
            map_entries = xrealloc(map_entries, (n_map_entries + 1) * sizeof *map_entries);
            map_entries[n_map_entries++] = name;
        } else {
            free(name);
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_map_entries(void)
{
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, sinter_protoset_size, sinter_protoset);
    for (size_t i = 0; set && i < set->n_file; i++)
        collect(set->file[i]->package ? set->file[i]->package : "", set->file[i]->message_type, set->file[i]->n_message_type);
    if (set) google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    if (n_map_entries) qsort(map_entries, n_map_entries, sizeof *map_entries, by_name);
}

bool json_is_map(const ProtobufCFieldDescriptor *f)
{
    if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label != PROTOBUF_C_LABEL_REPEATED) return false;
    pthread_once(&map_entries_once, load_map_entries);
    const char *name = ((const ProtobufCMessageDescriptor *)f->descriptor)->name;
    return bsearch(&name, map_entries, n_map_entries, sizeof *map_entries, by_name) != NULL;
}

/* ---- scalars ------------------------------------------------------------------------------------------------------------- */

typedef struct printer {
    buffer *out;
    int indent;
} printer;

static void new_line(printer *p, int depth)
{
    if (!p->indent) return;
    buffer_puts(p->out, "\n");
    for (int i = 0; i < depth * p->indent; i++) buffer_puts(p->out, " ");
}

/* The shortest decimal that reads back as the same number. */
static void print_double(printer *p, double v, bool single)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        buffer_puts(p->out, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)v : back == v) break;
    }
    buffer_puts(p->out, text);
}

static void print_bytes(printer *p, const ProtobufCBinaryData *b)
{
    char *text = xmalloc(BASE64_ROOM(b->len));
    size_t n = base64_encode(b->data, b->len, false, text);
    buffer_puts(p->out, "\"");
    buffer_append(p->out, text, n);
    buffer_puts(p->out, "\"");
    free(text);
}

/* Nanoseconds as the contract wants them: none, 3, 6 or 9 digits. */
static void print_nanos(printer *p, int32_t nanos)
{
    if (nanos == 0) return;
    if (nanos % 1000000 == 0)
        buffer_printf(p->out, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0)
        buffer_printf(p->out, ".%06d", nanos / 1000);
    else
        buffer_printf(p->out, ".%09d", nanos);
}

static bool print_well_known(printer *p, const ProtobufCMessage *m)
{
    if (m->descriptor == &google__protobuf__timestamp__descriptor) {
        const Google__Protobuf__Timestamp *t = (const Google__Protobuf__Timestamp *)m;
        char text[32];
        time_format_ms(t->seconds * 1000, text);
        buffer_printf(p->out, "\"%.19s", text);
        print_nanos(p, t->nanos);
        buffer_puts(p->out, "Z\"");
        return true;
    }
    if (m->descriptor == &google__protobuf__duration__descriptor) {
        const Google__Protobuf__Duration *d = (const Google__Protobuf__Duration *)m;
        bool negative = d->seconds < 0 || d->nanos < 0;
        buffer_printf(p->out, "\"%s%llu", negative ? "-" : "", (unsigned long long)(negative ? -d->seconds : d->seconds));
        print_nanos(p, negative ? -d->nanos : d->nanos);
        buffer_puts(p->out, "s\"");
        return true;
    }
    return false;
}

static void print_enum(printer *p, const ProtobufCFieldDescriptor *f, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, value);
    if (v)
        buffer_printf(p->out, "\"%s\"", v->name);
    else
        buffer_printf(p->out, "%d", value);
}

static void print_message(printer *p, const ProtobufCMessage *m, int depth);

static void print_value(printer *p, const ProtobufCFieldDescriptor *f, const void *at, int depth)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32: buffer_printf(p->out, "%d", *(const int32_t *)at); break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: buffer_printf(p->out, "%u", *(const uint32_t *)at); break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: buffer_printf(p->out, "\"%lld\"", (long long)*(const int64_t *)at); break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: buffer_printf(p->out, "\"%llu\"", (unsigned long long)*(const uint64_t *)at); break;
    case PROTOBUF_C_TYPE_FLOAT: print_double(p, *(const float *)at, true); break;
    case PROTOBUF_C_TYPE_DOUBLE: print_double(p, *(const double *)at, false); break;
    case PROTOBUF_C_TYPE_BOOL: buffer_puts(p->out, *(const protobuf_c_boolean *)at ? "true" : "false"); break;
    case PROTOBUF_C_TYPE_ENUM: print_enum(p, f, *(const int *)at); break;
    case PROTOBUF_C_TYPE_STRING: {
        const char *s = *(char *const *)at;
        buffer_json_string(p->out, s ? s : "", s ? strlen(s) : 0);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: print_bytes(p, at); break;
    case PROTOBUF_C_TYPE_MESSAGE: print_message(p, *(ProtobufCMessage *const *)at, depth); break;
    }
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

size_t json_size(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
    default: return 4;
    }
}

static bool is_default(const ProtobufCFieldDescriptor *f, const void *at)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) return !*(char *const *)at || !**(char *const *)at;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) return !*(void *const *)at;
    if (f->type == PROTOBUF_C_TYPE_BYTES) return ((const ProtobufCBinaryData *)at)->len == 0;
    static const char zero[8];
    return memcmp(at, zero, json_size(f->type)) == 0;
}

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) return *(const size_t *)(const void *)(base + f->quantifier_offset) > 0;
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(const void *)(base + f->quantifier_offset) == f->id;
    return !is_default(f, base + f->offset);
}

size_t json_name(const char *name, char *out, size_t size)
{
    size_t n = 0;
    bool up = false;
    for (; *name && n < size - 1; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        out[n++] = up && *name >= 'a' && *name <= 'z' ? (char)(*name - 32) : *name;
        up = false;
    }
    out[n] = '\0';
    return n;
}

static void print_name(printer *p, const char *name)
{
    char out[256];
    size_t n = json_name(name, out, sizeof out);
    buffer_json_string(p->out, out, n);
    buffer_puts(p->out, p->indent ? ": " : ":");
}

static void print_map(printer *p, const ProtobufCMessage *const *entry, size_t n, int depth)
{
    buffer_puts(p->out, "{");
    for (size_t i = 0; i < n; i++) {
        const ProtobufCFieldDescriptor *key = &entry[i]->descriptor->fields[0], *value = &entry[i]->descriptor->fields[1];
        if (i) buffer_puts(p->out, p->indent ? "," : ", ");
        new_line(p, depth + 1);
        bool quoted = key->type == PROTOBUF_C_TYPE_STRING || json_size(key->type) == 8;
        if (!quoted) buffer_puts(p->out, "\"");
        print_value(p, key, (const char *)entry[i] + key->offset, depth + 1);
        if (!quoted) buffer_puts(p->out, "\"");
        buffer_puts(p->out, ": ");
        print_value(p, value, (const char *)entry[i] + value->offset, depth + 1);
    }
    if (n) new_line(p, depth);
    buffer_puts(p->out, "}");
}

static void print_repeated(printer *p, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, int depth)
{
    const char *base = (const char *)m;
    size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset), size = json_size(f->type);
    const char *items = *(const char *const *)(const void *)(base + f->offset);
    if (json_is_map(f)) {
        print_map(p, (const ProtobufCMessage *const *)(const void *)items, n, depth);
        return;
    }
    buffer_puts(p->out, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) buffer_puts(p->out, p->indent ? "," : ", ");
        new_line(p, depth + 1);
        print_value(p, f, items + i * size, depth + 1);
    }
    new_line(p, depth);
    buffer_puts(p->out, "]");
}

/* The members of a message; true: there were some. `first`: none has been printed of its object. */
static bool print_fields(printer *p, const ProtobufCMessage *m, int depth, bool first)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (!is_set(m, f)) continue;
        if (!first) buffer_puts(p->out, p->indent ? "," : ", ");
        first = false;
        new_line(p, depth + 1);
        print_name(p, f->name);
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            print_repeated(p, m, f, depth + 1);
        else
            print_value(p, f, (const char *)m + f->offset, depth + 1);
    }
    return !first;
}

/* What an error's details may be. */
static const ProtobufCMessageDescriptor *const DETAILS[] = {&google__rpc__bad_request__descriptor,
                                                            &google__rpc__retry_info__descriptor};

/* "@type" and the fields of what is inside; of a type that is not known here, its bytes. */
static void print_any(printer *p, const ProtobufCMessage *m, int depth)
{
    const Google__Protobuf__Any *any = (const Google__Protobuf__Any *)m;
    const char *slash = strrchr(any->type_url, '/'), *name = slash ? slash + 1 : any->type_url;
    ProtobufCMessage *inside = NULL;
    for (size_t i = 0; i < ARRAY_LEN(DETAILS) && !inside; i++)
        if (strcmp(DETAILS[i]->name, name) == 0)
            inside = protobuf_c_message_unpack(DETAILS[i], NULL, any->value.len, any->value.data);
    buffer_puts(p->out, "{");
    new_line(p, depth + 1);
    buffer_puts(p->out, p->indent ? "\"@type\": " : "\"@type\":");
    buffer_json_string(p->out, any->type_url, strlen(any->type_url));
    if (inside) {
        print_fields(p, inside, depth, false);
        protobuf_c_message_free_unpacked(inside, NULL);
    } else {
        buffer_puts(p->out, ", \"value\": ");
        print_bytes(p, &any->value);
    }
    new_line(p, depth);
    buffer_puts(p->out, "}");
}

static void print_message(printer *p, const ProtobufCMessage *m, int depth)
{
    if (!m) {
        buffer_puts(p->out, "null");
        return;
    }
    if (print_well_known(p, m)) return;
    if (m->descriptor == &google__protobuf__any__descriptor) {
        print_any(p, m, depth);
        return;
    }
    buffer_puts(p->out, "{");
    if (print_fields(p, m, depth, true)) new_line(p, depth);
    buffer_puts(p->out, "}");
}

void json_message(buffer *out, const ProtobufCMessage *m, int indent)
{
    printer p = {out, indent};
    print_message(&p, m, 0);
}

void json_print(const ProtobufCMessage *m)
{
    buffer b = {0};
    json_message(&b, m, 2);
    buffer_puts(&b, "\n");
    fwrite(b.data, 1, b.len, stdout);
    buffer_free(&b);
}
