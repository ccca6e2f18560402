/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ranked lists from a running server: each judged query as one Search, several connections at a time. */
#include "evaluate.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "collections.h"
#include <google/protobuf/timestamp.pb-c.h>
#include <sinter/v1/admin.pb-c.h>
#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#define ANSWER_WITHIN_NS (60ull * 1000000000)
#define TRIES            6 /* a busy server is asked again, later each time */

/* One system's pass over the queries, shared by its workers. */
typedef struct pass {
    const evaluate_arguments *a;
    const judgments *j;
    evaluate_system *system;
    const char *collection, *pipeline;
    uint32_t page_size;
    uint64_t sequence; /* what was written before the evaluation began is searchable in every answer */
    atomic_uint next, done;
    atomic_bool failed;
    pthread_mutex_t lock; /* guards what follows and the system's counts */
    bool noted;
    sinter_error error;
    int code;
} pass;

typedef struct worker {
    pass *p;
    client *c;
    arena *memory;
    pthread_t thread;
    bool started;
} worker;

/* ---- one query
 * --------------------------------------------------------------------------------------------------------------- */

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* People's colons ("ratio 3:4") are no field names. */
static char *words_of(const pass *p, const judged_query *q)
{
    char *words = xstrdup(q->text);
    for (char *c = words; *c && !p->a->syntax; c++)
        if (*c == ':') *c = ' ';
    return words;
}

static void wait_ms(uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static sinter_status search(worker *w, const Sinter__V1__SearchRequest *request, Sinter__V1__SearchResponse **answer,
                            sinter_error *e)
{
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < TRIES; i++) {
        ProtobufCMessage *m = NULL;
        s = client_call(w->c, "sinter.v1.SearchService/Search", &request->base,
                        &sinter__v1__search_response__descriptor, ANSWER_WITHIN_NS, &m, e);
        *answer = (Sinter__V1__SearchResponse *)(void *)m;
        if (s != SINTER_EXHAUSTED && s != SINTER_UNAVAILABLE) return s;
        wait_ms(50ull << i);
    }
    return s;
}

static void keep(worker *w, uint32_t query, const Sinter__V1__SearchResponse *r)
{
    evaluate_system *s = w->p->system;
    ranked_list *l = &s->list[query];
    l->item = ARENA_ARRAY(w->memory, const char *, r->n_hits + 1);
    for (size_t i = 0; i < r->n_hits; i++)
        l->item[l->n++] = arena_strdup(w->memory, r->hits[i]->id);
    bool noted = w->p->a->split && r->assignment && r->assignment->n_notes;
    if (!r->n_degraded && !r->corrected_query[0] && !noted) return;
    pthread_mutex_lock(&w->p->lock);
    if (noted) evaluate_split_notes(w->p->a, r, &w->p->noted);
    s->corrected += r->corrected_query[0] != 0;
    if (r->n_degraded && s->degraded++ == 0)
        snprintf(s->degraded_first, sizeof s->degraded_first, "%s: %s", r->degraded[0]->name, r->degraded[0]->reason);
    pthread_mutex_unlock(&w->p->lock);
}

/* Who asks and when, where the file of queries says so; lives as long as the request. */
typedef struct asker {
    Sinter__V1__User user;
    Sinter__V1__Context context;
    Google__Protobuf__Timestamp time;
    Sinter__V1__User__AttributesEntry *entry, **entries;
    Sinter__V1__Value *value;
} asker;

/* A file has only text: true and false are booleans, numbers numbers, the rest is text. */
static void fill_value(Sinter__V1__Value *v, const char *cell)
{
    sinter__v1__value__init(v);
    bool truth = strcmp(cell, "true") == 0;
    double number = 0;
    if (truth || strcmp(cell, "false") == 0) {
        v->kind_case = SINTER__V1__VALUE__KIND_BOOLEAN_VALUE;
        v->boolean_value = truth;
    } else if (parse_double(str_of(cell), &number) && isfinite(number)) {
        v->kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
        v->number_value = number;
    } else {
        v->kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
        v->string_value = text(cell);
    }
}

static void fill_attributes(asker *who, const judgments *j, const judged_query *q)
{
    uint32_t n = q->attribute ? j->n_attributes : 0;
    who->entry = xcalloc(n + 1, sizeof *who->entry);
    who->entries = xcalloc(n + 1, sizeof(Sinter__V1__User__AttributesEntry *));
    who->value = xcalloc(n + 1, sizeof *who->value);
    for (uint32_t i = 0; i < n; i++) {
        size_t at = who->user.n_attributes;
        if (!q->attribute[i][0]) continue;
        fill_value(&who->value[at], q->attribute[i]);
        sinter__v1__user__attributes_entry__init(&who->entry[at]);
        who->entry[at].key = text(j->attribute[i]);
        who->entry[at].value = &who->value[at];
        who->entries[at] = &who->entry[at];
        who->user.n_attributes++;
    }
    who->user.attributes = who->entries;
}

