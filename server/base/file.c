/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files whole, replaced atomically and durably; folders made and removed with all that is in them. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    int code;
    sinter_status status;
    const char *fix;
} CAUSES[] = {
    {ENOENT, SINTER_NOT_FOUND, "check the path"},
    {ENOTDIR, SINTER_INVALID, "a part of the path is not a folder"},
    {EACCES, SINTER_PERMISSION, "give the process the right to it"},
    {EPERM, SINTER_PERMISSION, "give the process the right to it"},
    {EROFS, SINTER_PERMISSION, "the file system is mounted read-only"},
    {ENOSPC, SINTER_EXHAUSTED, "free space on the disk"},
    {EDQUOT, SINTER_EXHAUSTED, "free space or raise the quota"},
    {EMFILE, SINTER_EXHAUSTED, "raise the limit of open files"},
    {ENFILE, SINTER_EXHAUSTED, "raise the limit of open files"},
};

static sinter_status fail(sinter_error *e, const char *path, const char *doing) {
    int code = errno;
    for (size_t i = 0; i < ARRAY_LEN(CAUSES); i++) {
        if (CAUSES[i].code == code)
            return error_set(e, CAUSES[i].status, path, CAUSES[i].fix, "cannot %s: %s", doing, strerror(code));
    }
    return error_set(e, SINTER_IO, path, NULL, "cannot %s: %s", doing, strerror(code));
}

/* Everything up to `limit` and one byte more, which tells a file that is too long. */
static bool read_all(int fd, size_t limit, buffer *out) {
    char chunk[1 << 16];
    while (out->len <= limit) {
        size_t want = limit - out->len + 1;
        ssize_t n = read(fd, chunk, want < sizeof chunk ? want : sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        if (n == 0) return true;
        buffer_append(out, chunk, (size_t)n);
    }
    return true;
}

sinter_status file_read(const char *path, size_t limit, buffer *out, sinter_error *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(e, path, "open");
    if (limit >= SIZE_MAX / 4) limit = SIZE_MAX / 4;
    buffer_clear(out);
    buffer_append(out, "", 0);
    bool ok = read_all(fd, limit, out);
    sinter_status s = SINTER_OK;
    if (!ok)
        s = fail(e, path, "read");
    else if (out->len > limit)
        s = error_set(e, SINTER_INVALID, path, "make it smaller", "the file is longer than %zu bytes", limit);
    close(fd);
    if (s) buffer_clear(out);
    return s;
}

static bool write_all(int fd, const char *p, size_t n) {
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* fsync of the folder that holds `path`, so that its name survives a power cut. Some file systems have no such thing.
 */
static bool sync_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    char *parent = !slash ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    if (fd < 0) return false;
    bool ok = fsync(fd) == 0 || errno == EINVAL;
    int code = errno;
    close(fd);
    errno = code;
    return ok;
}

static bool write_pieces(int fd, const str *piece, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!write_all(fd, piece[i].s, piece[i].n)) return false;
    }
    return true;
}

sinter_status file_write_atomic(const char *path, const void *p, size_t n, sinter_error *e) {
    return file_write_pieces(path, &(str){p, n}, 1, e);
}

sinter_status file_write_pieces(const char *path, const str *piece, size_t n, sinter_error *e) {
    char *temporary = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    sinter_status s = SINTER_OK;
    if (fd < 0) {
        s = fail(e, path, "create a temporary file beside it");
        free(temporary);
        return s;
    }
    if (!write_pieces(fd, piece, n)) s = fail(e, path, "write");
    if (!s && fsync(fd) != 0) s = fail(e, path, "sync");
    if (close(fd) != 0 && !s) s = fail(e, path, "close");
    if (!s && rename(temporary, path) != 0) s = fail(e, path, "put it in place");
    if (s)
        unlink(temporary);
    else if (!sync_parent(path))
        s = fail(e, path, "sync its folder");
    free(temporary);
    return s;
}

/* One folder, whose parent exists. */
static sinter_status make_one(const char *path, sinter_error *e) {
    struct stat st;
    if (mkdir(path, 0700) == 0) return sync_parent(path) ? SINTER_OK : fail(e, path, "sync its parent folder");
    if (errno != EEXIST) return fail(e, path, "make the folder");
    if (stat(path, &st) != 0) return fail(e, path, "look at it");
    if (S_ISDIR(st.st_mode)) return SINTER_OK;
    return error_set(e, SINTER_EXISTS, path, "move it away or choose another path", "not a folder");
}

sinter_status dir_make(const char *path, sinter_error *e) {
    if (!path[0]) return error_set(e, SINTER_INVALID, NULL, "give a path", "the path of a folder is empty");
    char *part = xstrdup(path);
    size_t n = strlen(part);
    while (n > 1 && part[n - 1] == '/')
        part[--n] = '\0';
    sinter_status s = SINTER_OK;
    for (char *slash = strchr(part + 1, '/'); slash && !s; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        s = make_one(part, e);
        *slash = '/';
    }
    if (!s) s = make_one(part, e);
    free(part);
    return s;
}

static bool remove_entry(int parent, const char *name);

/* Empties the folder and closes fd. */
static bool remove_inside(int fd) {
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return false;
    }
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        ok = remove_entry(dirfd(d), entry->d_name);
    }
    int code = errno;
    closedir(d);
    errno = code;
    return ok;
}

/* A symbolic link is removed, never followed. */
static bool remove_entry(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) return false;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && remove_inside(fd) && (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

sinter_status dir_remove(const char *path, sinter_error *e) {
    if (!path[strspn(path, "/.")])
        return error_set(e, SINTER_INVALID, path, "give the path of a folder below", "refusing to remove '%s'", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? SINTER_OK : fail(e, path, "open the folder");
    if (!remove_inside(fd)) return fail(e, path, "remove what is in the folder");
    return rmdir(path) == 0 || errno == ENOENT ? SINTER_OK : fail(e, path, "remove the folder");
}
