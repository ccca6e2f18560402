/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sink: takes explanations, rewrites and edits into arrays of the request's arena. The first thing that is wrong (a
 * position of 0, a factor that is not finite, text that is not UTF-8, an edit of another role) is kept and fails the
 * call. */
#include "inside.h"

#include <math.h>
#include <string.h>

const char *const PLUGIN_EDIT_NAMES[PLUGIN_LABEL + 1] = {
    "add_words", "replace_words", "add_filter", "boost_word", "redirect", "pin",
    "hide",      "move",          "scale",      "insert",     "label",
};

enum { TEXT_MOST = 65536 };

static bool room(sinter_sink *s)
{
    if (s->fault) return false;
    if (s->n >= PLUGIN_MAX_EDITS) {
        s->fault = "more than 10000 entries in one call";
        return false;
    }
    if (s->n < s->cap) return true;
    uint32_t cap = s->cap ? s->cap * 2 : 16;
    size_t size = s->lines ? sizeof *s->line : sizeof *s->edit;
    void *grown = arena_alloc(s->memory, cap * size), *was = s->lines ? (void *)s->line : (void *)s->edit;
    if (s->n) memcpy(grown, was, s->n * size);
    if (s->lines)
        s->line = grown;
    else
        s->edit = grown;
    s->cap = cap;
    return true;
}

/* A copy; NULL with the fault set when it cannot be shown to people. */
static const char *text_copy(sinter_sink *s, const char *text)
{
    if (!text) return "";
    size_t n = strnlen(text, TEXT_MOST + 1);
    if (n > TEXT_MOST)
        s->fault = "a text is longer than 65536 bytes";
    else if (!utf8_valid(text, n, NULL))
        s->fault = "a text is not UTF-8";
    return s->fault ? NULL : arena_strndup(s->memory, text, n);
}

static void take_line(sinter_sink *s, const char *label, double value)
{
    if (!s->lines) {
        if (!s->fault) s->fault = "explain was called outside an explanation";
        return;
    }
    if (!room(s)) return;
    label = text_copy(s, label);
    if (!isfinite(value)) s->fault = "a contribution is not finite";
    if (!s->fault) s->line[s->n++] = (plugin_line){.label = label, .value = value};
}

static void take_edit(sinter_sink *s, plugin_edit edit)
{
    if (!s->edits || edit.kind < s->first || edit.kind > s->last) {
        if (!s->fault) s->fault = "an edit was made that does not belong to this role";
        return;
    }
    if (!room(s)) return;
    bool placed = edit.kind == PLUGIN_PIN || edit.kind == PLUGIN_MOVE || edit.kind == PLUGIN_INSERT;
    if (placed && edit.position == 0) s->fault = "a position is 0; the first is 1";
    if (!isfinite(edit.factor)) s->fault = "a factor is not finite";
    edit.rule = text_copy(s, edit.rule);
    if (!s->fault) edit.text = text_copy(s, edit.text);
    if (!s->fault) s->edit[s->n++] = edit;
}

#define EDIT(k, ...) take_edit(s, (plugin_edit){.kind = (k), __VA_ARGS__})

static void words(sinter_sink *s, const char *rule, const char *text, bool replace)
{
    EDIT(replace ? PLUGIN_REPLACE_WORDS : PLUGIN_ADD_WORDS, .rule = rule, .text = text);
}
static void filter(sinter_sink *s, const char *rule, const char *text)
{
    EDIT(PLUGIN_ADD_FILTER, .rule = rule, .text = text);
}
static void boost(sinter_sink *s, const char *rule, const char *word, double factor)
{
    EDIT(PLUGIN_BOOST_WORD, .rule = rule, .text = word, .factor = factor);
}
static void redirect(sinter_sink *s, const char *rule, const char *url)
{
    EDIT(PLUGIN_REDIRECT, .rule = rule, .text = url);
}
static void pin(sinter_sink *s, const char *rule, uint32_t item, uint32_t position, const char *text)
{
    EDIT(PLUGIN_PIN, .rule = rule, .item = item, .position = position, .text = text);
}
static void hide(sinter_sink *s, const char *rule, uint32_t item, const char *text)
{
    EDIT(PLUGIN_HIDE, .rule = rule, .item = item, .text = text);
}
static void move(sinter_sink *s, const char *rule, uint32_t item, uint32_t position, const char *text)
{
    EDIT(PLUGIN_MOVE, .rule = rule, .item = item, .position = position, .text = text);
}
static void scale(sinter_sink *s, const char *rule, uint32_t item, double factor, const char *text)
{
    EDIT(PLUGIN_SCALE, .rule = rule, .item = item, .factor = factor, .text = text);
}
static void insert(sinter_sink *s, const char *rule, uint32_t item, uint32_t position, const char *text)
{
    EDIT(PLUGIN_INSERT, .rule = rule, .item = item, .position = position, .text = text);
}
static void label(sinter_sink *s, const char *rule, uint32_t item, const char *text)
{
    EDIT(PLUGIN_LABEL, .rule = rule, .item = item, .text = text);
}

void sink_table_fill(sinter_host *t)
{
    t->explain = take_line;
    t->rewrite_words = words;
    t->rewrite_filter = filter;
    t->rewrite_boost = boost;
    t->rewrite_redirect = redirect;
    t->edit_pin = pin;
    t->edit_hide = hide;
    t->edit_move = move;
    t->edit_scale = scale;
    t->edit_insert = insert;
    t->edit_label = label;
}
