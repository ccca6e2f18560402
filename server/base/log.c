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
static _Thread_local const char *request;

void log_set(log_level least, bool json) {
    atomic_store(&least_level, (int)least);
    atomic_store(&as_json, json);
}

log_level log_least(void) {
    return (log_level)atomic_load(&least_level);
}

bool log_as_json(void) {
    return atomic_load(&as_json);
}

const char *log_level_name(log_level level) {
    return LEVELS[level];
}

void log_about(const char *id) {
    request = id;
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

/* A line under way. */
typedef struct line {
    const char *time, *event, *thread, *members, *text;
    log_level level;
} line;

static void put_json(buffer *out, const line *l) {
    const char *const parts[][2] = {
        {"time", l->time}, {"level", LEVELS[l->level]}, {"event", l->event}, {"thread", l->thread}, {"request_id", request}, {"message", l->text}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!parts[i][1]) continue;
        buffer_printf(out, "%s\"%s\":", i ? "," : "{", parts[i][0]);
        buffer_json_string(out, parts[i][1], strlen(parts[i][1]));
    }
    if (l->members) buffer_printf(out, ",%s", l->members);
    buffer_puts(out, "}\n");
}

static void put_escaped(buffer *out, const char *text) {
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n')
            buffer_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7F)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_append(out, p, 1);
    }
}

static void put_text(buffer *out, const line *l) {
    buffer_printf(out, "%s %-5s %s [%s] ", l->time, LEVELS[l->level], l->event, l->thread);
    put_escaped(out, l->text);
    if (request) {
        buffer_puts(out, " request_id=");
        put_escaped(out, request);
    }
    if (l->members) buffer_printf(out, " {%s}", l->members);
    buffer_puts(out, "\n");
}

static void write_line(log_level level, const char *event, const char *members, const char *fmt, va_list args) {
    int saved = errno;
    char text[2048], time[32], thread[16] = "";
    vsnprintf(text, sizeof text, fmt, args);
    time_format_ms(clock_wall_ms(), time);
    pthread_getname_np(pthread_self(), thread, sizeof thread);
    line l = {.time = time, .event = event, .thread = thread, .members = members, .text = text, .level = level};
    buffer out = {0};
    (atomic_load(&as_json) ? put_json : put_text)(&out, &l);
    put_line(&out);
    buffer_free(&out);
    errno = saved;
}

void log_write(log_level level, const char *event, const char *fmt, ...) {
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    va_list args;
    va_start(args, fmt);
    write_line(level, event, NULL, fmt, args);
    va_end(args);
}

void log_write_members(log_level level, const char *event, const char *members, const char *fmt, ...) {
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    va_list args;
    va_start(args, fmt);
    write_line(level, event, members, fmt, args);
    va_end(args);
}
