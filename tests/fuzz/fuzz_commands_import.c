/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a file of items: the first byte picks the format, every row ends refused or as values. */
#include <stdlib.h>
#include <string.h>

#include "commands/import_file.h"

static const char *const TYPES[] = {"text", "keyword", "keywords", "integer", "number", "boolean", "timestamp", "vector", "geo"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static arena *a;
    import_file *f;
    import_row row;
    sinter_error e = SINTER_ERROR_INIT;
    if (size < 2) return 0;
    if (!a) a = arena_new(1 << 16);
    FILE *in = fmemopen((void *)(data + 1), size - 1, "r");
    if (import_open(in, (import_format)(data[0] % 3), "f", &f, &e) != SINTER_OK) return e.what[0] ? 0 : (abort(), 0);
    while (import_next(f, a, &row)) {
        for (uint32_t i = 0; !row.problem && i < row.n; i++) {
            Sinter__V1__Value *v;
            for (size_t t = 0; t < ARRAY_LEN(TYPES); t++)
                import_value(&row.cell[i], TYPES[t], a, &v);
        }
        if (row.line == 0 || row.raw.n > size) abort();
        arena_reset(a);
    }
    import_close(f);
    return 0;
}
