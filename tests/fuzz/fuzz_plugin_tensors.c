/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a safetensors file: read, or refused with a reason. What is read lies where it should, is finite, and comes out
 * of the writer and the reader again as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin/tensors.h"
#include "fuzz.h"

static char folder[64];

static void leave(void)
{
    dir_remove(folder, NULL);
}

static void same(const sinter_tensor *a, const sinter_tensor *b)
{
    uint64_t na = 0, nb = 0;
    if (!tensor_bytes(a, &na) || !tensor_bytes(b, &nb)) abort();
    if (a->type != b->type || a->n_dimensions != b->n_dimensions || na != nb) abort();
    if (memcmp(a->dimension, b->dimension, a->n_dimensions * sizeof *a->dimension) || memcmp(a->data, b->data, na)) abort();
}

static void again(const sinter_tensor *t, uint32_t n)
{
    static const char *const TEXT[] = {"key", "a \"value\"\n", NULL};
    tensors_list l = {0};
    sinter_error e = SINTER_ERROR_INIT;
    if (tensors_write(folder, "again", t, n, TEXT, &e)) { /* an empty name is read, and not written */
        if (!strstr(e.what, "no usable name")) abort();
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const sinter_tensor *back;
        if (tensors_find(&l, folder, "again", t[i].name, t[i].type, t[i].n_dimensions, t[i].dimension, &back, &e)) abort();
        same(&t[i], back);
    }
    if (n && strcmp(tensors_text(&l, folder, "again", "key"), TEXT[1]) != 0) abort();
    tensors_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/sinter-fuzz-XXXXXX");
        if (!mkdtemp(folder)) abort();
        atexit(leave);
    }
    char path[96];
    snprintf(path, sizeof path, "%s/file", folder);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) abort();
    tensors_list l = {0};
    const sinter_tensor *t = NULL;
    uint32_t n = 0;
    sinter_error e = SINTER_ERROR_INIT;
    if (tensors_read(&l, folder, "file", &t, &n, &e)) {
        if (!e.what[0] || !strstr(e.where, "file")) abort();
    } else {
        for (uint32_t i = 0; i < n; i++) {
            uint64_t at;
            if (tensor_not_finite(&t[i], &at) || ((uintptr_t)t[i].data & 63)) abort();
        }
        again(t, n);
    }
    tensors_free(&l);
    return 0;
}
