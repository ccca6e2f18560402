/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing and reading whole safetensors files; the header's grammar is in tensors_header.c. */
#include "tensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and bytes are written as they stand");

struct tensors_file {
    tensors_file *next;
    char *dir, *file;
    arena *memory;
    void *bytes; /* each tensor at a multiple of 64 */
    tensors_header header;
};

bool tensor_not_finite(const sinter_tensor *t, uint64_t *at)
{
    uint64_t bytes = 0, n;
    if (!t->data || (t->type != SINTER_TENSOR_F32 && t->type != SINTER_TENSOR_F64) || !tensor_bytes(t, &bytes)) return false;
    n = bytes / tensor_element_size(t->type);
    const float *f = t->data;
    const double *d = t->data;
    for (uint64_t i = 0; i < n; i++) {
        if (t->type == SINTER_TENSOR_F32 ? isfinite(f[i]) : isfinite(d[i])) continue;
        *at = i;
        return true;
    }
    return false;
}

/* A plain name within the folder. */
static sinter_status path_of(const char *dir, const char *file, char **path, sinter_error *e)
{
    if (!dir || !file || !*file || strchr(file, '/') || strcmp(file, ".") == 0 || strcmp(file, "..") == 0)
        return error_set(e, SINTER_INVALID, dir, "give the folder and the plain name of a file in it",
                         "'%s' is no name of a file of tensors", file ? file : "");
    *path = xasprintf("%s/%s", dir, file);
    return SINTER_OK;
}

static sinter_status file_failed(sinter_error *e, const char *path, const char *doing)
{
    int code = errno;
    sinter_status s = code == ENOENT ? SINTER_NOT_FOUND : code == ENOSPC || code == EDQUOT ? SINTER_EXHAUSTED : SINTER_IO;
    return error_set(e, s, path, code == ENOSPC ? "free space on the disk" : NULL, "cannot %s: %s", doing, strerror(code));
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static sinter_status check_one(const sinter_tensor *all, uint32_t i, const char *path, sinter_error *e)
{
    const sinter_tensor *t = &all[i];
    const char *name = t->name ? t->name : "";
    uint64_t bytes = 0, at = 0;
    const char *problem = NULL;
    if (!*name || strlen(name) > 1000 || !utf8_valid(name, strlen(name), NULL) || strcmp(name, TENSORS_METADATA_KEY) == 0)
        problem = "has no usable name";
    else if (!tensor_element_size(t->type))
        problem = "has no type";
    else if (t->n_dimensions > SINTER_TENSOR_DIMENSIONS)
        problem = "has too many dimensions (at most 4)";
    else if (!tensor_bytes(t, &bytes))
        problem = "is too large";
    else if (bytes && !t->data)
        problem = "has no data";
    for (uint32_t k = 0; k < i && !problem; k++)
        if (strcmp(all[k].name, name) == 0) problem = "stands twice";
    if (problem) return error_set(e, SINTER_INVALID, path, "report it to the plugin's author", "tensor '%.100s' %s", name, problem);
    if (!tensor_not_finite(t, &at)) return SINTER_OK;
    return error_set(e, SINTER_PRECONDITION, path, "lower the learning rate, or look for extreme values in the features",
                     "tensor '%.100s' holds a value that is not finite at element %llu: nothing was written", name,
                     (unsigned long long)at);
}

/* Wide elements first, so that each tensor stands at a multiple of its element within the file. */
static int wider_first(const void *x, const void *y)
{
    const sinter_tensor *a = *(const sinter_tensor *const *)x, *b = *(const sinter_tensor *const *)y;
    size_t sa = tensor_element_size(a->type), sb = tensor_element_size(b->type);
    if (sa != sb) return sa > sb ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void header_write(buffer *b, const sinter_tensor *const *order, uint32_t n, const char *const *text)
{
    uint64_t at = 0, bytes;
    const char *comma = "";
    buffer_append(b, "\0\0\0\0\0\0\0\0{", 9);
    if (text && text[0]) {
        buffer_puts(b, "\"" TENSORS_METADATA_KEY "\":{");
        for (uint32_t i = 0; text[i]; i += 2) {
            const char *value = text[i + 1] ? text[i + 1] : "";
            buffer_puts(b, i ? "," : "");
            buffer_json_string(b, text[i], strlen(text[i]));
            buffer_puts(b, ":");
            buffer_json_string(b, value, strlen(value));
            if (!text[i + 1]) break;
        }
        buffer_puts(b, "}");
        comma = ",";
    }
    for (uint32_t i = 0; i < n; i++, comma = ",") {
        const sinter_tensor *t = order[i];
        tensor_bytes(t, &bytes);
        buffer_puts(b, comma);
        buffer_json_string(b, t->name, strlen(t->name));
        buffer_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", tensor_type_name(t->type));
        for (uint32_t d = 0; d < t->n_dimensions; d++)
            buffer_printf(b, "%s%llu", d ? "," : "", (unsigned long long)t->dimension[d]);
        buffer_printf(b, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)(at + bytes));
        at += bytes;
    }
    buffer_puts(b, "}");
    while (b->len % 64) buffer_puts(b, " ");
    uint64_t length = b->len - 8;
    memcpy(b->data, &length, sizeof length);
}

static sinter_status write_file(const char *path, const buffer *header, const sinter_tensor *const *order, uint32_t n,
                                sinter_error *e)
{
    str *piece = xcalloc(n + 1, sizeof *piece);
    piece[0] = (str){header->data, header->len};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bytes;
        tensor_bytes(order[i], &bytes);
        piece[1 + i] = (str){order[i]->data, bytes};
    }
    sinter_status s = file_write_pieces(path, piece, n + 1, e);
    free(piece);
    return s;
}

