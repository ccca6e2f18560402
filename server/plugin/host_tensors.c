/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What host->tensors_* and host->tensor do: files that an instance read stay until it closes. */
#include "inside.h"

static tensors_list *list_of(const sinter_host *host)
{
    return &((plugin_instance *)host)->tensors;
}

static sinter_status host_write(const sinter_host *host, const char *dir, const char *file, const sinter_tensor *tensor,
                                uint32_t n, const char *const *text, sinter_error *e)
{
    (void)host;
    return tensors_write(dir, file, tensor, n, text, e);
}

static sinter_status host_read(const sinter_host *host, const char *dir, const char *file, const sinter_tensor **tensor,
                               uint32_t *n, sinter_error *e)
{
    return tensors_read(list_of(host), dir, file, tensor, n, e);
}

static sinter_status host_tensor(const sinter_host *host, const char *dir, const char *file, const char *name,
                                 sinter_tensor_type type, uint32_t n_dimensions, const uint64_t *dimension,
                                 const sinter_tensor **out, sinter_error *e)
{
    return tensors_find(list_of(host), dir, file, name, type, n_dimensions, dimension, out, e);
}

static const char *host_text(const sinter_host *host, const char *dir, const char *file, const char *key)
{
    return tensors_text(list_of(host), dir, file, key);
}

void tensors_table_fill(sinter_host *t)
{
    t->tensors_write = host_write;
    t->tensors_read = host_read;
    t->tensor = host_tensor;
    t->tensors_text = host_text;
}
