/* SPDX-License-Identifier: GPL-3.0-or-later */
/* grpc.reflection: tools ask which services there are and how their messages look. Answered from the descriptor set
 * that the build embeds. v1 and v1alpha differ in nothing but their name, so that one handler on v1's types speaks
 * both. */
#include "server.h"

#include <google/protobuf/descriptor.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char sinter_protoset[];
extern const size_t sinter_protoset_size;

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

typedef struct file {
    ProtobufCBinaryData bytes; /* without comments and positions */
    const char *name;
    const uint32_t *imports; /* [n_imports] files */
    uint32_t n_imports;
} file;

typedef struct symbol {
    const char *name; /* full */
    uint32_t file;
} symbol;

struct reflection {
    arena *memory;
    file *files; /* [n_files] */
    uint32_t n_files;
    symbol *symbols; /* [n_symbols] by name */
    size_t n_symbols, room;
};

/* ---- reading the set ---- */

static void add_symbol(reflection *r, uint32_t number, const char *scope, const char *name)
{
    if (r->n_symbols == r->room) {
        r->room = r->room ? r->room * 2 : 256;
        r->symbols = xrealloc(r->symbols, r->room * sizeof *r->symbols);
    }
    r->symbols[r->n_symbols++] = (symbol){*scope ? arena_printf(r->memory, "%s.%s", scope, name) : name, number};
}

static const char *last_symbol(const reflection *r)
{
    return r->symbols[r->n_symbols - 1].name;
}

static void add_enum(reflection *r, uint32_t number, const char *scope, const Google__Protobuf__EnumDescriptorProto *d)
{
    add_symbol(r, number, scope, d->name);
    for (size_t i = 0; i < d->n_value; i++) /* values are siblings of their enum, as in C */
        add_symbol(r, number, scope, d->value[i]->name);
}

static void add_message(reflection *r, uint32_t number, const char *scope, const Google__Protobuf__DescriptorProto *d)
{
    add_symbol(r, number, scope, d->name);
    const char *name = last_symbol(r);
    for (size_t i = 0; i < d->n_field; i++)
        add_symbol(r, number, name, d->field[i]->name);
    for (size_t i = 0; i < d->n_oneof_decl; i++)
        add_symbol(r, number, name, d->oneof_decl[i]->name);
    for (size_t i = 0; i < d->n_enum_type; i++)
        add_enum(r, number, name, d->enum_type[i]);
    for (size_t i = 0; i < d->n_nested_type; i++)
        add_message(r, number, name, d->nested_type[i]);
}

static void add_symbols(reflection *r, uint32_t number, const Google__Protobuf__FileDescriptorProto *d)
{
    const char *package = d->package ? d->package : "";
    for (size_t i = 0; i < d->n_message_type; i++)
        add_message(r, number, package, d->message_type[i]);
    for (size_t i = 0; i < d->n_enum_type; i++)
        add_enum(r, number, package, d->enum_type[i]);
    for (size_t i = 0; i < d->n_service; i++) {
        add_symbol(r, number, package, d->service[i]->name);
        const char *name = last_symbol(r);
        for (size_t k = 0; k < d->service[i]->n_method; k++)
            add_symbol(r, number, name, d->service[i]->method[k]->name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const symbol *)a)->name, ((const symbol *)b)->name);
}

static bool find_file(const reflection *r, const char *name, uint32_t *out)
{
    for (*out = 0; *out < r->n_files; (*out)++)
        if (strcmp(r->files[*out].name, name) == 0) return true;
    return false;
}

static void *from_arena(void *data, size_t n)
{
    return arena_alloc(data, n);
}

static void keep(void *data, void *p)
{
    (void)data, (void)p;
}

/* Files come after what they import, as protoc writes them. */
static void add_file(reflection *r, Google__Protobuf__FileDescriptorProto *d)
{
    file *f = &r->files[r->n_files];
    uint32_t *imports = ARENA_ARRAY(r->memory, uint32_t, d->n_dependency + 1);
    f->name = d->name;
    f->imports = imports;
    for (size_t i = 0; i < d->n_dependency; i++)
        if (find_file(r, d->dependency[i], &imports[f->n_imports])) f->n_imports++;
    d->source_code_info = NULL;
    f->bytes.len = google__protobuf__file_descriptor_proto__get_packed_size(d);
    f->bytes.data = arena_alloc(r->memory, f->bytes.len);
    google__protobuf__file_descriptor_proto__pack(d, f->bytes.data);
    add_symbols(r, r->n_files++, d);
}

sinter_status reflection_new(reflection **out, sinter_error *e)
{
    reflection *r = xcalloc(1, sizeof *r);
    r->memory = arena_new(1 << 20);
    ProtobufCAllocator allocator = {.alloc = from_arena, .free = keep, .allocator_data = r->memory};
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(&allocator, sinter_protoset_size, sinter_protoset);
    if (!set) {
        reflection_free(r);
        return error_set(e, SINTER_INTERNAL, "descriptors", "build again",
                         "the embedded descriptor set cannot be read");
    }
    r->files = ARENA_ARRAY(r->memory, file, set->n_file);
    for (size_t i = 0; i < set->n_file; i++)
        add_file(r, set->file[i]);
    qsort(r->symbols, r->n_symbols, sizeof *r->symbols, by_name);
    *out = r;
    return SINTER_OK;
}

