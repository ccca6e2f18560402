/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scratch files of a learn test. */
#ifndef TEST_LEARN_FIXTURE_H
#define TEST_LEARN_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learn/learn.h"

/* A file with these bytes; the path is the caller's to free_file. */
static inline char *file_with(const char *bytes, size_t n) {
    char *path = xstrdup("/tmp/sinter_learn.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    close(fd);
    return path;
}

static inline void free_file(char *path) {
    unlink(path);
    free(path);
}

static inline sinter_status judgments_of(const char *judged, const char *queries, judgments **out, sinter_error *e) {
    char *path = file_with(judged, strlen(judged)), *words = queries ? file_with(queries, strlen(queries)) : NULL;
    sinter_status s = judgments_read(path, words, out, e);
    free_file(path);
    if (words) free_file(words);
    return s;
}

#endif
