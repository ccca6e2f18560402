/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of checksummed blocks. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

/* In front of each block; n = 0: the end. Its place is in the sum, so that blocks cannot change places. */
typedef struct head {
    uint64_t sum;
    uint32_t n, number;
} head;

static uint64_t sum_of(const char *bytes, uint32_t n, uint32_t number)
{
    return hash64_seed(bytes, n, ((uint64_t)number << 32 | n) ^ 0x70726f66696c6573);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

struct stream_out {
    char *path, *fresh;
    int fd, failed; /* errno of the first failure */
    uint32_t n, number;
    char block[BLOCK];
};

stream_out *stream_create(const char *path, sinter_error *e)
{
    stream_out *s = xmalloc(sizeof *s);
    *s = (stream_out){.path = xstrdup(path), .fresh = xasprintf("%s.new", path)};
    s->fd = open(s->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd >= 0) return s;
    error_set(e, SINTER_IO, s->fresh, NULL, "cannot write: %s", strerror(errno));
    free(s->path);
    free(s->fresh);
    free(s);
    return NULL;
}

static void write_all(stream_out *s, const void *p, size_t n)
{
    const char *at = p;
    while (n && !s->failed) {
        ssize_t done = write(s->fd, at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) s->failed = errno;
        if (done > 0) at += done, n -= (size_t)done;
    }
}

static void flush(stream_out *s)
{
    head h = {.sum = sum_of(s->block, s->n, s->number), .n = s->n, .number = s->number};
    write_all(s, &h, sizeof h);
    write_all(s, s->block, s->n);
    s->number++;
    s->n = 0;
}

void stream_put(stream_out *s, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        size_t room = BLOCK - s->n, some = n < room ? n : room;
        memcpy(s->block + s->n, at, some);
        s->n += (uint32_t)some;
        at += some;
        n -= some;
        if (s->n == BLOCK) flush(s);
    }
}

sinter_status stream_close(stream_out *s, bool keep, sinter_error *e)
{
    if (s->n) flush(s);
    flush(s); /* the end */
    if (keep && !s->failed && fsync(s->fd) != 0) s->failed = errno;
    close(s->fd);
    if (keep && !s->failed && rename(s->fresh, s->path) != 0) s->failed = errno;
    sinter_status st = keep && s->failed ? error_set(e, SINTER_IO, s->fresh, NULL, "cannot write: %s", strerror(s->failed)) : SINTER_OK;
    if (!keep || s->failed) unlink(s->fresh);
    free(s->path);
    free(s->fresh);
    free(s);
    return st;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

struct stream_in {
    int fd;
    bool broken, ended;
    uint32_t at, n, number;
    char block[BLOCK];
};

stream_in *stream_open(const char *path, sinter_error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set(e, errno == ENOENT ? SINTER_NOT_FOUND : SINTER_IO, path, NULL, "cannot read: %s", strerror(errno));
        return NULL;
    }
    stream_in *s = xmalloc(sizeof *s);
    *s = (stream_in){.fd = fd};
    return s;
}

static bool read_all(stream_in *s, void *p, size_t n)
{
    char *at = p;
    while (n) {
        ssize_t got = read(s->fd, at, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static bool next(stream_in *s)
{
    head h;
    s->at = s->n = 0;
    if (s->broken || s->ended) return false;
    s->broken = !read_all(s, &h, sizeof h) || h.n > BLOCK || h.number != s->number++ || !read_all(s, s->block, h.n) ||
                h.sum != sum_of(s->block, h.n, h.number);
    if (s->broken) return false;
    s->n = h.n;
    s->ended = h.n == 0;
    return !s->ended;
}

bool stream_get(stream_in *s, void *p, size_t n)
{
    char *at = p;
    while (n) {
        if (s->at == s->n && !next(s)) {
            memset(p, 0, n + (size_t)(at - (char *)p));
            s->broken = true;
            return false;
        }
        size_t left = s->n - s->at, some = n < left ? n : left;
        memcpy(at, s->block + s->at, some);
        s->at += (uint32_t)some;
        at += some;
        n -= some;
    }
    return true;
}

bool stream_ended(stream_in *s)
{
    if (s->at < s->n || s->broken) return false;
    return s->ended || (!next(s) && s->ended && !s->broken);
}

void stream_end(stream_in *s)
{
    if (!s) return;
    close(s->fd);
    free(s);
}
