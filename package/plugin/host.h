/* SPDX-License-Identifier: Apache-2.0 */
/* A small host for the tests of one plugin: loads the .so by its real entry, hands it a real sinter_host, and remembers what it
 * said. It checks options by the plugin's own table, has items "item0" .. "item999", and takes any filter text: host_filter says
 * which items pass it. It has no columns. The server's own checks are `sinter plugin check`. */
#ifndef HOST_H
#define HOST_H

#include <sinter/plugin.h>

#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#endif

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)
#define TEXT(s) ((sinter_str){(s), strlen(s)})

/* ---- what the plugin said: one line an edit or explanation ---- */

typedef struct host_edit {
    const char *kind; /* "explain", "words", "filter", "boost", "redirect", "pin", "hide", "move", "scale", "insert", "label" */
    char rule[128], text[256];
    uint32_t item, position;
    double value;
} host_edit;

struct sinter_sink {
    int nothing;
};
static sinter_sink host_sink;
static host_edit host_edits[256];
static uint32_t host_n_edits;

static void host_said(const char *kind, const char *rule, const char *text, uint32_t item, uint32_t position, double value)
{
    CHECK(host_n_edits < 256);
    host_edit *e = &host_edits[host_n_edits++];
    *e = (host_edit){.kind = kind, .item = item, .position = position, .value = value};
    snprintf(e->rule, sizeof e->rule, "%s", rule ? rule : "");
    snprintf(e->text, sizeof e->text, "%s", text ? text : "");
}
static void host_explain(sinter_sink *s, const char *label, double value) { (void)s, host_said("explain", label, NULL, 0, 0, value); }
static void host_words(sinter_sink *s, const char *r, const char *w, bool replace) { (void)s, host_said("words", r, w, 0, 0, replace); }
static void host_add_filter(sinter_sink *s, const char *r, const char *f) { (void)s, host_said("filter", r, f, 0, 0, 0); }
static void host_boost(sinter_sink *s, const char *r, const char *w, double x) { (void)s, host_said("boost", r, w, 0, 0, x); }
static void host_redirect(sinter_sink *s, const char *r, const char *url) { (void)s, host_said("redirect", r, url, 0, 0, 0); }
static void host_pin(sinter_sink *s, const char *r, uint32_t i, uint32_t p, const char *t) { (void)s, host_said("pin", r, t, i, p, 0); }
static void host_hide(sinter_sink *s, const char *r, uint32_t i, const char *t) { (void)s, host_said("hide", r, t, i, 0, 0); }
static void host_move(sinter_sink *s, const char *r, uint32_t i, uint32_t p, const char *t) { (void)s, host_said("move", r, t, i, p, 0); }
static void host_scale(sinter_sink *s, const char *r, uint32_t i, double x, const char *t) { (void)s, host_said("scale", r, t, i, 0, x); }
static void host_insert(sinter_sink *s, const char *r, uint32_t i, uint32_t p, const char *t) { (void)s, host_said("insert", r, t, i, p, 0); }
static void host_label(sinter_sink *s, const char *r, uint32_t i, const char *t) { (void)s, host_said("label", r, t, i, 0, 0); }

/* ---- options: "key" or "map.key", as texts; defaults come from the plugin's table ---- */

typedef struct host_option {
    const char *path, *value;
} host_option;
struct sinter_options {
    const sinter_plugin *plugin;
    const host_option *given;
    uint32_t n;
};

static const char *host_option_text(const sinter_options *o, const char *path)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (strcmp(o->given[i].path, path) == 0) return o->given[i].value;
    for (uint32_t i = 0; i < o->plugin->n_options; i++)
        if (strcmp(o->plugin->options[i].key, path) == 0) return o->plugin->options[i].default_text;
    return NULL;
}
static bool host_option_string(const sinter_options *o, const char *path, const char **out)
{
    const char *text = host_option_text(o, path);
    if (text) *out = text;
    return text != NULL;
}
static bool host_option_number(const sinter_options *o, const char *path, double *out)
{
    const char *text = host_option_text(o, path);
    if (text) *out = strtod(text, NULL);
    return text != NULL;
}
static bool host_option_integer(const sinter_options *o, const char *path, int64_t *out)
{
    const char *text = host_option_text(o, path);
    if (text) *out = strtoll(text, NULL, 10);
    return text != NULL;
}
static bool host_option_boolean(const sinter_options *o, const char *path, bool *out)
{
    const char *text = host_option_text(o, path);
    if (text) *out = strcmp(text, "true") == 0;
    return text != NULL;
}
static const char *host_option_key(const sinter_options *o, const char *path, uint32_t wanted)
{
    size_t length = strlen(path);
    for (uint32_t i = 0; i < o->n; i++)
        if (strncmp(o->given[i].path, path, length) == 0 && o->given[i].path[length] == '.' && wanted-- == 0)
            return o->given[i].path + length + 1;
    return NULL;
}
static uint32_t host_option_count(const sinter_options *o, const char *path)
{
    uint32_t n = 0;
    while (host_option_key(o, path, n)) n++;
    return n;
}
static sinter_mark host_option_mark(const sinter_options *o, const char *path)
{
    (void)o, (void)path;
    return (sinter_mark){"test", 1, 1};
}

