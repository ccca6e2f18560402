/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader: jansson makes a tree of the text, the message's descriptor says what each member is. The tree is bounded before it
 * is made, the message while it is. Depth is bounded by the protos: no message type can reach itself. */
#include "inside.h"

#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <stdio.h>
#include <string.h>

#define TREE_BYTES_PER_VALUE 160u /* what jansson takes at most for one, its slot in a parent included */
#define NESTING_MOST         64u

typedef struct reader {
    arena *a;
    uint64_t left; /* bytes that the message may still take */
    sinter_error *e;
} reader;

/* The way to a value, for a message about it: written only when something is wrong. */
typedef struct frame {
    const struct frame *up;
    const char *name; /* of a field, or a map's key */
    bool is_key;
    size_t index; /* SIZE_MAX: not in a list */
} frame;

static void path_write(const frame *f, char *out, size_t size)
{
    if (!f) return;
    path_write(f->up, out, size);
    size_t n = strlen(out);
    if (f->is_key)
        snprintf(out + n, size - n, "[\"%s\"]", f->name);
    else if (f->index != SIZE_MAX)
        snprintf(out + n, size - n, "%s%s[%zu]", n ? "." : "", f->name, f->index);
    else
        snprintf(out + n, size - n, "%s%s", n ? "." : "", f->name);
}

/* `e` says what; where is this. */
static sinter_status refuse(reader *r, const frame *at, sinter_status s)
{
    char path[300] = "";
    path_write(at, path, sizeof path);
    error_where(r->e, "%s", *path ? path : "message");
    return s;
}

static void *take(reader *r, size_t n)
{
    if (n + 16 > r->left) return NULL;
    r->left -= n + 16;
    return arena_zalloc(r->a, n);
}

static sinter_status too_large(reader *r, const frame *at)
{
    error_set(r->e, SINTER_EXHAUSTED, NULL, "send fewer or larger parts in one message", "takes more memory than limits.max_unpack");
    return refuse(r, at, SINTER_EXHAUSTED);
}

static sinter_status read_message(reader *r, const ProtobufCMessageDescriptor *d, const json_t *v, const frame *at,
                                  ProtobufCMessage **out);

static sinter_status read_value(reader *r, const ProtobufCFieldDescriptor *f, const json_t *v, const frame *at, void *into)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) return read_message(r, f->descriptor, v, at, into);
    size_t n = json_is_string(v) ? json_string_length(v) : 0;
    if (n + 16 > r->left) return too_large(r, at);
    r->left -= n ? n + 16 : 0;
    sinter_status s = json_scalar(f, v, into, r->a, r->e);
    return s == SINTER_OK ? s : refuse(r, at, s);
}

/* ---- lists and maps ----------------------------------------------------------------------------------------------------------- */

static sinter_status wrong_kind(reader *r, const frame *at, const char *wanted)
{
    error_set(r->e, SINTER_INVALID, NULL, NULL, "is not %s", wanted);
    return refuse(r, at, SINTER_INVALID);
}

static sinter_status read_list(reader *r, const ProtobufCFieldDescriptor *f, const json_t *v, const frame *up, char *base)
{
    frame at = {.up = up, .name = f->name, .index = SIZE_MAX};
    if (!json_is_array(v)) return wrong_kind(r, &at, "a list");
    size_t n = json_array_size(v), size = json_size(f->type);
    char *list = take(r, n * size);
    if (!list) return too_large(r, &at);
    for (size_t i = 0; i < n; i++) {
        at.index = i;
        sinter_status s = read_value(r, f, json_array_get(v, i), &at, list + i * size);
        if (s != SINTER_OK) return s;
    }
    *(char **)(void *)(base + f->offset) = list;
    *(size_t *)(void *)(base + f->quantifier_offset) = n;
    return SINTER_OK;
}

static ProtobufCMessage *make(reader *r, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = take(r, d->sizeof_message);
    if (m) d->message_init(m);
    return m;
}

