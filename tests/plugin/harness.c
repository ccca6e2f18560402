/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The harness's heart: loading and its checks, instances and workers, requests, batches, and the record of what was said. */
#include "harness_inside.h"

#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void harness_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("harness: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

sinter_status harness_fail(sinter_error *err, sinter_status status, const char *where, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    err->status = status;
    vsnprintf(err->what, sizeof err->what, what, args);
    snprintf(err->where, sizeof err->where, "%s", where);
    va_end(args);
    return status;
}

/* Appends to a growing list of blocks that are freed together. */
static void *own(void ***list, uint32_t *n, uint32_t *room, size_t size)
{
    if (*n == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        *list = realloc(*list, *room * sizeof **list);
    }
    void *p = calloc(1, size == 0 ? 1 : size);
    if (*list == NULL || p == NULL)
        harness_die("out of memory");
    return (*list)[(*n)++] = p;
}

void *harness_keep(harness *h, size_t size)
{
    return own(&h->kept, &h->n_kept, &h->kept_room, size);
}

char *harness_keep_text(harness *h, const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(harness_keep(h, n), text, n);
}

/* ---- the host's table ---- */

static void host_log(const sinter_host *host, sinter_log_level level, const char *message)
{
    harness *h = (harness *)(uintptr_t)host;
    (void)level;
    if (atomic_fetch_add(&h->logged, 1) == 0 || strcmp(h->last_log, message) != 0)
        snprintf(h->last_log, sizeof h->last_log, "%s", message);
}

static void *host_alloc(const sinter_host *host, size_t size)
{
    atomic_fetch_add(&((harness *)(uintptr_t)host)->allocations, 1);
    return malloc(size);
}

static void host_free(const sinter_host *host, void *p)
{
    (void)host;
    free(p);
}

static void *host_scratch(const sinter_host *host, size_t size)
{
    harness *h = (harness *)(uintptr_t)host;
    return own(&h->scratch, &h->n_scratch, &h->scratch_room, size);
}

void harness_scratch_reset(harness *h)
{
    for (uint32_t i = 0; i < h->n_scratch; i++)
        free(h->scratch[i]);
    h->n_scratch = 0;
}

