/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Libraries: from a file's bytes to a checked table.
 *
 * glibc hands out the old code for a path that is still open, even when a new file stands there, and a mapped file that
 * is overwritten crashes the process. So each build is copied to a name of its own and opened from there; the same
 * bytes are opened once. */
#include "inside.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MOST = 256 << 20 };

const char *const PLUGIN_ROLE_NAMES[PLUGIN_ROLES] = {"ranker",   "fusion",   "recall", "rewriter",
                                                     "finisher", "enricher", "trainer"};

/* ---- the host -------------------------------------------------------------------------------------------------------
 */

sinter_status plugin_host_new(const char *private_dir, uint32_t n_lanes, plugin_host **out, sinter_error *e)
{
    sinter_status s = dir_remove(private_dir, e);
    if (s == SINTER_OK) s = dir_make(private_dir, e);
    if (s != SINTER_OK) return s;
    plugin_host *h = xcalloc(1, sizeof *h);
    pthread_mutex_init(&h->control, NULL);
    h->private_dir = xstrdup(private_dir);
    h->n_lanes = n_lanes;
    *out = h;
    return SINTER_OK;
}

void plugin_host_free(plugin_host *h)
{
    if (!h) return;
    if (h->instances || h->libraries)
        log_error("plugin.leak", "plugin host closed while %s is in use",
                  h->libraries ? h->libraries->shown.name : "an instance");
    rmdir(h->private_dir);
    free(h->private_dir);
    pthread_mutex_destroy(&h->control);
    free(h);
}

uint32_t plugin_host_lanes(const plugin_host *h)
{
    return h->n_lanes;
}

uint32_t plugin_host_resident(const plugin_host *h)
{
    return atomic_load(&h->resident);
}

/* ---- checks on the table --------------------------------------------------------------------------------------------
 */

static sinter_status refuse(sinter_error *e, const char *path, const char *fix, const char *what, ...)
    PRINTF_LIKE(4, 5);
static sinter_status refuse(sinter_error *e, const char *path, const char *fix, const char *what, ...)
{
    char text[sizeof e->what];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    return error_set(e, SINTER_PRECONDITION, path, fix, "%s", text);
}

/* Rule 1. The first 8 bytes are the same in every major. */
static sinter_status check_version(const sinter_plugin *t, const char *path, sinter_error *e)
{
    static const char *const REBUILD = "rebuild it against this host's include/sinter/plugin.h";
    const size_t least = SIZE_THROUGH(sinter_plugin, trainer);
    if (t->size < offsetof(sinter_plugin, name))
        return refuse(e, path, REBUILD, "its table has %u bytes; that of ABI %u.%u has %zu", t->size, SINTER_ABI_MAJOR,
                      SINTER_ABI_MINOR, least);
    if (t->abi_major != SINTER_ABI_MAJOR)
        return refuse(e, path, REBUILD, "it is made for ABI %u.%u; this host has %u.%u: the major must be equal",
                      t->abi_major, t->abi_minor, SINTER_ABI_MAJOR, SINTER_ABI_MINOR);
    if (t->abi_minor > SINTER_ABI_MINOR)
        return refuse(e, path, "install a newer Sinter, or rebuild it against this host's include/sinter/plugin.h",
                      "it is made for ABI %u.%u; this host has %u.%u: the minor may not be newer", t->abi_major,
                      t->abi_minor, SINTER_ABI_MAJOR, SINTER_ABI_MINOR);
    if (t->size < least)
        return refuse(e, path, REBUILD, "its table has %u bytes; that of ABI %u.%u has %zu", t->size, SINTER_ABI_MAJOR,
                      SINTER_ABI_MINOR, least);
    return SINTER_OK;
}

static bool name_valid(const char *s)
{
    return s && *s >= 'a' && *s <= 'z' && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] && strlen(s) <= 64;
}

static sinter_status check_texts(const sinter_plugin *t, const char *path, sinter_error *e)
{
    if (!name_valid(t->name))
        return refuse(e, path, "use lower-case letters, digits and _, starting with a letter", "its name is '%s'",
                      t->name ? t->name : "(null)");
    if (!t->version || !t->build || !t->summary)
        return refuse(e, path, "fill it; build may be \"\"", "its %s is NULL",
                      !t->version ? "version"
                      : !t->build ? "build"
                                  : "summary");
    return SINTER_OK;
}

