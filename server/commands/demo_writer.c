/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The world as files: items.jsonl and history.jsonl for the server, truth/ for who plays and judges and nobody else. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo_world.h"

/* ---- JSON --------------------------------------------------------------------------------------- */

static void string(buffer *b, const char *s) {
    buffer_json_string(b, s, strlen(s));
}

static void member(buffer *b, const char *name, const char *value) {
    buffer_printf(b, "\"%s\":", name);
    string(b, value);
}

static void time_member(buffer *b, const char *name, int64_t ms) {
    char text[32];
    time_format_ms(ms, text);
    member(b, name, text);
}

static void numbers(buffer *b, const char *name, const double *values, uint32_t n) {
    buffer_printf(b, "\"%s\":[", name);
    for (uint32_t i = 0; i < n; i++)
        buffer_printf(b, "%s%.4f", i ? "," : "", values[i]);
    buffer_puts(b, "]");
}

static void concept_id(buffer *b, uint32_t concept) {
    buffer_printf(b, "\"c%04u\"", concept + 1);
}

static void concept_ids(buffer *b, const char *name, const uint32_t *concepts, uint32_t n) {
    buffer_printf(b, "\"%s\":[", name);
    for (uint32_t i = 0; i < n; i++) {
        if (i) buffer_puts(b, ",");
        concept_id(b, concepts[i]);
    }
    buffer_puts(b, "]");
}

/* ---- items.jsonl -------------------------------------------------------------------------------- */

static void category(buffer *b, const demo_family_words *family) {
    buffer path = {0};
    buffer_printf(&path, "%s > %s", family->department, family->name);
    buffer_puts(b, "\"category\":[");
    string(b, family->department);
    buffer_puts(b, ",");
    string(b, path.data);
    buffer_puts(b, "]");
    buffer_free(&path);
}

static void campaign_ids(buffer *b, const demo_item *item) {
    buffer_puts(b, "\"campaign\":[");
    for (int i = 0; i < 2 && item->campaigns[i] != DEMO_NONE; i++) {
        if (i) buffer_puts(b, ",");
        string(b, demo_campaigns[item->campaigns[i]].id);
    }
    buffer_puts(b, "]");
}

/* A shop's data sheet: half of the features are filled in. */
static void attributes(const demo_world *w, buffer *b, const demo_item *item, uint32_t number) {
    rng r = demo_stream(w->options.seed, "item.sheet", number);
    buffer_puts(b, "\"attributes\":{");
    member(b, "product", w->concepts[item->product].forms[0]);
    if (item->material != DEMO_NONE) {
        buffer_puts(b, ",");
        member(b, "material", w->concepts[item->material].forms[0]);
    }
    if (item->size) {
        buffer_puts(b, ",");
        member(b, "size", item->size);
    }
    buffer_puts(b, ",\"features\":[");
    bool first = true;
    for (uint32_t i = 0; i < item->concepts_n; i++) {
        const demo_concept *c = &w->concepts[item->concepts[i]];
        if (c->kind != CONCEPT_FEATURE || !demo_chance(&r, 0.5)) continue;
        if (!first) buffer_puts(b, ",");
        string(b, c->forms[0]);
        first = false;
    }
    buffer_printf(b, "],\"warranty_years\":%u}", 1 + demo_pick(&r, 5));
}

static void item_line(const demo_world *w, buffer *b, uint32_t number) {
    const demo_item *item = &w->items[number];
    buffer_puts(b, "{");
    member(b, "id", item->id);
    buffer_puts(b, ",");
    member(b, "title", item->title);
    buffer_puts(b, ",");
    member(b, "description", item->description);
    buffer_puts(b, ",");
    member(b, "brand", demo_brands[item->brand].name);
    buffer_puts(b, ",");
    category(b, &demo_families[w->concepts[item->family].row]);
    buffer_printf(b, ",\"price\":%.2f", item->price);
    if (item->colour != DEMO_NONE) {
        buffer_puts(b, ",");
        member(b, "colour", w->concepts[item->colour].forms[0]);
    }
    buffer_puts(b, ",");
    time_member(b, "released", item->released_ms);
    buffer_printf(b, ",\"sales\":%u", item->sales);
    if (item->rating >= 0) buffer_printf(b, ",\"rating\":%.1f", item->rating);
    buffer_printf(b, ",\"in_stock\":%s,", item->in_stock ? "true" : "false");
    campaign_ids(b, item);
    buffer_puts(b, ",");
    attributes(w, b, item, number);
    buffer_puts(b, "}\n");
}