static void asker_fill(asker *who, const judgments *j, const judged_query *q, Sinter__V1__SearchRequest *r)
{
    *who = (asker){0};
    sinter__v1__user__init(&who->user);
    sinter__v1__context__init(&who->context);
    if (q->user) who->user.user_id = text(q->user);
    if (q->session) who->user.session_id = text(q->session);
    fill_attributes(who, j, q);
    if (q->user || q->session || who->user.n_attributes) r->user = &who->user;
    if (!q->timed) return;
    who->time = timestamp_of(q->time_ms);
    who->context.time = &who->time;
    r->context = &who->context;
}

static void asker_free(asker *who)
{
    free(who->entry);
    free(who->entries);
    free(who->value);
}

static sinter_status ask(worker *w, uint32_t query, sinter_error *e)
{
    const pass *p = w->p;
    Sinter__V1__SearchRequest r;
    asker who;
    sinter__v1__search_request__init(&r);
    asker_fill(&who, p->j, &p->j->query[query], &r);
    char *words = words_of(p, &p->j->query[query]);
    r.collection = text(p->collection);
    r.pipeline = text(p->pipeline);
    r.query = words;
    r.page_size = p->page_size;
    r.no_impression = true;
    r.after_sequence = p->sequence;
    if (p->a->split) evaluate_split_request(&r);
    Sinter__V1__SearchResponse *answer = NULL;
    sinter_status s = search(w, &r, &answer, e);
    if (!s) keep(w, query, answer);
    if (answer) sinter__v1__search_response__free_unpacked(answer, NULL);
    free(words);
    asker_free(&who);
    return s;
}

/* ---- workers
 * ------------------------------------------------------------------------------------------------------------------ */

/* The first failure is the one that is told. */
static void fail(worker *w, const char *query, const sinter_error *e)
{
    pass *p = w->p;
    pthread_mutex_lock(&p->lock);
    if (!atomic_exchange(&p->failed, true)) {
        p->error = *e;
        if (query) error_where(&p->error, "query '%s'%s%s", query, e->where[0] ? ", " : "", e->where);
        p->code = client_exit_code(w->c, e);
    }
    pthread_mutex_unlock(&p->lock);
}

static void work(void *arg)
{
    worker *w = arg;
    pass *p = w->p;
    sinter_error e = SINTER_ERROR_INIT;
    uint32_t query;
    while (!atomic_load(&p->failed) && (query = atomic_fetch_add(&p->next, 1)) < p->j->n_queries) {
        if (ask(w, query, &e)) fail(w, p->j->query[query].id, &e);
        atomic_fetch_add(&p->done, 1);
    }
}

static void start(worker *w)
{
    sinter_error e = SINTER_ERROR_INIT;
    if (!client_open(w->p->a->server, &w->c, &e) && !thread_start(&w->thread, "evaluate", work, w, &e))
        w->started = true;
    else
        fail(w, NULL, &e);
}

static void show_progress(pass *p)
{
    bool show = !p->a->quiet && isatty(STDERR_FILENO);
    uint64_t began = clock_mono_ns();
    while (atomic_load(&p->done) < p->j->n_queries && !atomic_load(&p->failed)) {
        double seconds = (double)(clock_mono_ns() - began) * 1e-9;
        uint32_t done = atomic_load(&p->done);
        if (show)
            fprintf(stderr, "\r%s: %u of %u queries, %.0f/s ", p->system->name, done, p->j->n_queries,
                    done / (seconds + 1e-3));
        wait_ms(20);
    }
    if (show) fprintf(stderr, "\r\033[K");
}

static int run_pass(pass *p)
{
    uint32_t n = (uint32_t)p->a->in_flight;
    worker *workers = xcalloc(n, sizeof *workers);
    evaluate_system *s = p->system;
    uint64_t began = clock_mono_ns();
    s->list = xcalloc(p->j->n_queries + 1, sizeof *s->list);
    s->memory = xcalloc(n, sizeof *s->memory);
    s->n_memory = n;
    for (uint32_t i = 0; i < n; i++) {
        s->memory[i] = arena_new(1u << 16);
        workers[i] = (worker){.p = p, .memory = s->memory[i]};
        start(&workers[i]);
    }
    show_progress(p);
    for (uint32_t i = 0; i < n; i++) {
        if (workers[i].started) pthread_join(workers[i].thread, NULL);
        client_close(workers[i].c);
    }
    free(workers);
    s->seconds = (double)(clock_mono_ns() - began) * 1e-9;
    return atomic_load(&p->failed) ? evaluate_fail(&p->error, p->code) : EXIT_OK;
}

