/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter user show | put | erase`: what a running server stores of a person, and its end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sinter/v1/events.pb-c.h>

#include "base/base.h"
#include "client.h"
#include "commands/commands.h"
#include "journal/journal.h"
#include "json/json.h"
#include "options.h"

int command_user(int argc, char **argv); /* named in table.c */

typedef struct user_arguments {
    const char *server;
    uint64_t timeout_ns;
    uint64_t events;
    bool session, dry_run, replace, json;
    const char *action, *id;
    const char **word; /* [n_words] NAME=VALUE or NAME- of put */
    size_t n_words;
} user_arguments;

#define AT(member) offsetof(user_arguments, member)
static const option_row rows[] = {
    {"--session", NULL, "show, erase: ID is a session's", OPTION_FLAG, AT(session)},
    {"--events", "N", "show: the latest events, at most 10000 (default 20)", OPTION_COUNT, AT(events)},
    {"--replace", NULL, "put: forget all attributes that were stored before", OPTION_FLAG, AT(replace)},
    {"--dry-run", NULL, "erase: only count what there is", OPTION_FLAG, AT(dry_run)},
    {"--json", NULL, "print the answer as protobuf JSON", OPTION_FLAG, AT(json)},
    {"--timeout", "DURATION", "wait no longer (default 10m); an erasure goes on all the same", OPTION_DURATION, AT(timeout_ns)},
    {"--server", "HOST:PORT", "default: $SINTER_SERVER, else " CLIENT_DEFAULT_SERVER, OPTION_TEXT, AT(server)},
};

static void help(FILE *out)
{
    fputs("usage: sinter user show ID [OPTIONS]\n"
          "       sinter user put ID NAME=VALUE... [NAME-...] [OPTIONS]\n"
          "       sinter user erase ID [OPTIONS]\n\n"
          "  show   all that is stored of a user: attributes, sessions, how many events, answers and recorded requests, latest events\n"
          "  put    stores attributes, which later requests of the user have as if they had sent them; NAME- forgets one. A\n"
          "         VALUE that is a number, true or false is stored as such, one in \"quotes\" as a text\n"
          "  erase  removes all of it, from journals, from what is made of them and from later training, and names the models\n"
          "         that were trained on it. Returns when it is done; again when asked again. It cannot be undone\n\n",
          out);
    options_help(out, rows, ARRAY_LEN(rows));
    fputs("\nexit codes: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 refused: nothing changed\n", out);
}

/* ---- show ------------------------------------------------------------------------------------------------------- */

static void print_value(const Sinter__V1__Value *v)
{
    buffer b = {0};
    switch (v ? v->kind_case : SINTER__V1__VALUE__KIND__NOT_SET) {
    case SINTER__V1__VALUE__KIND_STRING_VALUE: buffer_json_string(&b, v->string_value, strlen(v->string_value)); break;
    case SINTER__V1__VALUE__KIND_NUMBER_VALUE: buffer_printf(&b, "%.17g", v->number_value); break;
    case SINTER__V1__VALUE__KIND_INTEGER_VALUE: buffer_printf(&b, "%" PRId64, v->integer_value); break;
    case SINTER__V1__VALUE__KIND_BOOLEAN_VALUE: buffer_puts(&b, v->boolean_value ? "true" : "false"); break;
    default: json_message(&b, v ? &v->base : &(Sinter__V1__Value)SINTER__V1__VALUE__INIT.base, 0);
    }
    fwrite(b.data, 1, b.len, stdout);
    buffer_free(&b);
}

static void print_text(const char *s)
{
    buffer b = {0};
    buffer_json_string(&b, s, strlen(s));
    fwrite(b.data, 1, b.len, stdout);
    buffer_free(&b);
}

static const char *time_text(const Google__Protobuf__Timestamp *t, char out[32])
{
    if (!t) return "-";
    time_format_ms(timestamp_ms(t), out);
    return out;
}

static void print_events(const Sinter__V1__GetUserResponse *r)
{
    char first[32], last[32];
    for (size_t i = 0; i < r->n_counts; i++)
        printf("  %-12s %-10s %8" PRIu64 "   %s to %s\n", r->counts[i]->collection, r->counts[i]->type, r->counts[i]->count,
               time_text(r->counts[i]->first, first), time_text(r->counts[i]->last, last));
    if (r->n_events) printf("latest\n");
    for (size_t i = 0; i < r->n_events; i++) {
        const Sinter__V1__Event *ev = r->events[i];
        printf("  %s  %s %s", time_text(ev->time, first), ev->collection, ev->type);
        for (size_t k = 0; k < ev->n_item_ids; k++) {
            printf(" ");
            print_text(ev->item_ids[k]);
        }
        printf("\n");
    }
}

static void print_user(const Sinter__V1__GetUserResponse *r)
{
    printf("attributes %zu\n", r->n_attributes);
    for (size_t i = 0; i < r->n_attributes; i++) {
        printf("  ");
        print_text(r->attributes[i]->key);
        printf(" = ");
        print_value(r->attributes[i]->value);
        printf("\n");
    }
    printf("sessions %zu\n", r->n_sessions);
    for (size_t i = 0; i < r->n_sessions; i++) {
        printf("  ");
        print_text(r->sessions[i]);
        printf("\n");
    }
    printf("answers %" PRIu64 ", recorded whole %" PRIu64 "\n", r->answers, r->recorded_requests);
    uint64_t events = 0;
    for (size_t i = 0; i < r->n_counts; i++) events += r->counts[i]->count;
    printf("events %" PRIu64 "\n", events);
    print_events(r);
}

static void print_erased(const Sinter__V1__EraseUserResponse *r, bool dry_run)
{
    bool any = r->events || r->attributes || r->answers || r->recorded_requests;
    if (!any) printf("nothing is stored\n");
    if (any)
        printf("%s %" PRIu64 " events, %" PRIu64 " answers, %" PRIu64 " recorded requests, %" PRIu64 " changes of attributes, of %" PRIu32
               " sessions\n",
               dry_run ? "would erase" : r->repeated ? "nothing is stored; erased before:" : "erased", r->events, r->answers,
               r->recorded_requests, r->attributes, r->sessions);
    for (size_t i = 0; i < r->n_models; i++) printf("  %s was trained on some of it: train it anew\n", r->models[i]);
}

/* ---- put ---------------------------------------------------------------------------------------------------------- */

static void read_value(str text, Sinter__V1__Value *v, arena *a)
{
    char *end, *s = arena_strndup(a, text.s, text.n);
    sinter__v1__value__init(v);
    bool quoted = text.n >= 2 && s[0] == '"' && s[text.n - 1] == '"';
    if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
        v->kind_case = SINTER__V1__VALUE__KIND_BOOLEAN_VALUE;
        v->boolean_value = s[0] == 't';
        return;
    }
    long long whole = strtoll(s, &end, 10);
    if (*s && !*end) {
        v->kind_case = SINTER__V1__VALUE__KIND_INTEGER_VALUE;
        v->integer_value = whole;
    } else if (parse_double(text, &v->number_value)) {
        v->kind_case = SINTER__V1__VALUE__KIND_NUMBER_VALUE;
    } else {
        v->kind_case = SINTER__V1__VALUE__KIND_STRING_VALUE;
        v->string_value = quoted ? arena_strndup(a, s + 1, text.n - 2) : s;
    }
}

/* NAME=VALUE, or NAME- to forget it. */
static sinter_status read_word(const char *word, Sinter__V1__PutUserRequest *q, arena *a, sinter_error *e)
{
    const char *equals = strchr(word, '=');
    size_t n = strlen(word);
    if (!equals && n > 1 && word[n - 1] == '-') {
        q->remove[q->n_remove++] = arena_strndup(a, word, n - 1);
        return SINTER_OK;
    }
    if (!equals || equals == word) return error_set(e, SINTER_INVALID, word, "write NAME=VALUE, or NAME- to forget it", "not an attribute");
    Sinter__V1__PutUserRequest__AttributesEntry *x = ARENA_NEW(a, Sinter__V1__PutUserRequest__AttributesEntry);
    sinter__v1__put_user_request__attributes_entry__init(x);
    x->key = arena_strndup(a, word, (size_t)(equals - word));
    x->value = ARENA_NEW(a, Sinter__V1__Value);
    read_value(str_of(equals + 1), x->value, a);
    q->attributes[q->n_attributes++] = x;
    return SINTER_OK;
}

/* ---- the calls ------------------------------------------------------------------------------------------------------ */

static int call(const user_arguments *a, const char *method, const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
                void (*print)(const user_arguments *a, const ProtobufCMessage *answer))
{
    sinter_error e = SINTER_ERROR_INIT;
    client *c = NULL;
    ProtobufCMessage *answer = NULL;
    if (client_open(a->server, &c, &e) != SINTER_OK) return client_fail("user", NULL, &e);
    sinter_status s = client_call(c, method, request, type, a->timeout_ns, &answer, &e);
    int code = s == SINTER_OK ? EXIT_OK : client_fail("user", c, &e);
    if (s == SINTER_OK && a->json) json_print(answer);
    if (s == SINTER_OK && !a->json) print(a, answer);
    if (answer) protobuf_c_message_free_unpacked(answer, NULL);
    client_close(c);
    return code;
}

static void print_shown(const user_arguments *a, const ProtobufCMessage *answer)
{
    (void)a;
    print_user((const Sinter__V1__GetUserResponse *)answer);
}

static void print_put(const user_arguments *a, const ProtobufCMessage *answer)
{
    (void)a;
    printf("stored, sequence %" PRIu64 "\n", ((const Sinter__V1__PutUserResponse *)answer)->sequence);
}

static void print_end(const user_arguments *a, const ProtobufCMessage *answer)
{
    print_erased((const Sinter__V1__EraseUserResponse *)answer, a->dry_run);
}

static int show(const user_arguments *a)
{
    Sinter__V1__GetUserRequest q = SINTER__V1__GET_USER_REQUEST__INIT;
    *(a->session ? &q.session_id : &q.user_id) = (char *)(uintptr_t)a->id;
    q.events = a->events > UINT32_MAX ? UINT32_MAX : (uint32_t)a->events;
    return call(a, "sinter.v1.EventService/GetUser", &q.base, &sinter__v1__get_user_response__descriptor, print_shown);
}

static int put(const user_arguments *a)
{
    sinter_error e = SINTER_ERROR_INIT;
    arena *memory = arena_new(4096);
    Sinter__V1__PutUserRequest q = SINTER__V1__PUT_USER_REQUEST__INIT;
    q.user_id = (char *)(uintptr_t)a->id;
    q.replace = a->replace;
    q.attributes = ARENA_ARRAY(memory, Sinter__V1__PutUserRequest__AttributesEntry *, a->n_words + 1);
    q.remove = ARENA_ARRAY(memory, char *, a->n_words + 1);
    sinter_status s = SINTER_OK;
    for (size_t i = 0; i < a->n_words && s == SINTER_OK; i++) s = read_word(a->word[i], &q, memory, &e);
    int code = s ? options_fail("user", &e)
                 : call(a, "sinter.v1.EventService/PutUser", &q.base, &sinter__v1__put_user_response__descriptor, print_put);
    arena_free(memory);
    return code;
}

static int erase(const user_arguments *a)
{
    Sinter__V1__EraseUserRequest q = SINTER__V1__ERASE_USER_REQUEST__INIT;
    *(a->session ? &q.session_id : &q.user_id) = (char *)(uintptr_t)a->id;
    q.dry_run = a->dry_run;
    return call(a, "sinter.v1.EventService/EraseUser", &q.base, &sinter__v1__erase_user_response__descriptor, print_end);
}

static const struct {
    const char *name;
    int (*run)(const user_arguments *a);
    bool words;
} ACTIONS[] = {{"show", show, false}, {"put", put, true}, {"erase", erase, false}};

static sinter_status check(user_arguments *a, const option_words *w, int (**run)(const user_arguments *a), sinter_error *e)
{
    static const char *const FIX = "sinter user show ID, put ID NAME=VALUE... or erase ID; --help tells more";
    *run = NULL;
    for (size_t i = 0; w->n && i < ARRAY_LEN(ACTIONS); i++) {
        if (strcmp(w->word[0], ACTIONS[i].name) != 0) continue;
        *run = ACTIONS[i].run;
        if (w->n > 2 && !ACTIONS[i].words) return error_set(e, SINTER_INVALID, w->word[2], FIX, "not expected here");
    }
    if (!*run) return error_set(e, SINTER_INVALID, w->n ? w->word[0] : NULL, FIX, "no such action");
    if (w->n < 2) return error_set(e, SINTER_INVALID, NULL, FIX, "whose?");
    a->id = w->word[1];
    a->word = (const char **)(uintptr_t)(w->word + 2);
    a->n_words = w->n - 2;
    return SINTER_OK;
}

int command_user(int argc, char **argv)
{
    sinter_error e = SINTER_ERROR_INIT;
    user_arguments a = {.timeout_ns = UINT64_C(600000000000), .events = 20};
    option_words w = {0};
    bool asked = false;
    int (*run)(const user_arguments *a);
    sinter_status s = options_read(rows, ARRAY_LEN(rows), argc, argv, &a, &w, &asked, &e);
    int code = EXIT_OK;
    if (s == SINTER_OK && !asked) s = check(&a, &w, &run, &e);
    if (s != SINTER_OK)
        code = options_fail("user", &e);
    else if (asked)
        help(stdout);
    else
        code = run(&a);
    option_words_free(&w);
    return code;
}
