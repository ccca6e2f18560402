/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each connection walks over all request numbers and plays those of its own people: search, look, click, buy, send the
 * events, wait for their acknowledgement, go on. */
#include "demo_play_run.h"
#include "progress.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "journal/journal.h"
#include <google/protobuf/timestamp.pb-c.h>
#include <sinter/v1/admin.pb-c.h>
#include <sinter/v1/events.pb-c.h>
#include <sinter/v1/search.pb-c.h>

#define ANSWER_WITHIN_NS (30ull * 1000000000)
#define TRIES            10
#define AHEAD            256 /* requests that a connection may be ahead of the slowest: the world's time is nearly one */
#define DONE             UINT64_MAX

typedef struct run run;

typedef struct worker {
    run *r;
    uint32_t number;
    client *c;
    _Atomic uint64_t at; /* number of the request it has come to */
    play_tally tally;
    pthread_t thread;
    bool started;
} worker;

struct run {
    const play_plan *plan;
    const demo_visitors *v;
    worker *worker; /* [in_flight] */
    _Atomic uint64_t played;
    atomic_bool failed;
    pthread_mutex_t lock; /* guards what follows */
    uint64_t until, highest; /* requests below `until` are played; the highest begun */
    bool begun;
    sinter_error error;
    int code;
};

/* ---- calls ------------------------------------------------------------------------------------------------------------ */

static char *text(const char *s) {
    return (char *)(uintptr_t)s;
}

static void wait_us(uint64_t us) {
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&t, NULL);
}

/* A server that is busy or restarts is asked again, later each time; ids make that harmless. */
static sinter_status call(worker *w, const char *method, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *type, ProtobufCMessage **answer, sinter_error *e) {
    sinter_status s = SINTER_OK;
    for (uint32_t i = 0; i < TRIES; i++) {
        s = client_call(w->c, method, request, type, ANSWER_WITHIN_NS, answer, e);
        bool again = s == SINTER_EXHAUSTED || s == SINTER_UNAVAILABLE;
        if (!again || i + 1 == TRIES || atomic_load(&w->r->failed)) return s;
        w->tally.retries++;
        wait_us(i < 6 ? 50000ull << i : 2000000);
    }
    return s;
}

/* ---- a search ----------------------------------------------------------------------------------------------------------- */

typedef struct visit_ids {
    char request[64], session[40];
} visit_ids;

static sinter_status search(worker *w, const demo_visit *visit, const visit_ids *ids, Sinter__V1__SearchResponse **answer,
                            sinter_error *e) {
    const play_plan *plan = w->r->plan;
    const demo_world *world = w->r->v->world;
    const demo_user *u = &world->users[visit->user];
    Sinter__V1__Value segment = SINTER__V1__VALUE__INIT, member = SINTER__V1__VALUE__INIT;
    segment.kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
    segment.string_value = text(demo_segments[u->segment]);
    member.kind_case = SINTER__V1__VALUE__KIND_BOOLEAN_VALUE;
    member.boolean_value = u->member;
    Sinter__V1__User__AttributesEntry entry[2] = {SINTER__V1__USER__ATTRIBUTES_ENTRY__INIT,
                                                  SINTER__V1__USER__ATTRIBUTES_ENTRY__INIT};
    entry[0].key = text("segment"), entry[0].value = &segment;
    entry[1].key = text("member"), entry[1].value = &member;
    Sinter__V1__User__AttributesEntry *entries[2] = {&entry[0], &entry[1]};
    Sinter__V1__User user = SINTER__V1__USER__INIT;
    user.user_id = text(u->id);
    user.session_id = text(ids->session);
    user.attributes = entries;
    user.n_attributes = 2;
    Google__Protobuf__Timestamp now = timestamp_of(visit->time_ms);
    Sinter__V1__Context context = SINTER__V1__CONTEXT__INIT;
    context.time = &now;
    Sinter__V1__SearchRequest request = SINTER__V1__SEARCH_REQUEST__INIT;
    request.collection = text(plan->collection);
    request.pipeline = text(plan->pipeline ? plan->pipeline : "");
    request.query = world->queries[visit->query].text;
    request.page_size = (uint32_t)plan->page_size;
    request.user = &user;
    request.context = &context;
    request.request_id = text(ids->request);
    if (plan->after_events) request.after_sequence = w->tally.sequence;
    ProtobufCMessage *m = NULL;
    sinter_status s = call(w, "sinter.v1.SearchService/Search", &request.base, &sinter__v1__search_response__descriptor,
                           &m, e);
    *answer = (Sinter__V1__SearchResponse *)(void *)m;
    return s;
}

