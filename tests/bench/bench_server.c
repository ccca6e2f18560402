/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The servers under measurement, and the documents and requests that they get. */
#include "bench_server.h"

#include "base/base.h"
#include "commands/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sinter/v1/catalog.pb-c.h>
#include <sinter/v1/search.pb-c.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 500, START_SECONDS = 60, FIELDS = 6 };

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

/* ---- processes ---- */

static void start(child *c, char *const *argv, posix_spawn_file_actions_t *actions)
{
    int bad = posix_spawn(&c->pid, argv[0], actions, NULL, argv, environ);
    if (bad) give_up(argv[0], strerror(bad));
}

static bool read_line(const char *path, char *out, size_t room)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(out, (int)room, f) && strchr(out, ':');
    if (f) fclose(f);
    if (ok) out[strcspn(out, "\n")] = 0;
    return ok;
}

void child_serve(child *c, const char *sinter, const char *config, const char *port_file)
{
    char *argv[] = {(char *)(uintptr_t)sinter, (char *)(uintptr_t)"serve", (char *)(uintptr_t)"-c", (char *)(uintptr_t)config,
                    (char *)(uintptr_t)"--port-file", (char *)(uintptr_t)port_file, NULL};
    unlink(port_file);
    *c = (child){.input = -1};
    start(c, argv, NULL);
    for (int i = 0; i < START_SECONDS * 50; i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        int status;
        if (read_line(port_file, c->address, sizeof c->address)) return;
        if (waitpid(c->pid, &status, WNOHANG) == c->pid) give_up(sinter, "the server ended at its start");
        nanosleep(&pause, NULL);
    }
    child_end(c);
    give_up(sinter, "the server does not listen");
}

void child_echo(child *c, const char *self)
{
    int in[2], out[2];
    char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t)"--echo", NULL};
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) give_up("pipe", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    *c = (child){.input = in[1]};
    start(c, argv, &actions);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    ssize_t n = read(out[0], c->address, sizeof c->address - 1);
    close(out[0]);
    if (n <= 0) give_up("echo", "it did not start");
    c->address[n] = 0;
    c->address[strcspn(c->address, "\n")] = 0;
}

void child_end(child *c)
{
    int status;
    if (c->pid <= 0) return;
    if (c->input >= 0)
        close(c->input);
    else
        kill(c->pid, SIGTERM);
    for (int i = 0; i < 1000; i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
            c->pid = 0;
            return;
        }
        nanosleep(&pause, NULL);
    }
    kill(c->pid, SIGKILL);
    waitpid(c->pid, &status, 0);
    c->pid = 0;
}

double child_cpu(const child *c)
{
    char path[64];
    double all = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)c->pid);
    FILE *f = fopen(path, "re");
    unsigned long user = 0, system = 0;
    if (f && fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
        all = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    if (f) fclose(f);
    return all;
}

/* ---- documents ---- */

/* An item's fields, made anew in the same memory for each document. */
typedef struct item_room {
    Sinter__V1__Item item;
    Sinter__V1__Item__FieldsEntry entry[FIELDS], *entries[FIELDS];
    Sinter__V1__Value value[FIELDS];
    char id[16], title[128], body[512], brand[16];
} item_room;

static void write_words(const uint16_t *word, uint32_t n, char *out)
{
    for (uint32_t k = 0; k < n; k++) {
        corpus_word(word[k], out);
        out += 6;
        *out++ = ' ';
    }
    out[-1] = 0;
}

static void item_make(item_room *r, uint32_t number, const corpus_document *d)
{
    static const char *names[FIELDS] = {"title", "body", "brand", "price", "rating", "stock"};
    sinter__v1__item__init(&r->item);
    snprintf(r->id, sizeof r->id, "%u", number);
    write_words(d->word, d->n_title, r->title);
    write_words(d->word + d->n_title, d->n_body, r->body);
    snprintf(r->brand, sizeof r->brand, "brand-%u", d->brand);
    char *text[] = {r->title, r->body, r->brand};
    for (int i = 0; i < FIELDS; i++) {
        sinter__v1__item__fields_entry__init(&r->entry[i]);
        sinter__v1__value__init(&r->value[i]);
        r->entry[i].key = (char *)(uintptr_t)names[i];
        r->entry[i].value = &r->value[i];
        r->entries[i] = &r->entry[i];
        if (i >= 3) continue;
        r->value[i].kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
        r->value[i].string_value = text[i];
    }
    r->value[3].kind_case = r->value[4].kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
    r->value[3].number_value = d->price;
    r->value[4].number_value = d->rating;
    r->value[5].kind_case = SINTER__V1__VALUE__KIND_INTEGER_VALUE;
    r->value[5].integer_value = d->stock;
    r->item.id = r->id;
    r->item.fields = r->entries;
    r->item.n_fields = FIELDS;
}

static void must(sinter_status s, const sinter_error *e)
{
    char line[1500];
    if (s != SINTER_OK) give_up("filling", error_line(e, line, sizeof line));
}

