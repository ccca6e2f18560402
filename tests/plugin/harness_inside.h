/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the harness's own files share. */
#ifndef SINTER_TESTS_HARNESS_INSIDE_H
#define SINTER_TESTS_HARNESS_INSIDE_H

#include "harness.h"

#include <stdatomic.h>

enum { HARNESS_ITEMS = 65536 }; /* ordinals a harness may hold */

struct sinter_options {
    harness *owner;
    const sinter_option *table;
    uint32_t n_table;
    char *file;
    struct {
        char *path, *value;
    } *entry;
    uint32_t n;
    struct sinter_options *next;
};

typedef struct harness_columns harness_columns;

typedef struct harness_file_text {
    char *name;
    sinter_options *options; /* without a table: it comes with options_read */
    struct harness_file_text *next;
} harness_file_text;

typedef struct harness_live {
    sinter_instance *instance;
    sinter_inputs inputs;
    const sinter_options *options;
    sinter_worker *worker[16];
    uint32_t n_workers;
    struct harness_live *next;
} harness_live;

struct sinter_sink {
    harness_edit *edit;
    uint32_t n, room;
};

typedef struct harness_attributes {
    sinter_attribute *list;
    uint32_t n;
} harness_attributes;

struct harness {
    sinter_host host; /* first: the host's pointer is the harness's */
    void *so;
    const sinter_plugin *plugin;
    sinter_collection collection;
    harness_columns *columns;
    char **item_id; /* [HARNESS_ITEMS] */
    sinter_options *options;
    harness_file_text *files;
    harness_live *live;
    const char **ranker;
    uint32_t n_rankers;
    sinter_sink sink;
    atomic_uint logged;
    atomic_ullong allocations;
    char last_log[1024];
    void **kept; /* freed at close */
    uint32_t n_kept, kept_room;
    void **scratch;
    uint32_t n_scratch, scratch_room;
    harness_attributes user_attributes, context_attributes;
    sinter_request request;
    sinter_query query;
    sinter_user user;
    sinter_context context;
    sinter_batch batch;
    struct tensors_list *tensors; /* in memory that is kept */
    const char *model_dir;
    char **folder; /* [n_folders] removed at close */
    uint32_t n_folders;
};

__attribute__((noreturn, format(printf, 1, 2))) void harness_die(const char *format, ...);
void *harness_keep(harness *, size_t size); /* zeroed, freed at close */
char *harness_keep_text(harness *, const char *text);
__attribute__((format(printf, 4, 5))) sinter_status harness_fail(sinter_error *err, sinter_status status, const char *where,
                                                                 const char *what, ...);

/* options */
sinter_options *harness_options_new(harness *, const char *file, const harness_option *, size_t n);
sinter_status harness_options_check(sinter_options *, const sinter_option *table, uint32_t n, sinter_error *err);
void harness_options_install(sinter_host *);

/* columns and filters */
const sinter_column *harness_find_column(const harness *, const char *field);
void harness_columns_free(harness *);
void harness_columns_install(sinter_host *);
void harness_filters_install(sinter_host *);

/* tensors */
void harness_tensors_install(sinter_host *);
void harness_tensors_free(harness *);

/* datasets */
void harness_folders_remove(harness *);

#endif
