/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter plugin check`, inside the child: one made-up collection of 1,000 items with seeded features, on which every
 * role that the plugin plays is tried. */
#include "plugin_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "commands/commands.h"
#include "config/config.h"
#include "plugin/plugin.h"

enum { ITEMS = 1000, RANKERS = 3, DIMENSION = 16, HISTORY = 12 };

typedef struct trial {
    plugin_host *host;
    const plugin_library *lib;
    arena *memory, *scratch;
    const conf_node *options; /* a map */
    plugin_instance *i;
    plugin_call call;
    sinter_batch list;
    const char *model; /* directory; NULL: none */
    sinter_user user;
    sinter_request request;
    uint32_t item[ITEMS];
    uint32_t opened; /* roles */
    bool fails, wants_model;
} trial;

static void say(trial *t, const char *kind, const char *name, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void say(trial *t, const char *kind, const char *name, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        *p = *p == '\n' || *p == '\t' ? ' ' : *p;
    printf("%s\t%s\t%s\n", kind, name, text);
    fflush(stdout);
    t->fails |= strcmp(kind, "fail") == 0;
}

static void begin(trial *t, const char *name)
{
    say(t, "begin", name, "-");
}

static void say_error(trial *t, const char *name, const sinter_error *e)
{
    char line[2000];
    say(t, "fail", name, "%s", error_line(e, line, sizeof line));
}

/* ---- the made-up collection
 * ---------------------------------------------------------------------------------------------------- */

static const char *item_id(void *ctx, void *view, uint32_t ordinal)
{
    static _Thread_local char id[16];
    (void)ctx, (void)view;
    if (ordinal >= ITEMS) return NULL;
    snprintf(id, sizeof id, "item%u", ordinal);
    return id;
}
static uint32_t item_ordinal(void *ctx, void *view, const char *id)
{
    uint64_t n;
    (void)ctx, (void)view;
    return strncmp(id, "item", 4) == 0 && parse_uint64(str_of(id + 4), &n) && n < ITEMS ? (uint32_t)n : UINT32_MAX;
}
/* Any filter passes the even items. */
static sinter_status filter_compile(void *ctx, const char *text, void **out, sinter_error *e)
{
    (void)text, (void)e;
    *out = ctx;
    return SINTER_OK;
}
static sinter_status filter_match(void *ctx, void *view, const void *filter, const uint32_t *item, uint32_t n,
                                  uint8_t *out, sinter_error *e)
{
    (void)ctx, (void)view, (void)filter, (void)e;
    for (uint32_t i = 0; i < n; i++)
        out[i] = item[i] % 2 == 0;
    return SINTER_OK;
}
static sinter_status filter_scan(void *ctx, void *view, const void *filter, uint32_t limit, uint32_t *item, uint32_t *n,
                                 sinter_error *e)
{
    (void)ctx, (void)view, (void)e;
    for (uint32_t i = 0; i < ITEMS && *n < limit; i += filter ? 2 : 1)
        item[(*n)++] = i;
    return SINTER_OK;
}
static int nothing;
static const plugin_services SERVICES = {.ctx = &nothing,
                                         .item_id = item_id,
                                         .item_ordinal = item_ordinal,
                                         .filter_compile = filter_compile,
                                         .filter_match = filter_match,
                                         .filter_scan = filter_scan};

static const sinter_query QUERY = {
    .size = sizeof QUERY, .text = {"red shoes", 9}, .normalised = {"red shoes", 9}, .page_size = 10};
static const sinter_user USER = {.size = sizeof USER, .user_id = {"u1", 2}};
static const sinter_context CONTEXT = {.size = sizeof CONTEXT, .now_ms = 1767225600000};
static const sinter_request REQUEST = {.size = sizeof REQUEST,
                                       .request_id = {"r1", 2},
                                       .query = &QUERY,
                                       .user = &USER,
                                       .context = &CONTEXT,
                                       .seed = 1,
                                       .deadline_ns = UINT64_MAX};

static float *randoms(arena *a, rng *r, size_t n)
{
    float *p = arena_aligned(a, 64, n * sizeof *p + 64);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(rng_uniform(r) * 4);
    return p;
}

/* Somebody with a history, as long as the plugin asked for. */
static void fill_request(trial *t)
{
    const sinter_inputs *in = plugin_instance_inputs(t->i);
    uint32_t n = in->history < HISTORY ? in->history : HISTORY;
    rng r;
    rng_seed(&r, 7);
    uint32_t *item = ARENA_ARRAY(t->memory, uint32_t, HISTORY), *event = ARENA_ARRAY(t->memory, uint32_t, HISTORY);
    float *age = ARENA_ARRAY(t->memory, float, HISTORY), *weight = ARENA_ARRAY(t->memory, float, HISTORY);
    const float **side = ARENA_ARRAY(t->memory, const float *, in->n_history_side + 1);
    for (uint32_t k = 0; k < HISTORY; k++) {
        item[k] = k * 83 % ITEMS;
        event[k] = 1;
        age[k] = (float)k;
        weight[k] = 1 + (float)(k % 3);
    }
    for (uint32_t k = 0; k < in->n_history_side; k++)
        side[k] = randoms(t->memory, &r, HISTORY);
    t->user = USER;
    t->user.n_history = n;
    t->user.item = item;
    t->user.event = event;
    t->user.age = age;
    t->user.weight = weight;
    t->user.side = side;
    t->user.n_side = in->n_history_side;
    t->request = REQUEST;
    t->request.user = &t->user;
}

/* What the plugin asked for, seeded; every seventh feature value is missing where `holes`. */
static void fill_list(trial *t, bool holes)
{
    const sinter_inputs *in = plugin_instance_inputs(t->i);
    arena *a = t->memory;
    rng r;
    rng_seed(&r, 11);
    sinter_batch *b = &t->list;
    *b = (sinter_batch){.size = sizeof *b,
                        .n = ITEMS,
                        .item = t->item,
                        .n_features = in->n_features,
                        .n_id_features = in->n_id_features,
                        .n_context = in->n_context,
                        .n_prior = in->n_prior,
                        .n_vectors = in->n_vectors,
                        .query = &QUERY,
                        .user = &t->user,
                        .request_context = &CONTEXT,
                        .seed = 1,
                        .deadline_ns = UINT64_MAX};
    b->stride = in->n_features ? (in->n_features + 15) / 16 * 16 : 16;
    float *feature = randoms(a, &r, (size_t)ITEMS * b->stride);
    for (uint32_t i = 0; holes && i < ITEMS * b->stride; i += 7)
        feature[i] = NAN;
    b->feature = feature;
    b->context = randoms(a, &r, in->n_context + 1);
    const uint32_t **id = ARENA_ARRAY(a, const uint32_t *, in->n_id_features + 1);
    for (uint32_t k = 0; k < in->n_id_features; k++)
        id[k] = t->item;
    b->id_feature = id;
    const float **prior = ARENA_ARRAY(a, const float *, in->n_prior + 1);
    for (uint32_t k = 0; k < in->n_prior; k++)
        prior[k] = randoms(a, &r, ITEMS);
    b->prior = prior;
    sinter_vectors *v = ARENA_ARRAY(a, sinter_vectors, in->n_vectors + 1);
    uint8_t *present = arena_aligned(a, 64, ITEMS);
    memset(present, 1, ITEMS);
    for (uint32_t k = 0; k < in->n_vectors; k++)
        v[k] = (sinter_vectors){.size = sizeof *v,
                                .dimension = DIMENSION,
                                .stride = DIMENSION,
                                .type = SINTER_F32,
                                .scale = 1,
                                .data = randoms(a, &r, (size_t)ITEMS * DIMENSION),
                                .present = present};
    b->vectors = v;
}

/* ---- ranker
 * ------------------------------------------------------------------------------------------------------------------------
 */

static bool rank(trial *t, const sinter_batch *list, float *score, const char *name)
{
    plugin_result r;
    plugin_call_begin(&t->call);
    plugin_rank(t->i, &t->call, &t->request, list, 0, score, &r);
    plugin_call_end(&t->call);
    if (r.outcome == PLUGIN_DONE) return true;
    if (r.outcome == PLUGIN_DECLINED)
        say(t, "note", name, "it declines this request; its scores were not tried");
    else
        say_error(t, name, &r.error);
    return false;
}

/* The list from row `from` on: each item then stands elsewhere in its block. */
static void check_blocks(trial *t, const float *score)
{
    enum { FROM = 37 };
    if (plugin_instance_whole_list(t->i)) {
        say(t, "note", "blocks", "it scores whole lists: a score may depend on the others");
        return;
    }
    begin(t, "blocks");
    sinter_batch b = t->list;
    const uint32_t **id = ARENA_ARRAY(t->memory, const uint32_t *, b.n_id_features + 1);
    const float **prior = ARENA_ARRAY(t->memory, const float *, b.n_prior + 1);
    float moved[ITEMS];
    b.n = ITEMS - FROM;
    b.item += FROM;
    b.feature += (size_t)FROM * b.stride;
    for (uint32_t k = 0; k < b.n_id_features; k++)
        id[k] = b.id_feature[k] + FROM;
    for (uint32_t k = 0; k < b.n_prior; k++)
        prior[k] = b.prior[k] + FROM;
    b.id_feature = id;
    b.prior = prior;
    if (b.n_vectors) return; /* vectors of a shifted list would stand at other addresses: the same code path */
    if (!rank(t, &b, moved, "blocks")) return;
    for (uint32_t i = 0; i < b.n; i++) {
        if (memcmp(&moved[i], &score[i + FROM], sizeof *moved) == 0) continue;
        say(t, "fail", "blocks", "an item's score depends on its place: %.9g in row %u, %.9g in row %u",
            (double)score[i + FROM], i + FROM, (double)moved[i], i);
        return;
    }
    say(t, "ok", "blocks", "scores do not depend on an item's place in a block");
}

static void check_explain(trial *t, const float *score)
{
    begin(t, "explain");
    uint32_t honest = 0, tried = 0;
    for (uint32_t row = 0; row < ITEMS; row += 41) {
        plugin_line *line;
        uint32_t n;
        bool summed;
        sinter_error e = SINTER_ERROR_INIT;
        if (sinter_is_missing(score[row])) continue;
        plugin_call_begin(&t->call);
        sinter_status s = plugin_explain(t->i, &t->call, &t->list, row, score[row], &line, &n, &summed, &e);
        plugin_call_end(&t->call);
        if (s != SINTER_OK) {
            say_error(t, "explain", &e);
            return;
        }
        tried++;
        honest += summed;
    }
    if (honest == tried)
        say(t, "ok", "explain", "%u explanations sum to their scores", tried);
    else
        say(t, "fail", "explain", "%u of %u explanations do not sum to the score", tried - honest, tried);
}

static void check_ranker(trial *t)
{
    float score[ITEMS], again[ITEMS];
    uint32_t scored = 0;
    fill_list(t, true);
    begin(t, "score");
    uint64_t started = clock_mono_ns();
    if (!rank(t, &t->list, score, "score")) return;
    uint64_t first = clock_mono_ns() - started;
    for (uint32_t i = 0; i < ITEMS; i++)
        scored += !sinter_is_missing(score[i]);
    say(t, "ok", "score", "%u of %u items scored, the others missing; every seventh feature value was missing", scored,
        (uint32_t)ITEMS);
    begin(t, "repeat");
    started = clock_mono_ns();
    if (!rank(t, &t->list, again, "repeat")) return;
    uint64_t ns = clock_mono_ns() - started < first ? clock_mono_ns() - started : first;
    if (memcmp(score, again, sizeof score) != 0)
        say(t, "fail", "repeat", "the same list was scored differently the second time");
    else
        say(t, "ok", "repeat", "the same list gets the same scores, bit for bit");
    say(t, "note", "time", "%.0f ns a row", (double)ns / ITEMS);
    check_blocks(t, score);
    check_explain(t, score);
}

/* ---- fusion
 * ------------------------------------------------------------------------------------------------------------------------
 */

/* Rankers' names: what the options say about weights, else made up. */
static uint32_t ranker_names(const trial *t, const char *names[RANKERS])
{
    static const char *const MADE[RANKERS] = {"a", "b", "c"};
    const conf_node *weights = conf_get(t->options, "weights");
    uint32_t n = weights && weights->kind == CONF_MAP ? (weights->n < RANKERS ? weights->n : RANKERS) : RANKERS;
    for (uint32_t r = 0; r < n; r++)
        names[r] = weights && weights->kind == CONF_MAP ? weights->key[r]->text : MADE[r];
    return n;
}

static bool check_shares(trial *t, const sinter_fusion_batch *b, const float *out)
{
    for (uint32_t row = 0; row < ITEMS; row += 7) {
        sinter_share share[SINTER_MAX_RANKERS];
        double bias;
        bool summed;
        sinter_error e = SINTER_ERROR_INIT;
        plugin_call_begin(&t->call);
        sinter_status s = plugin_fuse_explain(t->i, &t->call, b, row, out[row], share, &bias, &summed, &e);
        plugin_call_end(&t->call);
        if (s != SINTER_OK) {
            say_error(t, "shares", &e);
            return false;
        }
        if (!summed) {
            say(t, "fail", "shares", "bias and contributions do not sum to the score in row %u", row);
            return false;
        }
    }
    return true;
}

static void check_fusion(trial *t)
{
    const char *names[RANKERS];
    const float *score[RANKERS];
    static uint64_t present[ITEMS];
    float out[ITEMS], again[ITEMS];
    rng r;
    rng_seed(&r, 5);
    uint32_t n = ranker_names(t, names);
    for (uint32_t k = 0; k < n; k++)
        score[k] = randoms(t->memory, &r, ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++)
        present[i] = i % 9 ? rng_next(&r) & ((1u << n) - 1) : 0; /* every ninth: no ranker at all */
    sinter_fusion_batch b = {.size = sizeof b,
                             .n = ITEMS,
                             .n_rankers = n,
                             .ranker = names,
                             .score = score,
                             .present = present,
                             .item = t->item,
                             .before = randoms(t->memory, &r, ITEMS),
                             .query = &QUERY,
                             .user = &t->user,
                             .context = randoms(t->memory, &r, plugin_instance_inputs(t->i)->n_context + 1),
                             .n_context = plugin_instance_inputs(t->i)->n_context,
                             .request_context = &CONTEXT,
                             .seed = 1,
                             .deadline_ns = UINT64_MAX};
    sinter_error e = SINTER_ERROR_INIT;
    begin(t, "fuse");
    if (plugin_check_rankers(t->i, names, n, NULL, &e) != SINTER_OK) {
        say_error(t, "rankers", &e);
        return;
    }
    plugin_result result;
    for (int round = 0; round < 2; round++) {
        plugin_call_begin(&t->call);
        plugin_fuse(t->i, &t->call, &b, round ? again : out, &result);
        plugin_call_end(&t->call);
        if (result.outcome != PLUGIN_DONE) {
            say_error(t, "fuse", &result.error);
            return;
        }
    }
    if (memcmp(out, again, sizeof out) != 0)
        say(t, "fail", "repeat", "the same scores were fused differently the second time");
    else
        say(t, "ok", "fuse", "%u items, every ninth scored by no ranker: all finite, twice the same", (uint32_t)ITEMS);
    say(t, "note", "time", "%.1f us for %u x %u scores", (double)result.elapsed_ns / 1e3, (uint32_t)ITEMS, n);
    begin(t, "shares");
    if (check_shares(t, &b, out)) say(t, "ok", "shares", "bias and contributions sum to the score");
}

/* ---- the other roles
 * ------------------------------------------------------------------------------------------------------------------ */

static void check_recall(trial *t)
{
    uint32_t item[50], n;
    float score[50];
    plugin_result r;
    begin(t, "recall");
    plugin_call_begin(&t->call);
    plugin_recall(t->i, &t->call, &t->request, &nothing, NULL, 0, 50, ITEMS, item, score, &n, &r);
    plugin_call_end(&t->call);
    if (r.outcome != PLUGIN_DONE && r.outcome != PLUGIN_DECLINED) {
        say_error(t, "recall", &r.error);
        return;
    }
    for (uint32_t k = 0; k < n; k++) {
        if (item[k] % 2 == 0) continue;
        say(t, "fail", "recall", "item %u does not pass the filter", item[k]);
        return;
    }
    say(t, "ok", "recall", "%u items within the limit of 50 and the filter", n);
}

static void check_edits(trial *t, plugin_role role)
{
    const plugin_edit *edit;
    uint32_t n;
    plugin_result r;
    float score[20];
    sinter_list list = {.size = sizeof list, .n = 20, .item = t->item, .score = score};
    for (uint32_t i = 0; i < 20; i++)
        score[i] = 20 - (float)i;
    begin(t, PLUGIN_ROLE_NAMES[role]);
    plugin_call_begin(&t->call);
    if (role == PLUGIN_REWRITER)
        plugin_rewrite(t->i, &t->call, &t->request, &edit, &n, &r);
    else
        plugin_finish(t->i, &t->call, &t->request, &list, &edit, &n, &r);
    plugin_call_end(&t->call);
    if (r.outcome != PLUGIN_DONE && r.outcome != PLUGIN_DECLINED)
        say_error(t, PLUGIN_ROLE_NAMES[role], &r.error);
    else
        say(t, "ok", PLUGIN_ROLE_NAMES[role], "%u edits", n);
}

static void check_role(trial *t, plugin_role role)
{
    const sinter_collection collection = {
        .size = sizeof collection, .name = "check", .uuid = "00000000-0000-4000-8000-000000000000", .n_items = ITEMS};
    const config_use use = {.name = "check", .plugin = t->lib->name, .options = t->options, .at = t->options};
    char name[64];
    snprintf(name, sizeof name, "check.%s", PLUGIN_ROLE_NAMES[role]);
    const plugin_open_args args = {
        .role = role, .use = name, .config = &use, .model_dir = t->model, .collection = &collection, .services = &SERVICES};
    sinter_error e = SINTER_ERROR_INIT;
    begin(t, "open");
    if (plugin_open(t->host, t->lib, &args, &t->i, &e) != SINTER_OK) {
        char line[2000];
        /* Options may suit one role and not another; that none opens is the fault, told at the end. */
        bool of_options = e.status == SINTER_INVALID, of_model = e.status == SINTER_PRECONDITION && !t->model;
        if (of_model) error_fix(&e, "give the one to try it with: --model DIR");
        t->wants_model |= of_model;
        say(t, of_options || of_model ? "note" : "fail", "open", "refused as %s: %s", PLUGIN_ROLE_NAMES[role],
            error_line(&e, line, sizeof line));
        return;
    }
    t->opened++;
    say(t, "ok", "open", "as %s; it asks for %u features", PLUGIN_ROLE_NAMES[role],
        plugin_instance_inputs(t->i)->n_features);
    fill_request(t);
    if (role == PLUGIN_RANKER) check_ranker(t);
    if (role == PLUGIN_FUSION) check_fusion(t);
    if (role == PLUGIN_RECALL) check_recall(t);
    if (role == PLUGIN_REWRITER || role == PLUGIN_FINISHER) check_edits(t, role);
    begin(t, "close");
    plugin_instance_release(t->host, t->i);
    int64_t left = atomic_load(&t->lib->counters->bytes);
    if (left)
        say(t, "fail", "memory", "%lld bytes were not given back at close", (long long)left);
    else
        say(t, "ok", "memory", "all of the host's memory was given back at close");
}

/* ---- the file
 * -------------------------------------------------------------------------------------------------------------------------
 */

static bool check_file(trial *t, const char *file)
{
    buffer b = {0};
    plugin_elf elf;
    sinter_error e = SINTER_ERROR_INIT;
    begin(t, "file");
    sinter_status s = file_read(file, 256u << 20, &b, &e);
    if (s == SINTER_OK) s = plugin_elf_read(file, (str){b.data, b.len}, t->memory, &elf, &e);
    buffer_free(&b);
    if (s != SINTER_OK) {
        say_error(t, "file", &e);
        return false;
    }
    for (uint32_t i = 0; i < elf.n_extra && i < 20; i++)
        say(t, "fail", "exports", "it exports '%s'; only sinter_plugin_entry may be seen", elf.extra[i]);
    if (!elf.n_extra) say(t, "ok", "exports", "sinter_plugin_entry and nothing else");
    for (uint32_t i = 0; i < elf.n_unique && i < 20; i++)
        say(t, "fail", "unload", "'%s' is STB_GNU_UNIQUE: the library can never leave; build with -fno-gnu-unique",
            elf.unique[i]);
    return true;
}

static bool load(trial *t, const char *file)
{
    sinter_error e = SINTER_ERROR_INIT;
    begin(t, "load");
    if (plugin_load_file(t->host, file, NULL, &t->lib, &e) != SINTER_OK) {
        say_error(t, "load", &e);
        return false;
    }
    say(t, "ok", "load", "%s %s, ABI %u.%u, %u options", t->lib->name, t->lib->version, t->lib->table->abi_major,
        t->lib->table->abi_minor, t->lib->table->n_options);
    return true;
}

static bool read_options(trial *t, const char *options)
{
    sinter_error e = SINTER_ERROR_INIT;
    sinter_status s = options ? conf_parse_file(options, t->memory, &t->options, &e)
                              : conf_parse_text("(no options)", STR("{}"), t->memory, &t->options, &e);
    if (s != SINTER_OK) say_error(t, "options", &e);
    return s == SINTER_OK;
}

static bool any_required(const sinter_plugin *p)
{
    for (uint32_t i = 0; i < p->n_options; i++) {
        if (p->options[i].required) return true;
    }
    return false;
}

int plugin_check_inside(const char *file, const char *options, const char *model)
{
    static trial t;
    t.model = model;
    char dir[64] = "/tmp/sinter-plugin-XXXXXX";
    sinter_error e = SINTER_ERROR_INIT;
    t.memory = arena_new(1 << 20);
    t.scratch = arena_new(1 << 16);
    t.call = (plugin_call){.memory = t.memory, .scratch = t.scratch};
    for (uint32_t i = 0; i < ITEMS; i++)
        t.item[i] = (i * 619u) % ITEMS;
    if (!mkdtemp(dir) || plugin_host_new(dir, 1, &t.host, &e) != SINTER_OK) {
        say(&t, "fail", "start", "cannot make the folder %s", dir);
        return EXIT_FAILED;
    }
    if (check_file(&t, file) && load(&t, file) && read_options(&t, options)) {
        if (!options && any_required(t.lib->table)) {
            say(&t, "note", "options",
                "it has options that it cannot do without: give them with --options; nothing was opened");
        } else {
            for (int r = 0; r <= PLUGIN_FINISHER; r++) {
                if (plugin_has_role(t.lib, (plugin_role)r)) check_role(&t, (plugin_role)r);
            }
            if (!t.opened && options && !t.wants_model) say(&t, "fail", "open", "it opens in no role with these options");
        }
    }
    begin(&t, "unload");
    if (t.lib) {
        plugin_library_release(t.host, t.lib);
        if (plugin_host_resident(t.host))
            say(&t, "fail", "unload", "it stays in memory after dlclose");
        else
            say(&t, "ok", "unload", "it left memory");
    }
    plugin_host_free(t.host);
    dir_remove(dir, NULL);
    arena_free(t.memory);
    arena_free(t.scratch);
    return t.fails ? EXIT_FAILED : EXIT_OK;
}
