/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log: one line an event on standard error, as text or JSON, written by one call so that threads do not mix.
 * Control characters are escaped: what a client sent cannot forge a line. */
#include "base/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const LEVELS[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static atomic_int least_level = LOG_INFO;
static atomic_bool as_json;

void log_set(log_level least, bool json) {
    atomic_store(&least_level, (int)least);
    atomic_store(&as_json, json);
}

bool log_level_parse(const char *s, log_level *out) {
    for (size_t i = 0; i < ARRAY_LEN(LEVELS); i++) {
        if (strcmp(s, LEVELS[i]) == 0) {
            *out = (log_level)i;
            return true;
        }
    }
    return false;
}

static void put_line(const buffer *line) {
    const char *p = line->data;
    size_t left = line->len;
    while (left) {
        ssize_t n = write(STDERR_FILENO, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return; /* nobody listens: the work goes on */
        p += n;
        left -= (size_t)n;
    }
}

static void put_json(buffer *line, const char *time, log_level level, const char *event, const char *thread,
                     const char *text) {
    const char *const parts[][2] = {
        {"time", time}, {"level", LEVELS[level]}, {"event", event}, {"thread", thread}, {"message", text}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buffer_printf(line, "%s\"%s\":", i ? "," : "{", parts[i][0]);
        buffer_json_string(line, parts[i][1], strlen(parts[i][1]));
    }
    buffer_puts(line, "}\n");
}

static void put_text(buffer *line, const char *time, log_level level, const char *event, const char *thread,
                     const char *text) {
    buffer_printf(line, "%s %-5s %s [%s] ", time, LEVELS[level], event, thread);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n')
            buffer_puts(line, "\\n");
        else if (c < 0x20 || c == 0x7F)
            buffer_printf(line, "\\x%02x", c);
        else
            buffer_append(line, p, 1);
    }
    buffer_puts(line, "\n");
}

void log_write(log_level level, const char *event, const char *fmt, ...) {
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    int saved = errno;
    char text[2048], time[32], thread[16] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    time_format_ms(clock_wall_ms(), time);
    pthread_getname_np(pthread_self(), thread, sizeof thread);
    buffer line = {0};
    (atomic_load(&as_json) ? put_json : put_text)(&line, time, level, event, thread, text);
    put_line(&line);
    buffer_free(&line);
    errno = saved;
}
