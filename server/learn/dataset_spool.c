/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private files for what does not belong in memory, and a table of hashed texts. */
#include "dataset_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PENDING_BYTES = 1 << 20 };

static sinter_status fail(const spool *s, const char *doing, int code, sinter_error *e)
{
    bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return error_set(e, full ? SINTER_EXHAUSTED : SINTER_IO, s->dir,
                     full ? "free space on the disk, or name another scratch folder" : NULL,
                     "cannot %s a dataset's file: %s", doing, strerror(code));
}

/* Without O_TMPFILE (some file systems lack it) a name stands for an instant. */
static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return fd;
    char *path = xasprintf("%s/dataset-XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    free(path);
    return fd;
}

sinter_status spool_open(spool *s, const char *dir, sinter_error *e)
{
    *s = (spool){.dir = dir, .fd = open_nameless(dir)};
    return s->fd < 0 ? fail(s, "make", errno, e) : SINTER_OK;
}

static sinter_status write_all(spool *s, const char *p, size_t n, sinter_error *e)
{
    while (n > 0) {
        ssize_t written = write(s->fd, p, n);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail(s, "write", errno, e);
        p += written;
        n -= (size_t)written;
    }
    return SINTER_OK;
}

static sinter_status flush(spool *s, sinter_error *e)
{
    sinter_status st = write_all(s, s->pending.data, s->pending.len, e);
    buffer_clear(&s->pending);
    return st;
}

sinter_status spool_append(spool *s, const void *p, size_t n, sinter_error *e)
{
    buffer_append(&s->pending, p, n);
    s->size += n;
    return s->pending.len >= PENDING_BYTES ? flush(s, e) : SINTER_OK;
}

static sinter_status map(spool *s, sinter_error *e)
{
    if (!s->size) return SINTER_OK;
    void *p = mmap(NULL, (size_t)s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (p == MAP_FAILED) return fail(s, "map", errno, e);
    s->map = p;
    s->mapped = (size_t)s->size;
    return SINTER_OK;
}

sinter_status spool_map(spool *s, sinter_error *e)
{
    sinter_status st = s->pending.len ? flush(s, e) : SINTER_OK;
    buffer_free(&s->pending);
    return st ? st : map(s, e);
}

/* Reserved first: a full disk is an error here, and not a signal when the map is written. */
sinter_status spool_make(spool *s, const char *dir, uint64_t size, sinter_error *e)
{
    sinter_status st = spool_open(s, dir, e);
    if (st || !size) return st;
    int code = posix_fallocate(s->fd, 0, (off_t)size);
    if (code) {
        st = fail(s, "reserve", code, e);
        spool_close(s);
        return st;
    }
    s->size = size;
    st = map(s, e);
    if (st) spool_close(s);
    return st;
}

void spool_seal(spool *s)
{
    if (s->map) mprotect(s->map, s->mapped, PROT_READ);
}

void spool_close(spool *s)
{
    if (s->map) munmap(s->map, s->mapped);
    if (s->fd >= 0) close(s->fd);
    buffer_free(&s->pending);
    *s = (spool){.fd = -1};
}

/* ---- hashed texts --------------------------------------------------------------------------------------------------- */

key128 key_of(const void *p, size_t n)
{
    key128 out;
    hash128(p, n, out.k);
    return out;
}

key128 key_of_pair(str a, str b)
{
    char bytes[1024];
    if (a.n + b.n + 1 > sizeof bytes) { /* ids are at most 256 bytes each; what is longer was never accepted */
        key128 x = key_of(a.s, a.n), y = key_of(b.s, b.n);
        return (key128){{x.k[0] ^ (y.k[1] + 1), x.k[1] ^ (y.k[0] + 1)}};
    }
    memcpy(bytes, a.s, a.n);
    bytes[a.n] = '\0';
    memcpy(bytes + a.n + 1, b.s, b.n);
    return key_of(bytes, a.n + 1 + b.n);
}

static struct keymap_slot *find(const keymap *m, key128 key)
{
    uint64_t i = key.k[0] & (m->cap - 1);
    while (m->slot[i].value && memcmp(&m->slot[i].key, &key, sizeof key) != 0) i = (i + 1) & (m->cap - 1);
    return &m->slot[i];
}

static void grow(keymap *m)
{
    keymap bigger = {.n = m->n, .cap = m->cap ? m->cap * 2 : 1024};
    bigger.slot = xcalloc(bigger.cap, sizeof *bigger.slot);
    for (uint64_t i = 0; i < m->cap; i++)
        if (m->slot[i].value) *find(&bigger, m->slot[i].key) = m->slot[i];
    free(m->slot);
    *m = bigger;
}

uint64_t keymap_get(keymap *m, key128 key, uint64_t fresh)
{
    if (m->n * 4 >= m->cap * 3) grow(m);
    struct keymap_slot *s = find(m, key);
    if (!s->value && fresh != UINT64_MAX) {
        *s = (struct keymap_slot){key, fresh + 1};
        m->n++;
    }
    return s->value - 1;
}

void keymap_set(keymap *m, key128 key, uint64_t value)
{
    keymap_get(m, key, value);
    find(m, key)->value = value + 1;
}

uint64_t keymap_bytes(const keymap *m)
{
    return m->cap * sizeof *m->slot;
}

void keymap_free(keymap *m)
{
    free(m->slot);
    *m = (keymap){0};
}
