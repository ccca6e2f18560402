/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The folder of a run: data_dir/models/NAME/.train. Nothing in it is ever listed or deployed, so that a run may be killed at any
 * moment; the next one clears it away, or goes on from it.
 *
 *   lock       held while a run lives
 *   run.yaml   what the run is: range, seed, options, plugin
 *   run/       what the trainer writes; renamed to models/NAME/VERSION when it is a model
 *   before/    what an interrupted run had written, for one that resumes it
 *   plugins/, scratch/   private copies and files */
#include "train.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_files(const char *dir)
{
    DIR *d = opendir(dir);
    bool found = false;
    for (struct dirent *x; d && !found && (x = readdir(d));) found = x->d_name[0] != '.';
    if (d) closedir(d);
    return found;
}

/* A temporary of a write that was cut off is nothing to resume from. */
static void drop_temporaries(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *x; d && (x = readdir(d));) {
        size_t n = strlen(x->d_name);
        if (n > 7 && x->d_name[n - 7] == '.' && x->d_name[0] != '.') unlinkat(dirfd(d), x->d_name, 0);
    }
    if (d) closedir(d);
}

static sinter_status take_lock(train_place *p, const char *name, sinter_error *e)
{
    char *path = xasprintf("%s/lock", p->base);
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    sinter_status s = SINTER_OK;
    if (p->lock < 0)
        s = error_set(e, SINTER_IO, path, NULL, "cannot open: %s", strerror(errno));
    else if (flock(p->lock, LOCK_EX | LOCK_NB) == 0)
        p->ours = true;
    else
        s = error_set(e, SINTER_EXISTS, path, "wait until it has ended, or give --name", "another run is training '%s'", name);
    free(path);
    return s;
}

sinter_status place_take(const char *data_dir, const char *name, bool resume, train_place *p, sinter_error *e)
{
    *p = (train_place){.base = xasprintf("%s/models/%s/.train", data_dir, name), .lock = -1};
    p->run = xasprintf("%s/run", p->base);
    p->before = xasprintf("%s/before", p->base);
    p->plugins = xasprintf("%s/plugins", p->base);
    p->scratch = xasprintf("%s/scratch", p->base);
    sinter_status s = dir_make(p->base, e);
    if (s == SINTER_OK) s = take_lock(p, name, e);
    if (s != SINTER_OK) return s;
    drop_temporaries(p->base);
    drop_temporaries(p->run);
    if (resume && has_files(p->run)) { /* newer than what it may have resumed from itself */
        s = dir_remove(p->before, e);
        if (s == SINTER_OK && rename(p->run, p->before) != 0)
            s = error_set(e, SINTER_IO, p->run, NULL, "cannot rename: %s", strerror(errno));
    }
    if (!resume && s == SINTER_OK) s = dir_remove(p->before, e);
    p->resumed = resume && has_files(p->before);
    if (s == SINTER_OK) s = dir_remove(p->run, e);
    if (s == SINTER_OK) s = dir_remove(p->scratch, e);
    if (s == SINTER_OK) s = dir_make(p->run, e);
    if (s == SINTER_OK) s = dir_make(p->scratch, e);
    return s;
}

/* ---- what a run is ------------------------------------------------------------------------------------------------------------ */

static bool read_number(const conf_node *root, const char *key, uint64_t *out)
{
    const conf_node *n = conf_get(root, key);
    return n && n->kind == CONF_SCALAR && parse_uint64(str_of(n->text), out);
}

static bool same_text(const conf_node *root, const char *key, const char *text)
{
    const conf_node *n = conf_get(root, key);
    return n && n->kind == CONF_SCALAR && strcmp(n->text, text) == 0;
}

static sinter_status other_run(const char *path, const char *what, sinter_error *e)
{
    return error_set(e, SINTER_PRECONDITION, path, "train without --resume, from the start, or as that run did",
                     "the interrupted run had %s", what);
}

static sinter_status compare(train_place *p, const char *path, train_identity *id, bool range_given, bool seed_given, arena *a,
                             sinter_error *e)
{
    const conf_node *root;
    uint64_t since, until, seed;
    sinter_status s = conf_parse_file(path, a, &root, e);
    if (s != SINTER_OK || root->kind != CONF_MAP || !read_number(root, "since", &since) || !read_number(root, "until", &until) ||
        !read_number(root, "seed", &seed)) { /* killed before it said what it was */
        p->resumed = false;
        return SINTER_OK;
    }
    if (!same_text(root, "label", id->label)) return other_run(path, "another use to train", e);
    if (!same_text(root, "plugin", id->plugin_sha256)) return other_run(path, "another build of the plugin", e);
    if (!same_text(root, "options", id->options)) return other_run(path, "other options in the pipeline", e);
    if (range_given && (since != id->since || until != id->until)) return other_run(path, "another range", e);
    if (seed_given && seed != id->seed) return other_run(path, "another seed", e);
    id->since = since;
    id->until = until;
    id->seed = seed;
    return SINTER_OK;
}

sinter_status place_identify(train_place *p, train_identity *id, bool range_given, bool seed_given, arena *a, sinter_error *e)
{
    const char *path = arena_printf(a, "%s/run.yaml", p->base);
    sinter_status s = SINTER_OK;
    if (p->resumed) s = compare(p, path, id, range_given, seed_given, a, e);
    if (s != SINTER_OK) return s;
    if (!p->resumed) s = dir_remove(p->before, e);
    buffer b = {0};
    buffer_printf(&b, "label: \"%s\"\nplugin: \"%s\"\noptions: \"%s\"\nsince: %" PRIu64 "\nuntil: %" PRIu64 "\nseed: %" PRIu64 "\n",
                  id->label, id->plugin_sha256, id->options, id->since, id->until, id->seed);
    if (s == SINTER_OK) s = file_write_atomic(path, b.data, b.len, e);
    buffer_free(&b);
    return s;
}

void place_leave(train_place *p, bool done)
{
    if (p->ours) { /* else they are the other run's */
        dir_remove(p->plugins, NULL);
        dir_remove(p->scratch, NULL);
    }
    if (done) { /* the lock's file stays: another run may be opening it */
        char *identity = xasprintf("%s/run.yaml", p->base);
        unlink(identity);
        free(identity);
        dir_remove(p->before, NULL);
        dir_remove(p->run, NULL);
    }
    if (p->lock >= 0) close(p->lock);
    free(p->base);
    free(p->run);
    free(p->before);
    free(p->plugins);
    free(p->scratch);
}
