/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For test_tensors.py: `tensor_lines read DIR FILE` prints a line a tensor (name as hex, type, shape, XXH3-64 of its bytes), or the
 * error's line; `tensor_lines write DIR FILE` writes tensors whose values Python computes for itself. */
#include "plugin/tensors.h"

#include <stdio.h>
#include <string.h>

static int print(const char *dir, const char *file)
{
    tensors_list l = {0};
    const sinter_tensor *t;
    uint32_t n;
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    if (tensors_read(&l, dir, file, &t, &n, &e) != SINTER_OK) {
        printf("refused %s\n", error_line(&e, line, sizeof line));
        return 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bytes = 0;
        tensor_bytes(&t[i], &bytes);
        for (const char *c = t[i].name; *c; c++) printf("%02x", (unsigned char)*c);
        printf(" %s", tensor_type_name(t[i].type));
        for (uint32_t d = 0; d < t[i].n_dimensions; d++) printf(" %llu", (unsigned long long)t[i].dimension[d]);
        printf(" :");
        for (uint64_t b = 0; b < bytes; b++) printf("%02x", ((const unsigned char *)t[i].data)[b]);
        printf("\n");
    }
    const char *text = tensors_text(&l, dir, file, "made by");
    printf("text %s\n", text ? text : "-");
    tensors_free(&l);
    return 0;
}

static int make(const char *dir, const char *file)
{
    float f[6];
    double d[3];
    int32_t i32[2] = {-7, 2147483647};
    uint64_t u64[1] = {UINT64_MAX};
    uint8_t u8[5] = {0, 1, 2, 254, 255};
    for (int i = 0; i < 6; i++) f[i] = (float)i / 7 - 0.25f;
    for (int i = 0; i < 3; i++) d[i] = 1.0 / (i + 3);
    const sinter_tensor t[] = {
        {.name = "bytes", .type = SINTER_TENSOR_U8, .n_dimensions = 1, .dimension = {5}, .data = u8},
        {.name = "layers.0.w\303\251\"ight", .type = SINTER_TENSOR_F32, .n_dimensions = 2, .dimension = {2, 3}, .data = f},
        {.name = "mean", .type = SINTER_TENSOR_F64, .n_dimensions = 3, .dimension = {1, 3, 1}, .data = d},
        {.name = "scalar", .type = SINTER_TENSOR_U64, .n_dimensions = 0, .data = u64},
        {.name = "ids", .type = SINTER_TENSOR_I32, .n_dimensions = 1, .dimension = {2}, .data = i32},
        {.name = "none", .type = SINTER_TENSOR_F32, .n_dimensions = 2, .dimension = {0, 4}, .data = NULL},
    };
    const char *const text[] = {"made by", "tensor_lines \"1\"\n", NULL};
    sinter_error e = SINTER_ERROR_INIT;
    char line[1600];
    if (tensors_write(dir, file, t, ARRAY_LEN(t), text, &e) == SINTER_OK) return 0;
    printf("refused %s\n", error_line(&e, line, sizeof line));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "read") == 0) return print(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "write") == 0) return make(argv[2], argv[3]);
    fputs("usage: tensor_lines read|write DIR FILE\n", stderr);
    return 2;
}
