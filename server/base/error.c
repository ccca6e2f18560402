/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One way to fail: what, where, fix. Texts are cut to fit at a character, and what is not UTF-8 becomes '?',
 * because they quote bytes that came from outside. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
} STATUS[] = {
#define X(name, number, text) [number] = {#name, text},
    SINTER_STATUS_MAP(X)
#undef X
};

const char *status_name(sinter_status s) {
    return s >= 0 && (size_t)s < ARRAY_LEN(STATUS) ? STATUS[s].name : "UNKNOWN_STATUS";
}

const char *status_text(sinter_status s) {
    return s >= 0 && (size_t)s < ARRAY_LEN(STATUS) ? STATUS[s].text : "unknown status";
}

/* Drops a character that the cut left without its end; replaces other bytes that are not UTF-8. */
static void clean(char *s, bool cut) {
    size_t n = strlen(s), at = 0, bad;
    while (!utf8_valid(s + at, n - at, &bad)) {
        at += bad;
        if (cut && n - at < 4 && (unsigned char)s[at] >= 0xC0) {
            s[at] = '\0';
            return;
        }
        s[at++] = '?';
    }
}

/* A plugin built against an older header has a shorter record: fields beyond its size are left alone. Size 0 is a
 * record that its owner zeroed: a whole one. */
static bool holds(sinter_error *e, const char *field, size_t field_size) {
    if (e->size == 0) e->size = (uint32_t)sizeof *e;
    return (size_t)(field - (const char *)e) + field_size <= e->size;
}
#define HOLDS(e, field) holds((e), (e)->field, sizeof(e)->field)

/* By way of a copy: an argument may well be a part of the same record. */
#define FORMAT(e, field, fmt)                                                                                          \
    do {                                                                                                               \
        char text[sizeof(e)->field];                                                                                   \
        va_list args;                                                                                                  \
        va_start(args, fmt);                                                                                           \
        int n = vsnprintf(text, sizeof text, fmt, args);                                                               \
        va_end(args);                                                                                                  \
        if (n < 0) text[0] = '\0';                                                                                     \
        clean(text, n >= (int)sizeof text);                                                                            \
        if (HOLDS(e, field)) memcpy((e)->field, text, sizeof text);                                                    \
    } while (0)

sinter_status error_set(sinter_error *e, sinter_status s, const char *where, const char *fix, const char *what, ...) {
    if (!e) return s;
    /* One byte longer than the fields, so that a text cut here is known to be cut there. */
    char keep_where[sizeof e->where + 1], keep_fix[sizeof e->fix + 1];
    snprintf(keep_where, sizeof keep_where, "%s", where ? where : "");
    snprintf(keep_fix, sizeof keep_fix, "%s", fix ? fix : "");
    FORMAT(e, what, what);
    error_where(e, "%s", keep_where);
    error_fix(e, "%s", keep_fix);
    e->status = s;
    return s;
}

void error_where(sinter_error *e, const char *fmt, ...) {
    if (e) FORMAT(e, where, fmt);
}

void error_fix(sinter_error *e, const char *fmt, ...) {
    if (e) FORMAT(e, fix, fmt);
}

char *error_line(const sinter_error *e, char *out, size_t size) {
    if (size == 0) return out;
    const char *what = e->what[0] ? e->what : status_text(e->status);
    int n = snprintf(out, size, "%s%s%s%s%s", e->where, e->where[0] ? ": " : "", what, e->fix[0] ? "; " : "", e->fix);
    clean(out, n >= (int)size);
    return out;
}