static sinter_status read_map(reader *r, const ProtobufCFieldDescriptor *f, const json_t *v, const frame *up, char *base)
{
    const ProtobufCMessageDescriptor *d = f->descriptor;
    const ProtobufCFieldDescriptor *key = &d->fields[0], *value = &d->fields[1];
    frame field = {.up = up, .name = f->name, .index = SIZE_MAX};
    if (!json_is_object(v)) return wrong_kind(r, &field, "an object");
    ProtobufCMessage **list = take(r, json_object_size(v) * sizeof *list);
    if (!list) return too_large(r, &field);
    size_t n = 0;
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
    {
        frame at = {.up = &field, .name = name, .is_key = true, .index = SIZE_MAX};
        char *entry = (char *)(list[n++] = make(r, d));
        size_t length = strlen(name);
        if (!entry || length + 16 > r->left) return too_large(r, &at);
        r->left -= length + 16;
        sinter_status s = json_key(key, name, entry + key->offset, r->a, r->e);
        if (s != SINTER_OK) return refuse(r, &at, s);
        if ((s = read_value(r, value, member, &at, entry + value->offset)) != SINTER_OK) return s;
    }
    *(ProtobufCMessage ***)(void *)(base + f->offset) = list;
    *(size_t *)(void *)(base + f->quantifier_offset) = n;
    return SINTER_OK;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------ */

/* By the proto's name or the JSON one. */
static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *d, const char *name)
{
    char camel[256];
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(d, name);
    for (unsigned i = 0; i < d->n_fields && !f; i++) {
        json_name(d->fields[i].name, camel, sizeof camel);
        if (strcmp(camel, name) == 0) f = &d->fields[i];
    }
    return f;
}

static sinter_status unknown_field(reader *r, const ProtobufCMessageDescriptor *d, const char *name, const frame *up)
{
    frame at = {.up = up, .name = name, .index = SIZE_MAX};
    const char **known = ARENA_ARRAY(r->a, const char *, d->n_fields + 1);
    for (unsigned i = 0; i < d->n_fields; i++) {
        char camel[256];
        json_name(d->fields[i].name, camel, sizeof camel);
        known[i] = arena_strdup(r->a, camel);
    }
    const char *near = near_name(name, known, d->n_fields);
    error_set(r->e, SINTER_INVALID, NULL, NULL, "is no field of %s", d->name);
    if (near) error_fix(r->e, "did you mean \"%s\"?", near);
    return refuse(r, &at, SINTER_INVALID);
}

static sinter_status given_twice(reader *r, const ProtobufCFieldDescriptor *f, const frame *up, const char *what)
{
    frame at = {.up = up, .name = f->name, .index = SIZE_MAX};
    error_set(r->e, SINTER_INVALID, NULL, "give one of them", "%s", what);
    return refuse(r, &at, SINTER_INVALID);
}

static sinter_status read_field(reader *r, const ProtobufCFieldDescriptor *f, const json_t *v, const frame *up, char *base)
{
    frame at = {.up = up, .name = f->name, .index = SIZE_MAX};
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return json_is_map(f) ? read_map(r, f, v, up, base) : read_list(r, f, v, up, base);
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = (uint32_t *)(void *)(base + f->quantifier_offset);
        if (*which) return given_twice(r, f, up, "is given beside another that excludes it");
        *which = f->id;
    } else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_STRING) {
        *(protobuf_c_boolean *)(base + f->quantifier_offset) = true;
    }
    return read_value(r, f, v, &at, base + f->offset);
}

static sinter_status read_fields(reader *r, ProtobufCMessage *m, const json_t *v, const frame *at)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    bool *seen = arena_zalloc(r->a, d->n_fields + 1);
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)v, name, member)
    {
        const ProtobufCFieldDescriptor *f = field_named(d, name);
        if (!f) return unknown_field(r, d, name, at);
        if (seen[f - d->fields]) return given_twice(r, f, at, "is given twice, by its two names");
        seen[f - d->fields] = true;
        if (json_is_null(member)) continue;
        sinter_status s = read_field(r, f, member, at, (char *)m);
        if (s != SINTER_OK) return s;
    }
    return SINTER_OK;
}

