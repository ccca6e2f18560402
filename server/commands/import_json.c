/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON objects as flat cells. */
#include "import_file.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct flattener {
    arena *a;
    import_row *row;
    uint32_t cap;
} flattener;

static import_cell *cell_new(flattener *x, const char *name, cell_kind kind) {
    if (x->row->n == x->cap) {
        uint32_t cap = x->cap ? 2 * x->cap : 16;
        import_cell *grown = ARENA_ARRAY(x->a, import_cell, cap);
        if (x->row->n) memcpy(grown, x->row->cell, x->row->n * sizeof *grown);
        x->row->cell = grown;
        x->cap = cap;
    }
    import_cell *c = &x->row->cell[x->row->n++];
    *c = (import_cell){.name = name, .kind = kind};
    return c;
}

static bool is_geo(const json_t *o, double geo[2]) {
    static const char *const NAMES[][2] = {{"lat", "lon"}, {"latitude", "longitude"}};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        const json_t *lat = json_object_get(o, NAMES[i][0]), *lon = json_object_get(o, NAMES[i][1]);
        if (json_object_size(o) != 2 || !json_is_number(lat) || !json_is_number(lon)) continue;
        geo[0] = json_number_value(lat);
        geo[1] = json_number_value(lon);
        return true;
    }
    return false;
}

static const char *flatten_list(flattener *x, const char *name, const json_t *list) {
    size_t n = json_array_size(list), strings = 0, numbers = 0;
    for (size_t i = 0; i < n; i++) {
        strings += json_is_string(json_array_get(list, i));
        numbers += json_is_number(json_array_get(list, i));
    }
    if (strings != n && numbers != n) return arena_printf(x->a, "%.100s: a list holds strings only or numbers only", name);
    import_cell *c = cell_new(x, name, n && numbers == n ? CELL_NUMBERS : CELL_STRINGS);
    c->n = (uint32_t)n;
    c->string = ARENA_ARRAY(x->a, char *, n + 1);
    c->numbers = ARENA_ARRAY(x->a, double, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (strings == n) c->string[i] = arena_strdup(x->a, json_string_value(v));
        else c->numbers[i] = json_number_value(v);
    }
    return NULL;
}

static const char *flatten(flattener *x, const char *prefix, json_t *object, uint32_t depth) {
    const char *key, *problem = NULL;
    json_t *v;
    if (depth > IMPORT_MAX_DEPTH) return "objects are nested more than 16 deep";
    json_object_foreach(object, key, v) {
        const char *name = prefix ? arena_printf(x->a, "%s.%s", prefix, key) : arena_strdup(x->a, key);
        double geo[2];
        if (x->row->n >= IMPORT_MAX_CELLS) return "more than 2,000 fields";
        if (json_is_string(v)) cell_new(x, name, CELL_STRING)->text = arena_strdup(x->a, json_string_value(v));
        else if (json_is_integer(v)) cell_new(x, name, CELL_INTEGER)->integer = json_integer_value(v);
        else if (json_is_real(v)) cell_new(x, name, CELL_NUMBER)->number = json_real_value(v);
        else if (json_is_boolean(v)) cell_new(x, name, CELL_BOOLEAN)->boolean = json_is_true(v);
        else if (json_is_array(v)) problem = flatten_list(x, name, v);
        else if (json_is_object(v) && is_geo(v, geo)) memcpy(cell_new(x, name, CELL_GEO)->geo, geo, sizeof geo);
        else if (json_is_object(v)) problem = flatten(x, name, v, depth + 1);
        if (problem) return problem;
    }
    return NULL;
}

const char *import_json(str line, arena *a, import_row *row) {
    json_error_t error;
    json_t *root = json_loadb(line.s, line.n, JSON_REJECT_DUPLICATES, &error);
    if (!root) return arena_printf(a, "column %d: %s", error.column, error.text);
    flattener x = {a, row, 0};
    const char *problem = json_is_object(root) ? flatten(&x, NULL, root, 1) : "it is not an object";
    json_decref(root);
    return problem;
}