/* ---- its events ----------------------------------------------------------------------------------------------------------- */

typedef struct event_row {
    Sinter__V1__Event event;
    Google__Protobuf__Timestamp time;
    char id[80];
    char *item;
} event_row;

static void event_fill(event_row *row, const worker *w, const demo_visit *visit, const visit_ids *ids, const demo_act *act,
                       bool purchase) {
    const demo_world *world = w->r->v->world;
    sinter__v1__event__init(&row->event);
    snprintf(row->id, sizeof row->id, "%s-%c%u", ids->request, purchase ? 'p' : 'c', act->position);
    row->time = timestamp_of(purchase ? act->bought_ms : act->clicked_ms);
    row->item = world->items[act->item].id;
    Sinter__V1__Event *event = &row->event;
    event->event_id = row->id;
    event->collection = text(w->r->plan->collection);
    event->type = text(purchase ? "purchase" : "click");
    event->user_id = world->users[visit->user].id;
    event->session_id = text(ids->session);
    event->item_ids = &row->item;
    event->n_item_ids = 1;
    event->value = purchase ? world->items[act->item].price : 1;
    event->time = &row->time;
    event->request_id = text(ids->request);
    event->position = act->position;
    event->query = world->queries[visit->query].text;
}

static sinter_status take_answer(worker *w, const Sinter__V1__RecordEventsResponse *r, sinter_error *e) {
    w->tally.accepted += r->accepted;
    w->tally.repeated += r->repeated;
    if (r->sequence > w->tally.sequence) w->tally.sequence = r->sequence;
    if (!r->n_rejected) return SINTER_OK;
    const Sinter__V1__EventRejected *first = r->rejected[0];
    error_set(e, SINTER_INVALID, first->event_id, NULL, "the server takes no such event: %s: %s%s%s", first->field,
              first->reason, first->valid[0] ? "; valid: " : "", first->valid);
    if (strcmp(first->field, "type") == 0)
        error_fix(e, "declare `events: {click: 1, purchase: 5}` in the collection's YAML");
    return SINTER_INVALID;
}

static sinter_status send_events(worker *w, const demo_visit *visit, const visit_ids *ids, const demo_act *acts, uint32_t n,
                                 sinter_error *e) {
    event_row rows[2 * DEMO_POSITIONS];
    Sinter__V1__Event *events[2 * DEMO_POSITIONS];
    Sinter__V1__RecordEventsRequest request = SINTER__V1__RECORD_EVENTS_REQUEST__INIT;
    request.events = events;
    for (uint32_t i = 0; i < n; i++) {
        for (int purchase = 0; purchase <= acts[i].bought; purchase++) {
            event_row *row = &rows[request.n_events];
            event_fill(row, w, visit, ids, &acts[i], purchase);
            events[request.n_events++] = &row->event;
        }
    }
    ProtobufCMessage *m = NULL;
    sinter_status s = call(w, "sinter.v1.EventService/RecordEvents", &request.base,
                           &sinter__v1__record_events_response__descriptor, &m, e);
    if (s != SINTER_OK) return s;
    s = take_answer(w, (const Sinter__V1__RecordEventsResponse *)(void *)m, e);
    protobuf_c_message_free_unpacked(m, NULL);
    return s;
}

/* ---- a request ------------------------------------------------------------------------------------------------------------ */

/* The page as item numbers; counts what it was worth to who asked. */
static uint32_t read_page(worker *w, const demo_visit *visit, const Sinter__V1__SearchResponse *answer, uint32_t *item) {
    const demo_world *world = w->r->v->world;
    play_tally *t = &w->tally;
    uint32_t n = answer->n_hits < DEMO_POSITIONS ? (uint32_t)answer->n_hits : DEMO_POSITIONS;
    for (uint32_t p = 0; p < n; p++) {
        item[p] = demo_item_number(world, answer->hits[p]->id);
        t->shown_at[p]++;
        t->strangers += item[p] == DEMO_NONE;
        if (item[p] == DEMO_NONE) continue;
        demo_parts parts = demo_utility_parts(world, visit->user, visit->query, item[p]);
        double utility = demo_utility(&parts);
        t->utility += utility;
        t->utility_first += p < 10 ? utility : 0;
        t->hits_first += p < 10;
    }
    t->hits += n;
    t->empty += n == 0;
    t->degraded += answer->n_degraded > 0;
    return n;
}

