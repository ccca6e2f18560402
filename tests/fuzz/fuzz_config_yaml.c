/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a YAML file: a tree within its limits whose every node can be walked, or an error with a place. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fuzz.h"

static uint32_t walk(const conf_node *n, uint32_t depth)
{
    uint32_t count = 1;
    require(depth <= 32 && n->line > 0 && n->column > 0 && strcmp(n->file, "f") == 0);
    if (n->kind == CONF_SCALAR) require(strlen(n->text) <= 4u << 20);
    for (uint32_t i = 0; n->kind != CONF_SCALAR && i < n->n; i++) {
        if (n->kind == CONF_MAP) {
            require(n->key[i]->kind == CONF_SCALAR && conf_get(n, n->key[i]->text) == n->value[i]);
            count += walk(n->key[i], depth + 1);
        }
        count += walk(n->value[i], depth + 1);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena *a = arena_new(1 << 12);
    const conf_node *root = NULL;
    sinter_error e = SINTER_ERROR_INIT;
    if (conf_parse_text("f", (str){(const char *)data, size}, a, &root, &e) == SINTER_OK)
        require(walk(root, 1) <= 200000);
    else
        require(e.status == SINTER_INVALID && e.what[0] && strncmp(e.where, "f", 1) == 0);
    arena_free(a);
    return 0;
}