sinter_status tensors_write(const char *dir, const char *file, const sinter_tensor *tensor, uint32_t n,
                            const char *const *text, sinter_error *e)
{
    char *path;
    sinter_status s = path_of(dir, file, &path, e);
    if (s != SINTER_OK) return s;
    if (n > TENSORS_MOST) s = error_set(e, SINTER_INVALID, path, "write fewer", "%u tensors; at most %u", n, TENSORS_MOST);
    for (uint32_t i = 0; i < n && s == SINTER_OK; i++) s = check_one(tensor, i, path, e);
    if (s == SINTER_OK) {
        const sinter_tensor **order = xcalloc(n + 1, sizeof *order);
        buffer header = {0};
        for (uint32_t i = 0; i < n; i++) order[i] = &tensor[i];
        if (n) qsort(order, n, sizeof *order, wider_first);
        header_write(&header, order, n, text);
        s = header.len > TENSORS_HEADER_MOST
                ? error_set(e, SINTER_INVALID, path, "write fewer tensors or shorter texts", "its header is %zu bytes", header.len)
                : write_file(path, &header, order, n, e);
        buffer_free(&header);
        free(order);
    }
    free(path);
    return s;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static bool get(int fd, void *to, uint64_t n, uint64_t at)
{
    for (char *p = to; n;) {
        ssize_t done = pread(fd, p, n < (1u << 30) ? n : (1u << 30), (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        if (done == 0) {
            errno = ENODATA; /* cut short since it was measured */
            return false;
        }
        p += done;
        at += (uint64_t)done;
        n -= (uint64_t)done;
    }
    return true;
}

static sinter_status read_header(int fd, const char *path, uint64_t size, tensors_file *f, uint64_t *data_at, sinter_error *e)
{
    uint64_t length = 0;
    if (size < 8 || !get(fd, &length, 8, 0) || length > size - 8)
        return error_set(e, SINTER_DATA_LOSS, path, "train or copy the model again",
                         "truncated: a safetensors file of %llu bytes whose header should have %llu", (unsigned long long)size,
                         (unsigned long long)length);
    if (length > TENSORS_HEADER_MOST)
        return error_set(e, SINTER_DATA_LOSS, path, "train or copy the model again", "its header claims %llu bytes; at most %u",
                         (unsigned long long)length, TENSORS_HEADER_MOST);
    char *json = xmalloc(length + 1);
    sinter_status s = SINTER_OK;
    if (!get(fd, json, length, 8))
        s = file_failed(e, path, "read");
    else
        s = tensors_header_parse(path, (str){json, length}, size - 8 - length, f->memory, &f->header, e);
    free(json);
    *data_at = 8 + length;
    return s;
}

static sinter_status read_tensors(int fd, const char *path, tensors_file *f, uint64_t data_at, sinter_error *e)
{
    tensors_header *h = &f->header;
    uint64_t room = 64, bytes, bad;
    for (uint32_t i = 0; i < h->n; i++) {
        tensor_bytes(&h->tensor[i], &bytes);
        room += (bytes + 127) / 64 * 64;
    }
    f->bytes = aligned_alloc(64, room / 64 * 64);
    if (!f->bytes)
        return error_set(e, SINTER_EXHAUSTED, path, "give the machine more memory", "no memory for %llu bytes of tensors",
                         (unsigned long long)room);
    char *to = f->bytes;
    for (uint32_t i = 0; i < h->n; i++) {
        sinter_tensor *t = &h->tensor[i];
        tensor_bytes(t, &bytes);
        if (!get(fd, to, bytes, data_at + h->begin[i])) return file_failed(e, path, "read");
        t->data = to;
        to += (bytes + 127) / 64 * 64;
        if (tensor_not_finite(t, &bad))
            return error_set(e, SINTER_DATA_LOSS, path, "train the model again",
                             "tensor '%.100s' holds a value that is not finite at element %llu", t->name, (unsigned long long)bad);
    }
    return SINTER_OK;
}

static void file_free(tensors_file *f)
{
    free(f->bytes);
    free(f->dir);
    free(f->file);
    arena_free(f->memory);
    free(f);
}

static sinter_status open_file(const char *dir, const char *file, tensors_file **out, sinter_error *e)
{
    char *path;
    uint64_t data_at = 0;
    struct stat st;
    sinter_status s = path_of(dir, file, &path, e);
    if (s != SINTER_OK) return s;
    tensors_file *f = xcalloc(1, sizeof *f);
    f->dir = xstrdup(dir);
    f->file = xstrdup(file);
    f->memory = arena_new(1 << 12);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        s = file_failed(e, path, "open");
    else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        s = error_set(e, SINTER_DATA_LOSS, path, "train or copy the model again", "not a file");
    else
        s = read_header(fd, path, (uint64_t)st.st_size, f, &data_at, e);
    if (s == SINTER_OK) s = read_tensors(fd, path, f, data_at, e);
    if (fd >= 0) close(fd);
    free(path);
    if (s == SINTER_OK)
        *out = f;
    else
        file_free(f);
    return s;
}

static tensors_file *known(const tensors_list *l, const char *dir, const char *file)
{
    for (tensors_file *f = l->first; f && dir && file; f = f->next)
        if (strcmp(f->dir, dir) == 0 && strcmp(f->file, file) == 0) return f;
    return NULL;
}

static sinter_status get_file(tensors_list *l, const char *dir, const char *file, tensors_file **out, sinter_error *e)
{
    tensors_file *f = known(l, dir, file);
    sinter_status s = f ? SINTER_OK : open_file(dir, file, &f, e);
    if (s != SINTER_OK) return s;
    if (!known(l, dir, file)) {
        f->next = l->first;
        l->first = f;
    }
    *out = f;
    return SINTER_OK;
}

sinter_status tensors_read(tensors_list *l, const char *dir, const char *file, const sinter_tensor **tensor, uint32_t *n,
                           sinter_error *e)
{
    tensors_file *f;
    sinter_status s = get_file(l, dir, file, &f, e);
    if (s != SINTER_OK) return s;
    *tensor = f->header.tensor;
    *n = f->header.n;
    return SINTER_OK;
}

static const char *shape_text(char *to, size_t size, sinter_tensor_type type, uint32_t n, const uint64_t *dimension, bool any)
{
    size_t at = (size_t)snprintf(to, size, "%s [", tensor_type_name(type) ? tensor_type_name(type) : "?");
    for (uint32_t d = 0; d < n && at < size; d++) {
        const char *comma = d ? ", " : "";
        at += any && !dimension[d] ? (size_t)snprintf(to + at, size - at, "%sany", comma)
                                   : (size_t)snprintf(to + at, size - at, "%s%llu", comma, (unsigned long long)dimension[d]);
    }
    if (at < size) snprintf(to + at, size - at, "]");
    return to;
}

static sinter_status no_such(const tensors_file *f, const char *name, sinter_error *e)
{
    const char **names = xcalloc(f->header.n + 1, sizeof *names);
    for (uint32_t i = 0; i < f->header.n; i++) names[i] = f->header.tensor[i].name;
    const char *near = near_name(name, names, f->header.n);
    sinter_status s = error_set(e, SINTER_DATA_LOSS, NULL, "train the model again with this plugin",
                                "no tensor '%.100s' among its %u%s%.100s", name, f->header.n, near ? "; the nearest is " : "",
                                near ? near : "");
    error_where(e, "%s/%s", f->dir, f->file);
    free(names);
    return s;
}

sinter_status tensors_find(tensors_list *l, const char *dir, const char *file, const char *name, sinter_tensor_type type,
                           uint32_t n_dimensions, const uint64_t *dimension, const sinter_tensor **out, sinter_error *e)
{
    tensors_file *f;
    char is[160], wanted[160];
    sinter_status s = get_file(l, dir, file, &f, e);
    if (s != SINTER_OK) return s;
    if (!name || n_dimensions > SINTER_TENSOR_DIMENSIONS || (n_dimensions && !dimension))
        return error_set(e, SINTER_INVALID, dir, "give a name and at most 4 dimensions", "no tensor can be meant");
    for (uint32_t i = 0; i < f->header.n; i++) {
        const sinter_tensor *t = &f->header.tensor[i];
        if (strcmp(t->name, name) != 0) continue;
        bool fits = t->type == type && t->n_dimensions == n_dimensions;
        for (uint32_t d = 0; d < n_dimensions && fits; d++) fits = !dimension[d] || dimension[d] == t->dimension[d];
        if (fits) {
            *out = t;
            return SINTER_OK;
        }
        s = error_set(e, SINTER_DATA_LOSS, NULL, "train the model again with this plugin and these options",
                      "tensor '%.100s' is %s; %s is needed", name,
                      shape_text(is, sizeof is, t->type, t->n_dimensions, t->dimension, false),
                      shape_text(wanted, sizeof wanted, type, n_dimensions, dimension, true));
        error_where(e, "%s/%s", dir, file);
        return s;
    }
    return no_such(f, name, e);
}

const char *tensors_text(const tensors_list *l, const char *dir, const char *file, const char *key)
{
    const tensors_file *f = known(l, dir, file);
    for (uint32_t i = 0; f && key && i < f->header.n_text; i++)
        if (strcmp(f->header.key[i], key) == 0) return f->header.value[i];
    return NULL;
}

void tensors_free(tensors_list *l)
{
    while (l->first) {
        tensors_file *f = l->first;
        l->first = f->next;
        file_free(f);
    }
}
