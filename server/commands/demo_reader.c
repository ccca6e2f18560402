/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opens a folder that `sinter demo generate` wrote, for who plays and judges: truth/world.json holds the seed and the
 * options, the world is made again from them, and every file must be what this build would write. So nobody plays by
 * one truth in a shop of another. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "demo_world.h"

#define LARGEST_FILE ((size_t)4 << 30)

static sinter_status whole(const json_t *root, const char *name, uint64_t most, uint64_t *out, sinter_error *e) {
    const json_t *value = json_object_get(root, name);
    /* A seed may need all 64 bits, which JSON's integers lack: it is a string. */
    if (json_is_string(value) && parse_uint64(str_of(json_string_value(value)), out) && *out <= most) return SINTER_OK;
    if (json_is_integer(value) && json_integer_value(value) >= 0 && (uint64_t)json_integer_value(value) <= most) {
        *out = (uint64_t)json_integer_value(value);
        return SINTER_OK;
    }
    return error_set(e, SINTER_INVALID, name, "generate the folder again", "not a whole number from 0 to %llu",
                     (unsigned long long)most);
}

static sinter_status read_options(const json_t *root, demo_options *o, sinter_error *e) {
    struct {
        const char *name;
        uint64_t most;
        uint32_t *out;
    } counts[] = {{"items", 1000000, &o->items},
                  {"users", 1000000, &o->users},
                  {"queries", 100000, &o->queries},
                  {"events", 20000000, &o->events}};
    sinter_status s = whole(root, "seed", UINT64_MAX, &o->seed, e);
    for (size_t i = 0; i < ARRAY_LEN(counts) && s == SINTER_OK; i++) {
        uint64_t n = 0;
        s = whole(root, counts[i].name, counts[i].most, &n, e);
        *counts[i].out = (uint32_t)n;
    }
    const char *now = json_string_value(json_object_get(root, "now"));
    if (s == SINTER_OK && (!now || !time_parse_ms(str_of(now), &o->now_ms)))
        s = error_set(e, SINTER_INVALID, "now", "generate the folder again", "not a time");
    if (s == SINTER_OK && (o->items < 100 || o->users < 20 || o->queries < 10))
        s = error_set(e, SINTER_INVALID, "items, users, queries", "generate the folder again", "too few to be a shop");
    return s;
}

static sinter_status same_bytes(const char *name, const buffer *bytes, uint64_t lines, void *ctx, sinter_error *e) {
    (void)lines;
    buffer found = {0};
    char *path = xasprintf("%s/%s", (const char *)ctx, name);
    sinter_status s = file_read(path, LARGEST_FILE, &found, e);
    bool same =
        s == SINTER_OK && found.len == bytes->len && (!found.len || !memcmp(found.data, bytes->data, found.len));
    if (s == SINTER_OK && !same)
        s = error_set(e, SINTER_DATA_LOSS, path, "generate the folder again with this build, with --force",
                      "the file is not what this build generates from the folder's seed");
    buffer_free(&found);
    free(path);
    return s;
}

sinter_status demo_world_open(const char *dir, demo_world **out, sinter_error *e) {
    *out = NULL;
    char *path = xasprintf("%s/truth/world.json", dir);
    buffer text = {0};
    sinter_status s = file_read(path, 1 << 20, &text, e);
    json_error_t problem;
    json_t *root = s == SINTER_OK ? json_loadb(text.data ? text.data : "", text.len, 0, &problem) : NULL;
    if (s == SINTER_OK && !json_is_object(root))
        s = error_set(e, SINTER_INVALID, path, "generate the folder again", "not a JSON object");
    demo_options o = {0};
    if (s == SINTER_OK) {
        s = read_options(root, &o, e);
        if (s != SINTER_OK) error_where(e, "%s: %s", path, e->where);
    }
    json_decref(root);
    buffer_free(&text);
    free(path);
    if (s != SINTER_OK) return s;
    demo_world *w = demo_world_make(&o);
    s = demo_world_render(w, same_bytes, (void *)(uintptr_t)dir, e);
    if (s == SINTER_OK)
        *out = w;
    else
        demo_world_free(w);
    return s;
}