static uint64_t items_file(const demo_world *w, buffer *b) {
    for (uint32_t i = 0; i < w->options.items; i++)
        item_line(w, b, i);
    return w->options.items;
}

/* ---- history.jsonl ------------------------------------------------------------------------------ */

static uint64_t history_file(const demo_world *w, buffer *b) {
    for (uint32_t i = 0; i < w->events_n; i++) {
        const demo_event *e = &w->events[i];
        const char *user = w->users[e->user].id;
        buffer_printf(b, "{\"event_id\":\"h%08u\",\"type\":\"%s\",\"user_id\":\"%s\",\"session_id\":\"%s-%04u\",",
                      i + 1, e->type == EVENT_VIEW ? "view" : "basket", user, user, e->session + 1);
        buffer_printf(b, "\"item_id\":\"%s\",\"value\":1,", w->items[e->item].id);
        time_member(b, "time", e->time_ms);
        if (e->campaign != DEMO_NONE) {
            buffer_puts(b, ",");
            member(b, "campaign", demo_campaigns[e->campaign].id);
        }
        buffer_puts(b, "}\n");
    }
    return w->events_n;
}

/* ---- truth/ ------------------------------------------------------------------------------------- */

static void close_products(const demo_world *w, buffer *b, uint32_t product) {
    bool first = true;
    buffer_puts(b, ",\"close\":{");
    for (uint32_t other = w->first_product; other < w->first_material; other++) {
        double closeness = demo_closeness(w, product, other);
        if (other == product || closeness <= 0) continue;
        if (!first) buffer_puts(b, ",");
        concept_id(b, other);
        buffer_printf(b, ":%.4f", closeness);
        first = false;
    }
    buffer_puts(b, "}");
}

static uint64_t concepts_file(const demo_world *w, buffer *b) {
    static const char *const kinds[] = {"family", "product", "material", "colour", "feature"};
    for (uint32_t i = 0; i < w->concepts_n; i++) {
        const demo_concept *c = &w->concepts[i];
        buffer_puts(b, "{\"id\":");
        concept_id(b, i);
        buffer_printf(b, ",\"kind\":\"%s\",\"forms\":[", kinds[c->kind]);
        for (uint32_t f = 0; f < c->forms_n; f++) {
            if (f) buffer_puts(b, ",");
            string(b, c->forms[f]);
        }
        buffer_puts(b, "]");
        if (c->family != DEMO_NONE) {
            buffer_puts(b, ",\"family\":");
            concept_id(b, c->family);
        }
        if (c->near != DEMO_NONE) {
            buffer_puts(b, c->kind == CONCEPT_PRODUCT ? ",\"bought_with\":" : ",\"near\":");
            concept_id(b, c->near);
        }
        if (c->kind == CONCEPT_PRODUCT) close_products(w, b, i);
        buffer_puts(b, "}\n");
    }
    return w->concepts_n;
}

static uint64_t truth_items_file(const demo_world *w, buffer *b) {
    for (uint32_t i = 0; i < w->options.items; i++) {
        const demo_item *item = &w->items[i];
        buffer_printf(b, "{\"id\":\"%s\",\"product\":", item->id);
        concept_id(b, item->product);
        buffer_puts(b, ",\"family\":");
        concept_id(b, item->family);
        buffer_puts(b, ",");
        concept_ids(b, "concepts", item->concepts, item->concepts_n);
        if (item->colour != DEMO_NONE) {
            buffer_puts(b, ",\"colour\":");
            concept_id(b, item->colour);
        }
        buffer_puts(b, ",");
        numbers(b, "factors", item->factors, DEMO_FACTORS);
        buffer_printf(b, ",\"price_level\":%.4f,\"appeal\":%.4f,\"new\":%s}\n", item->price_level, item->appeal,
                      item->is_new ? "true" : "false");
    }
    return w->options.items;
}

