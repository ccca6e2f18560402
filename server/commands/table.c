/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of subcommands, in the order of --help. A new command is a file with `int command_NAME(int, char **)`
 * and two lines here: its declaration and its row. */
#include "commands/commands.h"

#include <stdio.h>

#include "base/base.h"

static int command_version(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("sinter %s\n", SINTER_VERSION);
    return EXIT_OK;
}

int command_alias(int argc, char **argv);
int command_collection(int argc, char **argv);
int command_delete(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_evaluate(int argc, char **argv);
int command_experiment(int argc, char **argv);
int command_events(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_journal(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_user(int argc, char **argv);
int command_search(int argc, char **argv);
int command_suggest(int argc, char **argv);
int command_status(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_snapshots(int argc, char **argv);
int command_plugin(int argc, char **argv);
int command_model(int argc, char **argv);
int command_top(int argc, char **argv);
int command_train(int argc, char **argv);

const struct command COMMANDS[] = {
    {"alias", "list the names that mean a collection, point one elsewhere, take one away", command_alias},
    {"collection", "copy a collection into another while it is written to", command_collection},
    {"delete", "delete items by their ids or by a filter", command_delete},
    {"demo", "a seeded shop with planted tastes: generate, play, judge", command_demo},
    {"evaluate", "measure pipelines against judged queries", command_evaluate},
    {"events", "record what people did from a JSONL, CSV or TSV file", command_events},
    {"experiment", "list, report, stop or start the experiments of a running server", command_experiment},
    {"export", "write items or events as the import reads them", command_export},
    {"import", "add or replace items from a JSONL, CSV or TSV file", command_import},
    {"journal", "verify or dump the journal of a data directory", command_journal},
    {"reload", "have a running server read its configuration again", command_reload},
    {"replay", "answer a recorded request again, on its own snapshot or another", command_replay},
    {"user", "show, describe or erase what is stored of a person", command_user},
    {"search", "search a collection, ranked and explained", command_search},
    {"serve", "serve search, catalogue and administration over gRPC", command_serve},
    {"snapshots", "list what has served, or roll back to it", command_snapshots},
    {"suggest", "complete what has been typed", command_suggest},
    {"top", "what a running server is doing, refreshed", command_top},
    {"status", "what a running server serves, and how it fares", command_status},
    {"model", "list, compare, deploy or roll back models of a running server", command_model},
    {"train", "train a ranker or a fusion on what the journal holds", command_train},
    {"plugin", "list plugins, check one, begin a new one, swap one in a running server", command_plugin},
    {"version", "print the version", command_version},
};
const size_t COMMANDS_N = ARRAY_LEN(COMMANDS);
