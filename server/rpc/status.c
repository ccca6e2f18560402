/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sinter's statuses as gRPC's, with the details that clients can act on: which field is wrong, when to try again. */
#include "server.h"

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <grpc/slice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

grpc_status_code status_code(sinter_status s)
{
    static const grpc_status_code CODE[] = {
        [SINTER_OK] = GRPC_STATUS_OK,
        [SINTER_DECLINED] = GRPC_STATUS_INTERNAL,
        [SINTER_INVALID] = GRPC_STATUS_INVALID_ARGUMENT,
        [SINTER_NOT_FOUND] = GRPC_STATUS_NOT_FOUND,
        [SINTER_EXISTS] = GRPC_STATUS_ALREADY_EXISTS,
        [SINTER_PRECONDITION] = GRPC_STATUS_FAILED_PRECONDITION,
        [SINTER_CONFLICT] = GRPC_STATUS_ABORTED,
        [SINTER_EXHAUSTED] = GRPC_STATUS_RESOURCE_EXHAUSTED,
        [SINTER_CANCELLED] = GRPC_STATUS_CANCELLED,
        [SINTER_DEADLINE] = GRPC_STATUS_DEADLINE_EXCEEDED,
        [SINTER_UNAVAILABLE] = GRPC_STATUS_UNAVAILABLE,
        [SINTER_UNIMPLEMENTED] = GRPC_STATUS_UNIMPLEMENTED,
        [SINTER_PERMISSION] = GRPC_STATUS_PERMISSION_DENIED,
        [SINTER_UNAUTHENTICATED] = GRPC_STATUS_UNAUTHENTICATED,
        [SINTER_DATA_LOSS] = GRPC_STATUS_DATA_LOSS,
        [SINTER_INTERNAL] = GRPC_STATUS_INTERNAL,
        [SINTER_UNKNOWN] = GRPC_STATUS_UNKNOWN,
        [SINTER_GONE] = GRPC_STATUS_OUT_OF_RANGE,
        [SINTER_IO] = GRPC_STATUS_INTERNAL,
    };
    return s >= 0 && (size_t)s < ARRAY_LEN(CODE) ? CODE[s] : GRPC_STATUS_UNKNOWN;
}

/* A detail wrapped as google.protobuf.Any; its bytes come from malloc. */
static void any_of(const ProtobufCMessage *m, const char *type_url, Google__Protobuf__Any *out)
{
    google__protobuf__any__init(out);
    out->type_url = (char *)type_url;
    out->value.len = protobuf_c_message_get_packed_size(m);
    out->value.data = xmalloc(out->value.len + 1);
    protobuf_c_message_pack(m, out->value.data);
}

static void bad_request(const sinter_error *e, Google__Protobuf__Any *out)
{
    char text[1100];
    snprintf(text, sizeof text, "%s%s%s", e->what, *e->fix ? "; " : "", e->fix);
    Google__Rpc__BadRequest__FieldViolation violation = GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    Google__Rpc__BadRequest__FieldViolation *list[] = {&violation};
    Google__Rpc__BadRequest request = GOOGLE__RPC__BAD_REQUEST__INIT;
    violation.field = (char *)e->where;
    violation.description = text;
    request.n_field_violations = 1;
    request.field_violations = list;
    any_of(&request.base, "type.googleapis.com/google.rpc.BadRequest", out);
}

static void retry_info(Google__Protobuf__Any *out)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Rpc__RetryInfo info = GOOGLE__RPC__RETRY_INFO__INIT;
    delay.nanos = RETRY_AFTER_MS * 1000000;
    info.retry_delay = &delay;
    any_of(&info.base, "type.googleapis.com/google.rpc.RetryInfo", out);
}

const char *status_message(sinter_status s, const sinter_error *e, char *line, size_t size)
{
    if (e && *e->what) return error_line(e, line, size);
    snprintf(line, size, "%s", status_text(s));
    return line;
}

grpc_slice status_details(sinter_status s, const sinter_error *e, const char *message)
{
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    Google__Protobuf__Any any, *list[] = {&any};
    status.code = (int32_t)status_code(s);
    status.message = (char *)message;
    status.details = list;
    if (s == SINTER_INVALID && e) {
        bad_request(e, &any);
        status.n_details = 1;
    } else if (s == SINTER_EXHAUSTED || s == SINTER_UNAVAILABLE) {
        retry_info(&any);
        status.n_details = 1;
    }
    grpc_slice slice = grpc_slice_malloc(google__rpc__status__get_packed_size(&status));
    google__rpc__status__pack(&status, GRPC_SLICE_START_PTR(slice));
    if (status.n_details) free(any.value.data);
    return slice;
}