/* ---- pipelines
 * ------------------------------------------------------------------------------------------------------------------ */

static int unknown_pipeline(const char *name, const Sinter__V1__ListCollectionsResponse *all)
{
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < all->n_collections; i++) {
        for (size_t k = 0; k < all->collections[i]->n_pipelines && n < ARRAY_LEN(names); k++)
            names[n++] = all->collections[i]->pipelines[k];
        if (n < ARRAY_LEN(names)) names[n++] = all->collections[i]->name;
    }
    sinter_error e = SINTER_ERROR_INIT;
    const char *near = near_name(name, names, n);
    error_set(&e, SINTER_NOT_FOUND, name, "config/pipelines holds them",
              "the server has no pipeline or collection of this name");
    if (near) error_fix(&e, "did you mean '%s'?", near);
    return evaluate_fail(&e, EXIT_ABSENT);
}

/* The collection that a pipeline ranks; a collection's own name means its default pipeline. */
static bool find_pipeline(pass *p, const Sinter__V1__ListCollectionsResponse *all)
{
    const char *name = p->system->name;
    for (size_t i = 0; i < all->n_collections; i++)
        for (size_t k = 0; k < all->collections[i]->n_pipelines; k++)
            if (strcmp(all->collections[i]->pipelines[k], name) == 0) {
                p->collection = all->collections[i]->name;
                p->pipeline = name;
                return true;
            }
    if (!collection_named(all, name)) return false;
    p->collection = name;
    p->pipeline = "";
    return true;
}

/* What the evaluation needs to know of the server before it asks. */
typedef struct facts {
    Sinter__V1__ListCollectionsResponse *all;
    uint64_t sequence;
} facts;

static sinter_status learn_facts(client *c, facts *f, sinter_error *e)
{
    Sinter__V1__ListCollectionsRequest list;
    Sinter__V1__GetStatusRequest status;
    sinter__v1__list_collections_request__init(&list);
    sinter__v1__get_status_request__init(&status);
    ProtobufCMessage *m = NULL;
    sinter_status s = client_call(c, "sinter.v1.AdminService/GetStatus", &status.base,
                                  &sinter__v1__get_status_response__descriptor, ANSWER_WITHIN_NS, &m, e);
    if (s) return s;
    f->sequence = ((Sinter__V1__GetStatusResponse *)(void *)m)->sequence;
    protobuf_c_message_free_unpacked(m, NULL);
    s = client_call(c, "sinter.v1.CatalogService/ListCollections", &list.base,
                    &sinter__v1__list_collections_response__descriptor, ANSWER_WITHIN_NS, &m, e);
    if (!s) f->all = (Sinter__V1__ListCollectionsResponse *)(void *)m;
    return s;
}

static int ask_system(const evaluate_arguments *a, const judgments *j, evaluate_system *s, const facts *f)
{
    pass p = {.a = a, .j = j, .system = s, .lock = PTHREAD_MUTEX_INITIALIZER, .page_size = 1, .sequence = f->sequence};
    if (!find_pipeline(&p, f->all)) return unknown_pipeline(s->name, f->all);
    for (uint32_t m = 0; m < a->n_metrics; m++)
        if (a->metric[m].k > p.page_size) p.page_size = a->metric[m].k;
    return run_pass(&p);
}

int evaluate_ask(evaluate_arguments *a, const judgments *j)
{
    bool any = false;
    for (uint32_t i = 0; i < a->n_systems; i++)
        any = any || !a->system[i].file;
    if (!any) return EXIT_OK;
    client *c = NULL;
    facts f = {0};
    sinter_error e = SINTER_ERROR_INIT;
    if (client_open(a->server, &c, &e)) return client_fail("evaluate", NULL, &e);
    int code = learn_facts(c, &f, &e) ? client_fail("evaluate", c, &e) : EXIT_OK;
    for (uint32_t i = 0; i < a->n_systems && code == EXIT_OK; i++)
        if (!a->system[i].file) code = ask_system(a, j, &a->system[i], &f);
    if (f.all) sinter__v1__list_collections_response__free_unpacked(f.all, NULL);
    client_close(c);
    return code;
}

void evaluate_system_free(evaluate_system *s)
{
    if (s->run)
        ranked_run_free(s->run);
    else
        free(s->list);
    for (uint32_t i = 0; i < s->n_memory; i++)
        arena_free(s->memory[i]);
    free(s->memory);
}