static uint64_t host_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double host_random(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* The last one's weight is its value. */
static const struct {
    const char *name;
    double weight;
} EVENTS[] = {{"view", 0.1}, {"click", 1}, {"basket", 3}, {"purchase", 5}, {"rating", (double)NAN}};

static uint32_t host_event_type(const sinter_host *host, const char *name)
{
    (void)host;
    for (uint32_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++)
        if (strcmp(EVENTS[i].name, name) == 0)
            return i + 1;
    return 0;
}

static const char *host_event_name(const sinter_host *host, uint32_t id, double *weight)
{
    (void)host;
    if (id == 0 || id > sizeof EVENTS / sizeof *EVENTS)
        return NULL;
    *weight = EVENTS[id - 1].weight;
    return EVENTS[id - 1].name;
}

/* ---- what the plugin said ---- */

static void record(sinter_sink *s, harness_edit e, const char *rule, const char *text)
{
    if (s->n == s->room) {
        s->room = s->room == 0 ? 64 : s->room * 2;
        s->edit = realloc(s->edit, s->room * sizeof *s->edit);
    }
    e.rule = strdup(rule == NULL ? "" : rule);
    e.text = strdup(text == NULL ? "" : text);
    if (s->edit == NULL || e.rule == NULL || e.text == NULL)
        harness_die("out of memory");
    s->edit[s->n++] = e;
}

static void host_explain(sinter_sink *s, const char *label, double value)
{
    record(s, (harness_edit){.kind = HARNESS_EXPLAIN, .value = value}, label, "");
}

static void host_words(sinter_sink *s, const char *rule, const char *words, bool replace)
{
    record(s, (harness_edit){.kind = HARNESS_WORDS, .flag = replace}, rule, words);
}

static void host_filter(sinter_sink *s, const char *rule, const char *filter)
{
    record(s, (harness_edit){.kind = HARNESS_FILTER}, rule, filter);
}

static void host_boost(sinter_sink *s, const char *rule, const char *word, double factor)
{
    record(s, (harness_edit){.kind = HARNESS_BOOST, .value = factor}, rule, word);
}

static void host_redirect(sinter_sink *s, const char *rule, const char *url)
{
    record(s, (harness_edit){.kind = HARNESS_REDIRECT}, rule, url);
}

static void host_pin(sinter_sink *s, const char *rule, uint32_t item, uint32_t position, const char *text)
{
    record(s, (harness_edit){.kind = HARNESS_PIN, .item = item, .position = position}, rule, text);
}

static void host_hide(sinter_sink *s, const char *rule, uint32_t item, const char *text)
{
    record(s, (harness_edit){.kind = HARNESS_HIDE, .item = item}, rule, text);
}

static void host_move(sinter_sink *s, const char *rule, uint32_t item, uint32_t position, const char *text)
{
    record(s, (harness_edit){.kind = HARNESS_MOVE, .item = item, .position = position}, rule, text);
}

static void host_scale(sinter_sink *s, const char *rule, uint32_t item, double factor, const char *text)
{
    record(s, (harness_edit){.kind = HARNESS_SCALE, .item = item, .value = factor}, rule, text);
}

static void host_insert(sinter_sink *s, const char *rule, uint32_t item, uint32_t position, const char *text)
{
    record(s, (harness_edit){.kind = HARNESS_INSERT, .item = item, .position = position}, rule, text);
}

static void host_label(sinter_sink *s, const char *rule, uint32_t item, const char *text)
{
    record(s, (harness_edit){.kind = HARNESS_LABEL, .item = item}, rule, text);
}

sinter_sink *harness_sink(harness *h)
{
    for (uint32_t i = 0; i < h->sink.n; i++) {
        free(h->sink.edit[i].rule);
        free(h->sink.edit[i].text);
    }
    h->sink.n = 0;
    return &h->sink;
}

uint32_t harness_edits(const harness *h)
{
    return h->sink.n;
}

const harness_edit *harness_edit_at(const harness *h, uint32_t i)
{
    if (i >= h->sink.n)
        harness_die("edit %u of %u", i, h->sink.n);
    return &h->sink.edit[i];
}

double harness_explained(const harness *h)
{
    double sum = 0;
    for (uint32_t i = 0; i < h->sink.n; i++)
        sum += h->sink.edit[i].kind == HARNESS_EXPLAIN ? h->sink.edit[i].value : 0;
    return sum;
}

uint32_t harness_logged(const harness *h)
{
    return atomic_load(&h->logged);
}

const char *harness_last_log(const harness *h)
{
    return h->last_log;
}

uint64_t harness_allocations(const harness *h)
{
    return atomic_load(&h->allocations);
}

/* ---- loading ---- */

static void check_role(const char *role, const void *table, uint32_t size, uint32_t flags, uint32_t wanted, uint32_t known)
{
    if (table != NULL && size != wanted)
        harness_die("%s: size is %u, not %u", role, size, wanted);
    if (table != NULL && (flags & ~known) != 0)
        harness_die("%s: unknown flags %#x", role, flags);
}

static void check_plugin(const sinter_plugin *p, const char *path)
{
    if (p == NULL || p->size != sizeof *p)
        harness_die("%s: no table, or one of another size", path);
    if (p->abi_major != SINTER_ABI_MAJOR || p->abi_minor > SINTER_ABI_MINOR)
        harness_die("%s: ABI %u.%u, the harness has %u.%u", path, p->abi_major, p->abi_minor, SINTER_ABI_MAJOR, SINTER_ABI_MINOR);
    if (p->name == NULL || p->version == NULL || p->build == NULL || p->summary == NULL || p->open == NULL || p->close == NULL)
        harness_die("%s: name, version, build, summary, open or close is missing", path);
    if (!islower((unsigned char)p->name[0]) || p->name[strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != 0)
        harness_die("%s: '%s' is not a name", path, p->name);
    if ((p->worker_open == NULL) != (p->worker_close == NULL) || p->flags != 0)
        harness_die("%s: half a worker, or flags", path);
#define ROLE(role, known) \
    check_role(#role, p->role, p->role ? p->role->size : 0, p->role ? p->role->flags : 0, (uint32_t)sizeof *p->role, known)
    ROLE(ranker, SINTER_WHOLE_LIST);
    ROLE(fusion, 0);
    ROLE(recall, 0);
    ROLE(rewriter, 0);
    ROLE(finisher, 0);
    ROLE(enricher, 0);
    ROLE(trainer, 0);
#undef ROLE
    if (!p->ranker && !p->fusion && !p->recall && !p->rewriter && !p->finisher && !p->enricher && !p->trainer)
        harness_die("%s: plays no role", path);
}

harness *harness_open(const char *so_path)
{
    harness *h = calloc(1, sizeof *h);
    if (h == NULL)
        harness_die("out of memory");
    h->item_id = harness_keep(h, HARNESS_ITEMS * sizeof *h->item_id);
    h->host = (sinter_host){
        .size = sizeof h->host, .abi_major = SINTER_ABI_MAJOR, .abi_minor = SINTER_ABI_MINOR,
        .log = host_log, .alloc = host_alloc, .free = host_free, .scratch = host_scratch,
        .clock_ns = host_clock_ns, .random = host_random, .event_type = host_event_type, .event_name = host_event_name, .explain = host_explain,
        .rewrite_words = host_words, .rewrite_filter = host_filter, .rewrite_boost = host_boost, .rewrite_redirect = host_redirect,
        .edit_pin = host_pin, .edit_hide = host_hide, .edit_move = host_move, .edit_scale = host_scale,
        .edit_insert = host_insert, .edit_label = host_label};
    harness_options_install(&h->host);
    harness_columns_install(&h->host);
    harness_filters_install(&h->host);
    harness_tensors_install(&h->host);
    h->collection = (sinter_collection){.size = sizeof h->collection, .name = "items", .uuid = "00000000-0000-4000-8000-000000000001"};
    h->so = dlopen(so_path, RTLD_NOW | RTLD_LOCAL);
    if (h->so == NULL)
        harness_die("%s", dlerror());
    union {
        void *symbol;
        sinter_plugin_entry_fn *entry;
    } u = {dlsym(h->so, "sinter_plugin_entry")};
    if (u.symbol == NULL)
        harness_die("%s: no sinter_plugin_entry", so_path);
    h->plugin = u.entry(SINTER_ABI_MAJOR);
    check_plugin(h->plugin, so_path);
    return h;
}

void harness_close(harness *h)
{
    for (harness_live *l = h->live; l != NULL; l = l->next) {
        for (uint32_t w = 0; w < l->n_workers; w++)
            h->plugin->worker_close(l->worker[w]);
        h->plugin->close(l->instance);
    }
    harness_sink(h);
    free(h->sink.edit);
    harness_scratch_reset(h);
    free(h->scratch);
    harness_columns_free(h);
    harness_tensors_free(h);
    harness_folders_remove(h);
    dlclose(h->so);
    for (uint32_t i = 0; i < h->n_kept; i++)
        free(h->kept[i]);
    free(h->kept);
    free(h);
}

const sinter_plugin *harness_plugin(const harness *h)
{
    return h->plugin;
}

const sinter_host *harness_host(const harness *h)
{
    return &h->host;
}

/* ---- instances ---- */

void harness_rankers(harness *h, const char *const *name, uint32_t n)
{
    h->ranker = harness_keep(h, (n + 1) * sizeof *h->ranker);
    for (uint32_t i = 0; i < n; i++)
        h->ranker[i] = harness_keep_text(h, name[i]);
    h->n_rankers = n;
}

void harness_file(harness *h, const char *file, const harness_option *option, size_t n)
{
    harness_file_text *f = harness_keep(h, sizeof *f);
    f->name = harness_keep_text(h, file);
    f->options = harness_options_new(h, file, option, n);
    f->next = h->files;
    h->files = f;
}

static harness_live *find_live(const harness *h, const sinter_instance *instance)
{
    for (harness_live *l = h->live; l != NULL; l = l->next)
        if (l->instance == instance)
            return l;
    harness_die("not an open instance");
}

sinter_status harness_instance(harness *h, const char *role, const harness_option *option, size_t n, sinter_instance **out,
                               sinter_error *err)
{
    *out = NULL;
    *err = (sinter_error)SINTER_ERROR_INIT;
    sinter_options *o = harness_options_new(h, "pipeline.yaml", option, n);
    sinter_status s = harness_options_check(o, h->plugin->options, h->plugin->n_options, err);
    if (s != SINTER_OK)
        return s;
    sinter_open_args args = {.size = sizeof args, .host = &h->host, .options = o, .collection = &h->collection,
                             .use = "pipeline.test", .role = role, .model_dir = h->model_dir};
    sinter_instance *made = NULL;
    s = h->plugin->open(&args, &made, err);
    if (s != SINTER_OK) {
        if (err->what[0] == 0)
            harness_die("open failed with status %d and no message", s);
        return s;
    }
    harness_live *l = harness_keep(h, sizeof *l);
    l->instance = made;
    l->options = o;
    l->next = h->live;
    h->live = l;
    l->inputs.size = sizeof l->inputs;
    if (h->plugin->inputs != NULL)
        s = h->plugin->inputs(made, &l->inputs, err);
    if (s == SINTER_OK && h->plugin->fusion != NULL && strcmp(role, "fusion") == 0 && h->plugin->fusion->check_rankers != NULL)
        s = h->plugin->fusion->check_rankers(made, (const char *const *)h->ranker, h->n_rankers, err);
    if (s == SINTER_OK)
        *out = made;
    return s;
}

const sinter_inputs *harness_inputs(const harness *h, const sinter_instance *instance)
{
    return &find_live(h, instance)->inputs;
}

sinter_worker *harness_worker(harness *h, const sinter_instance *instance)
{
    harness_live *l = find_live(h, instance);
    sinter_error err = SINTER_ERROR_INIT;
    if (h->plugin->worker_open == NULL)
        return NULL;
    if (l->n_workers == sizeof l->worker / sizeof *l->worker)
        harness_die("too many workers");
    sinter_status s = h->plugin->worker_open(instance, &l->worker[l->n_workers], &err);
    if (s != SINTER_OK)
        harness_die("worker_open: %s", err.what);
    return l->worker[l->n_workers++];
}

/* ---- requests and batches ---- */

static sinter_str str_of(const char *text)
{
    return (sinter_str){text, strlen(text)};
}

static void add_attribute(harness *h, harness_attributes *a, const char *name, const char *value)
{
    sinter_attribute *list = harness_keep(h, (a->n + 1) * sizeof *list);
    if (a->n > 0)
        memcpy(list, a->list, a->n * sizeof *list);
    list[a->n].name = str_of(harness_keep_text(h, name));
    char *end;
    double number = strtod(value, &end);
    if (*value != 0 && *end == 0)
        list[a->n].value = (sinter_value){.type = SINTER_VALUE_NUMBER, .u = {.number = number}};
    else
        list[a->n].value = (sinter_value){.type = SINTER_VALUE_STRING, .u = {.string = str_of(harness_keep_text(h, value))}};
    a->list = list;
    a->n++;
}

void harness_user_attribute(harness *h, const char *name, const char *value)
{
    add_attribute(h, &h->user_attributes, name, value);
}

void harness_context_attribute(harness *h, const char *name, const char *value)
{
    add_attribute(h, &h->context_attributes, name, value);
}

sinter_request *harness_request(harness *h, const char *words, int64_t now_ms)
{
    char *normal = harness_keep(h, strlen(words) + 1);
    sinter_term *term = harness_keep(h, (strlen(words) / 2 + 1) * sizeof *term);
    uint32_t n = 0;
    size_t out = 0;
    for (const char *p = words; *p != 0;) {
        while (isspace((unsigned char)*p))
            p++;
        size_t start = out + (out > 0), length = 0;
        for (; *p != 0 && !isspace((unsigned char)*p); p++, length++)
            normal[start + length] = (char)tolower((unsigned char)*p);
        if (length == 0)
            break;
        if (out > 0)
            normal[out] = ' ';
        out = start + length;
        sinter_str surface = {normal + start, length};
        term[n++] = (sinter_term){.surface = surface, .stem = surface, .language = str_of("en")};
    }
    h->query = (sinter_query){.size = sizeof h->query, .text = str_of(harness_keep_text(h, words)), .normalised = {normal, out},
                              .term = term, .n_terms = n, .filter = str_of(""), .page_size = 10};
    h->user = (sinter_user){.size = sizeof h->user, .user_id = str_of("u1"), .session_id = str_of("s1"),
                            .attribute = h->user_attributes.list, .n_attributes = h->user_attributes.n};
    h->context = (sinter_context){.size = sizeof h->context, .locale = str_of("en"), .device = str_of("desktop"), .now_ms = now_ms,
                                  .attribute = h->context_attributes.list, .n_attributes = h->context_attributes.n};
    h->request = (sinter_request){.size = sizeof h->request, .request_id = str_of("r1"), .query = &h->query, .user = &h->user,
                                  .context = &h->context, .seed = 1, .deadline_ns = UINT64_MAX};
    return &h->request;
}

sinter_batch *harness_batch(harness *h, const float *feature, uint32_t n_features, uint32_t n)
{
    uint32_t stride = (n_features + 15) / 16 * 16;
    float *rows = harness_keep(h, ((size_t)n * stride + 32) * sizeof *rows);
    rows = (float *)(((uintptr_t)rows + 63) & ~(uintptr_t)63);
    uint32_t *item = harness_keep(h, (n + 1) * sizeof *item);
    for (uint32_t i = 0; i < n; i++) {
        item[i] = i;
        if (n_features > 0)
            memcpy(rows + (size_t)i * stride, feature + (size_t)i * n_features, n_features * sizeof *rows);
    }
    if (h->request.size == 0)
        harness_request(h, "", 0);
    h->batch = (sinter_batch){.size = sizeof h->batch, .n = n, .item = item, .feature = rows, .n_features = n_features,
                              .stride = stride, .query = &h->query, .user = &h->user, .request_context = &h->context,
                              .seed = h->request.seed, .deadline_ns = UINT64_MAX};
    return &h->batch;
}
