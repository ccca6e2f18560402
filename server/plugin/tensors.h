/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensors on disk in the safetensors format: 8 bytes little-endian length of a JSON header, the header, then the tensors'
 * bytes without holes. Needs the base room only, so that the harness of plugins' tests shares it.
 *
 * What is read is a stranger's: every length, offset and name is checked, every float must be finite, and a refusal names
 * the file and the tensor. Files are read into memory of our own, not mapped: a file that somebody cuts short later would
 * end a process that maps it. */
#ifndef SINTER_PLUGIN_TENSORS_H
#define SINTER_PLUGIN_TENSORS_H

#include "base/base.h"
#include <sinter/plugin.h>

#define TENSORS_MOST         65536u
#define TENSORS_HEADER_MOST  (16u << 20)
#define TENSORS_METADATA_KEY "__metadata__"

/* A file's header, checked against `room` bytes that follow it. The result lives in `a`; data is NULL. */
typedef struct tensors_header {
    sinter_tensor *tensor; /* [n] in the order of their bytes */
    uint64_t *begin;       /* [n] offsets after the header */
    uint32_t n, n_text;
    const char **key, **value; /* [n_text] metadata */
} tensors_header;
sinter_status tensors_header_parse(const char *path, str json, uint64_t room, arena *a, tensors_header *out,
                                   sinter_error *e);

/* Bytes of a type's element, 0: no such type; and its name in the format ("F32"), NULL: no such type. */
size_t tensor_element_size(sinter_tensor_type t);
const char *tensor_type_name(sinter_tensor_type t);
/* Bytes of all elements; false: beyond what can be addressed. */
bool tensor_bytes(const sinter_tensor *t, uint64_t *out);
/* The first element that is not finite, by its place; false: all are (integers always). */
bool tensor_not_finite(const sinter_tensor *t, uint64_t *at);

/* Writes dir/file whole: under a temporary name, synced, renamed. */
sinter_status tensors_write(const char *dir, const char *file, const sinter_tensor *tensor, uint32_t n,
                            const char *const *text, sinter_error *e);

/* Files read so far; each is read once. */
typedef struct tensors_file tensors_file;
typedef struct tensors_list {
    tensors_file *first;
} tensors_list;
sinter_status tensors_read(tensors_list *l, const char *dir, const char *file, const sinter_tensor **tensor, uint32_t *n,
                           sinter_error *e);
sinter_status tensors_find(tensors_list *l, const char *dir, const char *file, const char *name, sinter_tensor_type type,
                           uint32_t n_dimensions, const uint64_t *dimension, const sinter_tensor **out, sinter_error *e);
const char *tensors_text(const tensors_list *l, const char *dir, const char *file, const char *key);
void tensors_free(tensors_list *l);

#endif
