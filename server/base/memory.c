/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory outside requests, and slices. There is no sensible way to go on without memory: the x-family never fails. */
#include "die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void base_die(const char *fmt, ...) {
    char line[512] = "sinter: ";
    size_t n = strlen(line);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + n, sizeof line - n - 1, fmt, args);
    va_end(args);
    n = strlen(line);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0) abort();
    abort();
}

static void *must(void *p, size_t n) {
    if (!p) base_die("out of memory: %zu bytes refused; give the process more memory or lower the limits", n);
    return p;
}

void *xmalloc(size_t n) {
    return must(malloc(n ? n : 1), n);
}

void *xcalloc(size_t n, size_t size) {
    return must(n && size ? calloc(n, size) : calloc(1, 1), n * size);
}

void *xrealloc(void *p, size_t n) {
    return must(realloc(p, n ? n : 1), n);
}

char *xstrdup(const char *s) {
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n) {
    n = strnlen(s, n);
    char *copy = xmalloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *xasprintf(const char *fmt, ...) {
    char *out;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&out, fmt, args);
    va_end(args);
    return must(n < 0 ? NULL : out, 0);
}

void *xaligned(size_t align, size_t n) {
    void *p = NULL;
    if (align < sizeof(void *)) align = sizeof(void *);
    return must(posix_memalign(&p, align, n ? n : 1) == 0 ? p : NULL, n);
}

str str_of(const char *s) {
    return (str){s, s ? strlen(s) : 0};
}

bool str_eq(str a, str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

bool str_is(str a, const char *b) {
    return str_eq(a, str_of(b));
}