void reflection_free(reflection *r)
{
    if (!r) return;
    free(r->symbols);
    arena_free(r->memory);
    free(r);
}

/* ---- answering ---- */

static void set_not_found(answer *out, arena *a, const char *what, const char *name)
{
    Grpc__Reflection__V1__ErrorResponse *e = arena_alloc(a, sizeof *e);
    grpc__reflection__v1__error_response__init(e);
    e->error_code = GRPC_STATUS_NOT_FOUND;
    e->error_message = arena_printf(a, "no %s '%s'", what, name);
    out->message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    out->error_response = e;
}

/* A file and everything it imports, each once and before what it imports itself: the set's order backwards. */
static void set_file(answer *out, arena *a, const reflection *r, uint32_t number)
{
    Grpc__Reflection__V1__FileDescriptorResponse *d = arena_alloc(a, sizeof *d);
    grpc__reflection__v1__file_descriptor_response__init(d);
    bool *wanted = ARENA_ARRAY(a, bool, r->n_files);
    wanted[number] = true;
    d->file_descriptor_proto = ARENA_ARRAY(a, ProtobufCBinaryData, number + 1);
    for (uint32_t i = number + 1; i-- > 0;) {
        const file *f = &r->files[i];
        if (!wanted[i]) continue;
        d->file_descriptor_proto[d->n_file_descriptor_proto++] = f->bytes;
        for (uint32_t k = 0; k < f->n_imports; k++)
            wanted[f->imports[k]] = true;
    }
    out->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    out->file_descriptor_response = d;
}

static void set_services(answer *out, arena *a)
{
    Grpc__Reflection__V1__ListServiceResponse *list = arena_alloc(a, sizeof *list);
    grpc__reflection__v1__list_service_response__init(list);
    list->service = ARENA_ARRAY(a, Grpc__Reflection__V1__ServiceResponse *, METHODS_N);
    for (size_t i = 0; i < METHODS_N; i++) { /* a service's methods stand together in the table */
        if (i && strcmp(METHODS[i].service, METHODS[i - 1].service) == 0) continue;
        Grpc__Reflection__V1__ServiceResponse *s = arena_alloc(a, sizeof *s);
        grpc__reflection__v1__service_response__init(s);
        s->name = (char *)METHODS[i].service;
        list->service[list->n_service++] = s;
    }
    out->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    out->list_services_response = list;
}

static const symbol *find_symbol(const reflection *r, const char *name)
{
    symbol key = {.name = name};
    return bsearch(&key, r->symbols, r->n_symbols, sizeof key, by_name);
}

/* This API extends nothing: a known type has no extension numbers. */
static void set_extensions(answer *out, arena *a, const reflection *r, const char *type)
{
    if (!find_symbol(r, type)) {
        set_not_found(out, a, "type", type);
        return;
    }
    Grpc__Reflection__V1__ExtensionNumberResponse *n = arena_alloc(a, sizeof *n);
    grpc__reflection__v1__extension_number_response__init(n);
    n->base_type_name = (char *)type;
    out->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    out->all_extension_numbers_response = n;
}

static sinter_status reflect(const reflection *r, const question *q, arena *a, answer *out, sinter_error *e)
{
    uint32_t number;
    const symbol *s;
    switch (q->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        if (find_file(r, q->file_by_filename, &number))
            set_file(out, a, r, number);
        else
            set_not_found(out, a, "file", q->file_by_filename);
        return SINTER_OK;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        if ((s = find_symbol(r, q->file_containing_symbol)))
            set_file(out, a, r, s->file);
        else
            set_not_found(out, a, "symbol", q->file_containing_symbol);
        return SINTER_OK;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        set_not_found(out, a, "extension of", q->file_containing_extension->containing_type);
        return SINTER_OK;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        set_extensions(out, a, r, q->all_extension_numbers_of_type);
        return SINTER_OK;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        set_services(out, a);
        return SINTER_OK;
    default:
        return error_set(e, SINTER_INVALID, "message_request",
                         "set list_services, file_by_filename or file_containing_symbol", "the question asks nothing");
    }
}

void reflection_run(worker *w, call *c, const ProtobufCMessage *request)
{
    if (!request) {
        call_end(c);
        return;
    }
    sinter_error e = SINTER_ERROR_INIT;
    answer r = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    const question *q = (const question *)request;
    r.valid_host = q->host;
    r.original_request = (question *)q;
    sinter_status status = reflect(w->s->reflection, q, w->memory, &r, &e);
    if (status != SINTER_OK)
        call_fail(c, status, &e);
    else
        call_send(c, &r.base);
}