/* ---- memory ---- */

static int64_t host_live; /* blocks of alloc not given back */
static void *host_scratches[256];
static uint32_t host_n_scratches;
static void *host_alloc(const sinter_host *h, size_t n) { return (void)h, host_live++, calloc(1, n ? n : 1); }
static void host_free(const sinter_host *h, void *p) { (void)h, host_live -= p != NULL, free(p); }
static void *host_scratch(const sinter_host *h, size_t n)
{
    (void)h;
    CHECK(host_n_scratches < 256);
    return host_scratches[host_n_scratches++] = calloc(1, n ? n : 1);
}
/* The end of a request: scratch memory goes, and what was said is forgotten. */
static void host_next(void)
{
    while (host_n_scratches) free(host_scratches[--host_n_scratches]);
    host_n_edits = 0;
}

/* ---- items and filters ---- */

enum { HOST_ITEMS = 1000 };
struct sinter_filter {
    char text[256];
};
static bool host_even(const char *text, uint32_t item) { return (void)text, item % 2 == 0; }
static bool (*host_filter)(const char *text, uint32_t item) = host_even;

static sinter_status host_filter_compile(const sinter_host *h, const char *text, sinter_filter **out, sinter_error *err)
{
    (void)h, (void)err;
    *out = calloc(1, sizeof **out);
    snprintf((*out)->text, sizeof(*out)->text, "%s", text);
    host_live++;
    return SINTER_OK;
}
static void host_filter_free(sinter_filter *f) { host_live -= f != NULL, free(f); }
static sinter_status host_filter_match(const sinter_host *h, const sinter_filter *f, const uint32_t *item, uint32_t n, uint8_t *out,
                                       sinter_error *err)
{
    (void)h, (void)err;
    for (uint32_t i = 0; i < n; i++) out[i] = f == NULL || host_filter(f->text, item[i]);
    return SINTER_OK;
}
static sinter_status host_filter_scan(const sinter_host *h, const sinter_filter *f, uint32_t limit, uint32_t *item, uint32_t *n,
                                      sinter_error *err)
{
    (void)h, (void)err;
    *n = 0;
    for (uint32_t i = 0; i < HOST_ITEMS && *n < limit; i++)
        if (f == NULL || host_filter(f->text, i)) item[(*n)++] = i;
    return SINTER_OK;
}
static const sinter_column *host_column(const sinter_host *h, const char *field) { return (void)h, (void)field, NULL; }
static const char *host_item_id(const sinter_host *h, uint32_t ordinal)
{
    static char id[16];
    (void)h;
    snprintf(id, sizeof id, "item%u", ordinal);
    return ordinal < HOST_ITEMS ? id : NULL;
}
static uint32_t host_item_ordinal(const sinter_host *h, const char *id)
{
    uint32_t n;
    (void)h;
    return sscanf(id, "item%u", &n) == 1 && n < HOST_ITEMS ? n : UINT32_MAX;
}
static uint32_t host_event_type(const sinter_host *h, const char *name) { return (void)h, strcmp(name, "click") == 0 ? 1 : 0; }
static const char *host_event_name(const sinter_host *h, uint32_t id, double *weight) { return (void)h, *weight = 1, id == 1 ? "click" : NULL; }

/* ---- tensors, kept in memory under their file's name ---- */

static struct host_tensor {
    sinter_tensor tensor;
    char file[64], name[64];
} host_tensors[32];
static uint32_t host_n_tensors;

static sinter_status host_tensors_write(const sinter_host *h, const char *dir, const char *file, const sinter_tensor *t, uint32_t n,
                                        const char *const *text, sinter_error *err)
{
    static const size_t WIDTH[] = {0, 4, 8, 4, 4, 8, 8, 1};
    (void)h, (void)dir, (void)text, (void)err;
    for (uint32_t i = 0; i < n; i++) {
        CHECK(host_n_tensors < 32);
        struct host_tensor *to = &host_tensors[host_n_tensors++];
        size_t size = WIDTH[t[i].type];
        for (uint32_t d = 0; d < t[i].n_dimensions; d++) size *= t[i].dimension[d];
        snprintf(to->file, sizeof to->file, "%s", file);
        snprintf(to->name, sizeof to->name, "%s", t[i].name);
        void *data = malloc(size + 1);
        memcpy(data, t[i].data, size);
        to->tensor = t[i];
        to->tensor.name = to->name;
        to->tensor.data = data;
    }
    return SINTER_OK;
}
static sinter_status host_tensor_read(const sinter_host *h, const char *dir, const char *file, const char *name, sinter_tensor_type type,
                                      uint32_t n_dimensions, const uint64_t *dimension, const sinter_tensor **out, sinter_error *err)
{
    (void)h, (void)dir, (void)dimension;
    for (uint32_t i = host_n_tensors; i-- > 0;) {
        if (strcmp(host_tensors[i].file, file) != 0 || strcmp(host_tensors[i].name, name) != 0) continue;
        CHECK(host_tensors[i].tensor.type == type && host_tensors[i].tensor.n_dimensions == n_dimensions);
        *out = &host_tensors[i].tensor;
        return SINTER_OK;
    }
    err->status = SINTER_NOT_FOUND;
    snprintf(err->what, sizeof err->what, "no tensor %s", name);
    return SINTER_NOT_FOUND;
}

