/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fuzz targets share: what must hold, bytes as a file. */
#ifndef SINTER_FUZZ_H
#define SINTER_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool holds)
{
    if (!holds) abort();
}

enum { FUZZ_PATH = 64 };

/* A file of these bytes, which is on no disk, under `path`; close what is returned. */
static inline int fuzz_file(const uint8_t *data, size_t size, char path[FUZZ_PATH])
{
    int fd = memfd_create("fuzz", 0);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, FUZZ_PATH, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