static uint64_t users_file(const demo_world *w, buffer *b) {
    for (uint32_t i = 0; i < w->options.users; i++) {
        const demo_user *u = &w->users[i];
        buffer_printf(b, "{\"id\":\"%s\",\"attributes\":{\"segment\":\"%s\",\"member\":%s},\"tribe\":\"%s\",", u->id,
                      demo_segments[u->segment], u->member ? "true" : "false", demo_segments[u->tribe]);
        numbers(b, "factors", u->factors, DEMO_FACTORS);
        buffer_printf(b, ",\"price_level\":%.4f,\"taste_weight\":%.4f,\"price_weight\":%.4f,\"activity\":%.4f,",
                      u->price_level, u->taste_weight, u->price_weight, u->activity);
        concept_ids(b, "interests", u->interests, DEMO_INTERESTS);
        buffer_puts(b, ",");
        numbers(b, "interest_weights", u->interest_weights, DEMO_INTERESTS);
        buffer_printf(b, ",\"new\":%s}\n", u->is_new ? "true" : "false");
    }
    return w->options.users;
}

static uint64_t queries_file(const demo_world *w, buffer *b) {
    for (uint32_t i = 0; i < w->options.queries; i++) {
        const demo_query *q = &w->queries[i];
        buffer_puts(b, "{");
        member(b, "id", q->id);
        buffer_puts(b, ",");
        member(b, "text", q->text);
        buffer_puts(b, ",");
        concept_ids(b, "concepts", q->asked, q->asked_n);
        buffer_puts(b, ",");
        numbers(b, "weights", q->weights, q->asked_n);
        buffer_printf(b, ",\"match_weight\":%.4f,\"popularity\":%.8f,\"typo\":%s}\n", q->match_weight, q->popularity,
                      q->typo ? "true" : "false");
    }
    return w->options.queries;
}

static uint64_t campaigns_file(const demo_world *w, buffer *b) {
    for (uint32_t c = 0; c < demo_campaigns_n; c++) {
        buffer_puts(b, "{");
        member(b, "id", demo_campaigns[c].id);
        buffer_puts(b, ",");
        member(b, "title", demo_campaigns[c].title);
        buffer_puts(b, ",");
        time_member(b, "from", w->campaigns[c].from_ms);
        buffer_puts(b, ",");
        time_member(b, "until", w->campaigns[c].until_ms);
        buffer_puts(b, ",\"families\":[");
        for (int f = 0; f < 4 && demo_campaigns[c].families[f]; f++) {
            if (f) buffer_puts(b, ",");
            string(b, demo_campaigns[c].families[f]);
        }
        buffer_puts(b, "]}\n");
    }
    return demo_campaigns_n;
}

static void shares(buffer *b, const char *name, const double s[4]) {
    buffer_printf(b, "\"%s\":{\"match\":%.4f,\"taste\":%.4f,\"price\":%.4f,\"noise\":%.4f}", name, s[0], s[1], s[2],
                  s[3]);
}

static uint64_t world_file(const demo_world *w, buffer *b) {
    const demo_options *o = &w->options;
    buffer_printf(b, "{\"format\":1,\"seed\":\"%llu\",", (unsigned long long)o->seed);
    time_member(b, "now", o->now_ms);
    buffer_printf(b, ",\"items\":%u,\"users\":%u,\"queries\":%u,\"events\":%u,\n ", o->items, o->users, o->queries,
                  o->events);
    shares(b, "amplitudes", w->amplitude);
    buffer_puts(b, ",\n ");
    shares(b, "shares_within", w->shares.within);
    buffer_puts(b, ",\n ");
    shares(b, "shares_overall", w->shares.overall);
    buffer_printf(b, ",\"triples\":%u,\"lists\":%u,\n ", w->shares.triples, w->shares.lists);
    numbers(b, "grade_thresholds", w->thresholds, 3);
    buffer_printf(b, ",\n \"click\":{\"middle\":%.4f,\"scale\":%.4f},\"buy\":{\"middle\":%.4f,\"scale\":%.4f},\n ",
                  w->click_middle, w->click_scale, w->buy_middle, w->buy_scale);
    numbers(b, "position_bias", w->examine, DEMO_POSITIONS);
    buffer_puts(b, ",\n \"factors\":[");
    for (int f = 0; f < DEMO_FACTORS; f++) {
        if (f) buffer_puts(b, ",");
        string(b, demo_factor_names[f].name);
    }
    buffer_puts(b, "]}\n");
    return 1;
}