/* ---- the rest of the table ---- */

static void host_log(const sinter_host *h, sinter_log_level level, const char *text) { (void)h, fprintf(stderr, "log %d: %s\n", (int)level, text); }
static uint64_t host_clock(void) { return (uint64_t)time(NULL) * 1000000000u; }
static double host_random(uint64_t seed, uint64_t i)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + (i + 1) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 31)) * 0x94d049bb133111ebu;
    return (double)((x ^ (x >> 29)) >> 11) / 9007199254740992.0;
}

static const sinter_host host = {
    .size = sizeof(sinter_host), .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
    .log = host_log, .alloc = host_alloc, .free = host_free, .scratch = host_scratch, .clock_ns = host_clock, .random = host_random,
    .option_string = host_option_string, .option_number = host_option_number, .option_integer = host_option_integer,
    .option_boolean = host_option_boolean, .option_count = host_option_count, .option_key = host_option_key,
    .option_mark = host_option_mark, .column = host_column, .item_id = host_item_id, .item_ordinal = host_item_ordinal,
    .filter_compile = host_filter_compile, .filter_free = host_filter_free, .filter_match = host_filter_match,
    .filter_scan = host_filter_scan, .explain = host_explain, .rewrite_words = host_words, .rewrite_filter = host_add_filter,
    .rewrite_boost = host_boost, .rewrite_redirect = host_redirect, .edit_pin = host_pin, .edit_hide = host_hide,
    .edit_move = host_move, .edit_scale = host_scale, .edit_insert = host_insert, .edit_label = host_label,
    .event_type = host_event_type, .event_name = host_event_name, .tensors_write = host_tensors_write, .tensor = host_tensor_read,
};

/* ---- the plugin ---- */

static const sinter_plugin *host_load(const char *file)
{
    void *so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!so) fprintf(stderr, "%s\n", dlerror());
    CHECK(so != NULL);
    sinter_plugin_entry_fn *entry;
    void *symbol = dlsym(so, "sinter_plugin_entry");
    CHECK(symbol != NULL);
    memcpy(&entry, &symbol, sizeof entry);
    const sinter_plugin *p = entry(SINTER_ABI_MAJOR);
    CHECK(p != NULL && p->size >= sizeof *p && p->abi_major == SINTER_ABI_MAJOR);
    return p;
}

/* Opens it as `role`; model: what a trainer was given as out_dir, or NULL. */
static sinter_status host_open(const sinter_plugin *p, const char *role, const char *model, const host_option *given, uint32_t n,
                               sinter_instance **out, sinter_error *err)
{
    static sinter_options options;
    static const sinter_collection collection = {.size = sizeof collection, .name = "items", .uuid = "0", .n_items = HOST_ITEMS};
    options = (sinter_options){p, given, n};
    const sinter_open_args args = {.size = sizeof args, .host = &host, .options = &options, .model_dir = model,
                                   .collection = &collection, .use = "test", .role = role};
    *err = (sinter_error)SINTER_ERROR_INIT;
    *out = NULL;
    return p->open(&args, out, err);
}

/* A request of these words, by the user "ada". */
static const sinter_request *host_request(const char *words)
{
    static sinter_term term[16];
    static sinter_query query;
    static const sinter_user user = {.size = sizeof user, .user_id = {"ada", 3}};
    static const sinter_context context = {.size = sizeof context, .now_ms = 1767225600000};
    static sinter_request request;
    uint32_t n = 0;
    for (const char *at = words; *at && n < 16; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        term[n++] = (sinter_term){.surface = {at, length}, .stem = {at, length}, .language = {"en", 2}};
        at += length;
    }
    query = (sinter_query){.size = sizeof query, .text = TEXT(words), .normalised = TEXT(words), .term = term, .n_terms = n, .page_size = 10};
    request = (sinter_request){.size = sizeof request, .request_id = {"r1", 2}, .query = &query, .user = &user, .context = &context,
                               .seed = 1, .deadline_ns = UINT64_MAX};
    return &request;
}

/* n rows of n_features values; items 0 .. n-1. */
static sinter_batch host_batch(const float *feature, uint32_t n_features, uint32_t n)
{
    static uint32_t item[HOST_ITEMS];
    for (uint32_t i = 0; i < n; i++) item[i] = i;
    const sinter_request *r = host_request("red shoe");
    return (sinter_batch){.size = sizeof(sinter_batch), .n = n, .item = item, .feature = feature, .n_features = n_features,
                          .stride = n_features, .query = r->query, .user = r->user, .request_context = r->context, .seed = 1,
                          .deadline_ns = UINT64_MAX};
}

#endif
