/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harness's tensors: the server's own reader and writer (server/plugin/tensors*.c), and event types by name. */
#include "harness_inside.h"
#include "tensors.h"

static tensors_list *list_of(const sinter_host *host)
{
    harness *h = (harness *)(uintptr_t)host;
    if (!h->tensors) h->tensors = harness_keep(h, sizeof *h->tensors);
    return h->tensors;
}

static sinter_status write_file(const sinter_host *host, const char *dir, const char *file, const sinter_tensor *tensor,
                                uint32_t n, const char *const *text, sinter_error *e)
{
    (void)host;
    return tensors_write(dir, file, tensor, n, text, e);
}

static sinter_status read_file(const sinter_host *host, const char *dir, const char *file, const sinter_tensor **tensor,
                               uint32_t *n, sinter_error *e)
{
    return tensors_read(list_of(host), dir, file, tensor, n, e);
}

static sinter_status find(const sinter_host *host, const char *dir, const char *file, const char *name,
                          sinter_tensor_type type, uint32_t n_dimensions, const uint64_t *dimension, const sinter_tensor **out,
                          sinter_error *e)
{
    return tensors_find(list_of(host), dir, file, name, type, n_dimensions, dimension, out, e);
}

static const char *text(const sinter_host *host, const char *dir, const char *file, const char *key)
{
    return tensors_text(list_of(host), dir, file, key);
}

void harness_tensors_install(sinter_host *host)
{
    host->tensors_write = write_file;
    host->tensors_read = read_file;
    host->tensor = find;
    host->tensors_text = text;
}

void harness_tensors_free(harness *h)
{
    if (h->tensors) tensors_free(h->tensors);
}

void harness_model(harness *h, const char *dir)
{
    h->model_dir = dir ? harness_keep_text(h, dir) : NULL;
}