/* Each role's struct: its size, and the functions it cannot do without. */
static sinter_status check_roles(const sinter_plugin *t, const char *path, uint32_t *roles, sinter_error *e)
{
    const struct {
        const void *table;
        size_t least;
        bool whole;
        const char *function;
    } ROLES[PLUGIN_ROLES] = {
        [PLUGIN_RANKER] = {t->ranker, SIZE_THROUGH(sinter_ranker, explain), t->ranker && t->ranker->score, "score"},
        [PLUGIN_FUSION] = {t->fusion, SIZE_THROUGH(sinter_fusion, explain), t->fusion && t->fusion->fuse, "fuse"},
        [PLUGIN_RECALL] = {t->recall, SIZE_THROUGH(sinter_recall, recall), t->recall && t->recall->recall, "recall"},
        [PLUGIN_REWRITER] = {t->rewriter, SIZE_THROUGH(sinter_rewriter, rewrite), t->rewriter && t->rewriter->rewrite, "rewrite"},
        [PLUGIN_FINISHER] = {t->finisher, SIZE_THROUGH(sinter_finisher, finish), t->finisher && t->finisher->finish, "finish"},
        [PLUGIN_ENRICHER] = {t->enricher, SIZE_THROUGH(sinter_enricher, enrich), t->enricher && t->enricher->enrich, "enrich"},
        [PLUGIN_TRAINER] = {t->trainer, SIZE_THROUGH(sinter_trainer, train), t->trainer && t->trainer->train, "train"},
    };
    *roles = 0;
    for (int r = 0; r < PLUGIN_ROLES; r++) {
        if (!ROLES[r].table) continue;
        uint32_t size;
        memcpy(&size, ROLES[r].table, sizeof size);
        if (size < ROLES[r].least)
            return refuse(e, path, "set size = sizeof(the struct), and rebuild it",
                          "its %s has %u bytes; that of ABI %u.%u has %zu", PLUGIN_ROLE_NAMES[r], size,
                          SINTER_ABI_MAJOR, SINTER_ABI_MINOR, ROLES[r].least);
        if (!ROLES[r].whole)
            return refuse(e, path, "write the function", "its %s has no function '%s'", PLUGIN_ROLE_NAMES[r],
                          ROLES[r].function);
        *roles |= 1u << r;
    }
    if (*roles) return SINTER_OK;
    return refuse(e, path, "set one of ranker, fusion, recall, rewriter, finisher, enricher, trainer in its table",
                  "the plugin '%s' plays no role", t->name);
}

static sinter_status check_table(const sinter_plugin *t, const char *path, uint32_t *roles, sinter_error *e)
{
    if (!t) return refuse(e, path, "return the address of its static const table", "sinter_plugin_entry returned NULL");
    sinter_status s = check_version(t, path, e);
    if (s == SINTER_OK) s = check_texts(t, path, e);
    if (s == SINTER_OK) s = check_roles(t, path, roles, e);
    if (s != SINTER_OK) return s;
    if (!t->open != !t->close || !t->worker_open != !t->worker_close)
        return refuse(e, path, "write both, or neither", "it has only one of %s",
                      !t->open != !t->close ? "open and close" : "worker_open and worker_close");
    if (!t->open) return refuse(e, path, "write both", "it has no open and close");
    s = plugin_options_sane(t->options, t->n_options, e);
    if (s != SINTER_OK) error_where(e, "%s", path);
    return s;
}

/* ---- loading
 * ----------------------------------------------------------------------------------------------------------- */

static library *find_build(plugin_host *h, const char *sha256)
{
    for (library *l = h->libraries; l; l = l->next) {
        if (strcmp(l->shown.sha256, sha256) == 0) return l;
    }
    return NULL;
}

