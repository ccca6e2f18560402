/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A growable byte buffer, and the one writer of JSON strings. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and the NUL. */
static void reserve(buffer *b, size_t n) {
    if (n >= SIZE_MAX / 2 - b->len) xmalloc(SIZE_MAX / 2); /* ends the process with its message */
    size_t need = b->len + n + 1;
    if (need <= b->cap) return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buffer_append(buffer *b, const void *p, size_t n) {
    reserve(b, n);
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buffer_puts(buffer *b, const char *s) {
    buffer_append(b, s, strlen(s));
}

void buffer_printf(buffer *b, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n >= 0) {
        reserve(b, (size_t)n);
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buffer_clear(buffer *b) {
    b->len = 0;
    if (b->data) b->data[0] = '\0';
}

void buffer_free(buffer *b) {
    free(b->data);
    *b = (buffer){0};
}

static void json_escape(buffer *b, unsigned char c) {
    static const char SHORT[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (SHORT[c])
        buffer_printf(b, "\\%c", SHORT[c]);
    else
        buffer_printf(b, "\\u%04x", c);
}

/* Valid UTF-8 in, its escapes out. */
static void json_run(buffer *b, const char *s, size_t n) {
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) continue;
        buffer_append(b, s + from, i - from);
        json_escape(b, c);
        from = i + 1;
    }
    buffer_append(b, s + from, n - from);
}

/* JSON must be UTF-8: a byte that is not becomes U+FFFD. */
void buffer_json_string(buffer *b, const char *s, size_t n) {
    size_t bad = 0;
    buffer_append(b, "\"", 1);
    while (!utf8_valid(s, n, &bad)) {
        json_run(b, s, bad);
        buffer_puts(b, "\xEF\xBF\xBD");
        s += bad + 1;
        n -= bad + 1;
    }
    json_run(b, s, n);
    buffer_append(b, "\"", 1);
}