/* ---- all of them -------------------------------------------------------------------------------- */

/* In the order written; world.json last. */
static const struct {
    const char *name;
    uint64_t (*render)(const demo_world *w, buffer *b);
} files[] = {
    {"items.jsonl", items_file},
    {"history.jsonl", history_file},
    {"truth/concepts.jsonl", concepts_file},
    {"truth/items.jsonl", truth_items_file},
    {"truth/users.jsonl", users_file},
    {"truth/queries.jsonl", queries_file},
    {"truth/campaigns.jsonl", campaigns_file},
    {"truth/world.json", world_file},
};

sinter_status demo_world_render(const demo_world *w, demo_file_fn each, void *ctx, sinter_error *e) {
    buffer b = {0};
    sinter_status s = SINTER_OK;
    for (size_t f = 0; f < ARRAY_LEN(files) && s == SINTER_OK; f++) {
        buffer_clear(&b);
        uint64_t lines = files[f].render(w, &b);
        s = each(files[f].name, &b, lines, ctx, e);
    }
    buffer_free(&b);
    return s;
}

void demo_files_add(demo_files *out, const char *name, const buffer *bytes, uint64_t lines) {
    snprintf(out->names[out->n], sizeof out->names[out->n], "%s", name);
    out->bytes[out->n] = bytes->len;
    out->lines[out->n++] = lines;
    out->checksum = hash64_seed(bytes->data, bytes->len, out->checksum);
}

struct writing {
    const char *dir;
    demo_files *out;
};

static sinter_status write_one(const char *name, const buffer *bytes, uint64_t lines, void *ctx, sinter_error *e) {
    struct writing *to = ctx;
    char *path = xasprintf("%s/%s", to->dir, name);
    sinter_status s = file_write_atomic(path, bytes->data, bytes->len, e);
    free(path);
    if (s == SINTER_OK) demo_files_add(to->out, name, bytes, lines);
    return s;
}

static sinter_status check_empty(const char *dir, bool force, sinter_error *e) {
    DIR *d = opendir(dir);
    if (!d && errno == ENOENT) return SINTER_OK;
    if (!d)
        return error_set(e, SINTER_IO, dir, "name a folder that you may write", "cannot open it: %s", strerror(errno));
    const char *found = NULL;
    for (struct dirent *entry = readdir(d); entry && !found; entry = readdir(d)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) found = entry->d_name;
    }
    sinter_status s = SINTER_OK;
    if (found && !force)
        s = error_set(e, SINTER_EXISTS, dir,
                      "name an empty or new folder, or pass --force to replace the demo's files in it",
                      "the folder is not empty: it holds '%s'", found);
    closedir(d);
    return s;
}

sinter_status demo_world_write(const demo_world *w, const char *dir, bool force, demo_files *out, sinter_error *e) {
    *out = (demo_files){0};
    sinter_status s = check_empty(dir, force, e);
    if (s != SINTER_OK) return s;
    char *truth = xasprintf("%s/truth", dir), *world = xasprintf("%s/truth/world.json", dir);
    s = dir_make(truth, e);
    /* Gone first, back last: a world half replaced does not pass for a whole one. */
    if (s == SINTER_OK && unlink(world) != 0 && errno != ENOENT)
        s = error_set(e, SINTER_IO, world, "remove it by hand", "cannot remove the old file: %s", strerror(errno));
    struct writing to = {dir, out};
    if (s == SINTER_OK) s = demo_world_render(w, write_one, &to, e);
    free(truth);
    free(world);
    return s;
}
