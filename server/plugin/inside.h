/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of this room share: the host's lists, an instance, a sink, and the thread's running call. */
#ifndef SINTER_PLUGIN_INSIDE_H
#define SINTER_PLUGIN_INSIDE_H

#include "plugin/plugin.h"
#include "tensors.h"

/* Bytes of a struct up to a member: the last one that minor 0 had. What is behind it, an older plugin's table lacks. */
#define SIZE_THROUGH(T, last) (offsetof(T, last) + sizeof(((T *)0)->last))

typedef struct library {
    plugin_library shown; /* first: a plugin_library * is a library * */
    struct library *next;
    plugin_counters counters;
    void *handle;
    char *copy; /* the private file */
    arena *memory;
    uint32_t refs;
} library;

struct plugin_host {
    pthread_mutex_t control;
    char *private_dir;
    uint32_t n_lanes, n_copies;
    _Atomic uint32_t resident;
    library *libraries;
    plugin_instance *instances;
};

struct sinter_options {
    const conf_node *root;
    const sinter_option *table;
    uint32_t n;
    arena *memory;
    const char *key; /* canonical text: equal texts, equal options */
};

struct sinter_filter {
    plugin_instance *owner; /* NULL: the request's own */
    const plugin_services *services;
    const void *compiled;
};

struct plugin_instance {
    sinter_host table; /* first: what the plugin holds is the instance */
    plugin_instance *next;
    library *lib;
    const sinter_plugin *plugin;
    plugin_role role;
    const char *use;
    plugin_services services;
    sinter_collection collection;
    const sinter_options *options;
    sinter_instance *self;
    sinter_worker **worker; /* [n_lanes]; entries NULL where the plugin has none */
    uint32_t n_lanes, n_workers, refs;
    sinter_inputs inputs;
    char *key;
    arena *memory;           /* options, files read, texts */
    tensors_list tensors;    /* files of its model */
    _Atomic int32_t filters; /* compiled and not yet freed */
};

struct sinter_sink {
    arena *memory;
    bool edits, lines;            /* what it takes */
    plugin_edit_kind first, last; /* plugin_edit_kind it takes */
    plugin_edit *edit;
    plugin_line *line;
    uint32_t n, cap;
    const char *fault; /* the first thing that was wrong; NULL: nothing */
};

/* The thread's running call. */
typedef struct running {
    plugin_call *call;
    arena *scratch;
} running;
extern _Thread_local running plugin_running;

void host_table_fill(sinter_host *t);    /* host.c */
void options_table_fill(sinter_host *t); /* getters.c */
void sink_table_fill(sinter_host *t);    /* sink.c */
void tensors_table_fill(sinter_host *t); /* host_tensors.c */

/* library.c; the lock is held */
void library_release(plugin_host *h, library *l);

#endif