static sinter_status serve(worker *w, const demo_visit *visit, sinter_error *e) {
    const play_plan *plan = w->r->plan;
    visit_ids ids;
    snprintf(ids.request, sizeof ids.request, "play-%llu-%llu", (unsigned long long)plan->seed,
             (unsigned long long)visit->number);
    demo_visit_session(w->r->v, visit, ids.session);
    Sinter__V1__SearchResponse *answer = NULL;
    sinter_status s = search(w, visit, &ids, &answer, e);
    if (s != SINTER_OK) return s;
    uint32_t item[DEMO_POSITIONS];
    demo_act acts[DEMO_POSITIONS];
    uint32_t n = read_page(w, visit, answer, item);
    sinter__v1__search_response__free_unpacked(answer, NULL);
    uint32_t clicks = demo_visit_act(w->r->v, plan->seed, visit, item, n, plan->random_clicks, acts);
    if (clicks) s = send_events(w, visit, &ids, acts, clicks, e);
    if (s != SINTER_OK) return s;
    w->tally.requests++;
    w->tally.clicks += clicks;
    for (uint32_t i = 0; i < clicks; i++) {
        w->tally.clicks_at[acts[i].position - 1]++;
        w->tally.purchases += acts[i].bought;
    }
    atomic_fetch_add(&w->r->played, 1);
    return SINTER_OK;
}

/* ---- connections ------------------------------------------------------------------------------------------------------------ */