static uint64_t put_batch(client_stream *s, item_room *room, Sinter__V1__Item **items, uint32_t n)
{
    sinter_error e = SINTER_ERROR_INIT;
    Sinter__V1__UpsertItemsRequest q = SINTER__V1__UPSERT_ITEMS_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    for (uint32_t i = 0; i < n; i++) items[i] = &room[i].item;
    q.collection = (char *)(uintptr_t)"docs";
    q.items = items;
    q.n_items = n;
    must(client_stream_send(s, &q.base, &e), &e);
    must(client_stream_receive(s, &m, &e), &e);
    if (!m) give_up("filling", "the server ended the stream");
    Sinter__V1__UpsertItemsResponse *r = (Sinter__V1__UpsertItemsResponse *)m;
    if (r->accepted != n) give_up("filling", "the server refused items");
    uint64_t sequence = r->sequence;
    protobuf_c_message_free_unpacked(m, NULL);
    return sequence;
}

void server_fill(const char *address, const corpus *c)
{
    sinter_error e = SINTER_ERROR_INIT;
    client *l;
    client_stream *s;
    ProtobufCMessage *m = NULL;
    item_room *room = xcalloc(BATCH, sizeof *room);
    Sinter__V1__Item **items = xcalloc(BATCH, sizeof *items);
    uint64_t sequence = 0;
    must(client_open(address, &l, &e), &e);
    must(client_stream_open(l, "sinter.v1.CatalogService/UpsertItems", &sinter__v1__upsert_items_response__descriptor, CLIENT_NO_TIMEOUT,
                            &s, &e), &e);
    for (uint32_t i = 0; i < c->n;) {
        uint32_t n = 0;
        for (; n < BATCH && i < c->n; n++, i++) item_make(&room[n], i, &c->document[i]);
        sequence = put_batch(s, room, items, n);
    }
    must(client_stream_finish_sending(s, &e), &e);
    client_stream_close(s);
    Sinter__V1__SearchRequest q = SINTER__V1__SEARCH_REQUEST__INIT;
    q.collection = (char *)(uintptr_t)"docs";
    q.after_sequence = sequence;
    must(client_call(l, "sinter.v1.SearchService/Search", &q.base, &sinter__v1__search_response__descriptor, UINT64_C(300000000000), &m, &e), &e);
    protobuf_c_message_free_unpacked(m, NULL);
    client_close(l);
    free(items);
    free(room);
}

/* A brand's values, a stock's, and prices in five ranges: what a shop shows beside its hits. */
typedef struct facets_asked {
    Sinter__V1__FacetRequest facet[3], *facets[3];
    Sinter__V1__FacetRange range[5], *ranges[5];
    Sinter__V1__Value bound[4];
} facets_asked;

static void ask_facets(Sinter__V1__SearchRequest *in, facets_asked *f)
{
    static const double bounds[4] = {3, 10, 50, 200};
    static const char *names[3] = {"brand", "stock", "price"};
    for (int i = 0; i < 3; i++) {
        sinter__v1__facet_request__init(&f->facet[i]);
        f->facet[i].field = (char *)(uintptr_t)names[i];
        f->facets[i] = &f->facet[i];
    }
    for (int i = 0; i < 4; i++) {
        sinter__v1__value__init(&f->bound[i]);
        f->bound[i].kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
        f->bound[i].number_value = bounds[i];
    }
    for (int i = 0; i < 5; i++) {
        sinter__v1__facet_range__init(&f->range[i]);
        f->range[i].from = i > 0 ? &f->bound[i - 1] : NULL;
        f->range[i].to = i < 4 ? &f->bound[i] : NULL;
        f->ranges[i] = &f->range[i];
    }
    f->facet[2].ranges = f->ranges;
    f->facet[2].n_ranges = 5;
    in->facets = f->facets;
    in->n_facets = 3;
}

size_t server_request(const corpus_query *q, const char *pipeline, request_kind kind, uint8_t *out, size_t room)
{
    bool explained = kind == REQUEST_EXPLAINED;
    facets_asked asked;
    char text[64];
    char *fields[] = {(char *)(uintptr_t)"title", (char *)(uintptr_t)"body"};
    Sinter__V1__SearchRequest in = SINTER__V1__SEARCH_REQUEST__INIT;
    write_words(q->word, q->n, text);
    in.collection = (char *)(uintptr_t)"docs";
    in.pipeline = (char *)(uintptr_t)pipeline;
    in.query = text;
    in.page_size = explained ? 1000 : 10;
    if (explained) {
        in.explain = SINTER__V1__EXPLAIN__EXPLAIN_FULL;
    } else {
        in.fields = fields;
        in.n_fields = 2;
    }
    if (kind == REQUEST_FACETS) ask_facets(&in, &asked);
    size_t size = sinter__v1__search_request__get_packed_size(&in);
    if (size > room) give_up("request", "too large");
    sinter__v1__search_request__pack(&in, out);
    return size;
}