static sinter_status read_well_known(reader *r, ProtobufCMessage *m, const json_t *v, const frame *at, bool *done)
{
    str s = {json_string_value(v), json_string_length(v)};
    *done = true;
    if (m->descriptor == &google__protobuf__timestamp__descriptor) {
        Google__Protobuf__Timestamp *t = (Google__Protobuf__Timestamp *)m;
        if (!s.s || !json_timestamp(s, &t->seconds, &t->nanos)) return wrong_kind(r, at, "a time like \"2026-02-07T12:00:00Z\"");
    } else if (m->descriptor == &google__protobuf__duration__descriptor) {
        Google__Protobuf__Duration *t = (Google__Protobuf__Duration *)m;
        if (!s.s || !json_duration(s, &t->seconds, &t->nanos)) return wrong_kind(r, at, "a duration like \"1.5s\"");
    } else if (m->descriptor == &google__protobuf__any__descriptor) {
        return wrong_kind(r, at, "taken: no request carries google.protobuf.Any");
    } else {
        *done = false;
    }
    return SINTER_OK;
}

static sinter_status read_message(reader *r, const ProtobufCMessageDescriptor *d, const json_t *v, const frame *at,
                                  ProtobufCMessage **out)
{
    bool done;
    if (!(*out = make(r, d))) return too_large(r, at);
    sinter_status s = read_well_known(r, *out, v, at, &done);
    if (done) return s;
    if (!json_is_object(v)) return wrong_kind(r, at, "an object");
    return read_fields(r, *out, v, at);
}

/* ---- the text ------------------------------------------------------------------------------------------------------------------- */

/* Values that a text can hold at most, and how deep: without parsing, by what stands outside of strings. */
static void measure(str text, uint64_t *values, uint32_t *depth)
{
    bool quoted = false;
    uint32_t now = 0;
    *values = 1;
    *depth = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.s[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '[' || c == '{') {
            ++*values;
            if (++now > *depth) *depth = now;
        } else if (c == ']' || c == '}')
            now -= now > 0;
        else if (c == ',')
            ++*values;
    }
}

static sinter_status parse(str text, uint64_t max_bytes, json_t **out, sinter_error *e)
{
    uint64_t values;
    uint32_t depth;
    json_error_t why;
    char where[48];
    measure(text, &values, &depth);
    if (depth > NESTING_MOST)
        return error_set(e, SINTER_INVALID, "json", NULL, "is nested deeper than %u levels", NESTING_MOST);
    if (text.n > max_bytes || values > (max_bytes - text.n) / TREE_BYTES_PER_VALUE)
        return error_set(e, SINTER_EXHAUSTED, "json", "send fewer or larger parts in one message",
                         "holds more values than limits.max_unpack allows");
    *out = json_loadb(text.s, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (*out) return SINTER_OK;
    snprintf(where, sizeof where, "json:%d:%d", why.line, why.column);
    bool large = json_error_code(&why) == json_error_numeric_overflow;
    return error_set(e, SINTER_INVALID, where, large ? "write whole numbers beyond 2^63-1 as strings" : "send one JSON object", "%s",
                     why.text);
}

sinter_status json_read(const ProtobufCMessageDescriptor *d, str text, uint64_t max_bytes, arena *a, ProtobufCMessage **out,
                        sinter_error *e)
{
    sinter_error ignored = SINTER_ERROR_INIT;
    reader r = {.a = a, .left = max_bytes, .e = e ? e : &ignored};
    json_t *tree;
    *out = NULL;
    sinter_status s = parse(text, max_bytes, &tree, r.e);
    if (s != SINTER_OK) return s;
    s = read_message(&r, d, tree, NULL, out);
    json_decref(tree);
    return s;
}