/* The first failure is the one that is told. */
static void fail(worker *w, const demo_visit *visit, const sinter_error *e) {
    run *r = w->r;
    pthread_mutex_lock(&r->lock);
    if (!atomic_exchange(&r->failed, true)) {
        r->error = *e;
        if (visit) error_where(&r->error, "request %llu%s%s", (unsigned long long)visit->number, e->where[0] ? ", " : "", e->where);
        r->code = client_exit_code(w->c, e);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Requests are begun or given up by one rule under one lock, so that an interrupted run ends at a number: all below it
 * were played, none from it on. */
static bool begin(run *r, uint64_t number) {
    pthread_mutex_lock(&r->lock);
    bool wanted = number < r->until;
    if (wanted && (!r->begun || number > r->highest)) r->highest = number;
    r->begun = r->begun || wanted;
    pthread_mutex_unlock(&r->lock);
    return wanted;
}

static void wait_for_the_others(const run *r, uint64_t number) {
    for (;;) {
        uint64_t least = DONE;
        for (uint32_t i = 0; i < r->plan->in_flight; i++) {
            uint64_t at = atomic_load_explicit(&r->worker[i].at, memory_order_relaxed);
            least = at < least ? at : least;
        }
        if (number <= least || number - least <= AHEAD || atomic_load(&r->failed)) return;
        wait_us(100);
    }
}

static void work(void *arg) {
    worker *w = arg;
    run *r = w->r;
    sinter_error e = SINTER_ERROR_INIT;
    uint64_t end = r->plan->from + r->plan->requests;
    for (uint64_t k = r->plan->from; k < end && !atomic_load(&r->failed); k++) {
        demo_visit visit = demo_visit_draw(r->v, r->plan->seed, k);
        atomic_store_explicit(&w->at, k, memory_order_relaxed);
        if (visit.user % r->plan->in_flight != w->number) continue;
        wait_for_the_others(r, k);
        if (!begin(r, k)) break;
        if (serve(w, &visit, &e) != SINTER_OK) fail(w, &visit, &e);
    }
    atomic_store(&w->at, DONE);
}

static void start(worker *w) {
    sinter_error e = SINTER_ERROR_INIT;
    if (client_open(w->r->plan->server, &w->c, &e) == SINTER_OK && thread_start(&w->thread, "play", work, w, &e) == SINTER_OK) {
        w->started = true;
        return;
    }
    atomic_store(&w->at, DONE);
    fail(w, NULL, &e);
}

/* ---- progress and interruption ------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
}

/* The second signal ends the process as usual. */
static void catch_signals(struct sigaction old[2]) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    interrupted = 0;
    sigaction(SIGINT, &action, &old[0]);
    sigaction(SIGTERM, &action, &old[1]);
}

static void restore_signals(const struct sigaction old[2]) {
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
}

static void show(const run *r, double seconds) {
    uint64_t played = atomic_load(&r->played), all = r->plan->requests;
    progress_draw(all ? (double)played / (double)all : 1, played, "requests", seconds);
}

static bool all_done(const run *r) {
    for (uint32_t i = 0; i < r->plan->in_flight; i++) {
        if (atomic_load(&r->worker[i].at) != DONE) return false;
    }
    return true;
}

/* Begun requests are finished, none is begun any more. */
static void stop_beginning(run *r) {
    pthread_mutex_lock(&r->lock);
    uint64_t stop = r->begun ? r->highest + 1 : r->plan->from;
    if (stop < r->until) r->until = stop;
    pthread_mutex_unlock(&r->lock);
}

static void watch(run *r, uint64_t began_ns) {
    bool shown = false;
    for (uint32_t round = 0; !all_done(r); round++) {
        if (interrupted) stop_beginning(r);
        if (!r->plan->quiet && isatty(STDERR_FILENO) && round % 10 == 9) {
            show(r, (double)(clock_mono_ns() - began_ns) * 1e-9);
            shown = true;
        }
        wait_us(20000);
    }
    if (shown) fputs("\r\033[K", stderr);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------ */

static void add(play_tally *sum, const play_tally *t) {
    sum->requests += t->requests, sum->empty += t->empty, sum->degraded += t->degraded, sum->hits += t->hits;
    sum->strangers += t->strangers, sum->clicks += t->clicks, sum->purchases += t->purchases;
    sum->accepted += t->accepted, sum->repeated += t->repeated, sum->retries += t->retries;
    sum->utility += t->utility, sum->utility_first += t->utility_first, sum->hits_first += t->hits_first;
    for (uint32_t p = 0; p < DEMO_POSITIONS; p++)
        sum->shown_at[p] += t->shown_at[p], sum->clicks_at[p] += t->clicks_at[p];
    if (t->sequence > sum->sequence) sum->sequence = t->sequence;
}

static sinter_status newest(client *c, uint64_t *out, sinter_error *e) {
    Sinter__V1__GetStatusRequest request = SINTER__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    sinter_status s = client_call(c, "sinter.v1.AdminService/GetStatus", &request.base,
                                  &sinter__v1__get_status_response__descriptor, ANSWER_WITHIN_NS, &m, e);
    if (s != SINTER_OK) return s;
    *out = ((const Sinter__V1__GetStatusResponse *)(void *)m)->sequence;
    protobuf_c_message_free_unpacked(m, NULL);
    return SINTER_OK;
}

static void play_all(run *r, play_result *out) {
    uint32_t n = (uint32_t)r->plan->in_flight;
    struct sigaction old[2];
    uint64_t began = clock_mono_ns();
    r->worker = xcalloc(n, sizeof *r->worker);
    for (uint32_t i = 0; i < n; i++) {
        r->worker[i].r = r;
        r->worker[i].number = i;
        atomic_store(&r->worker[i].at, r->plan->from);
    }
    catch_signals(old);
    for (uint32_t i = 0; i < n; i++)
        start(&r->worker[i]);
    watch(r, began);
    for (uint32_t i = 0; i < n; i++) {
        if (r->worker[i].started) pthread_join(r->worker[i].thread, NULL);
        client_close(r->worker[i].c);
        add(&out->tally, &r->worker[i].tally);
    }
    restore_signals(old);
    out->interrupted = interrupted;
    out->next = r->until;
    out->seconds = (double)(clock_mono_ns() - began) * 1e-9;
    free(r->worker);
}

int play_run(const play_plan *plan, const demo_visitors *v, play_result *out) {
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    *out = (play_result){.next = plan->from};
    if (client_open(plan->server, &c, &e) != SINTER_OK) return client_fail("demo play", NULL, &e);
    int code = newest(c, &out->since, &e) != SINTER_OK ? client_fail("demo play", c, &e) : EXIT_OK;
    if (code != EXIT_OK) {
        client_close(c);
        return code;
    }
    run r = {.plan = plan, .v = v, .lock = PTHREAD_MUTEX_INITIALIZER, .until = plan->from + plan->requests};
    play_all(&r, out);
    if (atomic_load(&r.failed)) {
        char line[1600];
        fprintf(stderr, "sinter demo play: %s\n", error_line(&r.error, line, sizeof line));
        code = r.code;
    } else if (newest(c, &out->until, &e) != SINTER_OK) {
        code = client_fail("demo play", c, &e);
    }
    client_close(c);
    return code;
}
