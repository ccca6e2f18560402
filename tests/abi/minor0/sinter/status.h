/* SPDX-License-Identifier: Apache-2.0 */
/* One way to fail: the status codes and the error record shared by server, plugins and clients.
 *
 * Every failing call returns a status other than SINTER_OK and, where the caller passed an error
 * record, fills it with three sentences: what went wrong, where, and what to do about it. */
#ifndef SINTER_STATUS_H
#define SINTER_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, number, text). The one list of codes: names, numbers and texts come from here and cannot
 * drift apart. Numbers are fixed for ever; new codes are appended. */
#define SINTER_STATUS_MAP(X)                                                                    \
    X(OK, 0, "ok")                                                                              \
    X(DECLINED, 1, "declined: no opinion on this request")                                      \
    X(INVALID, 2, "invalid argument")                                                           \
    X(NOT_FOUND, 3, "not found")                                                                \
    X(EXISTS, 4, "already exists")                                                              \
    X(PRECONDITION, 5, "failed precondition")                                                   \
    X(CONFLICT, 6, "conflict: somebody else wrote first")                                       \
    X(EXHAUSTED, 7, "resource exhausted")                                                       \
    X(CANCELLED, 8, "cancelled")                                                                \
    X(DEADLINE, 9, "deadline exceeded")                                                         \
    X(UNAVAILABLE, 10, "unavailable: try again")                                                \
    X(UNIMPLEMENTED, 11, "not implemented")                                                     \
    X(PERMISSION, 12, "permission denied")                                                      \
    X(UNAUTHENTICATED, 13, "unauthenticated")                                                   \
    X(DATA_LOSS, 14, "data loss")                                                               \
    X(INTERNAL, 15, "internal error")                                                           \
    X(UNKNOWN, 16, "unknown outcome: it may or may not have been stored")                       \
    X(GONE, 17, "gone: older than what is kept")                                                \
    X(IO, 18, "input/output error")

enum sinter_status_code {
#define X(name, number, text) SINTER_##name = number,
    SINTER_STATUS_MAP(X)
#undef X
};

/* Fixed width, so that a status crosses the plugin border the same way for every compiler. */
typedef int32_t sinter_status;

/* Always in the caller's memory; the callee writes NUL-terminated UTF-8, cut to fit. `size` is set by
 * the caller to sizeof(sinter_error); a callee writes no field beyond it. */
typedef struct sinter_error {
    uint32_t size;
    sinter_status status;
    char what[640];  /* what went wrong, with the value that was wrong */
    char where[384]; /* file:line:column, a field path, or a component; may be empty */
    char fix[384];   /* what to do, or what would be valid; may be empty */
} sinter_error;

#define SINTER_ERROR_INIT {.size = (uint32_t)sizeof(sinter_error), .status = SINTER_OK}

#ifdef __cplusplus
}
#endif
#endif
