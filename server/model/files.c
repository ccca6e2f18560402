/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model's files: their sums, whether they are all there and as they were, and the rename that makes them a model. */
#include "model/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sinter_status failed(sinter_error *e, const char *path, const char *doing)
{
    int code = errno;
    sinter_status s = code == ENOENT ? SINTER_NOT_FOUND : code == ENOSPC ? SINTER_EXHAUSTED : SINTER_IO;
    return error_set(e, s, path, code == ENOSPC ? "free space on the disk" : NULL, "cannot %s: %s", doing, strerror(code));
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const model_file *)x)->path, ((const model_file *)y)->path);
}

/* Names only; model.yaml is left out. */
static sinter_status list_files(const char *dir, arena *a, model_file **file, uint32_t *n, sinter_error *e)
{
    DIR *d = opendir(dir);
    sinter_status s = SINTER_OK;
    *n = 0;
    if (!d) return failed(e, dir, "read the folder");
    *file = ARENA_ARRAY(a, model_file, MODEL_MAX_FILES);
    for (struct dirent *x; s == SINTER_OK && (x = readdir(d));) {
        struct stat st;
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0 || strcmp(x->d_name, MODEL_YAML) == 0) continue;
        if (x->d_name[0] == '.' || fstatat(dirfd(d), x->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            s = error_set(e, SINTER_DATA_LOSS, dir, "take it out: a model holds plain files only", "'%s' is not a model's file",
                          x->d_name);
        else if (*n == MODEL_MAX_FILES)
            s = error_set(e, SINTER_DATA_LOSS, dir, "write fewer", "more than %u files", MODEL_MAX_FILES);
        else
            (*file)[(*n)++].path = arena_strdup(a, x->d_name);
    }
    closedir(d);
    if (s == SINTER_OK && *n) qsort(*file, *n, sizeof **file, by_path);
    return s;
}

static sinter_status sum_of(const char *dir, const char *file, char out[65], sinter_error *e)
{
    char *path = xasprintf("%s/%s", dir, file);
    sinter_status s = sha256_file(path, out, e);
    free(path);
    return s;
}

sinter_status model_hash_files(const char *dir, arena *a, model_file **file, uint32_t *n, sinter_error *e)
{
    sinter_status s = list_files(dir, a, file, n, e);
    for (uint32_t i = 0; i < *n && s == SINTER_OK; i++) s = sum_of(dir, (*file)[i].path, (*file)[i].sha256, e);
    return s;
}

static sinter_status changed(const model_info *m, const char *file, const char *is, const char *was, const char *by, sinter_error *e)
{
    sinter_status s = error_set(e, SINTER_DATA_LOSS, NULL, "put the file back as it was, or train again",
                                "the file was changed: its sha256 is %.16s…, and %s says %.16s…", is, by, was);
    error_where(e, "%s/%s", m->dir, file);
    return s;
}

static const model_file *find(const model_file *list, uint32_t n, const char *path)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(list[i].path, path) == 0) return &list[i];
    return NULL;
}

static sinter_status check_sum(const model_info *m, const char *path, const char *listed, const model_file *recorded,
                               uint32_t n_recorded, sinter_error *e)
{
    char sum[65];
    const model_file *r = find(recorded, n_recorded, path);
    sinter_status s = sum_of(m->dir, path, sum, e);
    if (s != SINTER_OK) return s;
    if (listed && strcmp(sum, listed) != 0) return changed(m, path, sum, listed, MODEL_YAML, e);
    if (r && strcmp(sum, r->sha256) != 0) return changed(m, path, sum, r->sha256, "its deployment", e);
    return SINTER_OK;
}

sinter_status model_verify(const model_info *m, const model_file *recorded, uint32_t n_recorded, sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    model_file *there;
    uint32_t n;
    sinter_status s = list_files(m->dir, a, &there, &n, e);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) {
        if (find(m->file, m->n_files, there[i].path)) continue;
        s = error_set(e, SINTER_DATA_LOSS, NULL, "take it out", MODEL_YAML " does not list this file");
        error_where(e, "%s/%s", m->dir, there[i].path);
    }
    arena_free(a);
    for (uint32_t i = 0; i < m->n_files && s == SINTER_OK; i++)
        s = check_sum(m, m->file[i].path, m->file[i].sha256, recorded, n_recorded, e);
    if (s == SINTER_OK && n_recorded) s = check_sum(m, MODEL_YAML, NULL, recorded, n_recorded, e);
    return s;
}

sinter_status model_recorded(const model_info *m, arena *a, model_file **file, uint32_t *n, sinter_error *e)
{
    *file = ARENA_ARRAY(a, model_file, m->n_files + 1);
    memcpy(*file, m->file, m->n_files * sizeof **file);
    *n = m->n_files + 1;
    (*file)[m->n_files].path = MODEL_YAML;
    return sum_of(m->dir, MODEL_YAML, (*file)[m->n_files].sha256, e);
}

uint64_t model_bytes(const char *dir)
{
    uint64_t total = 0;
    DIR *d = opendir(dir);
    for (struct dirent *x; d && (x = readdir(d));) {
        struct stat st;
        if (fstatat(dirfd(d), x->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) total += (uint64_t)st.st_size;
    }
    if (d) closedir(d);
    return total;
}

/* ---- commit ------------------------------------------------------------------------------------------------------------- */

static sinter_status sync_path(const char *path, int flags, sinter_error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0) return failed(e, path, "open");
    sinter_status s = fsync(fd) == 0 || errno == EINVAL ? SINTER_OK : failed(e, path, "sync");
    close(fd);
    return s;
}

static sinter_status sync_all(const char *dir, sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    model_file *file;
    uint32_t n;
    sinter_status s = list_files(dir, a, &file, &n, e);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) s = sync_path(arena_printf(a, "%s/%s", dir, file[i].path), 0, e);
    if (s == SINTER_OK) s = sync_path(dir, O_DIRECTORY, e);
    arena_free(a);
    return s;
}

sinter_status model_commit(const char *data_dir, const char *name, const char *dir, uint64_t above, uint64_t *version,
                           sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    uint64_t *there;
    uint32_t n;
    sinter_status s = sync_all(dir, e);
    if (s == SINTER_OK) s = model_versions(data_dir, name, a, &there, &n, e);
    uint64_t next = s == SINTER_OK && n ? there[n - 1] + 1 : 1;
    if (next <= above) next = above + 1;
    if (s == SINTER_OK && rename(dir, model_dir(data_dir, name, next, a)) != 0) s = failed(e, dir, "rename it to its version");
    if (s == SINTER_OK) s = sync_path(arena_printf(a, "%s/models/%s", data_dir, name), O_DIRECTORY, e);
    if (s == SINTER_OK) s = sync_path(arena_printf(a, "%s/models", data_dir), O_DIRECTORY, e);
    arena_free(a);
    if (s == SINTER_OK) *version = next;
    return s;
}
