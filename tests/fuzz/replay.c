/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stands in for libFuzzer in ordinary builds: feeds the target every file of the folder given, the empty input, and
 * then seeded mutations of them. SINTER_FUZZ_RUNS (default 5000) and SINTER_FUZZ_SEED (default 1) widen it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MOST = 4096, FILE_MOST = 1 << 20, INPUT_MOST = 1 << 12 };

static buffer files[FILES_MOST];
static size_t files_n;

static uint64_t number_from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    uint64_t v = otherwise;
    if (text && !parse_uint64(str_of(text), &v))
        fprintf(stderr, "%s is not a number; using %llu\n", name, (unsigned long long)v);
    return v;
}

static void load(const char *folder) {
    DIR *d = opendir(folder);
    if (!d) return; /* no corpus yet: mutations start from nothing */
    for (struct dirent *entry; (entry = readdir(d)) && files_n < FILES_MOST;) {
        if (entry->d_name[0] == '.') continue;
        char *path = xasprintf("%s/%s", folder, entry->d_name);
        if (file_read(path, FILE_MOST, &files[files_n], NULL) == SINTER_OK) files_n++;
        free(path);
    }
    closedir(d);
}

/* A copy of exactly its size, so that AddressSanitizer sees a read beyond the end. */
static void try_input(const char *p, size_t n) {
    uint8_t *copy = xmalloc(n);
    if (n) memcpy(copy, p, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void mutate(rng *r, buffer *b) {
    static const char EDGES[] = "\0\xFF\x7F\x80\"'\\{}[]():,-.*/~\n\t 09aA";
    size_t at = rng_below(r, b->len + 1);
    switch (rng_below(r, 5)) {
    case 0: /* one bit */
        if (at < b->len) b->data[at] = (char)(b->data[at] ^ (1 << rng_below(r, 8)));
        break;
    case 1: /* one byte from the edges */
        if (at < b->len) b->data[at] = EDGES[rng_below(r, sizeof EDGES - 1)];
        break;
    case 2: /* cut */ b->len = at; break;
    case 3: { /* a piece of another input at the end */
        if (files_n == 0) break;
        const buffer *other = &files[rng_below(r, files_n)];
        size_t from = rng_below(r, other->len + 1);
        buffer_append(b, other->data + from, other->len - from);
        break;
    }
    default: /* one byte more at the end */ buffer_append(b, &EDGES[rng_below(r, sizeof EDGES - 1)], 1);
    }
    if (b->len > INPUT_MOST) b->len = INPUT_MOST;
}

int main(int argc, char **argv) {
    uint64_t runs = number_from_environment("SINTER_FUZZ_RUNS", 5000),
             seed = number_from_environment("SINTER_FUZZ_SEED", 1);
    for (int i = 1; i < argc; i++)
        load(argv[i]);
    try_input("", 0);
    for (size_t i = 0; i < files_n; i++)
        try_input(files[i].data, files[i].len);
    rng r;
    rng_seed(&r, seed);
    buffer b = {0};
    for (uint64_t run = 0; run < runs; run++) {
        buffer_clear(&b);
        if (files_n) {
            const buffer *start = &files[rng_below(&r, files_n)];
            buffer_append(&b, start->data, start->len);
        }
        for (uint64_t times = 1 + rng_below(&r, 8); times > 0; times--)
            mutate(&r, &b);
        try_input(b.data, b.len);
    }
    printf("%zu files, %llu mutations, seed %llu\n", files_n, (unsigned long long)runs, (unsigned long long)seed);
    buffer_free(&b);
    for (size_t i = 0; i < files_n; i++)
        buffer_free(&files[i]);
    return 0;
}