static void discard(plugin_host *h, library *l)
{
    if (l->handle) {
        dlclose(l->handle);
        void *still = dlopen(l->copy, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
        if (still) {
            dlclose(still);
            atomic_fetch_add(&h->resident, 1);
            log_warn("plugin.resident", "%s (%.12s) stays in memory after its last use", l->shown.file,
                     l->shown.sha256);
        }
    }
    if (l->copy) unlink(l->copy);
    free(l->copy);
    if (l->memory) arena_free(l->memory);
    free(l);
}

static sinter_status open_copy(plugin_host *h, library *l, str bytes, sinter_error *e)
{
    const char *path = l->shown.file;
    l->copy = xasprintf("%s/%.16s-%u.so", h->private_dir, l->shown.sha256, ++h->n_copies);
    sinter_status s = file_write_atomic(l->copy, bytes.s, bytes.n, e);
    if (s != SINTER_OK) return s;
    l->handle = dlopen(l->copy, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle) {
        const char *why = dlerror();
        size_t n = strlen(l->copy);
        if (why && strncmp(why, l->copy, n) == 0 && why[n] == ':')
            why += n + 2; /* people know the file by its own name */
        return refuse(e, path, "link it with every library that it needs", "it cannot be loaded: %s", why ? why : "?");
    }
    union {
        void *symbol;
        sinter_plugin_entry_fn *call;
    } entry = {dlsym(l->handle, "sinter_plugin_entry")};
    if (!entry.symbol)
        return refuse(e, path, "define it, marked SINTER_EXPORT; plugins/example shows how",
                      "it exports no symbol 'sinter_plugin_entry'");
    l->shown.table = entry.call(SINTER_ABI_MAJOR);
    return check_table(l->shown.table, path, &l->shown.roles, e);
}

/* `path`: what people know the file by. */
static sinter_status load_bytes(plugin_host *h, const char *path, str bytes, const char *pin, library **out,
                                sinter_error *e)
{
    char sha256[65];
    sha256_hex(bytes.s, bytes.n, sha256);
    if (pin && strcmp(pin, sha256) != 0)
        return refuse(e, path, "put the pinned build back, or change the pin",
                      "its sha256 is %s, and the configuration pins %s", sha256, pin);
    library *l = find_build(h, sha256);
    if (l) {
        l->refs++;
        *out = l;
        return SINTER_OK;
    }
    l = xcalloc(1, sizeof *l);
    l->memory = arena_new(1 << 12);
    l->refs = 1;
    l->shown.file = arena_strdup(l->memory, path);
    l->shown.counters = &l->counters;
    memcpy(l->shown.sha256, sha256, sizeof sha256);
    plugin_elf elf;
    sinter_status s = plugin_elf_read(path, bytes, l->memory, &elf, e);
    if (s == SINTER_OK) s = open_copy(h, l, bytes, e);
    if (s != SINTER_OK) {
        discard(h, l);
        return s;
    }
    const sinter_plugin *t = l->shown.table;
    l->shown.name = t->name;
    l->shown.version = t->version;
    l->shown.build = t->build;
    l->shown.summary = t->summary;
    l->next = h->libraries;
    h->libraries = l;
    *out = l;
    return SINTER_OK;
}

static sinter_status load_as(plugin_host *h, const char *path, const char *shown, const char *sha256, const plugin_library **out,
                             sinter_error *e)
{
    buffer b = {0};
    library *l = NULL;
    sinter_status s = file_read(path, FILE_MOST, &b, e);
    pthread_mutex_lock(&h->control);
    if (s == SINTER_OK) s = load_bytes(h, shown, (str){b.data, b.len}, sha256, &l, e);
    pthread_mutex_unlock(&h->control);
    buffer_free(&b);
    if (s == SINTER_OK) *out = &l->shown;
    return s;
}

sinter_status plugin_load_file(plugin_host *h, const char *path, const char *sha256, const plugin_library **out,
                               sinter_error *e)
{
    return load_as(h, path, path, sha256, out, e);
}

sinter_status plugin_library_keep(plugin_host *h, const plugin_library *shown, const char *path, sinter_error *e)
{
    const library *l = (const library *)shown;
    buffer b = {0};
    (void)h;
    if (access(path, F_OK) == 0) return SINTER_OK;
    sinter_status s = file_read(l->copy, FILE_MOST, &b, e);
    if (s == SINTER_OK) s = file_write_atomic(path, b.data, b.len, e);
    buffer_free(&b);
    return s;
}

void library_release(plugin_host *h, library *l)
{
    if (--l->refs) return;
    library **at = &h->libraries;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    discard(h, l);
}

void plugin_library_release(plugin_host *h, const plugin_library *shown)
{
    pthread_mutex_lock(&h->control);
    for (library *l = h->libraries; l; l = l->next) {
        if (&l->shown != shown) continue;
        library_release(h, l);
        break;
    }
    pthread_mutex_unlock(&h->control);
}

/* ---- by name --------------------------------------------------------------------------------------------------------
 */

/* Names of the plugins in the folders, for "did you mean". */
static const char **names_in(const config_server *server, arena *a, size_t *n)
{
    const char **names = ARENA_ARRAY(a, const char *, 256);
    *n = 0;
    for (uint32_t i = 0; i < server->n_plugin_dirs; i++) {
        DIR *d = opendir(server->plugin_dirs[i]);
        if (!d) continue;
        for (struct dirent *entry; *n < 256 && (entry = readdir(d));) {
            size_t length = strlen(entry->d_name);
            if (length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0)
                names[(*n)++] = arena_strndup(a, entry->d_name, length - 3);
        }
        closedir(d);
    }
    return names;
}

static sinter_status not_found(const config_server *server, const config_use *use, sinter_error *e)
{
    arena *a = arena_new(1 << 12);
    buffer dirs = {0};
    size_t n;
    const char **names = names_in(server, a, &n), *near = near_name(use->plugin, names, n);
    for (uint32_t i = 0; i < server->n_plugin_dirs; i++)
        buffer_printf(&dirs, "%s%s", i ? ", " : "", server->plugin_dirs[i]);
    const char *fix = near ? arena_printf(a, "did you mean '%s'?", near)
                           : "build it, add its folder to plugin_dirs, or write 'plugin: ./FILE.so'";
    conf_error(e, use->at, fix, "no plugin '%s' in %s", use->plugin,
               dirs.len ? dirs.data : "plugin_dirs, which is empty");
    if (e) e->status = SINTER_NOT_FOUND;
    buffer_free(&dirs);
    arena_free(a);
    return SINTER_NOT_FOUND;
}

const char *plugin_key(const config_use *use)
{
    return use->path ? use->path : use->plugin;
}

char *plugin_file_of(const config_server *server, const config_use *use)
{
    if (use->path) return xstrdup(use->path);
    for (uint32_t i = 0; i < server->n_plugin_dirs; i++) {
        char *path = xasprintf("%s/%s.so", server->plugin_dirs[i], use->plugin);
        if (access(path, F_OK) == 0) return path;
        free(path);
    }
    return NULL;
}

/* The file moves into the sentence, because `where` is the place in the YAML. */
static void place(sinter_error *e, const config_use *use)
{
    if (!e) return;
    char what[sizeof e->what];
    snprintf(what, sizeof what, "%s: %.*s", e->where, (int)(sizeof what - strlen(e->where) - 3), e->what);
    error_set(e, e->status, NULL, e->fix, "%s", what);
    error_where(e, "%s:%u:%u", use->at->file, use->at->line, use->at->column);
}

/* A pin is the last word: an override of another build stands back. */
static const plugin_override *overriding(const config_use *use, const plugin_override *override, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(override[i].plugin, plugin_key(use)) != 0) continue;
        return use->sha256 && strcmp(use->sha256, override[i].sha256) != 0 ? NULL : &override[i];
    }
    return NULL;
}

sinter_status plugin_load(plugin_host *h, const config_server *server, const config_use *use, const plugin_override *override,
                          uint32_t n, const plugin_library **out, sinter_error *e)
{
    const plugin_override *o = overriding(use, override, n);
    char *path = o ? xstrdup(o->kept) : plugin_file_of(server, use);
    if (!path) return not_found(server, use, e);
    const plugin_library *l = NULL;
    sinter_status s = load_as(h, path, o ? o->from : path, o ? o->sha256 : use->sha256, &l, e);
    if (s == SINTER_OK && !use->path && strcmp(l->name, use->plugin) != 0) {
        s = refuse(e, o ? o->from : path, "name the file as its table names the plugin", "it holds the plugin '%s', not '%s'",
                   l->name, use->plugin);
        plugin_library_release(h, l);
    }
    if (s == SINTER_OK)
        *out = l;
    else
        place(e, use);
    free(path);
    return s;
}
