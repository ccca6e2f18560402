/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sinter demo`: its actions, and the first of them, `generate`: a seeded shop, and the people who will use it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "commands/commands.h"
#include "demo_play.h"
#include "demo_world.h"

int command_demo(int argc, char **argv); /* named in table.c */

typedef struct generate_arguments {
    demo_options world;
    bool seeded, force, json, help;
    const char *dir;
} generate_arguments;

/* Options with a number: name, range, where it goes. */
static const struct {
    const char *name;
    uint64_t least, most;
    size_t offset; /* into demo_options, uint32_t */
    const char *summary;
} counts[] = {
    {"--items", 100, 1000000, offsetof(demo_options, items), "items in the shop"},
    {"--users", 20, 1000000, offsetof(demo_options, users), "people who know it"},
    {"--queries", 10, 100000, offsetof(demo_options, queries), "different queries"},
    {"--events", 0, 20000000, offsetof(demo_options, events), "views and baskets of the past half year"},
};

static int generate(int argc, char **argv);

static const struct {
    const char *name, *usage, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the action */
} actions[] = {
    {"generate", "--seed S DIR", "write a seeded shop into DIR: items, history, and the truth behind them", generate},
    {"play", "--seed S --requests N DIR", "let its people search a running server, click and buy", demo_play},
    {"judge", "--seed S --requests N --out DIR2 DIR", "write graded judgments of what they ask", demo_judge},
};

static void demo_help(FILE *out) {
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        fprintf(out, "%s sinter demo %s %s\n", i ? "      " : "usage:", actions[i].name, actions[i].usage);
    fputs("\n", out);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        fprintf(out, "  %-10s %s\n", actions[i].name, actions[i].summary);
    fputs("\nsinter demo ACTION --help lists its options\n", out);
}

static void generate_help(FILE *out) {
    fputs("usage: sinter demo generate --seed S [OPTIONS] DIR\n\n"
          "Writes DIR/items.jsonl, DIR/history.jsonl and DIR/truth/. The same seed and options give the same bytes on\n"
          "every machine. Prints what each part of utility has of its variance.\n\n"
          "  --seed S       a whole number from 0; required\n",
          out);
    demo_options d = demo_options_default();
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        uint32_t value = 0;
        memcpy(&value, (const char *)&d + counts[i].offset, sizeof value);
        fprintf(out, "  %-9s N    %s (default %u)\n", counts[i].name, counts[i].summary, value);
    }
    fputs("  --now TIME     the end of history, RFC 3339 (default 2026-01-01T00:00:00Z)\n"
          "  --force        DIR need not be empty: the demo's files in it are replaced, others stay\n"
          "  --json         print the summary as JSON\n\n"
          "exit codes: 0 written, 1 could not write, 2 usage\n",
          out);
}

static int usage(const sinter_error *e) {
    char line[1500];
    fprintf(stderr, "sinter demo: %s\n", error_line(e, line, sizeof line));
    return EXIT_USAGE;
}

static sinter_status bad_value(sinter_error *e, const char *name, const char *value, const char *valid) {
    return error_set(e, SINTER_INVALID, name, valid, "'%s' is not valid", value);
}

/* An option that takes a value. `value` may be NULL: none was given. */
static sinter_status take_value(generate_arguments *a, const char *name, const char *value, sinter_error *e) {
    if (!value) return error_set(e, SINTER_INVALID, name, "write the value after it", "the option needs a value");
    if (strcmp(name, "--seed") == 0) {
        if (!parse_uint64(str_of(value), &a->world.seed))
            return bad_value(e, name, value, "give a whole number from 0 to 18446744073709551615");
        a->seeded = true;
        return SINTER_OK;
    }
    if (strcmp(name, "--now") == 0) {
        bool good = time_parse_ms(str_of(value), &a->world.now_ms);
        if (!good || a->world.now_ms < INT64_C(946684800000) || a->world.now_ms > INT64_C(4102444800000))
            return bad_value(e, name, value, "give a time from 2000 to 2100 as 2026-01-01T00:00:00Z");
        return SINTER_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        if (strcmp(name, counts[i].name) != 0) continue;
        uint64_t n = 0;
        if (!parse_uint64(str_of(value), &n) || n < counts[i].least || n > counts[i].most) {
            bad_value(e, name, value, "");
            error_fix(e, "give a whole number from %llu to %llu", (unsigned long long)counts[i].least,
                      (unsigned long long)counts[i].most);
            return SINTER_INVALID;
        }
        uint32_t small = (uint32_t)n;
        memcpy((char *)&a->world + counts[i].offset, &small, sizeof small);
        return SINTER_OK;
    }
    return SINTER_NOT_FOUND;
}

static sinter_status unknown_option(sinter_error *e, const char *name) {
    static const char *const names[] = {"--seed", "--items", "--users", "--queries", "--events",
                                        "--now",  "--force", "--json",  "--help"};
    const char *near = near_name(name, names, ARRAY_LEN(names));
    error_set(e, SINTER_INVALID, name, "sinter demo generate --help lists the options", "unknown option");
    if (near) error_fix(e, "did you mean %s?", near);
    return SINTER_INVALID;
}

static bool takes_value(const char *name) {
    bool takes = strcmp(name, "--seed") == 0 || strcmp(name, "--now") == 0;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        takes = takes || strcmp(name, counts[i].name) == 0;
    return takes;
}

static sinter_status parse(generate_arguments *a, int argc, char **argv, sinter_error *e) {
    a->world = demo_options_default();
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        sinter_status s = SINTER_OK;
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
            a->help = true;
        else if (strcmp(name, "--force") == 0)
            a->force = true;
        else if (strcmp(name, "--json") == 0)
            a->json = true;
        else if (takes_value(name))
            s = take_value(a, name, i + 1 < argc ? argv[i + 1] : NULL, e), i++;
        else if (name[0] == '-')
            s = unknown_option(e, name);
        else if (a->dir)
            s = error_set(e, SINTER_INVALID, name, "name one folder", "a folder was already named: '%s'", a->dir);
        else
            a->dir = name;
        if (s != SINTER_OK) return s;
    }
    if (a->help) return SINTER_OK;
    if (!a->seeded)
        return error_set(e, SINTER_INVALID, "--seed", "give any whole number, e.g. --seed 1", "the seed is missing");
    if (!a->dir || !*a->dir)
        return error_set(e, SINTER_INVALID, "DIR", "name a folder to write", "the folder is missing");
    return SINTER_OK;
}

static const char *const part_names[4] = {"match", "taste", "price fit", "noise"};

static void print_text(const demo_world *w, const demo_files *files, const char *dir) {
    printf("demo shop, seed %llu, in %s\n\n", (unsigned long long)w->options.seed, dir);
    for (uint32_t f = 0; f < files->n; f++)
        printf("  %-22s %8llu lines %10llu bytes\n", files->names[f], (unsigned long long)files->lines[f],
               (unsigned long long)files->bytes[f]);
    printf("\nshare of utility's variance   within a list   overall   (%u candidates of %u users' queries)\n",
           w->shares.triples, w->shares.lists);
    for (int k = 0; k < 4; k++)
        printf("  %-26s  %11.1f %%  %7.1f %%\n", part_names[k], 100 * w->shares.within[k], 100 * w->shares.overall[k]);
    printf("\nchecksum %016llx\n", (unsigned long long)files->checksum);
}

static void print_shares(const char *name, const double s[4]) {
    printf("\"%s\":{\"match\":%.4f,\"taste\":%.4f,\"price\":%.4f,\"noise\":%.4f}", name, s[0], s[1], s[2], s[3]);
}

static void print_json(const demo_world *w, const demo_files *files) {
    printf("{\"seed\":%llu,\"files\":[", (unsigned long long)w->options.seed);
    for (uint32_t f = 0; f < files->n; f++)
        printf("%s{\"name\":\"%s\",\"lines\":%llu,\"bytes\":%llu}", f ? "," : "", files->names[f],
               (unsigned long long)files->lines[f], (unsigned long long)files->bytes[f]);
    printf("],");
    print_shares("shares_within", w->shares.within);
    printf(",");
    print_shares("shares_overall", w->shares.overall);
    printf(",\"triples\":%u,\"lists\":%u,\"checksum\":\"%016llx\"}\n", w->shares.triples, w->shares.lists,
           (unsigned long long)files->checksum);
}

static int generate(int argc, char **argv) {
    sinter_error e = SINTER_ERROR_INIT;
    generate_arguments a = {0};
    if (parse(&a, argc, argv, &e) != SINTER_OK) return usage(&e);
    if (a.help) {
        generate_help(stdout);
        return EXIT_OK;
    }
    demo_world *w = demo_world_make(&a.world);
    demo_files files;
    sinter_status s = demo_world_write(w, a.dir, a.force, &files, &e);
    if (s == SINTER_OK && a.json) print_json(w, &files);
    if (s == SINTER_OK && !a.json) print_text(w, &files, a.dir);
    demo_world_free(w);
    if (s == SINTER_OK) return EXIT_OK;
    usage(&e);
    return EXIT_FAILED;
}

int command_demo(int argc, char **argv) {
    for (size_t i = 0; i < ARRAY_LEN(actions) && argc >= 2; i++) {
        if (strcmp(argv[1], actions[i].name) == 0) return actions[i].run(argc - 1, argv + 1);
    }
    bool asked = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (!asked && argc >= 2) fprintf(stderr, "sinter demo: unknown action '%s'\n", argv[1]);
    demo_help(asked ? stdout : stderr);
    return asked ? EXIT_OK : EXIT_USAGE;
}
